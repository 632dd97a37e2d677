"""What can be done with a connection that stands."""

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from apps.audit.models import Entry
from apps.organizations import connections
from apps.organizations.credentials import seal_for, unseal_from
from apps.organizations.models import Connection, Organization, Role
from apps.organizations.sealing import Secret
from apps.organizations.services import Refused
from apps.sync.models import Command, CommandState
from tests.factories import CommandFactory, ConnectionFactory, GrantFactory, OrganizationFactory
from tests.organizations.connection_tools import Worker, somebody
from tests.sandbox_server import SandboxServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Organization:
    made: Organization = OrganizationFactory.create(name="Acme", slug="acme")
    return made


@pytest.fixture
def alice(acme: Organization) -> Client:
    return somebody(acme)


@pytest.fixture
def worker(monkeypatch: Any, settings: Any, sandbox: SandboxServer) -> Worker:
    settings.SANDBOX_URL = sandbox.base_url
    return Worker(monkeypatch)


@pytest.fixture
def main(acme: Organization, sandbox: SandboxServer) -> Connection:
    made: Connection = ConnectionFactory.create(
        organization=acme,
        name="Main",
        base_url=sandbox.base_url,
        remote_organization_id=sandbox.anthropic_organization,
    )
    made.credential = seal_for(made, "credential", Secret(sandbox.anthropic_key))
    made.save()
    return made


def do(client: Client, connection: Connection, what: str, **data: str) -> Any:
    return client.post(f"/o/acme/connections/{connection.uid}/{what}/", data)


def key_of(connection: Connection) -> str:
    connection.refresh_from_db()
    return unseal_from(connection, "credential").reveal()


# --- Name, pause ---------------------------------------------------------------------------------


def test_a_connection_is_renamed_and_the_log_says_from_what_to_what(
    alice: Client, main: Connection
) -> None:
    do(alice, main, "rename", name="Research")
    main.refresh_from_db()
    assert main.name == "Research"
    assert Entry.objects.get(verb="connections.rename").details == {"name": ["Main", "Research"]}
    do(alice, main, "rename", name="Research")
    assert Entry.objects.filter(verb="connections.rename").count() == 1


def test_two_connections_are_never_called_the_same(alice: Client, main: Connection) -> None:
    other = ConnectionFactory.create(organization=main.organization, name="Lab")
    answer = do(alice, other, "rename", name="main")
    assert answer.status_code == 422
    assert "Another connection is called “main” already." in answer.text
    other.refresh_from_db()
    assert other.name == "Lab"
    do(alice, other, "rename", name="LAB")
    other.refresh_from_db()
    assert other.name == "LAB"
    Connection.objects.filter(pk=main.pk).update(state=Connection.State.DISCONNECTED)
    do(alice, other, "rename", name="Main")
    other.refresh_from_db()
    assert other.name == "Main"


def test_a_paused_connection_is_resumed_with_a_sync(
    alice: Client, main: Connection, worker: Worker
) -> None:
    do(alice, main, "pause")
    do(alice, main, "pause")
    main.refresh_from_db()
    assert main.state == "paused"
    assert worker.sent == []
    do(alice, main, "resume")
    main.refresh_from_db()
    assert main.state == "active"
    assert {name for name, _ in worker.sent} == {"walks.walk"}
    verbs = Entry.objects.filter(verb__startswith="connections.").values_list("verb", flat=True)
    assert sorted(verbs) == ["connections.pause", "connections.resume"]


# --- Key -----------------------------------------------------------------------------------------


def test_a_new_key_of_the_same_account_takes_the_old_ones_place(
    alice: Client, main: Connection, worker: Worker, sandbox: SandboxServer
) -> None:
    fresh = sandbox.control.new_key(organization=sandbox.anthropic_organization)["api_key"]
    do(alice, main, "key", credential=fresh)
    assert key_of(main) == sandbox.anthropic_key  # until the new one has passed
    page = alice.get(f"/o/acme/connections/{main.uid}/").content.decode()
    assert "Trying the new key" in page
    worker.run()
    assert key_of(main) == fresh
    assert main.next_credential == ""
    assert main.credential_hint == f"…{fresh[-4:]}"
    entry = Entry.objects.get(verb="connections.rotate")
    assert entry.actor.endswith("@example.com")


