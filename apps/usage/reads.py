"""What pages read: sums over days and dimensions, with how fresh and how complete they are.

``totals`` answers from the rollups, from the smallest that has the columns asked for; hours from the
cubes by the hour, or from the facts. All money is in the currency's own unit, exact; days are UTC and ranges have both their ends.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import reduce
from itertools import pairwise
from operator import or_
from typing import TYPE_CHECKING, Any

from django.db import connection as database
from django.db.models import Model, Q

from apps.organizations.models import Connection, Organization
from apps.usage import blocks, hours, money, retention
from apps.usage.coverage import Coverage, coverage_of
from apps.usage.days import HOURS, date_of, day_of, moment_of
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
from apps.usage.tuples import COLUMNS, COUNTS, CUBES, FULL, LOOKED_UP, NONE, TOTAL, WHO, Grain

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from apps.accounts.models import User

TIMES = ("hour", "day", "week", "month")
MOST_HOURS = 24 * 14  # of a reading by the hour
LONGEST_ID = 18  # digits of what is a number of ours for certain
# What tokens are not told apart by: asked for, only money makes sense, and it is the billed one.
LINES = frozenset({"cost_type", "token_type", "description"})
# Of what has one of these, there are few dimensions among all.
FEW = frozenset({"workspace", "key", "account", "service_account"})


class BadQuestion(ValueError):
    """A question that has no answer; the text says why, for whoever wrote the call."""


@dataclass(slots=True)
class Row:
    """Sums of one group. ``group`` has the names of ``group_by``: text, or the marks of ``tuples``; a
    number for "connection"; a date for "day", "week" (its Monday) and "month" (its first), an aware time
    for "hour".

    Tokens by kind; ``requests`` None where no provider in it says. ``cost`` is what to show; where
    ``is_estimate`` it was shared out by tokens, because the provider bills by less than was grouped or
    filtered by. ``billed`` is what the provider put on exactly this group. ``listed``: list price, None
    where nobody tells it. All three in ``currency``; groups of several currencies have a row for each.
    """

    group: dict[str, Any]
    currency: str = "USD"
    uncached_input: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0
    unsplit_input: int = 0
    output: int = 0
    web_searches: int = 0
    requests: int | None = None
    cost: Decimal = Decimal(0)
    billed: Decimal = Decimal(0)
    listed: Decimal | None = None
    is_estimate: bool = False

    @property
    def input(self) -> int:
        """All input tokens, from the cache or not."""
        return (
            self.uncached_input
            + self.cache_write_5m
            + self.cache_write_1h
            + self.cache_read
            + self.unsplit_input
        )

    @property
    def tokens(self) -> int:
        """Input and output."""
        return self.input + self.output

    @property
    def cache_hit_rate(self) -> Decimal | None:
        """Share of the input that the cache served, 0 to 1; None where it is not told or there is none."""
        told = self.input - self.unsplit_input
        return Decimal(self.cache_read) / told if told else None

    def add(self, other: "Row") -> None:
        """Take the sums of another row of the same currency in."""
        for name in COUNTS[:-1]:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.requests = _sum(self.requests, other.requests)
        self.cost += other.cost
        self.billed += other.billed
        self.listed = _sum(self.listed, other.listed)
        self.is_estimate = self.is_estimate or other.is_estimate


def _sum(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    return one + other


@dataclass(frozen=True, slots=True)
class Grouping:
    """A grouping that a shelf adds: values of ``of`` (a name of ``tuples.COLUMNS``) put together.

    ``values_of(connections, pairs)`` gets the (connection id, value) pairs met and gives for each what
    it belongs to (text or a number); a pair that is left out belongs to NONE. ``matching(connections,
    values)`` gives the pairs that belong to any of ``values``, for filters.
    """

    name: str
    of: str
    values_of: Callable[[Sequence[Connection], set[tuple[int, str]]], Mapping[tuple[int, str], Any]]
    matching: Callable[[Sequence[Connection], Sequence[Any]], set[tuple[int, str]]]


@dataclass(frozen=True, slots=True)
class Placing:
    """A grouping that a shelf adds by a table of its own, decided by several columns at once.

    ``table`` has a row for each Dimension of the grains in ``PLACED`` that belongs anywhere: its primary
    key is ``dimension_id``, and ``column`` the number of what it belongs to. One without a row belongs to
    NONE. So a database sums up by it, however many keys and people there are.
    """

    name: str
    table: "type[Model]"
    column: str


# Grains whose dimensions have places, and the columns that may decide them.
PLACED = (WHO, FULL)
PLACED_BY = ("workspace", "key", "account")
groupings: dict[str, Grouping] = {}
placings: dict[str, Placing] = {}


def add_grouping(grouping: Grouping | Placing) -> None:
    """Have ``totals`` know a grouping; for ``AppConfig.ready()``."""
    if grouping.name in (*COLUMNS, *TIMES, "connection"):
        raise ValueError(f"{grouping.name} is taken")
    if isinstance(grouping, Placing):
        placings[grouping.name] = grouping
    else:
        groupings[grouping.name] = grouping


def connections_of(user: "User | AnonymousUser", organization: Organization) -> list[Connection]:
    """The connections whose usage ``user`` may read in ``organization``: confirmed ones, also those that
    were disconnected (what they used stays)."""
    visible = Connection.objects.visible_to(user).filter(organization=organization)
    return list(visible.confirmed())


def hourly(connections: Iterable[Connection]) -> list[Connection]:
    """Those of ``connections`` whose provider tells usage by the hour. One query."""
    known = {one.pk: one for one in connections}
    rows = Report.objects.filter(connection__in=known, name=ReportName.USAGE, hourly=True)
    return [known[pk] for pk in rows.values_list("connection_id", flat=True)]


@dataclass(slots=True)
class Totals:
    """An answer: its rows, in no particular order, and what to say of them."""

    rows: list[Row] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)


def totals(
    connections: Iterable[Connection],
    first: date,
    last: date,
    group_by: Sequence[str] = (),
    filters: Mapping[str, Sequence[Any]] | None = None,
) -> Totals:
    """Sums of the UTC days ``first`` to ``last``, both included, over ``connections``, which the caller
    took from ``connections_of`` (nothing here looks at rights again). Four queries.

    ``group_by``: names of ``tuples.COLUMNS`` (not currency), "connection", one of "hour", "day", "week",
    "month", and names added by ``add_grouping``. ``filters``: the same names but for times, each with
    the values that are let through; marks of ``tuples`` may be among them. BadQuestion for what is not
    known, an end before the start, more hours than MOST_HOURS, or hours that are not kept any more. "hour" leaves out connections whose
    provider tells days alone, and all money.
    """
    known = list(connections)
    rows = sums(known, first, last, group_by, filters)
    return Totals(rows, coverage_of(known, first, last))


def sums(
    connections: Iterable[Connection],
    first: date,
    last: date,
    group_by: Sequence[str] = (),
    filters: Mapping[str, Sequence[Any]] | None = None,
) -> list[Row]:
    """The rows of ``totals`` without a word on how complete they are. Two queries."""
    asked = list(dict.fromkeys(group_by))
    wanted = {name: list(values) for name, values in (filters or {}).items()}
    chosen = list(connections)
    _check(first, last, asked, wanted)
    if "connection" in wanted:
        ids = {int(value) for value in wanted.pop("connection")}
        chosen = [one for one in chosen if one.pk in ids]
    if not chosen:
        return []
    return _Reading(chosen, asked, wanted).rows(day_of(first), day_of(last))


USED = (
    "output",
    "uncached_input",
    "cache_read",
    "unsplit_input",
)  # one of them is above 0 in a row of use


def tokens_used() -> Q:
    """Rows of use, not of money alone."""
    return reduce(or_, (Q(**{f"{name}__gt": 0}) for name in USED))


def last_days(
    connections: Iterable[Connection], column: str, values: Sequence[str]
) -> dict[tuple[int, str], date]:
    """The last UTC day on which each of ``values`` of ``column`` used anything, by connection id and
    value. One query."""
    used = " OR ".join(f"r.{name} > 0" for name in USED)
    return _days("MAX(r.day)", connections, column, values, f" AND ({used})")


def first_days(
    connections: Iterable[Connection], column: str, values: Sequence[str]
) -> dict[tuple[int, str], date]:
    """The first UTC day, as far as it is read, of which the rollups have each of ``values`` of ``column``,
    by connection id and value. One query."""
    return _days("MIN(r.day)", connections, column, values)


def _days(
    wanted: str,
    connections: Iterable[Connection],
    column: str,
    values: Sequence[str],
    condition: str = "",
) -> dict[tuple[int, str], date]:
    owners = [one.pk for one in connections]
    if not owners or not values:
        return {}
    grain = grain_for([column]).id
    # The grain is spelled out: those of keys and people have an index, which a parameter would not meet.
    # Of the others the table's own key leads to the rows of one connection and grain.
    if grain not in LOOKED_UP:
        condition += " AND r.connection_id = d.connection_id"
    sql = (
        f'SELECT d.connection_id, d."{column}", {wanted} FROM {_table(Dimension)} d'  # noqa: S608  # names of our own models
        f" JOIN {_table(Rollup)} r ON r.dimension_id = d.id AND r.grain = {grain}"
        f" WHERE d.connection_id IN ({_marks(owners)}) AND d.grain = {grain}"
        f' AND d."{column}" IN ({_marks(values)}){condition}'
        f' GROUP BY d.connection_id, d."{column}"'
    )
    with database.cursor() as cursor:
        cursor.execute(sql, [*owners, *values])
        rows = cursor.fetchall()
    return {(connection, value): date_of(day) for connection, value, day in rows}


def _check(first: date, last: date, asked: list[str], wanted: dict[str, list[Any]]) -> None:
    if last < first:
        raise BadQuestion("the end lies before the start")
    known = {*COLUMNS, "connection", *groupings, *placings} - {"currency"}
    if unknown := [name for name in asked if name not in {*known, *TIMES}]:
        raise BadQuestion(f"nothing can be grouped by {unknown[0]}")
    if unknown := [name for name in wanted if name not in known]:
        raise BadQuestion(f"nothing can be filtered by {unknown[0]}")
    if len([name for name in asked if name in TIMES]) > 1:
        raise BadQuestion("one width of time at once")
    if "hour" in asked and ((last - first).days + 1) * HOURS > MOST_HOURS:
        raise BadQuestion(f"by the hour at most {MOST_HOURS // HOURS} days")
    if "hour" in asked and day_of(first) < retention.kept_from():
        raise BadQuestion(f"hours are kept from {date_of(retention.kept_from())} on")


def months(first: date, last: date) -> list[date]:
    """The first day of every month that has a day of the range."""
    found = [first.replace(day=1)]
    while (following := (found[-1] + timedelta(days=31)).replace(day=1)) <= last:
        found.append(following)
    return found


def grain_for(columns: Iterable[str]) -> Grain:
    """The smallest grain that has these columns."""
    needed = frozenset(columns)
    return next((cube for cube in CUBES if needed <= cube.columns), FULL)


class _Reading:
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

    def rows(self, first: int, last: int) -> list[Row]:
        found = self._hours(first, last) if self.time == "hour" else self._days(first, last)
        return self._regrouped(found)

    # --- SQL: every name comes from this package, every value is a parameter -----------------------

    def _days(self, first: int, last: int) -> list[Row]:
        """Summed by dimension first, which is one integer, and by what it stands for afterwards."""
        chosen, values = self._chosen(self.grain)
        cover = blocks.cover(self.ids, first, last, self.time, self.grain, few=self.few)
        names = ", ".join(blocks.SUMS)
        parts, given = [], []
        for (begin, end), ids in cover.days.items():
            # The table lies by day: a few are looked up in each, not sought among all.
            days = list(range(begin, end + 1)) if self.few else [begin, end]
            within = f"IN ({_marks(days)})" if self.few else "BETWEEN %s AND %s"
            parts.append(
                f"SELECT dimension_id, {self._start('day', first, last)} AS at, {names} FROM {_table(Rollup)} r"  # noqa: S608  # likewise
                f" WHERE connection_id IN ({_marks(ids)}) AND grain = %s"
                f" AND day {within}{chosen}"
            )
            given += [*ids, self.grain.id, *days, *values]
        if cover.blocks:
            joined = f" JOIN {_table(Block)} b ON b.id = r.block_id" if self.time else ""
            parts.append(
                f"SELECT dimension_id, {self._start('b.first', first, last)} AS at, {names}"  # noqa: S608  # likewise
                f" FROM {_table(BlockRollup)} r{joined}"
                f" WHERE block_id IN ({_marks(cover.blocks)}) AND grain = %s{chosen}"
            )
            given += [*cover.blocks, self.grain.id, *values]
        found = f"({' UNION ALL '.join(parts)}) u"
        if self.time != "day":  # of which there is one row of each dimension
            by = "dimension_id, at" if self.time else "dimension_id"
            shown = "dimension_id, at" if self.time else "dimension_id, 0 AS at"
            found = f"(SELECT {shown}, {blocks.sums_of(blocks.SUMS)} FROM {found} GROUP BY {by}) u"  # noqa: S608  # likewise
        keys = ["d.connection_id", *(["at"] if self.time else [])]
        keys += [f'd."{name}"' for name in ("currency", *self.columns)]
        keys += self._place_keys()
        # Where all that tells the grain's dimensions apart was asked for, none fall together.
        alone = self.grain.columns <= {*self.columns, "currency"}
        sums = names if alone else blocks.sums_of(blocks.SUMS)
        sql = (
            f"SELECT {', '.join(keys)}, {sums} FROM {found}"  # noqa: S608  # likewise
            f" JOIN {_table(Dimension)} d ON d.id = u.dimension_id{self._place_joins('u')}"
        )
        with database.cursor() as cursor:
            cursor.execute(sql if alone else f"{sql} GROUP BY {', '.join(keys)}", given)
            return [self._day_row(list(row)) for row in cursor.fetchall()]

    def _start(self, day: str, first: int, last: int) -> str:
        """When the period of a day begins, as SQL: so that the database adds up all of a period."""
        if self.time == "week":  # day 4 was a Monday
            return f"{day} - ({day} + 3) %% 7"
        if self.time == "month":
            at = [day_of(one) for one in months(date_of(first), date_of(last))]
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
        keys = ["r.connection_id", "r.day", "r.told"]
        keys += [f'd."{name}"' for name in ("currency", *self.columns)]
        # The table lies by day: a few are looked up in each, not sought among all.
        given = days if self.few else [days[0], days[-1]]
        within = f"IN ({_marks(given)})" if self.few else "BETWEEN %s AND %s"
        sql = (
            f"SELECT {', '.join(keys)}, r.counts FROM {_table(HourRollup)} r"  # noqa: S608  # names of our own models
            f" JOIN {_table(Dimension)} d ON d.id = r.dimension_id"
            f" WHERE r.connection_id IN ({_marks(ids)}) AND r.grain = %s AND r.day {within}{chosen}"
        )
        sums: dict[tuple[Any, ...], int] = {}
        with database.cursor() as cursor:
            cursor.execute(sql, [*ids, self.grain.id, *given, *values])
            for *key, counts in cursor.fetchall():
                place = tuple(key)
                sums[place] = sums.get(place, 0) + int.from_bytes(counts, "little")
        return [
            self._hour_row([owner, day * HOURS + hour, *group, *counts])
            for (owner, day, told, *group), packed in sums.items()
            for hour, counts in hours.unpacked(packed, told)
        ]

    def _of_facts(self, days: Mapping[tuple[int, int], list[int]]) -> list[Row]:
        """``days``: first and last, and the connections to read them of."""
        keys = ['r."connection_id"', 'r."hour"']
        keys += [f'd."{name}"' for name in ("currency", *self.columns)]
        keys += self._place_keys()
        chosen, values = self._chosen(FULL)
        parts, given = [], []
        for (first, last), ids in days.items():
            begin, end = first * HOURS, (last + 1) * HOURS
            # The table lies by hour: a few are looked up in each, not sought among all.
            at = list(range(begin, end)) if self.few else [begin, end - 1]
            within = f"IN ({_marks(at)})" if self.few else "BETWEEN %s AND %s"
            parts.append(
                f"SELECT {', '.join(keys)}, {blocks.sums_of(COUNTS)} FROM {_table(Fact)} r"  # noqa: S608  # names of our own models
                f' JOIN {_table(Dimension)} d ON d."id" = r."dimension_id"{self._place_joins("r")}'
                f' WHERE r."connection_id" IN ({_marks(ids)}) AND r."hour" {within}'
                f"{chosen} GROUP BY {', '.join(keys)}"
            )
            given += [*ids, *at, *values]
        with database.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts), given)
            return [self._hour_row(list(row)) for row in cursor.fetchall()]

    def _place_keys(self) -> list[str]:
        return [f'p{at}."{one.column}"' for at, one in enumerate(self.placed)]

    def _place_joins(self, rows: str) -> str:
        return "".join(
            f' LEFT JOIN {_table(one.table)} p{at} ON p{at}."dimension_id" = {rows}."dimension_id"'
            for at, one in enumerate(self.placed)
        )

    def _chosen(self, grain: Grain) -> tuple[str, list[Any]]:
        """The filters as SQL: rows of the dimensions of a grain that pass."""
        if not self.filters and not self.pairs and not self.places:
            return "", []
        conditions = [f'"connection_id" IN ({_marks(self.ids)})', '"grain" = %s']
        values: list[Any] = [*self.ids, grain.id]
        for name, accepted in self.filters.items():
            conditions.append(f'"{name}" IN ({_marks(accepted)})')
            values += [str(one) for one in accepted]
        for name, pairs in self.pairs:
            either = " OR ".join([f'("connection_id" = %s AND "{name}" = %s)'] * len(pairs))
            conditions.append(f"({either or '1 = 0'})")
            values += [part for pair in sorted(pairs) for part in pair]
        for placing, accepted in self.places.items():
            condition, numbers = _placed_in(placing, accepted)
            conditions.append(condition)
            values += numbers
        inner = f'SELECT "id" FROM {_table(Dimension)} WHERE {" AND ".join(conditions)}'  # noqa: S608  # names of our own models
        if self.few and database.vendor == "postgresql":
            # As an array it is found first, and then looked up in the index; IN is joined.
            return f' AND r."dimension_id" = ANY(ARRAY({inner}))', values
        return f' AND r."dimension_id" IN ({inner})', values

    # --- Rows ---------------------------------------------------------------------------------------

    def _group(self, row: list[Any], at: Any) -> tuple[dict[str, Any], str]:
        """Takes the keys off the front of ``row``: the group's raw values, and the currency."""
        group: dict[str, Any] = {"connection": row.pop(0)}
        if self.time:
            group[self.time] = at(row.pop(0))
        currency = row.pop(0)
        for name in self.columns:
            group[name] = row.pop(0)
        for one in self.placed:
            place = row.pop(0)
            group[one.name] = NONE if place is None else place
        return group, currency

    def _day_row(self, row: list[Any]) -> Row:
        group, currency = self._group(row, self._period)
        counts, sums = row[: len(COUNTS)], row[len(COUNTS) :]
        billed, shared = money.joined(*sums[0:2]), money.joined(*sums[2:4])
        listed = None if sums[4] is None else money.joined(*sums[4:6])
        made = Row(group, currency, *_counts(counts))
        made.billed, made.listed = billed, listed
        made.cost = billed if self.lines else shared
        made.is_estimate = made.cost != billed
        return made

    def _hour_row(self, row: list[Any]) -> Row:
        group, currency = self._group(row, moment_of)
        return Row(group, currency, *_counts(row))

    def _period(self, day: int) -> date:
        at = date_of(day)
        if self.time == "week":
            return at - timedelta(days=at.weekday())
        return at.replace(day=1) if self.time == "month" else at

    def _regrouped(self, found: list[Row]) -> list[Row]:
        """Rows by what was asked for: weeks, months, added groupings, all connections together."""
        if len(self.ids) == 1 and not self.added and self.time not in ("week", "month"):
            for row in found:
                row.group = {name: row.group[name] for name in self.asked}
            return found
        mapped = {
            one.name: one.values_of(
                self.connections, {(row.group["connection"], row.group[one.of]) for row in found}
            )
            for one in self.added
        }
        merged: dict[tuple[Any, ...], Row] = {}
        for row in found:
            raw = row.group
            group = {
                name: mapped[name].get((raw["connection"], raw[groupings[name].of]), "-")
                if name in mapped
                else raw[name]
                for name in self.asked
            }
            key = (*group.values(), row.currency)
            row.group = group
            if key in merged:
                merged[key].add(row)
            else:
                merged[key] = row
        return list(merged.values())


