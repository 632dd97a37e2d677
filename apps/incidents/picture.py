"""The chart of an incident: what its subject used by day, what is usual, and from where on it is far off."""

from dataclasses import dataclass

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from apps.incidents import words
from apps.incidents.looking import COLUMN_OF, in_unit, rows_of
from apps.incidents.models import Incident, Kind
from apps.incidents.rule import floor_of, least_of, limit_of
from apps.ui.charts import Chart, Series
from apps.usage.days import date_of, day_of
from apps.usage.known import known_days
from apps.usage.usual import WINDOW, usual

BEFORE, AFTER = 35, 14  # days shown around the far-off ones


@dataclass(slots=True)
class Past:
    """What was used by day, on the days that are read whole and on the one that is not over."""

    amounts: dict[int, int]
    known: set[int]
    begun: set[int]
    born: int

    def history(self, incident: Incident) -> dict[int, int]:
        """The days that tell what is usual."""
        far = {int(day) for day in incident.daily}
        return {
            day: self.amounts.get(day, 0)
            for day in self.known
            if day not in far and day >= self.born
        }


def past_of(incident: Incident, first: int, last: int) -> Past:
    """Read it. Three queries."""
    connection = incident.connection
    column = COLUMN_OF.get(Kind(incident.kind))
    filters = {column: [incident.value]} if column else {}
    amounts: dict[int, int] = {}
    for row in rows_of(connection, incident.currency, first, last, ["day"], filters):
        day = day_of(row.group["day"])
        amounts[day] = amounts.get(day, 0) + in_unit(row, incident.unit)
    read = known_days([connection], first, last)
    return Past(amounts, read.whole, read.begun, min(amounts, default=last))


def _whole(incident: Incident, first: int, last: int, known: set[int]) -> dict[int, int]:
    """What the whole connection used on the days that are read. One query."""
    amounts: dict[int, int] = {}
    for row in rows_of(incident.connection, incident.currency, first, last, ["day"], {}):
        day = day_of(row.group["day"])
        amounts[day] = amounts.get(day, 0) + in_unit(row, incident.unit)
    return {day: amount for day, amount in amounts.items() if day in known}


def chart_of(incident: Incident, today: int) -> Chart:
    """The picture of it. Four queries."""
    last = min(today, incident.last + AFTER)
    first = incident.since - BEFORE
    past = past_of(incident, first - WINDOW, last)
    history = past.history(incident)
    days = range(first, last + 1)
    usually = {day: usual(history, day) for day in days}
    whole = _whole(incident, first - WINDOW, last, past.known)
    quiet = incident.kind == Kind.QUIET
    far_from = least_of if quiet else limit_of
    limits: list[int | None] = []
    for day in days:
        kept, one = incident.daily.get(str(day)), usually[day]
        floor = floor_of(incident.unit, usual(whole, day))
        limits.append(kept[2] if kept else far_from(one, floor) if one else None)
    read = past.known | past.begun
    observed = [past.amounts.get(day, 0) if day in read else None for day in days]
    expected = [one.expected if (one := usually[day]) else None for day in days]
    edges = [(one.low if quiet else one.high) if (one := usually[day]) else None for day in days]
    dates = [date_of(day) for day in days]
    return Chart(
        name="incident-chart",
        title=_("%(what)s by day, and what is usual") % {"what": incident.get_unit_display()},
        labels=[date_format(day, "j M") for day in dates],
        titles=[date_format(day, "D j M Y") for day in dates],
        series=[
            _series(_("Came to"), observed, incident),
            _series(_("Usually"), expected, incident, line=True),
            _series(
                _("Usually at least") if quiet else _("Usually up to"),
                edges,
                incident,
                line=True,
                muted=True,
            ),
            _series(
                _("Far off below") if quiet else _("Far off from"), limits, incident, line=True
            ),
        ],
        unit=incident.currency if incident.unit == "money" else "",
        label_head=_("Day (UTC)"),
    )


def _series(
    name: str,
    values: "list[int | None]",
    incident: Incident,
    *,
    line: bool = False,
    muted: bool = False,
) -> Series:
    scale = 1_000_000 if incident.unit == "money" else 1
    texts = [_("not read") if one is None else words.amount(one, incident) for one in values]
    drawn = [None if one is None else one / scale for one in values]
    return Series(name, drawn, texts, line=line, muted=muted)