def test_a_new_key_that_can_do_less_says_what(
    alice: Client, main: Connection, worker: Worker, sandbox: SandboxServer
) -> None:
    main.capabilities["sorcery"] = {"ok": True, "reason": ""}
    main.capabilities["limits.read"] = {"ok": False, "reason": "no"}
    main.save()
    fresh = sandbox.control.new_key(organization=sandbox.anthropic_organization)["api_key"]
    do(alice, main, "key", credential=fresh)
    worker.run()
    assert Entry.objects.get(verb="connections.rotate").details["lost"] == ["sorcery"]
    page = alice.get(f"/o/acme/connections/{main.uid}/").content.decode()
    assert "can do less than the one before" in page
    assert "<li>sorcery</li>" in page
    # It is of the key: who has it checked again is told what it can do, and no more of the one before.
    do(alice, main, "ask-again")
    worker.run()
    assert "can do less" not in alice.get(f"/o/acme/connections/{main.uid}/").content.decode()


def test_a_key_of_another_account_is_refused_and_the_one_in_use_stays(
    alice: Client, main: Connection, worker: Worker, sandbox: SandboxServer
) -> None:
    main.remote_organization_id = "another-organization"
    main.save()
    do(alice, main, "key", credential=sandbox.anthropic_key)
    worker.run()
    main.refresh_from_db()
    assert main.next_credential == ""
    assert main.probe_result["error"]["kind"] == "organization"
    page = alice.get(f"/o/acme/connections/{main.uid}/").content.decode()
    assert "The new key was not taken" in page
    assert not Entry.objects.filter(verb="connections.rotate").exists()
    do(alice, main, "key/drop")
    assert "was not taken" not in alice.get(f"/o/acme/connections/{main.uid}/").content.decode()


def test_a_wrong_new_key_is_refused_and_does_not_freeze_the_connection(
    alice: Client, main: Connection, worker: Worker, sandbox: SandboxServer
) -> None:
    do(alice, main, "key", credential="sk-ant-admin01-" + "wrong" * 9)
    worker.run()
    assert key_of(main) == sandbox.anthropic_key
    assert main.next_credential == ""
    assert main.frozen_at is None
    assert main.probe_result["error"]["kind"] == "key"


def test_a_new_key_unfreezes(
    alice: Client, main: Connection, worker: Worker, sandbox: SandboxServer
) -> None:
    Connection.objects.update(frozen_at=timezone.now(), frozen_reason="invalid x-api-key")
    page = alice.get("/o/acme/settings/").content.decode()
    assert "The provider refuses the key" in page
    assert f"/o/acme/connections/{main.uid}/key/" in page
    do(alice, main, "key", credential=sandbox.anthropic_key)
    worker.run()
    main.refresh_from_db()
    assert main.frozen_at is None
    assert "refuses the key" not in alice.get("/o/acme/settings/").content.decode()


def test_checking_a_refused_key_freezes_and_checking_an_accepted_one_thaws(
    alice: Client, main: Connection, worker: Worker, sandbox: SandboxServer
) -> None:
    sandbox.control.fault("getCurrentOrganization", "401")
    do(alice, main, "ask-again")
    worker.run()
    assert Connection.objects.filter(frozen_at__isnull=False).exists()
    do(alice, main, "ask-again")
    worker.run()
    main.refresh_from_db()
    assert main.frozen_at is None
    assert (
        Entry.objects.filter(verb__in=["connections.freeze", "connections.unfreeze"]).count() == 2
    )


def test_a_new_key_that_could_not_be_asked_about_is_tried_again_without_pasting_it(
    alice: Client, main: Connection, worker: Worker, sandbox: SandboxServer
) -> None:
    sandbox.control.fault("getCurrentOrganization", "503", count=None)
    do(alice, main, "key", credential=sandbox.anthropic_key)
    worker.run()
    main.refresh_from_db()
    assert main.next_credential
    sandbox.control.clear_faults()
    do(alice, main, "ask-again")
    worker.run()
    main.refresh_from_db()
    assert (main.next_credential, main.probe) == ("", "found")


def test_a_lost_right_shows_after_a_probe(
    alice: Client, main: Connection, worker: Worker, sandbox: SandboxServer
) -> None:
    sandbox.control.fault("listInvites", "403")
    do(alice, main, "ask-again")
    worker.run()
    main.refresh_from_db()
    assert not main.can("invites.read")
    assert main.can("members.read")
    page = alice.get(f"/o/acme/connections/{main.uid}/").content.decode()
    assert main.why_not("invites.read") in page


