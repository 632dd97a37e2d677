"""Every page × every fault, through the real adapters: no row is ever wrongly gone."""

from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.members.models import Member
from apps.organizations.models import Connection
from apps.providers.anthropic import AnthropicAdapter
from apps.providers.cline import ClineAdapter
from apps.providers.guard import worker_scope
from apps.sandbox.faults import KINDS
from apps.sync.models import Resource, SyncRun
from apps.sync.walk import PAGE_TRIES, walk
from tests.desk import Desk, open_desk
from tests.sandbox_server import SandboxServer
from tests.sync.remote import resource_of

OPERATIONS = {"anthropic": "listUsers", "cline": "list_members"}
PAGE_ROWS = 12  # 40 members and a few are four pages
DEADLINE = 0.25  # seconds, of one remote call that is spoiled
PATIENCE = 30.0  # of one that is not: the machine may be busy


@pytest.fixture(autouse=True)
def small_pages(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, sandbox: SandboxServer
) -> None:
    """The adapters ask for pages of twelve, and nobody waits long."""
    settings.SANDBOX_URL = sandbox.base_url
    settings.BREAKER_SECONDS = settings.BREAKER_CAP_SECONDS = 0.001
    settings.SYNC_WAIT_LIMIT_SECONDS = 0.2
    # The adapters try each read three times themselves; more is for test_walk.py.
    monkeypatch.setattr("apps.sync.walk.PAGE_TRIES", 1)
    monkeypatch.setattr("apps.providers.budget.PAUSE_UNSAID", 0.01)
    for adapter, name in ((AnthropicAdapter, "list_users"), (ClineAdapter, "list_members")):
        original = getattr(adapter, name)

        def fewer(self: Any, *, original: Any = original, **query: Any) -> Any:
            return original(self, **query | {"limit": PAGE_ROWS})

        monkeypatch.setattr(adapter, name, fewer)


@pytest.fixture
def desk(db: None, sandbox: SandboxServer, small_pages: None) -> Desk:
    """An organization connected to both sides of the sandbox."""
    return open_desk(sandbox)


def walk_now(connection: Connection, deadline: float = PATIENCE) -> SyncRun | None:
    """Walk the members, whatever earlier walks have made of the connection."""
    fresh = {"frozen_at": None, "breaker_open_until": None, "failures": 0}
    Connection.objects.filter(pk=connection.pk).update(
        capabilities={"members.read": {"ok": True, "reason": ""}}, **fresh
    )
    with worker_scope(), override_settings(PROVIDER_CALL_DEADLINE=deadline):
        return walk(resource_of(connection).pk)


def present(connection: Connection) -> set[str]:
    """Addresses that the mirror holds as present."""
    rows = Member.objects.filter(connection=connection, gone_at__isnull=True)
    return {row.lower() for row in rows.values_list("email", flat=True)}


def remote_organization(desk: Desk, provider: str) -> str:
    """The sandbox's id of the organization that a connection reaches."""
    sandbox = desk.sandbox
    return sandbox.anthropic_organization if provider == "anthropic" else sandbox.cline_organization


@pytest.mark.crossed("provider", "kind", apart=2)
@pytest.mark.parametrize("provider", OPERATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_fault_on_any_page_makes_anybody_gone(desk: Desk, provider: str, kind: str) -> None:
    connection = desk.connections[provider]
    control = desk.sandbox.control
    run = walk_now(connection)
    assert run is not None
    assert run.pages >= 4
    there = present(connection)
    gone = sorted(there)[-1]
    control.remove_member(remote_organization(desk, provider), gone)
    there.discard(gone)
    for page in range(run.pages):
        control.clear_faults()
        control.fault(
            OPERATIONS[provider], kind, skip=page, count=None, seconds=DEADLINE * 4, rows="all"
        )
        spoiled = walk_now(connection, deadline=DEADLINE)
        assert spoiled is not None
        assert present(connection) >= there, f"page {page}: somebody is wrongly gone"
        if spoiled.state != SyncRun.State.COMPLETE:
            assert spoiled.gone == 0
            assert spoiled.error
    control.clear()
    Resource.objects.update(due_at=timezone.now())
    healed = walk_now(connection)
    assert healed is not None
    assert healed.state == SyncRun.State.COMPLETE
    assert present(connection) == there


@pytest.mark.parametrize("provider", OPERATIONS)
def test_a_fault_that_passes_is_walked_through(
    desk: Desk, provider: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.sync.walk.PAGE_TRIES", PAGE_TRIES)  # a 429 is the walk's to repeat
    connection = desk.connections[provider]
    control = desk.sandbox.control
    first = walk_now(connection)
    assert first is not None
    for page in range(first.pages):
        for kind in ("reset_before", "cut", "garbage", "502", "429"):
            control.fault(OPERATIONS[provider], kind, skip=page, retry_after=0)
            run = walk_now(connection)
            assert run is not None
            assert (run.state, run.seen) == (SyncRun.State.COMPLETE, first.seen)
            control.clear()
