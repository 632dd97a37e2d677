"""How often the rule cries wolf, how soon it finds the runaway key and the holidays, how often a month ends
within its band.

All of it on the sandbox's worlds, computed from their generator: no server, no database.
"""

from collections.abc import Iterable, Iterator
from datetime import date

from apps.incidents.rule import Subject, find
from apps.sandbox.anthropic.traffic import RUNAWAY_DAYS
from apps.usage.days import date_of, day_of
from apps.usage.forecast import forecast, month_of
from bench.figures import Figure, at_most
from tests.incidents.worlds import World, world_of

SEEDS = {"small": range(8), "medium": range(3)}
YEAR = 330  # days that are judged
MONTH = 30.4
APART = 7  # days between two incidents of one subject
QUIET = Subject("quiet")
DIP = range(day_of(date(2025, 12, 20)), day_of(date(2026, 1, 13)))  # people at three tenths
DIP_BEGINS = day_of(date(2025, 12, 22))  # its first working day


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
        yield from _holidays(worlds, size)
    hours = [_hours_until_found(world_of("small", seed, back=95)) for seed in SEEDS["small"]]
    yield at_most("anomalies.runaway_found", max(hours), 24, "hours of the first whole day, worst")


def _alarms(world: World) -> int:
    """Incidents that there would have been; the holidays' quiet is none."""
    return sum(
        at == 0 or one.day - far[at - 1].day > APART
        for subject, far in world.found(-YEAR, -1).far.items()
        for at, one in enumerate(far)
        if subject != QUIET or one.day not in DIP
    )


def _holidays(worlds: list[World], size: str) -> Iterator[Figure]:
    """In how many worlds the holidays' quiet is found, and on which of its days: 1 is the first."""
    found = [
        days[0] - DIP_BEGINS + 1
        for world in worlds
        if (
            days := [one.day for one in world.found(-YEAR, -1).far.get(QUIET, ()) if one.day in DIP]
        )
    ]
    yield Figure(f"anomalies.holidays_found.{size}", len(found) / len(worlds), "of worlds")
    if found:
        yield Figure(f"anomalies.holidays_found_on.{size}", max(found), "day of it, worst found")


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
