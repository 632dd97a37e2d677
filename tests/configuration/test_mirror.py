"""An organization and its settings, walked from the sandbox; changes made there, and secrets in them."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from apps.configuration.models import RemoteConfiguration, RemoteOrganization, Version
from apps.configuration.reading import differences
from apps.configuration.versions import comparable, keep_version
from apps.organizations.models import Connection
from apps.organizations.sealing import fingerprint_keys, new_key
from apps.providers.guard import worker_scope
from apps.providers.masking import fingerprints
from apps.sync.models import RemoteChange, SyncRun
from apps.sync.walk import walk
from tests.browsing import at_desk
from tests.desk import Desk
from tests.sync.remote import resource_of

pytestmark = pytest.mark.django_db
CANARY = "canary-in-a-remote-config"
SECRETIVE: dict[str, Any] = {
    "version": "v1",
    "telemetryEnabled": True,
    "openTelemetryOtlpHeaders": {"x-team": CANARY},
    "enterpriseTelemetry": {
        "promptUploading": {
            "enabled": True,
            "type": "s3_access_keys",
            "s3AccessSettings": {
                "bucket": "prompts",
                "accessKeyId": CANARY,
                "secretAccessKey": CANARY,
            },
        }
    },
}


def walk_now(connection: Connection, name: str = "remote_config") -> SyncRun:
    """Walk one listing, as a worker does."""
    with worker_scope():
        run = walk(resource_of(connection, name).pk)
    assert run is not None
    return run


def change_there(desk: Desk, **body: Any) -> None:
    """Somebody changes the organization at the provider."""
    if "defaultRemoteConfig" in body:
        body["defaultRemoteConfig"] = json.dumps(body["defaultRemoteConfig"])
    status, _, answer = desk.sandbox.cline("PUT", "/organizations/{org}", body)
    assert status == 200, answer


def test_each_provider_tells_what_the_organization_is(desk: Desk) -> None:
    for provider, path in (("anthropic", "/me"), ("cline", "/organizations/{org}")):
        connection = desk.connections[provider]
        run = walk_now(connection, "organization")
        assert (run.state, run.requests) == (SyncRun.State.COMPLETE, 1), run.error
        ask = getattr(desk.sandbox, provider)
        _, _, told = ask("GET", path)
        told = told.get("data", told)
        row = RemoteOrganization.objects.get(connection=connection)
        assert (row.remote_id, row.name) == (told["id"], told["name"])
        assert row.member_count == told.get("memberCount")
        assert row.external_id == told.get("externalOrganizationId", "")
        assert "defaultRemoteConfig" not in row.raw


def test_a_name_changed_at_the_provider_is_told_of(desk: Desk) -> None:
    connection = desk.connections["cline"]
    walk_now(connection, "organization")
    before = RemoteOrganization.objects.get(connection=connection).name
    change_there(desk, name="Northwind Labs")
    walk_now(connection, "organization")
    change = RemoteChange.objects.get(resource="organization")
    assert change.difference == {"name": [before, "Northwind Labs"]}


def test_a_version_is_kept_whenever_the_settings_differ(desk: Desk) -> None:
    connection = desk.connections["cline"]
    change_there(desk, defaultRemoteConfig={"version": "v1"}, remoteConfigEnabled=True)
    walk_now(connection)
    walk_now(connection)
    change_there(desk, defaultRemoteConfig={"version": "v1", "kanbanEnabled": True})
    walk_now(connection)
    change_there(desk, remoteConfigEnabled=False)
    walk_now(connection)

    versions = list(Version.objects.filter(connection=connection).order_by("number"))
    assert [one.number for one in versions] == [1, 2, 3]
    assert [one.document.get("kanbanEnabled") for one in versions] == [None, True, True]
    assert [one.enabled for one in versions] == [True, True, False]
    assert RemoteChange.objects.filter(resource="remote_config").count() == 2


def test_a_change_of_nothing_but_a_hidden_value_is_a_version_that_says_where(
    desk: Desk, settings: Any
) -> None:
    connection = desk.connections["cline"]
    version = {"version": "v1", "allowedMCPServers": [{"id": "a", "headers": {"x": "one"}}]}
    change_there(desk, defaultRemoteConfig=version, remoteConfigEnabled=True)
    walk_now(connection)
    # From before hidden values were told apart: nobody can say that they have changed.
    Version.objects.update(hidden={})
    walk_now(connection)
    walk_now(connection)
    assert Version.objects.count() == 1
    # A new key is put before the old one, and the old one is taken away: nothing has changed.
    old = list(settings.CREDENTIAL_KEYS)
    settings.CREDENTIAL_KEYS = [new_key(9), *old]
    walk_now(connection)
    assert Version.objects.count() == 1
    settings.CREDENTIAL_KEYS = settings.CREDENTIAL_KEYS[:1] + old
    version["allowedMCPServers"][0]["headers"]["x"] = CANARY  # type: ignore[index]  # a list
    change_there(desk, defaultRemoteConfig=version)
    walk_now(connection)
    walk_now(connection)
    before, after = Version.objects.order_by("number")
    assert before.document == after.document
    assert before.content == after.content
    (differs,) = differences(
        before.document, after.document, comparable(before.hidden, after.hidden)
    )
    assert (differs.path, differs.hidden) == ("allowedMCPServers › a › headers › x", True)
    provider = f"/o/{desk.organization.slug}/connections/{connection.uid}/provider/"
    page = at_desk(desk.owner).get(f"{provider}config/compare/").text
    assert "allowedMCPServers › a › headers › x" in page
    assert "A hidden value changed." in page
    assert CANARY not in page
    # A Command that sets hidden values is a version at once; the next walk says what tells them apart.
    RemoteConfiguration.objects.update(
        raw={"document": after.document, "enabled": True}, fingerprint=0
    )
    with transaction.atomic():
        keep_version(connection, timezone.now(), new_secrets=True)
    assert Version.objects.get(number=3).hidden == {}
    walk_now(connection)
    assert Version.objects.count() == 3
    assert Version.objects.get(number=3).hidden == after.hidden
    # What tells values apart is worth nothing elsewhere.
    other = fingerprint_keys(organization_id=connection.organization_id, connection_uid="another")
    path, made = next(iter(after.hidden["9"].items()))
    assert fingerprints({"x": {"token": CANARY}}, {"x": {"token": "•••"}}, other)["9"] != made
    own = fingerprint_keys(
        organization_id=connection.organization_id, connection_uid=connection.uid
    )
    assert fingerprints({"token": CANARY}, {"token": "•••"}, own)["9"] == {'["token"]': made}
    assert CANARY not in json.dumps(after.hidden) + path


def test_another_order_of_fields_is_no_version(desk: Desk) -> None:
    connection = desk.connections["cline"]
    change_there(desk, defaultRemoteConfig={"version": "v1", "kanbanEnabled": True})
    walk_now(connection)
    change_there(desk, defaultRemoteConfig={"kanbanEnabled": True, "version": "v1"})
    walk_now(connection)
    assert Version.objects.filter(connection=connection).count() == 1
    assert not RemoteChange.objects.exists()


def test_an_organization_without_settings_is_a_row_that_says_so(desk: Desk) -> None:
    connection = desk.connections["cline"]
    _, _, made = desk.sandbox.cline("POST", "/organizations", {"name": "Bare"})
    connection.remote_organization_id = made["data"]["id"]
    connection.save()
    run = walk_now(connection)
    assert run.state == SyncRun.State.COMPLETE, run.error
    row = RemoteConfiguration.objects.get(connection=connection)
    assert (row.document, row.content, row.enabled) == (None, "", False)


@pytest.mark.parametrize("kind", ["500", "reset_after", "garbage", "429", "truncated_json", "cut"])
def test_a_fault_on_the_way_costs_nothing(desk: Desk, kind: str, settings: Any) -> None:
    settings.SYNC_RETRY_BASE_SECONDS = 0.01
    connection = desk.connections["cline"]
    options = {"retry_after": 0} if kind == "429" else {}
    desk.sandbox.control.fault("get_organization_remote_config", kind, **options)
    run = walk_now(connection)
    assert run.state == SyncRun.State.COMPLETE, run.error
    assert Version.objects.filter(connection=connection).count() == 1


def test_what_is_refused_keeps_what_was_there(desk: Desk) -> None:
    connection = desk.connections["cline"]
    change_there(desk, defaultRemoteConfig={"version": "v1"})
    walk_now(connection)
    desk.sandbox.control.fault("get_organization_remote_config", "403", count=None)
    run = walk_now(connection)
    desk.sandbox.control.clear_faults()
    assert run.state == SyncRun.State.CUT_SHORT
    assert RemoteConfiguration.objects.present().get().document == {"version": "v1"}
    connection.refresh_from_db()
    assert connection.why_not("config.read")


def test_a_provider_without_settings_is_not_asked_for_them(desk: Desk) -> None:
    anthropic = desk.connections["anthropic"]
    with worker_scope():
        assert walk(resource_of(anthropic, "remote_config").pk) is None
    anthropic.capabilities["config.read"] = {"ok": True, "reason": ""}
    anthropic.save()
    assert walk_now(anthropic).state == SyncRun.State.CUT_SHORT


def test_a_secret_in_the_settings_reaches_no_row_log_page_or_export(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    connection = desk.connections["cline"]
    change_there(desk, defaultRemoteConfig=SECRETIVE, remoteConfigEnabled=True)
    for name in ("organization", "remote_config"):
        assert walk_now(connection, name).state == SyncRun.State.COMPLETE
    change_there(desk, defaultRemoteConfig=SECRETIVE | {"kanbanEnabled": True})
    walk_now(connection)

    row = RemoteConfiguration.objects.get(connection=connection)
    assert row.document
    store = row.document["enterpriseTelemetry"]["promptUploading"]["s3AccessSettings"]
    assert (store["bucket"], store["secretAccessKey"]) == ("prompts", "•••")

    dump = io.StringIO()
    call_command("dumpdata", "configuration", "sync", "audit", stdout=dump)
    assert CANARY not in dump.getvalue()
    browser = at_desk(desk.owner)
    slug = desk.organization.slug
    provider = f"/o/{slug}/connections/{connection.uid}/provider/"
    for address in (
        provider,
        f"{provider}config/",
        f"{provider}config/1/",
        f"{provider}config/compare/",
        f"/o/{slug}/activity/provider/",
        f"/o/{slug}/audit/?export=csv",
        f"/o/{slug}/settings/providers/",
    ):
        answer = browser.get(address)
        assert answer.status_code in (200, 404), address
        assert CANARY not in b"".join(answer).decode(), address
    assert CANARY not in caplog.text
