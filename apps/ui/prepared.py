"""Queries whose SQL Django writes once; from one call to the next only their values differ.

Building a small queryset and writing its SQL takes Django several times as long as the database takes
to answer, and that was half of a list's time. For what every page asks; anything else is better off
as a plain queryset.

PostgreSQL is told the values apart from the SQL, a list as one array: psycopg then has a statement that
comes again planned once, where Django writes the values into it, so that none ever comes again.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any, Generic, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model, QuerySet
from django.db.models.base import ModelState
from django.db.models.query import ModelIterable, get_related_populators

Result = TypeVar("Result")
Values = Sequence[int] | Sequence[str]
# What becomes one parameter of a statement, given all values.
Pick = Callable[[Sequence[Any]], Any]
Places = list[tuple[int, Pick]]


class Prepared(Generic[Result]):
    """``things = Prepared(lambda ids: Thing.objects.filter(pk__in=ids))``, asked ``things(ids=[…])``.

    Gives what that queryset gives: its model's objects with annotations and ``select_related``, or
    tuples where it ends in ``values_list()``. Values are lists for ``__in``, of
    whole numbers or of texts; where one is empty there are no rows. A text may be looked for within others
    too (``__contains``). Nothing else may differ between calls: not the time, not the reader's language.
    """

    def __init__(self, build: "Callable[..., QuerySet[Any, Result]]") -> None:
        self._build = build
        # Of all threads: what a written query keeps of the connection that it was written on is how to
        # read a column, which is the same on each. Two who write one at the same moment write it twice.
        self._known: dict[str, _Written] = {}

    def __call__(self, **values: Values) -> list[Result]:
        """The rows for these values. One query."""
        if not all(values.values()):
            return []
        written, flat = self._ready(values)
        return written.rows(flat)

    def count(self, **values: Values) -> int:
        """How many rows there are for these values. One query."""
        if not all(values.values()):
            return 0
        written, flat = self._ready(values)
        return written.count(flat)

    def _ready(self, values: dict[str, Values]) -> "tuple[_Written, list[Any]]":
        lists = {name: _filled_up(several) for name, several in values.items()}
        known = self._known
        shape = "".join([f"{name}:{len(several)};" for name, several in lists.items()])
        if shape not in known:
            known[shape] = _written(self._build, lists)
        return known[shape], list(chain.from_iterable(lists.values()))


def read(queryset: QuerySet[Any, Result]) -> list[Result]:
    """What ``list(queryset)`` gives, for a query that comes in many forms: written anew, but its rows become
    objects as quickly as those of a ``Prepared``. One query."""
    if not _is_simple(queryset):
        return list(queryset)
    try:
        return _Written(queryset, {}).rows([])
    except EmptyResultSet:
        return []


def number_of(queryset: QuerySet[Any, Any]) -> int:
    """What ``queryset.count()`` gives, in half the time where the queryset is sliced. One query."""
    database = _database()
    try:
        sql, params = queryset.query.get_compiler(connection=database).as_sql()
    except EmptyResultSet:
        return 0
    with database.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM ({sql}) counted", params)  # noqa: S608 - Django's own SQL; the values are bound
        return int(cursor.fetchone()[0])


def _is_simple(queryset: QuerySet[Any, Any]) -> bool:
    """Whether its objects are made of its rows and of nothing else."""
    made = queryset.model.from_db.__func__ is Model.from_db.__func__  # type: ignore[attr-defined]  # a class method's
    more = queryset._prefetch_related_lookups or queryset._known_related_objects  # type: ignore[attr-defined]  # not in the types
    return made and not more and queryset._iterable_class is ModelIterable


def _filled_up(values: Values) -> list[Any]:
    """The last repeated until there is a power of two of them: so few different queries are written."""
    missing = (1 << (len(values) - 1).bit_length()) - len(values)
    return [*values, *[values[-1]] * missing]


def _written(build: "Callable[..., QuerySet[Any, Any]]", lists: dict[str, list[Any]]) -> "_Written":
    places: dict[Any, int] = {}
    stand_ins: dict[str, list[Any]] = {}
    for name, several in lists.items():
        stand_ins[name] = [_stand_in(one, len(places) + n) for n, one in enumerate(several)]
        places |= {one: len(places) + n for n, one in enumerate(stand_ins[name])}
    return _Written(build(**stand_ins), places)


class _Written:
    """A query's SQL, and which of its parameters are whose place: ``places`` has those of stand-ins."""

    def __init__(self, queryset: QuerySet[Any, Any], places: dict[Any, int]) -> None:
        database = _database()
        compiler = queryset.query.get_compiler(connection=database)
        sql, params = compiler.as_sql()
        if database.vendor == "postgresql":
            self._sql, self._places = _bound(sql, params, places, database)
            self._params: list[Any] = [None] * len(self._places)
        else:
            self._sql, self._params = sql, list(params)
            self._places = [
                (n, pick)
                for n, one in enumerate(params)
                if places and (pick := _pick_for(one, places)) is not None
            ]
        self._compiler = compiler
        self._converters = {
            at: ([_quick(one, database) for one in converters], column)
            for at, (converters, column) in compiler.get_converters(
                [chosen[0] for chosen in compiler.select]
            ).items()
        }
        self._model: type[Model] | None = None if queryset._fields else queryset.model  # type: ignore[attr-defined]  # not in the types
        self._attributes = [
            compiler.select[n][0].target.attname for n in compiler.klass_info["select_fields"]
        ] + list(compiler.annotation_col_map)
        self._related = get_related_populators(  # type: ignore[call-arg]  # the types are of a later Django
            compiler.klass_info, compiler.select, database.alias
        )

    def rows(self, values: list[Any]) -> list[Any]:
        """What the database has for ``values``, which stand in the order of their places."""
        found: Iterable[Any] = self._fetched(self._sql, values)
        if self._converters:
            found = self._compiler.apply_converters(found, self._converters)
        if self._model is None:
            return list(map(tuple, found))
        alias = _database().alias
        return [self._object(self._model, row, alias) for row in found]

    def count(self, values: list[Any]) -> int:
        """How many rows it has for them."""
        return int(self._fetched(f"SELECT COUNT(*) FROM ({self._sql}) counted", values)[0][0])  # noqa: S608 - Django's own SQL; the values are bound

    def _fetched(self, sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
        params = self._params.copy()
        for n, pick in self._places:
            params[n] = pick(values)
        with _cursor() as cursor:
            cursor.execute(sql, params)
            found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

    def _object(self, model: type[Model], row: Sequence[Any], alias: str) -> Model:
        # As Model.from_db makes it, without looking at each of the model's fields for each row.
        made = model.__new__(model)
        made.__dict__.update(zip(self._attributes, row, strict=False))
        made._state = state = ModelState()
        state.adding, state.db = False, alias
        for related in self._related:
            related.populate(row, made)
        return made


def _pick_for(param: Any, places: dict[Any, int]) -> Pick | None:
    """What gives the value that a parameter stands for; None where it is no stand-in."""
    if param in places:
        return itemgetter(places[param])
    # Looked for within texts: Django puts it between two signs for anything.
    if not isinstance(param, str) or param[1:-1] not in places:
        return None
    place = places[param[1:-1]]

    def pattern(values: Sequence[Any]) -> str:
        return f"%{_database().ops.prep_for_like_query(values[place])}%"

    return pattern


def _array(start: int, end: int) -> Pick:
    """Gives values as an array in PostgreSQL's own words: psycopg looks at each of them several times."""

    def words(values: Sequence[Any]) -> str:
        several = values[start:end]
        if isinstance(several[0], int):
            return f"{{{','.join(map(str, several))}}}"
        quoted = [one.replace("\\", "\\\\").replace('"', '\\"') for one in several]
        return '{"' + '","'.join(quoted) + '"}'

    return words


def _stand_in(value: int | str, number: int) -> int | str:
    """What no query says by itself, so that it is found again among the parameters."""
    return -(1 << 30) - number if isinstance(value, int) else f"\x00{number}"


def _database() -> BaseDatabaseWrapper:
    """This thread's connection, for several looks at it: ``django.db.connection`` finds it anew for each."""
    return connections[DEFAULT_DB_ALIAS]


def _cursor() -> Any:
    """One that sends values apart from the SQL, on PostgreSQL too, where Django's own does not."""
    database = _database()
    if database.vendor != "postgresql":
        return database.cursor()
    database.ensure_connection()
    with database.wrap_database_errors:
        return database._prepare_cursor(_bound_cursor()(database.connection))  # type: ignore[attr-defined]  # as its cursor() does


@cache
def _bound_cursor() -> Any:
    import psycopg  # not installed everywhere
    from psycopg.pq import Format

    # Times by psycopg's own loader. Django's does the same in Python, for connections that are not in UTC.
    at = psycopg.adapters.types["timestamptz"].oid
    times = psycopg.adapters.get_loader(at, Format.TEXT)

    class Bound(psycopg.Cursor[Any]):
        """Knows what it has asked of a statement that was planned before too: logs of queries want it."""

        def __init__(self, connection: "psycopg.Connection[Any]") -> None:
            super().__init__(connection)
            if times is not None:
                self.adapters.register_loader(at, times)

        def _send_query_prepared(self, name: bytes, pgq: Any, **kwargs: Any) -> None:
            self._query = pgq
            super()._send_query_prepared(name, pgq, **kwargs)

    return Bound


def _quick(converter: Any, database: BaseDatabaseWrapper) -> Any:
    """The same converter, or a quicker one: SQLite's times are half of what reading a row takes."""
    known = getattr(database.ops, "convert_datetimefield_value", None)
    if converter != known or database.timezone is not UTC:
        return converter

    def in_utc(value: Any, expression: Any, database: BaseDatabaseWrapper) -> Any:
        if value is None:
            return None
        if type(value) is datetime and value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return converter(value, expression, database)  # what was computed comes as text

    return in_utc


LISTS = re.compile(r"(IN \(%s(?:, %s)*\)|%%|%s)")


def _bound(
    sql: str, params: Sequence[Any], places: dict[Any, int], database: BaseDatabaseWrapper
) -> tuple[str, Places]:
    """The statement with nothing left to bind but the values: what never differs is written into it.

    A list of several is one array, so that it is the same statement whatever their number.
    """
    from psycopg.sql import Literal

    bound: Places = []
    given = iter(params)

    def place(param: Any) -> str:
        pick = _pick_for(param, places)
        if pick is None:
            return Literal(param).as_string(database.connection).replace("%", "%%")
        bound.append((len(bound), pick))
        return "%s"

    def written(part: str) -> str:
        if part == "%s":
            return place(next(given))
        if not part.startswith("IN (%s"):
            return part
        several = [next(given) for _ in range(part.count("%s"))]
        at = [places.get(one) for one in several]
        first = at[0]
        if first is None or len(at) == 1 or at != list(range(first, first + len(at))):
            return f"IN ({', '.join(map(place, several))})"
        bound.append((len(bound), _array(first, first + len(at))))
        return "= ANY(%s)"

    return "".join([written(part) for part in LISTS.split(sql)]), bound
