"""Thousands of rows as arrays: added up and written without a call of ours for each.

numpy is 20 MB of a process, so what imports this is imported by whoever walks and by nobody else.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from django.db import connection as database
from django.db import models
from numpy.typing import NDArray

from apps.usage import bulk
from apps.usage.tuples import COUNTS, MONEY

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Columns of a Table. One that may be NULL has another beside it, of how many parts of the row it was told:
# both are added up like all others, and what nobody told is 0.
COUNTED = (*COUNTS, "requests_told")
SUMMED = (*COUNTED, *MONEY, "listed_told")
TOLD_BY = {
    "requests": "requests_told",
    "listed_micros": "listed_told",
    "listed_femtos": "listed_told",
}
PLAIN = len(COUNTS) - 1  # counts that are never NULL
LARGEST_SUM = 2.0**62  # half of what there is room for: this is reckoned in floats
HEADER, TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
TYPES = {"bigint": ">i8", "integer": ">i4", "smallint": ">i2"}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by dimension. ``ids`` rise, each is there once; ``values`` has a row for each, of COUNTED or
    SUMMED."""

    ids: Ints
    values: Ints

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self) -> dict[int, tuple[int | None, ...]]:
        """The counts by dimension in the order of COUNTS, requests None where nobody told them."""
        found = {}
        for one, (*counts, requests, told) in zip(
            self.ids.tolist(), self.values[:, : len(COUNTED)].tolist(), strict=True
        ):
            found[one] = (*counts, requests if told else None)
        return found


def counted(ids: Sequence[int], rows: Iterable[Sequence[int | None]]) -> Table:
    """Of counts in the order of COUNTS; what comes twice is added up."""
    size = len(ids)
    flat = chain.from_iterable((*row[:-1], row[-1] or 0, row[-1] is not None) for row in rows)
    values = np.fromiter(flat, np.int64, size * len(COUNTED)).reshape(size, len(COUNTED))
    return grouped(np.fromiter(ids, np.int64, size), values)


def checked(values: Ints) -> Ints:
    """Rows that can be added up in 64 bits. OverflowError rather than a wrong sum."""
    if len(values) and np.abs(values).sum(axis=0, dtype=np.float64).max() > LARGEST_SUM:
        raise OverflowError("The sum of these may not fit into 64 bits.")
    return values


def grouped(ids: Ints, values: Ints) -> Table:
    """The sum of the rows of each id."""
    if len(ids) < 2:
        return Table(ids, values)
    checked(values)
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    starts = starts_of(ids)
    if len(starts) == len(ids):
        return Table(ids, values[order])
    return Table(ids[starts], np.add.reduceat(values[order], starts, axis=0))


def starts_of(values: Ints) -> NDArray[np.intp]:
    """Where another value begins, of values that rise."""
    first = np.empty(len(values), np.bool_)
    first[:1] = True
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return np.flatnonzero(first)


def together(tables: Iterable[Table]) -> Table:
    """The sum of tables of the same columns."""
    found = list(tables)
    return grouped(
        np.concatenate([one.ids for one in found]), np.concatenate([one.values for one in found])
    )


# --- Writing -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """Values of a column; ``told``: where they are not NULL, None: everywhere."""

    values: Ints
    told: Bools | None = None


def columns_of(values: Ints, names: Sequence[str]) -> dict[str, Column]:
    """The columns of a Table as they are written. ``names``: COUNTED or SUMMED."""
    told = {
        name: values[:, names.index(other)] > 0 for name, other in TOLD_BY.items() if other in names
    }
    return {
        name: Column(values[:, at], told.get(name))
        for at, name in enumerate(names)
        if name not in TOLD_BY.values()
    }


def insertion(
    model: type[models.Model],
    keys: Mapping[str, Ints],
    columns: Mapping[str, Column],
    same: Mapping[str, int | None],
    part: str = "",
) -> Callable[[], None]:
    """Inserts rows that are not there when it is called; what can be done before a transaction begins is
    done. ``keys``: what tells them apart; ``same``: columns of which all rows have the same value;
    ``part``: the partition that all of them are of. IntegrityError for a row that is there."""
    if not len(next(iter(keys.values()))):
        return lambda: None
    varied, shared, gaps = dict(keys), dict(same), {}
    for name, column in columns.items():
        values, told = column.values, column.told
        if told is not None and not told.any():
            shared[name] = None
        elif told is not None and not told.all():
            varied[name], gaps[name] = values, told
        elif (values == values[0]).all():
            shared[name] = int(values[0])
        else:
            varied[name] = values
    if gaps:
        return bulk.insertion(model, tuple(varied), _with_gaps(varied, gaps), shared)
    if database.vendor == "postgresql":
        return _copied(model, varied, shared, part)
    return bulk.listed(
        model, tuple(varied), np.column_stack(list(varied.values())).ravel().tolist(), shared
    )


def _with_gaps(varied: Mapping[str, Ints], gaps: Mapping[str, Bools]) -> Iterable[bulk.Values]:
    lists: list[list[int | None]] = []
    for name, values in varied.items():
        listed: list[int | None] = values.tolist()
        if name in gaps:
            told = gaps[name].tolist()
            listed = [
                value if is_told else None for value, is_told in zip(listed, told, strict=True)
            ]
        lists.append(listed)
    return zip(*lists, strict=True)


def _copied(
    model: type[models.Model],
    varied: Mapping[str, Ints],
    shared: Mapping[str, int | None],
    part: str,
) -> Callable[[], None]:
    """COPY in PostgreSQL's own format: of each value its length, then itself, the highest byte first."""
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for name in (*varied, *shared):
        layout.append((f"length of {name}", ">i4"))
        if name in varied or shared[name] is not None:
            layout.append((name, TYPES[str(model._meta.get_field(name).db_type(database))]))
    rows = np.empty(len(next(iter(varied.values()))), np.dtype(layout))
    rows["fields"] = len(varied) + len(shared)
    for name, values in (*varied.items(), *shared.items()):
        rows[f"length of {name}"] = -1 if values is None else rows.dtype[name].itemsize
        if values is not None:
            rows[name] = values
    data = b"".join((HEADER, rows.tobytes(), TRAILER))

    def copy_rows() -> None:
        with database.cursor() as cursor:
            into = bulk.into(model, (*varied, *shared), part)
            with cursor.copy(f"COPY {into} FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(data)

    return copy_rows
