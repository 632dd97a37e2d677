"""Writing many mirror rows at once: one statement that inserts, or updates what really differs.

The rows come to it as a table of their own: on SQLite a list of VALUES (one row a statement takes half
as long again), on PostgreSQL a temporary table filled by COPY. The parent row is looked up by its
unique key inside the statement, so no id travels through Python. Table and column names come from the
models alone, never from data.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, cast

import msgspec
from django.db import connection as database
from django.db import models

from apps.sync.mirrors import Mirror, Parent

STANDARD = ("remote_id", "raw", "fingerprint")  # then the mirror's own columns
PARENT_KEY = "parent_key"  # last, where the mirror has a parent

# A statement of SQLite: fifty rows, unless they have more parameters than every SQLite takes.
ROWS = 50
PARAMETERS = 999

# What COPY takes for its own, and how it is written instead, after a backslash.
ESCAPED = {"\\": "\\", "\t": "t", "\n": "n", "\r": "r"}
SPECIAL = re.compile(r"[\\\t\n\r]")
# As one text; what the sequence is called is asked once, not for each of them.
NEXT_IDS = """
    SELECT string_agg(nextval((SELECT pg_get_serial_sequence(%s, 'id')::regclass))::text, ' ')
    FROM generate_series(1, %s)
"""

COPIED = 1000  # rows spelled at a time: the server puts them in while the next are spelled

Values = Sequence[Any]
Fields = Mapping[str, "models.Field[Any, Any]"]


class Upsert:
    """The statements of one mirror, for one connection.

    Rows and parents should come sorted by id and key. Sorted rows touch few pages of an index, and
    every page touched is written once more for each transaction, which is most of what a first walk
    costs; and two walks that share parents would else wait for each other on PostgreSQL.
    """

    def __init__(self, mirror: Mirror, connection_id: int, organization_id: int) -> None:
        self.mirror = mirror
        self.connection_id = connection_id
        self.organization_id = organization_id
        self.columns = (*STANDARD, *mirror.columns)
        self.defaults = _defaults(mirror)
        self._rows = self._insert_rows()
        self._parents = self._insert_parents(mirror.parent) if mirror.parent else None
        # Of parents that ``add_parents`` has seen to, by key; as texts, which COPY takes as they are.
        self._ids: dict[str, str] = {}
        # All that ``add_parents`` has brought, where there were none before: nobody else is looked up then.
        self._all: dict[str, str] | None = None
        self._asked = False  # whether there were any

    def write_rows(self, rows: list[Values], now: datetime) -> None:
        """Insert or update ``rows``, no id twice among them; a transaction is open.

        Each has its ``columns``, then its parent's key where the mirror has a parent.
        """
        same = {"connection_id": self.connection_id, "first_seen_at": now, "changed_at": now}
        self._rows.run(rows, same | self.defaults)

    def add_rows(self, rows: list[Values], now: datetime) -> None:
        """Insert ``rows`` as ``write_rows`` does, none of which the mirror has; their parents stand.

        For PostgreSQL. IntegrityError if the mirror has one after all, or a parent is gone.
        """
        if not rows:
            return
        same = {"connection_id": self.connection_id, "first_seen_at": now, "changed_at": now}
        names, columns = [*self.columns], list(zip(*rows, strict=True))
        if parent := self.mirror.parent:
            names.append(parent.column)
            ids, keys = self._ids, columns[-1]
            ids |= self._look_up([key for key in keys if key not in ids])
            columns[-1] = tuple(map(ids.get, keys))
        _copy(self.mirror.model._meta.db_table, same | self.defaults, names, columns)

    def add_parents(self, parents: list[Values], now: datetime) -> None:
        """As ``write_parents``, for parents of which few are there; ``add_rows`` then knows their ids.

        For PostgreSQL. IntegrityError if somebody else brings one of them meanwhile.
        """
        if not (parent := self.mirror.parent) or not parents:
            return
        there = self._there(parent, [row[0] for row in parents])
        self.write_parents([row for row in parents if row[0] in there], now)
        new = [row for row in parents if row[0] not in there]
        if new:
            table = parent.model._meta.db_table
            with database.cursor() as cursor:
                cursor.execute(NEXT_IDS, [table, len(new)])
                ids = cursor.fetchone()[0].split()
            columns = [ids, *zip(*new, strict=True)]
            names = ["id", parent.key_column, *parent.fill, *parent.earliest]
            same = {"organization_id": self.organization_id, "created_at": now}
            _copy(table, same, names, columns)
            there |= zip(columns[1], ids, strict=True)
        self._ids |= there
        if self._all is not None:
            self._all |= there

    def _there(self, parent: Parent, keys: list[str]) -> dict[str, str]:
        """The ids of the parents that are there, by key; on a first walk known without asking."""
        if not self._asked:
            self._asked = True
            held = parent.model._default_manager.filter(organization_id=self.organization_id)
            self._all = None if held.exists() else {}
        if self._all is None:
            return self._look_up(keys)
        return {key: self._all[key] for key in keys if key in self._all}

    def forget_parents(self) -> None:
        """What ``add_parents`` knows holds as long as its rows are being written, and no longer."""
        self._ids.clear()

    def doubt_parents(self) -> None:
        """A transaction was taken back, or others bring parents too: nothing is known without asking."""
        self._ids.clear()
        self._all = None

    def _look_up(self, keys: list[str]) -> dict[str, str]:
        """The ids of the parents that are there, by key."""
        parent = self.mirror.parent
        if not parent or not keys:
            return {}
        table, key = parent.model._meta.db_table, parent.key_column
        with database.cursor() as cursor:
            cursor.execute(
                f"SELECT {key}, id::text FROM {table} WHERE organization_id = %s AND {key} = ANY(%s)",  # noqa: S608  # names from the model
                [self.organization_id, keys],
            )
            return dict(cursor.fetchall())

    def write_parents(self, parents: list[Values], now: datetime) -> None:
        """Insert parents, or tell them what they did not know; no key twice. A transaction is open."""
        if self._parents:
            same = {"organization_id": self.organization_id, "created_at": now}
            self._parents.run(parents, same)

    def _insert_rows(self) -> "_Insert":
        model, parent = self.mirror.model, self.mirror.parent
        fields = {name: _field(model, name) for name in self.columns}
        looked_up, updated = {}, ["changed_at", *self.columns[1:]]
        if parent:
            fields[PARENT_KEY] = _field(parent.model, parent.key_column)
            updated.append(parent.column)
            looked_up[parent.column] = (
                f"(SELECT id FROM {parent.model._meta.db_table}"  # noqa: S608  # names from the model
                f" WHERE organization_id = {int(self.organization_id)}"
                f' AND {parent.key_column} = incoming."{PARENT_KEY}")'
            )
        table = model._meta.db_table
        update = ", ".join(f'"{name}" = excluded."{name}"' for name in updated)
        conflict = (
            f'ON CONFLICT ("connection_id", "remote_id") DO UPDATE SET "gone_at" = NULL, {update}'
            f' WHERE {table}."fingerprint" <> excluded."fingerprint"'
            f' OR {table}."gone_at" IS NOT NULL'
        )
        return _Insert(table, fields, looked_up, conflict)

    def _insert_parents(self, parent: Parent) -> "_Insert":
        columns = (parent.key_column, *parent.fill, *parent.earliest)
        fields = {name: _field(parent.model, name) for name in columns}
        return _Insert(parent.model._meta.db_table, fields, {}, _parent_conflict(parent))


class _Insert:
    """One ``INSERT … SELECT … FROM incoming ON CONFLICT …`` into ``table``.

    ``fields`` are the columns of ``incoming``, by name and kind; all but PARENT_KEY are columns of
    ``table`` too. ``looked_up`` are further ones of ``table``, each with the subquery that finds it.
    """

    def __init__(
        self, table: str, fields: Fields, looked_up: Mapping[str, str], conflict: str
    ) -> None:
        self.table = table
        self.source = f"incoming_{table}"
        self.fields = fields
        self.looked_up = looked_up
        self.conflict = conflict
        self.moments = [
            at
            for at, field in enumerate(fields.values())
            if isinstance(field, models.DateTimeField)
        ]

    def run(self, rows: list[Values], same: Mapping[str, Any]) -> None:
        """Write ``rows``, each with the columns in ``same`` besides its own."""
        if not rows:
            return
        insert = self._insert(tuple(same))
        if database.vendor == "postgresql":
            self._copied(insert, rows, list(same.values()))
        else:
            self._listed(insert, rows, [_as_text(value) for value in same.values()])

    def _insert(self, same: tuple[str, ...]) -> str:
        own = [name for name in self.fields if name != PARENT_KEY]
        into = ", ".join(f'"{name}"' for name in (*same, *own, *self.looked_up))
        source = [*["%s"] * len(same), *(f'incoming."{name}"' for name in own)]
        values = ", ".join([*source, *self.looked_up.values()])
        return (
            f"INSERT INTO {self.table} ({into}) SELECT {values} FROM {self.source} AS incoming"  # noqa: S608  # names from the model
            f" WHERE true {self.conflict}"
        )

    def _copied(self, insert: str, rows: list[Values], same: Values) -> None:
        columns = ", ".join(
            f'"{name}" {field.db_type(database)}' for name, field in self.fields.items()
        )
        with database.cursor() as cursor:
            cursor.execute(f"CREATE TEMPORARY TABLE {self.source} ({columns})")
            _copy(self.source, {}, list(self.fields), list(zip(*rows, strict=True)))
            cursor.execute(f"{insert}; DROP TABLE {self.source}", same)  # in one round trip

    def _listed(self, insert: str, rows: list[Values], same: Values) -> None:
        rows = self._with_texts(rows)
        size = min(ROWS, (PARAMETERS - len(same)) // len(self.fields))
        rest = len(rows) % size
        groups = [
            [*chain.from_iterable(rows[at : at + size]), *same]
            for at in range(0, len(rows) - rest, size)
        ]
        with database.cursor() as cursor:
            if groups:
                cursor.executemany(self._values(size) + insert, groups)
            if rest:
                last = [*chain.from_iterable(rows[-rest:]), *same]
                cursor.execute(self._values(rest) + insert, last)

    def _values(self, rows: int) -> str:
        names = ", ".join(f'"{name}"' for name in self.fields)
        row = f"({', '.join(['%s'] * len(self.fields))})"
        return f"WITH {self.source} ({names}) AS (VALUES {', '.join([row] * rows)}) "

    def _with_texts(self, rows: list[Values]) -> list[Values]:
        """The same rows, their times as text."""
        if not self.moments:
            return rows
        columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
        for at in self.moments:
            columns[at] = map(_as_text, columns[at])
        return list(zip(*columns, strict=True))


def _copy(
    table: str, same: Mapping[str, Any], names: Sequence[str], columns: Sequence[Values]
) -> None:
    """PostgreSQL's COPY of rows that all have ``same``, and ``names`` from one of ``columns`` each.

    Spelled here, a column at a time: psycopg's own way takes five times as long, a fifth of a first walk.
    """
    into = ", ".join(f'"{name}"' for name in (*same, *names))
    begin = "".join([f"{_spelled(value)}\t" for value in same.values()])
    between = f"\n{begin}"
    with (
        database.cursor() as cursor,
        database.wrap_database_errors,
        cursor.copy(f"COPY {table} ({into}) FROM STDIN") as copy,
    ):
        for at in range(0, len(columns[0]), COPIED):
            spelled = [_spelled_column(column[at : at + COPIED]) for column in columns]
            lines = map("\t".join, zip(*spelled, strict=True))
            copy.write(f"{begin}{between.join(lines)}\n")


def _spelled_column(values: Values) -> Sequence[str]:
    kinds = set(map(type, values))
    if kinds == {str}:
        text = "".join(values)
        if not any(special in text for special in ESCAPED):  # quicker than a pattern
            return values
    if kinds == {datetime}:  # a tenth of what ``str`` takes for one after the other
        return msgspec.json.encode(values).decode()[2:-2].split('","')
    return list(map(str if kinds == {int} else _spelled, values))


def _spelled(value: Any) -> str:
    """A value as COPY reads it."""
    if value is None:
        return "\\N"
    if isinstance(value, int | datetime):
        return str(value)
    if not isinstance(value, str):
        from psycopg.adapt import PyFormat, Transformer  # not installed everywhere

        dumper = Transformer(database.connection).get_dumper(value, PyFormat.TEXT)
        value = bytes(dumper.dump(value) or b"").decode()
    return SPECIAL.sub(lambda found: f"\\{ESCAPED[found[0]]}", value)


def _as_text(value: Any) -> Any:
    """A time as SQLite stores it the way Django reads it: UTC, without its zone; the rest as it is."""
    return value.isoformat(" ").removesuffix("+00:00") if isinstance(value, datetime) else value


def _field(model: type[models.Model], name: str) -> "models.Field[Any, Any]":
    return cast("models.Field[Any, Any]", model._meta.get_field(name))


def _defaults(mirror: Mirror) -> dict[str, Any]:
    """What columns that the provider knows nothing of begin with; an update leaves them alone."""
    given = {"connection_id", "first_seen_at", "changed_at", "gone_at", *STANDARD, *mirror.columns}
    if mirror.parent:
        given.add(mirror.parent.column)
    return {
        column.attname: column.get_db_prep_save(column.get_default(), database)
        for column in mirror.model._meta.concrete_fields
        if column.attname not in given and not column.null and not column.primary_key
    }


def _parent_conflict(parent: Parent) -> str:
    """What becomes of a parent that is there already: it learns what it did not know."""
    table = parent.model._meta.db_table
    news = {
        name: f'(excluded."{name}" <> \'\' AND excluded."{name}" <> {table}."{name}")'
        for name in parent.fill
    } | {
        name: (
            f'(excluded."{name}" IS NOT NULL AND'
            f' ({table}."{name}" IS NULL OR excluded."{name}" < {table}."{name}"))'
        )
        for name in parent.earliest
    }
    if not news:
        return "ON CONFLICT DO NOTHING"
    update = ", ".join(
        f'"{name}" = CASE WHEN {is_news} THEN excluded."{name}" ELSE {table}."{name}" END'
        for name, is_news in news.items()
    )
    return (
        f'ON CONFLICT ("organization_id", "{parent.key_column}") DO UPDATE SET {update}'
        f" WHERE {' OR '.join(news.values())}"
    )
