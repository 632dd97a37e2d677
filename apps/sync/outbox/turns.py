"""Whose turn it is: how many Commands of a connection are with the workers at a time.

A batch of a thousand must neither stand in the queue before another connection's click nor knock a
thousand times at a rate budget that has room for two. So of one connection only a few are handed to
the workers at once, single changes before batches, and none while nothing could be sent; whoever is
done with one hands out the next. Two who look at the same moment hand out one too many, which is
harmless: the claim decides.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from apps import kicks
from apps.organizations.adapters import budget_of
from apps.organizations.models import Connection
from apps.sync.models import Command, CommandQuerySet, CommandState
from apps.sync.outbox.kinds import KINDS
from apps.sync.outbox.word import CARRY

S = CommandState
ALIVE = "outbox:alive"
ALIVE_SECONDS = 45  # longer than a call to a provider takes at most
OVERDUE = timedelta(seconds=15)
BUDGET_PATIENCE = 1.0  # seconds to wait for the rate budget while holding a worker's thread
IN_HAND = 4  # of one connection; several must fit into the workers' threads

WAITING = [S.QUEUED, S.RETRY, S.UNKNOWN]
UNDER_WAY = [S.CLAIMED, S.SENDING]


def hand_out(connection_id: int) -> int:
    """Tell the workers of as many due Commands of a connection as may go now; their number."""
    now = timezone.now()
    due = _due(now).filter(connection_id=connection_id)
    if not due.exists():
        return 0
    free = _free(connection_id, now)
    if free <= 0:
        return 0
    single_first = F("batch_id").asc(nulls_first=True)
    ids = list(due.order_by(single_first, "due_at", "pk").values_list("pk", flat=True)[:free])
    with transaction.atomic(durable=True):
        told = [pk for pk in ids if _untold(now).filter(pk=pk).update(kicked_at=now)]
    kicks.kick_each(CARRY, [(pk,) for pk in told])
    return len(told)


def hand_out_everywhere() -> int:
    """The same for every connection that has something due: what lost kicks and dead workers left."""
    waiting = _due(timezone.now()).order_by().values_list("connection_id", flat=True).distinct()
    return sum(hand_out(connection_id) for connection_id in list(waiting))


def note_alive() -> None:
    """A worker says that it is there."""
    cache.set(ALIVE, True, ALIVE_SECONDS)


def nobody_works() -> bool:
    """Whether no worker has said lately that it is there."""
    return not cache.get(ALIVE)


def overdue() -> Q:
    """Commands that a worker should have taken up a while ago, if one were running."""
    late = timezone.now() - OVERDUE
    return _takeable(late)


def _long_ago(now: datetime) -> datetime:
    return now - timedelta(seconds=settings.OUTBOX_KICK_AGAIN_SECONDS)


def _untold(now: datetime) -> CommandQuerySet:
    """Those of which nobody was told lately."""
    return Command.objects.filter(Q(kicked_at__isnull=True) | Q(kicked_at__lte=_long_ago(now)))


def _due(now: datetime) -> CommandQuerySet:
    """Those that a worker could take a step further now."""
    return _untold(now).filter(_takeable(now))


def _takeable(now: datetime) -> Q:
    # What kills its own key is read back although the key is refused: that may be its doing.
    ends_key = [kind.name for kind in KINDS.values() if kind.ends_key]
    accepted = Q(connection__frozen_at__isnull=True) | Q(state=S.UNKNOWN, kind__in=ends_key)
    sendable = accepted & (
        Q(connection__breaker_open_until__isnull=True) | Q(connection__breaker_open_until__lte=now)
    )
    # After a restore from backup nothing is sent, but everything is read back.
    sends = Q(organization__sending_stopped_at__isnull=True) | Q(state=S.UNKNOWN)
    live = ~Q(connection__state=Connection.State.PAUSED) & sendable & sends
    # The second: its worker has died.
    return (Q(state__in=WAITING, due_at__lte=now) & live) | Q(
        state__in=UNDER_WAY, leased_until__lte=now
    )


def _free(connection_id: int, now: datetime) -> int:
    """How many more the workers may have."""
    in_hand = Command.objects.filter(
        connection_id=connection_id,
        state__in=[*WAITING, *UNDER_WAY],
        kicked_at__gt=_long_ago(now),
    ).count()
    room = budget_of(Connection.objects.get(pk=connection_id)).room(write=True)
    # One may wait for the next room: were nobody told, it would be found by the sweep, too late.
    one = int(room.wait <= BUDGET_PATIENCE)
    return min(IN_HAND, max(room.requests, one)) - in_hand
