"""The adapter's reports against the sandbox, and what it makes of answers that differ."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.providers import errors
from apps.providers.adapters import open_adapter
from apps.providers.anthropic.coding import CODING_DAYS
from apps.providers.anthropic.reports import COST_BUCKETS, USAGE_BUCKETS
from apps.providers.decoding import RowReader
from apps.providers.money import CENTS, HUNDRED_MILLIONTHS, money
from apps.providers.records.reports import (
    CostQuery,
    CostRow,
    ModelUsage,
    ToolActions,
    UsageQuery,
    UsageRow,
)
from tests.contract import openapi
from tests.contract.test_console_adapter import adapter
from tests.providers.conftest import adapter_for, worker
from tests.providers.test_reading import JSON
from tests.sandbox_server import SandboxServer

__all__ = ["adapter", "adapter_for", "worker"]

WATCHED = pytest.mark.usefixtures("contract_watch")
START = datetime(2026, 5, 1, tzinfo=UTC)


def days_ago(sandbox: SandboxServer, days: int) -> datetime:
    now = datetime.fromtimestamp(sandbox.state.now(), UTC)
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)


def all_of(report: Any, query: Any, **more: Any) -> list[Any]:
    """Every bucket or row of a report, page by page."""
    found: list[Any] = []
    page: str | None = None
    while True:
        answer = report(query, page=page, **more)
        assert answer.unreadable == []
        found += answer.rows
        page = answer.next_cursor
        if page is None:
            return found


# --- Against the sandbox ----------------------------------------------------------------------------


@WATCHED
def test_usage_is_read_in_buckets_of_every_width(sandbox: SandboxServer, adapter: Any) -> None:
    start = days_ago(sandbox, 2)
    end = start + timedelta(days=1)

    def tokens(**asked: Any) -> int:
        buckets = all_of(adapter.get_messages_usage_report, UsageQuery(start, end, **asked))
        assert all(one.missing == () and one.unreadable == () for one in buckets)
        return sum(
            row.uncached_input
            + row.cache_read
            + row.cache_write_5m
            + row.cache_write_1h
            + row.output
            for bucket in buckets
            for row in bucket.rows
        )

    whole = tokens()
    assert whole > 0
    assert tokens(width="1h", group_by=("model", "workspace_id"), buckets=5) == whole
    assert tokens(width="1m") == whole
    assert tokens(group_by=("speed",), speeds=("standard", "fast")) == whole
    assert tokens(models=("none", "such")) == 0


@WATCHED
def test_a_page_that_is_too_large_is_asked_for_with_fewer_buckets(
    sandbox: SandboxServer, adapter: Any
) -> None:
    start = days_ago(sandbox, 4)
    query = UsageQuery(start, start + timedelta(days=2), "1h", group_by=("api_key_id", "model"))
    whole = all_of(adapter.get_messages_usage_report, query)
    largest = max(len(msgspec.json.encode(one, enc_hook=tuple)) for one in whole)

    def narrow(answer_limit: int) -> Any:
        return open_adapter(
            "anthropic",
            base_url=sandbox.base_url,
            credential=sandbox.anthropic_key,
            deadline=60.0,
            answer_limit=answer_limit,
        )

    def requests_of(report: Any) -> int:
        before = sandbox.control.counters()["getMessagesUsageReport"]
        assert all_of(report, query) == whole
        return sandbox.control.counters()["getMessagesUsageReport"] - before

    few = narrow(12 * largest)
    first, again = (
        requests_of(few.get_messages_usage_report),
        requests_of(few.get_messages_usage_report),
    )
    assert 1 < again < first  # what fits is remembered
    few.close()
    none = narrow(100)
    with pytest.raises(errors.TooLarge):
        none.get_messages_usage_report(query)
    none.close()


@WATCHED
def test_every_filter_reaches_the_server(sandbox: SandboxServer, adapter: Any) -> None:
    start = days_ago(sandbox, 2)
    names = {
        "api_key_id": "api_key_ids",
        "workspace_id": "workspace_ids",
        "model": "models",
        "service_tier": "service_tiers",
        "context_window": "context_windows",
        "inference_geo": "inference_geos",
        "account_id": "account_ids",
    }
    for dimension, name in names.items():
        query = UsageQuery(start, start + timedelta(days=1), group_by=(dimension,))
        (bucket,) = all_of(adapter.get_messages_usage_report, query)
        rows = [row for row in bucket.rows if getattr(row, dimension) is not None]
        filtered = UsageQuery(
            start,
            start + timedelta(days=1),
            group_by=(dimension,),
            **{name: (getattr(rows[-1], dimension),)},
        )
        (only,) = all_of(adapter.get_messages_usage_report, filtered)
        assert only.rows == (rows[-1],)


@WATCHED
def test_costs_are_exact_dollars(sandbox: SandboxServer, adapter: Any) -> None:
    query = CostQuery(days_ago(sandbox, 12), buckets=5)
    plain = all_of(adapter.get_cost_report, query)
    assert len(plain) == 12
    fine = CostQuery(query.starting_at, group_by=("workspace_id", "description"))
    for whole, parts in zip(plain, all_of(adapter.get_cost_report, fine), strict=True):
        assert sum(row.amount for row in parts.rows) == whole.rows[0].amount
        assert {row.currency for row in parts.rows} == {"USD"}
    assert Decimal(10) < plain[-1].rows[0].amount < Decimal(10_000)
    with pytest.raises(errors.Refused, match="date range"):
        adapter.get_cost_report(CostQuery(days_ago(sandbox, 0)))


@WATCHED
def test_claude_code_is_read_a_day_at_a_time(sandbox: SandboxServer, adapter: Any) -> None:
    day = days_ago(sandbox, 3).date()
    whole = all_of(adapter.get_claude_code_usage_report, day)
    assert all_of(adapter.get_claude_code_usage_report, day, limit=2) == whole != []
    assert {one.day for one in whole} == {day}
    assert all(one.email or one.key_name for one in whole)
    assert len({one.remote_id for one in whole}) == len(whole)
    assert not any(one.missing for one in whole)


@WATCHED
def test_every_operation_of_the_contract_has_a_method_and_was_asked(
    sandbox: SandboxServer, adapter: Any, contract_watch: list[str]
) -> None:
    def snake(operation_id: str) -> str:
        return "".join(f"_{one.lower()}" if one.isupper() else one for one in operation_id)

    operations = openapi.anthropic().operations
    assert len(operations) == 27
    for operation_id in operations:
        assert operation_id in (getattr(type(adapter), snake(operation_id)).__doc__ or "")
    served = {one.operation_id for one in sandbox.app.apis[0].operations}
    assert served == set(operations)


# --- Answers that differ ----------------------------------------------------------------------------

USAGE_ROW = openapi.anthropic().document["components"]["examples"]["MessagesUsageGrouped"]["value"][
    "data"
][0]
COST_ROW = openapi.anthropic().document["components"]["examples"]["CostGrouped"]["value"]["data"][0]
CODING_ROWS = openapi.anthropic().document["components"]["examples"]["ClaudeCodeUsage"]["value"][
    "data"
]
BUCKETS: dict[str, tuple[RowReader[Any], dict[str, Any]]] = {
    "usage": (USAGE_BUCKETS, USAGE_ROW),
    "cost": (COST_BUCKETS, COST_ROW),
}
STRANGE = [None, 12345, 1.5, True, {"a": [1]}, [1, None], "", "astronaut", -3]


def read(reader: RowReader[Any], row: Any) -> tuple[list[Any], list[Any]]:
    return reader.read([msgspec.Raw(json.dumps(row).encode())])


def test_a_usage_bucket_becomes_a_record() -> None:
    (bucket,), _ = read(USAGE_BUCKETS, USAGE_ROW)
    assert (bucket.starts_at, bucket.ends_at) == (START, START + timedelta(days=1))
    assert bucket.rows[0] == UsageRow(
        uncached_input=230115,
        cache_read=412880,
        cache_write_5m=18250,
        cache_write_1h=0,
        output=96410,
        web_searches=12,
        model="claude-opus-4-6",
        workspace_id="wrkspc_01Ny8dRmXc4ZtKv6PwJhFq2sBg",
    )


def test_a_cost_bucket_becomes_dollars() -> None:
    (bucket,), _ = read(COST_BUCKETS, COST_ROW)
    assert bucket.rows[0] == CostRow(
        Decimal("391.1475"),
        "USD",
        "wrkspc_01Ny8dRmXc4ZtKv6PwJhFq2sBg",
        "Claude Opus 4.6 Usage - Input Tokens",
        "tokens",
        "claude-opus-4-6",
        "standard",
        "0-200k",
        "us",
        "uncached_input_tokens",
    )
    assert [one.amount for one in bucket.rows[1:]] == [Decimal(20), Decimal("1.655")]


@pytest.mark.parametrize("kind", sorted(BUCKETS))
def test_a_row_of_a_bucket_that_lacks_something_says_so(kind: str) -> None:
    reader, bucket = BUCKETS[kind]
    row = bucket["results"][0]
    (whole,), _ = read(reader, bucket)
    assert {one.missing for one in whole.rows} == {()}
    for gone in row:
        changed = {key: row[key] for key in row if key != gone}
        (found,), unreadable = read(reader, {**bucket, "results": [changed, row]})
        assert unreadable == []
        if gone == "amount":
            assert (len(found.rows), len(found.unreadable)) == (1, 1)
            continue
        assert any(name.startswith(gone) for name in found.rows[0].missing), gone
        assert found.rows[1] == whole.rows[0]


@pytest.mark.parametrize("kind", sorted(BUCKETS))
def test_a_row_of_a_bucket_of_other_types_never_crashes(kind: str) -> None:
    reader, bucket = BUCKETS[kind]
    row = bucket["results"][0]
    for name in row:
        for strange in STRANGE:
            changed = {**row, name: strange, "new_field": {"apiKey": "canary"}}
            (found,), unreadable = read(reader, {**bucket, "results": [changed]})
            assert unreadable == []
            assert len(found.rows) + len(found.unreadable) == 1
            assert b"canary" not in b"".join(one.raw for one in found.unreadable)
    broken: list[Any] = [None, 5, "x", {}]
    for results in broken:
        records, (unread,) = read(reader, {**bucket, "results": results})
        assert (records, unread.remote_id) == ([], bucket["starting_at"])
    (empty,), _ = read(reader, {**bucket, "results": [5, None]})
    assert (empty.rows, len(empty.unreadable)) == ((), 2)


def test_numbers_that_were_written_as_text_are_read() -> None:
    row = dict(USAGE_ROW["results"][0])
    row["output_tokens"] = "96410"
    row["uncached_input_tokens"] = 230115.0
    row["cache_creation"] = {name: str(one) for name, one in row["cache_creation"].items()}
    (found,), _ = read(USAGE_BUCKETS, {**USAGE_ROW, "results": [row]})
    (whole,), _ = read(USAGE_BUCKETS, USAGE_ROW)
    assert found.rows[0] == whole.rows[0]


@pytest.mark.parametrize(
    ("amount", "dollars"),
    [
        ("123.45", "1.2345"),
        (123.45, "1.2345"),
        (2000, "20"),
        ("-5", "-0.05"),
        ("0.000001", "0.00000001"),
    ],
)
def test_cents_become_dollars_to_the_last_digit(amount: Any, dollars: str) -> None:
    row = {**COST_ROW["results"][0], "amount": amount}
    (found,), _ = read(COST_BUCKETS, {**COST_ROW, "results": [row]})
    assert found.rows[0].amount == Decimal(dollars)


def test_money_is_exact_or_none() -> None:
    assert money("123456789012345678901234567890.123456", CENTS) == Decimal(
        "1234567890123456789012345678.90123456"
    )
    assert money(17, HUNDRED_MILLIONTHS) == Decimal("0.00000017")
    for broken in ("NaN", "Infinity", "1e400", "9" * 41, "lots", True):
        with pytest.raises(ValueError, match="no amount"):
            money(broken, CENTS)


def test_a_claude_code_row_becomes_a_record() -> None:
    (person, key), unreadable = CODING_DAYS.read(
        [msgspec.Raw(json.dumps(row).encode()) for row in CODING_ROWS]
    )
    assert unreadable == []
    assert (person.day, person.email, person.terminal) == (
        date(2026, 5, 4),
        "priya.nair@northgate.example",
        "vscode",
    )
    assert (person.sessions, person.commits, person.pull_requests) == (4, 6, 2)
    assert (person.lines_added, person.lines_removed, person.subscription_type) == (
        812,
        240,
        "team",
    )
    assert person.models == (
        ModelUsage("claude-opus-4-6", 88100, 640200, 22100, 41900, Decimal("3.18"), "USD"),
    )
    assert person.tools == (ToolActions("edit_tool", 37, 4), ToolActions("write_tool", 9, 0))
    assert (key.day, key.key_name, key.models, key.tools) == (date(2026, 5, 4), "ci-runner", (), ())
    assert person.missing == key.missing == ()


def test_a_claude_code_row_that_differs_is_read_and_says_so() -> None:
    for row in CODING_ROWS:
        optional = set(row) - {"organization_id", "subscription_type"}
        for gone in optional:
            changed = {key: row[key] for key in row if key != gone}
            records, unreadable = read(CODING_DAYS, changed)
            if gone in ("actor", "date"):
                assert (records, len(unreadable)) == ([], 1)
            else:
                assert gone in records[0].missing
        for name in row:
            for strange in STRANGE:
                records, unreadable = read(CODING_DAYS, {**row, name: strange})
                assert len(records) + len(unreadable) == 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_row_whatever_it_holds_makes_a_crash(data: st.DataObject) -> None:
    reader, row = data.draw(
        st.sampled_from([*BUCKETS.values(), *((CODING_DAYS, one) for one in CODING_ROWS)])
    )
    changed = json.loads(json.dumps(row))
    for part in (changed, *changed.get("results", changed.get("model_breakdown", []))):
        for name in data.draw(st.sets(st.sampled_from(sorted(part)), max_size=3)):
            part[name] = data.draw(JSON)
    records, unreadable = reader.read([msgspec.Raw(msgspec.json.encode(changed))])
    assert len(records) + len(unreadable) == 1


def test_what_is_asked(adapter_for: Callable[..., Any]) -> None:
    asked: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200, json={"data": [], "has_more": False, "next_page": None})

    adapter = adapter_for("anthropic", handler)
    berlin = datetime.fromisoformat("2026-05-01T02:00:00+02:00")
    adapter.get_messages_usage_report(
        UsageQuery(berlin, models=("a", "b"), group_by=("model", "speed"), width="1h"), page="p"
    )
    adapter.get_cost_report(CostQuery(START, START + timedelta(days=2)))
    adapter.get_claude_code_usage_report(START.date())
    assert asked[0].url.params.multi_items() == [
        ("starting_at", "2026-05-01T00:00:00Z"),
        ("bucket_width", "1h"),
        ("group_by[]", "model"),
        ("group_by[]", "speed"),
        ("models[]", "a"),
        ("models[]", "b"),
        ("limit", "168"),
        ("page", "p"),
    ]
    assert asked[0].headers["anthropic-beta"] == "fast-mode-2026-02-01"
    assert asked[0].headers["anthropic-version"] == "2023-06-01"
    assert dict(asked[1].url.params) == {
        "starting_at": "2026-05-01T00:00:00Z",
        "ending_at": "2026-05-03T00:00:00Z",
        "limit": "31",
    }
    assert "anthropic-beta" not in asked[1].headers
    assert dict(asked[2].url.params) == {"starting_at": "2026-05-01", "limit": "1000"}


@pytest.mark.parametrize(
    "body",
    [
        {"data": [USAGE_ROW], "has_more": True, "next_page": None},
        {"data": [USAGE_ROW]},
        {"data": [], "has_more": True, "next_page": "more"},
        {"data": "none", "has_more": False, "next_page": None},
    ],
)
def test_a_report_that_cannot_be_complete_is_unclear(
    adapter_for: Callable[..., Any], body: Any
) -> None:
    adapter = adapter_for("anthropic", lambda _: httpx2.Response(200, json=body))
    with pytest.raises(errors.Unclear):
        adapter.get_messages_usage_report(UsageQuery(START))


def test_pages_that_come_round_are_noticed(adapter_for: Callable[..., Any]) -> None:
    body = {"data": [USAGE_ROW], "has_more": True, "next_page": "again"}
    adapter = adapter_for("anthropic", lambda _: httpx2.Response(200, json=body))
    with pytest.raises(errors.Unclear):
        all_of(adapter.get_messages_usage_report, UsageQuery(START))
