"""Groupings that a shelf above adds to those by a column: what each needs to know for sums to be by it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from apps.organizations.models import Connection
from apps.usage.tuples import COLUMNS, FULL, TIMES, WHO

if TYPE_CHECKING:
    from django.db.models import Model

LONGEST_ID = 18  # digits of what is a number of ours for certain


@dataclass(frozen=True, slots=True)
class Grouping:
    """A grouping that a shelf adds: values of ``of`` (a name of ``tuples.COLUMNS``) put together.

    ``values_of(connections, pairs)`` gets the (connection id, value) pairs met and gives for each what
    it belongs to (text or a number); a pair that is left out belongs to NONE. ``matching(connections,
    values)`` gives the pairs that belong to any of ``values``, for filters.
    """

    name: str
    of: str
    values_of: Callable[[Sequence[Connection], set[tuple[int, str]]], Mapping[tuple[int, str], Any]]
    matching: Callable[[Sequence[Connection], Sequence[Any]], set[tuple[int, str]]]


class Part(NamedTuple):
    """What one place has of a connection's day, summed up beforehand. ``counts`` as ``tuples.COUNTS``, money in
    1e-15 of ``currency``; ``listed`` None where nobody tells it."""

    place: int | None  # None: no place
    currency: str
    counts: Sequence[Any]
    billed: int
    shared: int
    listed: int | None


# Of these connections and days (first and last): connection id, day, and all parts of it.
Summed = Callable[[Sequence[Connection], int, int], Iterable[tuple[int, int, Sequence[Part]]]]


@dataclass(frozen=True, slots=True)
class Placing:
    """A grouping that a shelf adds by a table of its own, decided by several columns at once.

    ``table`` has a row for each Dimension of the grains in ``PLACED`` that belongs anywhere: its primary
    key is ``dimension_id``, and ``column`` the number of what it belongs to. One without a row belongs to
    NONE. So a database sums up by it, however many keys and people there are. ``summed`` may tell of days
    that were summed up beforehand, and of none that is not so any more.
    """

    name: str
    table: "type[Model]"
    column: str
    summed: Summed | None = None


# Grains whose dimensions have places, and the columns that may decide them.
PLACED = (WHO, FULL)
PLACED_BY = ("workspace", "key", "account")
groupings: dict[str, Grouping] = {}
placings: dict[str, Placing] = {}


def add_grouping(grouping: Grouping | Placing) -> None:
    """Have ``totals`` know a grouping; for ``AppConfig.ready()``."""
    if grouping.name in (*COLUMNS, *TIMES, "connection"):
        raise ValueError(f"{grouping.name} is taken")
    if isinstance(grouping, Placing):
        placings[grouping.name] = grouping
    else:
        groupings[grouping.name] = grouping


def is_number(text: str) -> bool:
    """Whether it may be the number of something of ours: more digits fit into no database."""
    return text.isdecimal() and len(text) <= LONGEST_ID
