"""Times as pages show them: how long ago or ahead in words, and exactly, in the reader's zone."""

import re
from datetime import datetime, timedelta
from functools import lru_cache
from html import escape
from typing import NamedTuple

from django.utils import timezone
from django.utils.dates import MONTHS, MONTHS_3
from django.utils.safestring import SafeString
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

MINUTE, HOUR, DAY = 60, 3600, 86400
# Beyond this many days a date says more than a count of days.
FAR = timedelta(days=45)
# What is due may wait so long for its turn.
LATE = timedelta(minutes=2)
# Whether a text has nothing in it that HTML would take for its own: looking once is quicker than replacing.
PLAIN = re.compile("[^&<>\"']*").fullmatch


class Names(NamedTuple):
    """The months' names in one language, by number."""

    whole: dict[int, str]
    short: dict[int, str]


@lru_cache(maxsize=32)
def _names(language: str | None) -> Names:
    return Names(
        {number: str(name) for number, name in MONTHS.items()},
        {number: str(name).title() for number, name in MONTHS_3.items()},
    )


class Clock:
    """The reader's zone, language and now: looked up once for all the times of a page."""

    def __init__(self, now: datetime | None = None) -> None:
        self._now = now or timezone.now()
        self._zone = timezone.get_current_timezone()
        self._names = _names(get_language())

    def exact(self, value: datetime) -> str:
        """The moment in the reader's zone, with the zone's name: "12 March 2026, 14:05 CET"."""
        local = value.astimezone(self._zone)
        # Not strftime, which takes three times as long.
        return (
            f"{local.day} {self._names.whole[local.month]} {local.year},"
            f" {local.hour:02}:{local.minute:02} {local.tzname()}"
        )

    def relative(self, value: datetime) -> str:
        """The moment as a reader would say it: "5 minutes ago", "in 3 days", "12 Mar 2026"."""
        distance = value - self._now
        if abs(distance) > FAR:
            local = value.astimezone(self._zone)
            return f"{local.day} {self._names.short[local.month]} {local.year}"
        seconds = int(abs(distance).total_seconds())
        ahead = distance > timedelta(0)
        if seconds < MINUTE:
            return _("in a moment") if ahead else _("just now")
        if seconds < HOUR:
            return _minutes(seconds // MINUTE, ahead=ahead)
        if seconds < DAY:
            return _hours(seconds // HOUR, ahead=ahead)
        return _days(seconds // DAY, ahead=ahead)

    def when(self, value: datetime | None, empty: str = "–") -> SafeString | str:
        """A ``<time>`` element: words for the eye, the exact time on hover and for machines."""
        if value is None:
            return empty
        words, title = self.relative(value), self.exact(value)
        if not PLAIN(words + title):
            words, title = escape(words), escape(title)
        return SafeString(f'<time datetime="{value.isoformat()}" title="{title}">{words}</time>')


def when(value: datetime | None, empty: str = "–") -> SafeString | str:
    """``Clock.when`` of a single time."""
    return Clock().when(value, empty)


def due(value: datetime | None, empty: str = "–") -> SafeString | str:
    """As ``when``, for what is still to come: a moment that has passed is late, not "5 minutes ago"."""
    now = timezone.now()
    if value is None or value > now:
        return when(value, empty)
    return _("any moment") if now - value < LATE else _("overdue")


def _minutes(count: int, *, ahead: bool) -> str:
    if ahead:
        return ngettext("in %(n)d minute", "in %(n)d minutes", count) % {"n": count}
    return ngettext("%(n)d minute ago", "%(n)d minutes ago", count) % {"n": count}


def _hours(count: int, *, ahead: bool) -> str:
    if ahead:
        return ngettext("in %(n)d hour", "in %(n)d hours", count) % {"n": count}
    return ngettext("%(n)d hour ago", "%(n)d hours ago", count) % {"n": count}


def _days(count: int, *, ahead: bool) -> str:
    if ahead:
        return ngettext("in %(n)d day", "in %(n)d days", count) % {"n": count}
    return ngettext("%(n)d day ago", "%(n)d days ago", count) % {"n": count}
