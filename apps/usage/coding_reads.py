"""Claude Code as its page reads it: sums over a range by period, terminal, model, tool and person.

Days are UTC. What it cost is the provider's own estimate, in the currency's own unit, and in no other sum.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Count, Max, Q, QuerySet, Sum
from django.utils import timezone

from apps.members.models import Person
from apps.organizations.models import Connection, Organization
from apps.usage import money, rosters
from apps.usage.answer import end_of, period_of
from apps.usage.coding_rollups import ESTIMATE, KINDS, METRICS, PROPOSALS, SUMS, month_of
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
    """Where to look: connections, UTC days with both ends, and, for some people's, their addresses or
    who they are (ids of Coder)."""

    connections: Sequence[Connection]
    first: date
    last: date
    emails: Sequence[str] | None = None
    coders: Sequence[int] | None = None

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

    def known(self) -> "QuerySet[Coder]":
        """Who is known there, whether or not they used it on these days."""
        found = Coder.objects.filter(connection__in=self.ids)
        return found if self.emails is None else found.filter(email__in=self.emails)

    def _own(self, model: Any, when: Q) -> "QuerySet[Any]":
        found: QuerySet[Any] = model.objects.filter(when, connection__in=self.ids)
        if self.coders is not None:
            return found.filter(coder__in=self.coders)
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


class User(NamedTuple):
    """A user of Claude Code over all connections, before anything is told of them but their sessions. In
    the order of these fields the one with the most comes first."""

    fewer: int  # sessions, negative
    email: str
    key_name: str
    ids: list[int]  # of Coder, one for each connection


def users(where: Range) -> list[User]:
    """Everybody who used it, the most sessions first. Two queries."""
    months, runs = where.apart()
    days = [day for first, last in runs for day in range(first, last + 1)]
    sessions: dict[int, int] = defaultdict(int)
    for roster in rosters.of(where.ids, months=months, days=days):
        for coder, count in zip(roster.coders, roster.sessions, strict=True):
            sessions[coder] += count
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for pk, email, name in where.known().values_list("pk", "email", "key_name"):
        if pk in sessions:
            found[email, name].append(pk)
    return sorted(User(-sum(sessions[one] for one in ids), *who, ids) for who, ids in found.items())


def coders(where: Range, chosen: Sequence[User] | None = None) -> list[CoderWork]:
    """What each of ``chosen`` did, in their order; None: everybody, the most sessions first. Four queries,
    if any of them is known at several connections five; for everybody two more."""
    if chosen is None:
        chosen = users(where)
    else:
        where = replace(where, coders=[one for user in chosen for one in user.ids])
    sums = _of_coders(where)
    found: dict[tuple[str, str], CoderWork] = {}
    for user in chosen:
        coder = found[user.email, user.key_name] = CoderWork(user.email, user.key_name)
        for one in map(sums.__getitem__, user.ids):
            counts = dict(zip(COUNTS, one.counts, strict=True))
            coder.work.add(Work(**counts, estimate=money.joined(0, one.femtos)))
            coder.days += one.days
            last = date_of(one.last)
            coder.last = max(last, coder.last or last)
    several = [one for user in chosen if len(user.ids) > 1 for one in user.ids]
    if several:
        _count_days_once(where, several, found)
    return list(found.values())


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
    """How many people used it in each period, and how many of them for the first time. Two queries."""
    first, last = day_of(where.first), day_of(where.last)
    by_email: dict[str, int] = {}  # one id for each person
    people = where.known().exclude(email="").values_list("pk", "email")
    who = {pk: by_email.setdefault(email, pk) for pk, email in people}
    months: dict[int, dict[int, int]] = defaultdict(dict)  # days as bits, by month and person
    for month, roster in rosters.until(where.ids, last):
        of_month = months[month]
        for coder, days in zip(roster.coders, roster.days, strict=True):
            if person := who.get(coder):
                of_month[person] = of_month.get(person, 0) | days
    begun: dict[date, set[int]] = defaultdict(set)  # who began in a period
    known: set[int] = set()
    for month, of_month in months.items():  # the earliest first
        for person in of_month.keys() - known:
            began = month + (of_month[person] & -of_month[person]).bit_length() - 1
            if began <= last:
                begun[period_of(date_of(began), by)].add(person)
        known |= of_month.keys()
    begins = sorted(period for period, people in begun.items() for _ in people)
    found: dict[date, Adoption] = {}
    for period in at:
        begin = max(day_of(period), first)
        end = min(day_of(end_of(period, by)), last)
        used: set[int] = set()
        for month in {month_of(begin), month_of(end)}:
            low, high = max(begin - month, 0), end - month
            mask = (1 << (high + 1)) - (1 << low)
            used.update(person for person, days in months[month].items() if days & mask)
        new = len(used & begun[period])
        found[period] = Adoption(len(used), new, ever=bisect_right(begins, period))
    return found


def sums_by_kind(where: Range) -> dict[str, dict[str, Work]]:
    """What was done by each value of each of KINDS. One query, of some people's four."""
    found: dict[str, dict[str, Work]] = {kind: {} for kind in KINDS}
    for kind, value, names, sums in _sums_by_kind(where):
        told = dict(zip(names, map(int, sums), strict=True))
        micros, femtos = (told.pop(name, 0) for name in ESTIMATE)
        found[kind][value] = Work(**told, estimate=money.joined(micros, femtos))
    return found


def _sums_by_kind(where: Range) -> Iterator[tuple[str, str, Sequence[str], Sequence[Any]]]:
    """Kind, value, and its sums with their names."""
    if where.emails is None:
        days = (day_of(where.first), day_of(where.last))
        own = CodingSum.objects.filter(connection__in=where.ids, day__range=days).order_by()
        for kind, value, *sums in own.values_list("kind", "value").annotate(*map(Sum, SUMS)):
            yield kind, value, SUMS, sums
        return
    for kind, (model, column, names) in KINDS.items():
        rows = where.rows(model).values_list(column).order_by()
        for value, *sums in rows.annotate(*map(Sum, names)):
            yield kind, value, names, sums


def total_of(sums: Mapping[str, Mapping[str, Work]]) -> Work:
    """What was done all in all, of ``sums_by_kind``."""
    total = Work()
    for kind in ("terminal", "tool", "model"):  # each has what the others have not
        for work in sums[kind].values():
            total.add(work)
    return total


def told(connections: Sequence[Connection]) -> int:
    """How many coders are known at all: 0 while nothing has been read, or nobody uses it. One query."""
    return Coder.objects.filter(connection__in=connections).count()
