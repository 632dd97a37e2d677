"""The page of usage and cost, as a reader meets it."""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from openpyxl import load_workbook
from pytest_django.fixtures import Settings

from apps.organizations.models import Connection, Grant
from apps.usage.days import day_of
from apps.usage.models import ReadDay, Report
from tests.browsing import at_desk
from tests.factories import (
    ConnectionFactory,
    GrantFactory,
    KeyFactory,
    MemberFactory,
    PersonFactory,
    WorkspaceFactory,
)
from tests.usage.rolled import read, report, used

pytestmark = pytest.mark.django_db
At = Callable[..., str]


def back(days: int) -> date:
    return timezone.now().astimezone(UTC).date() - timedelta(days=days)


@pytest.fixture
def owner() -> Grant:
    grant: Grant = GrantFactory()
    return grant


@pytest.fixture
def claude(owner: Grant) -> Connection:
    """An account whose usage of 40 days was read."""
    made: Connection = ConnectionFactory(organization=owner.organization, name="Claude")
    report(made, back(40))
    read(made, *(back(days) for days in range(41)))
    return made


@pytest.fixture
def olga(owner: Grant) -> Client:
    return at_desk(owner.user)


@pytest.fixture
def at(owner: Grant) -> At:
    return lambda query="": f"/o/{owner.organization.slug}/usage/{query}"


def body(client: Client, address: str, **headers: str) -> str:
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def chart(html: str) -> dict[str, Any]:
    found = re.search(r'id="usage-chart-data" type="application/json">(.*?)</script>', html, re.S)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def shown(html: str) -> list[str]:
    """The names in the table, in its order."""
    return re.findall(r'<a class="row-link"[^>]*>([^<]*)</a>', html)


def lead_to(html: str, name: str) -> str:
    """Where the row of that name leads."""
    found = re.search(rf'<a class="row-link" href="([^"]*)">{re.escape(name)}</a>', html)
    assert found
    return found[1].replace("&amp;", "&")


# --- Numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("models", [3, 12])
def test_chart_and_table_hold_the_same_money(
    olga: Client, at: At, claude: Connection, models: int
) -> None:
    whole = Decimal(0)
    for days in range(2):
        for number in range(models):
            amount = Decimal("0.123456789") * (number + 1)
            whole += amount
            counts = {"output": 10, "uncached_input": 5, "cache_read": 5}
            used(claude, back(days), cost=amount, counts=counts, model=f"claude-{number:02}")
    html = body(olga, at("?range=7d"))
    data = chart(html)
    drawn = [Decimal(str(value)) for one in data["series"] for value in one["values"]]
    assert sum(drawn) == pytest.approx(whole)
    assert data["totals"][-1] == f"${whole / 2:,.2f}"
    assert f"${whole:,.2f}" in html, "the line of totals"
    assert (f"{models - 7} others" in html) == (models > 8)
    assert shown(html)[0] == f"claude-{models - 1:02}"
    assert "50.0%" in html, "the cache's share of the input"
    assert "≈" not in html, "by model the provider bills: nothing is an estimate"


def test_a_row_leads_to_the_rows_beneath_and_on_to_the_page_of_the_key(
    olga: Client, at: At, claude: Connection
) -> None:
    workspace = WorkspaceFactory(connection=claude, name="Checkout")
    key = KeyFactory(connection=claude, name="checkout-api", workspace=workspace.remote_id)
    for name, cost in (("claude-opus", "9"), ("claude-haiku", "1")):
        for one, part in ((key.remote_id, "0.75"), ("-", "0.25")):
            used(
                claude,
                back(1),
                cost=Decimal(cost) * Decimal(part),
                counts={"output": 4},
                model=name,
                workspace=workspace.remote_id,
                key=one,
            )
    page = body(olga, at("?range=7d"))
    page = body(olga, at(lead_to(page, "claude-opus")))
    assert shown(page) == ["Checkout"]
    page = body(olga, at(lead_to(page, "Checkout")))
    assert shown(page) == ["checkout-api", "Without an API key"]
    assert f"/keys/{key.pk}/" in page
    assert "$6.75" in page
    assert "≈" in page, "by key nobody bills"
    # What the bars' parts lead to is the same.
    by_model = chart(body(olga, at("?range=7d")))
    assert by_model["series"][0]["query"] == "model=claude-opus&group=workspace"


