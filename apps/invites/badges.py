"""What invites add to the list of people: a badge for each pending one, a state to filter by."""

from collections.abc import Iterator, Sequence

from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.invites.lists import has_lapsed, is_past
from apps.invites.models import Invite
from apps.members.models import Person
from apps.members.people import StateOption
from apps.members.standing import Badge, badge_of, role_label
from apps.organizations.models import Connection
from apps.ui.filters import Hits
from apps.ui.prepared import Prepared

OPEN = [Invite.State.SENDING, Invite.State.PENDING]


_open_invites = Prepared(
    # By person alone: given connections as well, SQLite reads all of their invites.
    lambda people: Invite.objects.filter(person__in=people, state__in=OPEN).values_list(
        "connection_id", "pk", "person_id", "email", "role", "state", "expires_at"
    )
)


def pending_badges(
    connections: dict[int, Connection], people: Sequence[Person]
) -> Iterator[tuple[int, Badge]]:
    """A badge for every invite that is being sent or still pending. One query."""
    now = timezone.now()
    for connection_id, _pk, person_id, email, role, state, expires_at in sorted(
        _open_invites(people=[person.id for person in people])
    ):
        connection = connections.get(connection_id)
        if connection is None or is_past(state, expires_at, now):
            continue
        text = _("invited as %(role)s") % {"role": role_label(connection.provider, role)}
        badge = badge_of(connection, connections.values(), text, tone="invite")
        yield person_id, badge._replace(target=f"invites:{email.lower()}")


def _invited(connection_ids: Sequence[int]) -> Hits:
    pending = Invite.objects.filter(connection__in=connection_ids, state__in=OPEN).exclude(
        has_lapsed()
    )
    return Hits(
        ids=lambda: pending.values("person_id"),
        walk=lambda: Exists(pending.filter(person=OuterRef("pk"))),
        own=True,
    )


INVITED = StateOption("invited", gettext_lazy("Invited"), _invited)
