"""Walks of tokens and of money. They sum up in arrays (``arrays.py``), so only who walks imports this."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils import timezone

from apps.providers.catalogue import PROVIDERS
from apps.providers.protocol import CostAdapter, UsageAdapter
from apps.providers.records import Page
from apps.sync.walk import Errand, Fetcher
from apps.usage import costs, facts
from apps.usage.days import hour_of, midnight, moment_of
from apps.usage.models import ReadDay, Report, ReportName
from apps.usage.series import Reading, asked_at

# Facts that one reading of an hourly report should bring: its pages are held in memory.
WANTED_ROWS = 40_000


class UsageReading(Reading):
    """Tokens, with their money where that is no report of its own."""

    def __init__(
        self, errand: Errand, fetcher: Fetcher, report: Report, adapter: UsageAdapter
    ) -> None:
        super().__init__(errand, fetcher, report)
        self.adapter = adapter
        self.with_costs = ReportName.COSTS not in PROVIDERS[errand.connection.provider].reports

    def read(self, span: list[int], known: dict[int, ReadDay], now: datetime) -> None:
        buckets: facts.Buckets | None = None
        unreadable = 0

        def by(grouping: tuple[str, ...]) -> None:
            nonlocal buckets, unreadable
            buckets = facts.Buckets(
                self.dimensions, self.adapter.usage_dimensions, grouping, self._met_by(grouping)
            )
            asked_for = (self.ahead, self.ahead_by) == (span, grouping)
            self.ahead = []
            call = self._asking(span, grouping)
            unreadable = self.pages(call, buckets.take, asked_for=asked_for)

        self.grouped(self.adapter.usage_groupings, by)
        assert buckets is not None  # noqa: S101 - read by some grouping, or an error was raised
        if unreadable:  # of whole rows nobody knows the day
            buckets.unreadable[span[-1]] = buckets.unreadable.get(span[-1], 0) + unreadable
        self._fit(sum(map(len, buckets.hours.values())), len(span))
        if self.ahead_of(span):
            self.ahead_by = buckets.group_by
            self.fetcher.ask(asked_at(self._asking(self.ahead, self.ahead_by), None))
        writer = facts.DayWriter(self.report, self.dimensions, self.hold, self.report.dropped)
        for day in reversed(span):
            writer.write(day, buckets, known.get(day), now, with_costs=self.with_costs)
            buckets.let_go(day)
            self.errand.hold()

    def ahead_of(self, span: list[int]) -> list[int]:
        """What comes after ``span``, if that is of the backfill and goes on."""
        self.ahead = self.following() if self.left and span[0] > self.left[0] else []
        return self.ahead

    def _asking(
        self, span: list[int], grouping: tuple[str, ...]
    ) -> Callable[[str | None], Page[Any]]:
        start, end = midnight(span[0]), midnight(span[-1] + 1)
        if self.report.hourly:
            end = min(end, moment_of(hour_of(timezone.now()) + 1))
        known = self._met_by(grouping)

        def ask(cursor: str | None) -> Page[Any]:
            page = self.adapter.usage(start, end, grouping, cursor)
            rows = [facts.told(bucket, grouping, known) for bucket in page.rows]
            return Page(rows, page.next_cursor, page.unreadable, page.requests, page.total)

        return ask

    def _met_by(self, grouping: tuple[str, ...]) -> dict[Any, int]:
        return self.met.setdefault(grouping, {})

    def _fit(self, rows: int, days: int) -> None:
        """As many days next time as bring what may be held in memory."""
        fitting = WANTED_ROWS * days // max(rows, 1)
        self.longest = max(1, min(self.longest * 2, fitting, self.adapter.usage_days))

    def dropped_by(self, grouping: tuple[str, ...], finest: tuple[str, ...]) -> list[str]:
        return [facts.COLUMN_OF[name] for name in finest if name not in grouping]


class CostReading(Reading):
    """Money in a report of its own."""

    def __init__(
        self, errand: Errand, fetcher: Fetcher, report: Report, adapter: CostAdapter
    ) -> None:
        super().__init__(errand, fetcher, report)
        self.adapter = adapter
        self.longest = adapter.cost_days

    def read(self, span: list[int], known: dict[int, ReadDay], now: datetime) -> None:
        days: costs.CostDays | None = None

        def by(grouping: tuple[str, ...]) -> None:
            nonlocal days
            days = costs.CostDays(self.dimensions, grouping)
            start, end = midnight(span[0]), midnight(span[-1] + 1)
            self.pages(lambda cursor: self.adapter.costs(start, end, grouping, cursor), days.take)

        self.grouped(self.adapter.cost_groupings, by)
        assert days is not None  # noqa: S101 - read by some grouping, or an error was raised
        for day in reversed(span):
            costs.write(
                self.report,
                self.dimensions,
                self.hold,
                day,
                days,
                known.get(day),
                now,
                self.report.dropped,
            )
            self.errand.hold()

    def dropped_by(self, grouping: tuple[str, ...], finest: tuple[str, ...]) -> list[str]:
        return [column for name in finest if name not in grouping for column in costs.GROUPED[name]]
