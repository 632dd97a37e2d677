"""When listings are walked: due by the clock, after a change, or because somebody asks.

``due_at`` is the whole schedule. Taking a lease clears it, and a wish that comes in meanwhile sets
it again, so that nothing asked for during a walk is lost with it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.audit.record import record
from apps.kicks import kick_after_commit
from apps.organizations import health
from apps.organizations.models import Connection, Organization
from apps.organizations.policy import may
from apps.sync import mirrors
from apps.sync.models import Resource, SyncRun
from apps.sync.walk import may_walk, walk
from apps.ui.prepared import Prepared

CLAIM_SECONDS = 30  # how long a kick may lie in the queue before it is thought lost


class WalkRefused(Exception):
    """A wish that cannot be met; the text says why, in plain words."""


def begin(connection: Connection) -> None:
    """Have every listing that ``connection`` can read walked now. Inside the caller's transaction."""
    now = timezone.now()
    for mirror in mirrors.readable(connection):
        resource, made = Resource.objects.get_or_create(
            connection=connection, name=mirror.name, defaults={"due_at": now}
        )
        if not made:
            _due(resource.pk, now)
        kick(resource.pk, SyncRun.Cause.FIRST if made else SyncRun.Cause.ASKED)


def begin_new(connection: Connection) -> None:
    """Have what ``connection`` turned out to be able to read, and was never walked, walked now.

    Inside the caller's transaction. After an update of the portal, or of what its key may do.
    """
    if connection.state != Connection.State.ACTIVE:
        return  # whoever resumes it begins all of them
    known = set(Resource.objects.filter(connection=connection).values_list("name", flat=True))
    for mirror in mirrors.readable(connection):
        if mirror.name not in known:
            new = Resource.objects.create(
                connection=connection, name=mirror.name, due_at=timezone.now()
            )
            kick(new.pk, SyncRun.Cause.FIRST)


def soon(connection: Connection, name: str) -> None:
    """Have one listing walked shortly: something has changed it."""
    Resource.objects.filter(connection=connection, name=name).update(due_at=timezone.now())


def ask_for_walk(*, connection: Connection, actor: User) -> int:
    """Have every listing walked because ``actor`` wants it; how many. Raises WalkRefused."""
    with transaction.atomic(durable=True):
        current = Connection.objects.select_related("organization").get(pk=connection.pk)
        if not may(actor, "sync.start", current.organization):
            raise PermissionDenied(_("Your role here does not allow this any more."))
        why = why_not(current)
        if why:
            raise WalkRefused(why)
        begin(current)
        record(
            organization=current.organization_id,
            actor=actor,
            verb="sync.start",
            target=current,
            connection=current,
        )
    return len(mirrors.readable(connection))


def why_not(connection: Connection) -> str:
    """Why a connection is not synced now, "" if it is."""
    if connection.state == Connection.State.PAUSED:
        return _("This connection is paused. Resume it first.")
    if connection.state != Connection.State.ACTIVE:
        return _("This connection is not active.")
    if connection.frozen_at:
        return _("The provider refuses the key. Replace it first.")
    if not mirrors.readable(connection):
        return _("This key may not read anything that is synced.")
    return ""


def kick(resource_id: int, cause: str) -> None:
    """Wake a worker once the transaction at hand has committed; ``start_due`` finds lost kicks."""
    kick_after_commit("walks.walk", resource_id, str(cause))


def due(now: datetime) -> "QuerySet[Resource]":
    """Listings whose time has come and that nobody walks, the longest waiting first."""
    dead = Q(due_at__isnull=True, leased_until__lt=now)  # its walker was killed
    return (
        Resource.objects.filter(Q(due_at__lte=now) | dead)
        .filter(Q(leased_until__isnull=True) | Q(leased_until__lt=now))
        .filter(
            Q(connection__breaker_open_until__isnull=True)
            | Q(connection__breaker_open_until__lte=now),
            connection__state=Connection.State.ACTIVE,
            connection__frozen_at__isnull=True,
        )
        .select_related("connection")
        .order_by("due_at", "pk")
    )


def start_due() -> int:
    """Hand every due listing to a worker, once; how many."""
    now = timezone.now()
    started = 0
    for resource in due(now):
        mirror = mirrors.get(resource.name)
        if mirror is None or not may_walk(resource.connection, mirror):
            continue
        # Pushing the time forward is the claim: another beat that looks now does not find it.
        mine = Resource.objects.filter(
            pk=resource.pk, fence=resource.fence, due_at=resource.due_at
        ).update(due_at=now + timedelta(seconds=CLAIM_SECONDS))
        if mine:
            kick(resource.pk, SyncRun.Cause.DUE)
            started += 1
    return started


def walk_if_wanted(resource_id: int, cause: str) -> None:
    """What a worker does with a kick: nothing if another one has done it meanwhile."""
    if cause == SyncRun.Cause.DUE:
        later = timezone.now() + timedelta(seconds=CLAIM_SECONDS)
        if Resource.objects.filter(pk=resource_id, due_at__gt=later).exists():
            return
    walk(resource_id, cause)


def _due(resource_id: int, now: datetime) -> None:
    Resource.objects.filter(pk=resource_id).update(due_at=now)


# --- What pages say ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old what a page shows may be, for one connection."""

    connection: Connection
    synced_at: datetime | None  # the oldest of its listings' last complete walks
    next_at: datetime | None  # None too while nothing is walked
    paused: bool
    running: bool
    asking: bool  # a sudden loss waits for a decision
    failing: bool
    is_stale: bool  # the last complete walk of one of them is longer ago than it should be


_resources = Prepared(
    lambda organizations, names: (
        Resource.objects.filter(
            connection__organization__in=organizations,
            connection__state__in=[Connection.State.ACTIVE, Connection.State.PAUSED],
            name__in=names,
        )
        .select_related("connection")
        .annotate(
            asking=Exists(
                SyncRun.objects.filter(resource=OuterRef("pk"), state=SyncRun.State.ASKING)
            )
        )
        .order_by("connection__name", "connection_id", "name")
    )
)


def freshness(organization: Organization, *names: str) -> list[Freshness]:
    """How fresh the listings ``names`` (all by default) of each live connection are. One query."""
    by_connection: dict[int, list[Resource]] = {}
    for row in _resources(organizations=[organization.pk], names=names or mirrors.names()):
        by_connection.setdefault(row.connection_id, []).append(row)
    return [_fresh(group, timezone.now()) for group in by_connection.values()]


def _fresh(rows: list[Resource], now: datetime) -> Freshness:
    synced = [row.completed_at for row in rows]
    connection = rows[0].connection
    paused = connection.state == Connection.State.PAUSED
    walked = not paused and connection.frozen_at is None
    following = [row.due_at for row in rows if walked and row.due_at is not None]
    return Freshness(
        connection=connection,
        synced_at=None if None in synced else min(at for at in synced if at),
        next_at=min(following, default=None),
        paused=paused,
        running=any(row.leased_until and row.leased_until > now for row in rows),
        asking=any(getattr(row, "asking", False) for row in rows),
        failing=any(row.failures for row in rows),
        is_stale=any(is_late(row, now) for row in rows),
    )


def is_late(row: Resource, now: datetime) -> bool:
    """Whether a listing was not walked whole for several times its pace."""
    mirror = mirrors.get(row.name)
    every = mirror.every if mirror else float(settings.SYNC_INTERVAL_SECONDS)
    late = timedelta(seconds=every * health.STALE_INTERVALS)
    return row.completed_at is None or now - row.completed_at > late
