"""Which days are read whole, over several connections and all the reports that their sums come from."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from apps.organizations.models import Connection
from apps.usage.days import HOURS
from apps.usage.models import ReadDay, Report, ReportName

READ = (ReportName.USAGE, ReportName.COSTS)


@dataclass(slots=True)
class Known:
    """UTC days: ``whole`` ones are read to their end everywhere, ``begun`` ones everywhere in part; of all
    others something is missing. ``hours``: how many of a begun day are read. ``reports``: how many reports
    were looked at, 0: nothing is read here."""

    whole: set[int] = field(default_factory=set)
    begun: set[int] = field(default_factory=set)
    hours: dict[int, int] = field(default_factory=dict)
    reports: int = 0


def known_days(connections: Iterable[Connection], first: int, last: int) -> Known:
    """What is read of the days ``first`` to ``last``. What was disconnected is not waited for. Two queries.

    A day whose facts are just being exchanged is not known until that is done.
    """
    found = _looked_up(connections, first, last)
    hours: dict[int, list[int]] = {}
    for read in found.values():
        for day, through in read.items():
            hours.setdefault(day, []).append(through)
    return _known(hours, len(found))


def known_days_of_each(
    connections: Iterable[Connection], first: int, last: int
) -> dict[int, Known]:
    """The same of each connection by itself, by its id. Two queries."""
    looked_at = list(connections)
    hours: dict[int, dict[int, list[int]]] = {one.pk: {} for one in looked_at}
    reports = dict.fromkeys(hours, 0)
    for (connection, _report), read in _looked_up(looked_at, first, last).items():
        reports[connection] += 1
        for day, through in read.items():
            hours[connection].setdefault(day, []).append(through)
    return {pk: _known(hours[pk], reports[pk]) for pk in hours}


def _looked_up(
    connections: Iterable[Connection], first: int, last: int
) -> dict[tuple[int, str], dict[int, int]]:
    """Up to which hour each day is read, by day, for each report that there is. Two queries."""
    live = [one.pk for one in connections if one.state != Connection.State.DISCONNECTED]
    reports = Report.objects.filter(connection__in=live, name__in=READ)
    found: dict[tuple[int, str], dict[int, int]] = {
        place: {} for place in reports.values_list("connection_id", "name")
    }
    rows = ReadDay.objects.filter(
        connection__in=live, report__in=READ, day__range=(first, last), replacing=False
    )
    for connection, report, day, through in rows.values_list(
        "connection_id", "report", "day", "through"
    ):
        if (connection, report) in found:
            found[connection, report][day] = through
    return found


def _known(hours: dict[int, list[int]], reports: int) -> Known:
    """``hours``: by day, up to which hour each report that has read of it has come."""
    found = Known(reports=reports)
    for day, through in hours.items():
        if len(through) < reports:
            continue
        if min(through) >= (day + 1) * HOURS:
            found.whole.add(day)
        else:
            found.begun.add(day)
            found.hours[day] = max(0, min(through) - day * HOURS)
    return found
