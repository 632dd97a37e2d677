"""Plans and seats at Cline: what a schema cannot say."""

from itertools import pairwise
from typing import Any

from tests.sandbox_server import SandboxServer

PLAN = "/organizations/{org}/plan"
DAY = 86_400


def plan(sandbox: SandboxServer) -> dict[str, Any]:
    found: dict[str, Any] = sandbox.cline("GET", PLAN)[2]["data"]
    return found


def invite(sandbox: SandboxServer, name: str) -> int:
    body = {"invites": [{"email": f"{name}@northgate.example", "role": "member"}]}
    return sandbox.cline("POST", "/organizations/{org}/invites", body)[0]


def test_members_and_pending_invites_hold_the_seats(sandbox: SandboxServer) -> None:
    before = plan(sandbox)
    assert invite(sandbox, "one") == 201
    used = plan(sandbox)["seatsUsed"]
    assert used == before["seatsUsed"] + 1
    assert sandbox.cline("PUT", f"{PLAN}/seats", {"seats": used - 1})[0] == 409
    assert sandbox.cline("PUT", f"{PLAN}/seats", {"seats": used})[2]["data"]["seats"] == used
    assert invite(sandbox, "two") == 409
    assert sandbox.cline("PUT", f"{PLAN}/seats", {"seats": used + 1})[0] == 200
    assert invite(sandbox, "two") == 201
    sandbox.control.shift_clock(8 * DAY)  # invites lapse
    assert plan(sandbox)["seatsUsed"] < used


def test_every_change_of_seats_is_a_line_of_the_history(sandbox: SandboxServer) -> None:
    before = sandbox.cline("GET", f"{PLAN}/history")[2]["data"]["items"]
    for seats in (300, 310, 310):
        sandbox.cline("PUT", f"{PLAN}/seats", {"seats": seats})
    rows = sandbox.cline("GET", f"{PLAN}/history")[2]["data"]["items"]
    assert [row["seats"] for row in rows] == [310, 300, *(row["seats"] for row in before)]
    assert len({row["planHistoryId"] for row in rows}) == len(rows)
    assert rows[0]["endedAt"] is None
    assert all(row["endedAt"] == after["startedAt"] for after, row in pairwise(rows))


def test_a_cancelled_plan_runs_to_the_end_of_its_period_and_then_takes_nobody(
    sandbox: SandboxServer,
) -> None:
    running = plan(sandbox)
    path = f"{PLAN}/{running['plan']['id']}"
    cancelled = sandbox.cline("DELETE", path)[2]["data"]
    assert cancelled["cancelAt"] == running["currentPeriodEnd"]
    assert plan(sandbox)["canceledAt"] == cancelled["canceledAt"]
    assert sandbox.cline("PUT", f"{PLAN}/seats", {"seats": 400})[0] == 409
    assert invite(sandbox, "in.time") == 201
    sandbox.control.shift_clock(32 * DAY)
    assert sandbox.cline("GET", PLAN)[0] == 404
    assert invite(sandbox, "too.late") == 409
    (over, *_) = sandbox.cline("GET", f"{PLAN}/history")[2]["data"]["items"]
    assert over["endedAt"] == cancelled["cancelAt"]
    again = {"planId": running["plan"]["id"], "seats": 100}
    assert sandbox.cline("POST", PLAN, again)[0] == 201
    assert invite(sandbox, "after.all") == 201
    assert sandbox.cline("POST", PLAN, again)[0] == 409


def test_a_period_is_a_month_and_now_is_in_it(sandbox: SandboxServer) -> None:
    first = plan(sandbox)
    sandbox.control.shift_clock(31 * DAY)
    second = plan(sandbox)
    assert first["currentPeriodStart"] < first["currentPeriodEnd"] <= second["currentPeriodStart"]


def test_plan_words_stand_before_plan_ids(sandbox: SandboxServer) -> None:
    assert "items" in sandbox.cline("GET", f"{PLAN}/history")[2]["data"]


def test_large_organizations_have_a_plan_with_room() -> None:
    with SandboxServer(size="medium") as medium:
        found = plan(medium)
        assert found["plan"]["displayName"].startswith("Enterprise")
        assert found["seats"] > found["seatsUsed"] > 1_000
