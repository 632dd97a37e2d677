"""Paging by the last row seen."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Protocol

import pytest
from django.db.models import QuerySet
from pytest_django import DjangoAssertNumQueries

from apps.members.models import Person
from apps.organizations.models import Organization
from apps.ui.keyset import Cursor, Order, page_of
from apps.ui.plain import Narrowing, Plain, PlainRows
from apps.ui.prepared import Values
from tests.factories import OrganizationFactory

pytestmark = pytest.mark.django_db
START = datetime(2026, 1, 1, tzinfo=UTC)

WAYS = ["narrowed", "plain", "plain and narrowed"]
ORDERS = [
    Order("sort_name"),
    Order("sort_name", descending=True),
    Order("joined_at", nullable=True),
    Order("joined_at", descending=True, nullable=True),
    Order("pk"),
    Order("pk", descending=True),
]


@pytest.fixture
def organization() -> Organization:
    """Eleven people: equal names among them, and every third without a date."""
    organization = OrganizationFactory()
    for n in range(11):
        Person.objects.create(
            organization=organization,
            email=f"p{n:02}@example.com",
            name=["Ann", "Bob", ""][n % 3],
            joined_at=None if n % 3 == 0 else START + timedelta(days=n // 3),
        )
    return organization


class Pages(Protocol):
    """Gives the page after, or before, a cursor."""

    def __call__(self, *, after: Cursor | None = None, before: Cursor | None = None) -> Any: ...


def pages_of(organization: Organization, way: str, order: Order, size: int) -> Pages:
    """The people of ``organization`` page by page, either way of reading them."""
    if way == "narrowed":
        return partial(page_of, organization.people.all(), order, size)
    rows = PlainRows(lambda ids: Person.objects.filter(organization__in=ids))
    narrowings: tuple[Narrowing, ...] = ()
    given: list[dict[str, Values]] = []
    if way == "plain and narrowed":
        narrowings = (_with_text, _without)
        given = [{"texts": ["@example.com"]}, {"texts": ["someone", "nobody"]}]
    page = Plain(rows, order, size, 5, narrowings).page
    return lambda after=None, before=None: page(organization.pk, given, after=after, before=before)


def _with_text(rows: QuerySet[Person], texts: Sequence[str]) -> QuerySet[Person]:
    return rows.filter(email__contains=texts[0])


def _without(rows: QuerySet[Person], texts: Sequence[str]) -> QuerySet[Person]:
    return rows.exclude(email__in=texts)


def walk(page: Pages) -> list[list[int]]:
    """Every page from first to last, as lists of primary keys."""
    pages, after = [], None
    while True:
        found = page(after=after)
        pages.append([row.pk for row in found.rows])
        if found.next is None:
            return pages
        after = Cursor.read(str(found.next))


def walk_back(page: Pages, last: Cursor) -> list[list[int]]:
    """Every page before ``last``, nearest first."""
    pages = []
    before: Cursor | None = last
    while before is not None:
        found = page(before=before)
        pages.append([row.pk for row in found.rows])
        before = Cursor.read(str(found.previous)) if found.previous else None
    return pages


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 11, 12])
def test_the_pages_hold_every_row_once_in_order(
    organization: Organization, way: str, order: Order, size: int
) -> None:
    whole = [row.pk for row in organization.people.order_by(*order.by())]
    pages = walk(pages_of(organization, way, order, size))
    assert [pk for page in pages for pk in page] == whole
    assert all(len(page) == size for page in pages[:-1])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_going_back_finds_the_same_pages(
    organization: Organization, way: str, order: Order
) -> None:
    page = pages_of(organization, way, order, 3)
    pages = walk(page)
    last = organization.people.get(pk=pages[-1][0])
    assert walk_back(page, order.cursor_of(last)) == pages[-2::-1]


@pytest.mark.parametrize("descending", [False, True])
def test_rows_without_a_value_come_last_either_way(
    organization: Organization, descending: bool
) -> None:
    order = Order("joined_at", descending=descending, nullable=True)
    dates = [row.joined_at for row in organization.people.order_by(*order.by())]
    first_empty = dates.index(None)
    assert not any(dates[first_empty:])
    assert dates[:first_empty] == sorted(dates[:first_empty], reverse=descending)


def test_rows_that_come_and_go_between_pages_do_not_shift_the_next(
    organization: Organization,
) -> None:
    rows, order = organization.people.all(), Order("email")
    first = page_of(rows, order, 4)
    Person.objects.create(organization=organization, email="p00-new@example.com")
    first.rows[1].delete()
    second = page_of(rows, order, 4, after=first.next)
    assert [row.email[:3] for row in second.rows] == ["p04", "p05", "p06", "p07"]


def test_a_page_whose_rows_are_gone_is_the_first(organization: Organization) -> None:
    rows, order = organization.people.all(), Order("email")
    beyond = page_of(rows, order, 4, after=Cursor("zzz", 0))
    assert [row.email[:3] for row in beyond.rows] == ["p00", "p01", "p02", "p03"]
    assert beyond.previous is None


def test_a_page_back_that_is_not_full_is_the_first_whole_page(organization: Organization) -> None:
    rows, order = organization.people.all(), Order("email")
    third = rows.order_by("email")[2]
    found = page_of(rows, order, 4, before=order.cursor_of(third))
    assert [row.email[:3] for row in found.rows] == ["p00", "p01", "p02", "p03"]
    assert found.previous is None
    assert found.next is not None


@pytest.mark.parametrize("value", ["Ünï – text", None, 7, START, Decimal("1.20"), ""])
def test_a_cursor_survives_the_address(value: object) -> None:
    assert Cursor.read(str(Cursor(value, 12))) == Cursor(value, 12)


@pytest.mark.parametrize(
    "text", ["", "x", "bm90IGpzb24", "W10", "W1tdLDFd", "WzEsW11d", "W3t9LDFd", "é", "====", "WzFd"]
)
def test_a_cursor_that_nobody_wrote_begins_the_list_anew(text: str) -> None:
    assert Cursor.read(text) is None


@pytest.mark.parametrize(
    ("order", "cursor"),
    [
        (Order("joined_at", nullable=True), Cursor("never", 1)),
        (Order("email"), Cursor("p\x00", 1)),
        (Order("email"), Cursor("p05", "one")),
        (Order("email"), Cursor("p05", 10**30)),
        (Order("pk"), Cursor(None, 10**30)),
    ],
    ids=str,
)
@pytest.mark.parametrize("way", WAYS)
def test_a_cursor_that_does_not_fit_its_column_begins_the_list_anew(
    organization: Organization, way: str, order: Order, cursor: Cursor
) -> None:
    page = pages_of(organization, way, order, 3)
    assert page(after=cursor) == page()


@pytest.mark.parametrize("cursor", [Cursor(7, 3), Cursor(None, 3), Cursor("p05", "3")], ids=str)
def test_a_cursor_of_other_types_is_read_alike_either_way(
    organization: Organization, cursor: Cursor
) -> None:
    narrowed, *plain = (pages_of(organization, way, Order("email"), 3) for way in WAYS)
    for page in plain:
        assert page(after=cursor) == narrowed(after=cursor)
        assert page(before=cursor) == narrowed(before=cursor)


@pytest.mark.parametrize("way", WAYS)
def test_a_page_takes_one_query(
    organization: Organization, way: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    page = pages_of(organization, way, Order("email"), 3)
    with django_assert_num_queries(1):
        page(after=Cursor("p02", 3))


def test_plain_rows_are_those_of_one_organization_and_counted_no_further_than_the_cap(
    organization: Organization,
) -> None:
    other = OrganizationFactory()
    stranger = Person.objects.create(organization=other, email="p05@example.com")
    rows = PlainRows(lambda ids: Person.objects.filter(organization__in=ids))
    plain = Plain(rows, Order("email"), 3, cap=5)
    of_some = Plain(rows, Order("email"), 3, 5, (_with_text,))
    assert of_some.count(organization.pk, [{"texts": ["p1"]}]) == 1
    assert of_some.count(organization.pk, [{"texts": ["p0"]}]) == 6
    assert of_some.count(organization.pk, [{"texts": ["p_"]}]) == 0
    assert plain.count(organization.pk) == 6
    assert plain.count(other.pk) == 1
    assert plain.page(other.pk, after=None, before=None).rows == [stranger]
