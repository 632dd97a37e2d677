"""The provider's own sums by day, workspace and model are ours, to the last token and decimal of a cent."""

from collections import defaultdict
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from apps.usage import reads
from apps.usage.days import day_of
from apps.usage.models import CodingTotal, Fact, ReadDay, Report
from apps.usage.money import joined
from apps.usage.tuples import NONE, NOT_ASKED
from tests.desk import Desk
from tests.usage.conftest import read
from tests.usage.told import TOKENS, settled_days, tokens_found, tokens_told, told


def test_tokens_agree_by_day_workspace_and_model(usage_desk: Desk) -> None:
    connection = usage_desk.connections["anthropic"]
    read(connection, "usage")
    first, last = settled_days()
    expected = tokens_told(usage_desk)
    assert len(expected) > 20
    assert tokens_found(connection) == expected
    # The same sums by every other way: finer, by the hour, and all in one.
    whole = [sum(column) for column in zip(*expected.values(), strict=True)]
    for group_by in ((), ("key",), ("account", "service_account"), ("key", "model"), ("hour",)):
        rows = reads.totals([connection], first, last, group_by).rows
        sums = [sum(getattr(row, name) for row in rows) for name in (*TOKENS, "web_searches")]
        assert sums == whole, group_by


def test_money_agrees_and_is_shared_out_without_rest(usage_desk: Desk) -> None:
    connection = usage_desk.connections["anthropic"]
    read(connection, "costs", "usage")
    first, last = settled_days()
    expected: dict[Any, Decimal] = defaultdict(Decimal)
    for bucket in told(usage_desk, "/cost_report", first, last, "workspace_id", "description"):
        for row in bucket["results"]:
            key = (bucket["starting_at"][:10], row["workspace_id"] or NONE, row["model"] or NONE)
            expected[key] += Decimal(row["amount"]) / 100
    names = ("day", "workspace", "model")
    rows = {
        (row.group["day"].isoformat(), row.group["workspace"], row.group["model"]): row
        for row in reads.totals([connection], first, last, names).rows
    }
    assert {key: row.billed for key, row in rows.items() if row.billed} == expected
    total = sum(expected.values())
    lines = reads.totals([connection], first, last, ("description", "token_type")).rows
    assert sum(row.cost for row in lines) == total
    assert not any(row.is_estimate for row in lines)
    by_key = reads.totals([connection], first, last, ("key",)).rows
    assert sum(row.cost for row in by_key) == total
    assert any(row.is_estimate for row in by_key)
    # By workspace the shared money is the billed money.
    by_workspace = reads.totals([connection], first, last, ("workspace",)).rows
    assert all(row.cost == row.billed and not row.is_estimate for row in by_workspace)
    assert sum(row.cost for row in by_workspace) == total
    # What no tokens stand for stays with nobody, and is little.
    unshared = [row for row in by_key if row.group["key"] == NOT_ASKED]
    assert all(row.cost < total / 10 for row in unshared)


def test_cline_tells_days_with_their_money(usage_desk: Desk) -> None:
    connection = usage_desk.connections["cline"]
    read(connection, "usage")
    first, last = settled_days()
    query = urlencode({"startDate": first, "endDate": last})
    status, _, answer = usage_desk.sandbox.cline(
        "GET", f"/organizations/{usage_desk.sandbox.cline_organization}/metrics?{query}"
    )
    assert status == 200
    metrics = answer["data"]
    (row,) = reads.totals([connection], first, last).rows
    assert row.unsplit_input == metrics["promptTokens"] > 0
    assert row.output == metrics["completionTokens"]
    assert row.cost == row.billed == Decimal(metrics["creditsUsed"]).scaleb(-6)
    assert row.listed == Decimal(metrics["costUsd"]).scaleb(-8)
    assert not row.is_estimate
    people = reads.totals([connection], first, last, ("account",)).rows
    assert len(people) > 3
    assert sum(one.cost for one in people) == row.cost
    assert not any(one.is_estimate for one in people)
    answer = reads.totals([connection], first, last, ("hour",))
    assert answer.rows == []
    assert any(left.without_hours for left in answer.coverage.left)


def test_claude_code_agrees(usage_desk: Desk) -> None:
    connection = usage_desk.connections["anthropic"]
    read(connection, "coding")
    _, last = settled_days()
    status, _, answer = usage_desk.sandbox.anthropic(
        "GET", f"/usage_report/claude_code?starting_at={last}&limit=1000"
    )
    assert status == 200
    data = answer["data"]
    total = CodingTotal.objects.get(connection=connection, day=day_of(last))
    people = {one["actor"]["email_address"] for one in data if "email_address" in one["actor"]}
    assert total.people == len(people) > 0
    metrics = [one["core_metrics"] for one in data]
    assert total.sessions == sum(one["num_sessions"] for one in metrics)
    assert total.lines_added == sum(one["lines_of_code"]["added"] for one in metrics)
    assert total.commits == sum(one["commits_by_claude_code"] for one in metrics)
    tools = [tool for one in data for tool in one["tool_actions"].values()]
    assert total.accepted == sum(tool["accepted"] for tool in tools)
    estimate = sum(
        Decimal(repr(model["estimated_cost"]["amount"])) / 100
        for one in data
        for model in one["model_breakdown"]
    )
    assert joined(total.estimate_micros, total.estimate_femtos) == estimate


def test_reading_again_counts_nothing_twice_and_says_what_was_refused(usage_desk: Desk) -> None:
    connection = usage_desk.connections["anthropic"]
    read(connection, "usage", "costs")
    first, last = settled_days()
    before = reads.totals([connection], first, last, ("day", "key", "model"))
    facts = Fact.objects.filter(hour__lt=(day_of(last) + 1) * 24).count()
    ReadDay.objects.update(settled=False, replacing=True)
    read(connection, "usage", "costs")
    after = reads.totals([connection], first, last, ("day", "key", "model"))
    assert sorted(map(repr, before.rows)) == sorted(map(repr, after.rows))
    assert Fact.objects.filter(hour__lt=(day_of(last) + 1) * 24).count() == facts
    assert after.coverage.is_complete
    (left,) = after.coverage.left
    assert set(left.dropped) == {"service_account", "speed"}
    assert "too many dimensions" in left.refusal
    assert Report.objects.get(connection=connection, name="usage").backfilled_at is not None
