"""What sync walks for usage: three reports, each read by stretches of days, newest first.

A walk reads what may still change, then goes on with the backfill until its slice of time is over, and
comes back at once if there is more; so no walk keeps others waiting, and a killed one loses a stretch.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.organizations.adapters import budget_of
from apps.providers import errors
from apps.providers.catalogue import PROVIDERS
from apps.providers.protocol import Adapter, CodingAdapter, CostAdapter, UsageAdapter
from apps.providers.records import Page
from apps.providers.records.reports import CodingDayRecord
from apps.sync import leases
from apps.sync.mirrors import Series
from apps.sync.walk import Errand, Fetcher
from apps.usage import blocks, coding, ledger
from apps.usage.days import date_of
from apps.usage.dimensions import Dimensions
from apps.usage.models import ReadDay, Report, ReportName

# Of the requests of a minute, what the backfill leaves to the listings: a fifth.
KEPT_SHARE = 5
COME_AGAIN_SECONDS = 15.0
TRY_GROUPING_AGAIN = timedelta(days=7)


class Reading(ABC):
    """One walk of one report. Subclasses say how a stretch of days is read and written: of tokens and money
    ``token_walks`` has them, which web processes never import."""

    name: str

    def __init__(self, errand: Errand, fetcher: Fetcher, report: Report) -> None:
        self.errand, self.fetcher, self.report = errand, fetcher, report
        self.dimensions = Dimensions(report.connection_id)
        self.met: dict[tuple[str, ...], dict[Any, int]] = {}  # ids, by what rows are told apart by
        self.longest = 1  # days of a stretch
        self.left: list[int] = []  # days of the backfill that this walk has not read yet
        self.ahead: list[int] = []  # the stretch whose first page is on its way
        self.ahead_by: tuple[str, ...] = ()  # and what it is grouped by

    def go(self) -> None:
        """Read what is due and some of the backfill; then sum up the weeks and months that are whole."""
        self._go()
        if self.report.name != ReportName.CODING:
            blocks.make_due(self.report.connection_id, self.hold)

    def _go(self) -> None:
        began = time.monotonic()
        plan = ledger.plan(self.report, timezone.now())
        run = self.errand.run
        run.expected = len(plan.open) + len(plan.back)
        for span in self._spans(plan.open):
            self._read(span, plan.known)
        self.left = list(plan.back)
        while self.left:
            if time.monotonic() - began > settings.USAGE_SLICE_SECONDS:
                self.errand.again_at = timezone.now()
                return
            if self._stopped() or self._in_the_way():
                return
            span = self.ahead or self.following()
            self.left = self.left[len(span) :]
            try:
                self._read(span, plan.known)
            except errors.Refused as error:
                # Older days may be more than the provider keeps; the others were read.
                self._pause(error)
                return
        if self.report.paused_at is None and self.report.backfilled_at is None:
            self.report.backfilled_at = timezone.now()
            self.report.save(update_fields=["backfilled_at"])

    def _spans(self, days: list[int]) -> Iterable[list[int]]:
        """Stretches of as many days as fit now: the length is looked up for each anew."""
        left = list(days)
        while left:
            span = next(iter(ledger.spans(left, self.longest)))
            left = left[len(span) :]
            yield span

    def following(self) -> list[int]:
        """The next stretch of the backfill, [] at its end."""
        return next(iter(ledger.spans(self.left, self.longest)), [])

    def _stopped(self) -> bool:
        """Whether somebody has paused the backfill meanwhile."""
        return Report.objects.filter(pk=self.report.pk, paused_at__isnull=False).exists()

    def _in_the_way(self) -> bool:
        """Whether so little of the rate budget is left that it is better kept for what cannot wait."""
        connection = self.errand.connection
        room = budget_of(connection).room(write=False)
        if room.requests >= connection.requests_per_minute // KEPT_SHARE:
            return False
        rest = max(room.wait, COME_AGAIN_SECONDS)
        self.errand.again_at = timezone.now() + timedelta(seconds=rest)
        return True

    def _pause(self, error: errors.Refused) -> None:
        self.report.paused_at, self.report.refusal = timezone.now(), error.message[:500]
        self.report.save(update_fields=["paused_at", "refusal"])

    def _read(self, span: list[int], known: dict[int, ReadDay]) -> None:
        now = timezone.now()  # before it is asked: what comes in later is not in it
        self.read(span, known, now)
        self.errand.run.seen += len(span)
        self.errand.hold()
        if self.dimensions.forget_some():
            self.met.clear()

    @abstractmethod
    def read(self, span: list[int], known: dict[int, ReadDay], now: datetime) -> None:
        """Read a stretch of days and write each."""

    def hold(self) -> None:
        """Confirm the lease, inside a transaction."""
        leases.hold(self.errand.resource.pk, self.errand.run.fence, timezone.now())

    def pages(
        self,
        ask: Callable[[str | None], Page[Any]],
        take: Callable[[Any], None],
        *,
        asked_for: bool = False,
    ) -> int:
        """Every row of every page to ``take``; how many rows could not be read at all. ``asked_for``: the
        first page is on its way."""
        cursor: str | None = None
        asked = {cursor}
        unreadable = 0
        while True:
            call = asked_at(ask, cursor)
            if cursor is not None or not asked_for:
                self.fetcher.ask(call)
            page = self.errand.receive(self.fetcher, call, begun=cursor is not None)
            self.errand.run.pages += 1
            self.errand.run.requests += page.requests
            for row in page.rows:
                take(row)
            unreadable += len(page.unreadable)
            cursor = page.next_cursor
            if cursor is None:
                return unreadable
            if cursor in asked:
                raise errors.Unclear(_("The provider gave the same page twice."))
            asked.add(cursor)

    def grouped(
        self, groupings: tuple[tuple[str, ...], ...], read: Callable[[tuple[str, ...]], None]
    ) -> None:
        """``read`` by the finest grouping that is not refused, and remember it."""
        report, now = self.report, timezone.now()
        tried = report.grouping_tried_at
        known = tuple(report.grouping) if tried and now - tried < TRY_GROUPING_AGAIN else None
        ladder = groupings[groupings.index(known) :] if known in groupings else groupings
        refusal = report.refusal if known in groupings else ""
        for grouping in ladder:
            try:
                read(grouping)
            except errors.Refused as error:
                if grouping == ladder[-1]:
                    raise
                refusal = error.message[:500]
                continue
            if known != grouping:
                report.grouping, report.refusal = list(grouping), refusal
                report.dropped = self.dropped_by(grouping, groupings[0])
                report.grouping_tried_at = now
                report.save(update_fields=["grouping", "refusal", "dropped", "grouping_tried_at"])
            return

    def dropped_by(self, grouping: tuple[str, ...], finest: tuple[str, ...]) -> list[str]:
        """The columns that go with what was refused."""
        return [name for name in finest if name not in grouping]


def asked_at(ask: Callable[[str | None], Page[Any]], cursor: str | None) -> Callable[[], Page[Any]]:
    """Asks for the page at a cursor."""
    return lambda: ask(cursor)


class CodingReading(Reading):
    """Claude Code, a day at a time."""

    def __init__(
        self, errand: Errand, fetcher: Fetcher, report: Report, adapter: CodingAdapter
    ) -> None:
        super().__init__(errand, fetcher, report)
        self.adapter = adapter

    def read(self, span: list[int], known: dict[int, ReadDay], now: datetime) -> None:
        (day,) = span
        at = date_of(day)
        records: dict[str, CodingDayRecord] = {}

        def take(record: CodingDayRecord) -> None:
            records[record.remote_id] = record  # one that comes again is the same

        unreadable = self.pages(lambda cursor: self.adapter.coding_day(at, cursor), take)
        coding.write(self.report, self.hold, day, records, unreadable, now)


def _refused() -> errors.Refused:
    return errors.Refused(_("This provider has no such report."))


def _read_usage(errand: Errand, adapter: Adapter, fetcher: Fetcher) -> None:
    from apps.usage.token_walks import UsageReading

    if not isinstance(adapter, UsageAdapter):
        raise _refused()
    report = ledger.report_of(errand.connection, ReportName.USAGE, hourly=adapter.usage_hourly)
    UsageReading(errand, fetcher, report, adapter).go()


def _read_costs(errand: Errand, adapter: Adapter, fetcher: Fetcher) -> None:
    from apps.usage.token_walks import CostReading

    if not isinstance(adapter, CostAdapter):
        raise _refused()
    report = ledger.report_of(errand.connection, ReportName.COSTS, hourly=False)
    CostReading(errand, fetcher, report, adapter).go()


def _read_coding(errand: Errand, adapter: Adapter, fetcher: Fetcher) -> None:
    if not isinstance(adapter, CodingAdapter):
        raise _refused()
    report = ledger.report_of(errand.connection, ReportName.CODING, hourly=False)
    CodingReading(errand, fetcher, report, adapter).go()


def _in(name: str) -> Callable[[str], bool]:
    return lambda provider: name in PROVIDERS[provider].reports


USAGE = Series(
    name="usage",
    label=gettext_lazy("Usage"),
    capability="usage.read",
    read=_read_usage,
    method="usage",
    has=_in("usage"),
)
COSTS = Series(
    name="costs",
    label=gettext_lazy("Costs"),
    capability="costs.read",
    read=_read_costs,
    method="costs",
    has=_in("costs"),
    every_seconds=900,
)
CODING = Series(
    name="coding",
    label=gettext_lazy("Claude Code"),
    capability="coding.read",
    read=_read_coding,
    method="coding_day",
    has=_in("coding"),
    every_seconds=1800,
)
