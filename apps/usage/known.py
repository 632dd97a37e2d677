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
    live = [one.pk for one in connections if one.state != Connection.State.DISCONNECTED]
    wanted = set(
        Report.objects.filter(connection__in=live, name__in=READ).values_list(
            "connection_id", "name"
        )
    )
    through: dict[int, list[int]] = {}
    rows = ReadDay.objects.filter(
        connection__in=live, report__in=READ, day__range=(first, last), replacing=False
    )
    for connection, report, day, hour in rows.values_list(
        "connection_id", "report", "day", "through"
    ):
        if (connection, report) in wanted:
            through.setdefault(day, []).append(hour)
    found = Known(reports=len(wanted))
    for day, hours in through.items():
        if len(hours) < len(wanted):
            continue
        if min(hours) >= (day + 1) * HOURS:
            found.whole.add(day)
        else:
            found.begun.add(day)
            found.hours[day] = max(0, min(hours) - day * HOURS)
    return found
