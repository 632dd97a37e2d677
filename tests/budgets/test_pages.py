"""The list, a budget's page, its forms, its files, what other pages say of it, and the same over the API."""

import csv
import io
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from openpyxl import load_workbook

from apps.audit.models import Entry
from apps.budgets import keeping, words
from apps.budgets.models import Budget, Standing
from apps.notices.models import Notice
from apps.organizations.models import Connection, Grant, Role
from apps.usage.days import day_of
from apps.usage.models import ReadDay
from tests.api.conftest import client_for
from tests.browsing import at_desk
from tests.budgets.conftest import TODAY, november
from tests.factories import (
    BudgetFactory,
    CostCentreFactory,
    GrantFactory,
    StandingFactory,
    WorkspaceFactory,
)
from tests.incidents.spending import evenly, spend
from tests.usage.rolled import used

pytestmark = pytest.mark.django_db
At = Callable[[str], str]
GOOD = {
    "name": "Lab",
    "scope": "organization",
    "period": "month",
    "amount": "100",
    "currency": "USD",
    "thresholds": "50, 80 100%",
    "tell_forecast": "on",
}


@pytest.fixture
def browser(owner: Grant) -> Client:
    return at_desk(owner.user)


@pytest.fixture
def at(owner: Grant) -> At:
    return lambda path: f"/o/{owner.organization.slug}/{path}"


