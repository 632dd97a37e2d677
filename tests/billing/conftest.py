"""Bea runs the billing of an organization with a Cline account; the sandbox is its provider where needed."""

from typing import Any

import pytest

from apps.organizations.models import Connection
from apps.providers.guard import worker_scope
from apps.sync.models import SyncRun
from apps.sync.walk import walk
from tests import kicks
from tests.desk import Desk, open_desk
from tests.factories import with_billing
from tests.sandbox_server import SandboxServer
from tests.sync.remote import resource_of


@pytest.fixture(autouse=True)
def no_worker(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody carries Commands here, and no page waits for it."""
    settings.OUTBOX_PAGE_WAIT_SECONDS = 0
    kicks.collected(monkeypatch)


@pytest.fixture
def desk(db: None, sandbox: SandboxServer, settings: Any) -> Desk:
    """An organization with an account at each provider of the sandbox, whose keys may read money."""
    settings.SANDBOX_URL = sandbox.base_url
    made = open_desk(sandbox)
    with_billing(made.connections["cline"]).save()
    return made


@pytest.fixture
def cline(desk: Desk) -> Connection:
    """Its account at Cline."""
    return desk.connections["cline"]


def walk_now(connection: Connection, *names: str) -> SyncRun:
    """Walk listings, as a worker does; the last one's run. Each must come to its end."""
    runs = []
    for name in names:
        with worker_scope():
            run = walk(resource_of(connection, name).pk)
        assert run is not None, name
        assert run.state == SyncRun.State.COMPLETE, run.error
        runs.append(run)
    return runs[-1]
