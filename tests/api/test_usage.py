"""Usage over the API: what the page says, to the last digit, and nothing of anybody else's."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from apps.organizations.models import Connection, Grant, Role
from apps.usage import coding_rollups
from apps.usage.days import day_of
from apps.usage.models import Coder, CodingDay, CodingModel, ReadDay
from apps.usage.money import split
from tests.api.conftest import client_for
from tests.browsing import at_desk
from tests.factories import (
    ConnectionFactory,
    GrantFactory,
    KeyFactory,
    MemberFactory,
    PersonFactory,
)
from tests.usage.rolled import read, report, used

pytestmark = pytest.mark.django_db


def back(days: int) -> date:
    return datetime.now(UTC).date() - timedelta(days=days)


@pytest.fixture
def claude(owner: Grant) -> Connection:
    made: Connection = ConnectionFactory(organization=owner.organization, name="Claude")
    report(made, back(70))
    read(made, *(back(days) for days in range(71)))
    return made


def ask(api: APIClient, base: str, query: str = "") -> Any:
    answer = api.get(f"{base}usage/{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_figures_are_exact_strings_and_estimates_are_marked(
    api: APIClient, base: str, claude: Connection
) -> None:
    key = KeyFactory(connection=claude, name="loader")
    counts = {"uncached_input": 30, "cache_read": 10, "output": 7}
    used(claude, back(1), cost="0.000000000000123", counts=counts, key=str(key.remote_id))
    used(claude, back(2), cost="12345678.000000000000001", counts=counts, model="other")
    found = ask(api, base, "?group=model&by=day")
    assert found["grouped_by"] == "model"
    assert found["count"] == 2
    rows = {row["group"]: row for row in found["rows"]}
    assert rows["other"]["cost"] == rows["other"]["billed"] == "12345678.000000000000001"
    assert rows["other"]["period"] == back(2).isoformat()
    sonnet = rows["claude-sonnet-4-6"]
    assert sonnet["cost"] == "0.000000000000123"
    assert sonnet["cache_hit_rate"] == "0.25"
    assert (sonnet["tokens"], sonnet["requests"], sonnet["listed"]) == (47, None, None)
    assert not sonnet["is_estimate"]
    (total,) = found["totals"]
    assert Decimal(total["cost"]) == Decimal("12345678.000000000000124")
    (by_key,) = ask(api, base, f"?group=key&key={key.remote_id}")["rows"]
    assert by_key["is_estimate"]
    assert by_key["billed"] == "0"
    assert by_key["name"].startswith("loader")
    assert by_key["connection"] == str(claude.uid)
    assert by_key["period"] is None


def test_the_address_of_the_page_asks_the_same_here(
    api: APIClient, base: str, claude: Connection, owner: Grant
) -> None:
    person = PersonFactory(organization=owner.organization, name="Ada")
    member = MemberFactory(connection=claude, person=person)
    for days, cost in ((1, "5"), (2, "1.5"), (9, "4")):
        used(claude, back(days), cost=cost, counts={"output": 1}, account=str(member.remote_id))
        used(claude, back(days), cost="100", counts={"output": 1})
    query = f"?range=7d&group=person&person={person.pk}&compare=1"
    found = ask(api, base, query)
    assert [(row["name"].partition(" ")[0], row["cost"]) for row in found["rows"]] == [
        ("Ada", "6.5")
    ]
    assert found["previous"]["totals"][0]["cost"] == "4"
    assert found["previous"]["last"] == back(7).isoformat()
    page = at_desk(owner.user).get(f"/o/{owner.organization.slug}/usage/{query}").text
    assert "$6.50" in page


def test_coverage_comes_along(api: APIClient, base: str, claude: Connection) -> None:
    ReadDay.objects.filter(connection=claude, day=day_of(back(3)), report="costs").delete()
    found = ask(api, base, "?range=7d")
    assert not found["coverage"]["is_complete"]
    assert found["coverage"]["holes"] == [
        {
            "connection": str(claude.uid),
            "report": "costs",
            "first": back(3).isoformat(),
            "last": back(3).isoformat(),
            "why": "backfill",
        }
    ]
    assert any("still being read" in line for line in found["not_included"])
    assert any("cost report" in line for line in found["sources"])


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("from=2026-02-30&to=2026-03-01", "#/from"),
        (f"from={back(1)}&to={back(3)}", "#/to"),
        (f"from={back(300)}&to={back(1)}", "#/from"),
        (f"from={back(3)}", "#/to"),
        ("range=fortnight", "#/range"),
        ("group=colour", "#/group"),
        ("by=hour&range=90d", "#/by"),
        ("group=description&key=x", "#/group"),
        ("connection=00000000-0000-0000-0000-000000000000", "#/connection"),
        ("modle=x", "#/modle"),
        ("limit=20000", "#/limit"),
    ],
)
def test_what_cannot_be_asked_is_an_error_beside_its_parameter(
    api: APIClient, base: str, claude: Connection, query: str, pointer: str
) -> None:
    answer = api.get(f"{base}usage/?{query}")
    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert pointer in [one["pointer"] for one in answer.json()["errors"]]


def test_hours_that_are_not_kept_are_an_error_of_the_range_or_of_the_comparison(
    api: APIClient, base: str, claude: Connection, settings: Settings
) -> None:
    settings.USAGE_HOURS_KEPT_DAYS = 10
    for query, pointer in (
        (f"from={back(20)}&to={back(15)}", "#/by"),
        (f"from={back(8)}&to={back(0)}&compare=on", "#/compare"),
    ):
        answer = api.get(f"{base}usage/?by=hour&{query}")
        assert answer.status_code == 400, answer.content
        assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]
    hours = ask(api, base, f"?by=hour&from={back(2)}&to={back(0)}&compare=on")
    assert hours["previous"]["first"] == back(5).isoformat()


@pytest.mark.parametrize("yes", ["1", "true", "yes", "on", "t"])
def test_a_comparison_is_made_however_yes_is_written(
    api: APIClient, base: str, claude: Connection, yes: str
) -> None:
    assert ask(api, base, f"?range=7d&compare={yes}")["previous"]["last"] == back(7).isoformat()


def test_rows_come_in_parts_and_in_an_order_that_stays(
    api: APIClient, base: str, claude: Connection
) -> None:
    for number in range(5):
        used(claude, back(1), cost=str(number), counts={"output": 1}, model=f"model-{number}")
    every = ask(api, base, "?group=model")["rows"]
    parts = [ask(api, base, f"?group=model&limit=2&offset={at}") for at in (0, 2, 4)]
    assert [row for part in parts for row in part["rows"]] == every
    assert {part["count"] for part in parts} == {5}
    assert {part["totals"][0]["cost"] for part in parts} == {"10"}


def test_nobody_sees_anothers_and_every_role_that_reads_money_sees_it(
    api: APIClient, base: str, claude: Connection, owner: Grant
) -> None:
    other = ConnectionFactory()
    report(other, back(5))
    read(other, back(1))
    used(other, back(1), cost="77", counts={"output": 1})
    assert ask(api, base)["rows"] == []
    refused = api.get(f"{base}usage/?connection={other.uid}")
    assert refused.status_code == 400
    theirs = f"/api/v1/organizations/{other.organization.slug}/usage/"
    assert api.get(theirs).status_code == 404
    viewer = GrantFactory(organization=owner.organization, role=Role.VIEWER)
    assert ask(client_for(viewer), base)["count"] == 0


def test_claude_code_comes_with_its_people_and_who_cannot_be_seen(
    api: APIClient, base: str, claude: Connection, owner: Grant
) -> None:
    ConnectionFactory(organization=owner.organization, provider="cline", name="Cline")
    person = PersonFactory(organization=owner.organization, email="ada@northwind.example")
    coder = Coder.objects.create(connection=claude, email=person.email)
    CodingDay.objects.create(
        connection=claude,
        day=day_of(back(1)),
        coder=coder,
        terminal="vscode",
        customer_type="api",
        sessions=3,
        lines_added=40,
        commits=2,
        pull_requests=1,
    )
    micros, femtos = split(Decimal("0.123456789"))
    CodingModel.objects.create(
        connection=claude,
        day=day_of(back(1)),
        coder=coder,
        model="claude",
        estimate_micros=micros,
        estimate_femtos=femtos,
    )
    coding_rollups.exchange(claude.pk, day_of(back(1)), {})
    answer = api.get(f"{base}usage/claude-code/?range=7d&by=day")
    assert answer.status_code == 200, answer.content
    found = answer.json()
    assert (found["people"], found["keys"]) == (1, 0)
    assert found["total"]["estimate"] == "0.123456789"
    assert found["total"]["per_commit"] == "0.0617283945"
    (line,) = found["coders"]
    assert (line["person"], line["days"], line["work"]["sessions"]) == (person.pk, 1, 3)
    assert found["terminals"] == [{"name": "vscode", "sessions": 3}]
    assert {"period": back(1).isoformat(), "active": 1, "new": 1, "ever": 1} in found["periods"]
    assert any("tells nothing of Claude Code" in one for one in found["not_included"])
    assert api.get(f"{base}usage/claude-code/?by=hour").status_code == 400


def test_an_answer_takes_as_many_queries_for_many_rows_as_for_few(
    api: APIClient, base: str, claude: Connection
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(database) as seen:
            ask(api, base, "?group=key&by=day")
        return len(seen)

    used(claude, back(1), cost="1", counts={"output": 1}, key="apikey_one")
    queries()
    few = queries()
    for number in range(10):
        used(claude, back(number), cost="1", counts={"output": 1}, key=f"apikey_{number}")
    assert queries() == few
