"""When a report is due: days, weekdays and days of the month at an hour of the organization's clock.

An hour that the clock leaves out in spring is taken as the one after it; one that it shows twice in
autumn counts once, the first time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.ui.listing import Words

DAILY, WEEKLY, MONTHLY = "day", "week", "month"
LAST_DAY = 0  # of the month
LONGEST = 63  # days between two occurrences, and some


@dataclass(frozen=True, slots=True)
class Rhythm:
    """``day`` is a weekday (0: Monday), a day of the month, or LAST_DAY of it; ``hour`` local."""

    kind: str
    day: int
    hour: int

    def falls_on(self, day: date) -> bool:
        """Whether it is due on a local day."""
        if self.kind == WEEKLY:
            return day.weekday() == self.day
        if self.kind == MONTHLY:
            if self.day == LAST_DAY:
                return (day + timedelta(days=1)).day == 1
            return day.day == self.day
        return True


def moment_of(day: date, hour: int, zone: ZoneInfo) -> datetime:
    """That hour of a local day, in UTC."""
    return datetime.combine(day, time(hour), zone).astimezone(UTC)


def _occurrences(rhythm: Rhythm, zone: ZoneInfo, begin: date, step: int) -> Iterator[datetime]:
    for n in range(LONGEST):
        day = begin + timedelta(days=step * n)
        if rhythm.falls_on(day):
            yield moment_of(day, rhythm.hour, zone)


def next_after(rhythm: Rhythm, zone: ZoneInfo, after: datetime) -> datetime:
    """The first time that it is due after ``after``; UTC."""
    begin = after.astimezone(zone).date()
    return next(one for one in _occurrences(rhythm, zone, begin, 1) if one > after)


def last_until(rhythm: Rhythm, zone: ZoneInfo, until: datetime) -> datetime:
    """The last time that it was due up to ``until``; UTC."""
    begin = until.astimezone(zone).date()
    return next(one for one in _occurrences(rhythm, zone, begin, -1) if one <= until)


RHYTHMS: list[tuple[str, Words]] = [
    ("day", gettext_lazy("Every day")),
    ("week:0", gettext_lazy("Every Monday")),
    ("week:1", gettext_lazy("Every Tuesday")),
    ("week:2", gettext_lazy("Every Wednesday")),
    ("week:3", gettext_lazy("Every Thursday")),
    ("week:4", gettext_lazy("Every Friday")),
    ("week:5", gettext_lazy("Every Saturday")),
    ("week:6", gettext_lazy("Every Sunday")),
    ("month:1", gettext_lazy("On the 1st of each month")),
    ("month:2", gettext_lazy("On the 2nd of each month")),
    ("month:3", gettext_lazy("On the 3rd of each month")),
    ("month:5", gettext_lazy("On the 5th of each month")),
    ("month:15", gettext_lazy("On the 15th of each month")),
    ("month:last", gettext_lazy("On the last day of each month")),
]


def in_words(rhythm: str, hour: int, zone: str) -> str:
    """ "Every Monday at 08:00 (Europe/Berlin)"."""
    return _("%(when)s at %(hour)02d:00 (%(zone)s)") % {
        "when": dict(RHYTHMS).get(rhythm, rhythm),
        "hour": hour,
        "zone": zone.replace("_", " "),
    }
