"""What a month, or another period, will come to: the exact sum so far, and for what is left what such days
usually come to.

Pure functions over whole numbers of UTC days, as ``usual.py`` has them. It is an estimate, and says how many
days it rests on; what nobody can tell is None and not a number.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from math import isqrt

from apps.usage.days import date_of
from apps.usage.usual import MILLION, WINDOW, Usual, median, usual

LEAST_DAYS = 14  # known days, or nothing is said
LEVEL_DAYS = 14  # the last ones, which tell how things are now against the weeks before
MOST_LEVEL, LEAST_LEVEL = 2 * MILLION, MILLION // 2
# The band: so many deviations of the days to come taken together, and so much of them because nobody
# knows whether the level stays. Measured on the sandbox's worlds: docs/decisions/anomalies.md.
DEVIATIONS = 2
DRIFT = 12  # one part in so many


@dataclass(frozen=True, slots=True)
class Forecast:
    """The sum of a whole month or period, in the unit of what it was made of. ``rest`` is expected of the days to
    come and of ``unread`` ones; ``low`` to ``high`` is the band of the month's sum. ``days``: it rests on."""

    last: int
    so_far: int
    rest: int
    low: int
    high: int
    days: int
    unread: int
    by_weekday: bool

    @property
    def total(self) -> int:
        """What it should come to."""
        return self.so_far + self.rest


def month_of(day: int) -> tuple[int, int]:
    """The first and the last day of the month that a day lies in."""
    on = date_of(day)
    first = day - on.day + 1
    return first, first + monthrange(on.year, on.month)[1] - 1


def forecast(
    amounts: Mapping[int, int],
    known: AbstractSet[int],
    today: int,
    *,
    left_today: int = MILLION,
    period: tuple[int, int] | None = None,
) -> Forecast | None:
    """What the month of ``today`` comes to, or ``period`` (first and last day, ``today`` within); None while
    too few days tell.

    ``amounts``: by day, today's as far as it has come; a day of ``known`` (read whole) without one is a 0.
    ``left_today``: how much of today is not read yet, in millionths. Days before the first use count
    for nothing, if it is known that it was the first. Days of it that are not read are expected like those to
    come; None if they are more than those that are.
    """
    first, last = period or month_of(today)
    born = min((day for day in amounts if amounts[day]), default=today)
    history = {
        day: amounts.get(day, 0) for day in known if max(born, today - WINDOW) <= day < today
    }
    if len(history) < LEAST_DAYS:
        return None
    # Only where the day before the first use is known was nothing used before it; else it may merely not be read.
    begins = max(first, born) if born - 1 in known else first
    unread = [day for day in range(begins, today) if day not in known]
    if len(unread) * 2 > max(today - first, 1):
        return None
    expected = _by_weekday(history, today)
    if expected is None:
        return None
    level = _level(history, today, expected)
    coming = [*unread, *range(today + 1, last + 1)]
    parts = [(expected[day % 7], MILLION) for day in coming] + [(expected[today % 7], left_today)]
    rest = sum(one.expected * level // MILLION * share // MILLION for one, share in parts)
    spread = isqrt(
        sum((one.deviation * level // MILLION) ** 2 * share for one, share in parts) // MILLION
    )
    band = DEVIATIONS * spread + rest // DRIFT
    # Of days that are not read whole, what there is already is in what is expected of them.
    so_far = sum(amounts.get(day, 0) for day in range(first, today + 1) if day not in unread)
    return Forecast(
        last=last,
        so_far=so_far,
        rest=rest,
        low=so_far + max(0, rest - band),
        high=so_far + rest + band,
        days=len(history),
        unread=len(unread),
        by_weekday=all(one.by_weekday for one in expected.values()),
    )


def _by_weekday(history: Mapping[int, int], today: int) -> dict[int, Usual] | None:
    """What is usual of each weekday (day % 7) by the days before ``today``."""
    found = {day % 7: usual(history, day) for day in range(today, today + 7)}
    kept = {place: one for place, one in found.items() if one is not None}
    return kept if len(kept) == 7 else None


def _level(history: Mapping[int, int], today: int, expected: Mapping[int, Usual]) -> int:
    """How the last days compare with what is usual, in millionths: growth, or a quiet time."""
    ratios = _ratios(history, range(today - LEVEL_DAYS, today), expected)
    if len(ratios) < LEVEL_DAYS // 2:
        return MILLION
    return min(MOST_LEVEL, max(LEAST_LEVEL, median(ratios)))


def _ratios(
    history: Mapping[int, int], days: Iterable[int], expected: Mapping[int, Usual]
) -> list[int]:
    return [
        history[day] * MILLION // expected[day % 7].expected
        for day in days
        if day in history and expected[day % 7].expected
    ]
