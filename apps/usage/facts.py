"""Tokens: from the pages of a provider's report into facts and rollups, whole days at a time."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, repeat
from typing import Any

import numpy as np
from django.conf import settings
from django.db import connection as database
from django.db import transaction

from apps.providers.records.reports import UsageBucket, UsageRow, fields_of
from apps.usage import arrays, blocks, bulk, costs, ledger, packing, retention, rollups
from apps.usage import hours as by_hour
from apps.usage.arrays import COUNTED, PLAIN, Ints, Table
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
MOST_ROWS = {"sqlite": 8_000, "postgresql": 50_000}

Counts = tuple[Any, ...]
NOTHING = arrays.counted([], [])


@dataclass(frozen=True, slots=True)
class Told:
    """What a whole bucket says: COUNTED of each row, and what it is told apart by."""

    hour: int
    values: Ints
    ids: Ints | None  # None: some were never met
    keys: list[Any]  # then what all of them are grouped by, else []
    unreadable: int


def told(
    bucket: UsageBucket, group_by: tuple[str, ...], known: Mapping[Any, int]
) -> UsageBucket | Told:
    """A whole bucket as arrays, without asking the database: it is done where the page was fetched, while
    others are written. One that other pages may have more of stays as it is. ``known``: what was met."""
    if not bucket.whole:
        return bucket
    rows, size = bucket.rows, len(bucket.rows)
    values = np.zeros((size, len(COUNTED)), np.int64)
    flat = chain.from_iterable(fields_of(rows, *COUNTS[:PLAIN]))
    values[:, :PLAIN] = np.fromiter(flat, np.int64, size * PLAIN).reshape(size, PLAIN)
    requests = list(fields_of(rows, "requests"))
    if requests.count(None) < size:
        values[:, PLAIN] = [value or 0 for value in requests]
        values[:, PLAIN + 1] = [value is not None for value in requests]
    ids, keys = None, []
    try:
        ids = np.fromiter(map(known.__getitem__, _keys(rows, group_by)), np.int64, size)
    except KeyError:
        keys = list(_keys(rows, group_by))
    unreadable = len(bucket.unreadable) + _missing(rows)
    return Told(hour_of(bucket.starts_at), values, ids, keys, unreadable)


def _keys(rows: Sequence[UsageRow], group_by: tuple[str, ...]) -> Iterable[Any]:
    return fields_of(rows, *group_by) if group_by else repeat(None, len(rows))


def _missing(rows: Sequence[UsageRow]) -> int:
    return sum(map(bool, fields_of(rows, "missing")))


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
        self.hours: dict[int, Table] = {}  # COUNTED
        self.money: dict[int, dict[tuple[int, str], tuple[Any, Any]]] = {}  # by day
        self.unreadable: dict[int, int] = {}  # by day
        self._parts: dict[int, dict[tuple[int, str], Counts]] = {}
        self._blank = {
            name: NOT_ASKED if FIELDS.get(name) in (*known, None) else UNTOLD for name in COLUMNS
        } | {"currency": CURRENCY}
        self._ids: dict[Any, int] = {} if ids is None else ids

    def take(self, bucket: UsageBucket | Told) -> None:
        """Take in a bucket, or a part of one."""
        if isinstance(bucket, Told):
            hour, unreadable = bucket.hour, bucket.unreadable
            ids = self._meet(bucket.keys) if bucket.ids is None else bucket.ids
            # A tuple that comes twice counts twice.
            self.hours[hour] = arrays.grouped(ids, bucket.values)
        else:
            hour = hour_of(bucket.starts_at)
            unreadable = len(bucket.unreadable) + _missing(bucket.rows)
            self.hours[hour] = self._with_part(bucket, hour)
        if unreadable:
            day = hour // HOURS
            self.unreadable[day] = self.unreadable.get(day, 0) + unreadable

    def let_go(self, day: int) -> None:
        """Forget a day that is written."""
        for hour in range(day * HOURS, (day + 1) * HOURS):
            self.hours.pop(hour, None)

    def _with_part(self, bucket: UsageBucket, hour: int) -> Table:
        parts = self._parts.setdefault(hour, {})
        money = self.money.setdefault(hour // HOURS, {})
        ids = self._meet(list(_keys(bucket.rows, self.group_by))).tolist()
        counts = fields_of(bucket.rows, *COUNTS)
        for one, row, values in zip(ids, bucket.rows, counts, strict=True):
            place = (one, row.part)
            parts[place] = values
            if row.charged is not None or row.listed is not None:
                money[place] = (row.charged, row.listed)
        return arrays.counted([one for one, _ in parts], parts.values())

    def _meet(self, keys: list[Any]) -> Ints:
        """The id of what each row is told apart by; made where it is new."""
        tuples = {key: self._tuple(key) for key in set(keys) - self._ids.keys()}
        if tuples:
            made = self.dimensions.ids(tuples.values())
            self._ids.update((key, made[row]) for key, row in tuples.items())
        return np.fromiter(map(self._ids.__getitem__, keys), np.int64, len(keys))

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
            hour: buckets.hours.get(hour, NOTHING) for hour in range(day * HOURS, (day + 1) * HOURS)
        }
        rows = sum(map(len, hours.values()))
        difference = ledger.Difference()
        kept = day >= retention.kept_from()
        pending = self._to_exchange(day, hours, known, difference) if kept else []
        paused = time.monotonic()
        while kept and rows > MOST_ROWS[database.vendor] and pending:
            chunk, pending = _some(pending, hours)
            write = self._exchanging(chunk, hours)
            # Others write while the next rows are prepared; only what that was too short for is slept.
            time.sleep(max(0.0, paused - time.monotonic()))
            with transaction.atomic(durable=True):
                self.hold()
                if known is not None and not known.replacing:
                    ledger.mark_replacing(self.report, day)
                    known.replacing = True
                write()
            paused = time.monotonic() + settings.SYNC_BUCKET_PAUSE_SECONDS
        sums, packed = self._summed(list(hours.values()), kept=kept)
        if not kept and known is not None:
            self._differences(day, sums, known, difference)
        # What takes long is done before others are kept waiting.
        charged = buckets.costs_of(day) if with_costs else rollups.costs_of(self.owner, day)
        rolled = rollups.DayOfRollups(self.dimensions, day)
        made = rolled.sums(sums, charged)
        write = self._exchanging(pending, hours)
        with transaction.atomic(durable=True):
            self.hold()
            blocks.lock(self.owner)
            write()
            if packed is not None:
                by_hour.exchange(self.owner, day, packed)
            if with_costs:
                costs.exchange(self.report, day, charged, known, now)
            elif charged != (current := rollups.costs_of(self.owner, day)):
                made = rolled.sums(sums, current)  # another walk was faster
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
        hours: dict[int, Table],
        known: ReadDay | None,
        difference: ledger.Difference,
    ) -> list[int]:
        """The hours that are to be written, of a day whose hours are kept."""
        retention.make_room(day)
        return sorted(hours if known is None else self._changed(hours, known, difference))

    def _differences(
        self,
        day: int,
        sums: Table,
        known: ReadDay,
        difference: ledger.Difference,
    ) -> None:
        """What the provider corrected of a day whose hours are not kept, by the day's sums."""
        if ledger.told_whole(known, hourly=self.report.hourly) < (day + 1) * HOURS:
            return
        old, new = rollups.counts_of(self.owner, day).rows(), sums.rows()
        for one in {**old, **new}:
            before, after = old.get(one), new.get(one)
            if before != after:
                difference.rows += 1
                difference.count(difference.before, COUNTS, before or [0] * len(COUNTS))
                difference.count(difference.after, COUNTS, after or [0] * len(COUNTS))

    def _changed(
        self, hours: dict[int, Table], known: ReadDay, difference: ledger.Difference
    ) -> list[int]:
        """The hours that differ from the facts, and how, as far as they had been told for good."""
        whole = ledger.told_whole(known, hourly=self.report.hourly)
        found = []
        for hour, table in hours.items():
            rows = table.rows()
            held = bulk.select(Fact, ("dimension_id", *COUNTS), connection_id=self.owner, hour=hour)
            old = {row[0]: row[1:] for row in held}
            if old == rows:
                continue
            found.append(hour)
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

    def _summed(self, hours: list[Table], *, kept: bool) -> tuple[Table, list[bulk.Values] | None]:
        """Counts of the day by dimension, and its cubes by the hour where hours are kept and told."""
        if not kept or not self.report.hourly:
            return arrays.together(hours), None
        day = packing.day_of(hours)
        members = packing.members_of(day.sums.ids, self.dimensions.cubes(day.sums.ids.tolist()))
        return day.sums, day.rows(members) or []

    def _exchanging(self, chunk: list[int], hours: dict[int, Table]) -> Callable[[], None]:
        """Writes the facts of some hours."""
        tables = [hours[hour] for hour in chunk]
        insert = arrays.insertion(
            Fact,
            {
                "hour": np.repeat(np.array(chunk, np.int64), [len(one) for one in tables]),
                "dimension_id": np.concatenate([NOTHING.ids, *(one.ids for one in tables)]),
            },
            arrays.columns_of(
                np.concatenate([NOTHING.values, *(one.values for one in tables)]), COUNTED
            ),
            {"connection_id": self.owner},
            retention.part_of(chunk[0] // HOURS) if chunk else "",
        )

        def write() -> None:
            # A day whose first reading was cut short in the middle of several transactions has rows too.
            bulk.delete(Fact, ("connection_id", "hour"), [(self.owner, hour) for hour in chunk])
            insert()

        return write


def _some(pending: list[int], hours: dict[int, Table]) -> tuple[list[int], list[int]]:
    """The first hours that fill a transaction, at least one; and the others."""
    rows, count = 0, 0
    while count < len(pending) and (
        not count or rows + len(hours[pending[count]]) <= MOST_ROWS[database.vendor]
    ):
        rows += len(hours[pending[count]])
        count += 1
    return pending[:count], pending[count:]
