"""When a day is far off: a rule over whole numbers, without a database. docs/decisions/anomalies.md tells why.

Amounts are millionths of a currency's unit, or tokens; days are UTC, counted from 1970. A day that is not
over is held against a whole usual day, as far as it is read: nothing is extrapolated, so it is found as
soon as it is more than a whole day may be, and never falsely for being young.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from apps.usage.usual import Usual, usual

DEVIATIONS = 5
TIMES = (5, 2)  # of what is expected: two and a half times
PEAKS = (3, 2)  # of the second highest day before
# Too little, of a whole connection alone: so many deviations below what is usual, at most so much of it.
FEWER_DEVIATIONS = 3
LEFT = (3, 5)
# What a day must be above what is expected at least: ten dollars, five million tokens …
FLOOR = {"money": 10_000_000, "tokens": 5_000_000}
SHARE = 100  # … and a hundredth of what the whole connection uses on a usual day.


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """What is watched: ``kind`` "key", "person" (one account), "workspace" or "connection", or "quiet": a
    connection that uses too little; ``value`` the provider's id, "" for the connection. ``workspace``: where
    a key belongs, "" if that is not told."""

    kind: str
    value: str = ""
    workspace: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Judged:
    """One day that was looked at, with what it was held against; ``quiet``: for too little."""

    day: int
    observed: int
    expected: int
    low: int
    high: int
    limit: int
    quiet: bool = False

    @property
    def is_far(self) -> bool:
        """Whether it is far off."""
        return self.observed < self.limit if self.quiet else self.observed > self.limit

    @property
    def excess(self) -> int:
        """How much more than expected; below zero for too little."""
        return self.observed - self.expected


@dataclass(slots=True)
class Observed:
    """What one connection has used.

    ``known`` days are read whole, ``begun`` ones in part; of all others nothing is known. ``series`` have no
    entry for a day on which nothing was used. ``born``: the first day on which a subject ever used anything;
    before it there is nothing, not a zero; left out: before all these days. ``apart``: days that tell
    nothing of what is usual, because they were far off. ``settled``: the last day that has been over for so
    long that little is to come to it.
    """

    unit: str
    known: AbstractSet[int]
    begun: AbstractSet[int]
    total: Mapping[int, int]
    series: Mapping[Subject, Mapping[int, int]]
    born: dict[Subject, int] = field(default_factory=dict)
    apart: Mapping[Subject, AbstractSet[int]] = field(default_factory=dict)
    settled: int = 0

    def history(self, subject: Subject) -> dict[int, int]:
        """The days that tell what is usual."""
        apart, born = self.apart.get(subject, frozenset()), self.born.get(subject)
        amounts = self.total if subject.kind == "connection" else self.series.get(subject, {})
        return {
            day: amounts.get(day, 0)
            for day in self.known
            if day not in apart and (born is None or day >= born)
        }

    def amount(self, subject: Subject, day: int) -> int | None:
        """What was used on a day as far as it is read; None where it is not."""
        if day not in self.known and day not in self.begun:
            return None
        amounts = self.total if subject.kind == "connection" else self.series.get(subject, {})
        return amounts.get(day, 0)


@dataclass(slots=True)
class Found:
    """``far``: the far-off days of each subject, oldest first. ``explained``: days that are far off only
    by what a finer subject used too much."""

    far: dict[Subject, list[Judged]] = field(default_factory=dict)
    explained: dict[Subject, set[int]] = field(default_factory=dict)


def floor_of(unit: str, whole: Usual | None) -> int:
    """What a day must be above what is expected to be worth anybody's time."""
    return max(FLOOR[unit], whole.expected // SHARE if whole else 0)


def limit_of(one: Usual, floor: int) -> int:
    """The amount up to which a day is not far off."""
    return max(
        one.expected + DEVIATIONS * one.deviation,
        one.expected * TIMES[0] // TIMES[1],
        one.peak * PEAKS[0] // PEAKS[1],
        one.expected + floor,
    )


def least_of(one: Usual, floor: int) -> int:
    """The amount down to which a day is not too little."""
    return min(
        one.expected - FEWER_DEVIATIONS * one.deviation,
        one.expected * LEFT[0] // LEFT[1],
        one.expected - floor,
    )


def judge(history: Mapping[int, int], day: int, observed: int, floor: int) -> Judged | None:
    """A day held against its history; None where that is too short to tell."""
    one = usual(history, day)
    if one is None:
        return None
    return Judged(day, observed, one.expected, one.low, one.high, limit_of(one, floor))


def floors(observed: Observed, days: Iterable[int]) -> dict[int, int]:
    """``floor_of`` each of ``days``."""
    whole = observed.history(Subject("connection"))
    return {day: floor_of(observed.unit, usual(whole, day)) for day in days}


Homes = Callable[[Sequence[Subject]], Mapping[Subject, str]]


def no_homes(people: Sequence[Subject]) -> Mapping[Subject, str]:
    """Nobody tells which workspaces people use."""
    return {}


def find(observed: Observed, days: Sequence[int], homes: Homes = no_homes) -> Found:
    """Every subject that is far off on one of ``days`` (in their order), the finest that explains it.

    ``homes(people)`` gives the workspace that a person who is far off uses most.
    """
    found = Found()
    floor = floors(observed, days)
    whole = Subject("connection")
    by_kind: dict[str, list[Subject]] = {"connection": [whole]}
    for subject in sorted(observed.series):
        by_kind.setdefault(subject.kind, []).append(subject)
    for kind in ("key", "person"):
        for subject in by_kind.get(kind, ()):
            _far_days(observed, subject, days, floor, {}, found)
    home = homes([one for one in found.far if one.kind == "person"])
    finer = {subject: subject.workspace or home.get(subject, "") for subject in found.far}
    for subject in by_kind.get("workspace", ()):
        within = [one for one in finer if finer[one] == subject.value]
        _far_days(observed, subject, days, floor, _too_much(found, within), found)
    # What a key used too much is in its workspace's too: count it once.
    workspaces = [one for one in found.far if one.kind == "workspace"]
    covered = {one.value for one in workspaces}
    others = [one for one in finer if finer[one] not in covered]
    _far_days(observed, whole, days, floor, _too_much(found, [*workspaces, *others]), found)
    _quiet_days(observed, days, floor, found)
    return found


def _too_much(found: Found, subjects: Iterable[Subject]) -> dict[int, int]:
    """What subjects used too much, by day."""
    sums: dict[int, int] = {}
    for subject in subjects:
        for judged in found.far[subject]:
            sums[judged.day] = sums.get(judged.day, 0) + judged.excess
    return sums


def _far_days(
    observed: Observed,
    subject: Subject,
    days: Sequence[int],
    floor: Mapping[int, int],
    known_of: Mapping[int, int],
    found: Found,
) -> None:
    """Judge the days one after another: one that is far off tells the next ones nothing of what is usual."""
    history = observed.history(subject)
    born = observed.born.get(subject)
    for day in days:
        amount = observed.amount(subject, day)
        if amount is None or (born is not None and day < born):
            continue
        judged = judge(history, day, amount, floor[day])
        if judged is None or not judged.is_far:
            continue
        history.pop(day, None)
        if amount - known_of.get(day, 0) > judged.limit:
            found.far.setdefault(subject, []).append(judged)
        elif known_of.get(day):
            found.explained.setdefault(subject, set()).add(day)


def _quiet_days(
    observed: Observed, days: Sequence[int], floor: Mapping[int, int], found: Found
) -> None:
    """Days on which the whole connection used too little: those that are over, of a weekday that is known."""
    whole = Subject("connection")
    history, born = observed.history(whole), observed.born.get(whole)
    for day in days:
        amount = observed.amount(whole, day)
        if amount is None or day not in observed.known or day > observed.settled:
            continue
        one = usual(history, day)
        if one is None or not one.by_weekday or (born is not None and day < born):
            continue
        least = least_of(one, floor[day])
        judged = Judged(day, amount, one.expected, one.low, one.high, least, quiet=True)
        if judged.is_far:
            history.pop(day, None)
            found.far.setdefault(Subject("quiet"), []).append(judged)


def severity_of_quiet(observed: int, expected: int) -> str:
    """The same of a day with too little: that costs nothing, and presses more only where a tenth is left."""
    return "medium" if observed * 10 <= expected else "low"


def severity_of(excess: int, usual_day: int) -> str:
    """How much it presses, by what its worst day was too much, against a usual day of the connection."""
    if excess * 10 >= usual_day:
        return "high"
    return "medium" if excess * 50 >= usual_day else "low"
