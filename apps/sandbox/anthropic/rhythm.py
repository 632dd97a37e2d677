"""When work is done: hours and weekdays in a time zone, growth, holidays; all of it made of integers.

A day's requests are spread over its 1,440 UTC minutes by a cumulative table, so any two buckets that
touch add up to the bucket that spans both, whatever their width.
"""

from array import array
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache

MINUTES = 1_440
ZONES = (-8, -5, 0, 1, 2, 5, 9)  # hours east of UTC
# Work of a local hour and of a local weekday, Monday first.
PEOPLE = ((1, 1, 0, 0, 0, 1, 3, 10, 30, 52, 60, 58, 40, 48, 60, 62, 56, 40, 24, 15, 12, 9, 5, 2),
          (100, 104, 102, 98, 86, 14, 9))  # fmt: skip
MACHINES = ((24, 70, 74, 40, 24, 22, 22, 22, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 22, 22, 22, 22, 22, 22),
            (100, 100, 100, 100, 98, 88, 86))  # fmt: skip
USUAL = {True: sum(PEOPLE[0]) * 60 * 100, False: sum(MACHINES[0]) * 60 * 100}
HISTORY = 396  # days of it that there are at the world's beginning


@cache
def spread(zone: int, people: bool, weekday: int) -> tuple[Sequence[int], float]:
    """The cumulative work of a UTC day that is a ``weekday``, and how it compares with a usual one."""
    hours, weekdays = PEOPLE if people else MACHINES
    table, total = array("q", [0]), 0
    for minute in range(MINUTES):
        days, local = divmod(minute + ZONES[zone] * 60, MINUTES)
        total += hours[local // 60] * weekdays[(weekday + days) % 7]
        table.append(total)
    return table, total / USUAL[people]


@cache
def season(day: int, people: bool) -> float:
    """Holidays: the turn of the year, and a little of August. ``day`` is counted from 1970."""
    on = date(1970, 1, 1) + timedelta(days=day)
    turn_of_the_year = (on.month, on.day) >= (12, 22) or (on.month, on.day) <= (1, 3)
    if turn_of_the_year:
        return 0.3 if people else 0.7
    return 0.8 if on.month == 8 and people else 1.0


def growth(days: int) -> float:
    """How much of today's work there was so many days from the world's beginning (negative: before)."""
    return max(0.0, 0.28 + 0.72 * (1 + days / HISTORY)) if days > -HISTORY else 0.0


def mixed(one: int, other: int) -> int:
    """64 bits that depend on both numbers and look like chance."""
    bits = (one ^ (other * 0x9E3779B97F4A7C15)) & 0xFFFFFFFFFFFFFFFF
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return bits ^ (bits >> 31)
