"""API keys of the console: what a schema cannot say."""

from typing import Any

import pytest

from tests.sandbox_server import SandboxServer

DAY = 86_400


def keys(sandbox: SandboxServer, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sandbox.anthropic("GET", f"/api_keys?limit=1000{query}")[2][
        "data"
    ]
    return found


def workspace(sandbox: SandboxServer, name: str) -> str:
    listed = sandbox.anthropic("GET", "/workspaces?limit=1000")[2]["data"]
    return next(one["id"] for one in listed if one["name"] == name)


def test_archiving_a_workspace_revokes_its_keys_at_once(sandbox: SandboxServer) -> None:
    before = keys(sandbox)
    home = next(one["workspace_id"] for one in before if one["status"] == "active")
    sandbox.anthropic("POST", f"/workspaces/{home}/archive")
    after = {one["id"]: one["status"] for one in keys(sandbox)}
    for key in before:
        there = key["workspace_id"] == home
        assert after[key["id"]] == ("archived" if there else key["status"])
    assert {one["workspace_id"] for one in keys(sandbox, f"&workspace_id={home}")} == {home}


def test_a_key_expires_by_time_alone_and_for_good(sandbox: SandboxServer) -> None:
    soon = next(one for one in keys(sandbox, "&status=active") if one["expires_at"])
    path = f"/api_keys/{soon['id']}"
    sandbox.anthropic("POST", path, {"status": "inactive"})
    sandbox.control.shift_clock(366 * DAY)
    assert sandbox.anthropic("GET", path)[2]["status"] == "expired"
    assert soon["id"] in {one["id"] for one in keys(sandbox, "&status=expired")}
    assert sandbox.anthropic("POST", path, {"status": "active"})[0] == 400
    assert sandbox.anthropic("POST", path, {"name": "Was ours"})[2]["status"] == "expired"
    assert sandbox.anthropic("POST", path, {"status": "archived"})[2]["status"] == "archived"


@pytest.mark.parametrize("leaves", ["the organization", "the workspace"])
def test_keys_outlive_their_maker_but_for_those_of_claude_code(
    sandbox: SandboxServer, leaves: str
) -> None:
    coding = workspace(sandbox, "Claude Code")
    own = next(one for one in keys(sandbox, f"&workspace_id={coding}") if one["status"] == "active")
    maker = own["created_by"]["id"]
    organization = sandbox.anthropic_organization
    email = sandbox.anthropic("GET", f"/users/{maker}")[2]["email"]
    sandbox.control.member(organization, email, role="developer")
    body = {"user_id": maker, "workspace_role": "workspace_developer"}
    sandbox.anthropic("POST", f"/workspaces/{coding}/members", body)
    before = {one["id"]: one["status"] for one in keys(sandbox, f"&created_by_user_id={maker}")}
    if leaves == "the organization":
        assert sandbox.anthropic("DELETE", f"/users/{maker}")[0] == 200
    else:
        assert sandbox.anthropic("DELETE", f"/workspaces/{coding}/members/{maker}")[0] == 200
    after = {one["id"]: one["status"] for one in keys(sandbox, f"&created_by_user_id={maker}")}
    assert after == before | {own["id"]: "archived"}


def test_the_world_has_keys_of_every_kind(sandbox: SandboxServer) -> None:
    listed = keys(sandbox)
    people = {one["id"] for one in sandbox.anthropic("GET", "/users?limit=1000")[2]["data"]}
    makers = [one["created_by"] for one in listed]
    assert None in makers
    assert {one["type"] for one in makers if one} == {"user", "service_account"}
    assert any(one["id"] not in people for one in makers if one and one["type"] == "user")
    assert None in {one["workspace_id"] for one in listed}
    assert None in {one["partial_key_hint"] for one in listed}
    assert {one["status"] for one in listed} == {"active", "inactive", "archived", "expired"}
