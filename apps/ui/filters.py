"""What a list can be narrowed by. Each filter lives in the address, under its key."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import connections
from django.db.models import Q, QuerySet
from django.db.models.sql.datastructures import BaseTable
from django.http import QueryDict
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.ui.plain import Narrowing
from apps.ui.prepared import Values, number_of

if TYPE_CHECKING:
    from apps.ui.listing import ListPage

Words = str | Promise

ANY, SEARCH = _("Any"), _("Search")
Option = tuple[str, Words]
Options = Sequence[Option] | Callable[["ListPage[Any]"], Sequence[Option]]


@dataclass(frozen=True, slots=True)
class Hits:
    """A condition on other tables, in the two forms that it can be asked in.

    ``ids`` gives the primary keys of the rows it holds for, read from the other table; ``walk`` asks
    the same of one row. Few hits are looked up one by one; where there are more than the count's cap,
    nearly every row is one, and walking the list in its order finds a page of them sooner.
    ``number`` counts the ids, no further than the cap it is given (by default by reading them).
    ``own`` says that they are ids of the list's own organization alone, so that their number is the
    number of rows. ``repeats``: as many times an id may stand among them, at most, where that is known.

    ``values`` is what both forms are called with, by name. Where they depend on nothing else (not the
    time, not the reader) and are functions that are there for good, ``steady`` says so, and the list
    has its SQL written once (``prepared.py``).
    """

    ids: Callable[..., Any]
    walk: Callable[..., Any]
    values: dict[str, Values] = field(default_factory=dict)
    number: Callable[[int], int] | None = None
    own: bool = False
    repeats: int = 0
    steady: bool = False

    def count(self, cap: int) -> int:
        """How many different ids there are, at most one more than ``cap``. At most two short queries."""
        if self.number is not None:
            return self.number(cap)
        ids = self.ids(**self.values)
        # So many that there must be enough different ones: telling ids apart takes much longer.
        plenty = cap * self.repeats
        if plenty and number_of(ids[: plenty + 1]) > plenty:
            return cap + 1
        return number_of(ids.distinct()[: cap + 1])

    def form(self, number: int, cap: int) -> Narrowing:
        """The form that suits their ``number``, called with rows and ``values``; the same each time."""
        form, function = (_walked, self.walk) if number > cap else (_looked_up, self.ids)
        return form(function) if self.steady else form.__wrapped__(function)

    def narrow(self, rows: QuerySet[Any], number: int, cap: int) -> QuerySet[Any]:
        """Those of ``rows`` that it holds for, asked in the form that suits their ``number``."""
        return self.form(number, cap)(rows, **self.values)


@lru_cache(maxsize=256)
def _walked(walk: Callable[..., Any]) -> Narrowing:
    return lambda rows, **values: rows.filter(walk(**values))


@lru_cache(maxsize=256)
def _looked_up(ids: Callable[..., Any]) -> Narrowing:
    return lambda rows, **values: by_primary_key(rows).filter(pk__in=ids(**values))


class _ByPrimaryKey(BaseTable):
    """A table that SQLite reads by primary key alone."""

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Write ``table NOT INDEXED``: primary keys may still be used."""
        sql, params = super().as_sql(compiler, connection)
        return f"{sql} NOT INDEXED", params


