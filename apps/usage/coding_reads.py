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

from django.db.models import Count, F, Max, Min, QuerySet, Sum

from apps.members.models import Person
from apps.organizations.models import Connection, Organization
from apps.usage import money
from apps.usage.answer import period_of
from apps.usage.days import date_of, day_of
from apps.usage.models import Coder, CodingDay, CodingModel, CodingTool

METRICS = ("sessions", "lines_added", "lines_removed", "commits", "pull_requests")


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

    def rows(self, model: Any) -> "QuerySet[Any]":
        """The rows of CodingDay, CodingModel or CodingTool."""
        found: QuerySet[Any] = model.objects.filter(
            connection__in=[one.pk for one in self.connections],
            day__range=(day_of(self.first), day_of(self.last)),
        )
        return found if self.emails is None else found.filter(coder__email__in=self.emails)


def _estimate(row: Any) -> Decimal:
    return money.joined(row["micros"], row["femtos"])


_ESTIMATE = {"micros": Sum("estimate_micros"), "femtos": Sum("estimate_femtos")}


def coders(where: Range, organization: Organization) -> list[CoderWork]:
    """Everybody who used it, the most sessions first. Four queries."""
    found: dict[tuple[str, str], CoderWork] = {}

    def of(row: dict[str, Any]) -> CoderWork:
        key = (row["coder__email"], row["coder__key_name"])
        return found.setdefault(key, CoderWork(*key))

    who = ("coder__email", "coder__key_name")
    done = (
        where.rows(CodingDay)
        .values(*who)
        .annotate(
            **{f"of_{name}": Sum(name) for name in METRICS},
            latest=Max("day"),
            on=Count("day", distinct=True),
        )
    )
    for row in done:
        one = of(row)
        one.work.add(Work(**{name: row[f"of_{name}"] for name in METRICS}))
        one.last, one.days = date_of(row["latest"]), row["on"]
    for row in where.rows(CodingModel).values(*who).annotate(**_ESTIMATE):
        of(row).work.estimate += _estimate(row)
    tools = where.rows(CodingTool).values(*who)
    for row in tools.annotate(taken=Sum("accepted"), refused=Sum("rejected")):
        of(row).work.add(Work(accepted=row["taken"], rejected=row["refused"]))
    people = {
        person.email: person
        for person in Person.objects.filter(
            organization=organization, email__in=[one.email for one in found.values() if one.email]
        ).only("name", "email")
    }
    for one in found.values():
        one.person = people.get(one.email)
    return sorted(found.values(), key=lambda one: (-one.work.sessions, one.email, one.key_name))


def by_period(where: Range, by: str, metric: str) -> dict[str, dict[date, int]]:
    """Sums of one of METRICS by terminal and period. One query."""
    found: dict[str, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    rows = where.rows(CodingDay).values("day", "terminal").annotate(number=Sum(metric))
    for row in rows:
        found[row["terminal"]][period_of(date_of(row["day"]), by)] += row["number"]
    return found


def estimates_by_period(where: Range, by: str) -> dict[str, dict[date, Decimal]]:
    """The provider's estimates by model and period. One query."""
    found: dict[str, dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in where.rows(CodingModel).values("day", "model").annotate(**_ESTIMATE):
        found[row["model"]][period_of(date_of(row["day"]), by)] += _estimate(row)
    return found


def acceptance_by_period(where: Range, by: str) -> dict[str, dict[date, Work]]:
    """Proposals taken and refused by tool and period. One query."""
    found: dict[str, dict[date, Work]] = defaultdict(lambda: defaultdict(Work))
    rows = where.rows(CodingTool).values("day", "tool")
    for row in rows.annotate(taken=Sum("accepted"), refused=Sum("rejected")):
        work = Work(accepted=row["taken"], rejected=row["refused"])
        found[row["tool"]][period_of(date_of(row["day"]), by)].add(work)
    return found


@dataclass(slots=True)
class Adoption:
    """People (not keys) of one period: those who used it, of them the new ones, and all until then."""

    active: int = 0
    new: int = 0
    ever: int = 0


def adoption(where: Range, by: str, at: Iterable[date]) -> dict[date, Adoption]:
    """How many people used it in each period, and how many of them for the first time. Two queries."""
    used: dict[date, set[str]] = defaultdict(set)
    rows = where.rows(CodingDay).exclude(coder__email="").values_list("day", "coder__email")
    for day, email in rows.distinct():
        used[period_of(date_of(day), by)].add(email)
    firsts = (
        CodingDay.objects.filter(connection__in=[one.pk for one in where.connections])
        .exclude(coder__email="")
        .values(email=F("coder__email"))
        .annotate(began=Min("day"))
    )
    began = {row["email"]: period_of(date_of(row["began"]), by) for row in firsts}
    begun = sorted(began.values())
    return {
        period: Adoption(
            active=len(used[period]),
            new=sum(began[email] == period for email in used[period]),
            ever=bisect_right(begun, period),
        )
        for period in at
    }


def sums_by(where: Range, model: Any, column: str, metric: str) -> list[tuple[str, int]]:
    """Sums of ``metric`` by ``column`` of one of the tables, the largest first. One query."""
    rows = where.rows(model).values_list(column).annotate(number=Sum(metric)).order_by("-number")
    return [(value, number) for value, number in rows]


def told(connections: Sequence[Connection]) -> int:
    """How many coders are known at all: 0 while nothing has been read, or nobody uses it. One query."""
    return Coder.objects.filter(connection__in=connections).count()
