"""Roles in workspaces under each fault on each page of their walk: nobody is ever wrongly gone."""

from typing import Any

import pytest
from django.test import override_settings

from apps.organizations.models import Connection
from apps.providers.anthropic import AnthropicAdapter
from apps.providers.guard import worker_scope
from apps.sandbox.faults import KINDS
from apps.sync.models import SyncRun
from apps.sync.walk import walk
from apps.workspaces.models import WorkspaceMember
from tests.desk import Desk
from tests.sync.remote import resource_of

DEADLINE = 0.25  # seconds, of one remote call that is spoiled
PATIENCE = 30.0  # of one that is not: the machine may be busy
PAGE_ROWS = 5


@pytest.fixture(autouse=True)
def quick(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members of a workspace come five a page, and nobody waits long."""
    settings.BREAKER_SECONDS = settings.BREAKER_CAP_SECONDS = 0.001
    settings.SYNC_WAIT_LIMIT_SECONDS = 0.2
    monkeypatch.setattr("apps.sync.walk.PAGE_TRIES", 1)
    monkeypatch.setattr("apps.providers.budget.PAUSE_UNSAID", 0.01)
    original = AnthropicAdapter.list_workspace_members

    def fewer(self: Any, workspace_id: str, **query: Any) -> Any:
        return original(self, workspace_id, **query | {"limit": PAGE_ROWS})

    monkeypatch.setattr(AnthropicAdapter, "list_workspace_members", fewer)


def walk_now(connection: Connection, deadline: float = PATIENCE) -> SyncRun:
    """Walk the roles, whatever earlier walks have made of the connection."""
    fresh: dict[str, Any] = {"frozen_at": None, "breaker_open_until": None, "failures": 0}
    able = {"workspaces.read": {"ok": True, "reason": ""}}
    Connection.objects.filter(pk=connection.pk).update(capabilities=able, **fresh)
    with worker_scope(), override_settings(PROVIDER_CALL_DEADLINE=deadline):
        run = walk(resource_of(connection, "workspace_members").pk)
    assert run is not None
    return run


def present(connection: Connection) -> set[str]:
    """What the mirror holds as present."""
    rows = WorkspaceMember.objects.filter(connection=connection).present()
    return {str(one) for one in rows.values_list("remote_id", flat=True)}


@pytest.mark.crossed("operation", "kind", apart=2)
@pytest.mark.parametrize("operation", ["listWorkspaces", "listWorkspaceMembers"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_fault_on_any_page_takes_anybody_out(desk: Desk, operation: str, kind: str) -> None:
    connection, control = desk.connections["anthropic"], desk.sandbox.control
    first = walk_now(connection)
    assert first.state == SyncRun.State.COMPLETE
    there = present(connection)
    gone = _take_somebody_out(desk)
    there.discard(gone)
    pages = [0] if operation == "listWorkspaces" else [0, 1, first.pages // 2, first.pages - 1]
    for page in pages:
        control.clear_faults()
        control.fault(operation, kind, skip=page, count=None, seconds=DEADLINE * 4, rows="all")
        spoiled = walk_now(connection, deadline=DEADLINE)
        assert present(connection) >= there, f"page {page}: somebody is wrongly gone"
        if spoiled.state != SyncRun.State.COMPLETE:
            assert spoiled.gone == 0
            assert spoiled.error
    control.clear()
    healed = walk_now(connection)
    assert healed.state == SyncRun.State.COMPLETE
    assert present(connection) == there


def _take_somebody_out(desk: Desk) -> str:
    """Somebody added by hand leaves a workspace at the remote."""
    roles = WorkspaceMember.objects.filter(role="workspace_developer").order_by("remote_id")
    row = roles.first()
    assert row is not None
    path = f"/workspaces/{row.workspace_remote_id}/members/{row.user_remote_id}"
    status, _, _ = desk.sandbox.anthropic("DELETE", path)
    assert status == 200
    return str(row.remote_id)
