"""Writing many rows at once, by the fastest way that each database has. Inside the caller's transaction."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any

from django.db import connection as database
from django.db import models

Values = tuple[Any, ...]


def table_of(model: type[models.Model]) -> str:
    """The model's table, quoted."""
    return f'"{model._meta.db_table}"'


def marks(values: Sequence[Any]) -> str:
    """A mark for each of these parameters, for what follows IN: nothing is in an empty list."""
    return ", ".join(["%s"] * len(values)) or "NULL"


# A statement of SQLite: fifty rows, unless they have more parameters than every SQLite takes.
ROWS, PARAMETERS = 50, 999


def insert(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Iterable[Values],
    same: Mapping[str, Any] | None = None,
) -> None:
    """Insert rows that are not there. IntegrityError for one that is. ``same``: columns of which all rows
    have the same value."""
    insertion(model, columns, rows, same)()


def insertion(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Iterable[Values],
    same: Mapping[str, Any] | None = None,
) -> Callable[[], None]:
    """``insert``, ready to be called: what can be done before a transaction begins is done."""
    same = same or {}
    if database.vendor == "postgresql":
        shared = tuple(same.values())
        statement = f"COPY {into(model, (*same, *columns))} FROM STDIN"
        return _copying(statement, [(*shared, *row) for row in rows])
    return listed(model, columns, list(chain.from_iterable(rows)), same)


def into(model: type[models.Model], columns: Iterable[str], part: str = "") -> str:
    """The table (or that ``part`` of it) and these columns, as they stand after INSERT INTO and COPY."""
    names = ", ".join(f'"{name}"' for name in columns)
    table = f'"{part}"' if part else table_of(model)
    return f"{table} ({names})"


def _copying(statement: str, rows: Sequence[Values]) -> Callable[[], None]:
    def copy_rows() -> None:
        with database.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)

    return copy_rows


def listed(
    model: type[models.Model], columns: Sequence[str], flat: list[Any], same: Mapping[str, Any]
) -> Callable[[], None]:
    """``insertion`` into SQLite of rows whose values lie one behind the other. Many rows a statement, past
    Django's cursor: it would go over each parameter once more."""
    insert_into = f"INSERT INTO {into(model, (*same, *columns))}"
    shared, width = tuple(same.values()), len(columns)
    size = min(ROWS, (PARAMETERS - len(shared)) // width)
    step = size * width
    end = len(flat) - len(flat) % step
    groups = [[*shared, *flat[at : at + step]] for at in range(0, end, step)]
    last = [*shared, *flat[end:]] if end < len(flat) else []

    def insert_rows() -> None:
        with database.cursor() as cursor:
            raw = cursor.connection
            if groups:
                raw.executemany(f"{insert_into} {_values(len(shared), width, size)}", groups)
            if last:
                rest = (len(flat) - end) // width
                raw.execute(f"{insert_into} {_values(len(shared), width, rest)}", last)

    return insert_rows


@cache
def _values(shared: int, width: int, rows: int) -> str:
    """The first parameters in each of so many rows, and then each row's own."""
    first = "".join(f"?{at}, " for at in range(1, shared + 1))
    own = (
        ", ".join(f"?{at}" for at in range(start, start + width))
        for start in range(shared + 1, shared + 1 + rows * width, width)
    )
    return "VALUES " + ", ".join(f"({first}{row})" for row in own)


def delete(model: type[models.Model], columns: Sequence[str], keys: Sequence[Values]) -> None:
    """Delete the rows whose ``columns`` are any of ``keys``."""
    where = " AND ".join(f'"{name}" = %s' for name in columns)
    if keys:
        with database.cursor() as cursor:
            cursor.executemany(f"DELETE FROM {table_of(model)} WHERE {where}", keys)  # noqa: S608  # names of our own models


def select(model: type[models.Model], columns: Sequence[str], **equal: Any) -> list[Values]:
    """The rows whose columns equal ``equal`` (a tuple: any of them), as plain tuples."""
    names = ", ".join(f'"{name}"' for name in columns)
    conditions: list[str] = []
    values: list[Any] = []
    for name, value in equal.items():
        several = value if isinstance(value, tuple) else (value,)
        conditions.append(f'"{name}" IN ({marks(several)})')
        values += several
    with database.cursor() as cursor:
        cursor.execute(
            f"SELECT {names} FROM {table_of(model)} WHERE {' AND '.join(conditions)}",  # noqa: S608  # names of our own models
            values,
        )
        return list(cursor.fetchall())
