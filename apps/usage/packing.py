"""The day that has just been read, summed up: by dimension, and its hours by cube as ``hours.py`` keeps them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from apps.usage import bulk
from apps.usage.arrays import COUNTED, Ints, Table, checked, starts_of
from apps.usage.days import HOURS
from apps.usage.hours import BY_HOUR, MOST, NARROW
from apps.usage.tuples import COUNTS, CUBES, Grain

ALWAYS = frozenset({COUNTS.index("uncached_input"), COUNTS.index("output")})
REQUESTS, REQUESTS_TOLD = COUNTS.index("requests"), COUNTED.index("requests_told")


def order_of(cubes: Sequence[Grain]) -> list[tuple[int, int | None]]:
    """Cubes by their place, each after the one that it is made of: the smallest other one that has its
    columns; None: the facts."""
    found: list[tuple[int, int | None]] = []
    for at in reversed(range(len(cubes))):
        larger = (other for other in range(at + 1, len(cubes)))
        fitting = (one for one in larger if cubes[at].columns < cubes[one].columns)
        found.append((at, next(fitting, None)))
    return found


ORDER = order_of(BY_HOUR)


def _told_in(hours: Iterable[Table]) -> tuple[int, ...]:
    """The places in COUNTS of what any of these facts has; all others are 0, requests None, in each."""
    found = set(ALWAYS)
    for rows in hours:
        any_of = np.flatnonzero((rows.values != 0).any(axis=0)).tolist()
        found.update(REQUESTS if at == REQUESTS_TOLD else at for at in any_of)
    return tuple(sorted(found))


def members_of(ids: Ints, cubes: Mapping[int, tuple[int, ...]]) -> Ints:
    """The dimensions of CUBES that each belongs to, a row for each id. ``cubes``: as ``Dimensions.cubes``."""
    return np.array([cubes[one] for one in ids.tolist()], np.int64).reshape(-1, len(CUBES))


@dataclass(frozen=True, slots=True)
class Day:
    """All 24 hours of a day: ``counts`` of each of ``sums``' ids by hour and by what is ``told``."""

    told: tuple[int, ...]
    counts: Ints
    sums: Table

    def rows(self, members: Ints) -> list[bulk.Values] | None:
        """What ``hours.exchange`` writes: grain, dimension, which counts, and the counts. None where they are
        too large to be packed. ``members``: as ``members_of``."""
        if self.counts.size and int(self.counts.max()) >= MOST:
            return None
        mask = sum(1 << at for at in self.told)
        made: dict[int, Ints] = {}
        found: list[bulk.Values] = []
        for at, parent in ORDER:
            place = CUBES.index(BY_HOUR[at])
            if parent is None:
                belongs, counts = members[:, place], self.counts
            else:
                counts = made[parent]
                _, first = np.unique(members[:, CUBES.index(BY_HOUR[parent])], return_index=True)
                belongs = members[first, place]
            order = np.argsort(belongs, kind="stable")
            belongs = belongs[order]
            starts = starts_of(belongs)
            made[at] = np.add.reduceat(counts[order], starts, axis=0)
            found += [
                (BY_HOUR[at].id, one, mask, kept)
                for one, kept in zip(belongs[starts].tolist(), packed(made[at]), strict=True)
            ]
        return sorted(found)


def day_of(hours: Sequence[Table]) -> Day:
    """``hours``: COUNTED of all 24."""
    told = _told_in(hours)
    at = np.repeat(np.arange(HOURS), [len(one) for one in hours])
    values = checked(np.concatenate([one.values for one in hours]))
    ids, place = np.unique(np.concatenate([one.ids for one in hours]), return_inverse=True)
    counts = np.zeros((len(ids), HOURS, len(told)), np.int64)
    counts[place, at] = values[:, told]
    sums = np.zeros((len(ids), len(COUNTED)), np.int64)
    sums[:, told] = counts.sum(axis=1)
    if REQUESTS in told:
        np.add.at(sums[:, REQUESTS_TOLD], place, values[:, REQUESTS_TOLD])
    return Day(told, counts, Table(ids, sums))


def packed(counts: Ints) -> list[bytes]:
    """Each row's counts in four bytes if all of them fit, else in eight."""
    size = prod(counts.shape[1:])
    flat = counts.reshape(len(counts), size)
    narrow = (flat < 1 << 8 * NARROW).all(axis=1)
    short = flat.astype("<u4").tobytes()
    found = [short[at : at + size * NARROW] for at in range(0, len(short), size * NARROW)]
    for at in np.flatnonzero(~narrow).tolist():
        found[at] = flat[at].astype("<u8").tobytes()
    return found
