"""Workspaces and roles in them: what a schema cannot say."""

from typing import Any

import pytest

from tests.sandbox_server import SandboxServer

EVERY = "/workspaces?limit=1000&include_archived=true"


def rows(sandbox: SandboxServer, path: str) -> list[dict[str, Any]]:
    joined = "&" if "?" in path else "?"
    found: list[dict[str, Any]] = sandbox.anthropic("GET", f"{path}{joined}limit=1000")[2]["data"]
    return found


def roles(sandbox: SandboxServer, workspace: str) -> dict[str, str]:
    members = rows(sandbox, f"/workspaces/{workspace}/members")
    return {one["user_id"]: one["workspace_role"] for one in members}


def user(sandbox: SandboxServer, role: str) -> str:
    return next(one["id"] for one in rows(sandbox, "/users") if one["role"] == role)


@pytest.fixture
def workspace(sandbox: SandboxServer) -> str:
    """A fresh one with server defaults."""
    made: str = sandbox.anthropic("POST", "/workspaces", {"name": "Fresh"})[2]["id"]
    return made


def test_a_new_workspace_has_those_who_are_everywhere_and_nobody_else(
    sandbox: SandboxServer, workspace: str
) -> None:
    expected = {"admin": "workspace_admin", "billing": "workspace_billing"}
    inherited = {
        one["id"]: expected[one["role"]]
        for one in rows(sandbox, "/users")
        if one["role"] in expected
    }
    assert roles(sandbox, workspace) == inherited
    assert set(inherited.values()) == set(expected.values())


def test_the_newest_workspace_comes_first_and_the_default_one_never(
    sandbox: SandboxServer, workspace: str
) -> None:
    listed = rows(sandbox, "/workspaces?include_archived=true")
    assert listed[0]["id"] == workspace
    made = [one["created_at"] for one in listed]
    assert made == sorted(made, reverse=True)
    assert "Default" not in {one["name"] for one in listed}
    live = [one for one in listed if one["archived_at"] is None]
    assert 0 < len(live) < len(listed)
    assert rows(sandbox, "/workspaces") == live


def test_the_org_role_decides_until_it_is_given_up(sandbox: SandboxServer, workspace: str) -> None:
    person, path = user(sandbox, "developer"), f"/workspaces/{workspace}/members"
    sandbox.anthropic("POST", path, {"user_id": person, "workspace_role": "workspace_developer"})
    assert sandbox.anthropic("POST", f"/users/{person}", {"role": "billing"})[0] == 200
    assert roles(sandbox, workspace)[person] == "workspace_billing"
    assert sandbox.anthropic("DELETE", f"{path}/{person}")[0] == 400
    other = next(one["id"] for one in rows(sandbox, "/workspaces") if one["id"] != workspace)
    assert roles(sandbox, other)[person] == "workspace_billing"
    assert sandbox.anthropic("POST", f"/users/{person}", {"role": "developer"})[0] == 200
    assert roles(sandbox, workspace)[person] == "workspace_developer"
    assert sandbox.anthropic("DELETE", f"{path}/{person}")[0] == 200
    assert sandbox.anthropic("GET", f"{path}/{person}")[0] == 404


def test_a_billing_member_is_raised_to_admin_and_back(
    sandbox: SandboxServer, workspace: str
) -> None:
    path = f"/workspaces/{workspace}/members/{user(sandbox, 'billing')}"
    for role in ("workspace_admin", "workspace_billing"):
        answer = sandbox.anthropic("POST", path, {"workspace_role": role})
        assert (answer[0], answer[2]["workspace_role"]) == (200, role)
        assert sandbox.anthropic("GET", path)[2]["workspace_role"] == role


@pytest.mark.parametrize("by", ["the API", "the vendor's console"])
def test_who_leaves_the_organization_leaves_its_workspaces(
    sandbox: SandboxServer, workspace: str, by: str
) -> None:
    person = user(sandbox, "developer")
    path = f"/workspaces/{workspace}/members"
    sandbox.anthropic("POST", path, {"user_id": person, "workspace_role": "workspace_user"})
    if by == "the API":
        sandbox.anthropic("DELETE", f"/users/{person}")
    else:
        email = sandbox.anthropic("GET", f"/users/{person}")[2]["email"]
        sandbox.control.remove_member(sandbox.anthropic_organization, email)
    assert person not in roles(sandbox, workspace)
    organization = sandbox.state.world.organizations[sandbox.anthropic_organization]
    assert not any(
        table.get(person)
        for name, table in organization.tables.items()
        if name.startswith("memberships/")
    )


def test_archiving_is_final_keeps_its_first_date_and_frees_a_place(
    sandbox: SandboxServer, workspace: str
) -> None:
    live = len(rows(sandbox, "/workspaces"))
    sandbox.control.settings(sandbox.anthropic_organization, workspace_limit=live)
    assert sandbox.anthropic("POST", "/workspaces", {"name": "One more"})[0] == 400
    first = sandbox.anthropic("POST", f"/workspaces/{workspace}/archive")[2]
    sandbox.control.shift_clock(3600)
    assert sandbox.anthropic("POST", f"/workspaces/{workspace}/archive")[2] == first
    assert first["archived_at"] is not None
    assert sandbox.anthropic("POST", f"/workspaces/{workspace}", {"name": "Back"})[0] == 400
    assert sandbox.anthropic("POST", "/workspaces", {"name": "One more"})[0] == 200


def test_residency_that_is_not_named_is_left_alone(sandbox: SandboxServer) -> None:
    pinned = {"allowed_inference_geos": ["global", "us"], "default_inference_geo": "us"}
    made = sandbox.anthropic("POST", "/workspaces", {"name": "A", "data_residency": pinned})[2]
    path = f"/workspaces/{made['id']}"
    for change in (
        {"name": "B"},
        {"name": "C", "data_residency": None},
        {"name": "D", "data_residency": {"allowed_inference_geos": None}},
    ):
        changed = sandbox.anthropic("POST", path, change)[2]
        assert changed == {**made, "name": change["name"]}
    narrower = {"name": "E", "data_residency": {"allowed_inference_geos": ["global"]}}
    assert sandbox.anthropic("POST", path, narrower)[0] == 400  # its default is us


def test_workspaces_and_members_outlive_the_process(tmp_path: Any) -> None:
    with SandboxServer(folder=tmp_path) as sandbox:
        made = sandbox.anthropic("POST", "/workspaces", {"name": "Lasting"})[2]["id"]
        person = user(sandbox, "developer")
        body = {"user_id": person, "workspace_role": "workspace_admin"}
        sandbox.anthropic("POST", f"/workspaces/{made}/members", body)
    with SandboxServer(folder=tmp_path) as sandbox:
        assert roles(sandbox, made)[person] == "workspace_admin"


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_members_are_walked_both_ways(sandbox: SandboxServer, limit: int) -> None:
    workspace = rows(sandbox, "/workspaces")[0]["id"]
    whole = list(roles(sandbox, workspace))
    path = f"/workspaces/{workspace}/members?limit={limit}"
    forward: list[str] = []
    cursor = ""
    while True:
        page = sandbox.anthropic("GET", path + (f"&after_id={cursor}" if cursor else ""))[2]
        forward += [one["user_id"] for one in page["data"]]
        cursor = page["last_id"]
        if not page["has_more"]:
            break
    backward = [whole[-1]]
    while True:
        page = sandbox.anthropic("GET", f"{path}&before_id={backward[0]}")[2]
        backward = [one["user_id"] for one in page["data"]] + backward
        if not page["has_more"]:
            break
    assert forward == backward == whole
