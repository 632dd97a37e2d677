"""What the sandbox's worlds use, computed from their generator alone: no server, no database.

Money is what each request costs by the price list of the sandbox, in millionths of a dollar: what the
cost report says of a day, shared out as ``usage.sharing`` does.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from apps.incidents.rule import Found, Observed, Subject, find
from apps.sandbox.anthropic.costs import BILLED_TIERS
from apps.sandbox.anthropic.prices import token_prices
from apps.sandbox.anthropic.traffic import DIMENSIONS, Share, Traffic
from apps.sandbox.people import found_world

EPOCH = 1_790_000_000  # 2026-09-21
DAY = 86_400
KEY, WORKSPACE, MODEL, TIER, CONTEXT, GEO, SPEED, ACCOUNT = (
    DIMENSIONS.index(name)
    for name in (
        "api_key_id",
        "workspace_id",
        "model",
        "service_tier",
        "context_window",
        "inference_geo",
        "speed",
        "account_id",
    )
)


@dataclass
class World:
    """One made-up organization's days, by subject."""

    first_day: int  # the world's beginning: its history lies before
    runaway: str  # the key that loops without end, three weeks before
    total: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    series: dict[Subject, dict[int, int]] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)  # person → workspace

    def observed(self, through: int, part: float = 0.0) -> Observed:
        """What is known when the days up to ``through`` are read, and ``part`` of the day after."""
        series = {one: days for one, days in self.series.items() if min(days) <= through + 1}
        if part:
            series = {
                one: {**days, through + 1: int(days.get(through + 1, 0) * part)}
                for one, days in series.items()
            }
        return Observed(
            unit="money",
            known=frozenset(range(self.first_day - 396, through + 1)),
            begun=frozenset({through + 1} if part else ()),
            total=self.total,
            series=series,
            born={one: min(days) for one, days in series.items()}
            | {Subject("connection"): min(self.total)},
            settled=through,
        )

    def found(self, first: int, last: int) -> Found:
        """What would have been found from ``first`` to ``last``, both counted from the world's beginning."""
        days = range(self.first_day + first, self.first_day + last + 1)
        return find(self.observed(days[-1]), days, self.home_of)

    def home_of(self, people: Sequence[Subject]) -> dict[Subject, str]:
        """Where each of these people works."""
        return {one: self.homes[one.value] for one in people if one.value in self.homes}


def _micros(share: Share, requests: int) -> int:
    told = share.dimensions
    if told[TIER] not in BILLED_TIERS:
        return 0
    prices = token_prices(
        str(told[MODEL]), str(told[TIER]), str(told[CONTEXT]), str(told[GEO]), str(told[SPEED])
    )
    each = sum(count * price for count, price in zip(share.tokens, prices, strict=True))
    return each * requests // 1_000_000


def world_of(size: str, seed: int, *, back: int, until: int = 0, runs_away: bool = True) -> World:
    """The last ``back`` days of one world, but the last ``until``; without ``runs_away`` its runaway key
    behaves."""
    world = found_world(size, str(seed), EPOCH + seed * 13 * DAY)
    organization = next(
        one for one in world.organizations.values() if one.settings.get("runaway_key")
    )
    key = str(organization.settings["runaway_key"])
    if not runs_away:
        organization.settings["runaway_key"] = None
    traffic = Traffic(organization, world.seed, world.epoch)
    made = World(traffic.first_day, key)
    for day in range(traffic.first_day - back, traffic.first_day - until):
        for share in traffic.day(day):
            _add(made, day, share)
    return made


def _add(made: World, day: int, share: Share) -> None:
    first, after = share.between(0, 1440)
    amount = _micros(share, after - first)
    if not amount:
        return
    told = share.dimensions
    workspace = told[WORKSPACE] or "-"
    subjects = [Subject("workspace", workspace)]
    if told[KEY]:
        subjects.append(Subject("key", told[KEY], workspace))
    if told[ACCOUNT]:
        subjects.append(Subject("person", str(told[ACCOUNT])))
        made.homes[str(told[ACCOUNT])] = workspace
    made.total[day] += amount
    for one in subjects:
        days = made.series.setdefault(one, {})
        days[day] = days.get(day, 0) + amount