def test_people_are_one_across_connections_and_found_by_address(
    olga: Client, at: At, claude: Connection, owner: Grant
) -> None:
    other = ConnectionFactory(organization=owner.organization, provider="cline", name="Cline")
    ada = PersonFactory(organization=owner.organization, name="Ada", email="ada@acme.example")
    for connection, cost in ((claude, "1.5"), (other, "2")):
        account = MemberFactory(connection=connection, person=ada).remote_id
        used(connection, back(1), cost=cost, counts={"output": 1}, account=account)
    used(claude, back(1), cost="7", counts={"output": 1})
    page = body(olga, at("?group=person"))
    assert shown(page) == ["By API keys, no person", "Ada"]
    assert "$3.50" in page
    page = body(olga, at("?find_person=ADA@acme.example&group=connection"))
    assert shown(page) == ["Cline", "Claude"]
    assert "Person: Ada" in page


def test_two_default_workspaces_are_two_rows(
    olga: Client, at: At, claude: Connection, owner: Grant
) -> None:
    other = ConnectionFactory(organization=owner.organization, name="Labs")
    used(claude, back(1), cost="2", counts={"output": 1})
    used(other, back(1), cost="1", counts={"output": 1})
    page = body(olga, at("?group=workspace"))
    assert shown(page) == ["Default workspace", "Default workspace"]
    assert f"connection={claude.pk}" in lead_to(page, "Default workspace")


def test_the_period_before_stands_beside(olga: Client, at: At, claude: Connection) -> None:
    used(claude, back(1), cost="3", counts={"output": 1})
    used(claude, back(8), cost="2", counts={"output": 1})
    page = body(olga, at("?range=7d&compare=1"))
    assert "+50%" in page
    assert chart(page)["series"][-1]["line"]


def test_a_day_that_is_not_over_is_no_fair_comparison(
    olga: Client, at: At, claude: Connection
) -> None:
    used(claude, back(1), cost="3", counts={"output": 1})
    used(claude, back(0), cost="2", counts={"output": 1})
    said = "Today is not over, and the period before has whole days"
    assert said in body(olga, at("?range=today&compare=1"))
    assert said in body(olga, at("?range=7d&compare=1"))
    assert said not in body(olga, at("?range=yesterday&compare=1"))
    assert said not in body(olga, at("?range=7d")), "nothing is compared"


def test_a_week_that_the_range_cuts_is_said_to_be_none(
    olga: Client, at: At, claude: Connection
) -> None:
    used(claude, back(14), cost="3", counts={"output": 1})
    monday = back(14) - timedelta(days=back(14).weekday())
    whole = f"?from={monday}&to={monday + timedelta(days=6)}"
    assert "alone." not in body(olga, at(f"{whole}&by=week"))
    tuesday = monday + timedelta(days=1)
    page = body(olga, at(f"?from={tuesday}&to={monday + timedelta(days=6)}&by=week"))
    assert f"The first bar holds the days from {tuesday:%-d %b %Y} on alone." in page
    assert "The last bar" not in page
    page = body(olga, at(f"?from={monday}&to={monday + timedelta(days=5)}&by=week"))
    assert "The last bar holds the days up to" in page
    assert "The first bar" not in page
    assert "The first bar" not in body(olga, at(f"?from={tuesday}&to={back(1)}&by=day"))


def test_a_sum_that_is_an_estimate_is_marked_also_beside_the_period_before(
    olga: Client, at: At, claude: Connection
) -> None:
    for key, cost in (("k1", "3"), ("k2", "1")):
        used(claude, back(1), cost=cost, counts={"output": 1}, key=key)
    marked = re.compile(r'stat-value"><span class="estimate"[^>]*>≈</span><[^>]*>about</span> \$3')
    assert marked.search(body(olga, at("?range=7d&key=k1")))
    assert marked.search(body(olga, at("?range=7d&key=k1&compare=1")))
    assert not re.search(r'stat-value"><span', body(olga, at("?range=7d&compare=1")))


def test_a_share_says_of_what_it_is_where_that_is_not_the_cost_beside_it(
    olga: Client, at: At, claude: Connection
) -> None:
    used(claude, back(1), cost="3", counts={"output": 1}, model="dear")
    used(claude, back(1), cost="1", counts={"output": 9}, model="cheap")
    page = body(olga, at("?range=7d"))
    assert ">Share</th>" in page
    page = body(olga, at("?range=7d&show=tokens&compare=1"))
    assert shown(page) == ["cheap", "dear"]
    assert ">Share of tokens</th>" in page
    assert 'data-label="Share of tokens">90.0%' in page
    assert ">Tokens before</th>" in page


