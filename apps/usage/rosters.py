"""Who used Claude Code on a day or in a month, and in how many sessions: one packed row for each.

Whoever asks for people asks for all of them, so a month of a thousand people is one row and not a thousand.
"""

from collections.abc import Iterator, Mapping, Sequence
from struct import Struct
from typing import NamedTuple

from django.db.models import Q

from apps.usage import bulk
from apps.usage.models import CodingRoster

DAY, MONTH = CodingRoster.Width.DAY, CodingRoster.Width.MONTH
KEY = ("connection_id", "width", "first")


class Roster(NamedTuple):
    """Side by side: who (ids of Coder), the days it was used on as bits, the first of the month (or the
    day) as the lowest, and sessions."""

    coders: Sequence[int]
    days: Sequence[int]
    sessions: Sequence[int]


def packed(told: Mapping[int, tuple[int, int]]) -> bytes:
    """As it is kept. ``told``: days and sessions by coder."""
    columns = (*told, *(days for days, _ in told.values()), *(n for _, n in told.values()))
    return Struct(f"<{len(columns)}q").pack(*columns)


def unpacked(kept: "bytes | memoryview[int]") -> Roster:
    """What ``packed`` made."""
    values = Struct(f"<{len(kept) // 8}q").unpack(kept)
    size = len(values) // 3
    return Roster(values[:size], values[size : 2 * size], values[2 * size :])


def exchange(
    connection_id: int, width: CodingRoster.Width, first: int, told: Mapping[int, tuple[int, int]]
) -> None:
    """Put it in the place of what there was; of nobody there is no row. In a transaction."""
    bulk.delete(CodingRoster, KEY, [(connection_id, width.value, first)])
    if told:
        row = (connection_id, width.value, first, packed(told))
        bulk.insert(CodingRoster, (*KEY, "coders"), [row])


def of(
    connections: Sequence[int], *, months: Sequence[int] = (), days: Sequence[int] = ()
) -> Iterator[Roster]:
    """Those of months (by their first days) and of days. One query."""
    wanted = Q(width=MONTH, first__in=months) | Q(width=DAY, first__in=days)
    rows = CodingRoster.objects.filter(wanted, connection__in=connections)
    for kept in rows.values_list("coders", flat=True):
        yield unpacked(kept)


def until(connections: Sequence[int], last: int) -> Iterator[tuple[int, Roster]]:
    """Every month that began by ``last``, and its roster, the earliest first. One query."""
    rows = CodingRoster.objects.filter(connection__in=connections, width=MONTH, first__lte=last)
    for month, kept in rows.order_by("first").values_list("first", "coders"):
        yield month, unpacked(kept)
