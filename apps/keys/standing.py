"""Whose a key is and where it belongs, in words: for lists, pages and exports, all rows at once."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.keys.models import Key
from apps.members.models import Member, Person
from apps.sync.models import Resource
from apps.workspaces.models import Workspace

# Tone and word of each state; one that is not here is shown as the provider says it.
STATES = {
    "active": ("success", gettext_lazy("Active")),
    "inactive": ("muted", gettext_lazy("Inactive")),
    "expired": ("warning", gettext_lazy("Expired")),
    "archived": ("muted", gettext_lazy("Archived")),
    "gone": ("muted", gettext_lazy("No longer listed")),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What is shown of a key beyond its own columns. ``person_id``: None where nobody here is known."""

    creator: str  # "" where nobody knows
    person_id: int | None = None
    left: bool = False  # no longer a member
    workspace: str = ""  # "" where there are none
    archived: bool = False  # the workspace


def state_in_words(key: Key) -> tuple[str, str]:
    """Tone and word."""
    tone, word = STATES.get(key.state, ("plain", key.state))
    return tone, str(word)


def standings(keys: Iterable[Key]) -> list[Standing]:
    """What each of ``keys`` has, in their order. Three queries."""
    keys = list(keys)
    places = {key.connection_id for key in keys}
    members = Member.objects.filter(
        connection__in=places, remote_id__in={key.creator for key in keys if key.creator}
    ).select_related("person")
    creators = {(one.connection_id, one.remote_id): one for one in members}
    named = Workspace.objects.filter(
        connection__in=places, remote_id__in={key.workspace for key in keys if key.workspace}
    )
    workspaces = {(one.connection_id, one.remote_id): one for one in named}
    # Whom a whole walk of the members has not listed is none.
    walked = Resource.objects.filter(
        connection__in=places, name="members", completed_at__isnull=False
    )
    complete = set(walked.values_list("connection_id", flat=True))
    return [
        _standing(
            key,
            creators.get((key.connection_id, key.creator)),
            workspaces.get((key.connection_id, key.workspace)),
            complete=key.connection_id in complete,
        )
        for key in keys
    ]


def _standing(
    key: Key, creator: Member | None, workspace: Workspace | None, *, complete: bool
) -> Standing:
    by_person = bool(key.creator) and key.creator_kind == "user"
    words = key.creator
    if creator:
        words = str(creator.person)
    elif key.creator_kind == "service_account":
        words = _("Service account %(id)s") % {"id": key.creator}
    place = _("Default workspace") if key.workspace == "" else key.workspace or ""
    return Standing(
        creator=words,
        person_id=creator.person_id if creator else None,
        left=by_person and complete and (creator is None or creator.gone_at is not None),
        workspace=workspace.name if workspace else place,
        archived=bool(workspace and workspace.state == Workspace.State.ARCHIVED),
    )


def of_members(members: QuerySet[Member]) -> QuerySet[Key]:
    """The keys that these members made, at the same connections; the gone ones not."""
    made = members.order_by().filter(
        connection=OuterRef("connection"), remote_id=OuterRef("creator")
    )
    return Key.objects.filter(Exists(made), gone_at__isnull=True)


def of_person(person: Person) -> QuerySet[Key]:
    """The keys that a person made, wherever they are or were a member. One short query at once.

    By their ids: asked of every key, the database would go through all of them.
    """
    members = Member.objects.filter(person=person).values_list("connection", "remote_id")
    wanted = Q(pk__in=[])
    for connection, remote_id in members:
        wanted |= Q(connection=connection, creator=remote_id)
    return Key.objects.filter(wanted, gone_at__isnull=True)
