"""The listing engine, on the list of people: address, fragment, saved views, exports, selection."""

import csv
import io
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from openpyxl import load_workbook

from apps.members.models import Person
from apps.organizations.models import Grant, Role
from apps.ui import plenty
from apps.ui.export import safe
from apps.ui.models import SavedView
from tests.factories import GrantFactory, MemberFactory, PersonFactory

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "table"}


@pytest.fixture
def alice() -> Grant:
    """Alice owns the organization."""
    return GrantFactory(user__name="Alice")


@pytest.fixture
def client(alice: Grant) -> Client:
    client = Client()
    client.force_login(alice.user)
    return client


def address(grant: Grant, query: str = "") -> str:
    return f"/o/{grant.organization.slug}/people/{query}"


def body(answer: object) -> str:
    return answer.content.decode()  # type: ignore[attr-defined]  # the test client's


def shown(html: str) -> list[str]:
    """The addresses in the order of their rows."""
    return [part.split("<")[0] for part in html.split('data-label="Email">')[1:]]


def crowd(grant: Grant, count: int) -> None:
    for n in range(count):
        PersonFactory(
            organization=grant.organization, email=f"p{n:03}@example.com", name=f"Name {n:03}"
        )


def test_a_list_says_how_many_rows_there_are_and_leads_to_the_next_page(
    alice: Grant, client: Client
) -> None:
    crowd(alice, 60)
    html = body(client.get(address(alice)))
    assert "60 people" in html
    assert len(shown(html)) == 50
    assert 'rel="next"' in html
    assert 'rel="prev"' not in html


