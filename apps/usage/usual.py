"""What a day usually comes to, told from the days before it: by weekday, and hardly moved by single odd days.

Pure functions over whole numbers (tokens, or millionths of a currency's unit) of UTC days. A day that is
not in ``history`` is one of which nothing is known; a day on which nothing was used is a 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WEEKS = 8
WINDOW = WEEKS * 7  # days before the one that is looked at
SAME_WEEKDAYS = 4  # so many of one weekday make a usual one; fewer, and all days are taken together
LEAST_DAYS = 10  # fewer known days tell nothing
RANK = 2  # of the highest days the one that counts: a single one was an oddity
MILLION = 1_000_000
# Of a normal distribution, the standard deviation is so much of the median absolute deviation.
DEVIATION = 1.4826
BAND = 3  # deviations to either side of what is expected


@dataclass(frozen=True, slots=True)
class Usual:
    """What one day should come to. ``low`` to ``high`` is the band it usually lies in; ``deviation`` is
    robust (from the median absolute deviation); ``peak`` the second highest of the ``days`` it rests on."""

    expected: int
    deviation: int
    peak: int
    days: int
    by_weekday: bool

    @property
    def low(self) -> int:
        """The lower end of the band."""
        return max(0, self.expected - BAND * self.deviation)

    @property
    def high(self) -> int:
        """The upper end of the band."""
        return self.expected + BAND * self.deviation


def usual(history: Mapping[int, int], day: int) -> Usual | None:
    """What ``day`` should come to by the known days of the ``WINDOW`` before it; None: too few."""
    known = {at: history[at] for at in range(day - WINDOW, day) if at in history}
    if len(known) < LEAST_DAYS:
        return None
    medians = {place: _of_weekday(known, place) for place in range(7)}
    same = medians[day % 7]
    by_weekday = same is not None
    expected = median(list(known.values())) if same is None else same
    spread = _spread(known, medians if by_weekday else dict.fromkeys(range(7), expected))
    deviation = int(expected * spread * DEVIATION) // MILLION
    return Usual(expected, deviation, sorted(known.values())[-RANK], len(known), by_weekday)


def _of_weekday(known: Mapping[int, int], place: int) -> int | None:
    same = [value for at, value in known.items() if at % 7 == place]
    return median(same) if len(same) >= SAME_WEEKDAYS else None


def _spread(known: Mapping[int, int], medians: Mapping[int, int | None]) -> int:
    """How far days usually are from their weekday's median, in millionths of it; the median of all."""
    off = [
        abs(value - middle) * MILLION // middle
        for at, value in known.items()
        if (middle := medians[at % 7])
    ]
    return median(off) if off else 0


def median(values: Sequence[int]) -> int:
    """The middle one, or between the two in the middle; whole, rounded down. ValueError for none."""
    if not values:
        raise ValueError("nothing has no middle")
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) // 2
