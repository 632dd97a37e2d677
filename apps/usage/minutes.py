"""The last hours by the minute: asked for by somebody, read by a worker, kept for a few hours.

A report by the minute is for looking closer, and costs requests that listings need: so it is never read
by the clock, at most once a minute, and within the connection's rate budget like everything else.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.audit.record import record
from apps.kicks import kick_after_commit
from apps.organizations import health
from apps.organizations.adapters import open_adapter
from apps.organizations.models import Connection
from apps.organizations.policy import may
from apps.providers import errors
from apps.providers.catalogue import PROVIDERS
from apps.providers.protocol import MinuteAdapter
from apps.providers.records import Page
from apps.providers.records.reports import UsageBucket, UsageRow
from apps.sync import schedule
from apps.usage import bulk
from apps.usage.models import MinuteReading, MinuteUse
from apps.usage.tuples import NOT_ASKED, value_of

HOURS_READ = 3
HOURS_KEPT = 6
AGAIN_SECONDS = 60  # the provider: "poll at most once a minute"
WAIT_SECONDS = 120.0  # for room in the rate budget: somebody looks on
SILENT = timedelta(minutes=3)  # then whoever was reading has died
# Batches have limits of their own.
BESIDE_THE_LIMITS = frozenset({"batch"})
MOST_ROWS = 5_000  # of one transaction
COLUMNS = ("connection_id", "minute", "workspace", "model", "fresh", "cached", "output")

State = MinuteReading.State
UNDER_WAY = (State.QUEUED, State.RUNNING)
log = structlog.get_logger(__name__)


class NotNow(Exception):
    """A wish that cannot be met; the text says why, in plain words."""


class _AskedAnew(Exception):
    """Another reading has taken the place of this one: stop, and write nothing."""


def minute_of(when: datetime) -> int:
    """The number of the minute that an aware time lies in."""
    return int(when.timestamp()) // 60


def moment_of(minute: int) -> datetime:
    """When the minute of that number begins."""
    return datetime.fromtimestamp(minute * 60, UTC)


def is_told(connection: Connection) -> bool:
    """Whether the provider tells of minutes, and the connection may ask."""
    provider = PROVIDERS.get(connection.provider)
    return provider is not None and "minutes" in provider.reports and connection.can("usage.read")


def is_under_way(reading: MinuteReading) -> bool:
    """Whether a worker has it, or will have it in a moment."""
    return reading.state in UNDER_WAY and timezone.now() - reading.heartbeat_at < SILENT


def why_not(connection: Connection, reading: MinuteReading | None) -> str:
    """Why the last hours cannot be asked for now; "" if they can."""
    if not is_told(connection):
        return connection.why_not("usage.read") or _("This provider tells of no single minutes.")
    if why := schedule.why_not(connection):
        return why
    if reading is None:
        return ""
    if is_under_way(reading):
        return _("It is being read just now.")
    if reading.read_at and timezone.now() - reading.read_at < timedelta(seconds=AGAIN_SECONDS):
        return _("It was read less than a minute ago: the provider asks for patience.")
    return ""


def ask(*, connection: Connection, actor: User) -> MinuteReading:
    """Have the last hours read by the minute because ``actor`` wants it. Raises NotNow."""
    with transaction.atomic(durable=True):
        current = Connection.objects.select_related("organization").get(pk=connection.pk)
        if not may(actor, "sync.start", current.organization):
            raise PermissionDenied(_("Your role here does not allow this any more."))
        now = timezone.now()
        reading, made = MinuteReading.objects.get_or_create(
            connection=current, defaults={"asked_at": now, "heartbeat_at": now, "asked_by": actor}
        )
        if why := why_not(current, None if made else reading):
            raise NotNow(why)
        wish = {"state": State.QUEUED, "asked_at": now, "heartbeat_at": now, "asked_by": actor}
        mine = MinuteReading.objects.filter(pk=reading.pk, fence=reading.fence).update(
            fence=reading.fence + 1, done=0, error="", **wish
        )
        if not mine:
            raise NotNow(_("It is being read just now."))
        reading.refresh_from_db()
        record(
            organization=current.organization_id,
            actor=actor,
            verb="usage.read_minutes",
            target=current,
            connection=current,
        )
        kick_after_commit("walks.read_minutes", reading.pk, reading.fence)
    return reading


def kept_from() -> int:
    """The first minute that is kept: what lies before is forgotten, or will be in a moment."""
    return minute_of(timezone.now() - timedelta(hours=HOURS_KEPT))


def kept(reading: MinuteReading) -> range:
    """The minutes of a reading that are kept; empty where none are, or nothing was read."""
    if reading.first is None or reading.last is None:
        return range(0)
    return range(max(reading.first, kept_from()), reading.last + 1)


def prune() -> int:
    """Forget minutes that are past their hours; how many rows."""
    gone, _each = MinuteUse.objects.filter(minute__lt=kept_from()).delete()
    return gone


# --- In a worker ---------------------------------------------------------------------------------


def read(reading_id: int, fence: int) -> None:
    """Read what was asked for, and write down how it went; nothing if that was done meanwhile."""
    mine = MinuteReading.objects.filter(pk=reading_id, fence=fence)
    if not mine.filter(state=State.QUEUED).update(state=State.RUNNING, heartbeat_at=timezone.now()):
        return
    reading = MinuteReading.objects.select_related("connection__organization").get(pk=reading_id)
    connection = reading.connection
    connection.breaker_trial = False  # the row may tell of another's
    try:
        why = schedule.why_not(connection)
        if not why and health.breaker_allows(connection) is not None:
            why = _("The provider cannot be reached just now.")
        if why:
            mine.update(state=State.FAILED, error=why[:500], heartbeat_at=timezone.now())
            return
        _Minutes(reading).go()
    except _AskedAnew:
        health.leave_trial(connection)
        log.info("minutes_asked_anew", reading=reading_id)
    except errors.ProviderError as error:
        if isinstance(error, errors.NotSent | errors.Unclear):
            health.note_failure(connection, error)
        else:
            health.leave_trial(connection)
        if isinstance(error, errors.Unauthorized):
            health.freeze(connection, error)
        mine.update(state=State.FAILED, error=error.message[:500], heartbeat_at=timezone.now())
    except Exception as error:  # a bug must not leave it running for ever; it is raised again
        health.leave_trial(connection)
        mine.update(state=State.FAILED, error=f"Internal error: {type(error).__name__}")
        raise


@dataclass(slots=True)
class _Minutes:
    """One reading while it lasts."""

    reading: MinuteReading
    sums: dict[tuple[int, str, str], list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0, 0])
    )
    unreadable: int = 0
    waited: float = 0.0

    def go(self) -> None:
        """Ask, write, and say how far it got."""
        now = timezone.now()
        connection = self.reading.connection
        with open_adapter(connection) as adapter:
            if not isinstance(adapter, MinuteAdapter):
                raise errors.Refused(_("This provider tells of no single minutes."))
            end = minute_of(now) - adapter.minutes_late
            first = end - HOURS_READ * 60
            grouping = self._by_the_finest(adapter, moment_of(first), moment_of(end))
        self._write(first, end)
        health.note_success(connection)
        MinuteReading.objects.filter(pk=self.reading.pk, fence=self.reading.fence).update(
            state=State.DONE,
            read_at=now,
            heartbeat_at=timezone.now(),
            first=first,
            last=end - 1,
            grouping=list(grouping),
            unreadable=self.unreadable,
        )

    def _by_the_finest(
        self, adapter: MinuteAdapter, start: datetime, end: datetime
    ) -> tuple[str, ...]:
        """Read by the finest grouping that is not refused; which."""
        *finer, coarsest = adapter.minute_groupings
        for grouping in finer:
            try:
                self._pages(adapter, start, end, grouping)
            except errors.Refused:
                continue
            return grouping
        self._pages(adapter, start, end, coarsest)
        return coarsest

    def _pages(
        self, adapter: MinuteAdapter, start: datetime, end: datetime, grouping: tuple[str, ...]
    ) -> None:
        self.sums.clear()
        self.unreadable = self.reading.done = 0
        cursor: str | None = None
        asked: set[str | None] = set()
        while cursor not in asked:
            asked.add(cursor)
            page = self._patiently(_at(adapter, start, end, grouping, cursor))
            for bucket in page.rows:
                self._take(bucket, grouping)
            self.unreadable += len(page.unreadable)
            self._beat(len(page.rows))
            cursor = page.next_cursor
            if cursor is None:
                return
        raise errors.Unclear(_("The provider gave the same page twice."))

    def _patiently(self, call: "Callable[[], Page[UsageBucket]]") -> Page[UsageBucket]:
        """What ``call`` gives, once the rate budget has room for it."""
        while True:
            try:
                return call()
            except (errors.RateLimited, errors.BudgetSpent) as error:
                wait = max(error.retry_after or 0.0, 1.0)
                self.waited += wait
                if self.waited > WAIT_SECONDS:
                    raise
                self._rest(wait)

    def _rest(self, seconds: float) -> None:
        """Wait, and show that we are alive meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 5.0))
            self._beat(0)

    def _beat(self, minutes: int) -> None:
        self.reading.done += minutes
        mine = MinuteReading.objects.filter(pk=self.reading.pk, fence=self.reading.fence)
        if not mine.update(done=self.reading.done, heartbeat_at=timezone.now()):
            raise _AskedAnew

    def _take(self, bucket: UsageBucket, grouping: tuple[str, ...]) -> None:
        minute = minute_of(bucket.starts_at)
        self.unreadable += len(bucket.unreadable)
        for row in bucket.rows:
            if row.service_tier in BESIDE_THE_LIMITS:
                continue
            workspace = value_of(row.workspace_id) if "workspace_id" in grouping else NOT_ASKED
            held = self.sums[minute, workspace, value_of(row.model)]
            for at, count in enumerate(_counts(row)):
                held[at] += count

    def _write(self, first: int, end: int) -> None:
        """Exchange the minutes from ``first`` to ``end``, some at a time, each transaction whole minutes."""
        pk = self.reading.connection_id
        mine = MinuteReading.objects.filter(pk=self.reading.pk, fence=self.reading.fence)
        rows: list[tuple[Any, ...]] = sorted((*key, *counts) for key, counts in self.sums.items())
        at, begin = 0, first
        while begin < end:
            until = end
            if len(rows) > at + MOST_ROWS:
                until = max(rows[at + MOST_ROWS][0], begin + 1)
            to = next((n for n in range(at, len(rows)) if rows[n][0] >= until), len(rows))
            with transaction.atomic(durable=True):
                # Held to the end of the transaction: whoever asks anew waits, and writes after us.
                if mine.select_for_update().first() is None:
                    raise _AskedAnew
                MinuteUse.objects.filter(
                    connection=pk, minute__gte=begin, minute__lt=until
                ).delete()
                bulk.insert(MinuteUse, COLUMNS, [(pk, *row) for row in rows[at:to]])
            time.sleep(settings.SYNC_BUCKET_PAUSE_SECONDS)
            at, begin = to, until


def _at(
    adapter: MinuteAdapter,
    start: datetime,
    end: datetime,
    grouping: tuple[str, ...],
    cursor: str | None,
) -> "Callable[[], Page[UsageBucket]]":
    return lambda: adapter.usage_by_minute(start, end, grouping, cursor)


def _counts(row: UsageRow) -> tuple[int, int, int]:
    """Input that did not come from the cache, input that did, output."""
    fresh = row.uncached_input + row.cache_write_5m + row.cache_write_1h + row.unsplit_input
    return fresh, row.cache_read, row.output
