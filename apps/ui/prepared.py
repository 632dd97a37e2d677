"""Queries whose SQL Django writes once; from one call to the next only their values differ.

Building a small queryset and writing its SQL takes Django several times as long as the database takes
to answer, and that was half of a list's time. For what every page asks; anything else is better off
as a plain queryset.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.base import ModelState
from django.db.models.query import get_related_populators

Result = TypeVar("Result")
Values = Sequence[int] | Sequence[str]


class Prepared(Generic[Result]):
    """``things = Prepared(lambda ids: Thing.objects.filter(pk__in=ids))``, asked ``things(ids=[…])``.

    Gives what that queryset gives: its model's objects with annotations and ``select_related``, or
    tuples where it ends in ``values_list()``. Values are lists for ``__in``, of
    whole numbers or of texts; where one is empty there are no rows. Nothing else may differ between
    calls: not the time, not the reader's language.
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
        shape = "".join([f"{name}{len(several)}" for name, several in lists.items()])
        if shape not in known:
            known[shape] = _Written(self._build, lists)
        return known[shape], list(chain.from_iterable(lists.values()))


def _filled_up(values: Values) -> list[Any]:
    """The last repeated until there is a power of two of them: so few different queries are written."""
    missing = (1 << (len(values) - 1).bit_length()) - len(values)
    return [*values, *[values[-1]] * missing]


class _Written:
    """The query for lists of these lengths: its SQL, and which of its parameters are whose place."""

    def __init__(
        self, build: "Callable[..., QuerySet[Any, Any]]", lists: dict[str, list[Any]]
    ) -> None:
        places: dict[Any, int] = {}
        stand_ins: dict[str, list[Any]] = {}
        for name, several in lists.items():
            stand_ins[name] = [_stand_in(one, len(places) + n) for n, one in enumerate(several)]
            places |= {one: len(places) + n for n, one in enumerate(stand_ins[name])}
        queryset = build(**stand_ins)
        compiler = queryset.query.get_compiler(connection=connection)
        self._sql, params = compiler.as_sql()
        self._params = list(params)
        self._places = [(n, places[one]) for n, one in enumerate(params) if one in places]
        self._compiler = compiler
        self._converters = compiler.get_converters([chosen[0] for chosen in compiler.select])
        self._model: type[Model] | None = None if queryset._fields else queryset.model  # type: ignore[attr-defined]  # not in the types
        self._attributes = [
            compiler.select[n][0].target.attname for n in compiler.klass_info["select_fields"]
        ] + list(compiler.annotation_col_map)
        self._related = get_related_populators(  # type: ignore[call-arg]  # the types are of a later Django
            compiler.klass_info, compiler.select, connection.alias
        )

    def rows(self, values: list[Any]) -> list[Any]:
        """What the database has for ``values``, which stand in the order of their places."""
        found: Iterable[Any] = self._fetched(self._sql, values)
        if self._converters:
            found = self._compiler.apply_converters(found, self._converters)
        if self._model is None:
            return list(map(tuple, found))
        return [self._object(self._model, row) for row in found]

    def count(self, values: list[Any]) -> int:
        """How many rows it has for them."""
        return int(self._fetched(f"SELECT COUNT(*) FROM ({self._sql}) counted", values)[0][0])  # noqa: S608 - Django's own SQL; the values are bound

    def _fetched(self, sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
        params = self._params.copy()
        for n, place in self._places:
            params[n] = values[place]
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

    def _object(self, model: type[Model], row: Sequence[Any]) -> Model:
        # As Model.from_db makes it, without looking at each of the model's fields for each row.
        made = model.__new__(model)
        made.__dict__.update(zip(self._attributes, row, strict=False))
        made._state = ModelState()
        made._state.adding, made._state.db = False, connection.alias
        for related in self._related:
            related.populate(row, made)
        return made


def _stand_in(value: int | str, number: int) -> int | str:
    """What no query says by itself, so that it is found again among the parameters."""
    return -(1 << 30) - number if isinstance(value, int) else f"\x00{number}"
