"""Workspaces and the roles in them, walked from the sandbox."""

from typing import Any

import pytest

from apps.members.models import Member
from apps.organizations.models import Connection
from apps.providers import errors
from apps.providers.anthropic import AnthropicAdapter
from apps.providers.guard import worker_scope
from apps.sync.models import QuarantinedRow, RemoteChange, Resource, SyncRun
from apps.sync.walk import walk
from apps.workspaces.models import Workspace, WorkspaceMember
from tests.desk import Desk
from tests.sync.remote import resource_of

pytestmark = pytest.mark.django_db
PAGE_ROWS = 5


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members of a workspace come five a page."""
    original = AnthropicAdapter.list_workspace_members

    def fewer(self: Any, workspace_id: str, **query: Any) -> Any:
        return original(self, workspace_id, **query | {"limit": PAGE_ROWS})

    monkeypatch.setattr(AnthropicAdapter, "list_workspace_members", fewer)


def walk_now(connection: Connection, name: str = "workspace_members") -> SyncRun:
    """Walk one listing, as a worker does."""
    with worker_scope():
        run = walk(resource_of(connection, name).pk)
    assert run is not None
    return run


def remote_roles(desk: Desk) -> dict[str, str]:
    """Role by "workspace:user" in the live workspaces, as the sandbox itself says."""
    found = {}
    for workspace in remote_workspaces(desk):
        _, _, listed = desk.sandbox.anthropic("GET", f"/workspaces/{workspace}/members?limit=1000")
        for row in listed["data"]:
            found[f"{workspace}:{row['user_id']}"] = row["workspace_role"]
    return found


def remote_workspaces(desk: Desk) -> list[str]:
    """Ids of the live workspaces, as the sandbox itself says."""
    _, _, listed = desk.sandbox.anthropic("GET", "/workspaces?limit=1000")
    return [row["id"] for row in listed["data"]]


def mirrored_roles(desk: Desk) -> dict[str, str]:
    """The same, as the mirror has it."""
    rows = WorkspaceMember.objects.filter(connection=desk.connections["anthropic"])
    return {str(k): v for k, v in rows.present().values_list("remote_id", "role")}


def explicit(desk: Desk, workspace: str) -> str:
    """Somebody who was added to the workspace by hand."""
    everywhere = set.intersection(
        *(
            {name.split(":")[1] for name in remote_roles(desk) if name.startswith(f"{one}:")}
            for one in remote_workspaces(desk)
        )
    )
    mine = (name for name in sorted(remote_roles(desk)) if name.startswith(f"{workspace}:"))
    return next(user for name in mine if (user := name.split(":")[1]) not in everywhere)


def test_all_workspaces_are_mirrored_the_archived_too(desk: Desk) -> None:
    connection = desk.connections["anthropic"]
    run = walk_now(connection, "workspaces")

    _, _, listed = desk.sandbox.anthropic("GET", "/workspaces?limit=1000&include_archived=true")
    assert (run.state, run.requests) == (SyncRun.State.COMPLETE, 1)
    assert Workspace.objects.count() == len(listed["data"]) > 0
    for remote in listed["data"]:
        row = Workspace.objects.get(connection=connection, remote_id=remote["id"])
        assert (row.name, row.colour) == (remote["name"], remote["display_color"])
        archived = remote["archived_at"] is not None
        assert row.state == (Workspace.State.ARCHIVED if archived else Workspace.State.LIVE)
        assert bool(row.archived_at) == archived
        residency = remote["data_residency"]
        geos = residency["allowed_inference_geos"]
        assert row.allowed_geos == ("" if geos == "unrestricted" else ",".join(geos))
        assert row.default_geo == residency["default_inference_geo"]
        assert row.storage_geo == residency["workspace_geo"]
    assert {row.state for row in Workspace.objects.all()} == {"live", "archived"}


@pytest.mark.usefixtures("small_pages")
def test_the_roles_of_every_live_workspace_are_one_walk_of_the_fewest_requests(desk: Desk) -> None:
    run = walk_now(desk.connections["anthropic"])

    there = remote_roles(desk)
    sizes = [sum(name.startswith(f"{one}:") for name in there) for one in remote_workspaces(desk)]
    assert run.state == SyncRun.State.COMPLETE, run.error
    assert mirrored_roles(desk) == there
    assert run.seen == len(there) > 20
    assert any(size > PAGE_ROWS for size in sizes)
    assert run.requests == 1 + sum(-(-max(size, 1) // PAGE_ROWS) for size in sizes)
    assert not QuarantinedRow.objects.exists()
    assert {"workspace_admin", "workspace_billing"} <= set(there.values()), "inherited ones too"


@pytest.mark.usefixtures("small_pages")
def test_who_left_a_workspace_is_gone_and_is_told_of_by_address(desk: Desk) -> None:
    connection = desk.connections["anthropic"]
    for name in ("members", "workspaces", "workspace_members"):
        walk_now(connection, name)
    workspace = sorted(remote_workspaces(desk))[1]
    leaver = explicit(desk, workspace)
    path = f"/workspaces/{workspace}/members/{leaver}"
    status, _, _ = desk.sandbox.anthropic("DELETE", path)
    assert status == 200

    run = walk_now(connection)

    assert (run.state, run.gone) == (SyncRun.State.COMPLETE, 1)
    assert mirrored_roles(desk) == remote_roles(desk)
    change = RemoteChange.objects.get(resource="workspace_members")
    assert (change.remote_id, change.what) == (f"{workspace}:{leaver}", "gone")
    place = Workspace.objects.get(remote_id=workspace)
    assert change.label == Member.objects.get(remote_id=leaver).email
    assert change.in_words == f"workspace: {place.name}"


def test_a_role_that_changed_is_told_of_with_its_workspace(desk: Desk) -> None:
    connection = desk.connections["anthropic"]
    for name in ("members", "workspaces", "workspace_members"):
        walk_now(connection, name)
    workspace = sorted(remote_workspaces(desk))[1]
    user = explicit(desk, workspace)
    before = mirrored_roles(desk)[f"{workspace}:{user}"]
    after = "workspace_user" if before != "workspace_user" else "workspace_admin"
    path = f"/workspaces/{workspace}/members/{user}"
    desk.sandbox.anthropic("POST", path, {"workspace_role": after})

    walk_now(connection)

    change = RemoteChange.objects.get(resource="workspace_members")
    place = Workspace.objects.get(remote_id=workspace)
    assert change.in_words == f"workspace: {place.name}; role: {before} → {after}"


def test_who_left_the_organization_is_in_no_workspace_any_more(desk: Desk) -> None:
    connection = desk.connections["anthropic"]
    for name in ("members", "workspaces", "workspace_members"):
        walk_now(connection, name)
    user = explicit(desk, sorted(remote_workspaces(desk))[0])
    status, _, _ = desk.sandbox.anthropic("DELETE", f"/users/{user}")
    assert status == 200

    walk_now(connection, "members")

    assert not WorkspaceMember.objects.present().filter(user_remote_id=user).exists()
    run = walk_now(connection)
    assert (run.state, run.gone) == (SyncRun.State.COMPLETE, 0)
    assert mirrored_roles(desk) == remote_roles(desk)
    assert list(RemoteChange.objects.values_list("resource", flat=True)) == ["members"]


def test_what_follows_from_an_organization_role_is_told_once(desk: Desk) -> None:
    connection = desk.connections["anthropic"]
    for name in ("members", "workspaces", "workspace_members"):
        walk_now(connection, name)
    user = explicit(desk, sorted(remote_workspaces(desk))[0])
    inside = sum(name.endswith(user) for name in mirrored_roles(desk))

    for role in ("billing", "user"):
        status, _, _ = desk.sandbox.anthropic("POST", f"/users/{user}", {"role": role})
        assert status == 200
        listing = resource_of(connection, "workspace_members")
        Resource.objects.filter(pk=listing.pk).update(due_at=None)
        walk_now(connection, "members")
        listing.refresh_from_db()
        assert listing.due_at, "the roles there are listed anew soon"
        run = walk_now(connection)
        assert run.state == SyncRun.State.COMPLETE
        assert mirrored_roles(desk) == remote_roles(desk)
        everywhere = sum(name.endswith(user) for name in mirrored_roles(desk))
        assert everywhere == (len(remote_workspaces(desk)) if role == "billing" else inside)
    told = RemoteChange.objects.values_list("resource", flat=True)
    assert list(told) == ["members", "members"]


@pytest.mark.usefixtures("small_pages")
def test_a_walk_goes_on_in_the_workspace_where_it_stopped(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    connection = desk.connections["anthropic"]
    original = AnthropicAdapter.workspace_members
    asked: list[str | None] = []
    settings.SYNC_LEASE_SECONDS = 0.0

    class Killed(BaseException):
        """The worker's end."""

    def stops(self: Any, cursor: str | None = None) -> Any:
        asked.append(cursor)
        if len(asked) == 4:
            raise Killed
        return original(self, cursor)

    monkeypatch.setattr(AnthropicAdapter, "workspace_members", stops)
    monkeypatch.setattr("apps.sync.writer.FLUSH_SECONDS", 0.0)
    with pytest.raises(Killed):
        walk_now(connection)
    assert 0 < len(mirrored_roles(desk)) < len(remote_roles(desk))

    run = walk_now(connection)

    assert asked[4] not in (None, asked[1]), "it began anew"
    assert SyncRun.objects.filter(resource__name="workspace_members").count() == 1
    assert (run.state, run.gone) == (SyncRun.State.COMPLETE, 0)
    assert mirrored_roles(desk) == remote_roles(desk)


