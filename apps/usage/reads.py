"""What pages read: sums over days and dimensions, with how fresh and how complete they are.

``totals`` answers from the rollups, from the smallest that has the columns asked for; hours from the
cubes by the hour, or from the facts. All money is in the currency's own unit, exact; days are UTC and ranges have both their ends.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from django.db import connection as database
from django.db.models import Q

from apps.organizations.models import Connection, Organization
from apps.usage import retention
from apps.usage.bulk import marks, table_of
from apps.usage.coverage import Coverage, coverage_of
from apps.usage.days import HOURS, date_of, day_of
from apps.usage.groupings import groupings, placings
from apps.usage.models import Dimension, Report, ReportName, Rollup
from apps.usage.reading import Reading
from apps.usage.rows import Row
from apps.usage.tuples import COLUMNS, LOOKED_UP, TIMES, grain_for

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from apps.accounts.models import User

MOST_HOURS = 24 * 14  # of a reading by the hour


class BadQuestion(ValueError):
    """A question that has no answer; the text says why, for whoever wrote the call."""


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
    """The rows of ``totals`` without a word on how complete they are. Two queries, three more by a placing
    that has summed days up, and one for each run of days that it has not."""
    asked = list(dict.fromkeys(group_by))
    wanted = {name: list(values) for name, values in (filters or {}).items()}
    chosen = list(connections)
    _check(first, last, asked, wanted)
    if "connection" in wanted:
        ids = {int(value) for value in wanted.pop("connection")}
        chosen = [one for one in chosen if one.pk in ids]
    if not chosen:
        return []
    return Reading(chosen, asked, wanted).rows(day_of(first), day_of(last))


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
        f'SELECT d.connection_id, d."{column}", {wanted} FROM {table_of(Dimension)} d'  # noqa: S608  # names of our own models
        f" JOIN {table_of(Rollup)} r ON r.dimension_id = d.id AND r.grain = {grain}"
        f" WHERE d.connection_id IN ({marks(owners)}) AND d.grain = {grain}"
        f' AND d."{column}" IN ({marks(values)}){condition}'
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
