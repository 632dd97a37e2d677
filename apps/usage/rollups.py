"""A day's rollups, made anew from its tokens and its costs, in the transaction that closes the day."""

from collections.abc import Mapping, Sequence
from typing import Any

from apps.usage import blocks, bulk
from apps.usage.dimensions import Dimensions
from apps.usage.models import Cost, Rollup
from apps.usage.money import MICRO, of_femtos
from apps.usage.sharing import Line, Usage, share
from apps.usage.tuples import COUNTS, CUBES, FULL, GRAINS, MONEY

KEY = ("connection_id", "grain", "day", "dimension_id")
COLUMNS = (*KEY, *COUNTS, *MONEY)
COST_MONEY = ("billed_micros", "billed_femtos", "listed_micros", "listed_femtos")

# Counts in the order of COUNTS, requests None where nobody says.
Counts = list[int | None]
# Femtodollars: billed and listed (None: not told), by dimension.
Costs = dict[int, tuple[int, int | None]]


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

    def write(self, rows: "list[tuple[Any, ...]]") -> int:
        """Exchange the rows that differ; how many were written. After ``lock``, in
        the caller's transaction."""
        owner = self.dimensions.connection_id
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
        if stale or fresh:
            blocks.unmake(owner, self.day)
        bulk.delete(Rollup, KEY, [(owner, grain, self.day, one) for grain, one in stale])
        bulk.insert(Rollup, COLUMNS, [(owner, row[0], self.day, *row[1:]) for row in fresh])
        return len(fresh)

    def rows(self, counts: Mapping[int, Counts], costs: Costs) -> list[tuple[Any, ...]]:
        """What the day comes to: grain, dimension, sums. Needs no transaction."""
        tuples = self.dimensions.tuples_of([*counts, *costs])
        lines = [Line(one, tuples[one], billed) for one, (billed, _) in costs.items()]
        shared = share(lines, Usage(counts, tuples))
        nothing: Counts = [*([0] * (len(COUNTS) - 1)), None]
        ids = [*counts, *(one for one in costs if one not in counts)]
        cubes = self.dimensions.cubes(ids)
        rows = []
        for one in ids:
            billed, listed = costs.get(one, _FREE)
            rows.append([*counts.get(one, nothing), billed, shared.get(one, 0), listed])
        found = [(FULL.id, one, *_stored(row)) for one, row in zip(ids, rows, strict=True)]
        for at, cube in enumerate(CUBES):
            members: dict[int, list[list[Any]]] = {}
            for one, row in zip(ids, rows, strict=True):
                member = cubes[one][at]
                if member in members:
                    members[member].append(row)
                else:
                    members[member] = [row]
            found += [
                (cube.id, member, *_stored(summed(group, NULLABLE)))
                for member, group in members.items()
            ]
        return found


_FREE = (0, None)
NULLABLE = (len(COUNTS) - 1, len(COUNTS) + 2)  # requests, listed


def summed(rows: Sequence[Sequence[Any]], nullable: Sequence[int]) -> list[Any]:
    """The sum of each column; of those that may be None, of what is told, None if nothing is."""
    if len(rows) == 1:
        return list(rows[0])
    columns = list(zip(*rows, strict=True))
    for at in nullable:
        columns[at] = tuple(value for value in columns[at] if value is not None)
    sums: list[Any] = list(map(sum, columns))
    for at in nullable:
        if not columns[at]:
            sums[at] = None
    return sums


def _stored(row: list[Any]) -> tuple[Any, ...]:
    counts, (billed, shared, listed) = row[: len(COUNTS)], row[len(COUNTS) :]
    told = (None, None) if listed is None else of_femtos(listed)
    return (*counts, *of_femtos(billed), *of_femtos(shared), *told)
