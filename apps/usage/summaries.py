"""A provider's own summary: read by day and by month, and held against the sums of its report of usage.

It adds what that report does not tell (requests, how many members were active). It is in no sum of ours:
where the two differ, pages show both.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.organizations.models import Connection
from apps.providers import errors
from apps.providers.catalogue import PROVIDERS
from apps.providers.protocol import Adapter, SummaryAdapter
from apps.providers.records.usage import UsageSummary
from apps.sync.mirrors import Series
from apps.sync.walk import Errand, Fetcher
from apps.usage import ledger, reads
from apps.usage.call_models import Summary, priced
from apps.usage.days import date_of, day_of, midnight
from apps.usage.ledger import LATE, REREAD
from apps.usage.models import ReadDay, Report, ReportName
from apps.usage.rows import Row
from apps.usage.series import Reading

Width = Summary.Width


# --- Reading -------------------------------------------------------------------------------------


class SummaryReading(Reading):
    """Months that are due, and a day at a time."""

    def __init__(
        self, errand: Errand, fetcher: Fetcher, report: Report, adapter: SummaryAdapter
    ) -> None:
        super().__init__(errand, fetcher, report)
        self.adapter = adapter

    def go(self) -> None:
        """Months first: they are few, and pages ask for them most."""
        now = timezone.now()
        held = Summary.objects.filter(connection=self.report.connection_id, width=Width.MONTH)
        known = {row.first: row for row in held}
        for first, last in months(date_of(self.report.backfill_to), now.date()):
            row = known.get(day_of(first))
            if row is None or not (row.settled or now - row.read_at < REREAD):
                self._sum(Width.MONTH, first, min(last, now.date()), last, now)
        super().go()

    def read(self, span: list[int], known: dict[int, ReadDay], now: datetime) -> None:
        for number in span:
            self._sum(Width.DAY, date_of(number), date_of(number), date_of(number), now)

    def _sum(self, width: str, first: date, last: date, end: date, now: datetime) -> None:
        """Read one sum and write it; ``end`` is the last day once the time is over."""

        def call() -> UsageSummary:
            return self.adapter.summary(first, last)

        self.fetcher.ask(call)
        found: UsageSummary = self.errand.receive(self.fetcher, call, begun=False)
        self.errand.run.pages += 1
        self.errand.run.requests += 1
        # How a range is asked for is inferred: what was summed over another one is not this.
        told = (found.first_day or first, found.last_day or last)
        fits = told == (first, last) and found.total_tokens is not None
        settled = now >= midnight(day_of(end) + 1) + LATE
        with transaction.atomic(durable=True):
            self.hold()
            if fits or width == Width.MONTH:  # which is not asked for again and again
                Summary.objects.update_or_create(
                    connection_id=self.report.connection_id,
                    width=width,
                    first=day_of(first),
                    defaults={
                        "last": day_of(last),
                        "read_at": now,
                        "settled": settled,
                        **(_told(found) if fits else {}),
                    },
                )
            if width == Width.DAY:
                day = day_of(first)
                unreadable = int(not fits)
                ledger.mark(
                    self.report, day, now, rows=int(fits), unreadable=unreadable, dropped=()
                )


def _told(found: UsageSummary) -> dict[str, int | None]:
    return {
        "members": found.members,
        "active": found.active_members,
        "requests": found.requests,
        "prompt_tokens": found.prompt_tokens,
        "completion_tokens": found.completion_tokens,
        "total_tokens": found.total_tokens,
        **priced(found.charged_usd, found.list_cost_usd),
    }


def months(first: date, last: date) -> Iterator[tuple[date, date]]:
    """Every month that begins within the range, newest first: its first and last day."""
    start = last.replace(day=1)
    while start >= first:
        following = (start + timedelta(days=31)).replace(day=1)
        yield start, following - timedelta(days=1)
        start = (start - timedelta(days=1)).replace(day=1)


def _read(errand: Errand, adapter: Adapter, fetcher: Fetcher) -> None:
    if not isinstance(adapter, SummaryAdapter):
        raise errors.Refused(_("This provider has no such report."))
    report = ledger.report_of(errand.connection, ReportName.SUMMARY, hourly=False)
    SummaryReading(errand, fetcher, report, adapter).go()


SUMMARY = Series(
    name="summary",
    label=gettext_lazy("Summary of usage"),
    capability="usage.summary",
    read=_read,
    method="summary",
    has=lambda provider: "summary" in PROVIDERS[provider].reports,
    every_seconds=900,
)


# --- Holding against ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure as two reports of the provider tell it. ``ours``: from the report that the page sums."""

    label: str
    ours: Decimal | int
    theirs: Decimal | int

    @property
    def difference(self) -> Decimal | int:
        """The summary's less the report's."""
        return self.theirs - self.ours

    @property
    def is_money(self) -> bool:
        """Whether it is in dollars."""
        return isinstance(self.ours, Decimal)


