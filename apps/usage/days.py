"""UTC days and hours as integers, counted from 1970-01-01T00:00Z."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

HOURS = 24
_EPOCH = date(1970, 1, 1)


def day_of(when: date) -> int:
    """The number of a calendar day; of an aware time its UTC day."""
    if isinstance(when, datetime):
        when = when.astimezone(UTC).date()
    return (when - _EPOCH).days


@lru_cache(maxsize=4096)  # pages ask for the same days thousands of times
def date_of(day: int) -> date:
    """The calendar day of that number."""
    return _EPOCH + timedelta(days=day)


def hour_of(when: datetime) -> int:
    """The number of the hour that an aware time lies in."""
    return int(when.timestamp()) // 3600


def moment_of(hour: int) -> datetime:
    """When the hour of that number begins."""
    return datetime.fromtimestamp(hour * 3600, UTC)


def midnight(day: int) -> datetime:
    """When the UTC day of that number begins."""
    return moment_of(day * HOURS)
