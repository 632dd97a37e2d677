"""Keys as walks bring them, from the sandbox through both adapters and from a provider in memory."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.keys.mirror import end_with_workspaces
from apps.keys.models import Key, SharedKey
from apps.members.models import Member
from apps.organizations.credentials import seal_for
from apps.organizations.models import Connection
from apps.organizations.sealing import Secret
from apps.providers.guard import worker_scope
from apps.providers.records import Page
from apps.providers.records.keys import KeyRecord, SharedKeyRecord
from apps.sync import walk as walks
from apps.sync.models import RemoteChange, Resource, SyncRun
from apps.sync.walk import walk
from tests.desk import Desk, open_desk
from tests.factories import ConnectionFactory, KeyFactory, with_keys
from tests.sandbox_server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def desk(sandbox: SandboxServer, settings: Settings) -> Desk:
    settings.SANDBOX_URL = sandbox.base_url
    return open_desk(sandbox)


def walk_it(connection: Connection, name: str) -> SyncRun:
    resource, _ = Resource.objects.get_or_create(connection=connection, name=name)
    with worker_scope():
        run = walk(resource.pk)
    assert run is not None
    return run


def test_a_walk_mirrors_every_key_of_an_organization(desk: Desk) -> None:
    connection = desk.connections["anthropic"]
    assert walk_it(connection, "keys").state == SyncRun.State.COMPLETE
    _, _, listed = desk.sandbox.anthropic("GET", "/api_keys?limit=1000")
    wanted = {
        one["id"]: (
            one["name"],
            one["status"],
            one["workspace_id"] or "",
            (one["created_by"] or {}).get("id", ""),
        )
        for one in listed["data"]
    }
    rows = Key.objects.filter(connection=connection)
    found = {one.remote_id: (one.name, one.status, one.workspace, one.creator) for one in rows}
    assert found == wanted
    assert not rows.filter(is_own=True).exists()


def test_a_walk_mirrors_the_owners_keys_and_marks_the_one_in_use(desk: Desk) -> None:
    connection = desk.connections["cline"]
    desk.sandbox.cline("POST", "/api-keys", {"name": "nightly export"})
    walk_it(connection, "members")
    assert walk_it(connection, "keys").state == SyncRun.State.COMPLETE
    assert Key.objects.filter(connection=connection, is_own=True).count() == 1
    export = Key.objects.get(connection=connection, name="nightly export")
    assert export.workspace is None
    assert export.is_own is False
    assert export.creator
    maker = Member.objects.get(connection=connection, remote_id=export.creator)
    _, _, me = desk.sandbox.cline("GET", "/users/me")
    assert maker.email == me["data"]["email"]


def test_shared_provider_keys_are_names_alone(desk: Desk) -> None:
    connection = desk.connections["cline"]
    assert walk_it(connection, "shared_keys").state == SyncRun.State.COMPLETE
    _, _, shared = desk.sandbox.cline("GET", "/organizations/{org}/api-keys")
    rows = SharedKey.objects.filter(connection=connection)
    assert rows
    for row in rows:
        assert str(row.remote_id) in shared["data"]["providerApiKeys"]
        assert row.raw == {}


def test_a_replaced_credential_moves_the_mark(desk: Desk) -> None:
    connection = desk.connections["cline"]
    _, _, made = desk.sandbox.cline("POST", "/api-keys", {"name": "second"})
    walk_it(connection, "keys")
    first = Key.objects.get(connection=connection, is_own=True)
    connection.credential = seal_for(connection, "credential", Secret(made["data"]["secret_key"]))
    connection.credential_changed_at = timezone.now()
    connection.save()
    walk_it(connection, "keys")  # nothing has changed at the provider
    resource = Resource.objects.get(connection=connection, name="keys")
    assert resource.due_at
    assert resource.due_at <= timezone.now(), "another look is due at once"
    walk_it(connection, "keys")
    assert Key.objects.get(connection=connection, is_own=True).name == "second"
    first.refresh_from_db()
    assert first.is_own is False
    walk_it(connection, "keys")
    resource.refresh_from_db()
    assert resource.due_at > timezone.now(), "and no third"


# --- A provider in memory ------------------------------------------------------------------------


def record(number: int, **more: Any) -> KeyRecord:
    given = {
        "name": f"key {number}",
        "status": "active",
        "hint": "",
        "workspace_id": "",
        "creator_id": "",
        "creator_kind": "",
        "created_at": None,
        "expires_at": None,
        **more,
    }
    raw = json.dumps({"id": number, "told": {name: str(value) for name, value in given.items()}})
    return KeyRecord(remote_id=f"apikey_{number}", raw=raw.encode(), **given)


class Remote:
    """Lists what it holds on one page."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def keys(self, cursor: str | None = None) -> Page[KeyRecord]:
        return Page(self.rows, None)

    def shared_keys(self, cursor: str | None = None) -> Page[SharedKeyRecord]:
        return Page(self.rows, None)

    def close(self) -> None:
        """There is nothing to give back."""


@pytest.fixture
def connection() -> Connection:
    made = with_keys(ConnectionFactory())
    made.save()
    return made


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Remote:
    made = Remote([])

    @contextmanager
    def open_adapter(connection: Connection, **options: object) -> Iterator[Remote]:
        yield made

    monkeypatch.setattr(walks, "open_adapter", open_adapter)
    return made


def test_a_workspace_that_was_not_said_is_not_the_default_one(
    connection: Connection, remote: Remote
) -> None:
    remote.rows = [record(1), record(2, missing=("workspace_id",)), record(3, workspace_id=None)]
    walk_it(connection, "keys")
    found = dict(Key.objects.values_list("remote_id", "workspace"))
    assert found == {"apikey_1": "", "apikey_2": None, "apikey_3": None}


def test_what_is_changed_and_deleted_elsewhere_is_told(
    connection: Connection, remote: Remote
) -> None:
    remote.rows = [record(1), record(2), record(3)]
    walk_it(connection, "keys")
    remote.rows = [record(1, status="inactive"), record(2)]
    walk_it(connection, "keys")
    told = set(RemoteChange.objects.values_list("label", "what"))
    assert told == {("key 1", "changed"), ("key 3", "gone")}
    assert Key.objects.get(remote_id="apikey_3").gone_at


def test_a_shared_key_that_is_withdrawn_goes(connection: Connection, remote: Remote) -> None:
    connection.capabilities["shared_keys.read"]["ok"] = True
    connection.save()
    remote.rows = [SharedKeyRecord("litellm"), SharedKeyRecord("bedrock")]
    walk_it(connection, "shared_keys")
    remote.rows = [SharedKeyRecord("litellm")]
    walk_it(connection, "shared_keys")
    present = SharedKey.objects.filter(gone_at__isnull=True)
    assert list(present.values_list("remote_id", flat=True)) == ["litellm"]


def test_keys_end_with_their_workspace(connection: Connection) -> None:
    key = KeyFactory(connection=connection, workspace="wrkspc_1")
    other = KeyFactory(connection=connection, workspace="wrkspc_2")
    later = timezone.now() + timedelta(hours=1)
    resource = Resource.objects.create(connection=connection, name="keys", due_at=later)
    end_with_workspaces(connection, ["wrkspc_1"], timezone.now())
    key.refresh_from_db()
    other.refresh_from_db()
    assert (key.status, other.status) == ("archived", "active")
    resource.refresh_from_db()
    assert resource.due_at
    assert resource.due_at < later
