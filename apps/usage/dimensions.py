"""Tuples as integers: a Dimension for each distinct one, made when it is first met."""

from collections.abc import Iterable, Sequence

from django.db import transaction

from apps.usage.models import Dimension
from apps.usage.tuples import COLUMNS, CUBES, FULL, Grain, Tuple, digest_of

CHUNK = 500
KEPT = 100_000  # tuples in memory; beyond, it forgets and asks the table again


class Dimensions:
    """The dimensions of one connection, as far as a walk has met them."""

    def __init__(self, connection_id: int) -> None:
        self.connection_id = connection_id
        self.tuples: dict[int, Tuple] = {}  # of FULL dimensions, by id
        self._cubes: dict[int, tuple[int, ...]] = {}
        self._ids: dict[tuple[int, Tuple], int] = {}

    def ids(self, rows: Iterable[Tuple], grain: Grain = FULL) -> dict[Tuple, int]:
        """The id of each tuple; those that are new are made, at best before a transaction begins."""
        wanted = list(dict.fromkeys(rows))
        unknown = [row for row in wanted if (grain.id, row) not in self._ids]
        if unknown:
            self._find(unknown, grain)
            new = [row for row in unknown if (grain.id, row) not in self._ids]
            if new:
                self._make(new, grain)
                self._find(new, grain)
        return {row: self._ids[grain.id, row] for row in wanted}

    def tuples_of(self, ids: Iterable[int]) -> dict[int, Tuple]:
        """The FULL tuple behind each id."""
        unknown = [one for one in dict.fromkeys(ids) if one not in self.tuples]
        for at in range(0, len(unknown), CHUNK):
            chosen = Dimension.objects.filter(pk__in=unknown[at : at + CHUNK])
            for pk, *values in chosen.values_list("pk", *COLUMNS):
                self._keep(pk, tuple(values), FULL)
        return self.tuples

    def cubes(self, ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
        """For each FULL id those of the cubes that it belongs to, in the order of CUBES."""
        new = [one for one in ids if one not in self._cubes]
        if new:
            self.tuples_of(new)
            columns = []
            for cube in CUBES:
                projected = [cube.project(self.tuples[one]) for one in new]
                known = self.ids(projected, cube)
                columns.append([known[row] for row in projected])
            self._cubes.update(zip(new, zip(*columns, strict=True), strict=True))
        return self._cubes

    def forget_some(self) -> bool:
        """Keep memory flat; between two stretches alone, because what was met must stay for one. Whether
        anything was forgotten."""
        if len(self._ids) <= KEPT:
            return False
        self.tuples.clear()
        self._cubes.clear()
        self._ids.clear()
        return True

    def _keep(self, pk: int, row: Tuple, grain: Grain) -> None:
        self._ids[grain.id, row] = pk
        if grain is FULL:
            self.tuples[pk] = row

    def _find(self, rows: list[Tuple], grain: Grain) -> None:
        by_digest = {digest_of(row): row for row in rows}
        digests = list(by_digest)
        for at in range(0, len(digests), CHUNK):
            found = Dimension.objects.filter(
                connection_id=self.connection_id,
                grain=grain.id,
                digest__in=digests[at : at + CHUNK],
            ).values_list("pk", "digest")
            for pk, digest in found:
                self._keep(pk, by_digest[digest], grain)

    def _make(self, rows: list[Tuple], grain: Grain) -> None:
        """Without a lease: a dimension that no fact has is no harm, and two who make it make one."""
        made = [
            Dimension(
                connection_id=self.connection_id,
                grain=grain.id,
                digest=digest_of(row),
                **dict(zip(COLUMNS, row, strict=True)),
            )
            for row in rows
        ]
        for at in range(0, len(made), CHUNK):
            with transaction.atomic(durable=True):
                Dimension.objects.bulk_create(made[at : at + CHUNK], ignore_conflicts=True)
