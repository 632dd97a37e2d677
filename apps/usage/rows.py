"""A row of an answer: the sums of one group."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.usage.money import amount_of
from apps.usage.tuples import COUNTS


@dataclass(slots=True)
class Row:
    """Sums of one group. ``group`` has the names of ``group_by``: text, or the marks of ``tuples``; a
    number for "connection"; a date for "day", "week" (its Monday) and "month" (its first), an aware time
    for "hour".

    Tokens by kind; ``requests`` None where no provider in it says. ``cost`` is what to show; where
    ``is_estimate`` it was shared out by tokens, because the provider bills by less than was grouped or
    filtered by. ``billed`` is what the provider put on exactly this group. ``listed``: list price, None
    where nobody tells it. All three in ``currency``, exact; groups of several currencies have a row for each.
    They are kept in 1e-15 of it: whole numbers, which are quickly made and added up by the thousand.
    """

    group: dict[str, Any]
    currency: str = "USD"
    uncached_input: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0
    unsplit_input: int = 0
    output: int = 0
    web_searches: int = 0
    requests: int | None = None
    cost_femtos: int = 0
    billed_femtos: int = 0
    listed_femtos: int | None = None
    is_estimate: bool = False

    @property
    def cost(self) -> Decimal:
        """What to show, in ``currency``."""
        return amount_of(self.cost_femtos)

    @property
    def billed(self) -> Decimal:
        """What the provider put on exactly this group, in ``currency``."""
        return amount_of(self.billed_femtos)

    @property
    def listed(self) -> Decimal | None:
        """List price, in ``currency``; None where nobody tells it."""
        return None if self.listed_femtos is None else amount_of(self.listed_femtos)

    @property
    def input(self) -> int:
        """All input tokens, from the cache or not."""
        return (
            self.uncached_input
            + self.cache_write_5m
            + self.cache_write_1h
            + self.cache_read
            + self.unsplit_input
        )

    @property
    def tokens(self) -> int:
        """Input and output."""
        return self.input + self.output

    @property
    def cache_hit_rate(self) -> Decimal | None:
        """Share of the input that the cache served, 0 to 1; None where it is not told or there is none."""
        told = self.input - self.unsplit_input
        return Decimal(self.cache_read) / told if told else None

    def add(self, other: "Row") -> None:
        """Take the sums of another row of the same currency in."""
        for name in COUNTS[:-1]:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.requests = _sum(self.requests, other.requests)
        self.cost_femtos += other.cost_femtos
        self.billed_femtos += other.billed_femtos
        self.listed_femtos = _sum(self.listed_femtos, other.listed_femtos)
        self.is_estimate = self.is_estimate or other.is_estimate


def _sum(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other
