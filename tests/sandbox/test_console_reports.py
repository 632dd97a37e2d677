"""Usage, cost and Claude Code reports: that their parts add up, and that what happens shows in them."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from apps.sandbox.anthropic.prices import INPUT_AND_OUTPUT, cents, token_prices
from apps.sandbox.anthropic.usage import sums
from tests.sandbox_server import SandboxServer

DAY = timedelta(days=1)
DIMENSIONS = (
    "api_key_id",
    "workspace_id",
    "model",
    "service_tier",
    "context_window",
    "inference_geo",
    "account_id",
    "service_account_id",
)


def midnight(sandbox: SandboxServer, before: int = 0) -> datetime:
    now = datetime.fromtimestamp(sandbox.state.now(), UTC)
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - before * DAY


def pages(sandbox: SandboxServer, path: str, **query: Any) -> Iterator[dict[str, Any]]:
    """Every page of a report."""
    wanted = {
        name: value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value
        for name, value in query.items()
    }
    named = {
        f"{name}[]" if isinstance(value, list) else name: value for name, value in wanted.items()
    }
    while True:
        status, _, page = sandbox.anthropic("GET", f"{path}?{urlencode(named, doseq=True)}")
        assert status == 200, page
        yield page
        assert page["has_more"] is (page["next_page"] is not None)
        if not page["has_more"]:
            return
        named["page"] = page["next_page"]


def buckets(sandbox: SandboxServer, path: str, **query: Any) -> list[dict[str, Any]]:
    return [bucket for page in pages(sandbox, path, **query) for bucket in page["data"]]


def usage(sandbox: SandboxServer, **query: Any) -> list[dict[str, Any]]:
    return buckets(sandbox, "/usage_report/messages", **query)


def costs(sandbox: SandboxServer, **query: Any) -> list[dict[str, Any]]:
    return buckets(sandbox, "/cost_report", **query)


def coding(sandbox: SandboxServer, day: datetime) -> list[dict[str, Any]]:
    query = {"starting_at": f"{day:%Y-%m-%d}", "limit": 1000}
    return buckets(sandbox, "/usage_report/claude_code", **query)


def counts(row: dict[str, Any]) -> tuple[int, ...]:
    cache = row["cache_creation"]
    return (
        row["uncached_input_tokens"],
        row["cache_read_input_tokens"],
        cache["ephemeral_5m_input_tokens"],
        cache["ephemeral_1h_input_tokens"],
        row["output_tokens"],
        row["server_tool_use"]["web_search_requests"],
    )


def total(found: list[dict[str, Any]], by: str = "") -> Any:
    """Sums of all buckets; with ``by`` for each value of a dimension."""
    sums: dict[Any, tuple[int, ...]] = defaultdict(lambda: (0,) * 6)
    for bucket in found:
        for row in bucket["results"]:
            key = row[by] if by else ""
            sums[key] = tuple(map(sum, zip(sums[key], counts(row), strict=True)))
    return dict(sums) if by else sums[""]


def test_buckets_of_every_width_and_grouping_add_up_to_the_same(sandbox: SandboxServer) -> None:
    window = {"starting_at": midnight(sandbox, 2), "ending_at": midnight(sandbox, 1)}
    whole = total(usage(sandbox, **window))
    assert all(count > 0 for count in whole)
    for width, number in (("1h", 24), ("1m", 1440)):
        found = usage(sandbox, **window, bucket_width=width, limit=number)
        assert len(found) == number
        assert total(found) == whole
    for size in range(1, 8):
        found = usage(sandbox, **window, group_by=list(DIMENSIONS[:size]))
        assert total(found) == whole
    by_model = total(usage(sandbox, **window, group_by=["model"]), "model")
    for model, expected in by_model.items():
        assert total(usage(sandbox, **window, models=[model])) == expected
    assert total(usage(sandbox, **window, models=list(by_model))) == whole


def test_what_is_not_grouped_by_is_null(sandbox: SandboxServer) -> None:
    start = midnight(sandbox, 2)
    (row,) = usage(sandbox, starting_at=start, ending_at=start + DAY)[0]["results"]
    assert {row[name] for name in DIMENSIONS} == {None}
    assert "speed" not in row
    found = usage(sandbox, starting_at=start, ending_at=start + DAY, group_by=list(DIMENSIONS[:3]))
    rows = found[0]["results"]
    assert {name for row in rows for name in DIMENSIONS if row[name] is not None} == set(
        DIMENSIONS[:3]
    )
    keys = [tuple(row[name] for name in DIMENSIONS[:3]) for row in rows]
    assert len(set(keys)) == len(keys)
    assert None in {row["workspace_id"] for row in rows}  # the default one
    assert None in {row["api_key_id"] for row in rows}  # the console, and Claude Code


def test_a_start_snaps_down_and_an_end_leaves_out(sandbox: SandboxServer) -> None:
    start, end = midnight(sandbox, 5) + timedelta(hours=7, minutes=3), midnight(sandbox, 3)
    days = usage(sandbox, starting_at=start, ending_at=end + timedelta(hours=5))
    assert [one["starting_at"][:10] for one in days] == [
        f"{midnight(sandbox, before):%Y-%m-%d}" for before in (5, 4)
    ]
    hours = usage(sandbox, starting_at=start, ending_at=midnight(sandbox, 4), bucket_width="1h")
    assert hours[0]["starting_at"][11:] == "07:00:00Z"
    assert len(hours) == 17


def test_pages_are_followed_to_the_end_whatever_their_size(sandbox: SandboxServer) -> None:
    query = {"starting_at": midnight(sandbox, 20), "group_by": ["model"]}
    whole = usage(sandbox, **query, limit=31)
    assert len(whole) == 21  # with the day that is not over
    for limit in (1, 7, 20):
        assert usage(sandbox, **query, limit=limit)[:-1] == whole[:-1]


def test_a_cursor_belongs_to_its_query(sandbox: SandboxServer) -> None:
    start = midnight(sandbox, 9).strftime("%Y-%m-%dT%H:%M:%SZ")
    path = f"/usage_report/messages?starting_at={start}&limit=2"
    page = sandbox.anthropic("GET", path)[2]["next_page"]
    assert sandbox.anthropic("GET", f"{path}&page={page}")[0] == 200
    other = f"{path}&group_by%5B%5D=model&page={page}"
    assert sandbox.anthropic("GET", other)[0] == 400


def test_before_the_world_began_buckets_are_there_and_empty(sandbox: SandboxServer) -> None:
    start = midnight(sandbox, 700)
    found = usage(sandbox, starting_at=start, ending_at=start + 3 * DAY)
    assert [one["results"] for one in found] == [[], [], []]
    assert [one["results"] for one in costs(sandbox, starting_at=start, ending_at=start + DAY)] == [
        []
    ]


def test_thirteen_months_look_like_life(sandbox: SandboxServer) -> None:
    start = midnight(sandbox, 395)
    found = usage(sandbox, starting_at=start, limit=31, group_by=["model"])
    amount = [sum(sum(counts(row)[:5]) for row in one["results"]) for one in found]
    assert all(amount[:-1])
    assert sum(amount[-90:-30]) > 1.5 * sum(amount[:60])
    weekends = [
        value
        for value, one in zip(amount, found, strict=True)
        if datetime.fromisoformat(one["starting_at"]).weekday() > 4
    ]
    assert sum(weekends) / len(weekends) < 0.8 * sum(amount) / len(amount)
    old, new = (
        {row["model"] for one in part for row in one["results"]}
        for part in (found[:20], found[-20:])
    )
    assert "claude-sonnet-4-6" in new - old
    assert "claude-opus-4-6" in new - old
    runaway = sandbox.state.world.organizations[sandbox.anthropic_organization].settings[
        "runaway_key"
    ]
    days = usage(sandbox, starting_at=midnight(sandbox, 30), limit=31, api_key_ids=[runaway])
    by_day = sorted((sum(map(sum, map(counts, one["results"]))) for one in days), reverse=True)
    assert by_day[1] > 3 * by_day[len(by_day) // 2]


def test_costs_follow_from_tokens_and_prices(sandbox: SandboxServer) -> None:
    window = {"starting_at": midnight(sandbox, 9), "ending_at": midnight(sandbox, 2), "limit": 31}
    kinds = ["workspace_id", "model", "service_tier", "context_window", "inference_geo"]
    expected: dict[tuple[Any, ...], int] = defaultdict(int)
    for speed in ("standard", "fast"):
        path = "/usage_report/messages"
        query = {**window, "group_by": kinds, "speeds": [speed]}
        for page in _with_beta(sandbox, path, query):
            for bucket in page["data"]:
                for row in bucket["results"]:
                    where, model, tier, context, geo = (row[name] for name in kinds)
                    if tier not in ("standard", "batch"):
                        continue
                    prices = token_prices(model, tier, context, geo, speed)
                    for place, price in enumerate(prices):
                        expected[where, model] += counts(row)[place] * price
    found: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    for bucket in costs(sandbox, **window, group_by=["workspace_id", "description"]):
        for row in bucket["results"]:
            if row["cost_type"] == "tokens":
                found[row["workspace_id"], row["model"]] += Decimal(row["amount"])
    assert found == {key: Decimal(cents(amount)) for key, amount in expected.items() if amount}


def _with_beta(sandbox: SandboxServer, path: str, query: dict[str, Any]) -> Iterator[Any]:
    asked = sandbox.anthropic

    def with_header(method: str, where: str, body: Any = None) -> Any:
        headers = {
            "x-api-key": sandbox.anthropic_key,
            "anthropic-version": "2023-06-01",
            "anthropic-beta": "fast-mode-2026-02-01",
        }
        return sandbox._json(method, f"/v1/organizations{where}", body, headers)

    try:
        sandbox.anthropic = with_header  # type: ignore[assignment, method-assign]  # one header more
        yield from pages(sandbox, path, **query)
    finally:
        sandbox.anthropic = asked  # type: ignore[method-assign]  # as it was


def test_costs_grouped_by_anything_add_up(sandbox: SandboxServer) -> None:
    window = {"starting_at": midnight(sandbox, 9), "limit": 31}
    plain = costs(sandbox, **window)
    assert len(plain) == 9  # the day that is not over is not there
    for groups in (["workspace_id"], ["description"], ["workspace_id", "description"]):
        found = costs(sandbox, **window, group_by=groups)
        for whole, parts in zip(plain, found, strict=True):
            (row,) = whole["results"]
            assert sum(Decimal(one["amount"]) for one in parts["results"]) == Decimal(row["amount"])
            assert len(parts["results"]) > 1
    kinds = {row["cost_type"] for one in found for row in one["results"]}
    assert {"tokens", "web_search"} <= kinds
    assert {row["service_tier"] for one in found for row in one["results"]} <= {
        "standard",
        "batch",
        None,
    }


def test_a_key_that_is_switched_off_is_used_no_more(sandbox: SandboxServer) -> None:
    start = midnight(sandbox, 1)
    by_key = total(usage(sandbox, starting_at=start, group_by=["api_key_id"]), "api_key_id")
    status = {
        one["id"]: one["status"]
        for one in sandbox.anthropic("GET", "/api_keys?limit=1000")[2]["data"]
    }
    assert {status[key] for key in by_key if key} <= {"active", "expired"}
    lasting = [key for key in by_key if key and status[key] == "active"]
    busiest = max(lasting, key=lambda key: by_key[key])
    before = total(usage(sandbox, starting_at=start - 30 * DAY, limit=31, api_key_ids=[busiest]))
    sandbox.anthropic("POST", f"/api_keys/{busiest}", {"status": "inactive"})
    sandbox.control.shift_clock(2 * 86_400)
    later = {"starting_at": midnight(sandbox, 1), "api_key_ids": [busiest]}
    assert total(usage(sandbox, **later)) == (0,) * 6
    since = {"starting_at": start - 30 * DAY, "ending_at": start, "limit": 31}
    assert total(usage(sandbox, **since, api_key_ids=[busiest])) <= before
    sandbox.anthropic("POST", f"/api_keys/{busiest}", {"status": "active"})
    sandbox.control.shift_clock(2 * 86_400)
    again = {"starting_at": midnight(sandbox, 1), "api_key_ids": [busiest]}
    assert total(usage(sandbox, **again)) > (0,) * 6


def test_the_same_seed_tells_the_same_past() -> None:
    told = []
    for _ in range(2):
        with SandboxServer(seed="twice") as sandbox:
            start = midnight(sandbox, 40)
            told.append(
                usage(
                    sandbox,
                    starting_at=start,
                    ending_at=start + 5 * DAY,
                    group_by=["api_key_id", "model"],
                )
            )
    assert told[0] == told[1] != []


# Claude Code


def test_claude_code_agrees_with_the_usage_of_those_who_pay_by_use(sandbox: SandboxServer) -> None:
    day = midnight(sandbox, 3)
    while day.weekday() > 4:
        day -= DAY
    records = coding(sandbox, day)
    mine = {
        one["email"]: one["id"] for one in sandbox.anthropic("GET", "/users?limit=1000")[2]["data"]
    }
    by_account: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for record in records:
        assert record["date"] == f"{day:%Y-%m-%d}T00:00:00Z"
        if record["customer_type"] == "api" and record["actor"]["type"] == "user_actor":
            for one in record["model_breakdown"]:
                tokens, row = one["tokens"], by_account[mine[record["actor"]["email_address"]]]
                for place, name in enumerate(("input", "cache_read", "cache_creation", "output")):
                    row[place] += tokens[name]
    found = usage(sandbox, starting_at=day, ending_at=day + DAY, group_by=["account_id"])
    expected = {
        account: [sums[0], sums[1], sums[2] + sums[3], sums[4]]
        for account, sums in total(found, "account_id").items()
        if account
    }
    assert dict(by_account) == expected != {}


def test_claude_code_has_people_and_keys_and_what_they_took(sandbox: SandboxServer) -> None:
    records = [
        one for before in range(2, 62, 4) for one in coding(sandbox, midnight(sandbox, before))
    ]
    assert {one["actor"]["type"] for one in records} == {"user_actor", "api_actor"}
    assert {one["customer_type"] for one in records} == {"api", "subscription"}
    assert len({one["terminal_type"] for one in records}) > 3
    metrics = [one["core_metrics"] for one in records]
    assert sum(one["commits_by_claude_code"] for one in metrics) > 10
    assert sum(one["pull_requests_by_claude_code"] for one in metrics) > 0
    edits = [
        one["tool_actions"]["edit_tool"] for one in records if "edit_tool" in one["tool_actions"]
    ]
    accepted, rejected = (sum(one[name] for one in edits) for name in ("accepted", "rejected"))
    assert 0.6 < accepted / (accepted + rejected) < 0.99


def test_claude_code_is_paged(sandbox: SandboxServer) -> None:
    day = midnight(sandbox, 3)
    query = {"starting_at": f"{day:%Y-%m-%d}"}
    path = "/usage_report/claude_code"
    whole = coding(sandbox, day)
    for limit in (1, 4):
        assert buckets(sandbox, path, **query, limit=limit) == whole


def test_who_leaves_stays_in_the_past(sandbox: SandboxServer) -> None:
    organization = sandbox.state.world.organizations[sandbox.anthropic_organization]
    users = organization.tables["users"]
    coder = next(
        one for one in organization.tables["coders"] if users.get(one.id).role not in ("admin",)
    )
    days = [midnight(sandbox, before) for before in range(2, 9)]
    before = [coding(sandbox, day) for day in days]
    sandbox.anthropic("DELETE", f"/users/{coder.id}")
    assert [coding(sandbox, day) for day in days] == before
    sandbox.control.shift_clock(10 * 86_400)
    later = [row for back in range(1, 8) for row in coding(sandbox, midnight(sandbox, back))]
    assert later
    assert coder.email not in {one["actor"].get("email_address") for one in later}


# Prices


@pytest.mark.parametrize("model", sorted(INPUT_AND_OUTPUT))
def test_no_price_loses_a_fraction(model: str) -> None:
    into, out = INPUT_AND_OUTPUT[model]
    plain = token_prices(model, "standard", "0-200k", "global", "standard")
    assert list(plain) == [into, into * Decimal("0.1"), into * Decimal("1.25"), into * 2, out]
    dear = token_prices(model, "batch", "200k-1M", "us", "standard")
    factor = Decimal("0.5") * Decimal("1.1")
    assert dear[0] == into * 2 * factor
    assert dear[1] == into * 2 * Decimal("0.1") * factor
    assert dear[4] == out * Decimal("1.5") * factor


def test_cents_are_written_exactly() -> None:
    assert cents(0) == "0"
    assert cents(123_450_000_000_0) == "123.45"
    assert cents(1) == "0.0000000001"


def test_others_are_answered_while_a_report_is_made(
    sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, let_go = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Any:
        begun.set()
        assert let_go.wait(10)
        return sums(*arguments)

    monkeypatch.setattr("apps.sandbox.anthropic.usage.sums", slow)
    made: list[Any] = []
    start = midnight(sandbox, 2)
    report = threading.Thread(
        target=lambda: made.extend(
            pages(sandbox, "/usage_report/messages", starting_at=start, ending_at=start + DAY)
        )
    )
    report.start()
    try:
        assert begun.wait(10)
        assert sandbox.anthropic("GET", "/me")[0] == 200
        assert made == []
    finally:
        let_go.set()
        report.join(10)
    assert len(made) == 1