# --- The address, and what is typed into it --------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "said", "kept"),
    [
        ("from={1}&to={5}&show=tokens", "The end lies before the start.", 'value="{5}"'),
        ("from=2026-02-31&to={1}", "is no date", 'value="2026-02-31"'),
        ("from={1}", "Both ends of the range are needed.", 'value="{1}"'),
        ("from={300}&to={1}", "Usage is kept from {40} on", 'value="{300}"'),
        ("group=bananas&show=tokens", "There is no “bananas”", '<option value="tokens" selected>'),
        ("range=aeon", "There is no range “aeon”", "claude-sonnet-4-6"),
        ("by=hour&range=30d", "at most 14 days at once", "claude-sonnet-4-6"),
        ("find_key=nobody", "No API key is called “nobody”.", 'value="nobody"'),
        ("find_person=nobody", "Nobody here has the name", 'value="nobody"'),
        ("connection=999999", "There is no such connection.", "claude-sonnet-4-6"),
        ("group=key&cost_type=tokens", "nobody tells them", "Kind of cost: Tokens"),
    ],
)
def test_what_cannot_be_is_said_beside_its_control(
    olga: Client, at: At, claude: Connection, query: str, said: str, kept: str
) -> None:
    used(claude, back(1), cost="3", counts={"output": 1})

    def dated(text: str) -> str:
        return re.sub(r"\{(\d+)\}", lambda found: back(int(found[1])).isoformat(), text)

    page = body(olga, at(f"?{dated(query)}"))
    assert dated(said) in page
    assert dated(kept) in page
    assert "is-invalid" in page or "invalid-feedback" in page


def test_the_address_holds_everything_and_htmx_gets_it_back(
    olga: Client, at: At, claude: Connection
) -> None:
    query = "?range=7d&by=week&group=key&show=tokens&compare=1&model=claude-sonnet-4-6&workspace=-"
    answer = olga.get(at(query + "&find_key=&service_tier="), headers={"HX-Target": "usage"})
    assert answer.headers["HX-Push-Url"] == at(query)
    assert "<html" not in answer.content.decode()
    # Dates that a form sent along with the preset's own are the preset's; others are what was typed.
    ends = f"?range=7d&from={back(6)}&to={back(0)}"
    assert olga.get(at(ends), headers={"HX-Target": "usage"}).headers["HX-Push-Url"] == at(
        "?range=7d"
    )
    typed = f"?range=7d&from={back(5)}&to={back(0)}"
    pushed = olga.get(at(typed), headers={"HX-Target": "usage"}).headers["HX-Push-Url"]
    assert pushed == at(f"?from={back(5)}&to={back(0)}")


def test_hours_are_tokens_and_leave_out_who_tells_days_alone(
    olga: Client, at: At, claude: Connection, owner: Grant
) -> None:
    other = ConnectionFactory(organization=owner.organization, provider="cline", name="Cline")
    report(other, back(40), hourly=False)
    read(other, back(1))
    used(claude, back(1), cost="3", counts={"output": 1})
    used(other, back(1), cost="3", counts={"output": 1}, model="gpt")
    page = body(olga, at("?range=yesterday&by=hour"))
    assert "by the hour there are tokens alone" in page
    assert shown(page) == ["claude-sonnet-4-6"]
    assert "Cline tells days alone" in page


def test_hours_of_the_period_before_that_are_not_kept_are_said_and_nothing_is_compared(
    olga: Client, at: At, claude: Connection, settings: Settings
) -> None:
    settings.USAGE_HOURS_KEPT_DAYS = 10
    used(claude, back(1), cost="3", counts={"output": 1})
    too_far = f"from={back(8)}&to={back(0)}&by=hour"
    page = body(olga, at(f"?{too_far}&compare=1"))
    words = f"Hours are kept from {back(10)} on: the period before has none to compare with."
    assert f'id="usage-compare-error">{words}' in page
    assert 'name="compare" value="1" checked' not in page
    assert words not in body(olga, at(f"?from={back(3)}&to={back(0)}&by=hour&compare=1"))
    slug = claude.organization.slug
    assert words in body(olga, f"/o/{slug}/usage/models/claude-sonnet-4-6/?{too_far}")
    page = body(olga, at(f"?from={back(20)}&to={back(15)}&by=hour"))
    assert "before that there are days" in page, "also where no hour is there at all"


# --- What is missing, nothing yet ------------------------------------------------------------------


def test_holes_and_refusals_are_told(olga: Client, at: At, claude: Connection) -> None:
    used(claude, back(1), cost="3", counts={"output": 1})
    page = body(olga, at("?range=7d"))
    assert "has not been read" not in page
    assert "still being read" not in page
    assert "leaves out code execution" in page, "whatever is read"
    Report.objects.filter(connection=claude).update(backfill_to=0, paused_at=timezone.now())
    page = body(olga, at(f"?from={back(50)}&to={back(0)}"))
    assert "reading back is paused" in page


