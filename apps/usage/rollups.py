"""A day's rollups, made anew from its tokens and its costs, in the transaction that closes the day."""

from collections.abc import Mapping
from typing import Any

from apps.usage import bulk
from apps.usage.dimensions import Dimensions
from apps.usage.models import Cost, Report, Rollup
from apps.usage.money import MICRO, of_femtos
from apps.usage.sharing import Line, Usage, share
from apps.usage.tuples import COUNTS, CUBES, FULL, GRAINS

KINDS = ("billed", "shared", "listed")
MONEY = tuple(f"{kind}_{part}" for kind in KINDS for part in ("micros", "femtos"))
KEY = ("connection_id", "grain", "day", "dimension_id")
COLUMNS = (*KEY, *COUNTS, *MONEY)
COST_MONEY = ("billed_micros", "billed_femtos", "listed_micros", "listed_femtos")

# Counts in the order of COUNTS, requests None where nobody says.
Counts = list[int | None]
# Femtodollars: billed and listed (None: not told), by dimension.
Costs = dict[int, tuple[int, int | None]]


def lock(connection_id: int) -> None:
    """One at a time makes the rollups of a connection; until the end of the transaction.

    On SQLite a transaction has the only write lock from its beginning.
    """
    rows = Report.objects.select_for_update().filter(connection_id=connection_id)
    list(rows.order_by("pk").values_list("pk"))


def costs_of(connection_id: int, day: int) -> Costs:
    """What the costs' table has of a day."""
    rows = bulk.select(Cost, ("dimension_id", *COST_MONEY), connection_id=connection_id, day=day)
    return {
        one: (
            micros * MICRO + femtos,
            None if listed is None else listed * MICRO + listed_femtos,
        )
        for one, micros, femtos, listed, listed_femtos in rows
    }


def counts_of(connection_id: int, day: int) -> dict[int, Counts]:
    """The tokens that the rollups have of a day, by dimension."""
    rows = bulk.select(
        Rollup, ("dimension_id", *COUNTS), connection_id=connection_id, grain=FULL.id, day=day
    )
    return {row[0]: list(row[1:]) for row in rows if any(row[1:]) or row[-1] is not None}


class DayOfRollups:
    """The rollups of one day of one connection."""

    def __init__(self, dimensions: Dimensions, day: int) -> None:
        self.dimensions = dimensions
        self.day = day

    def write(self, counts: Mapping[int, Counts], costs: Costs) -> int:
        """Exchange the rows that differ; how many were written. After ``lock``, in
        the caller's transaction."""
        owner = self.dimensions.connection_id
        rows = self._rows(counts, costs)
        held = bulk.select(
            Rollup,
            ("grain", "dimension_id", *COUNTS, *MONEY),
            connection_id=owner,
            grain=tuple(grain.id for grain in GRAINS),
            day=self.day,
        )
        old = {(row[0], row[1]): row for row in held}
        new = {(row[0], row[1]): row for row in rows}
        stale = [key for key, row in old.items() if new.get(key) != row]
        fresh = [row for key, row in sorted(new.items()) if old.get(key) != row]
        bulk.delete(Rollup, KEY, [(owner, grain, self.day, one) for grain, one in stale])
        bulk.insert(Rollup, COLUMNS, [(owner, row[0], self.day, *row[1:]) for row in fresh])
        return len(fresh)

    def _rows(self, counts: Mapping[int, Counts], costs: Costs) -> list[tuple[Any, ...]]:
        tuples = self.dimensions.tuples_of([*counts, *costs])
        lines = [Line(one, tuples[one], billed) for one, (billed, _) in costs.items()]
        shared = share(lines, Usage(counts, tuples))
        nothing: Counts = [*([0] * (len(COUNTS) - 1)), None]
        sums: dict[tuple[int, int], list[Any]] = {}
        ids = [*counts, *(one for one in costs if one not in counts)]
        cubes = self.dimensions.cubes(ids)
        for one in ids:
            billed, listed = costs.get(one, (0, None))
            row = [*counts.get(one, nothing), billed, shared.get(one, 0), listed]
            sums[FULL.id, one] = row
            for cube, member in zip(CUBES, cubes[one], strict=True):
                total = sums.get((cube.id, member))
                if total is None:
                    sums[cube.id, member] = row[:]
                else:
                    _add(total, row)
        return [(*key, *_stored(row)) for key, row in sums.items()]


def _add(total: list[Any], row: list[Any]) -> None:
    for place, value in enumerate(row):
        if value:
            total[place] = (total[place] or 0) + value
        elif value is not None and total[place] is None:
            total[place] = value


def _stored(row: list[Any]) -> tuple[Any, ...]:
    counts, (billed, shared, listed) = row[: len(COUNTS)], row[len(COUNTS) :]
    told = (None, None) if listed is None else of_femtos(listed)
    return (*counts, *of_femtos(billed), *of_femtos(shared), *told)
