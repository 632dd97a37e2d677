"""What the remote APIs do that a schema cannot say."""

import json
import threading
from typing import Any

import pytest

from tests.sandbox_server import SandboxServer, call

ORG = "/organizations/{org}"
DAY = 86_400


def everyone(sandbox: SandboxServer) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = sandbox.anthropic("GET", "/users?limit=1000")[2]["data"]
    return rows


def members(sandbox: SandboxServer) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = sandbox.cline("GET", f"{ORG}/members")[2]["data"]["items"]
    return rows


def member_with(sandbox: SandboxServer, role: str) -> dict[str, Any]:
    return next(one for one in members(sandbox) if one["roles"] == [role])


def ask(sandbox: SandboxServer, email: str, role: str = "member", by: str = "owner") -> int:
    body = {"invites": [{"email": email, "role": role}]}
    return sandbox.cline("POST", f"{ORG}/invites", body, by)[0]


# Anthropic


def test_an_invite_lapses_after_21_days_and_may_then_be_repeated(sandbox: SandboxServer) -> None:
    body = {"email": "slow@northgate.example", "role": "user"}
    _, _, first = sandbox.anthropic("POST", "/invites", body)
    sandbox.control.shift_clock(21 * DAY - 60)
    assert sandbox.anthropic("POST", "/invites", body)[0] == 400
    sandbox.control.shift_clock(120)
    assert sandbox.anthropic("GET", f"/invites/{first['id']}")[2]["status"] == "expired"
    assert sandbox.anthropic("POST", "/invites", body)[0] == 200


def test_an_accepted_invite_makes_a_member(sandbox: SandboxServer) -> None:
    body = {"email": "quick.learner@northgate.example", "role": "developer"}
    _, _, invite = sandbox.anthropic("POST", "/invites", body)
    joined = sandbox.control.accept_invite(invite["id"])
    newest = everyone(sandbox)[0]
    assert newest == joined["member"]
    assert (newest["name"], newest["role"]) == ("Quick Learner", "developer")
    assert sandbox.anthropic("GET", f"/invites/{invite['id']}")[2]["status"] == "accepted"
    assert sandbox.anthropic("POST", "/invites", body)[0] == 400


def test_removing_a_member_twice_is_404(sandbox: SandboxServer) -> None:
    user = next(one for one in everyone(sandbox) if one["role"] == "user")
    assert sandbox.anthropic("DELETE", f"/users/{user['id']}")[0] == 200
    assert sandbox.anthropic("DELETE", f"/users/{user['id']}")[0] == 404
    assert user["id"] not in [one["id"] for one in everyone(sandbox)]


def test_a_cursor_on_a_removed_member_loses_and_repeats_nobody(sandbox: SandboxServer) -> None:
    before = everyone(sandbox)
    cursor = before[9]["id"]
    sandbox.control.remove_member(sandbox.anthropic_organization, before[9]["email"])
    _, _, page = sandbox.anthropic("GET", f"/users?limit=1000&after_id={cursor}")
    assert page["data"] == before[10:]


def test_100_requests_a_minute_are_allowed_and_the_next_is_told_to_wait() -> None:
    with SandboxServer(requests_per_minute=3) as sandbox:
        answers = [sandbox.anthropic("GET", "/me") for _ in range(4)]
        assert [status for status, _, _ in answers] == [200, 200, 200, 429]
        _, headers, body = answers[-1]
        assert 1 <= int(headers["retry-after"]) <= 60
        assert headers["anthropic-ratelimit-requests-remaining"] == "0"
        assert body["error"]["type"] == "rate_limit_error"
        assert sandbox.cline("GET", "/users/me")[0] == 200
        sandbox.control.clear()
        assert sandbox.anthropic("GET", "/me")[0] == 200


def test_invites_have_a_budget_of_their_own() -> None:
    with SandboxServer(invites_per_hour=2) as sandbox:
        answers = [
            sandbox.anthropic("POST", "/invites", {"email": f"n{n}@x.example", "role": "user"})[0]
            for n in range(3)
        ]
        assert answers == [200, 200, 429]
        assert sandbox.anthropic("GET", "/me")[0] == 200


def test_two_organizations_do_not_see_each_other() -> None:
    with SandboxServer(size="medium") as sandbox:
        first, second = sandbox.keys["anthropic"]
        headers = {"x-api-key": second["api_key"], "anthropic-version": "2023-06-01"}
        status, answered, body = call(
            sandbox.base_url, "GET", "/v1/organizations/users", None, headers
        )
        assert (status, answered["anthropic-organization-id"]) == (200, second["organization"])
        other = json.loads(body)["data"][0]["id"]
        assert sandbox.anthropic("GET", f"/users/{other}")[0] == 404
        assert first["organization"] != second["organization"]


# Cline


@pytest.mark.parametrize(
    ("role", "path"),
    [("member", "/members"), ("member", "/invites"), ("member", "/invites/count")],
)
def test_a_member_may_not_look(sandbox: SandboxServer, role: str, path: str) -> None:
    status, _, body = sandbox.cline("GET", ORG + path, role=role)
    assert (status, body["success"]) == (403, False)