def shown(browser: Client, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def test_one_is_made_looked_at_changed_and_deleted(
    browser: Client, at: At, claude: Connection
) -> None:
    WorkspaceFactory(connection=claude, remote_id="w1", name="Lab")
    used(claude, november(3), cost="85.5", workspace="w1")
    assert "A budget holds what is spent" in shown(browser, at("budgets/"))
    key = f"workspace:{claude.pk}:w1"
    assert "Claude: Lab" in shown(browser, at("budgets/new/"))
    answer = browser.post(at("budgets/new/"), {**GOOD, "scope": key}, follow=True)
    one = Budget.objects.get()
    html = answer.content.decode()
    assert one.thresholds == [50, 80, 100]
    for told in (
        "$85.50",
        "of $100.00, 85%",
        ">$14.50<",
        "12 days",
        "Spent by the end of each day",
        "The notice",
        "not acknowledged yet",
        "Heard by Olga",
        "Not counted: buying credit",
        f"connection={claude.pk}&amp;workspace=w1",
    ):
        assert told in html, told
    terms = {name: GOOD[name] for name in ("name", "thresholds")}
    answer = browser.post(at(f"budgets/{one.pk}/change/"), {**terms, "amount": "200.50"})
    assert answer.status_code == 302
    one.refresh_from_db()
    assert (one.amount, one.tell_forecast) == (Decimal("200.5"), False)
    assert "not any more" in shown(browser, at(f"budgets/{one.pk}/"))
    assert "goes with it" in shown(browser, at(f"budgets/{one.pk}/delete/"))
    browser.post(at(f"budgets/{one.pk}/delete/"))
    assert not Budget.objects.exists()
    verbs = ["budgets.create", "budgets.pass", "budgets.change", "budgets.delete"]
    assert list(Entry.objects.order_by("pk").values_list("verb", flat=True)) == verbs


def test_a_form_that_stood_open_does_not_put_back_what_was_changed_meanwhile(
    browser: Client, at: At, owner: Grant
) -> None:
    one = BudgetFactory(organization=owner.organization, name="Team", amount_micros=400_000_000)
    page = at(f"budgets/{one.pk}/change/")
    stood = re.search(r'name="revision" value="(\d+)"', shown(browser, page))
    assert stood is not None
    mine = {"name": "Team", "amount": "600", "thresholds": "90", "revision": stood[1]}
    assert browser.post(page, mine).status_code == 302
    late = {**mine, "name": "The team", "amount": "400"}
    html = browser.post(page, late).content.decode()
    assert "was changed meanwhile: it is $600.00 now, told at 90%." in html
    assert 'value="The team"' in html, "what was typed is kept"
    one.refresh_from_db()
    assert (one.name, one.amount) == ("Team", Decimal(600))
    anew = re.search(r'name="revision" value="(\d+)"', html)
    assert anew is not None
    assert browser.post(page, {**late, "revision": anew[1]}).status_code == 302
    one.refresh_from_db()
    assert (one.name, one.amount) == ("The team", Decimal(400))


WRONG = [
    ("amount", "0", "more than nothing"),
    ("amount", "-5", "more than nothing"),
    ("amount", "1.005", "two decimals at most"),
    ("amount", "1e30", "At most $1,000,000,000"),
    ("amount", "NaN", "Enter a number"),
    ("amount", "1,5", "Enter a number"),
    ("amount", "2,500.00", "no comma"),
    ("currency", "XYZ", "XYZ is not one of the available choices"),
    ("name", "TEAM", "There is a budget of this name already."),
    ("name", " ", "This field is required."),
    ("thresholds", "50, 0", "From 1 to 500 percent."),
    ("thresholds", "501", "From 1 to 500 percent."),
    ("thresholds", "half", "Whole percents"),
    ("thresholds", "50.5", "Whole percents"),
    ("scope", "connection:1", "is not one of the available choices"),
    ("period", "week", "is not one of the available choices"),
]


def test_what_cannot_be_is_said_beside_its_field_and_what_was_typed_is_kept(
    browser: Client, at: At, owner: Grant
) -> None:
    BudgetFactory(organization=owner.organization, name="Team")
    for field, value, why in WRONG:
        answer = browser.post(at("budgets/new/"), {**GOOD, field: value})
        assert answer.status_code == 200, (field, value)
        html = answer.content.decode()
        said = html[html.index(f'id="id_{field}"') :]
        assert why in said, (field, value)
        kept = value if field in ("amount", "thresholds") else GOOD["amount"]
        assert f'value="{kept}"' in html
    assert Budget.objects.count() == 1


def test_the_list_says_how_each_stands_filters_and_exports(
    browser: Client, at: At, owner: Grant, claude: Connection
) -> None:
    spend(claude, evenly(5, first=60))
    ReadDay.objects.filter(connection=claude, day=day_of(november(2))).delete()
    for name, amount in (("Small", 50), ("Middle", 120), ("Large", 9000)):
        BudgetFactory(organization=owner.organization, name=name, amount_micros=amount * 10**6)
    BudgetFactory(name="Of somebody else")
    keeping.look_at_connection(claude.pk)
    new = BudgetFactory(organization=owner.organization, name="Unread")
    StandingFactory(budget=new, read_to=None, spent_micros=0, percent=0)
    long_ago = day_of(november(1)) - 61
    large = Budget.objects.get(name="Large")
    StandingFactory(budget=large, first=long_ago, forecast_micros=10**12)
    html = shown(browser, at("budgets/"))
    for told in ("4 budgets", "$40.00 too much", "1 day is not read", "Exceeded", "Forecast over"):
        assert told in html, told
    assert "somebody else" not in html
    for state, names in (
        ("over", ["Small"]),
        ("forecast", ["Middle"]),
        ("within", ["Large"]),
        ("warning", ["Middle", "Small"]),
    ):
        answer = browser.get(at(f"budgets/?state={state}&export=csv"))
        rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode("utf-8-sig"))))
        assert [row["Budget"] for row in rows] == names, state
    small = rows[1]
    assert (small["Spent"], small["Left"], small["Amount"]) == ("90", "-40", "50")
    assert (small["Days not read"], small["Currency"]) == ("1", "USD")
    home = shown(browser, at(""))
    assert "Budgets to look at" in home
    assert "Small: 180% of $50.00, exceeded" in home
    assert "Budgets</h2>" not in shown(browser, at(f"connections/{claude.uid}/"))
    Standing.objects.filter(budget__name__in=["Small", "Middle"]).delete()
    gone = CostCentreFactory(organization=owner.organization, removed_at=timezone.now())
    old = BudgetFactory(organization=owner.organization, name="Old", scope="centre", centre=gone)
    StandingFactory(budget=old, percent=120)
    assert "to look at" not in shown(browser, at(""))


def test_as_many_questions_for_many_rows_as_for_few(
    browser: Client, at: At, owner: Grant, claude: Connection, cline: Connection
) -> None:
    def queries(path: str) -> int:
        with CaptureQueriesContext(database) as seen:
            shown(browser, at(path))
        return len(seen)

    def more(number: int) -> None:
        given: dict[str, Any] = {"organization": owner.organization, "connection": claude}
        made = BudgetFactory(scope="workspace", workspace=f"w{number}", **given)
        StandingFactory(budget=made, percent=90)

    more(0)
    queries("budgets/")
    few, home = queries("budgets/"), queries("")
    for number in range(1, 12):
        more(number)
    assert (queries("budgets/"), queries("")) == (few, home)
    one = Budget.objects.earliest("pk")
    assert queries(f"budgets/{one.pk}/") <= 40


