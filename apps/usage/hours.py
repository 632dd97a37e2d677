"""The hours of a day, packed: what dashboards read of hours, one row for each dimension of a cube.

A row has the counts of all 24 hours side by side, the first hour first. As one number, with eight bytes for
each, so rows are added up by adding numbers, and two weeks by the hour are fourteen rows and not thousands of
facts. Each count keeps within its eight bytes: what could run over into the next one is not packed at all, and
whoever reads takes the facts.

A row is kept in four bytes for each count where all of its counts fit into four, which is nearly every one,
else in eight: its length tells. Half as long, more than twice as many fit into a page of the database.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import starmap
from operator import itemgetter
from struct import Struct
from typing import Any

from apps.usage import bulk
from apps.usage.days import HOURS
from apps.usage.models import HourRollup
from apps.usage.rollups import ORDER
from apps.usage.tuples import COUNTS, CUBES, Grain

BYTES = 8  # of one count in a number
NARROW = 4  # of one that is kept, if those of the row fit
# Of one count of one fact; so that eight million of them fit.
MOST = 1 << 40
REQUESTS = COUNTS.index("requests")
ALWAYS = frozenset({COUNTS.index("uncached_input"), COUNTS.index("output")})
# Hours have no money, so nobody asks for line items by them; and one key's or person's are few facts.
BY_HOUR = tuple(cube for cube in CUBES if cube.name not in ("lines", "who"))
_WANTED = frozenset(at for at, cube in enumerate(CUBES) if cube.name != "lines")
_KEPT = frozenset(at for at, cube in enumerate(CUBES) if cube in BY_HOUR)
COLUMNS = ("connection_id", "grain", "day", "dimension_id", "told", "counts")

Counts = Sequence[int | None]
Hour = Mapping[int, tuple[Any, ...]]  # counts by dimension


def told_in(hours: Iterable[Hour]) -> tuple[int, ...]:
    """The places in COUNTS of what any of these facts has; all others are 0, requests None, in each."""
    found = set(ALWAYS)
    for rows in hours:
        for at, column in enumerate(zip(*rows.values(), strict=True)):
            if at not in found and (
                column.count(None) < len(column) if at == REQUESTS else any(column)
            ):
                found.add(at)
    return tuple(sorted(found))


class Packed:
    """One day's facts, by the hour and in sum."""

    def __init__(self, hours: Sequence[Hour], told: tuple[int, ...]) -> None:
        """``hours``: all 24; ``told``: as ``told_in`` has it."""
        self.ids = sorted(set().union(*hours))
        self.told = told
        self._width = len(told)
        self._hours = hours
        self.sums: dict[int, Counts] = {}  # of the day, by dimension

    def cubes(self, cubes: Mapping[int, tuple[int, ...]]) -> dict[int, dict[int, int]] | None:
        """The day of each cube (by its place in CUBES) by dimension, and the ``sums`` along with it; None
        where the counts are too large to be packed. ``cubes``: as ``Dimensions.cubes`` has them."""
        made: dict[int, dict[int, int]] = {at: {} for at, _ in ORDER if at in _WANTED}
        of_facts = [(at, made[at]) for at, parent in ORDER if parent is None and at in _WANTED]
        sums, added, seen = {}, self._adder(), 0
        for one, number in self._numbers():
            seen |= number
            sums[one] = added(number)
            members = cubes[one]
            for at, sum_of in of_facts:
                member = members[at]
                sum_of[member] = sum_of[member] + number if member in sum_of else number
        if seen & _repeated((1 << 8 * BYTES) - MOST, HOURS * self._width):
            return None
        self.sums = sums
        for at, parent in ORDER:
            if parent is not None and at in _WANTED:
                self._of_parent(made, at, parent, cubes)
        return made

    def _of_parent(
        self,
        made: dict[int, dict[int, int]],
        at: int,
        parent: int,
        cubes: Mapping[int, tuple[int, ...]],
    ) -> None:
        sum_of = made[at]
        members = {cubes[one][parent]: cubes[one][at] for one in self.ids}
        for child, number in made[parent].items():
            member = members[child]
            sum_of[member] = sum_of.get(member, 0) + number

    def _numbers(self) -> Iterator[tuple[int, int]]:
        """Each dimension's day as one number."""
        pack = Struct(f"<{self._width}Q").pack
        pick = self._picker()
        looked_up = [
            dict(zip(rows, starmap(pack, map(pick, rows.values())), strict=True)).get
            for rows in self._hours
        ]
        nothing = bytes(self._width * BYTES)
        for one in self.ids:
            parts = [get(one, nothing) for get in looked_up]
            yield one, int.from_bytes(b"".join(parts), "little")

    def _picker(self) -> Callable[[Any], Any]:
        """Takes what is told out of the counts of a fact."""
        told: Callable[[Any], Any] = itemgetter(*self.told)
        if REQUESTS not in self.told:
            return told

        def without_gaps(counts: tuple[Any, ...]) -> tuple[Any, ...]:
            *others, requests = told(counts)  # the last one; of some facts nobody says
            return (*others, requests or 0)

        return without_gaps

    def _adder(self) -> Callable[[int], Counts]:
        """Adds up the hours of a number: halves are laid upon each other until three hours are left."""
        bits = self._width * BYTES * 8
        folds = [(count * bits, (1 << count * bits) - 1) for count in (12, 6, 3)]
        hour = (1 << bits) - 1
        unpack = Struct(f"<{self._width}Q").unpack
        size = self._width * BYTES
        spread = _spread(self.told)

        def added(number: int) -> Counts:
            for shift, half in folds:
                number = (number >> shift) + (number & half)
            number = (number >> 2 * bits) + (number >> bits & hour) + (number & hour)
            return spread(unpack(number.to_bytes(size, "little")))

        return added