def test_available_roles_are_those_the_caller_may_grant(sandbox: SandboxServer) -> None:
    path = f"{ORG}/members/available-roles"
    assert sandbox.cline("GET", path)[2]["data"] == ["owner", "admin", "member"]
    assert sandbox.cline("GET", path, role="admin")[2]["data"] == ["admin", "member"]


def test_only_an_owner_removes_an_admin(sandbox: SandboxServer) -> None:
    wanted = {"memberIds": [members(sandbox)[2]["memberId"]]}
    assert sandbox.cline("DELETE", f"{ORG}/members", wanted, "admin")[0] == 403
    assert sandbox.cline("DELETE", f"{ORG}/members", wanted, "owner")[0] == 204


def test_removal_is_all_or_nothing(sandbox: SandboxServer) -> None:
    before = members(sandbox)
    member = member_with(sandbox, "member")["memberId"]
    owner = member_with(sandbox, "owner")["memberId"]
    for also, status in ((owner, 409), ("mbr-none", 404)):
        body = {"memberIds": [member, also]}
        assert sandbox.cline("DELETE", f"{ORG}/members", body)[0] == status
    assert members(sandbox) == before


def test_the_last_owner_stays_until_there_is_another(sandbox: SandboxServer) -> None:
    owner, heir = member_with(sandbox, "owner"), member_with(sandbox, "member")
    demote = (f"{ORG}/members/{owner['memberId']}/role", {"role": "member"})
    assert sandbox.cline("PUT", *demote)[0] == 409
    path = f"{ORG}/members/{heir['memberId']}/role"
    assert sandbox.cline("PUT", path, {"role": "owner"})[0] == 200
    assert sandbox.cline("PUT", *demote)[0] == 200
    assert sandbox.cline("PUT", *demote)[0] == 403


def test_the_strongest_of_several_roles_counts(sandbox: SandboxServer) -> None:
    admin = sandbox.control.new_key(email=members(sandbox)[1]["email"])["api_key"]
    organization = sandbox.cline_organization
    path = f"/api/v1/organizations/{organization}/members/available-roles"
    headers = {"authorization": f"Bearer {admin}"}
    assert call(sandbox.base_url, "GET", path, None, headers)[0] == 200


def test_each_pending_invite_holds_a_seat(sandbox: SandboxServer) -> None:
    count = sandbox.cline("GET", f"{ORG}/invites/count")[2]["data"]["count"]
    taken = len(members(sandbox)) + count
    sandbox.control.settings(sandbox.cline_organization, seats=taken + 1)
    assert ask(sandbox, "first@northgate.example") == 201
    assert ask(sandbox, "second@northgate.example") == 409
    _, _, listed = sandbox.cline("GET", f"{ORG}/invites")
    first = next(one for one in listed["data"]["items"] if one["email"].startswith("first@"))
    assert sandbox.cline("DELETE", f"{ORG}/invites/{first['id']}")[0] == 204
    assert ask(sandbox, "second@northgate.example") == 201


def test_many_invites_are_all_or_nothing(sandbox: SandboxServer) -> None:
    known = members(sandbox)[3]["email"]
    body = {
        "invites": [
            {"email": "fresh@northgate.example", "role": "member"},
            {"email": known, "role": "member"},
        ]
    }
    assert sandbox.cline("POST", f"{ORG}/invites", body)[0] == 409
    body["invites"][1]["email"] = "fresh.too@northgate.example"
    status, _, made = sandbox.cline("POST", f"{ORG}/invites", body)
    assert (status, len(made["data"]["items"])) == (201, 2)
    again = {"invites": [body["invites"][0] | {"email": "Twin@x.example"}] * 2}
    assert sandbox.cline("POST", f"{ORG}/invites", again)[0] == 409


def test_only_pending_invites_are_listed_and_counted(sandbox: SandboxServer) -> None:
    assert ask(sandbox, "gone@northgate.example") == 201
    sandbox.control.accept_invite(email="gone@northgate.example")
    sandbox.control.shift_clock(3 * DAY)
    _, _, listed = sandbox.cline("GET", f"{ORG}/invites")
    rows = listed["data"]["items"]
    assert {one["status"] for one in rows} == {"pending"}
    assert "gone@northgate.example" not in [one["email"] for one in rows]
    assert sandbox.cline("GET", f"{ORG}/invites/count")[2]["data"]["count"] == len(rows)


def test_roles_and_domains_that_may_not_be_used_are_422(sandbox: SandboxServer) -> None:
    assert ask(sandbox, "a@northgate.example", "owner", by="admin") == 422
    sandbox.control.settings(sandbox.cline_organization, verified_domains=["northgate.example"])
    assert ask(sandbox, "a@elsewhere.example") == 422
    assert ask(sandbox, "a@labs.northgate.example") == 201


