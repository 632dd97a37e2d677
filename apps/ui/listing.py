"""A list page is a declaration.

A shelf writes down what its list has: columns, filters, search, sort, bulk actions. Everything else
(paging, saved views, exports, the fragment that htmx fetches, the page without JavaScript) is here.

    class PeopleList(ListPage[Person]):
        name = "people"
        title = _("People")
        columns = [Column("name", _("Name"), sort="sort_name"), …]
        filters = [SearchFilter(fields=["email"]), ChoiceFilter(key="state", …)]
        default_sort = "name"

        def rows(self) -> QuerySet[Person]:
            return Person.objects.visible_to(self.request.user).filter(…)

    @desk_view("people.read")
    def people(request): return PeopleList.respond(request)

Who may come is the caller's business (``desk_view``); ``rows()`` says what they may see. The number
of queries does not depend on the number of rows: whatever a row shows beyond its own columns is
fetched for all rows of the page at once in ``prepare()``.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import urlencode

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.ui import export, jinja, plenty, saved
from apps.ui.filters import Filter, Hits
from apps.ui.keyset import Cursor, Order, Slice, page_of
from apps.ui.plain import Narrowing, Plain, PlainRows, plain
from apps.ui.prepared import Values, number_of
from apps.ui.rows import Rows
from apps.ui.times import Clock

Words = str | Promise
Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    ``value`` is an attribute path ("connection.name") or a function of the row; without it, ``key``.
    ``cell`` names what draws it: "text", "number", "when", a Jinja2 macro of ``ui/cells.html``, or one
    of a shelf's own as "members/cells.html:memberships"; or it is a function that gives safe HTML. It is
    called with (value, row, page). Where ``alike`` gives the same of two rows, their cells are the same and drawn once. ``sort`` is the column
    to sort by (``nullable`` if it may be NULL); it must not be reached through a to-many relation.
    ``export`` is what CSV and XLSX hold where that is not the value; ``shown`` False: exports only.
    ``moment``: times, whose zone an export's heading names; cells drawn as "when" are known to be.
    ``buttons``: no value but what can be done, so that the label is only read out, and exports have no such column.
    """

    key: str
    label: Words
    value: str | Callable[[Any], Any] | None = None
    cell: str | Callable[[Any, Any, Any], str] = "text"
    alike: Callable[[Any], Hashable] | None = None
    sort: str | None = None
    nullable: bool = False
    numeric: bool = False
    moment: bool = False
    shown: bool = True
    buttons: bool = False
    export: str | Callable[[Any], Any] | None = None
    css: str = ""

    @property
    def read(self) -> Callable[[Any], Any]:
        """Gives a row's value in this column."""
        return _reader(self.value or self.key)

    @property
    def draw(self) -> Callable[[Any, Any, Any], str]:
        """Draws a cell, called with (value, row, page); gives safe HTML."""
        return self.cell if callable(self.cell) else jinja.cell(self.cell)

    @property
    def read_for_export(self) -> Callable[[Any], Any]:
        """Gives what CSV and XLSX say of a row in this column."""
        return _reader(self.export or self.value or self.key)


@cache
def _reader(path: str | Callable[[Any], Any]) -> Callable[[Any], Any]:
    if callable(path):
        return path
    first, *others = path.split(".")

    def read(row: Any) -> Any:
        value = getattr(row, first, None)
        for part in others:
            value = getattr(value, part, None)
        return value

    return read


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkAction:
    """Something to do with chosen rows. ``action`` is the policy's; ``url_name`` gets the POST.

    The view there reads what was chosen with ``SomeList.chosen(request)`` and shows what will happen
    before anything does.
    """

    name: str
    label: Words
    icon: str
    action: str
    url_name: str
    danger: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """What stands in place of the rows while there are none."""

    icon: str
    title: Words
    text: Words = ""
    url: str = ""
    label: Words = ""


