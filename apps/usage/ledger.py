"""The ledger: which days of a report are read, which are to be read next, what the provider corrected."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from apps.organizations.models import Connection
from apps.usage import money
from apps.usage.coverage import LATE_HOURS
from apps.usage.days import HOURS, day_of, hour_of, midnight
from apps.usage.models import Correction, ReadDay, Report, ReportName

LATE = timedelta(hours=LATE_HOURS)
REREAD = timedelta(hours=1)  # how often a day that is over but not settled is read again
FRESH = timedelta(minutes=1)  # the providers ask to be asked no more often
# A bucket this young when it was read is filling up still: what comes later is no correction.
YOUNG_HOURS = 1


def report_of(connection: Connection, name: str, *, hourly: bool) -> Report:
    """The report's row, made if need be: backfill reaches back ``USAGE_BACKFILL_DAYS``."""
    today = day_of(timezone.now())
    report, _ = Report.objects.get_or_create(
        connection=connection,
        name=name,
        defaults={"hourly": hourly, "backfill_to": today - settings.USAGE_BACKFILL_DAYS},
    )
    return report


@dataclass(slots=True)
class Plan:
    """Days to read, each list in the order of reading. ``known``: the ledger's rows of them."""

    open: list[int] = field(default_factory=list)  # may still change, oldest first
    back: list[int] = field(default_factory=list)  # never read, newest first
    known: dict[int, ReadDay] = field(default_factory=dict)


def plan(report: Report, now: datetime) -> Plan:
    """What of a report is to be read now."""
    today = day_of(now)
    read = ReadDay.objects.filter(connection=report.connection_id, report=report.name)
    unsettled = {row.day: row for row in read.filter(settled=False)}
    due = {day for day, row in unsettled.items() if _is_due(row, now)}
    if today not in unsettled:
        due.add(today)
    found = Plan(sorted(due), known=unsettled)
    if report.paused_at is None:
        days = set(read.filter(day__gte=report.backfill_to).values_list("day", flat=True))
        missing = [day for day in range(today - 1, report.backfill_to - 1, -1) if day not in days]
        found.back = missing
    return found


def _is_due(row: ReadDay, now: datetime) -> bool:
    """Whether a day that is not settled is to be read again."""
    over = row.through >= (row.day + 1) * HOURS
    return row.replacing or now - row.read_at >= (REREAD if over else FRESH)


def progress(report: Report) -> tuple[int, int]:
    """Days of the backfill that are read, and all of them."""
    today = day_of(timezone.now())
    wanted = ReadDay.objects.filter(
        connection=report.connection_id,
        report=report.name,
        day__gte=report.backfill_to,
        day__lt=today,
    )
    return wanted.count(), max(0, today - report.backfill_to)


def spans(days: Sequence[int], longest: int) -> Iterable[list[int]]:
    """Days that lie side by side together, at most ``longest``; each oldest first."""
    span: list[int] = []
    for day in days:
        if span and (len(span) >= longest or abs(day - span[-1]) != 1):
            yield sorted(span)
            span = []
        span.append(day)
    if span:
        yield sorted(span)


def mark(
    report: Report, day: int, now: datetime, *, rows: int, unreadable: int, dropped: Iterable[str]
) -> None:
    """Note that a day has been read as of ``now``. Inside the transaction that writes it.

    A day with rows that made no sense is read once more before it is settled.
    """
    end = (day + 1) * HOURS
    late = now >= midnight(day + 1) + LATE
    doubtful = unreadable and not ReadDay.objects.filter(
        connection=report.connection_id, report=report.name, day=day, unreadable__gt=0
    )
    ReadDay.objects.update_or_create(
        connection_id=report.connection_id,
        report=report.name,
        day=day,
        defaults={
            "through": min(end, hour_of(now)),
            "read_at": now,
            "settled": late and not doubtful,
            "replacing": False,
            "rows": rows,
            "unreadable": unreadable,
            "dropped": " ".join(sorted(dropped))[:200],
        },
    )


def marks(connections: Iterable[Connection], first: int, last: int) -> dict[tuple[int, int], str]:
    """By connection and day a text that is another one whenever the day's rollups were written. One query."""
    rows = ReadDay.objects.filter(
        connection__in=list(connections),
        report__in=(ReportName.USAGE, ReportName.COSTS),
        day__range=(first, last),
    )
    found: dict[tuple[int, int], str] = {}
    told = rows.order_by("report").values_list("connection_id", "day", "report", "read_at")
    for owner, day, name, at in told:
        found[owner, day] = f"{found.get((owner, day), '')}{name[0]}{at.timestamp():.6f}"
    return found


def mark_replacing(report: Report, day: int) -> None:
    """Note that a day's facts are being exchanged in more than one transaction."""
    ReadDay.objects.filter(connection_id=report.connection_id, report=report.name, day=day).update(
        replacing=True, settled=False
    )


def told_whole(known: ReadDay | None, *, hourly: bool) -> int:
    """The hour before which buckets had been told for good, as far as anybody could think."""
    if known is None:
        return 0
    end = (known.day + 1) * HOURS
    if not hourly and known.through < end:
        return 0
    return min(known.through, hour_of(known.read_at) - YOUNG_HOURS)


@dataclass(slots=True)
class Difference:
    """What a reading changed of what had been told before: rows, and sums of either side."""

    rows: int = 0
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)

    def count(self, side: dict[str, int], names: Iterable[str], values: Iterable[Any]) -> None:
        """Add a row's values to a side."""
        for name, value in zip(names, values, strict=True):
            if value:
                side[name] = side.get(name, 0) + value

    def note(self, report: Report, day: int, now: datetime, currency: str = "") -> None:
        """Write it down, if there is any. Sums that agree are left out; money is in ``currency``."""
        if not self.rows:
            return
        names = [
            name
            for name in {**self.before, **self.after}
            if self.before.get(name, 0) != self.after.get(name, 0)
        ]

        def shown(side: dict[str, int]) -> dict[str, Any]:
            if not currency:
                return {name: side.get(name, 0) for name in names}
            return {
                name: f"{money.joined(0, side.get(name, 0)).normalize():f} {currency}"
                for name in names
            }

        Correction.objects.create(
            connection_id=report.connection_id,
            report=report.name,
            day=day,
            noted_at=now,
            rows=self.rows,
            before=shown(self.before),
            after=shown(self.after),
        )
