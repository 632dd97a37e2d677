"""The pages of cost centres, as people use them."""

import csv
import io
import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.centres import services
from apps.centres.models import CostCentre, Rule
from apps.centres.months import Span
from apps.organizations.models import Connection, Grant, Role
from tests.browsing import at_desk
from tests.factories import GrantFactory, KeyFactory, WorkspaceFactory
from tests.usage.rolled import used

pytestmark = pytest.mark.django_db(transaction=True)
At = Callable[[str], str]


@pytest.fixture
def browser(owner: Grant) -> Client:
    return at_desk(owner.user)


@pytest.fixture
def at(owner: Grant) -> At:
    return lambda path: f"/o/{owner.organization.slug}/centres/{path}"


@pytest.fixture
def spending(claude: Connection, last: Span) -> None:
    """Two keys in one workspace."""
    WorkspaceFactory(connection=claude, remote_id="w1", name="Shop front")
    for number, cost in ((1, "30"), (2, "12.5")):
        KeyFactory(connection=claude, remote_id=f"k{number}", name=f"ml-{number}", workspace="w1")
        used(claude, last.first, cost=cost, workspace="w1", key=f"k{number}")


def shown(browser: Client, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, (path, answer)
    return str(answer.content.decode())


def test_a_centre_is_made_its_rule_previewed_saved_and_seen_in_usage(
    browser: Client, at: At, owner: Grant, claude: Connection, last: Span, spending: None
) -> None:
    assert "No cost centre yet" in shown(browser, at(""))
    answer = browser.post(at("new/"), {"name": "ML", "code": "4711"})
    one = CostCentre.objects.get()
    assert answer["Location"] == at(f"{one.pk}/rules/new/")
    rule = {"how": "key:begins", "text": "ML-1", "which": ""}
    html = browser.post(at(f"{one.pk}/rules/new/"), {**rule, "preview": "1"}).content.decode()
    assert "What this takes" in html
    assert "$30.00" in html
    assert "is unallocated today" in html
    assert "An estimate: the provider bills workspaces and models." in html
    assert "Some days of this month are not read yet." not in html
    whole = {"how": "workspace:contains", "text": "front", "which": "", "preview": "1"}
    assert "An estimate" not in browser.post(at(f"{one.pk}/rules/new/"), whole).content.decode()
    assert not Rule.objects.exists()
    assert "Save the rule" in html
    seen = re.search(r'name="seen" value="([^"]*)"', html)
    assert seen is not None
    other = {**rule, "text": "ml", "save": "1", "seen": seen[1]}
    html = browser.post(at(f"{one.pk}/rules/new/"), other).content.decode()
    assert "You have changed the rule since you looked" in html
    assert "$42.50" in html, "what it takes now"
    assert not Rule.objects.exists(), "nobody has seen that it takes both keys"
    browser.post(at(f"{one.pk}/rules/new/"), {**rule, "save": "1", "seen": seen[1]})
    assert Rule.objects.get().text == "ml-1"
    html = shown(browser, at(f"{one.pk}/"))
    assert "API keys whose name begins with “ml-1”" in html
    assert "$30.00" in html
    html = shown(browser, at("unallocated/"))
    assert "Shop front" not in html
    assert "ml-2" in html
    assert "$12.50" in html
    item = f"key/{claude.pk}/k2"
    assert at(f"give/{item}/") in html
    assert "ml-2" in shown(browser, at(f"give/{item}/"))
    browser.post(at(f"give/{item}/"), {"centre": "", "name": "Shop"})
    assert "Nothing in this month" in shown(browser, at("unallocated/"))
    for month in ("9999-12", "2026-13"):
        shown(browser, at(f"unallocated/?month={month}"))
    for month in ("0001-01", "2020-02"):  # days that nobody has read are no zeros
        html = shown(browser, at(f"unallocated/?month={month}"))
        assert "Nothing, as far as this month has been read" in html
    assert 'id="missing-title"' in shown(browser, at("")), "where “some days are not read” leads"
    # Usage groups, filters, names and exports by it.
    usage = f"/o/{owner.organization.slug}/usage/?range=last_month&group=centre"
    html = shown(browser, usage)
    for told in ("ML", "Shop", "4711", "$42.50"):
        assert told in html
    html = shown(browser, f"{usage}&centre={one.pk}&group=key")
    assert "$30.00" in html
    assert "$12.50" not in html
    rows = csv.DictReader(io.StringIO(_file(browser, f"{usage}&export=csv")))
    costs = {row["Cost centre"]: Decimal(row["Cost"]) for row in rows}
    assert {name: cost for name, cost in costs.items() if cost} == {
        "ML · 4711": 30,
        "Shop": Decimal("12.5"),
    }
    answer = browser.get(
        f"/api/v1/organizations/{owner.organization.slug}/usage/?range=last_month&group=centre"
    ).json()
    assert {row["name"]: row["cost"] for row in answer["rows"] if row["cost"] != "0"} == {
        "ML · 4711": "30",
        "Shop": "12.5",
    }
    assert "by the rule" in shown(browser, f"/o/{owner.organization.slug}/keys/{_key(claude)}/")
    services.remove_centre(centre=one, actor=owner.user)
    html = shown(browser, f"{usage}&centre={one.pk}")
    assert f'<option value="{one.pk}" selected>ML · 4711</option>' in html, "what is chosen is seen"
    # Numbers that fit into no database are nobody's.
    many = "9" * 40
    shown(browser, f"{usage}&centre={many}")
    shown(browser, f"{usage}&centre={many}&centre=1&person={many}&person=1")
    assert browser.get(at(f"statements/{last.slug}/{many * 200}/")).status_code == 404


def _key(claude: Connection) -> int:
    from apps.keys.models import Key

    return int(Key.objects.get(connection=claude, remote_id="k1").pk)


def _file(browser: Client, path: str) -> str:
    return b"".join(browser.get(path)).decode("utf-8-sig")


def test_what_cannot_be_stands_beside_its_field_and_what_was_typed_stays(
    browser: Client, at: At, owner: Grant, spending: None
) -> None:
    services.create_centre(organization=owner.organization, actor=owner.user, name="ML")
    one = CostCentre.objects.get()
    html = browser.post(at("new/"), {"name": "ml", "code": "c-9"}).content.decode()
    assert "There is one of this name already." in html
    assert 'value="c-9"' in html
    new = at(f"{one.pk}/rules/new/")
    told = {"how": "key:list", "text": "", "which": "ml-1\nnobody\nML-2", "save": "1"}
    html = browser.post(new, told).content.decode()
    assert "Nothing here is called “nobody”." in html
    assert "ML-2" in html
    browser.post(new, {**told, "which": "ml-1\nk2"})
    rule = Rule.objects.get()
    assert len(rule.items) == 2
    html = shown(browser, at(f"rules/{rule.pk}/"))
    assert "ml-1\nml-2" in html
    html = browser.post(
        new, {"how": "person:domain", "text": "nodot", "save": "1"}
    ).content.decode()
    assert "Write the domain alone" in html
    viewer = at_desk(GrantFactory(organization=owner.organization, role=Role.VIEWER).user)
    html = shown(viewer, at(f"{one.pk}/"))
    assert "rules/new" not in html
    assert "Rename" not in html


def test_pages_ask_the_same_number_of_questions_for_many_rows(
    browser: Client, at: At, owner: Grant, claude: Connection, last: Span, spending: None
) -> None:
    def queries(path: str) -> int:
        with CaptureQueriesContext(database) as seen:
            shown(browser, path)
        return len(seen)

    def some(first: int, number: int) -> None:
        for n in range(first, first + number):
            made = services.create_centre(
                organization=owner.organization, actor=owner.user, name=f"C{n}"
            )
            KeyFactory(connection=claude, remote_id=f"x{n}", name=f"x-{n}", workspace="w1")
            used(claude, last.first, cost="1", workspace="w1", key=f"x{n}")
            services.add_rule(
                centre=made,
                actor=owner.user,
                subject="key",
                kind="list",
                items=[f"{claude.pk}/x{n}"],
            )

    some(0, 1)
    one = CostCentre.objects.get()
    month = f"statements/{last.slug}/"
    paths = ["", f"{one.pk}/", "unallocated/", "statements/", month, f"{month}{one.pk}/"]
    shown(browser, at(""))
    few = {path: queries(at(path)) for path in paths}
    some(1, 3)
    assert {path: queries(at(path)) for path in paths} == few