@dataclass(frozen=True, slots=True)
class Chosen(Generic[Row]):
    """What was chosen for a bulk action: rows by id, or all that match the list's filters.

    ``fields`` are the hidden inputs that say the same again on the page that asks to confirm.
    """

    rows: QuerySet[Row]
    every_match: bool
    fields: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Heading:
    """A column's head as one page shows it."""

    label: Words
    url: str  # "" where the column cannot be sorted
    direction: str  # "ascending", "descending", or ""
    numeric: bool
    css: str
    unseen: bool  # read out only


class ListPage(Generic[Row]):
    """One list for one request. Subclasses declare; see the module's docstring."""

    name: ClassVar[str]
    title: ClassVar[Words]
    columns: ClassVar[Sequence[Column]]
    filters: ClassVar[Sequence[Filter]] = ()
    bulk_actions: ClassVar[Sequence[BulkAction]] = ()
    default_sort: ClassVar[str] = "-pk"  # a column's key, "pk", or either with "-" before it
    per_page: ClassVar[int] = 50
    # Rows are counted so far, and no further than this where that means reading through them.
    count_cap: ClassVar[int] = 10_000
    walked_cap: ClassVar[int] = 1_000
    template: ClassVar[str] = "ui/list.html"
    all_label: ClassVar[Words] = gettext_lazy("All")
    # What the form around the table ends with, a Jinja2 template: the button of a table that is edited.
    form_template: ClassVar[str] = ""
    # Where ``rows()`` are simply all that the organization has: pages that nobody has filtered, or by steady
    # ``Hits`` alone, are then read by SQL that is written once.
    plain_rows: ClassVar[PlainRows[Any] | None] = None
    # Where one row is drawn again by itself while something happens to it; "" if nothing ever does.
    rows_url_name: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Views of a list can be kept under its name."""
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            saved.KEPT[cls.name] = cls.title

    def __init__(self, request: Any, params: QueryDict | None = None) -> None:
        self.request = request
        self.organization = request.organization
        self.params: QueryDict = request.GET if params is None else params
        self.path: str = request.path

    # --- What a subclass says -------------------------------------------------------------------

    def rows(self) -> QuerySet[Row]:
        """All rows that this reader may see, unordered; a fixed ``visible_to`` at its root."""
        if self.plain_rows is None:
            raise TypeError(f"{type(self).__name__} declares no rows()")
        return self.plain_rows.of(self.organization.pk)

    def prepare(self, rows: list[Row]) -> None:
        """Fetch what the rows show beyond their own columns, for all of them at once."""

    def row_url(self, row: Row) -> str:
        """Where the row leads; "" for nowhere."""
        return ""

    def row_label(self, row: Row) -> str:
        """How the row is called to those who cannot see it."""
        return str(row)

    def in_flight(self, row: Row) -> bool:
        """Whether something happens to the row right now; ``prepare()`` knows."""
        return False

    def counted(self, count: int) -> str:
        """The number of rows in words, "1,204 people" say."""
        return ngettext("%(n)s row", "%(n)s rows", count) % {"n": self.number(count)}

    def nothing_yet(self) -> Empty:
        """What to show while there are no rows at all."""
        return Empty(icon="list", title=_("Nothing here yet"))

    def no_match(self) -> Empty:
        """What to show while no row passes the filters."""
        return Empty(
            icon="filter-off",
            title=_("Nothing matches"),
            text=_("No row passes these filters."),
            url=self.clear_url,
            label=_("Clear filters"),
        )

    def context(self) -> dict[str, Any]:
        """More for the page's own template."""
        return {}

    @property
    def paged_by(self) -> str:
        """Where a form asks for other pages, orders and filters, so that what was typed into the rows comes
        along; "": links do. It posts ``go``, the address that a link would have, or without it the
        filters."""
        return ""

    # --- Answering ------------------------------------------------------------------------------

    @classmethod
    def respond(cls, request: HttpRequest) -> HttpResponseBase:
        """The whole page, the fragment, an export or a saved view's form, as the request asks."""
        page = cls(request)
        if request.method == "POST" or saved.asked(request):
            return saved.respond(page, page.views)
        if form := request.GET.get("export"):
            return export.respond(page, form)
        if not request.GET and not request.htmx and page.views.first:  # type: ignore[attr-defined]  # HtmxMiddleware
            return redirect(page.views.url(page.views.first))
        answer = page._fragment() if page._wants_fragment else page._whole()
        patch_vary_headers(answer, ["HX-Request"])
        return answer

    @property
    def _wants_fragment(self) -> bool:
        htmx = self.request.htmx
        return bool(htmx and htmx.target == "table" and not htmx.history_restore_request)

    def region(self) -> str:
        """The table with its count, exports and neighbours, drawn by Jinja2."""
        return render_to_string("ui/table.html", {"page": self}, self.request, using="jinja2")

    def _fragment(self) -> HttpResponse:
        answer = HttpResponse(
            render_to_string("ui/fragment.html", {"page": self}, self.request, using="jinja2")
        )
        answer["HX-Push-Url"] = self.here
        return answer

    def _whole(self) -> HttpResponse:
        given = {
            "page": self,
            "title": self.title,
            "region": mark_safe(self.region()),  # noqa: S308 - drawn with autoescape on
        }
        return render(self.request, self.template, given | self.context())

    @classmethod
    def respond_rows(cls, request: HttpRequest) -> HttpResponse:
        """Only the rows named by ``?id=``, each to replace itself in the page at hand.

        What ``rows_url_name`` answers with while rows are in flight; the answer goes on asking for
        those that still are, and for no others.
        """
        ids = [one for one in request.GET.getlist("id") if one.isdecimal() and len(one) < 19]
        return cls.redraw(request, ids[: cls.per_page])

    @classmethod
    def redraw(cls, request: HttpRequest, ids: Sequence[int | str]) -> HttpResponse:
        """These rows, each to replace itself in the page at hand: what acting on a row answers."""
        page = cls(request, QueryDict())
        rows = list(page.rows().filter(pk__in=ids))
        page.prepare(rows)
        given = {"page": page, "rows": rows}
        return HttpResponse(render_to_string("ui/rows.html", given, request, using="jinja2"))

    # --- What the address asks for --------------------------------------------------------------

    @cached_property
    def values(self) -> dict[str, Any]:
        """Filter key → value, of the filters that are set."""
        found = ((one.key, one.value(self.params, self)) for one in self.filters)
        return {key: value for key, value in found if value is not None}

    @cached_property
    def sort(self) -> str:
        """The key of the column sorted by, "-" before it when descending; always one that there is."""
        asked = self.params.get("sort", "")
        return (
            asked
            if asked.lstrip("-") in self._sortable and "--" not in asked
            else self.default_sort
        )

    @cached_property
    def _sortable(self) -> dict[str, Column]:
        return {column.key: column for column in self.columns if column.sort}

    @cached_property
    def order(self) -> Order:
        """The order that the address asks for."""
        key, descending = self.sort.lstrip("-"), self.sort.startswith("-")
        column = self._sortable.get(key)
        if column is None or column.sort is None:
            return Order("pk", descending)
        return Order(column.sort, descending, column.nullable)

    @cached_property
    def matching(self) -> QuerySet[Row]:
        """The rows that pass every filter, unordered. One short query for each of ``Hits``."""
        rows = self.rows()
        for condition, number in self._numbered:
            if isinstance(condition, Hits):
                rows = condition.narrow(rows, number, self.count_cap)
            else:
                rows = rows.filter(condition)
        return rows

    @cached_property
    def _numbered(self) -> list[tuple[Any, int]]:
        """The conditions, each of ``Hits`` with the number of its hits."""
        return [
            (one, self._number_of(one, at) if isinstance(one, Hits) else 0)
            for at, one in enumerate(self.conditions())
            if isinstance(one, Hits) or one  # an empty Q asks for nothing
        ]

    def _number_of(self, hits: Hits, at: int) -> int:
        """How many hits there are, at most one more than the cap; ``at``: which of the conditions it is."""
        return plenty.counted(
            (*self._narrowed_by, at), self.count_cap, lambda: hits.count(self.count_cap)
        )

    @cached_property
    def _narrowed_by(self) -> tuple[Any, ...]:
        """What decides which rows there are."""
        return (type(self), self.organization.pk, self.request.user.pk, *self.values.items())

    def conditions(self) -> Iterator[Any]:
        """What the filters ask for. A subclass adds what several of its filters say together."""
        for one in self.filters:
            if one.key in self.values:
                yield one.condition(self.values[one.key], self)

    @cached_property
    def _plain(self) -> Plain[Row] | None:
        if self.plain_rows is None:
            return None
        forms: list[Narrowing] = []
        for condition, number in self._numbered:
            if not isinstance(condition, Hits) or not condition.steady:
                return None
            forms.append(condition.form(number, self.count_cap))
        return plain(self.plain_rows, self.order, self.per_page, self.cap, tuple(forms))

    @cached_property
    def _values(self) -> list[dict[str, Values]]:
        """What the conditions of ``_plain`` are asked with."""
        return [condition.values for condition, _number in self._numbered]

    @cached_property
    def slice(self) -> Slice[Row]:
        """The rows of this page, prepared."""
        after = Cursor.read(self.params.get("after", ""))
        before = Cursor.read(self.params.get("before", ""))
        if self._plain:
            found = self._plain.page(self.organization.pk, self._values, after=after, before=before)
        else:
            found = page_of(self.matching, self.order, self.per_page, after=after, before=before)
        self.prepare(found.rows)
        return found

    @cached_property
    def count(self) -> int:
        """How many rows match, at most one more than the cap."""
        if not self.slice.next and not self.slice.previous:
            return len(self.slice.rows)
        if len(self._numbered) == 1:
            ((condition, number),) = self._numbered
            if isinstance(condition, Hits) and condition.own:
                return number
        return plenty.counted((*self._narrowed_by, self.cap), self.cap, self._counted)

    def _counted(self) -> int:
        if self._plain:
            return self._plain.count(self.organization.pk, self._values)
        return number_of(self.matching.order_by().values("pk")[: self.cap + 1])

    @cached_property
    def cap(self) -> int:
        """Where counting ends."""
        walked = any(
            isinstance(one, Hits) and not one.own and number > self.count_cap
            for one, number in self._numbered
        )
        return min(self.count_cap, self.walked_cap) if walked else self.count_cap

    @classmethod
    def chosen(cls, request: Any) -> Chosen[Row]:
        """What a bulk action's POST names: ``id``s, or with ``all`` whatever ``query`` matches.

        Ids of rows that the reader may not see are not among the rows.
        """
        if request.POST.get("all"):
            query = request.POST.get("query", "")
            return Chosen(
                cls(request, QueryDict(query)).matching, True, [("all", "1"), ("query", query)]
            )
        ids = [one for one in request.POST.getlist("id") if one.isdecimal() and len(one) < 19]
        rows = cls(request, QueryDict()).rows().filter(pk__in=ids)
        return Chosen(rows, False, [("id", one) for one in ids])

    # --- Words and addresses for the templates --------------------------------------------------

    @staticmethod
    def number(count: int) -> str:
        """A count with its thousands marked."""
        return f"{count:,}"

    @property
    def bare(self) -> bool:
        """Whether there is nothing to filter: no row, and no filter that hides any."""
        return not self.values and not self.slice.rows

    @cached_property
    def count_text(self) -> str:
        """ "1,204 people", or "10,000+ people" beyond the cap."""
        if self.count <= self.cap:
            return self.counted(self.count)
        return self.counted(self.cap).replace(self.number(self.cap), f"{self.number(self.cap)}+", 1)

    @property
    def total(self) -> str:
        """The count alone, "10,000+" beyond the cap."""
        over = self.count > self.cap
        return f"{self.number(min(self.count, self.cap))}{'+' if over else ''}"

    @cached_property
    def asked(self) -> dict[str, str]:
        """Filters and sort as they stand in an address, without the place in the list."""
        params: dict[str, str] = {}
        for one in self.filters:
            if one.key in self.values:
                params |= one.params(self.values[one.key])
        if self.sort != self.default_sort:
            params["sort"] = self.sort
        return params

    @cached_property
    def query(self) -> str:
        """The same, written out."""
        return urlencode(self.asked)

    def url(self, **changes: str | None) -> str:
        """This list's address with ``changes`` (None takes a parameter out); begins at its first page."""
        params: dict[str, str | None] = {**self.asked}
        if "view" in self.params:
            params["view"] = str(self.params["view"])
        params |= changes
        kept = {key: value for key, value in params.items() if value}
        return f"{self.path}?{urlencode(kept)}" if kept else self.path

    @property
    def here(self) -> str:
        """The address of this very page."""
        return self.url(after=self.params.get("after"), before=self.params.get("before"))

    @cached_property
    def previous_url(self) -> str:
        """The page before, "" on the first."""
        return self.url(before=str(self.slice.previous)) if self.slice.previous else ""

    @cached_property
    def next_url(self) -> str:
        """The page after, "" on the last."""
        return self.url(after=str(self.slice.next)) if self.slice.next else ""

    @property
    def clear_url(self) -> str:
        """The list without filters."""
        return f"{self.path}?view=all"

    def headings(self) -> list[Heading]:
        """The heads of the shown columns, each with the address that sorts by it."""
        return [self._heading(column) for column in self.shown_columns]

    def _heading(self, column: Column) -> Heading:
        direction, url = "", ""
        if column.sort:
            descending = self.sort == column.key
            url = self.url(sort=f"-{column.key}" if descending else column.key)
            if self.sort.lstrip("-") == column.key:
                direction = "ascending" if descending else "descending"
        return Heading(
            column.label, url, direction, column.numeric, column.css, unseen=column.buttons
        )

    @cached_property
    def exported_columns(self) -> list[Column]:
        """What CSV and XLSX hold."""
        return [column for column in self.columns if not column.buttons]

    @cached_property
    def clock(self) -> Clock:
        """What tells the times in the rows."""
        return Clock()

    @cached_property
    def shown_columns(self) -> list[Column]:
        """The columns on the page; exports have all."""
        return [column for column in self.columns if column.shown]

    def draw(self, rows: Sequence[Row], *, oob: bool = False) -> SafeString:
        """The rows as HTML; with ``oob`` each to replace itself in the page at hand."""
        return Rows(self).draw(rows, oob=oob)

    @cached_property
    def actions(self) -> list[tuple[BulkAction, str]]:
        """The bulk actions that this reader may take, each with its address."""
        slug = self.organization.slug
        return [
            (one, reverse(one.url_name, kwargs={"slug": slug}))
            for one in self.bulk_actions
            if self.request.may(one.action)
        ]

    def waiting_url(self, rows: Sequence[Row]) -> str:
        """Where those of ``rows`` that are in flight are asked for again; "" if none is."""
        ids = [str(row.pk) for row in rows if self.in_flight(row)]
        if not self.rows_url_name or not ids:
            return ""
        base = reverse(self.rows_url_name, kwargs={"slug": self.organization.slug})
        return f"{base}?{urlencode([('id', one) for one in ids])}"

    def controls(self) -> list[dict[str, Any]]:
        """Each filter with its value, for the form."""
        return [
            {"filter": one, "value": self.values.get(one.key), "choices": _choices(one, self)}
            for one in self.filters
        ]

    @cached_property
    def views(self) -> saved.Views:
        """The saved views of this list."""
        return saved.Views(self)


def _choices(one: Filter, page: ListPage[Any]) -> Any:
    choices = getattr(one, "choices", None)
    return choices(page) if choices else ()
