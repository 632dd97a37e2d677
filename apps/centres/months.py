"""Months: which there are, which are closed, and why one may not be closed yet."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Max, Min
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from apps.centres.models import Closing
from apps.organizations.models import Connection, Organization
from apps.providers.catalogue import PROVIDERS
from apps.usage.coverage import CAPABILITIES, LATE_HOURS, coverage_of
from apps.usage.days import HOURS, date_of, day_of
from apps.usage.models import ReadDay, Report, ReportName
from apps.usage.question import utc_today

READ = (ReportName.USAGE, ReportName.COSTS)
MOST = 36  # that a page lists


@dataclass(frozen=True, slots=True)
class Span:
    """One month: its UTC days, both included."""

    first: date
    last: date

    @property
    def number(self) -> int:
        """As it is kept: the first day, from 1970."""
        return day_of(self.first)

    @property
    def slug(self) -> str:
        """As addresses have it: "2026-11"."""
        return f"{self.first:%Y-%m}"

    @property
    def label(self) -> str:
        """As pages have it: "November 2026"."""
        return date_format(self.first, "F Y")

    @property
    def is_over(self) -> bool:
        """Whether its last day is."""
        return self.last < utc_today()


def month_of(day: date) -> Span:
    """The month that a day lies in."""
    first = day.replace(day=1)
    return Span(first, next_of(first) - timedelta(days=1))


def of_number(number: int) -> Span:
    """A month as it is kept."""
    return month_of(date_of(number))


def of_slug(slug: str) -> Span | None:
    """A month as addresses have it; None for what is none."""
    try:
        return month_of(date.fromisoformat(f"{slug}-01"))
    except (ValueError, OverflowError):  # the last month of all has no next one
        return None


def next_of(first: date) -> date:
    """The first day of the month after."""
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1)


def last_whole() -> Span:
    """The last month that is over."""
    return month_of(utc_today().replace(day=1) - timedelta(days=1))


def listed(connections: Sequence[Connection]) -> list[Span]:
    """Every month of which anything was read, the newest first; at least this one. One query."""
    rows = ReadDay.objects.filter(connection__in=connections, report__in=READ)
    earliest = rows.aggregate(day=Min("day"))["day"]
    first = date_of(earliest).replace(day=1) if earliest is not None else utc_today().replace(day=1)
    found = []
    while first <= utc_today():
        found.append(month_of(first))
        first = next_of(first)
    return found[::-1][:MOST]


def home_of(month: int, closed: Iterable[int]) -> int:
    """The month in whose statement corrections of a closed one stand: the next that is open."""
    taken = set(closed)
    first = next_of(date_of(month))
    while day_of(first) in taken:
        first = next_of(first)
    return day_of(first)


def closed_of(organization: Organization) -> dict[int, Closing]:
    """The closed months. One query."""
    rows = Closing.objects.filter(organization=organization).select_related("closed_by")
    return {one.month: one for one in rows}


def live_of(connections: Iterable[Connection]) -> list[Connection]:
    """Those of which anything more is read."""
    return [one for one in connections if one.state != Connection.State.DISCONNECTED]


def _is_told(connection: Connection, name: ReportName) -> bool:
    """Whether there will be such a report: not where the provider tells its money along with usage."""
    provider = PROVIDERS.get(connection.provider)
    if provider is not None and name not in provider.reports:
        return False
    return connection.can(CAPABILITIES[name])


def is_whole(connections: Sequence[Connection], month: Span) -> bool:
    """Whether every day of a month so far has been read, in each report that there is of each connection; days
    before anything was read have not. Three queries."""
    return month in whole_of(connections, [month])


def whole_of(connections: Sequence[Connection], spans: Sequence[Span]) -> set[Span]:
    """Those of some months of which that is so. Three queries, however many."""
    live = live_of(connections)
    reports = Report.objects.filter(connection__in=live, name__in=READ)
    begun = {
        (owner, name): day
        for owner, name, day in reports.values_list("connection_id", "name", "backfill_to")
    }
    wanted = [
        (one.pk, name)
        for one in live
        for name in READ
        if (one.pk, name) in begun or _is_told(one, name)
    ]
    if any(place not in begun for place in wanted):
        return set()
    begins = max((begun[place] for place in wanted), default=0)
    read = coverage_of(live, min(one.first for one in spans), max(one.last for one in spans))
    return {one for one in spans if begins <= one.number and not read.lacks(one.first, one.last)}


def obstacles(connections: Sequence[Connection], month: Span) -> list[str]:
    """Why a month may not be closed yet, a sentence each; empty: it may. Three queries at most.

    Every day must be read to its end and settled, in each report of each connection that is not
    disconnected: of those nobody reads anything any more.
    """
    if not month.is_over:
        return [_("%(month)s is not over.") % {"month": month.label}]
    live = live_of(connections)
    if not live:
        return [] if connections else [_("Nothing is connected.")]
    reports = set(
        Report.objects.filter(connection__in=live, name__in=READ).values_list(
            "connection_id", "name"
        )
    )
    first, last = day_of(month.first), day_of(month.last)
    ledger: dict[tuple[int, str], dict[int, tuple[bool, bool]]] = {}
    rows = ReadDay.objects.filter(connection__in=live, report__in=READ, day__range=(first, last))
    for owner, name, day, through, settled, replacing in rows.values_list(
        "connection_id", "report", "day", "through", "settled", "replacing"
    ):
        whole = through >= (day + 1) * HOURS and not replacing
        ledger.setdefault((owner, name), {})[day] = (whole, settled)
    found = []
    for one in live:
        for name in READ:
            if (one.pk, name) in reports:
                found += _of_report(one, name, ledger.get((one.pk, name), {}), first, last)
            elif _is_told(one, name):
                words = {"connection": one.name, "report": ReportName(name).label}
                found.append(_("%(connection)s, %(report)s: nothing has been read yet.") % words)
    return found


def _of_report(
    connection: Connection, name: str, days: dict[int, tuple[bool, bool]], first: int, last: int
) -> list[str]:
    words: dict[str, Any] = {
        "connection": connection.name,
        "report": ReportName(name).label,
    }
    unread = [day for day in range(first, last + 1) if not days.get(day, (False, False))[0]]
    if unread:
        given = words | {"days": _spelled(unread)}
        return [_("%(connection)s, %(report)s: not read: %(days)s.") % given]
    loose = [day for day in range(first, last + 1) if not days[day][1]]
    if not loose:
        return []
    given = words | {"days": _spelled(loose), "hours": LATE_HOURS}
    return [
        _(
            "%(connection)s, %(report)s: the provider may still change %(days)s; a day is settled"
            " %(hours)s hours after it is over, once it has been read again."
        )
        % given
    ]


def _spelled(days: Sequence[int]) -> str:
    """ "1–3 Nov, 7 Nov"."""
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    told = []
    for run in runs[:6]:
        begin, end = date_of(run[0]), date_of(run[-1])
        told.append(
            date_format(begin, "j M")
            if begin == end
            else f"{date_format(begin, 'j')}–{date_format(end, 'j M')}"
        )
    return ", ".join(told) + (" …" if len(runs) > len(told) else "")


def newest_read(connections: Sequence[Connection]) -> date | None:
    """The newest day of which anything was read. One query."""
    rows = ReadDay.objects.filter(connection__in=connections, report__in=READ)
    newest = rows.aggregate(day=Max("day"))["day"]
    return None if newest is None else date_of(newest)
