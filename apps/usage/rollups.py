"""A day's rollups, made anew from its tokens and its costs, in the transaction that closes the day."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from apps.usage import blocks, bulk
from apps.usage.dimensions import Dimensions
from apps.usage.models import Cost, Rollup
from apps.usage.money import MICRO, of_femtos
from apps.usage.sharing import Line, Usage, share
from apps.usage.tuples import COUNTS, CUBES, FULL, GRAINS, MONEY

KEY = ("connection_id", "grain", "day", "dimension_id")
COLUMNS = (*KEY, *COUNTS, *MONEY)
OWN = ("grain", "dimension_id", *COUNTS, *MONEY)  # but for what a day's rows all have
COST_MONEY = ("billed_micros", "billed_femtos", "listed_micros", "listed_femtos")

# Counts in the order of COUNTS, requests None where nobody says.
Counts = Sequence[int | None]
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


def counts_of(connection_id: int, day: int) -> dict[int, list[int | None]]:
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
        """Exchange the rows that differ; how many were written. After ``blocks.lock``, in
        the caller's transaction."""
        owner, day = self.dimensions.connection_id, self.day
        held = bulk.select(
            Rollup,
            ("grain", "dimension_id", *COUNTS, *MONEY),
            connection_id=owner,
            grain=tuple(grain.id for grain in GRAINS),
            day=day,
        )
        stale: list[Any] = []
        fresh = sorted(rows, key=itemgetter(0, 1))
        if held:
            old = {(row[0], row[1]): row for row in held}
            new = {(row[0], row[1]): row for row in rows}
            stale = [key for key, row in old.items() if new.get(key) != row]
            fresh = [row for row in fresh if old.get((row[0], row[1])) != row]
        if stale or fresh:
            blocks.unmake(owner, day)
        bulk.delete(Rollup, KEY, [(owner, grain, day, one) for grain, one in stale])
        bulk.insert(Rollup, OWN, fresh, same={"connection_id": owner, "day": day})
        return len(fresh)

    def rows(self, counts: Mapping[int, Counts], costs: Costs) -> list[tuple[Any, ...]]:
        """What the day comes to: grain, dimension, sums. Needs no transaction."""
        tuples = self.dimensions.tuples_of([*counts, *costs])
        if not costs:
            return [
                (grain, one, *row, *NO_MONEY) for grain, one, row in self._of_all_grains(counts)
            ]
        lines = [Line(one, tuples[one], billed) for one, (billed, _) in costs.items()]
        shared = share(lines, Usage(counts, tuples))
        nothing: Counts = [*([0] * (len(COUNTS) - 1)), None]
        full: dict[int, Counts] = {}
        for one in [*counts, *(one for one in costs if one not in counts)]:
            billed, listed = costs.get(one, _FREE)
            full[one] = [*counts.get(one, nothing), billed, shared.get(one, 0), listed]
        return [(grain, one, *_stored(row)) for grain, one, row in self._of_all_grains(full)]

    def _of_all_grains(
        self, full: Mapping[int, Sequence[int | None]]
    ) -> Iterator[tuple[int, int, Sequence[int | None]]]:
        """Grain, dimension and sums: of FULL as they are given, of each cube from the smallest that has its
        columns."""
        cubes = self.dimensions.cubes(list(full))
        made: dict[int, Mapping[int, Sequence[int | None]]] = {}
        for at, parent in ORDER:
            if parent is None:
                members = {one: cubes[one][at] for one in full}
            else:
                members = {cubes[one][parent]: cubes[one][at] for one in full}
            groups: defaultdict[int, list[Sequence[int | None]]] = defaultdict(list)
            for one, row in (full if parent is None else made[parent]).items():
                groups[members[one]].append(row)
            made[at] = {member: summed(rows, NULLABLE) for member, rows in groups.items()}
        yield from ((FULL.id, one, row) for one, row in full.items())
        for at, cube in enumerate(CUBES):
            yield from ((cube.id, member, row) for member, row in made[at].items())


def _parent_of(at: int) -> int | None:
    """The smallest other cube that has the columns of this one; None: FULL alone has."""
    larger = (other for other in range(at + 1, len(CUBES)))
    return next((one for one in larger if CUBES[at].columns < CUBES[one].columns), None)


# Cubes by their place in CUBES, each after the one that it is made of.
ORDER = [(at, _parent_of(at)) for at in reversed(range(len(CUBES)))]
_FREE = (0, None)
NO_MONEY = (0, 0, 0, 0, None, None)
NULLABLE = frozenset({len(COUNTS) - 1, len(COUNTS) + 2})  # requests, listed


def summed(rows: Sequence[Sequence[Any]], nullable: Collection[int]) -> Sequence[Any]:
    """The sum of each column; of those that may be None, of what is told, None if nothing is."""
    if len(rows) == 1:
        return rows[0]
    return [
        _told(column) if at in nullable else sum(column)
        for at, column in enumerate(zip(*rows, strict=True))
    ]


def _told(column: Sequence[int | None]) -> int | None:
    told = [value for value in column if value is not None]
    return sum(told) if told else None


def _stored(row: Sequence[Any]) -> tuple[Any, ...]:
    counts, (billed, shared, listed) = row[: len(COUNTS)], row[len(COUNTS) :]
    told = (None, None) if listed is None else of_femtos(listed)
    return (*counts, *of_femtos(billed), *of_femtos(shared), *told)
