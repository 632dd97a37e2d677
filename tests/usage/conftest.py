"""Fixtures of usage: a desk whose connections read it from the sandbox, a few days back."""

import pytest
from pytest_django.fixtures import Settings

from apps.organizations.models import Connection
from apps.providers.guard import worker_scope
from apps.sync.models import Resource, SyncRun
from apps.sync.walk import walk
from tests.desk import Desk, open_desk
from tests.sandbox_server import SandboxServer

DAYS = 5  # of backfill
CAPABILITIES = ("usage.read", "costs.read", "coding.read")


@pytest.fixture(autouse=True)
def few_days(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Backfill is a few days, and nobody waits long."""
    settings.USAGE_BACKFILL_DAYS = DAYS
    settings.SYNC_RETRY_BASE_SECONDS = 0.001
    settings.SYNC_BUCKET_PAUSE_SECONDS = 0.0
    settings.BREAKER_SECONDS = settings.BREAKER_CAP_SECONDS = 0.001
    monkeypatch.setattr("apps.providers.budget.PAUSE_UNSAID", 0.01)


def with_usage(connection: Connection) -> Connection:
    """The same connection, which may read usage, costs and Claude Code as far as its provider has them."""
    for name in CAPABILITIES:
        connection.capabilities[name] = {"ok": True, "reason": ""}
    connection.save()
    return connection


@pytest.fixture
def usage_desk(db: None, sandbox: SandboxServer, settings: Settings) -> Desk:
    """An organization connected to both sides of the sandbox, with usage to read."""
    settings.SANDBOX_URL = sandbox.base_url
    desk = open_desk(sandbox)
    for connection in desk.connections.values():
        with_usage(connection)
    return desk


def read(connection: Connection, *names: str) -> list[SyncRun]:
    """Walk these reports once; each must come to its end."""
    runs = []
    for name in names:
        resource, _ = Resource.objects.get_or_create(connection=connection, name=name)
        with worker_scope():
            run = walk(resource.pk)
        assert run is not None
        assert run.state == SyncRun.State.COMPLETE, run.error
        runs.append(run)
    return runs
