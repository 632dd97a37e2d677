"""Each fault: what the caller sees, and whether it happened."""

import http.client
import json
import socket
import threading
import time
from datetime import date, timedelta
from typing import Any

import pytest

from apps.sandbox import faults
from apps.sandbox.faults import KINDS, STATUS_KINDS
from tests.sandbox_server import SandboxServer, call

INVITE = {"email": "new@northgate.example", "role": "user"}


def invite(sandbox: SandboxServer) -> tuple[int, dict[str, str], bytes]:
    headers = {"x-api-key": sandbox.anthropic_key, "anthropic-version": "2023-06-01"}
    return call(sandbox.base_url, "POST", "/v1/organizations/invites", INVITE, headers, timeout=3)


def happened(sandbox: SandboxServer) -> bool:
    return bool(sandbox.control.journal(operation="createInvite", effect=True))


@pytest.mark.parametrize(
    ("kind", "effect", "error"),
    [
        ("reset_before", False, ConnectionResetError),
        ("reset_after", True, ConnectionResetError),
        ("timeout", True, http.client.RemoteDisconnected),
        ("cut", True, http.client.IncompleteRead),
    ],
)
@pytest.mark.parametrize("wanted", [None, True, False])
def test_faults_of_the_connection(
    sandbox: SandboxServer, kind: str, effect: bool, error: type[Exception], wanted: bool | None
) -> None:
    sandbox.control.fault("createInvite", kind, seconds=0.05, effect=wanted)
    with pytest.raises(error):
        invite(sandbox)
    assert happened(sandbox) is (effect if wanted is None else wanted)
    (entry,) = sandbox.control.journal()
    assert entry["fault"] == kind
    assert invite(sandbox)[0] == (400 if happened(sandbox) and entry["effect"] else 200)


def test_a_timeout_outlasts_an_impatient_caller(sandbox: SandboxServer) -> None:
    sandbox.control.fault("createInvite", "timeout", seconds=30)
    headers = {"x-api-key": sandbox.anthropic_key, "anthropic-version": "2023-06-01"}
    with pytest.raises(TimeoutError):
        call(sandbox.base_url, "POST", "/v1/organizations/invites", INVITE, headers, timeout=0.2)
    assert happened(sandbox)


def test_what_is_late_happens_right_before_the_operation_is_called_again(
    sandbox: SandboxServer,
) -> None:
    sandbox.control.fault("createInvite", "late", seconds=0.05)
    with pytest.raises(http.client.RemoteDisconnected):
        invite(sandbox)
    sandbox.anthropic("GET", "/invites")
    assert not sandbox.control.journal()
    assert invite(sandbox)[0] == 400, "there is one already"
    entries = sandbox.control.journal(operation="createInvite")
    assert [(one["fault"], one["status"], bool(one["effect"])) for one in entries] == [
        ("late", 200, True),
        (None, 400, False),
    ]


def test_what_is_late_never_happens_once_faults_are_cleared(sandbox: SandboxServer) -> None:
    sandbox.control.fault("createInvite", "late", seconds=0.05)
    with pytest.raises(http.client.RemoteDisconnected):
        invite(sandbox)
    sandbox.control.clear_faults()
    assert invite(sandbox)[0] == 200
    assert len(sandbox.control.journal()) == 1


@pytest.mark.parametrize("kind", STATUS_KINDS)
def test_a_status_is_answered_and_nothing_happens(sandbox: SandboxServer, kind: str) -> None:
    sandbox.control.fault("createInvite", kind)
    status, headers, body = invite(sandbox)
    assert status == int(kind)
    assert json.loads(body)["type"] == "error"
    assert "retry-after" not in headers
    assert not happened(sandbox)


def test_a_status_can_hide_an_effect(sandbox: SandboxServer) -> None:
    sandbox.control.fault("createInvite", "500", effect=True)
    assert invite(sandbox)[0] == 500
    assert happened(sandbox)


def test_429_says_when_to_come_back_if_asked_to(sandbox: SandboxServer) -> None:
    sandbox.control.fault("createInvite", "429", retry_after=3)
    status, headers, _ = invite(sandbox)
    assert (status, headers["retry-after"]) == (429, "3")


