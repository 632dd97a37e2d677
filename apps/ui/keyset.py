"""Paging by what the last row was, not by how many rows came before it.

A page costs the same wherever it lies, and stays put while rows come and go around it. The order
always ends in the primary key, running the same way as the column before it, so that one comparison
of pairs finds the next page in an index. Rows without a value come last, whichever way the sort runs.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, TypeVar

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, CharField, F, Func, Model, Q, QuerySet, TextField
from django.db.models.expressions import OrderBy, Value
from django.db.models.sql.compiler import SQLCompiler

from apps.ui import prepared

Row = TypeVar("Row", bound=Model)
Stretches = list[QuerySet[Any]]


class PairBeyond(Func):
    """``(a, b) > (x, y)``, or ``<``: the form that an index on (a, b) answers by one seek."""

    output_field = BooleanField()

    def __init__(self, operator: str, columns: Sequence[Any], values: Sequence[Any]) -> None:
        super().__init__(*columns, *values)
        self.operator, self.width = operator, len(columns)

    def as_sql(  # type: ignore[override]  # Func's own signature takes template parts that this has no use for
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any
    ) -> tuple[str, list[Any]]:
        """Write both sides as row values (SQLite since 3.15, every PostgreSQL)."""
        parts = [compiler.compile(part) for part in self.get_source_expressions()]
        left = ", ".join(sql for sql, _params in parts[: self.width])
        right = ", ".join(sql for sql, _params in parts[self.width :])
        params = [param for _sql, given in parts for param in given]
        return f"({left}) {self.operator} ({right})", params


@dataclass(frozen=True, slots=True)
class Cursor:
    """The row that a page begins after, or ends before: its sort value and its primary key."""

    value: Any
    pk: Any

    def __str__(self) -> str:
        value = self.value
        if isinstance(value, datetime | date):
            value = {"t": value.isoformat()}
        elif isinstance(value, Decimal):
            value = {"d": str(value)}
        text = json.dumps([value, self.pk], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> "Cursor | None":
        """The cursor of an address; None for one that nobody here wrote: the list then begins anew."""
        try:
            value, pk = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            if isinstance(value, dict):
                value = datetime.fromisoformat(value["t"]) if "t" in value else Decimal(value["d"])
        except (ValueError, TypeError, KeyError, InvalidOperation, binascii.Error):
            return None
        scalar = value is None or isinstance(value, str | int | float | datetime | Decimal)
        return cls(value, pk) if scalar and isinstance(pk, int | str) else None


@dataclass(frozen=True, slots=True)
class Order:
    """One column to sort by; ``nullable`` where it may hold no value."""

    column: str
    descending: bool = False
    nullable: bool = False

    def by(self) -> list[OrderBy]:
        """The whole ORDER BY, for whoever reads without paging."""
        if not self.nullable:
            return self._with_value(backward=False)
        return [
            OrderBy(F(self.column), descending=self.descending, nulls_last=True),
            self._pk(backward=False),
        ]

    def stretches(self, rows: QuerySet[Row], at: Cursor | None, *, backward: bool) -> Stretches:
        """The rows beyond ``at``, as one or two querysets to be read one after the other.

        Those with a value and those without are apart: each is a plain range of an index, where the
        two together would be a walk through all of it.
        """
        valued, valueless = self._halves(rows, backward=backward)
        if at is not None:
            if at.value is None and self.column != "pk":
                valueless = valueless.filter(**self._pk_beyond(at, backward=backward))
                return [valueless, valued] if backward else [valueless]
            valued = valued.filter(self._beyond(at, rows, backward=backward))
            if backward:
                return [valued]
        if not self.nullable:
            return [valued]
        return [valueless, valued] if backward else [valued, valueless]

    def _halves(
        self, rows: QuerySet[Row], *, backward: bool
    ) -> tuple[QuerySet[Row], QuerySet[Row]]:
        valued = rows.order_by(*self._with_value(backward=backward))
        if not self.nullable:
            return valued, rows.none()
        missing = Q(**{f"{self.column}__isnull": True})
        return valued.exclude(missing), rows.filter(missing).order_by(self._pk(backward=backward))

    def _with_value(self, *, backward: bool) -> list[OrderBy]:
        if self.column == "pk":
            return [self._pk(backward=backward)]
        column = OrderBy(F(self.column), descending=self.descending != backward)
        return [column, self._pk(backward=backward)]

    def _pk(self, *, backward: bool) -> OrderBy:
        return OrderBy(F("pk"), descending=self.descending != backward)

    def _pk_beyond(self, at: Cursor, *, backward: bool) -> dict[str, Any]:
        return {"pk__lt" if self.descending != backward else "pk__gt": at.pk}

    def _beyond(self, at: Cursor, rows: QuerySet[Any], *, backward: bool) -> Q:
        if self.column == "pk":
            return Q(**self._pk_beyond(at, backward=backward))
        operator = "<" if self.descending != backward else ">"
        return Q(PairBeyond(operator, [F(self.column), F("pk")], self._values(at, rows)))

    def is_textual(self, model: type[Model]) -> bool:
        """Whether the column holds texts, none of them missing."""
        field = _field(model, self.column)
        field = getattr(field, "output_field", field)  # a GeneratedField's
        return isinstance(field, CharField | TextField) and not self.nullable

    def _values(self, cursor: Cursor, rows: QuerySet[Any]) -> list[Value]:
        return [
            Value(cursor.value, output_field=_field(rows.model, self.column)),
            Value(cursor.pk, output_field=rows.model._meta.pk),
        ]

    def fits(self, cursor: Cursor | None, model: type[Model]) -> Cursor | None:
        """The cursor, if its values can stand in these columns: an address may be made up, or old."""
        if cursor is None:
            return None
        try:
            _check(model._meta.pk, cursor.pk)
            if cursor.value is not None:
                _check(_field(model, self.column), cursor.value)
        except (ValidationError, TypeError, ValueError):
            return None
        return cursor

    def cursor_of(self, row: Any) -> Cursor:
        """Where a page that ends, or begins, with ``row`` goes on."""
        if self.column == "pk":
            return Cursor(None, row.pk)
        value = row
        for part in self.column.split("__"):
            value = getattr(value, part, None)
        return Cursor(value, row.pk)


def _field(model: type[Model], column: str) -> Any:
    """The model field that ``column`` ("person__sort_name") leads to; None for an annotation."""
    field: Any = None
    for part in column.split("__"):
        try:
            field = model._meta.get_field(part)
        except FieldDoesNotExist:
            return None
        model = field.related_model or model
    return field


def _check(field: Any, value: Any) -> None:
    """Raise ValidationError, TypeError or ValueError for a value that the column could not hold."""
    if isinstance(value, str) and "\x00" in value:
        raise ValueError("a NUL in a text")
    if field is not None:
        field.run_validators(field.to_python(value))


@dataclass(frozen=True, slots=True)
class Slice(Generic[Row]):
    """One page of rows in order, and the cursors of its neighbours (None: there is none)."""

    rows: list[Row]
    previous: Cursor | None
    next: Cursor | None


def page_of(
    rows: QuerySet[Row],
    order: Order,
    size: int,
    *,
    after: Cursor | None = None,
    before: Cursor | None = None,
) -> Slice[Row]:
    """The page of ``size`` rows after, or before, a cursor; the first page without one.

    One query; a second where rows without a value begin or end within the page. A page that no longer
    exists (its rows are gone, or fewer than a page are left before it) is the first page.
    """

    def read(at: Cursor | None, *, backward: bool) -> list[Row]:
        return _read(order.stretches(rows, at, backward=backward), size + 1)

    after, before = order.fits(after, rows.model), order.fits(before, rows.model)
    return page_by(read, order, size, after=after, before=before)


def page_by(
    read: Callable[..., list[Row]],
    order: Order,
    size: int,
    *,
    after: Cursor | None = None,
    before: Cursor | None = None,
) -> Slice[Row]:
    """The same of whatever ``read(at, backward=…)`` reads: at most ``size`` + 1 rows beyond a cursor."""
    if before is not None:
        found = read(before, backward=True)
        if len(found) <= size:
            return page_by(read, order, size)
        shown = found[:size][::-1]
        return Slice(shown, order.cursor_of(shown[0]), order.cursor_of(shown[-1]))
    found = read(after, backward=False)
    if after is not None and not found:
        return page_by(read, order, size)
    shown = found[:size]
    return Slice(
        shown,
        order.cursor_of(shown[0]) if after is not None else None,
        order.cursor_of(shown[-1]) if len(found) > size else None,
    )


def _read(stretches: Stretches, most: int) -> list[Any]:
    """The first ``most`` rows, from one queryset after the other until there are enough."""
    found: list[Any] = []
    for rows in stretches:
        found += prepared.read(rows[: most - len(found)])
        if len(found) == most:
            break
    return found
