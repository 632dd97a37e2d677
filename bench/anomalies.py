"""How often the rule cries wolf, how soon it finds the runaway key, how often a month ends within its band.

And what a rule for too little would do, by which it was decided to have none (docs/decisions/anomalies.md).

All of it on the sandbox's worlds, computed from their generator: no server, no database.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from apps.incidents.rule import FLOOR, Subject, find
from apps.sandbox.anthropic.traffic import RUNAWAY_DAYS
from apps.usage.days import date_of, day_of
from apps.usage.forecast import forecast, month_of
from apps.usage.usual import usual
from bench.figures import Figure, at_most
from tests.incidents.worlds import World, world_of

SEEDS = {"small": range(8), "medium": range(3)}
YEAR = 330  # days that are judged
MONTH = 30.4
APART = 7  # days between two incidents of one subject
# Rules for too little: deviations below what is usual, at most these hundredths of it, and missing at least these
# hundredths of what the whole connection uses. The first is as strict as that for too much.
DROPS = {"strict": (5, 40, 1), "middle": (3, 40, 10), "loose": (2, 70, 10)}
DIP = (day_of(date(2025, 12, 20)), day_of(date(2026, 1, 12)))  # people at three tenths


def run() -> Iterable[Figure]:
    """A year of each world without its runaway key; three days of it with; a forecast every third day."""
    for size, seeds in SEEDS.items():
        worlds = [world_of(size, seed, back=396, runs_away=False) for seed in seeds]
        alarms = [_alarms(world) for world in worlds]
        months = YEAR / MONTH
        yield at_most(f"anomalies.false.{size}", max(alarms) / months, 1, "a month, worst seed")
        mean = sum(alarms) / len(alarms) / months
        yield Figure(f"anomalies.false_mean.{size}", mean, "a month")
        held = _held(worlds)
        yield Figure(f"forecast.held.{size}", held, "of months", goal="≥ 0.8", met=held >= 0.8)
        for name, rule in DROPS.items():
            yield from _drops(worlds, rule, f"anomalies.too_little.{name}.{size}")
    hours = [_hours_until_found(world_of("small", seed, back=95)) for seed in SEEDS["small"]]
    yield at_most("anomalies.runaway_found", max(hours), 24, "hours of the first whole day, worst")


def _alarms(world: World) -> int:
    """Incidents that there would have been."""
    return sum(
        at == 0 or one.day - far[at - 1].day > APART
        for far in world.found(-YEAR, -1).far.values()
        for at, one in enumerate(far)
    )


def _drops(worlds: list[World], rule: tuple[int, int, int], name: str) -> Iterator[Figure]:
    """A rule for too little: how often it cries wolf, and in how many worlds it notices the holidays."""
    quiet, seen = [], 0
    for world in worlds:
        found = list(_too_little(world, rule))
        within = [day for day in found if DIP[0] <= day <= DIP[1]]
        quiet.append((len(found) - len(within)) / (YEAR / MONTH))
        seen += bool(within)
    yield Figure(f"{name}.false", max(quiet), "a month, worst seed")
    yield Figure(f"{name}.holidays", seen / len(worlds), "of worlds")


def _too_little(world: World, rule: tuple[int, int, int]) -> Iterator[int]:
    """The first day of each incident of too little that there would be."""
    deviations, most, share = rule
    observed = world.observed(world.first_day - 1)
    days = range(world.first_day - YEAR, world.first_day)
    whole = observed.history(Subject("connection"))
    floors = {
        day: max(FLOOR["money"], one.expected * share // 100)
        for day in days
        if (one := usual(whole, day))
    }
    for subject in [Subject("connection"), *observed.series]:
        history: dict[int, int] = observed.history(subject)
        yield from _first_of_each(history, floors, deviations, most)


def _first_of_each(
    history: dict[int, int], floors: Mapping[int, int], deviations: int, most: int
) -> Iterator[int]:
    last = 0
    for day, floor in floors.items():
        one, amount = usual(history, day), history.get(day)
        if one is None or amount is None:
            continue
        limit = min(
            one.expected - deviations * one.deviation,
            one.expected * most // 100,
            one.expected - floor,
        )
        if amount < limit:
            del history[day]
            if day - last > APART:
                yield day
            last = day


def _hours_until_found(world: World) -> int:
    """Of the first whole day on which the key loops, as it is read hour by hour; 99: not at all."""
    began = world.first_day + RUNAWAY_DAYS[0]
    for hours in range(25):
        found = find(world.observed(began, hours / 24), [began, began + 1], world.home_of)
        if any(subject.value == world.runaway for subject in found.far):
            return hours
    return 99


def _held(worlds: Iterable[World]) -> float:
    """How often the month ended within the band; without the turn of the year."""
    asked = held = 0
    for world in worlds:
        for today in range(world.first_day - YEAR, world.first_day - 31, 3):
            first, last = month_of(today)
            if date_of(today).month in (12, 1):
                continue
            past = range(world.first_day - 396, today)
            told = forecast({day: world.total[day] for day in past}, set(past), today)
            if told is not None:
                spent = sum(world.total[day] for day in range(first, last + 1))
                asked += 1
                held += told.low <= spent <= told.high
    return held / asked if asked else 0.0
