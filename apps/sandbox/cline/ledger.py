"""What people used: computed when asked for, a pure function of the seed.

Everybody follows one of a few hundred profiles, so that an organization's day is a sum over profiles,
times the people who follow each. A profile's day is a handful of sums (operation, model); the single
calls of a ledger are those sums split up again, so that they add up exactly.

Money is list cost in 1e-8 dollars; what is charged is a hundredth of it in 1e-6 dollars, so tokens are
counted in tens where a price asks for it.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from ..ids import digest

DAY = 86_400
HISTORY = 395  # days before the world's beginning
PROFILES = 512
SEARCH = 1_000_000  # list cost of one web search


class Model(NamedTuple):
    name: str
    family: str
    upstream: str
    fresh: int  # list cost of a token: prompt, cached prompt, completion
    cached: int
    written: int
    charged: bool = True


SONNET_OLD = Model("anthropic/claude-sonnet-4.5", "anthropic", "vercel", 300, 30, 1500)
SONNET = Model("anthropic/claude-sonnet-4.6", "anthropic", "vercel", 300, 30, 1500)
HAIKU = Model("anthropic/claude-haiku-4.5", "anthropic", "vercel", 100, 10, 500)
FLASH = Model("cline-pass/deepseek-v4-flash", "cline-pass", "vercel", 14, 2, 28, False)


class Sum(NamedTuple):
    """What one person did in a day with one model; ``model`` None is a web search."""

    operation: str
    model: Model | None
    requests: int
    prompt: int
    completion: int
    cached: int

    @property
    def cost(self) -> int:
        return cost(self.model, self.requests, self.prompt, self.completion, self.cached)

    @property
    def credits(self) -> int:
        return self.cost // 100 if self.model is None or self.model.charged else 0


class Use(NamedTuple):
    """One call: second of the day, and what it took."""

    second: int
    operation: str
    model: Model | None
    prompt: int
    completion: int
    cached: int

    @property
    def cost(self) -> int:
        return cost(self.model, 1, self.prompt, self.completion, self.cached)

    @property
    def credits(self) -> int:
        return self.cost // 100 if self.model is None or self.model.charged else 0


def cost(model: Model | None, requests: int, prompt: int, completion: int, cached: int) -> int:
    if model is None:
        return SEARCH * requests
    return (prompt - cached) * model.fresh + cached * model.cached + completion * model.written


@lru_cache(maxsize=4 * PROFILES)
def _traits(seed: str, profile: int) -> tuple[float, int, int, bool, int]:
    """Calls on a full day, the hour they begin (UTC), the model's choice, weekends too, a holiday."""
    source = digest(seed, "profile", profile, size=8)
    eager = source[0] / 255
    calls = 0.0 if eager < 0.12 else 4 + 70 * eager**3
    return calls, (5, 6, 7, 8, 13, 14, 16)[source[1] % 7], source[2], source[3] < 24, source[4] % 52


@lru_cache(maxsize=800)
def _season(day: int, founded: int) -> float:
    """Growth over the months, and the days when hardly anybody works."""
    at = date(1970, 1, 1) + timedelta(days=day)
    level = 0.35 + 0.65 * min(1.0, max(0.0, (day - founded + HISTORY) / HISTORY))
    if (at.month, at.day) >= (12, 22) or (at.month, at.day) <= (1, 2):
        return level * 0.2
    return level * (0.75 if at.month == 8 else 1.0)


