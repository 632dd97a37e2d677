"""Every fault on the listings of keys, through the real adapters: no key is ever wrongly gone."""

import pytest
from django.test import override_settings
from pytest_django.fixtures import Settings

from apps.keys.models import Key, SharedKey
from apps.organizations.models import Connection
from apps.providers.anthropic import AnthropicAdapter
from apps.providers.guard import worker_scope
from apps.sandbox.faults import KINDS
from apps.sync.models import Resource, SyncRun
from apps.sync.walk import walk
from tests.desk import Desk, open_desk
from tests.factories import with_keys
from tests.sandbox_server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)
DEADLINE = 0.25  # seconds, of one remote call that is spoiled
PATIENCE = 30.0  # of one that is not: the machine may be busy
PAGE_ROWS = 10  # 28 keys are three pages
# A row whose very id is spoiled is another row; these spoil what is told of it.
FIELDS = {"wrong_type": {"field": "name"}, "unknown_enum": {"field": "name"}}
LISTINGS: dict[str, tuple[str, str, str, type[Key | SharedKey]]] = {
    "keys of an organization": ("anthropic", "keys", "listApiKeys", Key),
    "keys of a person": ("cline", "keys", "list_api_keys", Key),
    "whose a person's keys are": ("cline", "keys", "get_current_user", Key),
    "shared keys": ("cline", "shared_keys", "get_organization_provider_keys", SharedKey),
}


@pytest.fixture
def desk(settings: Settings, monkeypatch: pytest.MonkeyPatch, sandbox: SandboxServer) -> Desk:
    """Nobody waits long, and Anthropic's keys come ten a page."""
    settings.SANDBOX_URL = sandbox.base_url
    settings.BREAKER_SECONDS = settings.BREAKER_CAP_SECONDS = 0.001
    settings.SYNC_WAIT_LIMIT_SECONDS = 0.2
    monkeypatch.setattr("apps.sync.walk.PAGE_TRIES", 1)
    monkeypatch.setattr("apps.providers.budget.PAUSE_UNSAID", 0.01)
    original = AnthropicAdapter.list_api_keys

    def fewer(self: AnthropicAdapter, **query: object) -> object:
        return original(self, **query | {"limit": PAGE_ROWS})

    monkeypatch.setattr(AnthropicAdapter, "list_api_keys", fewer)
    return open_desk(sandbox)


def walk_now(connection: Connection, name: str, deadline: float = PATIENCE) -> SyncRun:
    """Walk it, whatever earlier walks have made of the connection."""
    fresh = Connection.objects.get(pk=connection.pk)
    fresh.frozen_at = fresh.breaker_open_until = None
    fresh.failures = 0
    with_keys(fresh).save()
    resource, _ = Resource.objects.get_or_create(connection=connection, name=name)
    with worker_scope(), override_settings(PROVIDER_CALL_DEADLINE=deadline):
        run = walk(resource.pk)
    assert run is not None
    return run


def present(model: type[Key | SharedKey], connection: Connection) -> set[str]:
    rows = model._default_manager.filter(connection=connection, gone_at__isnull=True)
    return {str(row) for row in rows.values_list("remote_id", flat=True)}


@pytest.mark.crossed("listing", "kind")
@pytest.mark.parametrize("listing", LISTINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_fault_makes_a_key_gone(desk: Desk, listing: str, kind: str) -> None:
    provider, name, operation, model = LISTINGS[listing]
    connection, control = desk.connections[provider], desk.sandbox.control
    desk.sandbox.cline("POST", "/api-keys", {"name": "nightly export"})
    first = walk_now(connection, name)
    assert first.state == SyncRun.State.COMPLETE
    there = present(model, connection)
    assert there
    for page in range(first.pages):
        control.clear_faults()
        options = {"seconds": DEADLINE * 4, "rows": "all", **FIELDS.get(kind, {})}
        control.fault(operation, kind, skip=page, count=None, **options)
        spoiled = walk_now(connection, name, deadline=DEADLINE)
        assert present(model, connection) >= there, f"page {page}: a key is wrongly gone"
        if spoiled.state != SyncRun.State.COMPLETE:
            assert spoiled.gone == 0
            assert spoiled.error
    control.clear()
    healed = walk_now(connection, name)
    assert healed.state == SyncRun.State.COMPLETE
    assert present(model, connection) == there
