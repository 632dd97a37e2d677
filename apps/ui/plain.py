"""Pages of a list by SQL that is written once: of all its rows, or narrowed in ways that never differ but in
their values. What most readers look at."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet

from apps.ui.keyset import Cursor, Order, Slice, page_by, page_of
from apps.ui.prepared import Prepared, Values

Row = TypeVar("Row", bound=Model)
# Some of the rows it is given, by values it is given by name; a function that is there for good.
Narrowing = Callable[..., QuerySet[Any]]


class PlainRows(Generic[Row]):
    """All rows that an organization has: ``PlainRows(lambda organizations: …)``, by their ids."""

    def __init__(self, rows_of: "Callable[[Sequence[int]], QuerySet[Row]]") -> None:
        self.rows_of = rows_of

    def of(self, organization: int) -> "QuerySet[Row]":
        """As a queryset, for whoever narrows it."""
        return self.rows_of([organization])


class Plain(Generic[Row]):
    """They in one order, ``size`` on a page, counted no further than ``cap``, after each of ``narrowings``.

    Whoever asks for rows gives the values of each narrowing, in their order.
    """

    def __init__(
        self,
        rows: PlainRows[Row],
        order: Order,
        size: int,
        cap: int,
        narrowings: tuple[Narrowing, ...] = (),
    ) -> None:
        self._rows, self._order, self._size, self._narrowings = rows, order, size, narrowings
        self._model = rows.rows_of([]).model
        self._count = Prepared(
            lambda **values: self._narrowed(values).order_by().values_list("pk")[: cap + 1]
        )
        self._first = Prepared(lambda **values: self._part(values, None))
        self._after = Prepared(
            lambda at, pks, **values: self._part(values, Cursor(at[0], pks[0]), backward=False)
        )
        self._before = Prepared(
            lambda at, pks, **values: self._part(values, Cursor(at[0], pks[0]), backward=True)
        )

    def _narrowed(self, values: dict[str, Any]) -> "QuerySet[Row]":
        rows = self._rows.rows_of(values["organizations"])
        for number, narrow in enumerate(self._narrowings):
            own = f"{number} "
            rows = narrow(
                rows,
                **{name[len(own) :]: one for name, one in values.items() if name.startswith(own)},
            )
        return rows

    def _part(
        self, values: dict[str, Any], at: Cursor | None, *, backward: bool = False
    ) -> "QuerySet[Row]":
        (part,) = self._order.stretches(self._narrowed(values), at, backward=backward)
        part = part[: self._size + 1]
        if not self._narrowings or connection.vendor != "postgresql":
            return part
        # PostgreSQL reads every row that it passes; of those that a narrowing leaves out their place in the
        # index is enough.
        shown = self._rows.rows_of(values["organizations"]).filter(pk__in=part.values("pk"))
        return shown.order_by(*part.query.order_by)

    def page(
        self,
        organization: int,
        given: Sequence[dict[str, Values]] = (),
        *,
        after: Cursor | None,
        before: Cursor | None,
    ) -> Slice[Row]:
        """As ``keyset.page_of``."""
        order, size, values = self._order, self._size, _named(organization, given)
        if not (order.is_textual(self._model) and _is_ours(after) and _is_ours(before)):
            return page_of(self._narrowed(values), order, size, after=after, before=before)

        def read(at: Cursor | None, *, backward: bool) -> list[Row]:
            if at is None:
                return self._first(**values)
            beyond = self._before if backward else self._after
            return beyond(**values, at=[at.value], pks=[at.pk])

        after, before = order.fits(after, self._model), order.fits(before, self._model)
        return page_by(read, order, size, after=after, before=before)

    def count(self, organization: int, given: Sequence[dict[str, Values]] = ()) -> int:
        """How many there are, at most one more than the cap."""
        return self._count.count(**_named(organization, given))


def _named(organization: int, given: Sequence[dict[str, Values]]) -> dict[str, Values]:
    """All values under names of their own: two narrowings may call theirs the same."""
    named = {f"{n} {name}": one for n, own in enumerate(given) for name, one in own.items()}
    return {"organizations": [organization], **named}


def _is_ours(cursor: Cursor | None) -> bool:
    return cursor is None or (isinstance(cursor.value, str) and isinstance(cursor.pk, int))


@lru_cache(maxsize=256)
def plain(
    rows: PlainRows[Any], order: Order, size: int, cap: int, narrowings: tuple[Narrowing, ...]
) -> Plain[Any]:
    """The one ``Plain`` of each kind."""
    return Plain(rows, order, size, cap, narrowings)