@lru_cache(maxsize=60_000)
def sums(seed: str, founded: int, profile: int, day: int) -> tuple[Sum, ...]:
    """What a follower of the profile uses in a whole day; nothing before the history begins."""
    calls, _, choice, weekends, holiday = _traits(seed, profile)
    weekday = (day + 3) % 7
    if not calls or day < founded - HISTORY or day // 7 % 52 == holiday:
        return ()
    if weekday > 4 and not weekends:
        return ()
    noise = digest(seed, "day", profile, day, size=4)
    level = calls * _season(day, founded) * (0.4 + noise[0] / 200) * (0.3 if weekday > 4 else 1)
    if profile == 7 and day == founded - 45:
        level *= 30  # a loop that nobody stopped
    count = int(level)
    if not count:
        return ()
    sonnet = SONNET if day >= founded - 150 else SONNET_OLD
    main = (sonnet, sonnet, sonnet, HAIKU, FLASH)[choice % 5]
    found = [_sum(main, count, noise)]
    if choice > 150 and count > 4:
        found.append(_sum(HAIKU if main is sonnet else FLASH, count // 4, noise))
    if noise[3] < 60:
        found.append(Sum("web_search", None, 1 + noise[3] % 3, 0, 0, 0))
    return tuple(found)


def _sum(model: Model, count: int, noise: bytes) -> Sum:
    prompt = count * (12_000 + 170 * noise[1]) // 10 * 10
    return Sum(
        "chat_completion",
        model,
        count,
        prompt,
        count * (250 + 5 * noise[2]),
        prompt * (60 + noise[2] % 30) // 1000 * 10,
    )


@lru_cache(maxsize=4_000)
def uses(seed: str, founded: int, profile: int, day: int) -> tuple[Use, ...]:
    """The calls behind ``sums``, in the order they happened."""
    begin = _traits(seed, profile)[1] * 3600
    found = []
    for place, one in enumerate(sums(seed, founded, profile, day)):
        step = min(9 * 3600, DAY - begin - 900) // one.requests
        left = [one.prompt, one.completion, one.cached]
        for number in range(one.requests):
            rest = one.requests - number
            # Every call takes its share of what is left; the last takes the rest.
            share = [amount // rest // 10 * 10 if rest > 1 else amount for amount in left]
            if number % 2 and rest > 1:
                share = [amount * 7 // 100 * 10 for amount in share]
            left = [amount - taken for amount, taken in zip(left, share, strict=True)]
            second = begin + number * step + place * 97 + number * 31 % 60
            found.append(Use(min(second, DAY - 1), one.operation, one.model, *share))
    return tuple(sorted(found))


class Stream(NamedTuple):
    """One person's use: of a profile, from a day on, until a moment (None: they still use it)."""

    profile: int
    first: int
    until: float | None = None

    def last_day(self, now: float) -> int:
        end = now if self.until is None else min(now, self.until)
        return int(end // DAY)

    def day(self, seed: str, founded: int, day: int, now: float) -> tuple[Sum, ...]:
        """The sums of one day, as far as it has come."""
        end = now if self.until is None else min(now, self.until)
        if day < self.first or day * DAY > end:
            return ()
        if end >= (day + 1) * DAY:
            return sums(seed, founded, self.profile, day)
        return tuple(_so_far(uses(seed, founded, self.profile, day), end - day * DAY))

    def newest(self, seed: str, founded: int, now: float) -> Iterator[tuple[int, Use]]:
        """Day and call, newest first."""
        end = now if self.until is None else min(now, self.until)
        for day in range(int(end // DAY), max(self.first, founded - HISTORY) - 1, -1):
            for use in reversed(uses(seed, founded, self.profile, day)):
                if day * DAY + use.second <= end:
                    yield day, use

    def calls(self, seed: str, founded: int, now: float) -> int:
        """How many calls there are."""
        days = range(max(self.first, founded - HISTORY), self.last_day(now) + 1)
        return sum(one.requests for day in days for one in self.day(seed, founded, day, now))


def _so_far(calls: tuple[Use, ...], second: float) -> Iterator[Sum]:
    found: dict[tuple[str, Model | None], list[int]] = {}
    for one in calls:
        if one.second <= second:
            total = found.setdefault((one.operation, one.model), [0, 0, 0, 0])
            for place, amount in enumerate((1, one.prompt, one.completion, one.cached)):
                total[place] += amount
    for (operation, model), (requests, prompt, completion, cached) in found.items():
        yield Sum(operation, model, requests, prompt, completion, cached)


def day_of(stamp: str) -> int:
    """The UTC day of a time as it stands on the wire, counted from 1970."""
    return int(datetime.fromisoformat(stamp).timestamp() // DAY)


def iso(day: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def number_of(text: str) -> int:
    """A calendar day counted from 1970. ValueError for anything else."""
    at = date.fromisoformat(text)
    return int(datetime(at.year, at.month, at.day, tzinfo=UTC).timestamp() // DAY)
