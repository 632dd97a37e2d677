"""Tokens: from the pages of a provider's report into facts and rollups, whole days at a time."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any

from django.conf import settings
from django.db import connection as database
from django.db import transaction

from apps.providers.records.reports import UsageBucket, UsageRow
from apps.usage import blocks, bulk, costs, ledger, retention, rollups
from apps.usage import hours as by_hour
from apps.usage.days import HOURS, hour_of
from apps.usage.dimensions import Dimensions
from apps.usage.models import Fact, ReadDay, Report
from apps.usage.money import in_femtos
from apps.usage.tuples import COLUMNS, COUNTS, NOT_ASKED, UNTOLD, Tuple, value_of

# A column of ours, and the field of UsageRow that has it.
FIELDS = {
    "workspace": "workspace_id",
    "key": "api_key_id",
    "account": "account_id",
    "service_account": "service_account_id",
    "model": "model",
    "service_tier": "service_tier",
    "context_window": "context_window",
    "geo": "inference_geo",
    "speed": "speed",
    "operation": "operation",
}
COLUMN_OF = {field: name for name, field in FIELDS.items()}
CURRENCY = "USD"
# Rows of one transaction: what SQLite writes in some 10 ms. A day of more is exchanged in several.
MOST_ROWS = {"sqlite": 3_000, "postgresql": 20_000}

NULLABLE = frozenset({COUNTS.index("requests")})
_missing = attrgetter("missing")
_first = itemgetter(0)

Counts = tuple[Any, ...]
Hour = dict[int, Counts]  # by dimension


class Buckets:
    """What the pages of one stretch of time say, by hour and dimension, until its days are written."""

    def __init__(
        self,
        dimensions: Dimensions,
        known: Iterable[str],
        group_by: tuple[str, ...],
        ids: dict[Any, int] | None = None,
    ) -> None:
        """``known``: fields of UsageRow that the provider has; ``group_by``: those it was asked for;
        ``ids``: what an earlier stretch with the same grouping has met, to be added to."""
        self.dimensions = dimensions
        self.group_by = group_by
        self.hours: dict[int, Hour] = {}
        self.money: dict[int, dict[tuple[int, str], tuple[Any, Any]]] = {}  # by day
        self.unreadable: dict[int, int] = {}  # by day
        self._parts: dict[int, dict[tuple[int, str], Counts]] = {}
        self._blank = {
            name: NOT_ASKED if FIELDS.get(name) in (*known, None) else UNTOLD for name in COLUMNS
        } | {"currency": CURRENCY}
        self._key: Callable[[UsageRow], Any] = (
            attrgetter(*group_by) if len(group_by) > 1 else _alone(group_by)
        )
        self._counts: Callable[[UsageRow], Counts] = attrgetter(*COUNTS)
        self._ids: dict[Any, int] = {} if ids is None else ids

    def take(self, bucket: UsageBucket) -> None:
        """Take in a bucket, or a part of one."""
        hour = hour_of(bucket.starts_at)
        day = hour // HOURS
        if bucket.unreadable:
            self.unreadable[day] = self.unreadable.get(day, 0) + len(bucket.unreadable)
        if bucket.whole:
            self.hours[hour] = self._whole(bucket, day)
        else:
            self._part(bucket, hour, day)

    def let_go(self, day: int) -> None:
        """Forget a day that is written."""
        for hour in range(day * HOURS, (day + 1) * HOURS):
            self.hours.pop(hour, None)

    def _whole(self, bucket: UsageBucket, day: int) -> Hour:
        rows = bucket.rows
        ids = self._meet(rows)
        counts = list(map(self._counts, rows))
        # In the order in which they are written: no two of the same id are left to be compared.
        found = dict(sorted(zip(ids, counts, strict=True), key=_first))
        if len(found) < len(rows):  # a tuple that came twice counts twice
            found = {}
            for one, values in zip(ids, counts, strict=True):
                found[one] = _sum(found[one], values) if one in found else values
        self._note_missing(rows, day)
        return found

    def _note_missing(self, rows: Iterable[UsageRow], day: int) -> None:
        missing = sum(map(bool, map(_missing, rows)))
        if missing:
            self.unreadable[day] = self.unreadable.get(day, 0) + missing

    def _part(self, bucket: UsageBucket, hour: int, day: int) -> None:
        parts = self._parts.setdefault(hour, {})
        money = self.money.setdefault(day, {})
        for one, row in zip(self._meet(bucket.rows), bucket.rows, strict=True):
            place = (one, row.part)
            parts[place] = self._counts(row)
            if row.charged is not None or row.listed is not None:
                money[place] = (row.charged, row.listed)
        self._note_missing(bucket.rows, day)
        hours: Hour = {}
        for (one, _), counts in parts.items():
            hours[one] = _sum(hours[one], counts) if one in hours else counts
        self.hours[hour] = hours

    def _meet(self, rows: Iterable[UsageRow]) -> list[int]:
        """The id of what each row is told apart by; made where it is new."""
        keys = list(map(self._key, rows))
        ids = self._ids
        try:
            return [ids[key] for key in keys]
        except KeyError:
            tuples = {key: self._tuple(key) for key in set(keys) if key not in ids}
            made = self.dimensions.ids(tuples.values())
            ids.update((key, made[row]) for key, row in tuples.items())
        return [ids[key] for key in keys]

    def _tuple(self, value: Any) -> Tuple:
        values = value if len(self.group_by) > 1 else (value,) * len(self.group_by)
        told = {
            COLUMN_OF[field]: value_of(one)
            for field, one in zip(self.group_by, values, strict=True)
        }
        return tuple((self._blank | told)[name] for name in COLUMNS)

    def costs_of(self, day: int) -> rollups.Costs:
        """What the rows of a day were charged, in femtodollars by dimension."""
        found: rollups.Costs = {}
        for (one, _), (charged, listed) in self.money.get(day, {}).items():
            billed, told = found.get(one, (0, None))
            if listed is not None:
                told = (told or 0) + in_femtos(listed)
            found[one] = (billed + (in_femtos(charged) if charged is not None else 0), told)
        return found


def _alone(group_by: tuple[str, ...]) -> Callable[[UsageRow], Any]:
    return attrgetter(group_by[0]) if group_by else lambda row: None


def _sum(one: Counts, other: Counts) -> Counts:
    counts = [mine + yours for mine, yours in zip(one[:-1], other[:-1], strict=True)]
    requests = [value for value in (one[-1], other[-1]) if value is not None]
    return (*counts, sum(requests) if requests else None)


class DayWriter:
    """Writes one day of a report: facts of the hours that differ, rollups, ledger."""

    def __init__(
        self,
        report: Report,
        dimensions: Dimensions,
        hold: Callable[[], None],
        dropped: Iterable[str],
    ) -> None:
        """``hold`` confirms the walk's lease; it is called in every transaction."""
        self.report, self.dimensions, self.hold = report, dimensions, hold
        self.dropped = list(dropped)
        self.owner = report.connection_id

    def write(
        self, day: int, buckets: Buckets, known: ReadDay | None, now: datetime, *, with_costs: bool
    ) -> int:
        """Exchange the day for what ``buckets`` have of it; the number of its facts."""
        hours = {
            hour: buckets.hours.get(hour, {}) for hour in range(day * HOURS, (day + 1) * HOURS)
        }
        rows = sum(map(len, hours.values()))
        told = by_hour.told_in(hours.values())
        difference = ledger.Difference()
        kept = day >= retention.kept_from()
        pending = self._to_exchange(day, hours, known, difference) if kept else []
        paused = time.monotonic()
        while kept and rows > MOST_ROWS[database.vendor] and pending:
            chunk, pending = _some(pending, hours)
            write = self._exchanging(chunk, hours, told)
            # Others write while the next rows are prepared; only what that was too short for is slept.
            time.sleep(max(0.0, paused - time.monotonic()))
            with transaction.atomic(durable=True):
                self.hold()
                if known is not None and not known.replacing:
                    ledger.mark_replacing(self.report, day)
                    known.replacing = True
                write()
            paused = time.monotonic() + settings.SYNC_BUCKET_PAUSE_SECONDS
        sums, packed = self._summed(list(hours.values()), told, kept=kept)
        if not kept and known is not None:
            self._differences(day, sums, known, difference)
        # What takes long is done before others are kept waiting.
        charged = buckets.costs_of(day) if with_costs else rollups.costs_of(self.owner, day)
        rolled = rollups.DayOfRollups(self.dimensions, day)
        made = rolled.rows(sums, charged)
        write = self._exchanging(pending, hours, told)
        with transaction.atomic(durable=True):
            self.hold()
            blocks.lock(self.owner)
            write()
            if packed is not None:
                by_hour.exchange(self.owner, day, packed)
            if with_costs:
                costs.exchange(self.report, day, charged, known, now)
            elif charged != (current := rollups.costs_of(self.owner, day)):
                made = rolled.rows(sums, current)  # another walk was faster
            rolled.write(made)
            difference.note(self.report, day, now)
            ledger.mark(
                self.report,
                day,
                now,
                rows=rows,
                unreadable=buckets.unreadable.get(day, 0),
                dropped=self.dropped,
            )
        return rows

    def _to_exchange(
        self,
        day: int,
        hours: dict[int, Hour],
        known: ReadDay | None,
        difference: ledger.Difference,
    ) -> list[int]:
        """The hours that are to be written, of a day whose hours are kept."""
        retention.make_room(day)
        return sorted(hours if known is None else self._changed(hours, known, difference))

    def _differences(
        self,
        day: int,
        sums: Mapping[int, Sequence[Any]],
        known: ReadDay,
        difference: ledger.Difference,
    ) -> None:
        """What the provider corrected of a day whose hours are not kept, by the day's sums."""
        if ledger.told_whole(known, hourly=self.report.hourly) < (day + 1) * HOURS:
            return
        old = rollups.counts_of(self.owner, day)
        new = {one: list(row) for one, row in sums.items()}
        for one in {**old, **new}:
            before, after = old.get(one), new.get(one)
            if before != after:
                difference.rows += 1
                difference.count(difference.before, COUNTS, before or [0] * len(COUNTS))
                difference.count(difference.after, COUNTS, after or [0] * len(COUNTS))

    def _changed(
        self, hours: dict[int, Hour], known: ReadDay, difference: ledger.Difference
    ) -> dict[int, Hour]:
        """The hours that differ from the facts, and how, as far as they had been told for good."""
        whole = ledger.told_whole(known, hourly=self.report.hourly)
        found = {}
        for hour, rows in hours.items():
            held = bulk.select(Fact, ("dimension_id", *COUNTS), connection_id=self.owner, hour=hour)
            old = {row[0]: row[1:] for row in held}
            if old == rows:
                continue
            found[hour] = rows
            if hour < whole:
                differing = [one for one in {**old, **rows} if old.get(one) != rows.get(one)]
                difference.rows += len(differing)
                for one in differing:
                    difference.count(
                        difference.before, COUNTS, old.get(one, ()) or [0] * len(COUNTS)
                    )
                    difference.count(
                        difference.after, COUNTS, rows.get(one, ()) or [0] * len(COUNTS)
                    )
        return found

    def _summed(
        self, hours: list[Hour], told: tuple[int, ...], *, kept: bool
    ) -> tuple[Mapping[int, Sequence[Any]], list[bulk.Values] | None]:
        """Counts of the day by dimension, and its cubes by the hour where hours are kept and told."""
        if not kept or not self.report.hourly:
            return _day_sums(hours), None
        packed = by_hour.Packed(hours, told)
        cubes = packed.cubes(self.dimensions.cubes(packed.ids))
        if cubes is None:
            return _day_sums(hours), []
        return packed.sums, by_hour.rows_of(cubes, told)

    def _exchanging(
        self, chunk: list[int], hours: dict[int, Hour], told: tuple[int, ...]
    ) -> Callable[[], None]:
        """Writes the facts of some hours; of what is not ``told`` they all have the same."""
        owner = self.owner
        names = ("dimension_id", *(COUNTS[at] for at in told))
        same = {"connection_id": owner} | {
            name: None if at in NULLABLE else 0 for at, name in enumerate(COUNTS) if at not in told
        }
        inserts = [
            bulk.insertion(Fact, names, _columns(hours[hour], told), same | {"hour": hour})
            for hour in chunk
            if hours[hour]
        ]

        def write() -> None:
            # A day whose first reading was cut short in the middle of several transactions has rows too.
            bulk.delete(Fact, ("connection_id", "hour"), [(owner, hour) for hour in chunk])
            for insert in inserts:
                insert()

        return write


def _columns(rows: Hour, told: tuple[int, ...]) -> Iterable[bulk.Values]:
    """The dimension and what is told of each fact of an hour, by dimension. By columns: a call of ours
    for each fact would cost more than writing it."""
    order = sorted(rows)
    counts = list(zip(*map(rows.__getitem__, order), strict=True))
    return zip(order, *(counts[at] for at in told), strict=True)


def _some(pending: list[int], hours: dict[int, Hour]) -> tuple[list[int], list[int]]:
    """The first hours that fill a transaction, at least one; and the others."""
    rows, count = 0, 0
    while count < len(pending) and (
        not count or rows + len(hours[pending[count]]) <= MOST_ROWS[database.vendor]
    ):
        rows += len(hours[pending[count]])
        count += 1
    return pending[:count], pending[count:]


def _day_sums(hours: Iterable[Hour]) -> dict[int, Sequence[Any]]:
    """Counts of a day by dimension."""
    gathered: dict[int, list[Counts]] = {}
    for rows in hours:
        for one, counts in rows.items():
            if one in gathered:
                gathered[one].append(counts)
            else:
                gathered[one] = [counts]
    return {one: rollups.summed(rows, NULLABLE) for one, rows in gathered.items()}