def test_html_comes_from_an_edge_that_knows_no_json(sandbox: SandboxServer) -> None:
    sandbox.control.fault("createInvite", "html_error")
    status, headers, body = invite(sandbox)
    assert (status, headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert body.startswith(b"<html>")
    assert not happened(sandbox)


@pytest.mark.parametrize("kind", ["garbage", "truncated_json", "empty_body"])
def test_a_success_that_cannot_be_read_has_happened(sandbox: SandboxServer, kind: str) -> None:
    sandbox.control.fault("createInvite", kind)
    status, headers, body = invite(sandbox)
    assert (status, headers["content-type"]) == (200, "application/json")
    with pytest.raises(ValueError, match=r".*"):
        json.loads(body)
    assert happened(sandbox)


def test_success_false_comes_with_200(sandbox: SandboxServer) -> None:
    sandbox.control.fault("create_invites", "success_false")
    body = {"invites": [{"email": INVITE["email"], "role": "member"}]}
    status, _, answer = sandbox.cline("POST", "/organizations/{org}/invites", body)
    assert (status, answer["success"]) == (200, False)
    assert not sandbox.control.journal(effect=True)
    sandbox.control.fault("createInvite", "success_false")
    status, _, text = invite(sandbox)
    assert (status, json.loads(text)["type"]) == (200, "error")


def test_conflict_names_its_cause(sandbox: SandboxServer) -> None:
    sandbox.control.fault("createInvite", "conflict")
    status, _, body = invite(sandbox)
    assert status == 409
    assert json.loads(body)["error"]["details"]["error_code"] == "concurrent_membership_change"


def users(sandbox: SandboxServer, query: str = "?limit=5") -> dict[str, Any]:
    page: dict[str, Any] = sandbox.anthropic("GET", f"/users{query}")[2]
    return page


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("wrong_type", {}, {"email": 12345}),
        ("wrong_type", {"field": "name", "value": [1]}, {"name": [1]}),
        ("unknown_enum", {}, {"role": "astronaut"}),
        ("unknown_enum", {"value": "primary_owner"}, {"role": "primary_owner"}),
        ("null_field", {"field": "added_at"}, {"added_at": None}),
        ("new_field", {}, {"shiny_new_field": {"nested": [1, 2, {"deep": True}]}}),
    ],
)
@pytest.mark.parametrize("rows", ["first", "all"])
def test_rows_can_be_spoiled(
    sandbox: SandboxServer,
    kind: str,
    options: dict[str, Any],
    expected: dict[str, Any],
    rows: str,
) -> None:
    true = users(sandbox)["data"]
    sandbox.control.fault("listUsers", kind, rows=rows, **options)
    spoiled = users(sandbox)["data"]
    hit = len(true) if rows == "all" else 1
    assert spoiled[:hit] == [row | expected for row in true[:hit]]
    assert spoiled[hit:] == true[hit:]


def test_a_field_can_be_missing(sandbox: SandboxServer) -> None:
    sandbox.control.fault("listUsers", "missing_field", field="added_at")
    first, second = users(sandbox)["data"][:2]
    assert "added_at" not in first
    assert "added_at" in second


@pytest.mark.parametrize("rows", ["first", "all"])
def test_what_lies_within_a_row_can_be_spoiled(sandbox: SandboxServer, rows: str) -> None:
    day = sandbox.control.clock()["now"][:10]
    start = (date.fromisoformat(day) - timedelta(days=9)).isoformat()
    path = f"/usage_report/messages?starting_at={start}T00:00:00Z&limit=8&group_by[]=model"
    true = sandbox.anthropic("GET", path)[2]["data"]
    wanted = {"field": "results.output_tokens", "value": "many", "rows": rows}
    sandbox.control.fault("getMessagesUsageReport", "wrong_type", **wanted)
    spoiled = sandbox.anthropic("GET", path)[2]["data"]
    hit = [row["output_tokens"] for bucket in spoiled for row in bucket["results"]]
    whole = [row["output_tokens"] for bucket in true for row in bucket["results"]]
    assert len(hit) == len(whole) > 8
    assert hit == (["many"] * len(whole) if rows == "all" else ["many", *whole[1:]])
    sandbox.control.fault("getMessagesUsageReport", "missing_field", field="nothing.of.the.kind")
    assert sandbox.anthropic("GET", path)[2]["data"] == true


def test_cline_rows_can_be_spoiled(sandbox: SandboxServer) -> None:
    path = "/organizations/{org}/members?limit=2"
    first, second = sandbox.cline("GET", path)[2]["data"]["items"]
    sandbox.control.fault("list_members", "unknown_enum")
    spoiled = sandbox.cline("GET", path)[2]["data"]["items"]
    assert spoiled == [first | {"roles": ["astronaut"]}, second]