def test_a_walk_that_was_cut_short_between_two_workspaces_removes_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = desk.connections["anthropic"]
    walk_now(connection)
    before = mirrored_roles(desk)
    first = sorted(remote_workspaces(desk))[0]
    desk.sandbox.anthropic("DELETE", f"/workspaces/{first}/members/{explicit(desk, first)}")
    original = AnthropicAdapter.list_workspace_members

    def refuses(self: Any, workspace_id: str, **query: Any) -> Any:
        if workspace_id != first:
            raise errors.Refused("Not today.", status=400)
        return original(self, workspace_id, **query)

    monkeypatch.setattr(AnthropicAdapter, "list_workspace_members", refuses)
    run = walk_now(connection)

    assert run.state == SyncRun.State.CUT_SHORT
    assert mirrored_roles(desk) == before


def test_a_workspace_archived_elsewhere_takes_its_roles_with_it_and_nobody_is_asked(
    desk: Desk,
) -> None:
    connection = desk.connections["anthropic"]
    walk_now(connection, "workspaces")
    walk_now(connection)
    ended = sorted(remote_workspaces(desk))[0]
    desk.sandbox.anthropic("POST", f"/workspaces/{ended}/archive")

    walk_now(connection, "workspaces")

    row = Workspace.objects.get(remote_id=ended)
    assert row.state == Workspace.State.ARCHIVED
    assert row.archived_at
    members = WorkspaceMember.objects.filter(workspace_remote_id=ended)
    assert members.exists()
    assert not members.present().exists()
    run = walk_now(connection)
    assert (run.state, run.gone) == (SyncRun.State.COMPLETE, 0)
    assert mirrored_roles(desk) == remote_roles(desk)
    told = RemoteChange.objects.get()
    assert (told.label, told.difference) == (row.name, {"state": ["live", "archived"]})


def test_a_connection_without_workspaces_is_not_asked_for_them(desk: Desk) -> None:
    cline = desk.connections["cline"]
    with worker_scope():
        assert walk(resource_of(cline, "workspaces").pk) is None
    cline.capabilities["workspaces.read"] = {"ok": True, "reason": ""}
    cline.save()
    assert walk_now(cline, "workspaces").state == SyncRun.State.CUT_SHORT
