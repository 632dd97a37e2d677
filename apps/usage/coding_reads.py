"""Claude Code as its page reads it: sums over a range by period, terminal, model, tool and person.

Days are UTC. What it cost is the provider's own estimate, in the currency's own unit, and in no other sum.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Count, Max, Min, Q, QuerySet, Sum
from django.utils import timezone

from apps.members.models import Person
from apps.organizations.models import Connection, Organization
from apps.usage import money
from apps.usage.answer import end_of, period_of
from apps.usage.coding_rollups import ESTIMATE, KINDS, METRICS, PROPOSALS, month_of
from apps.usage.days import date_of, day_of
from apps.usage.models import Coder, CoderMonth, CodingDay, CodingModel, CodingSum, CodingTool


@dataclass(slots=True)
class Work:
    """What was done: plain counts; ``estimate`` is the provider's, ``accepted`` and ``rejected`` are
    proposals of its tools."""

    sessions: int = 0
    lines_added: int = 0
    lines_removed: int = 0
    commits: int = 0
    pull_requests: int = 0
    accepted: int = 0
    rejected: int = 0
    estimate: Decimal = Decimal(0)

    def add(self, other: "Work") -> None:
        """Take another's counts in."""
        for name in (*METRICS, "accepted", "rejected", "estimate"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def acceptance(self) -> Decimal | None:
        """Share of the proposals that were taken, 0 to 1; None where there were none."""
        proposed = self.accepted + self.rejected
        return Decimal(self.accepted) / proposed if proposed else None

    @property
    def per_commit(self) -> Decimal | None:
        """The estimate for each commit."""
        return self.estimate / self.commits if self.commits else None

    @property
    def per_pull_request(self) -> Decimal | None:
        """The estimate for each pull request."""
        return self.estimate / self.pull_requests if self.pull_requests else None


@dataclass(slots=True)
class CoderWork:
    """One user of Claude Code: a person by address, or a key by its name, over all connections."""

    email: str
    key_name: str
    work: Work = field(default_factory=Work)
    last: date | None = None
    days: int = 0  # on which they used it
    person: Person | None = None

    @property
    def name(self) -> str:
        """What to call them."""
        return str(self.person) if self.person else self.email or self.key_name


@dataclass(slots=True)
class Range:
    """Where to look: connections, UTC days with both ends, and, for one person's, their addresses."""

    connections: Sequence[Connection]
    first: date
    last: date
    emails: Sequence[str] | None = None

    @property
    def ids(self) -> list[int]:
        """The connections by id."""
        return [one.pk for one in self.connections]

    def rows(self, model: Any) -> "QuerySet[Any]":
        """The rows of CodingDay, CodingModel or CodingTool."""
        return self._own(model, Q(day__range=(day_of(self.first), day_of(self.last))))

    def at_the_edges(self, model: Any) -> "QuerySet[Any]":
        """The same of the days that are in no whole month."""
        edges = Q(pk__in=[])
        for run in self.apart()[1]:
            edges |= Q(day__range=run)
        return self._own(model, edges)

    def months(self) -> "QuerySet[Any]":
        """The rows of CoderMonth of the whole months."""
        return self._own(CoderMonth, Q(month__in=self.apart()[0]))

    def _own(self, model: Any, when: Q) -> "QuerySet[Any]":
        found: QuerySet[Any] = model.objects.filter(when, connection__in=self.ids)
        return found if self.emails is None else found.filter(coder__email__in=self.emails)

    def apart(self) -> tuple[list[int], list[tuple[int, int]]]:
        """First days of the whole months, and runs of days at the edges. A month that has not ended is
        whole up to today."""
        first, last = day_of(self.first), day_of(self.last)
        if last >= day_of(timezone.now()):
            last = day_of(end_of(self.last, "month"))
        months, left, at = [], [], first
        while at <= last:
            end = day_of(end_of(date_of(at).replace(day=1), "month"))
            if at == month_of(at) and end <= last:
                months.append(at)
            else:
                left.append((at, min(end, last)))
            at = end + 1
        return months, left


COUNTS = (*METRICS, *PROPOSALS)
_ESTIMATE = {"micros": Sum("estimate_micros"), "femtos": Sum("estimate_femtos")}


@dataclass(slots=True)
class _Sums:
    """What one coder of one connection did, in whole numbers, until it is told."""

    counts: list[int] = field(default_factory=lambda: [0] * len(COUNTS))
    femtos: int = 0
    last: int = 0
    days: int = 0


def coders(where: Range) -> list[CoderWork]:
    """Everybody who used it, the most sessions first. Five queries, of several connections six."""
    sums = _of_coders(where)
    found: dict[tuple[str, str], CoderWork] = {}
    several: list[int] = []  # who is known at more than one connection
    of: dict[tuple[str, str], int] = {}
    for pk, email, name in Coder.objects.filter(connection__in=where.ids).values_list(
        "pk", "email", "key_name"
    ):
        if pk not in sums:
            continue
        one, key = sums[pk], (email, name)
        if key in found:
            several += [pk, of[key]]
        of[key] = pk
        coder = found.setdefault(key, CoderWork(email, name))
        work = Work(
            **dict(zip(COUNTS, one.counts, strict=True)), estimate=money.joined(0, one.femtos)
        )
        coder.work.add(work)
        coder.days += one.days
        last = date_of(one.last)
        coder.last = max(last, coder.last or last)
    if several:
        _count_days_once(where, several, found)
    return sorted(found.values(), key=lambda one: (-one.work.sessions, one.email, one.key_name))


def find_people(lines: Iterable[CoderWork], organization: Organization) -> None:
    """Give each line its person, where there is one of that address. One query."""
    wanted = [one for one in lines if one.email]
    people = Person.objects.filter(
        organization=organization, email__in=[one.email for one in wanted]
    ).only("name", "email")
    by_email = {person.email: person for person in people}
    for one in wanted:
        one.person = by_email.get(one.email)


def _of_coders(where: Range) -> dict[int, _Sums]:
    """Sums by the coder's id. Four queries."""
    found: dict[int, _Sums] = defaultdict(_Sums)

    def add(coder: int, counts: Sequence[int], at: int, femtos: int = 0) -> _Sums:
        sums = found[coder]
        for place, count in enumerate(counts, at):
            sums.counts[place] += int(count)
        sums.femtos += femtos
        return sums

    months = where.months().values_list("coder_id").order_by()
    for coder, *counts, used, latest, micros, femtos in months.annotate(
        *map(Sum, COUNTS), Sum("used"), Max("last"), *_ESTIMATE.values()
    ):
        sums = add(coder, counts, 0, int(micros) * money.MICRO + int(femtos))
        sums.days, sums.last = sums.days + used, max(sums.last, latest)
    done = where.at_the_edges(CodingDay).values_list("coder_id").order_by()
    for coder, *counts, used, latest in done.annotate(
        *map(Sum, METRICS), Count("day", distinct=True), Max("day")
    ):
        sums = add(coder, counts, 0)
        sums.days, sums.last = sums.days + used, max(sums.last, latest)
    tools = where.at_the_edges(CodingTool).values_list("coder_id").order_by()
    for coder, *counts in tools.annotate(*map(Sum, PROPOSALS)):
        add(coder, counts, len(METRICS))
    models = where.at_the_edges(CodingModel).values_list("coder_id").order_by()
    for coder, micros, femtos in models.annotate(*_ESTIMATE.values()):
        add(coder, (), 0, int(micros) * money.MICRO + int(femtos))
    return found


def _count_days_once(
    where: Range, several: Sequence[int], found: dict[tuple[str, str], CoderWork]
) -> None:
    """A day on which somebody used it at two connections is one day."""
    days: dict[tuple[str, str], set[int]] = defaultdict(set)
    first, last = day_of(where.first), day_of(where.last)
    rows = CoderMonth.objects.filter(
        connection__in=where.ids, coder__in=several, first__lte=last, last__gte=first
    )
    for email, name, month, bits in rows.values_list(
        "coder__email", "coder__key_name", "month", "days"
    ):
        used = (month + at for at in range(31) if bits >> at & 1)
        days[email, name].update(day for day in used if first <= day <= last)
    for key, used_on in days.items():
        found[key].days = len(used_on)


def _by_day(where: Range, kind: str, *names: str) -> "QuerySet[Any, Any]":
    """Day, value and sums of ``names`` over everybody, or over whom the range is of."""
    model, column, _ = KINDS[kind]
    rows: QuerySet[Any, Any]
    if where.emails is not None:
        rows = where.rows(model).values_list("day", column)
    else:
        days = (day_of(where.first), day_of(where.last))
        rows = CodingSum.objects.filter(
            connection__in=where.ids, kind=kind, day__range=days
        ).values_list("day", "value")
    summed: QuerySet[Any, Any] = rows.annotate(*map(Sum, names)).order_by()
    return summed


def by_period(where: Range, by: str, metric: str) -> dict[str, dict[date, int]]:
    """Sums of one of METRICS by terminal and period. One query."""
    found: dict[str, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    for day, terminal, number in _by_day(where, "terminal", metric):
        found[terminal][period_of(date_of(day), by)] += int(number)
    return found


def estimates_by_period(where: Range, by: str) -> dict[str, dict[date, Decimal]]:
    """The provider's estimates by model and period. One query."""
    found: dict[str, dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for day, model, micros, femtos in _by_day(where, "model", *ESTIMATE):
        found[model][period_of(date_of(day), by)] += money.joined(int(micros), int(femtos))
    return found


def acceptance_by_period(where: Range, by: str) -> dict[str, dict[date, Work]]:
    """Proposals taken and refused by tool and period. One query."""
    found: dict[str, dict[date, Work]] = defaultdict(lambda: defaultdict(Work))
    for day, tool, taken, refused in _by_day(where, "tool", *PROPOSALS):
        work = Work(accepted=int(taken), rejected=int(refused))
        found[tool][period_of(date_of(day), by)].add(work)
    return found


@dataclass(slots=True)
class Adoption:
    """People (not keys) of one period: those who used it, of them the new ones, and all until then."""

    active: int = 0
    new: int = 0
    ever: int = 0


def adoption(where: Range, by: str, at: Iterable[date]) -> dict[date, Adoption]:
    """How many people used it in each period, and how many of them for the first time. Three queries."""
    first, last = day_of(where.first), day_of(where.last)
    people = Coder.objects.filter(connection__in=where.ids).exclude(email="")
    who = dict(people.values_list("pk", "email"))
    own = CoderMonth.objects.filter(connection__in=where.ids).order_by()
    inside = own.filter(first__lte=last, last__gte=first)
    if where.emails is not None:
        inside = inside.filter(coder__email__in=where.emails)
    bits: dict[int, dict[str, int]] = defaultdict(dict)  # by month and address
    for month, coder, days in inside.values_list("month", "coder_id", "days"):
        if email := who.get(coder):
            of_month = bits[month]
            of_month[email] = of_month.get(email, 0) | days
    used: dict[date, set[str]] = {}
    for period in at:
        begin = max(day_of(period), first)
        end = min(day_of(end_of(period, by)), last)
        active = used[period] = set()
        for month in {month_of(begin), month_of(end)}:
            low, high = max(begin - month, 0), end - month
            mask = (1 << (high + 1)) - (1 << low)
            active.update(email for email, days in bits[month].items() if days & mask)
    begins: dict[str, int] = {}
    for coder, day in own.values_list("coder_id").annotate(Min("first")):
        if email := who.get(coder):
            begins[email] = min(day, begins.get(email, day))
    began = {email: period_of(date_of(day), by) for email, day in begins.items()}
    begun = sorted(began.values())
    return {
        period: Adoption(
            active=len(used[period]),
            new=sum(began[email] == period for email in used[period]),
            ever=bisect_right(begun, period),
        )
        for period in at
    }


def sums_by(where: Range, kind: str, metric: str) -> list[tuple[str, int]]:
    """Sums of ``metric`` by value of one of KINDS, the largest first. One query."""
    found: dict[str, int] = defaultdict(int)
    for _, value, number in _by_day(where, kind, metric):
        found[value] += int(number)
    return sorted(found.items(), key=lambda one: -one[1])


def told(connections: Sequence[Connection]) -> int:
    """How many coders are known at all: 0 while nothing has been read, or nobody uses it. One query."""
    return Coder.objects.filter(connection__in=connections).count()
