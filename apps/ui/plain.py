"""Pages of a list that nobody has filtered: what most readers look at, by SQL that is written once."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar

from django.db.models import Model, QuerySet

from apps.ui.keyset import Cursor, Order, Slice, page_by, page_of
from apps.ui.prepared import Prepared

Row = TypeVar("Row", bound=Model)


class PlainRows(Generic[Row]):
    """All rows that an organization has: ``PlainRows(lambda organizations: …)``, by their ids."""

    def __init__(self, rows_of: "Callable[[Sequence[int]], QuerySet[Row]]") -> None:
        self.rows_of = rows_of

    def of(self, organization: int) -> "QuerySet[Row]":
        """As a queryset, for whoever narrows it."""
        return self.rows_of([organization])


class Plain(Generic[Row]):
    """They in one order, ``size`` on a page, counted no further than ``cap``."""

    def __init__(self, rows: PlainRows[Row], order: Order, size: int, cap: int) -> None:
        self._rows, self._order, self._size = rows, order, size
        self._model = rows.rows_of([]).model
        self._count = Prepared(
            lambda organizations: (
                rows.rows_of(organizations).order_by().values_list("pk")[: cap + 1]
            )
        )
        self._first = Prepared(lambda organizations: self._part(organizations, None))
        self._after = Prepared(
            lambda organizations, values, pks: self._part(
                organizations, Cursor(values[0], pks[0]), backward=False
            )
        )
        self._before = Prepared(
            lambda organizations, values, pks: self._part(
                organizations, Cursor(values[0], pks[0]), backward=True
            )
        )

    def _part(
        self, organizations: Sequence[int], at: Cursor | None, *, backward: bool = False
    ) -> "QuerySet[Row]":
        rows = self._rows.rows_of(organizations)
        (part,) = self._order.stretches(rows, at, backward=backward)
        return part[: self._size + 1]

    def page(self, organization: int, *, after: Cursor | None, before: Cursor | None) -> Slice[Row]:
        """As ``keyset.page_of``."""
        order, size = self._order, self._size
        if not (order.is_textual(self._model) and _is_ours(after) and _is_ours(before)):
            return page_of(self._rows.of(organization), order, size, after=after, before=before)

        def read(at: Cursor | None, *, backward: bool) -> list[Row]:
            if at is None:
                return self._first(organizations=[organization])
            beyond = self._before if backward else self._after
            return beyond(organizations=[organization], values=[at.value], pks=[at.pk])

        after, before = order.fits(after, self._model), order.fits(before, self._model)
        return page_by(read, order, size, after=after, before=before)

    def count(self, organization: int) -> int:
        """How many there are, at most one more than the cap."""
        return self._count.count(organizations=[organization])


def _is_ours(cursor: Cursor | None) -> bool:
    return cursor is None or (isinstance(cursor.value, str) and isinstance(cursor.pk, int))


@lru_cache(maxsize=256)
def plain(rows: PlainRows[Any], order: Order, size: int, cap: int) -> Plain[Any]:
    """The one ``Plain`` of each kind."""
    return Plain(rows, order, size, cap)
