"""What one connection has used, read for ``rule.find``: the days that are read, and the few subjects that
could be far off at all.

A day is far off only if it is above the floor, a hundredth of what the connection usually uses. So a read of
the last days leaves a hundred subjects of a kind at most, whatever number of keys there are, and only
their past is read.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal

from apps.incidents.models import Incident, Kind, Severity, State, Unit
from apps.incidents.rule import Observed, Subject, floors
from apps.organizations.models import Connection
from apps.usage import reads
from apps.usage.days import date_of, day_of
from apps.usage.known import known_days
from apps.usage.rows import Row
from apps.usage.tuples import MARKS, NONE
from apps.usage.usual import WINDOW

MILLION = 1_000_000
APART = 28  # days of an incident that tell nothing of what is usual
COLUMN_OF = {Kind.KEY: "key", Kind.PERSON: "account", Kind.WORKSPACE: "workspace"}


def in_unit(row: Row, unit: str) -> int:
    """What a row comes to: millionths of its currency's unit, rounded down, or tokens."""
    return int(row.cost * MILLION) if unit == Unit.MONEY else row.tokens


def main_currency(rows: Iterable[Row]) -> str:
    """The one that most of the money is in; "" where there is none."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[row.currency] += abs(row.cost)
    named = max(sums, key=lambda one: sums[one], default="")
    return named if sums.get(named) else ""


@dataclass(slots=True)
class Sight:
    """What was read of one connection, ready to be judged. ``days``: those to be judged."""

    connection: Connection
    observed: Observed
    currency: str
    days: list[int]

    def rows(self, first: int, last: int, *group_by: str, **filters: Sequence[str]) -> list[Row]:
        """Sums of the connection in its main currency."""
        return rows_of(self.connection, self.currency, first, last, group_by, filters)

    def homes(self, people: Sequence[Subject]) -> dict[Subject, str]:
        """The workspace in which each of these people used most on the days that are judged. One query."""
        if not people:
            return {}
        used: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        values = [one.value for one in people]
        for row in self.rows(self.days[0], self.days[-1], "account", "workspace", account=values):
            amount = in_unit(row, self.observed.unit)
            used[row.group["account"]][row.group["workspace"]] += amount
        return {
            one: max(used[one.value], key=lambda place: used[one.value][place])
            for one in people
            if used[one.value]
        }


def rows_of(
    connection: Connection,
    currency: str,
    first: int,
    last: int,
    group_by: Sequence[str],
    filters: Mapping[str, Sequence[str]],
) -> list[Row]:
    """Sums of one connection in one currency; tokens carry the currency of its costs."""
    found = reads.sums([connection], date_of(first), date_of(last), group_by, filters)
    return [row for row in found if not currency or row.currency == currency]


def look(
    connection: Connection, days: Sequence[int], incidents: Sequence[Incident]
) -> Sight | None:
    """Read what ``days`` (in a row, oldest first) are to be judged by; None where nothing is read.

    ``incidents`` are the connection's own of late. Three queries, and three for each kind of subject.
    """
    first, last = days[0] - WINDOW, days[-1]
    read = known_days([connection], first, last)
    if not read.reports:
        return None
    whole = reads.sums([connection], date_of(first), date_of(last), ["day"])
    currency = main_currency(whole)
    unit = Unit.MONEY if currency else Unit.TOKENS
    total: dict[int, int] = {}
    for row in whole:
        if not currency or row.currency == currency:
            day = day_of(row.group["day"])
            total[day] = total.get(day, 0) + in_unit(row, unit)
    # Before it used anything there is nothing, not a zero.
    born = {Subject(Kind.CONNECTION): min((day for day in total if total[day]), default=last)}
    observed = Observed(unit, read.whole, read.begun, total, {}, born, _apart(incidents))
    sight = Sight(connection, observed, currency, list(days))
    floor = min(floors(observed, days).values())
    series: dict[Subject, dict[int, int]] = {}
    for kind, column in COLUMN_OF.items():
        held = {one.value for one in incidents if one.kind == kind and one.state != State.RESOLVED}
        _read_kind(sight, kind, column, floor, held, series)
    observed.series = series
    return sight


def _read_kind(
    sight: Sight,
    kind: str,
    column: str,
    floor: int,
    held: AbstractSet[str],
    series: dict[Subject, dict[int, int]],
) -> None:
    """The past of every subject of a kind that is above ``floor`` on a day, or ``held`` in an incident."""
    days, unit = sight.days, sight.observed.unit
    group = ["day", column] + (["workspace"] if kind == Kind.KEY else [])
    places: dict[str, str] = {}
    candidates = set(held)
    for row in sight.rows(days[0], days[-1], *group):
        value = row.group[column]
        if in_unit(row, unit) > floor and (value not in MARKS or _is_default(kind, value)):
            candidates.add(value)
        if kind == Kind.KEY:
            places[value] = row.group["workspace"]
    if not candidates:
        return
    chosen = sorted(candidates)
    found: dict[Subject, dict[int, int]] = {
        Subject(kind, value, places.get(value, "")): {} for value in chosen
    }
    by_value = {one.value: found[one] for one in found}
    for row in sight.rows(days[0] - WINDOW, days[-1], "day", column, **{column: chosen}):
        amounts, day = by_value[row.group[column]], day_of(row.group["day"])
        amounts[day] = amounts.get(day, 0) + in_unit(row, unit)
    births = reads.first_days([sight.connection], column, chosen)
    for subject in found:
        if first := births.get((sight.connection.pk, subject.value)):
            sight.observed.born[subject] = day_of(first)
    series |= found


def _is_default(kind: str, value: str) -> bool:
    """The default workspace has a mark for a name, and is one."""
    return kind == Kind.WORKSPACE and value == NONE


def _apart(incidents: Sequence[Incident]) -> dict[Subject, AbstractSet[int]]:
    """Days that tell nothing of what is usual: those of incidents, for four weeks. Muted ones are meant to be
    usual, and what has gone on for longer has become so."""
    found: dict[Subject, set[int]] = {}
    for one in incidents:
        if one.state == State.MUTED:
            continue
        days = range(one.since, min(one.last, one.since + APART - 1) + 1)
        touched = [Subject(one.kind, one.value)]
        if one.workspace and one.kind != Kind.WORKSPACE:
            touched.append(Subject(Kind.WORKSPACE, one.workspace))
        if one.severity != Severity.LOW or one.kind == Kind.QUIET:
            touched.append(Subject(Kind.CONNECTION))
        for subject in touched:
            found.setdefault(subject, set()).update(days)
    return dict(found)