def test_days_that_are_over_and_read_are_not_said_to_be_old(
    olga: Client, at: At, claude: Connection
) -> None:
    used(claude, back(1), cost="3", counts={"output": 1})
    assert "Read up to" in body(olga, at("?range=7d")), "today goes on"
    page = body(olga, at("?range=yesterday"))
    assert "All of these days are read" in page
    assert "Read up to" not in page
    ReadDay.objects.filter(connection=claude, day=day_of(back(3))).delete()
    assert "All of these" not in body(olga, at(f"?from={back(5)}&to={back(1)}"))


def test_hours_in_a_file_are_headed_with_their_zone(
    olga: Client, at: At, owner: Grant, claude: Connection
) -> None:
    owner.user.time_zone = "Asia/Kolkata"
    owner.user.save(update_fields=["time_zone"])
    query = at("?range=yesterday&by=hour&export=csv")
    told = b"".join(olga.get(query)).decode("utf-8-sig")  # type: ignore[arg-type]  # streamed
    assert told.startswith("Hour (Asia/Kolkata),")


def test_what_is_not_read_is_no_zero_in_the_chart_and_no_fair_comparison(
    olga: Client, at: At, claude: Connection, owner: Grant
) -> None:
    used(claude, back(1), cost="3", counts={"output": 1})
    ReadDay.objects.filter(connection=claude, day=day_of(back(2))).delete()
    page = body(olga, at("?range=7d"))
    (series,) = chart(page)["series"]
    assert series["values"][-3:] == [None, 3.0, 0.0]
    assert series["texts"][-3:] == ["not read yet", "$3.00", "$0.00"]
    words = "Some days of the period before are not read yet"
    assert words not in body(olga, at("?range=7d&compare=1"))
    ReadDay.objects.filter(connection=claude, day=day_of(back(9))).delete()
    assert words in body(olga, at("?range=7d&compare=1"))


def test_a_period_before_that_is_not_all_kept_is_no_fair_comparison(
    olga: Client, at: At, claude: Connection
) -> None:
    used(claude, back(1), cost="3", counts={"output": 1})
    used(claude, back(35), cost="3", counts={"output": 1})
    words = "begins before what is kept"
    assert words in body(olga, at("?range=30d&compare=1")), "forty days are kept"
    assert words not in body(olga, at("?range=30d"))
    assert words not in body(olga, at(f"?from={back(19)}&to={back(0)}&compare=1"))


def test_what_is_missing_is_told_of_the_connections_that_are_looked_at(
    olga: Client, at: At, claude: Connection, owner: Grant
) -> None:
    other = ConnectionFactory(organization=owner.organization, provider="cline", name="Cline")
    report(other, back(5))
    read(other, back(1))
    used(claude, back(1), cost="3", counts={"output": 1})
    used(other, back(1), cost="3", counts={"output": 1})
    whole = body(olga, at())
    assert "Cline, Tokens:" in whole
    assert "come from the organization usages" in whole
    one = body(olga, at(f"?connection={claude.pk}"))
    assert "Cline, Tokens:" not in one
    assert "come from the organization usages" not in one


def test_it_says_what_to_do_while_there_is_nothing(olga: Client, at: At, owner: Grant) -> None:
    assert "Nothing is connected yet" in body(olga, at())
    made = ConnectionFactory(organization=owner.organization)
    assert "Nothing has been read yet" in body(olga, at())
    report(made, back(40))
    read(made, back(1), back(0))
    assert "No usage in this range" in body(olga, at())


# --- Files, queries, tenants ------------------------------------------------------------------------


@pytest.mark.parametrize("width", ["day", "week", "month"])
def test_files_hold_every_row_of_every_period_once(
    olga: Client, at: At, claude: Connection, width: str
) -> None:
    for days in (0, 1, 2, 6, 7, 8, 13, 20, 29, 30, 31, 39):
        used(claude, back(days), cost="0.1", counts={"output": 2}, model="=evil")
        used(claude, back(days), cost="0.2", counts={"output": 3})
    query = at(f"?from={back(39)}&to={back(0)}&by={width}")
    told = b"".join(olga.get(query + "&export=csv")).decode("utf-8-sig")  # type: ignore[arg-type]  # streamed
    assert "'=evil" in told, "no cell is a formula"
    head, *cells = csv.reader(io.StringIO(told))
    assert len({(one[0], one[1]) for one in cells}) == len(cells)
    cost = head.index("Cost")
    assert sum(Decimal(one[cost]) for one in cells) == Decimal("3.6")
    sheet = load_workbook(io.BytesIO(b"".join(olga.get(query + "&export=xlsx")))).active  # type: ignore[arg-type]  # streamed
    assert sheet is not None
    assert sheet.max_row == len(cells) + 1