def _repeated(value: int, times: int) -> int:
    """``value`` in each of so many counts."""
    return int.from_bytes(value.to_bytes(BYTES, "little") * times, "little")


def _spread(told: tuple[int, ...]) -> Callable[[Sequence[int]], list[int | None]]:
    """From the counts that are told to all of them."""
    blank: list[int | None] = [None if at == REQUESTS else 0 for at in range(len(COUNTS))]

    def spread(values: Sequence[int]) -> list[int | None]:
        found = blank.copy()
        for at, value in zip(told, values, strict=True):
            found[at] = value
        return found

    return spread


def _mask(told: Iterable[int]) -> int:
    return sum(1 << at for at in told)


def _of_mask(mask: int) -> tuple[int, ...]:
    return tuple(at for at in range(len(COUNTS)) if mask >> at & 1)


def rows_of(made: Mapping[int, Mapping[int, int]], told: tuple[int, ...]) -> list[bulk.Values]:
    """What is kept of the cubes of a day: grain, dimension, and the counts. Needs no transaction."""
    mask, keep = _mask(told), _keeper(len(told))
    return sorted(
        (CUBES[at].id, one, mask, keep(number))
        for at, sums in made.items()
        if at in _KEPT
        for one, number in sums.items()
    )


def _keeper(width: int) -> Callable[[int], bytes]:
    """Gives the bytes in which a number of so many counts an hour is kept."""
    size = width * HOURS * BYTES
    too_large = _repeated((1 << 8 * BYTES) - (1 << 8 * NARROW), HOURS * width)

    def keep(number: int) -> bytes:
        wide = number.to_bytes(size, "little")
        # Of each count the first half, which is the lower one.
        return wide if number & too_large else memoryview(wide).cast("I")[::2].tobytes()

    return keep


def number_of(counts: bytes, mask: int) -> int:
    """The number of a row as it is kept. ``mask``: which counts are told. ValueError for a length that is
    neither one."""
    size = mask.bit_count() * HOURS * BYTES
    if len(counts) == size:
        return int.from_bytes(counts, "little")
    if len(counts) * BYTES != size * NARROW:
        raise ValueError(f"{len(counts)} bytes are no hours of a day")
    wide = bytearray(size)
    memoryview(wide).cast("I")[::2] = memoryview(counts).cast("I")
    return int.from_bytes(wide, "little")


def exchange(connection_id: int, day: int, rows: Sequence[bulk.Values]) -> None:
    """Put ``rows`` in the place of the day's. In the transaction that writes its rollups."""
    grains = tuple(cube.id for cube in BY_HOUR)
    held = bulk.select(
        HourRollup,
        ("grain", "dimension_id", "told", "counts"),
        connection_id=connection_id,
        grain=grains,
        day=day,
    )
    fresh = rows
    if held:
        old = {(row[0], row[1]): (*row[:3], bytes(row[3])) for row in held}
        new = {(row[0], row[1]): row for row in rows}
        stale = [key for key, row in old.items() if new.get(key) != row]
        fresh = [row for row in rows if old.get((row[0], row[1])) != row]
        bulk.delete(
            HourRollup,
            COLUMNS[:4],
            [(connection_id, grain, day, one) for grain, one in stale],
        )
    bulk.insert(
        HourRollup,
        ("grain", "dimension_id", "told", "counts"),
        fresh,
        same={"connection_id": connection_id, "day": day},
    )


def unpacked(counts: int, mask: int) -> Iterator[tuple[int, list[int | None]]]:
    """Each hour of the day (0 to 23) in which anything was used, and its counts in the order of COUNTS."""
    told = _of_mask(mask)
    width, spread = len(told), _spread(told)
    values = Struct(f"<{width * HOURS}Q").unpack(counts.to_bytes(width * HOURS * BYTES, "little"))
    for hour in range(HOURS):
        own = values[hour * width : (hour + 1) * width]
        if any(own):
            yield hour, spread(own)


def has(grain: Grain) -> bool:
    """Whether hours are kept by this grain."""
    return grain in BY_HOUR