# --- Disconnecting -------------------------------------------------------------------------------


def test_disconnecting_wants_the_name_wipes_the_key_and_keeps_the_mirror(
    alice: Client, main: Connection
) -> None:
    main.resources.create(name="members", rows=3)
    wrong = do(alice, main, "disconnect", typed="main")
    assert wrong.status_code == 422
    main.refresh_from_db()
    assert main.state == "active"
    do(alice, main, "disconnect", typed=" Main ")
    main.refresh_from_db()
    assert (main.state, main.credential, main.credential_hint) == ("disconnected", "", "")
    assert main.resources.count() == 1
    assert "Main" in alice.get("/o/acme/connections/").content.decode()
    assert alice.get(f"/o/acme/connections/{main.uid}/").status_code == 200
    assert do(alice, main, "disconnect", typed="Main").status_code == 404
    assert Entry.objects.filter(verb="connections.disconnect").count() == 1


@pytest.mark.parametrize("state", ["claimed", "sending", "unknown", "operator"])
def test_nothing_is_cut_while_a_change_is_on_its_way(
    alice: Client, main: Connection, state: str
) -> None:
    CommandFactory.create(connection=main, state=state)
    answer = do(alice, main, "disconnect", typed="Main")
    assert answer.status_code == 422
    assert "on its way" in answer.content.decode()
    main.refresh_from_db()
    assert main.state == "active"
    assert main.credential


def test_changes_that_wait_are_cancelled_with_the_connection(
    alice: Client, main: Connection
) -> None:
    waiting = [
        CommandFactory.create(connection=main, state=state)
        for state in ("awaiting_approval", "queued", "retry")
    ]
    other = CommandFactory.create(state="queued")
    do(alice, main, "disconnect", typed="Main")
    states = Command.objects.filter(pk__in=[one.pk for one in waiting]).values_list("state")
    assert {state for (state,) in states} == {CommandState.CANCELLED}
    other.refresh_from_db()
    assert other.state == CommandState.QUEUED
    assert Entry.objects.filter(verb="members.remove.cancelled").count() == 3


def test_the_same_account_can_be_connected_again_after_disconnecting(
    alice: Client, main: Connection, worker: Worker, sandbox: SandboxServer
) -> None:
    do(alice, main, "disconnect", typed="Main")
    alice.post("/o/acme/connections/new/anthropic/", _form(sandbox))
    worker.run()
    draft = Connection.objects.get(state="draft")
    alice.post(f"/o/acme/connections/{draft.uid}/connect/", {"name": "Main"})
    assert Connection.objects.filter(state="active").count() == 1


def _form(sandbox: SandboxServer) -> dict[str, str]:
    return {"credential": sandbox.anthropic_key, "base_url": sandbox.base_url}


# --- Who may -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "what", ["rename", "key", "key/drop", "pause", "resume", "disconnect", "ask-again"]
)
def test_who_may_only_look_changes_nothing(
    acme: Organization, main: Connection, worker: Worker, what: str
) -> None:
    looking = somebody(acme, Role.VIEWER)
    before = Connection.objects.values().get()
    answer = do(
        looking, main, what, name="x", typed="Main", credential="sk-ant-admin01-" + "x" * 40
    )
    assert answer.status_code == 403
    assert Connection.objects.values().get() == before
    assert worker.sent == []


@pytest.mark.parametrize("what", ["pause", "resume", "key/drop", "ask-again"])
def test_looking_at_the_address_of_a_change_changes_nothing(
    alice: Client, main: Connection, what: str
) -> None:
    assert alice.get(f"/o/acme/connections/{main.uid}/{what}/").status_code == 405


def test_a_role_that_was_lost_meanwhile_is_refused_by_the_service_too(
    acme: Organization, main: Connection
) -> None:
    bob = GrantFactory.create(organization=acme, role=Role.VIEWER).user
    for service in (connections.pause, connections.resume, connections.disconnect):
        with pytest.raises(PermissionDenied):
            service(connection=main, actor=bob)


def test_what_has_been_disconnected_cannot_be_changed(acme: Organization, main: Connection) -> None:
    owner = GrantFactory.create(organization=acme).user
    connections.disconnect(connection=main, actor=owner)
    for service in (connections.pause, connections.resume, connections.ask_again):
        with pytest.raises(Refused):
            service(connection=main, actor=owner)