def test_files_agree_with_the_page_to_the_last_decimal(
    olga: Client, at: At, claude: Connection
) -> None:
    """CSV is exact; a sheet holds the same as numbers, to the fifteen digits that spreadsheets have."""
    amounts = ["1234567.890123456789", "0.000000000001", "0.1", "-2.5", "0"]
    for number, amount in enumerate(amounts):
        counts = {"output": 10**number, "uncached_input": 12_345_678_901}
        used(claude, back(1), cost=amount, counts=counts, model=f"claude-{number}")
    query = at("?range=7d&by=day")
    told = b"".join(olga.get(query + "&export=csv")).decode("utf-8-sig")  # type: ignore[arg-type]  # streamed
    head, *cells = csv.reader(io.StringIO(told))
    model, cost, unit = head.index("Id"), head.index("Cost"), head.index("Currency")
    by_model = {line[model]: line for line in cells}
    for number, amount in enumerate(amounts):
        line = by_model[f"claude-{number}"]
        assert Decimal(line[cost]) == Decimal(amount)
        assert "E" not in line[cost]
        assert line[unit] == "USD"
        assert line[head.index("Output")] == str(10**number)

    book = load_workbook(io.BytesIO(b"".join(olga.get(query + "&export=xlsx"))))  # type: ignore[arg-type]  # streamed
    sheet = book.active
    assert sheet is not None
    rows = list(sheet.iter_rows())
    assert [cell.value for cell in rows[0]] == head
    assert len(rows) == len(cells) + 1
    for drawn in rows[1:]:
        line = by_model[str(drawn[model].value)]
        for cell, text in zip(drawn, line, strict=True):
            if cell.data_type == "n" and cell.value is not None:
                assert cell.value == float(f"{Decimal(text):.16g}")
                money = cell.column - 1 == cost
                assert cell.number_format == ("#,##0.00#############" if money else "#,##0")
            else:
                assert (cell.value or "") == text
        assert drawn[cost].data_type == drawn[head.index("Output")].data_type == "n"

    whole = sum(Decimal(line[cost]) for line in cells)
    html = body(olga, query)
    assert f"${whole:,.2f}" == "$1,234,565.49"
    assert "$1,234,565.49" in html, "the total of the page"
    for amount in ("$1,234,567.89", "<$0.01".replace("<", "&lt;"), "$0.10", "−$2.50"):
        assert amount in html
    assert f"{sum(int(line[head.index('Output')]) for line in cells):,}" in html


def test_it_takes_as_many_queries_for_much_as_for_little(
    olga: Client, at: At, claude: Connection
) -> None:
    def queries(query: str) -> int:
        with CaptureQueriesContext(database) as seen:
            body(olga, at(query))
        return len(seen)

    def more(number: int) -> None:
        workspace = WorkspaceFactory(connection=claude)
        key = KeyFactory(connection=claude)
        used(
            claude,
            back(number % 30),
            cost="1",
            counts={"output": 1},
            model=f"model-{number}",
            workspace=workspace.remote_id,
            key=key.remote_id,
        )

    query = "?group=key&compare=1"
    more(0)
    queries(query)
    few = queries(query)
    for number in range(1, 6):
        more(number)
    assert queries(query) == few <= 32


def test_another_tenants_usage_is_in_no_sum(olga: Client, at: At, claude: Connection) -> None:
    other = ConnectionFactory()
    report(other, back(40))
    used(other, back(1), cost="77", counts={"output": 1}, model="theirs")
    used(claude, back(1), cost="3", counts={"output": 1})
    for query in ("", f"?connection={other.pk}", "?model=theirs", "?group=connection"):
        page = body(olga, at(query))
        assert "$77" not in page
        assert "$80" not in page
        assert other.name not in page


def test_days_are_said_to_be_those_of_utc_on_the_readers_and_the_organizations_clock(
    owner: Grant, olga: Client, at: At, claude: Connection
) -> None:
    used(claude, back(1), cost="1", counts={"output": 1})
    owner.user.time_zone, owner.organization.time_zone = "Asia/Kolkata", "Asia/Tokyo"
    owner.user.save()
    owner.organization.save()
    html = body(olga, at())
    assert "For you each runs from 05:30 IST to 05:30 IST." in html
    assert "By your organization's clock it runs from 09:00 JST to 09:00 JST." in html

    owner.organization.time_zone = "Asia/Kolkata"
    owner.organization.save()
    assert "organization's clock" not in body(olga, at())
