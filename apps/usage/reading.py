"""One question on its way through the database: which tables answer it, the SQL, and the rows it comes to."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from django.db import connection as database

from apps.organizations.models import Connection
from apps.usage import blocks, hours
from apps.usage.bulk import marks, table_of
from apps.usage.days import HOURS, date_of, day_of, moment_of
from apps.usage.groupings import Part, Placing, groupings, is_number, placings
from apps.usage.models import (
    Block,
    BlockRollup,
    Dimension,
    Fact,
    HourRollup,
    Report,
    ReportName,
    Rollup,
)
from apps.usage.money import MICRO
from apps.usage.rows import Row
from apps.usage.tuples import (
    ACCOUNT_GRAIN,
    COLUMNS,
    COUNTS,
    FULL,
    KEY_GRAIN,
    LINES,
    NONE,
    TIMES,
    TOTAL,
    WHO,
    Grain,
    grain_for,
)

# Of what has one of these, there are few dimensions among all.
FEW = frozenset({"workspace", "key", "account", "service_account"})
# What has one of these, all of a grain, is mostly one dimension: a key is of one workspace.
MOSTLY = {KEY_GRAIN: "key", ACCOUNT_GRAIN: "account"}
MOST_LOOKED_UP = 20_000  # facts by hour and dimension, there or not
# What a dimension stands for: currency, connection, and the columns that are read.
Names = dict[int, list[Any]]
MOST_RUNS = 6  # of days that are not summed up by place, before all of them are read the other way


class Reading:
    """One question on its way through the database."""

    def __init__(
        self, connections: list[Connection], asked: list[str], wanted: dict[str, list[Any]]
    ) -> None:
        self.connections, self.asked = connections, asked
        self.ids = [one.pk for one in connections]
        self.time = next((name for name in asked if name in TIMES), None)
        self.added = [groupings[name] for name in asked if name in groupings]
        self.pairs = [
            (groupings[name].of, groupings[name].matching(connections, values))
            for name, values in wanted.items()
            if name in groupings
        ]
        self.filters = {name: values for name, values in wanted.items() if name in COLUMNS}
        self.placed = [placings[name] for name in asked if name in placings]
        self.places = {
            placings[name]: values for name, values in wanted.items() if name in placings
        }
        # Columns read: what is grouped by, and what added groupings are made of.
        self.columns = [name for name in asked if name in COLUMNS]
        self.columns += [one.of for one in self.added if one.of not in self.columns]
        self.needed = {*self.columns, *self.filters, *(of for of, _ in self.pairs)}
        if self.placed or self.places:
            self.needed |= WHO.columns
        self.few = bool(FEW & {*self.filters, *(of for of, _ in self.pairs)})
        self.lines = bool(LINES & self.needed)
        self.grain = grain_for(self.needed)
        # What a row that is read begins with, and what of it makes the group.
        self.keys = ["currency", "connection", *([self.time] if self.time else [])]
        self.keys += [*self.columns, *(one.name for one in self.placed)]
        shown = self.keys[1:] if self.added else asked
        self.shown = [(name, self.keys.index(name)) for name in shown]
        # Where all that tells the grain's dimensions apart is asked for, none fall together; where only a
        # few do, they are put together afterwards: grouping thousands by text takes a database longer.
        self.alone = self.grain.columns <= {*self.columns, "currency"}
        self.nearly = not self.placed and MOSTLY.get(self.grain.id) in self.columns

    def rows(self, first: int, last: int) -> list[Row]:
        """The answer for the days ``first`` to ``last``, both included."""
        if self.time == "hour":
            return self._regrouped(self._hours(first, last))
        if self._is_of_places_alone():
            return self._regrouped(self._of_places(first, last))
        return self._regrouped(self._days(first, last))

    # --- Days that a placing has summed up beforehand -----------------------------------------------

    def _is_of_places_alone(self) -> bool:
        """Whether days that are summed up by place, and by nothing else, can answer it."""
        asked_of = {*self.placed, *self.places}
        others = self.columns or self.filters or self.pairs or self.added
        return len(asked_of) == 1 and not others and all(one.summed for one in asked_of)

    def _of_places(self, first: int, last: int) -> list[Row]:
        """From the days that are summed up by place; of others from the rollups."""
        (placing,) = {*self.placed, *self.places}
        assert placing.summed is not None  # noqa: S101 - the question was looked at
        told: dict[int, set[int]] = {owner: set() for owner in self.ids}
        rows: list[Row] = []
        for owner, day, parts in placing.summed(self.connections, first, last):
            told[owner].add(day)
            rows += self._rows_of_parts(owner, self._period(day), placing, parts)
        days = range(first, last + 1)
        missing: dict[blocks.Bounds, list[int]] = {}
        for owner, known in told.items():
            for run in blocks.runs([day for day in days if day not in known]):
                missing.setdefault(run, []).append(owner)
        if len(missing) > MOST_RUNS:
            return self._days(first, last)
        for (begin, end), owners in missing.items():
            rows += self._days(begin, end, owners)
        return rows

    def _rows_of_parts(
        self, owner: int, period: date | None, placing: Placing, parts: Iterable[Part]
    ) -> Iterator[Row]:
        accepted = {str(one) for one in self.places[placing]} if self.places else None
        for place, currency, counts, billed, shared, listed in parts:
            at = NONE if place is None else place
            if accepted is not None and str(at) not in accepted:
                continue
            told = {"connection": owner, placing.name: at, self.time: period}
            row = Row({name: told[name] for name in self.asked}, currency, *counts)
            row.billed_femtos, row.cost_femtos, row.listed_femtos = billed, shared, listed
            row.is_estimate = shared != billed
            yield row

    def _period(self, day: int) -> date | None:
        """The beginning of the period that a day lies in; None where time is not asked for."""
        at = date_of(day)
        if self.time == "week":
            return at - timedelta(days=at.weekday())
        if self.time == "month":
            return at.replace(day=1)
        return at if self.time else None

    # --- SQL: every name comes from this package, every value is a parameter -----------------------

    def _days(self, first: int, last: int, owners: list[int] | None = None) -> list[Row]:
        """Summed by dimension first, which is one integer, and by what it stands for afterwards.

        ``owners``: of these connections alone."""
        chosen, values = self._chosen(self.grain)
        ids = self.ids if owners is None else owners
        cover = blocks.cover(ids, first, last, self.time, self.grain, few=self.few)
        names = ", ".join(blocks.SUMS)
        parts, given = [], []
        for (begin, end), ids in cover.days.items():
            # The table lies by day: a few are looked up in each, not sought among all.
            days = list(range(begin, end + 1)) if self.few else [begin, end]
            within = f"IN ({marks(days)})" if self.few else "BETWEEN %s AND %s"
            parts.append(
                f"SELECT dimension_id, {self._start('day', first, last)} AS at, {names} FROM {table_of(Rollup)} r"  # noqa: S608  # likewise
                f" WHERE connection_id IN ({marks(ids)}) AND grain = %s"
                f" AND day {within}{chosen}"
            )
            given += [*ids, self.grain.id, *days, *values]
        if cover.blocks:
            parts.append(self._of_blocks(cover.blocks, first, last, chosen))
            given += [*cover.blocks, self.grain.id, *values]
        if parts and self.time != "day":  # of which there is one row of each dimension
            by = "dimension_id, at" if self.time else "dimension_id"
            shown = "dimension_id, at" if self.time else "dimension_id, 0 AS at"
            together = f"({' UNION ALL '.join(parts)}) t"
            parts = [
                f"SELECT {shown}, {blocks.sums_of(blocks.SUMS)} FROM {together} GROUP BY {by}"  # noqa: S608  # likewise
            ]
        if cover.whole:  # a period's one row of each dimension
            parts.append(self._of_blocks(cover.whole, first, last, chosen))
            given += [*cover.whole, self.grain.id, *values]
        found = f"({' UNION ALL '.join(parts)}) u"
        keys = ["d.currency", "d.connection_id", *(["at"] if self.time else [])]
        keys += [f'd."{name}"' for name in self.columns]
        keys += self._place_keys()
        as_they_are = self.alone or self.nearly
        if self.nearly and self.time and not self.few:  # many rows of each dimension
            with database.cursor() as cursor:
                cursor.execute(f"SELECT u.dimension_id, at, {names} FROM {found}", given)  # noqa: S608  # likewise
                return list(self._day_rows(self._named(cursor.fetchall(), self._names(self.grain))))
        sums = names if as_they_are else blocks.sums_of(blocks.SUMS)
        sql = (
            f"SELECT {', '.join(keys)}, {sums} FROM {found}"  # noqa: S608  # likewise
            f" JOIN {table_of(Dimension)} d ON d.id = u.dimension_id{self._place_joins('u')}"
        )
        with database.cursor() as cursor:
            cursor.execute(sql if as_they_are else f"{sql} GROUP BY {', '.join(keys)}", given)
            return list(self._day_rows(cursor.fetchall()))

    def _names(self, grain: Grain, chosen: str = "", values: Sequence[Any] = ()) -> Names:
        """What the dimensions of a grain stand for. To look it up here is quicker than to have thousands of rows
        joined with it, and handed over with its texts."""
        columns = ["dimension_id", "currency", "connection_id", *self.columns]
        with database.cursor() as cursor:
            cursor.execute(
                f"SELECT {', '.join(columns)} FROM (SELECT id AS dimension_id, d.* FROM {table_of(Dimension)} d) r"  # noqa: S608  # likewise
                f" WHERE connection_id IN ({marks(self.ids)}) AND grain = %s{chosen}",
                [*self.ids, grain.id, *values],
            )
            return {one: told for one, *told in cursor.fetchall()}

    def _named(self, rows: Iterable[Sequence[Any]], names: Names) -> Iterator[list[Any]]:
        """Rows that begin with their dimension, and then have the time if it is asked for, as rows of keys."""
        times = 1 if self.time else 0
        for one, *values in rows:
            told = names[one]
            yield [*told[:2], *values[:times], *told[2:], *values[times:]]

    def _of_blocks(self, ids: list[int], first: int, last: int, chosen: str) -> str:
        """The rows of blocks as SQL; its parameters are ``ids``, the grain, and those of ``chosen``."""
        joined = f" JOIN {table_of(Block)} b ON b.id = r.block_id" if self.time else ""
        return (
            f"SELECT dimension_id, {self._start('b.first', first, last)} AS at, {', '.join(blocks.SUMS)}"  # noqa: S608  # names of our own models
            f" FROM {table_of(BlockRollup)} r{joined}"
            f" WHERE block_id IN ({marks(ids)}) AND grain = %s{chosen}"
        )

    def _start(self, day: str, first: int, last: int) -> str:
        """When the period of a day begins, as SQL: so that the database adds up all of a period."""
        if self.time == "week":  # day 4 was a Monday
            return f"{day} - ({day} + 3) %% 7"
        if self.time == "month":
            at = [day_of(one) for one in _months(date_of(first), date_of(last))]
            cases = [f" WHEN {day} < {end} THEN {start}" for start, end in pairwise(at)]
            return f"CASE{''.join(cases)} ELSE {at[-1]} END" if cases else str(at[0])
        return day if self.time else "0"

    def _hours(self, first: int, last: int) -> list[Row]:
        """From the cubes by the hour; of days that have none yet, and of what no cube has, from the facts."""
        hourly = Report.objects.filter(
            connection__in=self.ids, name=ReportName.USAGE, hourly=True
        ).values_list("connection_id", flat=True)
        ids = list(hourly)
        if not ids:
            return []
        if not hours.has(self.grain):
            return self._of_facts({(first, last): ids})
        days = range(first, last + 1)
        made = set(
            HourRollup.objects.filter(connection__in=ids, grain=TOTAL.id, day__in=list(days))
            .values_list("connection_id", "day")
            .distinct()
        )
        missing: dict[tuple[int, int], list[int]] = {}
        for owner in ids:
            for run in blocks.runs([day for day in days if (owner, day) not in made]):
                missing.setdefault(run, []).append(owner)
        found = self._of_hours(ids, list(days)) if made else []
        return found + (self._of_facts(missing) if missing else [])

    def _of_hours(self, ids: list[int], days: list[int]) -> list[Row]:
        """Rows of the same group and day are added as they are packed: one number each."""
        chosen, values = self._chosen(self.grain)
        keys = ["r.told", "r.day", "d.currency", "r.connection_id"]
        keys += [f'd."{name}"' for name in self.columns]
        # The table lies by day: a few are looked up in each, not sought among all.
        given = days if self.few else [days[0], days[-1]]
        within = f"IN ({marks(given)})" if self.few else "BETWEEN %s AND %s"
        sql = (
            f"SELECT {', '.join(keys)}, r.counts FROM {table_of(HourRollup)} r"  # noqa: S608  # names of our own models
            f" JOIN {table_of(Dimension)} d ON d.id = r.dimension_id"
            f" WHERE r.connection_id IN ({marks(ids)}) AND r.grain = %s AND r.day {within}{chosen}"
        )
        sums: dict[tuple[Any, ...], int] = {}
        with database.cursor() as cursor:
            cursor.execute(sql, [*ids, self.grain.id, *given, *values])
            for *key, counts in cursor.fetchall():
                place = tuple(key)
                sums[place] = sums.get(place, 0) + hours.number_of(counts, key[0])
        found = (
            (currency, owner, day * HOURS + hour, *group, *counts)
            for (told, day, currency, owner, *group), packed in sums.items()
            for hour, counts in hours.unpacked(packed, told)
        )
        return list(self._hour_rows(found))

    def _of_facts(self, days: Mapping[tuple[int, int], list[int]]) -> list[Row]:
        """``days``: first and last, and the connections to read them of."""
        keys = ['d."currency"', 'r."connection_id"', 'r."hour"']
        keys += [f'd."{name}"' for name in self.columns]
        keys += self._place_keys()
        chosen, values = self._chosen(FULL)
        if self.few and not self.placed:
            names = self._names(FULL, chosen, values)
            hours_of_all = sum(last + 1 - first for first, last in days) * HOURS
            if len(names) * hours_of_all <= MOST_LOOKED_UP:
                return self._looked_up(days, names)
        parts, given = [], []
        for (first, last), ids in days.items():
            begin, end = first * HOURS, (last + 1) * HOURS
            # The table lies by hour: a few are looked up in each, not sought among all.
            at = list(range(begin, end)) if self.few else [begin, end - 1]
            within = f"IN ({marks(at)})" if self.few else "BETWEEN %s AND %s"
            parts.append(
                f"SELECT {', '.join(keys)}, {blocks.sums_of(COUNTS)} FROM {table_of(Fact)} r"  # noqa: S608  # names of our own models
                f' JOIN {table_of(Dimension)} d ON d."id" = r."dimension_id"{self._place_joins("r")}'
                f' WHERE r."connection_id" IN ({marks(ids)}) AND r."hour" {within}'
                f"{chosen} GROUP BY {', '.join(keys)}"
            )
            given += [*ids, *at, *values]
        with database.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts), given)
            return list(self._hour_rows(cursor.fetchall()))

    def _looked_up(self, days: Mapping[tuple[int, int], list[int]], names: Names) -> list[Row]:
        """The facts of a few dimensions, added up here: a database takes longer to add up than to look up."""
        rows: list[Sequence[Any]] = []
        for (first, last), ids in days.items() if names else ():
            at = range(first * HOURS, (last + 1) * HOURS)
            sql = (
                f"SELECT dimension_id, hour, {', '.join(COUNTS)} FROM {table_of(Fact)}"  # noqa: S608  # names of our own models
                f" WHERE connection_id IN ({marks(ids)}) AND hour IN ({marks(at)})"
                f" AND dimension_id IN ({marks(list(names))})"
            )
            with database.cursor() as cursor:
                cursor.execute(sql, [*ids, *at, *names])
                rows += cursor.fetchall()
        return _merged(self._hour_rows(self._named(rows, names)))

    def _place_keys(self) -> list[str]:
        return [f'p{at}."{one.column}"' for at, one in enumerate(self.placed)]

    def _place_joins(self, rows: str) -> str:
        return "".join(
            f' LEFT JOIN {table_of(one.table)} p{at} ON p{at}."dimension_id" = {rows}."dimension_id"'
            for at, one in enumerate(self.placed)
        )

    def _chosen(self, grain: Grain) -> tuple[str, list[Any]]:
        """The filters as SQL: rows of the dimensions of a grain that pass."""
        if not self.filters and not self.pairs and not self.places:
            return "", []
        conditions = [f'"connection_id" IN ({marks(self.ids)})', '"grain" = %s']
        values: list[Any] = [*self.ids, grain.id]
        for name, accepted in self.filters.items():
            conditions.append(f'"{name}" IN ({marks(accepted)})')
            values += [str(one) for one in accepted]
        for name, pairs in self.pairs:
            either = " OR ".join([f'("connection_id" = %s AND "{name}" = %s)'] * len(pairs))
            conditions.append(f"({either or '1 = 0'})")
            values += [part for pair in sorted(pairs) for part in pair]
        for placing, accepted in self.places.items():
            condition, numbers = _placed_in(placing, accepted)
            conditions.append(condition)
            values += numbers
        inner = f'SELECT "id" FROM {table_of(Dimension)} WHERE {" AND ".join(conditions)}'  # noqa: S608  # names of our own models
        if self.few and database.vendor == "postgresql":
            # As an array it is found first, and then looked up in the index; IN is joined.
            return f' AND r."dimension_id" = ANY(ARRAY({inner}))', values
        return f' AND r."dimension_id" IN ({inner})', values

    # --- Rows ---------------------------------------------------------------------------------------

    def _day_rows(self, found: Iterable[Sequence[Any]]) -> Iterator[Row]:
        """Rows of keys, counts and money, as the database gives them."""
        width, lines = len(self.keys), self.lines
        money = width + len(COUNTS)
        for row in found:
            made = Row(*self._group(row, date_of), *row[width:money])
            billed, billed_rest, shared, shared_rest, listed, listed_rest = row[money:]
            made.billed_femtos = billed * MICRO + billed_rest
            made.cost_femtos = made.billed_femtos if lines else shared * MICRO + shared_rest
            made.listed_femtos = None if listed is None else listed * MICRO + listed_rest
            made.is_estimate = made.cost_femtos != made.billed_femtos
            yield made

    def _hour_rows(self, found: Iterable[Sequence[Any]]) -> Iterator[Row]:
        """Rows of keys and counts."""
        width = len(self.keys)
        for row in found:
            yield Row(*self._group(row, moment_of), *row[width:])

    def _group(
        self, row: Sequence[Any], moment: Callable[[int], Any]
    ) -> tuple[dict[str, Any], str]:
        """The keys that a row begins with: its group, and the currency."""
        group = {name: row[at] for name, at in self.shown}
        if self.time:
            group[self.time] = moment(group[self.time])
        for one in self.placed:
            if group[one.name] is None:
                group[one.name] = NONE
        return group, row[0]

    def _regrouped(self, rows: list[Row]) -> list[Row]:
        """Rows by what was asked for: added groupings, all connections together."""
        if self.added:
            self._map(rows)
        elif len(self.ids) == 1 and not self.nearly and not self._is_of_places_alone():
            return rows
        return _merged(rows)

    def _map(self, rows: Iterable[Row]) -> None:
        """Have groups say what added groupings make of them."""
        mapped = {
            one.name: one.values_of(
                self.connections, {(row.group["connection"], row.group[one.of]) for row in rows}
            )
            for one in self.added
        }
        for row in rows:
            raw = row.group
            row.group = {
                name: mapped[name].get((raw["connection"], raw[groupings[name].of]), NONE)
                if name in mapped
                else raw[name]
                for name in self.asked
            }


def _merged(rows: Iterable[Row]) -> list[Row]:
    """Rows of the same group and currency added up."""
    merged: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = (*row.group.values(), row.currency)
        held = merged.setdefault(key, row)
        if held is not row:
            held.add(row)
            # Parts that are estimates may sum up to what is billed: then the sum is none.
            held.is_estimate = held.cost_femtos != held.billed_femtos
    return list(merged.values())


def _months(first: date, last: date) -> list[date]:
    """The first day of every month that has a day of the range."""
    found = [first.replace(day=1)]
    while (following := (found[-1] + timedelta(days=31)).replace(day=1)) <= last:
        found.append(following)
    return found


def _placed_in(placing: Placing, accepted: Sequence[Any]) -> tuple[str, list[Any]]:
    """What a Dimension must fulfil to belong to any of ``accepted``, as SQL, and its parameters."""
    table = table_of(placing.table)
    numbers = [int(one) for one in map(str, accepted) if is_number(one)]
    within = f'"{placing.column}" IN ({marks(numbers)})'
    condition = f'"id" IN (SELECT "dimension_id" FROM {table} WHERE {within})'  # noqa: S608  # names of our own models
    if NONE in map(str, accepted):
        own = f'{table_of(Dimension)}."id"'
        nowhere = f'NOT EXISTS (SELECT 1 FROM {table} p WHERE p."dimension_id" = {own})'  # noqa: S608  # likewise
        condition = f"({condition} OR {nowhere})"
    return condition, numbers
