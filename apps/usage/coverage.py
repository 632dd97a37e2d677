"""How fresh and how complete usage is: what pages say beside their numbers. Reads the ledger alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from django.utils import timezone

from apps.organizations.models import Connection
from apps.usage.days import HOURS, date_of, day_of, moment_of
from apps.usage.models import ReadDay, Report, ReportName

# Buckets that are not settled may still change: the provider's late window.
LATE_HOURS = 48


@dataclass(frozen=True, slots=True)
class Hole:
    """UTC days of one report that are not (wholly) in the sums, both ends included.

    ``why``: "backfill" (still to come), "paused", "unread" (its turn has not come, it failed, or the connection
    was disconnected before).
    """

    connection: Connection
    report: str
    first: date
    last: date
    why: str


@dataclass(frozen=True, slots=True)
class Left:
    """Something that is left out of the sums or of what they can be split by."""

    connection: Connection
    report: str
    dropped: tuple[str, ...] = ()  # columns that the provider refused to group by
    refusal: str = ""  # in its own words
    unreadable: int = 0  # rows that made no sense
    without_hours: bool = False
    cannot: str = ""  # the key may not read this report at all: why


@dataclass(slots=True)
class Coverage:
    """``as_of``: everything before it was read (the oldest of the connections), None: nothing yet.
    ``open_from``: days from here on may still change, None: none of the range. ``begins``: before it some
    report was never wanted, so its days are no holes, and nothing is known of them; None: no report."""

    as_of: datetime | None = None
    read_at: datetime | None = None  # the oldest of the last readings
    open_from: date | None = None
    begins: date | None = None
    holes: list[Hole] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    is_over: bool = False  # the range: its last day is

    @property
    def is_all_read(self) -> bool:
        """Whether the range is over and every day of it was read: then it says nothing how long ago that was."""
        return self.is_over and self.is_complete and self.as_of is not None

    @property
    def is_complete(self) -> bool:
        """Whether every day of the range is in the sums."""
        return not self.holes

    def reaches(self, first: date) -> bool:
        """Whether days were wanted as far back as ``first``."""
        return self.begins is None or self.begins <= first

    def lacks(self, first: date, last: date) -> bool:
        """Whether a day from ``first`` to ``last`` is not (wholly) in the sums."""
        return any(hole.first <= last and first <= hole.last for hole in self.holes)


CAPABILITIES = {
    ReportName.USAGE: "usage.read",
    ReportName.COSTS: "costs.read",
    ReportName.CODING: "coding.read",
    ReportName.SUMMARY: "usage.summary",
}


def coverage_of(
    connections: Iterable[Connection],
    first: date,
    last: date,
    reports: Iterable[str] = (ReportName.USAGE, ReportName.COSTS),
) -> Coverage:
    """What is in the sums of UTC days ``first`` to ``last`` over ``connections``. Two queries."""
    known = {one.pk: one for one in connections}
    names = list(reports)
    found = Coverage()
    begin, end = day_of(first), min(day_of(last), day_of(timezone.now()))
    found.is_over = end < day_of(timezone.now())
    rows = Report.objects.filter(connection__in=known, name__in=names)
    kept = {(row.connection_id, row.name): row for row in rows}
    ledger: dict[tuple[int, str], dict[int, ReadDay]] = {}
    for read in ReadDay.objects.filter(
        connection__in=known, report__in=names, day__range=(begin, end)
    ).order_by("day"):
        ledger.setdefault((read.connection_id, read.report), {})[read.day] = read
    for (connection_id, name), report in kept.items():
        _of_report(
            found, known[connection_id], report, ledger.get((connection_id, name), {}), begin, end
        )
    for connection in known.values():
        for name in names:
            capability = CAPABILITIES[ReportName(name)]
            # "" is what a provider says nothing of: it was never asked whether it could.
            if not connection.can(capability) and (why := connection.why_not(capability)):
                found.left.append(Left(connection, name, cannot=why))
    return found


def _of_report(
    found: Coverage,
    connection: Connection,
    report: Report,
    days: dict[int, ReadDay],
    begin: int,
    end: int,
) -> None:
    today = day_of(timezone.now())
    missing = [
        day
        for day in range(max(begin, report.backfill_to), end + 1)
        if day not in days or (day < today and days[day].through < (day + 1) * HOURS)
    ]
    found.holes += _holes(connection, report, missing)
    begins = date_of(report.backfill_to)
    found.begins = begins if found.begins is None else max(found.begins, begins)
    if days:
        newest = days[max(days)]
        through, read_at = moment_of(newest.through), newest.read_at
        found.as_of = min(filter(None, (found.as_of, through)))
        found.read_at = min(filter(None, (found.read_at, read_at)))
    open_days = [day for day, read in days.items() if not read.settled]
    if open_days:
        opened = date_of(min(open_days))
        found.open_from = min(filter(None, (found.open_from, opened)))
    unreadable = sum(read.unreadable for read in days.values())
    dropped = sorted({name for read in days.values() for name in read.dropped.split() if name})
    without = report.name == ReportName.USAGE and not report.hourly
    if dropped or unreadable or without:
        found.left.append(
            Left(connection, report.name, tuple(dropped), report.refusal, unreadable, without)
        )


def _holes(connection: Connection, report: Report, days: list[int]) -> list[Hole]:
    """Days in a row as one."""
    holes: list[Hole] = []
    start = previous = None
    for day in [*days, None]:
        if start is not None and previous is not None and (day is None or day != previous + 1):
            over = report.backfilled_at or connection.state == Connection.State.DISCONNECTED
            why = "unread" if over else "paused" if report.paused_at else "backfill"
            holes.append(Hole(connection, report.name, date_of(start), date_of(previous), why))
            start = None
        if start is None:
            start = day
        previous = day
    return holes
