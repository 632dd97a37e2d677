"""Use at Cline: ledgers, sums and the summary tell the same story."""

from typing import Any

from tests.sandbox_server import SandboxServer

ORG = "/organizations/{org}"
DAY = 86_400


def paged(sandbox: SandboxServer, path: str, pages: int = 1000) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(pages):
        joined = "&" if "?" in path else "?"
        more = f"{joined}cursor={cursor}" if cursor else ""
        data = sandbox.cline("GET", path + more)[2]["data"]
        rows += data["items"]
        cursor = data["nextToken"]
        if not cursor:
            break
    return rows


def month(sandbox: SandboxServer) -> str:
    """The 28 days before today, as a query."""
    today = sandbox.control.clock()["now"][:10]
    sandbox.control.shift_clock(DAY)  # so that today is whole
    return f"startDate={today[:8]}01&endDate={today}"


def test_the_summary_is_the_sum_of_the_days_and_those_of_the_calls(sandbox: SandboxServer) -> None:
    wanted = month(sandbox)
    rows = paged(sandbox, f"{ORG}/usages?{wanted}")
    total = sandbox.cline("GET", f"{ORG}/metrics?{wanted}")[2]["data"]
    for name in ("promptTokens", "completionTokens", "totalTokens", "creditsUsed", "costUsd"):
        assert total[name] == sum(row[name] for row in rows), name
    assert total["activeMemberCount"] == len({row["memberId"] for row in rows}) > 0
    member = next(row["memberId"] for row in rows if row["creditsUsed"])
    calls = paged(sandbox, f"{ORG}/members/{member}/usages", pages=4)
    days = {call["createdAt"][:10] for call in calls}
    whole = sorted(days)[1:]  # the oldest may go on on the next page
    for name in ("promptTokens", "completionTokens", "creditsUsed", "costUsd"):
        by_call = sum(one[name] for one in calls if one["createdAt"][:10] in whole)
        by_day = sum(
            row[name] for row in rows if row["memberId"] == member and row["date"] in whole
        )
        in_month = [day for day in whole if any(row["date"] == day for row in rows)]
        if len(in_month) == len(whole):
            assert by_call == by_day, name


def test_paid_calls_cost_a_hundred_times_their_credits_and_come_newest_first(
    sandbox: SandboxServer,
) -> None:
    rows = paged(sandbox, f"{ORG}/usages")
    member = max(rows, key=lambda row: row["costUsd"])["memberId"]
    path = f"{ORG}/members/{member}/usages"
    calls = paged(sandbox, path, pages=2)
    assert [one["createdAt"] for one in calls] == sorted(
        (one["createdAt"] for one in calls), reverse=True
    )
    assert len({one["id"] for one in calls}) == len(calls) > 200
    assert all(one["cachedTokens"] <= one["promptTokens"] for one in calls)
    assert all(
        one["costUsd"] == 100 * one["creditsUsed"] or not one["creditsUsed"] for one in calls
    )
    first = sandbox.cline("GET", path)[2]["data"]
    again = sandbox.cline("GET", f"{path}?nextToken={first['nextToken']}")[2]["data"]
    assert again["items"] == first["items"]  # under its own name the token is ignored


def test_use_stays_when_a_member_goes_and_ends_then(sandbox: SandboxServer) -> None:
    wanted = month(sandbox)
    rows = paged(sandbox, f"{ORG}/usages?{wanted}")
    busy = max((row for row in rows if row["memberEmail"]), key=lambda row: row["costUsd"])
    members = sandbox.cline("GET", f"{ORG}/members")[2]["data"]["items"]
    one = next(row for row in members if row["memberId"] == busy["memberId"])
    if "owner" in one["roles"]:
        one = next(row for row in members if row["roles"] == ["member"])
    before = sandbox.cline("GET", f"{ORG}/metrics?{wanted}")[2]["data"]
    body = {"memberIds": [one["memberId"]]}
    assert sandbox.cline("DELETE", f"{ORG}/members", body)[0] == 204
    after = sandbox.cline("GET", f"{ORG}/metrics?{wanted}")[2]["data"]
    assert {**before, "memberCount": 0} == {**after, "memberCount": 0}
    path = f"{ORG}/members/{one['memberId']}/usages?limit=1"
    calls = sandbox.cline("GET", path)[2]["data"]["total"]
    sandbox.control.shift_clock(10 * DAY)
    assert sandbox.cline("GET", path)[2]["data"]["total"] == calls


def test_ledgers_may_be_read_fast_for_25_pages() -> None:
    with SandboxServer(fast_pages=25) as sandbox:
        member = sandbox.cline("GET", f"{ORG}/members")[2]["data"]["items"][0]["memberId"]
        path = f"{ORG}/members/{member}/usages?limit=1"
        answers = [sandbox.cline("GET", path)[0] for _ in range(60)]
        assert answers[:25] == [200] * 25
        assert 429 in answers
