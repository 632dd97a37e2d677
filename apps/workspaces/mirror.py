"""How workspaces and the roles in them are mirrored, and what follows when one is archived."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.members.models import Member
from apps.organizations.models import Connection
from apps.providers.errors import Refused
from apps.providers.protocol import Adapter, WorkspaceAdapter
from apps.providers.records import Page
from apps.providers.records.workspaces import WorkspaceMemberRecord, WorkspaceRecord
from apps.sync import schedule
from apps.sync.mirrors import Mirror
from apps.sync.models import Resource
from apps.workspaces import news
from apps.workspaces.models import Workspace, WorkspaceMember
from apps.workspaces.residency import residency_columns

State = Workspace.State
# One request for each live workspace, against some 100 requests a minute for everything.
MEMBERS_EVERY_SECONDS = 1800
REFUSED_SHOWN = timedelta(days=1)


def with_workspaces(adapter: Adapter) -> WorkspaceAdapter:
    """The adapter, as one that has workspaces. Refused where its provider has none."""
    if isinstance(adapter, WorkspaceAdapter):
        return adapter
    raise Refused(_("This provider has no workspaces."))


# --- Workspaces ----------------------------------------------------------------------------------


def _fetch_workspaces(adapter: Adapter, cursor: str | None) -> Page[WorkspaceRecord]:
    return with_workspaces(adapter).workspaces(cursor)


def workspace_values(record: WorkspaceRecord) -> tuple[Any, ...]:
    """A record's columns, in the order of ``WORKSPACES.columns``."""
    state = State.LIVE if record.archived_at is None else State.ARCHIVED
    return (
        record.name,
        record.colour,
        str(state.value),
        record.created_at,
        record.archived_at,
        *residency_columns(record.residency),
    )


WORKSPACES = Mirror(
    name="workspaces",
    label=gettext_lazy("Workspaces"),
    capability="workspaces.read",
    model=Workspace,
    fetch=_fetch_workspaces,
    columns=(
        "name",
        "colour",
        "state",
        "created_at",
        "archived_at",
        "allowed_geos",
        "default_geo",
        "storage_geo",
    ),
    values=lambda record, now: workspace_values(record),
    label_column="name",
    target_column="remote_id",
    watched=("name", "state", "allowed_geos", "default_geo"),
    begins=frozenset({"workspaces.create"}),
)


# --- Roles in them -------------------------------------------------------------------------------


def _fetch_members(adapter: Adapter, cursor: str | None) -> Page[WorkspaceMemberRecord]:
    return with_workspaces(adapter).workspace_members(cursor)


def _member_values(record: WorkspaceMemberRecord, now: datetime) -> tuple[Any, ...]:
    workspace, _colon, user = record.remote_id.partition(":")
    return workspace, user, record.role


MEMBERSHIPS = Mirror(
    name="workspace_members",
    label=gettext_lazy("Workspace members"),
    capability="workspaces.read",
    model=WorkspaceMember,
    fetch=_fetch_members,
    columns=("workspace_remote_id", "user_remote_id", "role"),
    values=_member_values,
    label_column="user_remote_id",
    target_column="remote_id",
    watched=("role",),
    begins=frozenset({"workspaces.add_member"}),
    ends=frozenset({"workspaces.remove_member"}),
    news=news.of_roles,
    every_seconds=MEMBERS_EVERY_SECONDS,
)


# --- What an archived workspace takes with it ----------------------------------------------------

# Gets the connection, the remote ids of workspaces that are archived, and now, in the transaction
# that writes it. It may be told of the same ones again.
ArchiveListener = Callable[[Connection, list[str], datetime], None]
_listeners: list[ArchiveListener] = []


def when_archived(listener: ArchiveListener) -> None:
    """Hear of archived workspaces, by our own Commands and by walks; for a shelf's ``ready()``."""
    if listener not in _listeners:
        _listeners.append(listener)


def archived(connection: Connection, remote_ids: Iterable[str], now: datetime) -> None:
    """End the roles in these workspaces, and tell the shelves above. Inside the caller's transaction."""
    ids = list(remote_ids)
    WorkspaceMember.objects.filter(
        connection=connection, workspace_remote_id__in=ids, gone_at__isnull=True
    ).update(gone_at=now, changed_at=now)
    for listener in _listeners:
        listener(connection, ids, now)


def follow_archived(connection: Connection, now: datetime) -> None:
    """After a whole walk of workspaces: what was archived elsewhere, and refusals that are old news."""
    mine = Workspace.objects.filter(connection=connection)
    ended = mine.filter(state=State.ARCHIVED).values_list("remote_id", flat=True)
    archived(connection, [remote_id for remote_id in ended if remote_id], now)
    mine.filter(state=State.REFUSED, changed_at__lt=now - REFUSED_SHOWN).delete()


# --- What follows from the organization's members ------------------------------------------------

LEFT_WITHIN = timedelta(days=1)


def follow_members(connection: Connection, now: datetime) -> None:
    """After a whole walk of members: who left the organization is in no workspace any more.

    And if somebody got, or lost, a role that counts in every workspace, the roles there are listed
    anew soon.
    """
    if not connection.can("workspaces.read"):
        return
    left = Member.objects.filter(connection=connection, gone_at__gte=now - LEFT_WITHIN)
    WorkspaceMember.objects.filter(
        connection=connection,
        user_remote_id__in=left.values("remote_id"),
        gone_at__isnull=True,
    ).update(gone_at=now, changed_at=now)
    listing = Resource.objects.filter(connection=connection, name=MEMBERSHIPS.name).first()
    if listing and listing.completed_at and news.moved_since(connection, listing.completed_at):
        schedule.soon(connection, MEMBERSHIPS.name)
