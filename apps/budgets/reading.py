"""What was spent in one period of a budget, read from usage: every sum once, and what is not in it.

Counted is what providers charge for use: metered cost, and what is used up of prepaid credit. Both are the
cost of usage's rows, so neither is counted twice; buying credit is no row there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from apps.budgets.periods import Span
from apps.budgets.scopes import Place
from apps.centres import reads as centres
from apps.centres.models import CostCentre
from apps.organizations.models import Connection
from apps.usage import reads
from apps.usage.coming import Coming, first_needed, of_rows
from apps.usage.coverage import Coverage, coverage_of
from apps.usage.days import date_of, day_of
from apps.usage.known import READ
from apps.usage.models import Report
from apps.usage.question import utc_today


@dataclass(slots=True)
class Figures:
    """One period as far as it is read. ``daily``: by UTC day, in the budget's currency; a day without one
    is a zero where it is read, and unknown where it is among ``unread``. ``begun``: connections that are
    not read back to the period's first day, with the day from which on they are. ``ended``: those that are
    disconnected, which are not waited for. ``never``: those of which nothing was read."""

    first: date
    last: date
    today: date
    spent: Decimal = Decimal(0)
    is_estimate: bool = False
    daily: dict[date, Decimal] = field(default_factory=dict)
    others: dict[str, Decimal] = field(default_factory=dict)
    coming: Coming | None = None
    coverage: Coverage = field(default_factory=Coverage)
    unread: set[date] = field(default_factory=set)
    begun: list[tuple[Connection, date]] = field(default_factory=list)
    ended: list[Connection] = field(default_factory=list)
    never: list[Connection] = field(default_factory=list)

    @property
    def lasts(self) -> bool:
        """Whether the period is not over."""
        return self.first <= self.today <= self.last

    @property
    def end(self) -> date:
        """The last day of it that has begun."""
        return min(self.last, self.today)


def figures(place: Place, currency: str, connections: Sequence[Connection], span: Span) -> Figures:
    """Read a period that has begun; ``connections`` are the organization's. Seven queries, of a cost centre
    eleven."""
    found = Figures(*span, utc_today())
    mine = place.among(connections)
    begin = first_needed(found.first) if found.lasts else found.first
    rows = reads.sums(mine, begin, found.end, ["day"], place.filters)
    billed = Decimal(0)
    for row in rows:
        day = row.group["day"]
        if day < found.first:
            continue
        if row.currency != currency:
            found.others[row.currency] = found.others.get(row.currency, Decimal(0)) + row.cost
            continue
        found.daily[day] = found.daily.get(day, Decimal(0)) + row.cost
        billed += row.billed
    found.spent = sum(found.daily.values(), Decimal(0))
    # Parts that are estimates may sum up to what is billed: then the sum is none.
    found.is_estimate = found.spent != billed
    if place.centre and found.is_estimate:
        found.is_estimate = _is_shared_out(place.centre, currency, found)
    found.others = {name: amount for name, amount in found.others.items() if amount}
    if found.lasts:
        found.coming = of_rows(mine, rows, currency, span)
    live = [one for one in mine if one.state != Connection.State.DISCONNECTED]
    found.ended = [one for one in mine if one not in live and _ended_in(one, found.first)]
    found.coverage = coverage_of(live, found.first, found.end)
    begun = read_from(live)
    found.begun = [(one, day) for one, day in begun.items() if day > found.first]
    told = {left.connection.pk for left in found.coverage.left}
    found.never = [one for one in live if one not in begun and one.pk not in told]
    found.unread = unread_days(found.coverage, begun, found.first, found.end)
    return found


def _is_shared_out(centre: CostCentre, currency: str, found: Figures) -> bool:
    """Whether a cost centre has only a part of something that is billed as a whole."""
    told = centres.spent(centre.organization, found.first, found.end)
    return any(one == centre and unit == currency and est for one, unit, _amount, est in told)


def _ended_in(connection: Connection, first: date) -> bool:
    """Whether it may have used something on ``first`` or later."""
    at = connection.disconnected_at
    return at is None or day_of(at) >= day_of(first)


def unread_days(
    coverage: Coverage, begun: Mapping[Connection, date], first: date, last: date
) -> set[date]:
    """The days from ``first`` to ``last`` that are not (wholly) in the sums. ``begun`` as ``read_from``."""
    stretches = [(hole.first, hole.last) for hole in coverage.holes]
    stretches += [(first, day - timedelta(days=1)) for day in begun.values()]
    days: set[date] = set()
    for begin, end in stretches:
        at = max(first, begin)
        while at <= min(last, end):
            days.add(at)
            at += timedelta(days=1)
    return days


def read_from(connections: Sequence[Connection]) -> dict[Connection, date]:
    """The first day that each is, or is being, read from on; one of which nothing is read is not there. One
    query."""
    known = {one.pk: one for one in connections}
    rows = Report.objects.filter(connection__in=known, name__in=READ)
    latest: dict[int, int] = {}
    for pk, day in rows.order_by("pk").values_list("connection_id", "backfill_to"):
        latest[pk] = max(latest.get(pk, day), day)
    return {known[pk]: date_of(day) for pk, day in latest.items()}
