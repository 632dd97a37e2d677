"""The adapter's own operations of the Claude Console against the sandbox, held against the contract."""

from collections.abc import Iterator
from typing import Any

import pytest

from apps.providers import errors
from apps.providers.adapters import open_adapter
from apps.providers.guard import worker_scope
from apps.providers.records import Page
from apps.providers.records.workspaces import Residency
from tests.sandbox_server import SandboxServer

pytestmark = pytest.mark.usefixtures("contract_watch")


@pytest.fixture
def adapter(sandbox: SandboxServer) -> Iterator[Any]:
    with worker_scope():
        made = open_adapter(
            "anthropic",
            base_url=sandbox.base_url,
            credential=sandbox.anthropic_key,
            deadline=60.0,
            answer_limit=32 << 20,
        )
        yield made
        made.close()


def all_of(list_page: Any, *about: str, **query: Any) -> list[Any]:
    """Every row of a list, page by page."""
    found: list[Any] = []
    cursor: str | None = None
    while True:
        page: Page[Any] = list_page(*about, after_id=cursor, **query)
        assert page.unreadable == []
        assert not any(row.missing for row in page.rows)
        found += page.rows
        cursor = page.next_cursor
        if cursor is None:
            return found


def test_a_workspace_from_its_making_to_its_end(adapter: Any) -> None:
    pinned = Residency(("us",), "us", "us")
    made = adapter.create_workspace("Ours", pinned)
    assert (made.name, made.residency, made.archived_at) == ("Ours", pinned, None)
    opened = adapter.update_workspace(made.remote_id, "Theirs", Residency())
    assert (opened.name, opened.residency) == ("Theirs", Residency())
    assert adapter.update_workspace(made.remote_id, "Nobody's").residency == Residency()
    archived = adapter.archive_workspace(made.remote_id)
    assert archived.archived_at is not None
    assert adapter.archive_workspace(made.remote_id) == archived
    assert adapter.get_workspace(made.remote_id) == archived
    with pytest.raises(errors.Refused):
        adapter.update_workspace(made.remote_id, "Back")
    with pytest.raises(errors.NotFound):
        adapter.get_workspace("wrkspc_01nowhere")


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_workspaces_and_their_members_are_walked_whole(adapter: Any, limit: int) -> None:
    whole = all_of(adapter.list_workspaces, limit=limit)
    live = all_of(adapter.list_workspaces, limit=limit, include_archived=False)
    assert len({one.remote_id for one in whole}) == len(whole) > len(live)
    assert {one.remote_id for one in live} == {
        one.remote_id for one in whole if one.archived_at is None
    }
    for workspace in live[:2]:
        members = all_of(adapter.list_workspace_members, workspace.remote_id, limit=limit)
        assert len({one.remote_id for one in members}) == len(members) > 1
        assert {one.workspace_id for one in members} == {workspace.remote_id}


def test_a_role_in_a_workspace_from_its_giving_to_its_end(adapter: Any) -> None:
    workspace = adapter.create_workspace("Ours").remote_id
    person = next(one for one in adapter.list_users().rows if one.role == "developer").remote_id
    made = adapter.create_workspace_member(workspace, person, "workspace_user")
    assert (made.remote_id, made.workspace_id, made.role) == (person, workspace, "workspace_user")
    with pytest.raises(errors.Refused):
        adapter.create_workspace_member(workspace, person, "workspace_user")
    changed = adapter.update_workspace_member(workspace, person, "workspace_admin")
    assert changed.role == "workspace_admin"
    assert adapter.get_workspace_member(workspace, person) == changed
    adapter.delete_workspace_member(workspace, person)
    with pytest.raises(errors.NotFound):
        adapter.get_workspace_member(workspace, person)


def test_the_cap_is_refused_in_the_providers_words(sandbox: SandboxServer, adapter: Any) -> None:
    sandbox.control.settings(sandbox.anthropic_organization, workspace_limit=0, allowed_geos=["us"])
    with pytest.raises(errors.Refused, match="limit of workspaces"):
        adapter.create_workspace("One too many", Residency(("us",), "us"))
    with pytest.raises(errors.Refused) as refused:
        adapter.create_workspace("Anywhere")
    assert refused.value.code == "workspace_policy_violation"


def test_keys_are_walked_whole_and_filtered(adapter: Any) -> None:
    whole = all_of(adapter.list_api_keys)
    assert all_of(adapter.list_api_keys, limit=3) == whole
    assert {one.status for one in whole} == {"active", "inactive", "archived", "expired"}
    made = [one.created_at for one in whole]
    assert made == sorted(made, reverse=True)
    some = next(one for one in whole if one.workspace_id and one.creator_kind == "user")
    for name, value, query in (
        ("status", "expired", {"status": "expired"}),
        ("workspace_id", some.workspace_id, {"workspace_id": some.workspace_id}),
        ("creator_id", some.creator_id, {"created_by_user_id": some.creator_id}),
    ):
        expected = [one for one in whole if getattr(one, name) == value]
        assert all_of(adapter.list_api_keys, limit=1, **query) == expected != []
    assert adapter.get_api_key(some.remote_id) == some


def test_a_key_is_renamed_switched_off_and_on_and_archived(adapter: Any) -> None:
    key = next(one for one in all_of(adapter.list_api_keys) if one.status == "active")
    for status in ("inactive", "active", "archived"):
        changed = adapter.update_api_key(key.remote_id, name=f"Now {status}", status=status)
        assert (changed.name, changed.status) == (f"Now {status}", status)
    assert adapter.update_api_key(key.remote_id) == changed
    with pytest.raises(errors.Refused):
        adapter.update_api_key(key.remote_id, status="active")


def test_limits_of_the_organization_and_what_workspaces_override(adapter: Any) -> None:
    groups = {one.remote_id: one for one in adapter.list_organization_rate_limits().rows}
    assert len(groups) == 8
    opus = adapter.list_organization_rate_limits(model="claude-opus-4-6").rows
    assert opus == [groups["model_group:claude-opus-4-1"]]
    with pytest.raises(errors.NotFound):
        adapter.list_organization_rate_limits(model="claude-1")
    overrides = [
        (override.remote_id, limit)
        for workspace in all_of(adapter.list_workspaces)
        for override in adapter.list_workspace_rate_limits(workspace.remote_id).rows
        for limit in override.limits
    ]
    assert overrides
    for group, limit in overrides:
        known = {one.kind: one.value for one in groups[group].limits}
        assert limit.organization_value == known.get(limit.kind)
    assert None in {limit.organization_value for _, limit in overrides}