def is_number(text: str) -> bool:
    """Whether it may be the number of something of ours: more digits fit into no database."""
    return text.isdecimal() and len(text) <= LONGEST_ID


def _placed_in(placing: Placing, accepted: Sequence[Any]) -> tuple[str, list[Any]]:
    """What a Dimension must fulfil to belong to any of ``accepted``, as SQL, and its parameters."""
    table = _table(placing.table)
    numbers = [int(one) for one in map(str, accepted) if is_number(one)]
    within = f'"{placing.column}" IN ({_marks(numbers)})'
    condition = f'"id" IN (SELECT "dimension_id" FROM {table} WHERE {within})'  # noqa: S608  # names of our own models
    if NONE in map(str, accepted):
        own = f'{_table(Dimension)}."id"'
        nowhere = f'NOT EXISTS (SELECT 1 FROM {table} p WHERE p."dimension_id" = {own})'  # noqa: S608  # likewise
        condition = f"({condition} OR {nowhere})"
    return condition, numbers


def _counts(row: list[Any]) -> list[Any]:
    """Sums; of nothing, 0."""
    return [*(value or 0 for value in row[:-1]), row[-1]]


def _marks(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values)) or "NULL"


def _table(model: Any) -> str:
    return f'"{model._meta.db_table}"'
