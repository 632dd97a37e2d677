"""A day's rollups, made anew from its tokens and its costs, in the transaction that closes the day."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from apps.usage import arrays, blocks, bulk
from apps.usage.arrays import COUNTED, SUMMED, Bools, Ints, Table, counted, grouped
from apps.usage.dimensions import Dimensions
from apps.usage.models import Cost, Rollup
from apps.usage.money import MICRO, of_femtos
from apps.usage.packing import members_of, order_of
from apps.usage.sharing import Line, Usage, share
from apps.usage.tuples import COUNTS, CUBES, FULL, GRAINS, MONEY

KEY = ("connection_id", "grain", "day", "dimension_id")
COLUMNS = (*KEY, *COUNTS, *MONEY)
COST_MONEY = ("billed_micros", "billed_femtos", "listed_micros", "listed_femtos")

ORDER = order_of(CUBES)

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


def counts_of(connection_id: int, day: int) -> Table:
    """The tokens that the rollups have of a day."""
    held = bulk.select(
        Rollup, ("dimension_id", *COUNTS), connection_id=connection_id, grain=FULL.id, day=day
    )
    rows = [row for row in held if any(row[1:]) or row[-1] is not None]
    return counted([row[0] for row in rows], [row[1:] for row in rows])


@dataclass(frozen=True, slots=True)
class Sums:
    """What a day comes to: grain and dimension, which rise, and SUMMED of each."""

    grains: Ints
    ids: Ints
    values: Ints

    def rows(self) -> list[tuple[Any, ...]]:
        """As the table has them: grain, dimension, COUNTS, MONEY."""
        found = []
        for grain, one, row in zip(
            self.grains.tolist(), self.ids.tolist(), self.values.tolist(), strict=True
        ):
            counts, requests_told, money, listed_told = _parts_of(row)
            if not requests_told:
                counts[-1] = None
            if not listed_told:
                money[-2:] = None, None
            found.append((grain, one, *counts, *money))
        return found

    def some(self, chosen: Bools) -> "Sums":
        """The chosen ones."""
        return Sums(self.grains[chosen], self.ids[chosen], self.values[chosen])


def _parts_of(row: list[Any]) -> tuple[list[Any], int, list[Any], int]:
    width = len(COUNTED)
    return row[: width - 1], row[width - 1], row[width:-1], row[-1]


class DayOfRollups:
    """The rollups of one day of one connection."""

    def __init__(self, dimensions: Dimensions, day: int) -> None:
        self.dimensions = dimensions
        self.day = day

    def write(self, sums: Sums) -> int:
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
        fresh = sums
        if held:
            old = {(row[0], row[1]): row for row in held}
            new = {(row[0], row[1]): row for row in sums.rows()}
            stale = [key for key, row in old.items() if new.get(key) != row]
            differs = [old.get(key) != row for key, row in new.items()]
            fresh = sums.some(np.array(differs, np.bool_))
        if stale or len(fresh.ids):
            blocks.unmake(owner, day)
        bulk.delete(Rollup, KEY, [(owner, grain, day, one) for grain, one in stale])
        arrays.insertion(
            Rollup,
            {"grain": fresh.grains, "dimension_id": fresh.ids},
            arrays.columns_of(fresh.values, SUMMED),
            {"connection_id": owner, "day": day},
        )()
        return len(fresh.ids)

    def sums(self, counts: Table, costs: Costs) -> Sums:
        """What the day comes to. Needs no transaction."""
        full = self._with_money(counts, costs)
        members = members_of(full.ids, self.dimensions.cubes(full.ids.tolist()))
        made: dict[int, Table] = {}
        for at, parent in ORDER:
            if parent is None:
                made[at] = grouped(members[:, at], full.values)
            else:
                _, first = np.unique(members[:, parent], return_index=True)
                made[at] = grouped(members[first, at], made[parent].values)
        tables = {FULL.id: full} | {CUBES[at].id: table for at, table in made.items()}
        grains = sorted(tables)
        sums = Sums(
            np.repeat(np.array(grains, np.int64), [len(tables[grain]) for grain in grains]),
            np.concatenate([tables[grain].ids for grain in grains]),
            np.concatenate([tables[grain].values for grain in grains]),
        )
        for name in ("billed", "shared", "listed"):  # femtos below a micro, as money.of_femtos
            micros, femtos = SUMMED.index(f"{name}_micros"), SUMMED.index(f"{name}_femtos")
            whole, sums.values[:, femtos] = np.divmod(sums.values[:, femtos], MICRO)
            sums.values[:, micros] += whole
        return sums

    def _with_money(self, counts: Table, costs: Costs) -> Table:
        """SUMMED of each dimension that has counts or costs."""
        ids = np.union1d(counts.ids, np.fromiter(costs, np.int64, len(costs)))
        values = np.zeros((len(ids), len(SUMMED)), np.int64)
        values[np.searchsorted(ids, counts.ids), : len(COUNTED)] = counts.values
        if not costs:
            return Table(ids, values)
        tuples = self.dimensions.tuples_of(ids.tolist())
        lines = [Line(one, tuples[one], billed) for one, (billed, _) in costs.items()]
        shared = share(lines, Usage(counts.rows(), tuples))
        place = {one: at for at, one in enumerate(ids.tolist())}
        billed_at, shared_at, listed_at = (
            SUMMED.index(f"{name}_micros") for name in ("billed", "shared", "listed")
        )
        for one, (billed, listed) in costs.items():
            row = values[place[one]]
            row[billed_at : billed_at + 2] = of_femtos(billed)
            if listed is not None:
                row[listed_at:] = (*of_femtos(listed), 1)
        for one, femtos in shared.items():
            values[place[one], shared_at : shared_at + 2] = of_femtos(femtos)
        return Table(ids, values)