def by_primary_key(rows: QuerySet[Any]) -> QuerySet[Any]:
    """``rows``, for a condition on few primary keys.

    Without statistics of its own SQLite takes an organization to have ten rows and would look at each
    of its 100,000 for being among the few.
    """
    if connections[rows.db].vendor != "sqlite":
        return rows
    rows = rows.all()
    alias = rows.query.get_initial_alias()
    assert alias is not None  # noqa: S101 - a query of a model has one
    rows.query.alias_map[alias] = _ByPrimaryKey(rows.model._meta.db_table, alias)
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter(ABC):
    """The common part of filters; ``template`` draws its control."""

    key: str
    label: Words
    template: ClassVar[str] = ""

    @abstractmethod
    def value(self, params: QueryDict, page: "ListPage[Any]") -> Any:
        """What the address asks for; None for nothing (or for what cannot be)."""

    @abstractmethod
    def condition(self, value: Any, page: "ListPage[Any]") -> Any:
        """Something that ``filter()`` takes, or ``Hits``."""

    def params(self, value: Any) -> dict[str, str]:
        """How the value stands in an address."""
        return {self.key: str(value)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceFilter(Filter):
    """One of several. ``lookup`` is the field, or a function of (value, page) giving the condition.

    Without it the list's own ``conditions()`` takes the filter into account.
    """

    options: Options
    lookup: str | Callable[[str, "ListPage[Any]"], Any] | None = None
    any_label: Words = ANY
    template: ClassVar[str] = "ui/filters/choice.html"

    def choices(self, page: "ListPage[Any]") -> Sequence[Option]:
        """Value and label of each option."""
        return self.options(page) if callable(self.options) else self.options

    def value(self, params: QueryDict, page: "ListPage[Any]") -> str | None:
        """The chosen option's value."""
        given = params.get(self.key, "")
        if not given:
            return None
        return given if any(given == str(value) for value, _label in self.choices(page)) else None

    def condition(self, value: Any, page: "ListPage[Any]") -> Any:
        """Equality, or what the function says."""
        if self.lookup is None:
            return Q()
        return self.lookup(value, page) if callable(self.lookup) else Q(**{self.lookup: value})


@dataclass(frozen=True, slots=True, kw_only=True)
class BooleanFilter(Filter):
    """On or off. ``when`` is the condition while it is on."""

    when: Q | Callable[["ListPage[Any]"], Any]
    template: ClassVar[str] = "ui/filters/boolean.html"

    def value(self, params: QueryDict, page: "ListPage[Any]") -> bool | None:
        """True while it is on."""
        return True if params.get(self.key) == "1" else None

    def condition(self, value: Any, page: "ListPage[Any]") -> Any:
        """What holds while it is on."""
        return self.when(page) if callable(self.when) else self.when

    def params(self, value: Any) -> dict[str, str]:
        """On is 1."""
        return {self.key: "1"}


@dataclass(frozen=True, slots=True)
class Days:
    """A span of days in the reader's zone, both ends included, either end open."""

    first: date | None
    last: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DateRangeFilter(Filter):
    """Days from and to, under ``<key>_from`` and ``<key>_to``; ``field`` is a DateTimeField."""

    field: str
    template: ClassVar[str] = "ui/filters/dates.html"

    def value(self, params: QueryDict, page: "ListPage[Any]") -> Days | None:
        """The span, if either end is a date."""
        first = _day(params.get(f"{self.key}_from", ""))
        last = _day(params.get(f"{self.key}_to", ""))
        return Days(first, last) if first or last else None

    def condition(self, value: Any, page: "ListPage[Any]") -> Any:
        """From the first midnight to the midnight after the last day, as the reader's clock has it."""
        condition = Q()
        if value.first:
            condition &= Q(**{f"{self.field}__gte": _midnight(value.first)})
        if value.last:
            condition &= Q(**{f"{self.field}__lt": _midnight(value.last + timedelta(days=1))})
        return condition

    def params(self, value: Any) -> dict[str, str]:
        """Both ends that are set."""
        ends = {f"{self.key}_from": value.first, f"{self.key}_to": value.last}
        return {key: day.isoformat() for key, day in ends.items() if day}


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFilter(Filter):
    """Text that a row contains, any case. ``fields`` are looked through, or ``lookup`` does it."""

    key: str = "q"
    label: Words = SEARCH
    fields: Sequence[str] = ()
    lookup: Callable[[str, "ListPage[Any]"], Any] | None = None
    placeholder: Words = SEARCH
    template: ClassVar[str] = "ui/filters/search.html"

    def value(self, params: QueryDict, page: "ListPage[Any]") -> str | None:
        """The text without blanks around it, cut at 200 characters."""
        return params.get(self.key, "").replace("\x00", "").strip()[:200] or None

    def condition(self, value: Any, page: "ListPage[Any]") -> Any:
        """Any of the fields contains it, or what the function says."""
        if self.lookup:
            return self.lookup(value, page)
        condition = Q()
        for name in self.fields:
            condition |= Q(**{f"{name}__icontains": value})
        return condition
