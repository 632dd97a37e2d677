"""The hours of a day, packed: what dashboards read of hours, one row for each dimension of a cube.

A row has the counts of all 24 hours side by side, the first hour first. As one number, with eight bytes for
each, so rows are added up by adding numbers, and two weeks by the hour are fourteen rows and not thousands of
facts. Each count keeps within its eight bytes: what could run over into the next one is not packed at all, and
whoever reads takes the facts.

A row is kept in four bytes for each count where all of its counts fit into four, which is nearly every one,
else in eight: its length tells. Half as long, more than twice as many fit into a page of the database.
"""

from collections.abc import Callable, Iterator, Sequence
from struct import Struct

from apps.usage import bulk
from apps.usage.days import HOURS
from apps.usage.models import HourRollup
from apps.usage.tuples import COUNTS, CUBES, Grain

BYTES = 8  # of one count in a number
NARROW = 4  # of one that is kept, if those of the row fit
# Of one count of one fact; so that eight million of them fit.
MOST = 1 << 40
REQUESTS = COUNTS.index("requests")
# Hours have no money, so nobody asks for line items by them; and one key's or person's are few facts.
BY_HOUR = tuple(cube for cube in CUBES if cube.name not in ("lines", "who"))
COLUMNS = ("connection_id", "grain", "day", "dimension_id", "told", "counts")


def _spread(told: tuple[int, ...]) -> Callable[[Sequence[int]], list[int | None]]:
    """From the counts that are told to all of them."""
    blank: list[int | None] = [None if at == REQUESTS else 0 for at in range(len(COUNTS))]

    def spread(values: Sequence[int]) -> list[int | None]:
        found = blank.copy()
        for at, value in zip(told, values, strict=True):
            found[at] = value
        return found

    return spread


def _of_mask(mask: int) -> tuple[int, ...]:
    return tuple(at for at in range(len(COUNTS)) if mask >> at & 1)


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