def test_a_count_stops_at_its_cap(
    alice: Grant, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.members.people.PeopleList.count_cap", 55)
    crowd(alice, 60)
    assert "55+ people" in body(client.get(address(alice)))


def test_more_rows_than_are_counted_are_not_counted_again_for_a_minute(
    alice: Grant, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.members.people.PeopleList.count_cap", 55)
    now = [0.0]
    monkeypatch.setattr("apps.ui.plenty.time.monotonic", lambda: now[0])
    crowd(alice, 60)

    def asked(query: str = "") -> tuple[bool, bool]:
        with CaptureQueriesContext(connection) as queries:
            html = body(client.get(address(alice, query), **HTMX))
        return "55+ people" in html, any("COUNT(*)" in one["sql"] for one in queries)

    assert [asked(), asked()] == [(True, True), (True, False)]
    assert asked("?sort=-name") == (True, False)  # the same rows
    assert asked("?q=p0")[0]  # others
    Person.objects.filter(email__gte="p040").delete()
    now[0] += plenty.SECONDS
    assert not asked()[0]


def test_of_counts_that_are_remembered_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plenty, "MOST", 2)
    made: list[str] = []

    def count(what: str) -> int:
        return plenty.counted(what, 10, lambda: made.append(what) or 11)  # type: ignore[func-returns-value]  # notes it

    assert [count(what) for what in "abcbca"] == [11] * 6
    assert made == ["a", "b", "c", "a"]


def test_htmx_gets_the_table_alone_and_the_count_for_screen_readers(
    alice: Grant, client: Client
) -> None:
    crowd(alice, 2)
    answer = client.get(address(alice, "?q=p001&role="), **HTMX)
    html = body(answer)
    assert "<html" not in html
    assert shown(html) == ["p001@example.com"]
    assert '<div id="list-status" hx-swap-oob="innerHTML">1 person</div>' in html
    assert answer["HX-Push-Url"] == address(alice, "?q=p001")
    assert "HX-Request" in answer["Vary"]


def test_going_back_in_history_gets_the_whole_page(alice: Grant, client: Client) -> None:
    answer = client.get(address(alice), HTTP_HX_HISTORY_RESTORE_REQUEST="true", **HTMX)
    assert "<html" in body(answer)


@pytest.mark.parametrize(
    "query",
    [
        "?sort=nothing",
        "?sort=--name",
        "?after=rubbish",
        "?before=",
        "?role=x",
        "?view=99",
        "?q=%00",
    ],
)
def test_an_address_that_nobody_here_wrote_shows_the_list_all_the_same(
    alice: Grant, client: Client, query: str
) -> None:
    crowd(alice, 2)
    assert len(shown(body(client.get(address(alice, query))))) == 2


def test_sorting_is_a_link_that_turns_around_and_says_so(alice: Grant, client: Client) -> None:
    crowd(alice, 3)
    html = body(client.get(address(alice, "?sort=email")))
    assert shown(html) == ["p000@example.com", "p001@example.com", "p002@example.com"]
    assert 'aria-sort="ascending"' in html
    assert "sort=-email" in html
    assert shown(body(client.get(address(alice, "?sort=-email"))))[0] == "p002@example.com"


def test_text_in_rows_is_escaped(alice: Grant, client: Client) -> None:
    PersonFactory(organization=alice.organization, name="<script>alert(1)</script>")
    html = body(client.get(address(alice)))
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


# --- Queries -------------------------------------------------------------------------------------


def fill(grant: Grant, count: int) -> None:
    """``count`` people with a membership each, quickly."""
    first = MemberFactory(
        person__organization=grant.organization, connection__organization=grant.organization
    )
    people = Person.objects.bulk_create(
        Person(organization=grant.organization, email=f"q{n}@example.com", name=f"Q {n}")
        for n in range(count - 1)
    )
    type(first).objects.bulk_create(
        type(first)(
            person=person,
            connection=first.connection,
            remote_id=f"q{n}",
            email=person.email,
            role="user",
            first_seen_at=first.first_seen_at,
            changed_at=first.changed_at,
        )
        for n, person in enumerate(people)
    )


@pytest.mark.parametrize("query", ["", "?q=example", "?role=user&sort=-joined", "?state=left"])
def test_a_list_takes_as_many_queries_for_1000_rows_as_for_10(
    alice: Grant, client: Client, query: str, django_assert_max_num_queries: object
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    fill(alice, 10)
    client.get(address(alice, query))
    with CaptureQueriesContext(connection) as few:
        client.get(address(alice, query))
    Person.objects.filter(organization=alice.organization).delete()
    fill(alice, 1000)
    with CaptureQueriesContext(connection) as many:
        client.get(address(alice, query))
    # Beyond one page the count needs a query of its own.
    assert len(many) <= len(few) + 1


# --- Saved views ---------------------------------------------------------------------------------


def test_a_view_is_saved_under_a_name_and_found_again(alice: Grant, client: Client) -> None:
    form = body(client.get(address(alice, "?role=admin&views=new")))
    assert "Save this view" in form
    MemberFactory(
        person__organization=alice.organization,
        connection__organization=alice.organization,
        role="admin",
    )
    answer = client.post(address(alice, "?role=admin&sort=-email&views=new"), {"name": "Admins"})
    view = SavedView.objects.get()
    assert view.query == "role=admin&sort=-email"
    assert answer["Location"] == address(alice, f"?role=admin&sort=-email&view={view.pk}")
    assert "Admins" in body(client.get(answer["Location"]))


def test_a_view_of_the_same_name_is_refused_in_words(alice: Grant, client: Client) -> None:
    for _ in range(2):
        answer = client.post(address(alice, "?views=new"), {"name": "Mine"})
    assert "You have a view of this name already." in body(answer)
    assert SavedView.objects.count() == 1


def test_a_list_opens_with_the_view_that_opens_first_and_only_one_does(
    alice: Grant, client: Client
) -> None:
    for name in ("One", "Two"):
        client.post(address(alice, "?sort=-email&views=new"), {"name": name, "opens_first": "on"})
    view = SavedView.objects.get(opens_first=True)
    assert view.name == "Two"
    assert client.get(address(alice))["Location"] == address(alice, f"?sort=-email&view={view.pk}")
    assert client.get(address(alice, "?view=all")).status_code == 200


def test_a_shared_view_is_seen_by_colleagues_and_changed_by_its_owner_alone(
    alice: Grant, client: Client
) -> None:
    client.post(address(alice, "?views=new"), {"name": "Ours", "shared": "on"})
    client.post(address(alice, "?views=new"), {"name": "My own"})
    view = SavedView.objects.get(name="Ours")
    bob = GrantFactory(organization=alice.organization, role=Role.VIEWER)
    of_bob = Client()
    of_bob.force_login(bob.user)
    html = body(of_bob.get(address(alice)))
    assert "Ours" in html
    assert "My own" not in html
    for data in ({"name": "Bob's"}, {"delete": "1"}):
        assert of_bob.post(address(alice, f"?views={view.pk}"), data).status_code == 404
    assert SavedView.objects.get(pk=view.pk).name == "Ours"


def test_a_view_is_renamed_and_deleted(alice: Grant, client: Client) -> None:
    client.post(address(alice, "?views=new"), {"name": "Old"})
    view = SavedView.objects.get()
    client.post(address(alice, f"?views={view.pk}"), {"name": "New"})
    assert SavedView.objects.get().name == "New"
    client.post(address(alice, f"?views={view.pk}"), {"delete": "1", "name": "New"})
    assert not SavedView.objects.exists()


def test_a_view_takes_over_the_filters_of_the_moment_and_only_for_its_owner(
    alice: Grant, client: Client
) -> None:
    client.post(address(alice, "?sort=-email&views=new"), {"name": "Ours", "shared": "on"})
    view = SavedView.objects.get()
    MemberFactory(
        person__organization=alice.organization,
        connection__organization=alice.organization,
        role="admin",
    )
    changed = address(alice, f"?role=admin&view={view.pk}")
    offer = f"?role=admin&amp;view={view.pk}&amp;views={view.pk}&amp;keep=1"
    assert offer in body(client.get(changed))
    as_saved = client.get(address(alice, f"?sort=-email&view={view.pk}"))
    assert "Update view" not in body(as_saved)
    of_bob = Client()
    bob = GrantFactory(organization=alice.organization, role=Role.VIEWER)
    of_bob.force_login(bob.user)
    assert "Update view" not in body(of_bob.get(changed))
    client.post(f"{changed}&views={view.pk}&keep=1", {"name": "Ours"})
    assert SavedView.objects.get().query == "role=admin"


def test_views_of_another_organization_are_a_404(alice: Grant, client: Client) -> None:
    other = GrantFactory(user=alice.user)
    client.post(address(other, "?views=new"), {"name": "Elsewhere", "shared": "on"})
    view = SavedView.objects.get()
    assert client.get(address(alice, f"?views={view.pk}")).status_code == 404
    assert "Elsewhere" not in body(client.get(address(alice)))


# --- Exports -------------------------------------------------------------------------------------


def read_csv(answer: object) -> list[list[str]]:
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]  # the test client's
    return list(csv.reader(io.StringIO(text)))


def test_a_csv_has_every_matching_row_beyond_one_page_and_no_other(
    alice: Grant, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.ui.export.CHUNK", 7)
    crowd(alice, 60)
    PersonFactory(organization=GrantFactory().organization, email="p999@example.com")
    lines = read_csv(client.get(address(alice, "?q=p0&export=csv&sort=-email")))
    assert lines[0] == ["Name", "Email", "Access", "State", "Since (UTC)"]
    assert [line[1] for line in lines[1:]] == [f"p{n:03}@example.com" for n in range(59, -1, -1)]


def test_an_xlsx_holds_the_same_rows(alice: Grant, client: Client) -> None:
    crowd(alice, 3)
    PersonFactory(organization=alice.organization, name="=1+1", email="z@example.com")
    answer = client.get(address(alice, "?export=xlsx&sort=email"))
    book = load_workbook(io.BytesIO(b"".join(answer.streaming_content)))  # type: ignore[attr-defined]  # the test client's
    rows = list(book.active.iter_rows(values_only=True))
    assert [row[1] for row in rows[1:]] == [f"p{n:03}@example.com" for n in range(3)] + [
        "z@example.com"
    ]
    assert rows[4][0] == "'=1+1"


def test_an_export_of_nothing_has_its_heading(alice: Grant, client: Client) -> None:
    assert len(read_csv(client.get(address(alice, "?export=csv")))) == 1


def test_an_unknown_form_of_export_is_a_404(alice: Grant, client: Client) -> None:
    assert client.get(address(alice, "?export=exe")).status_code == 404


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_a_cell_that_looks_like_a_formula_is_text(text: str) -> None:
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (-5, -5),
        (True, "yes"),
        ("a=b", "a=b"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02 03:04:05"),
    ],
)
def test_a_cell_holds_plain_values_as_they_are(value: object, cell: object) -> None:
    assert safe(value) == cell