def test_an_invitee_joins_with_their_own_key_and_token(sandbox: SandboxServer) -> None:
    email = "invited@northgate.example"
    body = {"invites": [{"email": email, "role": "admin"}]}
    invite = sandbox.cline("POST", f"{ORG}/invites", body)[2]["data"]["items"][0]
    person = sandbox.control.new_key(email=email)
    for credential in (person["api_key"], person["account_token"]):
        headers = {"authorization": f"Bearer {credential}"}
        _, _, me = call(sandbox.base_url, "GET", "/api/v1/users/me", None, headers)
        assert json.loads(me)["data"]["organizations"] == []
    token = {"token": sandbox.control.invite_token(invite["id"])}
    status, _, answer = call(sandbox.base_url, "POST", "/api/v1/invites/accept", token, headers)
    assert (status, json.loads(answer)["data"]["roles"]) == (200, ["admin"])
    assert members(sandbox)[-1]["userId"] == person["user_id"]
    (entry,) = sandbox.control.journal(operation="accept_invite")
    assert entry["arguments"] == {"token": "***"}
    assert sandbox.cline("DELETE", f"{ORG}/invites/{invite['id']}")[0] == 409


def test_an_account_token_without_its_prefix_is_refused(sandbox: SandboxServer) -> None:
    person = sandbox.control.new_key(email="a@northgate.example")
    wrong = (
        person["account_token"].removeprefix("workos:"),
        f"workos:{person['api_key']}",
        sandbox.anthropic_key,
    )
    for credential in wrong:
        headers = {"authorization": f"Bearer {credential}"}
        status, _, body = call(sandbox.base_url, "GET", "/api/v1/users/me", None, headers)
        assert (status, body) == (401, b'{"error":"Unauthorized"}')


@pytest.mark.parametrize("limit", [1, 7, 200, 1000])
def test_members_are_walked_by_cursor(sandbox: SandboxServer, limit: int) -> None:
    whole, walked, cursor = members(sandbox), [], ""
    while True:
        path = f"{ORG}/members?limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        data = sandbox.cline("GET", path)[2]["data"]
        walked += data["items"]
        cursor = data["nextToken"]
        if not cursor:
            break
    assert walked == whole
    assert len(whole) == data["total"] == sandbox.cline("GET", ORG)[2]["data"]["memberCount"]


def test_next_token_under_its_own_name_is_ignored(sandbox: SandboxServer) -> None:
    first = sandbox.cline("GET", f"{ORG}/members?limit=2")[2]["data"]
    path = f"{ORG}/members?limit=2&nextToken={first['nextToken']}"
    assert sandbox.cline("GET", path)[2]["data"] == first


def test_fast_pages_draw_a_429() -> None:
    with SandboxServer(fast_pages=5) as sandbox:
        answers = [sandbox.cline("GET", f"{ORG}/members?limit=1") for _ in range(40)]
        statuses = [status for status, _, _ in answers]
        assert statuses[:5] == [200] * 5
        refused = answers[statuses.index(429)]
        assert refused[2] == {"success": False, "error": "rate limit exceeded"}
        assert refused[1]["retry-after"] == "1"


def test_a_new_role_replaces_the_list(sandbox: SandboxServer) -> None:
    member = member_with(sandbox, "member")
    path = f"{ORG}/members/{member['memberId']}/role"
    _, _, answer = sandbox.cline("PUT", path, {"role": "admin"})
    assert answer["data"]["roles"] == ["admin"]
    assert answer["data"]["updatedAt"] > member["updatedAt"]


# Both


def test_the_same_invite_sent_by_many_at_once_is_made_once(sandbox: SandboxServer) -> None:
    answers: list[int] = []

    def send() -> None:
        body = {"email": "race@northgate.example", "role": "user"}
        answers.append(sandbox.anthropic("POST", "/invites", body)[0])

    threads = [threading.Thread(target=send) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [400] * 11
    assert len(sandbox.control.journal(operation="createInvite", effect=True)) == 1


def test_a_revoked_key_is_refused_and_a_new_one_accepted(sandbox: SandboxServer) -> None:
    new = sandbox.control.new_key(organization=sandbox.anthropic_organization)["api_key"]
    headers = {"x-api-key": new, "anthropic-version": "2023-06-01"}
    assert call(sandbox.base_url, "GET", "/v1/organizations/me", None, headers)[0] == 200
    sandbox.control.revoke_key(new)
    assert call(sandbox.base_url, "GET", "/v1/organizations/me", None, headers)[0] == 401


def test_a_console_change_can_make_an_admin(sandbox: SandboxServer) -> None:
    user = next(one for one in everyone(sandbox) if one["role"] == "user")
    organization = sandbox.anthropic_organization
    changed = sandbox.control.member(organization, user["email"], role="admin", name="Renamed")
    assert sandbox.anthropic("GET", f"/users/{user['id']}")[2] == changed
    assert (changed["role"], changed["name"]) == ("admin", "Renamed")
    assert sandbox.anthropic("DELETE", f"/users/{user['id']}")[0] == 400


def test_a_console_change_can_add_a_cline_member(sandbox: SandboxServer) -> None:
    made = sandbox.control.member(
        sandbox.cline_organization, "walked.in@northgate.example", role="admin"
    )
    assert members(sandbox)[-1] == made
    sandbox.control.remove_member(sandbox.cline_organization, "walked.in@northgate.example")
    assert made not in members(sandbox)
