"""Writing many rows at once, by the fastest way that each database has. Inside the caller's transaction."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection as database
from django.db import models

Values = tuple[Any, ...]


def table_of(model: type[models.Model]) -> str:
    """The model's table, quoted."""
    return f'"{model._meta.db_table}"'


def insert(model: type[models.Model], columns: Sequence[str], rows: Iterable[Values]) -> None:
    """Insert rows that are not there. IntegrityError for one that is."""
    names = ", ".join(f'"{name}"' for name in columns)
    with database.cursor() as cursor:
        if database.vendor == "postgresql":
            with cursor.copy(f"COPY {table_of(model)} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        marks = ", ".join(["?"] * len(columns))
        # Past Django's cursor: it would go over each parameter once more.
        cursor.connection.executemany(
            f"INSERT INTO {table_of(model)} ({names}) VALUES ({marks})",  # noqa: S608  # names of our own models
            rows,
        )


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
        conditions.append(f'"{name}" IN ({", ".join(["%s"] * len(several))})')
        values += several
    with database.cursor() as cursor:
        cursor.execute(
            f"SELECT {names} FROM {table_of(model)} WHERE {' AND '.join(conditions)}",  # noqa: S608  # names of our own models
            values,
        )
        return list(cursor.fetchall())