def test_a_page_can_repeat_the_last_row_of_the_page_before(sandbox: SandboxServer) -> None:
    first = users(sandbox)
    sandbox.control.fault("listUsers", "duplicate_rows")
    second = users(sandbox, f"?limit=5&after_id={first['last_id']}")
    assert second["data"][0]["id"] == first["last_id"]
    members = sandbox.cline("GET", "/organizations/{org}/members?limit=3")[2]["data"]
    sandbox.control.fault("list_members", "duplicate_rows")
    query = f"?limit=3&cursor={members['nextToken']}"
    again = sandbox.cline("GET", f"/organizations/{{org}}/members{query}")[2]["data"]
    assert again["items"][0] == members["items"][-1]


def test_a_cursor_can_be_lost_on_the_way_there(sandbox: SandboxServer) -> None:
    first = users(sandbox)
    sandbox.control.fault("listUsers", "lost_cursor")
    assert users(sandbox, f"?limit=5&after_id={first['last_id']}") == first


def test_a_cursor_can_be_missing_from_the_answer(sandbox: SandboxServer) -> None:
    sandbox.control.fault("listUsers", "no_cursor")
    page = users(sandbox)
    assert (page["has_more"], page["last_id"]) == (True, None)
    sandbox.control.fault("list_members", "no_cursor")
    data = sandbox.cline("GET", "/organizations/{org}/members?limit=3")[2]["data"]
    assert "nextToken" not in data
    assert data["total"] > 3


def test_drip_and_delay_bring_the_true_answer_later(sandbox: SandboxServer) -> None:
    true = users(sandbox)
    for kind in ("drip", "delay"):
        sandbox.control.fault("listUsers", kind, seconds=0.2)
        began = time.monotonic()
        assert users(sandbox) == true
        assert time.monotonic() - began >= 0.18


def test_a_delay_holds_nobody_else_up(sandbox: SandboxServer) -> None:
    sandbox.control.fault("listUsers", "delay", seconds=1.5)
    slow = threading.Thread(target=users, args=(sandbox,))
    slow.start()
    answered = sandbox.anthropic("GET", "/me")[0]
    still_waiting = slow.is_alive()
    slow.join()
    assert (answered, still_waiting) == (200, True)


def test_count_skip_and_match_pick_the_request(sandbox: SandboxServer) -> None:
    fault = sandbox.control.fault("listUsers", "500", count=2, skip=1, match={"query": "limit=5"})
    asked = ["?limit=5", "?limit=6", "?limit=5", "?limit=5", "?limit=5"]
    answers = [sandbox.anthropic("GET", f"/users{query}")[0] for query in asked]
    assert answers == [200, 200, 500, 500, 200]
    (listed,) = sandbox.control.faults()
    assert (listed["id"], listed["hits"]) == (fault["id"], 2)
    sandbox.control.clear_faults()
    assert sandbox.control.faults() == []


def test_a_body_can_be_matched(sandbox: SandboxServer) -> None:
    sandbox.control.fault("createInvite", "500", count=None, match={"body": "unlucky@"})
    body = {"email": "unlucky@northgate.example", "role": "user"}
    assert sandbox.anthropic("POST", "/invites", body)[0] == 500
    assert sandbox.anthropic("POST", "/invites", INVITE)[0] == 200


def test_a_probability_hits_some_and_spares_some(sandbox: SandboxServer) -> None:
    sandbox.control.fault("*", "500", count=None, probability=0.5)
    answers = {sandbox.anthropic("GET", "/me")[0] for _ in range(60)}
    assert answers == {200, 500}


def test_what_cannot_be_a_fault_is_refused(sandbox: SandboxServer) -> None:
    for wanted in (
        {"operation": "createInvite", "kind": "earthquake"},
        {"operation": "createInvites", "kind": "500"},
        {"operation": "createInvite", "kind": "500", "count": "many"},
        {"kind": "500"},
    ):
        status, _, body = call(sandbox.base_url, "POST", "/_control/faults", wanted)
        assert status == 400
        assert json.loads(body)["error"]


def test_every_kind_stands_in_the_description() -> None:
    described = (faults.__doc__ or "").split("kind                effect")[1]
    assert not [kind for kind in KINDS if kind not in described]


def opens_again(sandbox: SandboxServer) -> None:
    """Wait until it answers, which the tests after this one count on."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            assert users(sandbox)["data"]
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("It never opened again.")


def test_connections_are_refused_for_a_while(sandbox: SandboxServer) -> None:
    sandbox.control.stop_accepting(1.0)
    with pytest.raises(ConnectionRefusedError):
        users(sandbox)
    opens_again(sandbox)


def test_nobody_is_given_the_port_while_connections_are_refused(sandbox: SandboxServer) -> None:
    sandbox.control.stop_accepting(1.0)
    host, port = sandbox.base_url.removeprefix("http://").split(":")
    with pytest.raises(ConnectionRefusedError):
        users(sandbox)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((host, int(port)))
    opens_again(sandbox)