def test_the_periods_before_are_shown_and_exported(
    browser: Client, at: At, owner: Grant, claude: Connection
) -> None:
    used(claude, TODAY.replace(month=10, day=9), cost="123.456")
    used(claude, TODAY.replace(month=9, day=9), cost="7")
    one = BudgetFactory(organization=owner.organization, name="=Team/[1]")
    october = day_of(TODAY.replace(month=10, day=1))
    StandingFactory(budget=one, first=october, last=october + 30, amount_micros=120_000_000)
    StandingFactory(budget=one, read_to=None, spent_micros=0, percent=0)  # is in no file: no zero
    html = shown(browser, at(f"budgets/{one.pk}/"))
    for told in ("October 2026", "$123.46", "$120.00", "102%", "Exceeded", "no budget yet"):
        assert told in html, told
    answer = browser.get(at(f"budgets/{one.pk}/?export=csv"))
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode("utf-8-sig"))))
    lines = [(row["From (UTC)"], row["Spent"], row["Amount"], row["Over"]) for row in rows]
    assert lines[:2] == [
        ("2026-10-01", "123.456", "120", "yes"),
        ("2026-09-01", "7", "", "yes"),
    ]
    book = load_workbook(io.BytesIO(b"".join(browser.get(at(f"budgets/{one.pk}/?export=xlsx")))))
    assert book.active["A2"].value == "October 2026"
    assert browser.get(at(f"budgets/{one.pk}/?export=pdf")).status_code == 404


def test_a_viewer_reads_and_changes_nothing(owner: Grant, at: At, claude: Connection) -> None:
    one = BudgetFactory(organization=owner.organization)
    viewer = at_desk(GrantFactory(organization=owner.organization, role=Role.VIEWER).user)
    html = shown(viewer, at(f"budgets/{one.pk}/"))
    assert at(f"budgets/{one.pk}/change/") not in html
    assert at("budgets/new/") not in shown(viewer, at("budgets/"))


def test_the_api_does_what_the_pages_do(owner: Grant, claude: Connection) -> None:
    used(claude, november(3), cost="85.123456789")
    api, base = client_for(owner), f"/api/v1/organizations/{owner.organization.slug}/budgets/"
    new = {"name": "Team", "scope": "organization", "amount": "100.00", "currency": "USD"}
    made = api.post(base, {**new, "period": "month"}, format="json")
    assert made.status_code == 201, made.json()
    body = made.json()
    assert (body["amount"], body["thresholds"], body["connection"]) == ("100", [50, 80, 100], None)
    assert (body["running"]["spent"], body["running"]["percent"]) == ("85.123456789", 85)
    assert api.get(base).json()["results"] == [body]
    assert api.get(base, {"q": "nobody"}).json()["results"] == []
    again = api.post(base, {**new, "period": "month"}, format="json")
    assert again.status_code == 400
    assert again.json()["errors"] == [
        {"pointer": "#/name", "detail": "There is a budget of this name already."}
    ]
    for wrong, pointer in (
        ({"amount": "0"}, "#/amount"),
        ({"amount": "1.001"}, "#/amount"),
        ({"currency": "XYZ"}, "#/currency"),
        ({"thresholds": [0]}, "#/thresholds"),
        ({"scope": "workspace", "connection": str(claude.uid)}, "#/scope"),
        ({"scope": "organization", "workspace": "w1"}, "#/scope"),
        ({"scope": "centre"}, "#/scope"),
        ({"scope": "centre", "centre": CostCentreFactory().pk}, "#/scope"),
        ({"colour": "red"}, "#/colour"),
    ):
        sent = {**new, "name": "Other", "period": "month", **wrong}
        answer = api.post(base, sent, format="json")
        assert answer.status_code == 400, wrong
        assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]
    place = {"scope": "workspace", "connection": str(claude.uid), "workspace": ""}
    other = api.post(base, {**new, **place, "name": "Rest", "period": "year"}, format="json").json()
    assert (other["workspace"], other["connection"]) == ("", str(claude.uid))
    lab = CostCentreFactory(organization=owner.organization)
    place = {"scope": "centre", "centre": lab.pk}
    own = api.post(base, {**new, **place, "name": "Lab", "period": "quarter"}, format="json").json()
    assert (own["centre"], own["running"]["spent"]) == (lab.pk, "0")
    changed = api.patch(f"{base}{body['id']}/", {"amount": "200"}, format="json").json()
    assert (changed["amount"], changed["name"]) == ("200", "Team")
    assert changed["running"]["percent"] == 42
    assert Notice.objects.filter(settled_at__isnull=False).count() == 1
    periods = api.get(f"{base}{body['id']}/periods/").json()
    assert [one["name"] for one in periods] == ["October 2026", "September 2026", "August 2026"]
    assert periods[0]["amount"] is None
    assert api.delete(f"{base}{body['id']}/").status_code == 204
    assert api.get(f"{base}{body['id']}/").status_code == 404


def test_a_little_is_not_nothing() -> None:
    assert words.percent(StandingFactory.build(percent=0, spent_micros=0)) == "0%"
    assert words.percent(StandingFactory.build(percent=0, spent_micros=1)) == "<1%"
    assert words.percent(StandingFactory.build(percent=82, spent_micros=1)) == "82%"