@dataclass(slots=True)
class Beside:
    """A connection's own summary of a range, beside the sums of it.

    ``days`` of the ``wanted`` ones are settled in both reports and compared. ``requests`` and ``active``
    are what the summary alone tells; None where it does not. ``active_days``: what active is told of.
    """

    connection: Connection
    wanted: int
    days: int = 0
    figures: list[Compared] = field(default_factory=list)
    requests: int | None = None
    requests_days: int = 0
    members: int | None = None
    active: int | None = None
    active_ours: int | None = None

    @property
    def differing(self) -> list[Compared]:
        """The figures in which they do not agree."""
        return [one for one in self.figures if one.difference]


def beside(connections: Sequence[Connection], first: date, last: date) -> list[Beside]:
    """What the summaries of ``connections`` say of UTC days ``first`` to ``last``; those that tell none are
    left out. Five queries, whatever the number of days; two where no connection has a summary."""
    held: dict[int, list[Summary]] = {}
    rows = Summary.objects.filter(
        connection__in=list(connections),
        width=Width.DAY,
        first__range=(day_of(first), day_of(last)),
    )
    for row in rows:
        held.setdefault(row.connection_id, []).append(row)
    chosen = [one for one in connections if one.pk in held]
    if not chosen:
        return []
    settled = _settled(chosen, first, last)
    used: dict[int, dict[int, Row]] = {}
    for found in reads.sums(chosen, first, last, ("connection", "day")):
        used.setdefault(found.group["connection"], {})[day_of(found.group["day"])] = found
    active = _active(chosen, first, last)
    wanted = (min(last, timezone.now().date()) - first).days + 1
    answer = []
    for connection in chosen:
        told = Beside(connection, wanted)
        days = held[connection.pk]
        both = [one for one in days if one.settled and one.first in settled[connection.pk]]
        told.days = len(both)
        told.figures = list(_figures(both, used.get(connection.pk, {})))
        counted = [one.requests for one in days if one.requests is not None]
        told.requests, told.requests_days = (sum(counted) if counted else None), len(counted)
        if connection.pk in active:
            told.members, told.active, told.active_ours = active[connection.pk]
        answer.append(told)
    return answer


def _settled(connections: Sequence[Connection], first: date, last: date) -> Mapping[int, set[int]]:
    """The days of each connection's report of usage that do not change any more."""
    found: dict[int, set[int]] = {one.pk: set() for one in connections}
    rows = ReadDay.objects.filter(
        connection__in=found,
        report=ReportName.USAGE,
        settled=True,
        unreadable=0,
        day__range=(day_of(first), day_of(last)),
    )
    for connection, day in rows.values_list("connection_id", "day"):
        found[connection].add(day)
    return found


def _figures(days: Sequence[Summary], used: Mapping[int, Row]) -> Iterator[Compared]:
    """Tokens and money over days that both reports tell for good; what the summary leaves out is left out."""
    if not days:
        return
    nothing = Row({})
    rows = [used.get(one.first, nothing) for one in days]
    pairs: Iterable[tuple[Any, Sequence[Any], Sequence[Any]]] = (
        (_("Input tokens"), [r.input for r in rows], [one.prompt_tokens for one in days]),
        (_("Output tokens"), [r.output for r in rows], [one.completion_tokens for one in days]),
        (_("Charged"), [r.cost for r in rows], [one.charged for one in days]),
        (_("List price"), [r.listed or Decimal(0) for r in rows], [one.listed for one in days]),
    )
    for label, ours, theirs in pairs:
        if None not in theirs:
            yield Compared(str(label), sum(ours), sum(theirs))


def _active(
    connections: Sequence[Connection], first: date, last: date
) -> dict[int, tuple[int | None, int | None, int]]:
    """Members, active ones, and accounts with use in the sums, where a summary is of just this range."""
    rows = {
        row.connection_id: row
        for row in Summary.objects.filter(
            connection__in=list(connections), first=day_of(first), last=day_of(last)
        ).order_by("width")
    }
    if not rows:
        return {}
    counts = dict.fromkeys(rows, 0)
    for found in reads.sums(connections, first, last, ("connection", "account")):
        if found.group["connection"] in counts and (found.tokens or found.cost or found.listed):
            counts[found.group["connection"]] += 1
    return {pk: (row.members, row.active, counts[pk]) for pk, row in rows.items()}
