"""Changes of an organization that have rules of their own: settings that others change, a new one, an end."""

import json
from typing import Any

import pytest

from apps.configuration import services
from apps.configuration.models import RemoteConfiguration, RemoteOrganization, Version
from apps.organizations.models import Connection
from apps.providers.masking import mask
from apps.sync.models import Command, CommandState
from apps.sync.outbox import requests
from tests.desk import Desk
from tests.factories import RemoteOrganizationFactory
from tests.faults.changes import CHANGE_SETTINGS, ask, prepare
from tests.faults.conftest import Workers, timeline
from tests.faults.organization_changes import (
    ORGANIZATION,
    mirrored_settings,
    rule_in,
    settings_with,
)

S = CommandState
pytestmark = pytest.mark.django_db(transaction=True)


def change_there(desk: Desk, rule: str) -> None:
    """Somebody changes the settings at the provider."""
    text = json.dumps(settings_with(rule))
    status, _, _ = desk.sandbox.cline("PUT", ORGANIZATION, {"defaultRemoteConfig": text})
    assert status == 200


def settings_there(desk: Desk) -> dict[str, Any]:
    """The settings as the sandbox has them, in clear."""
    _, _, answer = desk.sandbox.cline("GET", ORGANIZATION)
    found: dict[str, Any] = json.loads(answer["data"]["defaultRemoteConfig"])
    return found


def test_a_change_that_nobody_has_mirrored_yet_is_not_overwritten(
    desk: Desk, workers: Workers
) -> None:
    change = ask(desk, CHANGE_SETTINGS, "cline")
    change_there(desk, "by somebody else")
    workers.settle(change.command)
    assert change.command.state == S.REJECTED, timeline(change.command)
    assert "Nothing was overwritten" in change.command.error
    assert rule_in(settings_there(desk)) == "by somebody else"


def test_a_change_that_was_mirrored_meanwhile_is_not_overwritten(
    desk: Desk, workers: Workers
) -> None:
    change = ask(desk, CHANGE_SETTINGS, "cline")
    RemoteConfiguration.objects.filter(pk=change.command.row_id).update(content="other")
    workers.settle(change.command)
    assert change.command.state == S.REJECTED
    assert change.effects() == {}


def test_a_change_after_a_lost_answer_waits_for_a_person(desk: Desk, workers: Workers) -> None:
    change = ask(desk, CHANGE_SETTINGS, "cline")
    desk.sandbox.control.fault("update_organization", "reset_before")
    workers.carry_kicked()
    change.command.refresh_from_db()
    assert change.command.state == S.UNKNOWN
    change_there(desk, "by somebody else")
    workers.settle(change.command)
    assert change.command.state == S.OPERATOR, timeline(change.command)
    requests.resend(command=change.command, actor=desk.owner)
    workers.settle(change.command)
    assert change.command.state == S.REJECTED, "what is there now is not what was seen"
    assert rule_in(settings_there(desk)) == "by somebody else"


def test_our_own_change_is_a_version_with_its_maker(desk: Desk, workers: Workers) -> None:
    change = prepare(desk, CHANGE_SETTINGS, "cline")()
    workers.settle(change.command)
    change.assert_done()
    version = Version.objects.get(connection=change.command.connection)
    assert version.command_id == change.command.pk
    assert rule_in(version.document or {}) == change.after


def test_a_typed_secret_reaches_the_provider_and_is_wiped(desk: Desk, workers: Workers) -> None:
    row = mirrored_settings(desk, "a rule")
    wanted = mask(settings_with("a rule")) | {"openTelemetryOtlpHeaders": {"x-team": "typed now"}}
    command = services.change(
        row=row,
        document=wanted,
        enabled=True,
        seen=row.content,
        actor=desk.owner,
        nonce="typed secret",
    )
    desk.sandbox.control.fault("update_organization", "reset_before")
    workers.settle(command)
    assert command.state == S.SUCCEEDED, timeline(command)
    assert settings_there(desk)["openTelemetryOtlpHeaders"] == {"x-team": "typed now"}
    assert command.arguments["has_secrets"]
    assert not command.arguments["secret"]
    row.refresh_from_db()
    assert "typed now" not in json.dumps(row.raw)


def test_a_wiped_secret_is_never_replaced_by_the_old_one(desk: Desk, workers: Workers) -> None:
    row = mirrored_settings(desk, "a rule")
    wanted = mask(settings_with("a rule")) | {"openTelemetryOtlpHeaders": {"x-team": "typed now"}}
    command = services.change(
        row=row, document=wanted, enabled=True, seen=row.content, actor=desk.owner, nonce="refused"
    )
    desk.sandbox.control.fault("update_organization", "403")
    workers.settle(command)
    assert command.state == S.REJECTED
    assert not command.arguments["secret"]
    Connection.objects.filter(pk=command.connection_id).update(
        capabilities=desk.connections["cline"].capabilities
    )
    again = requests.ask_again(command=command, actor=desk.owner, nonce="again")
    workers.settle(again)
    assert again.state == S.REJECTED
    assert "wiped" in again.error
    there = settings_there(desk)["openTelemetryOtlpHeaders"]
    assert there == {"x-team": "kept by the provider alone"}


# --- Another one, and an end ---------------------------------------------------------------------


def organizations_there(desk: Desk, name: str) -> list[str]:
    """Ids of the owner's organizations of that name."""
    _, _, answer = desk.sandbox.cline("GET", "/users/me")
    places = answer["data"]["organizations"]
    return [one["organizationId"] for one in places if one["name"] == name]


def ask_for_another(desk: Desk, name: str) -> Command:
    """One more organization of that name."""
    connection = desk.connections["cline"]
    return services.create(connection=connection, name=name, actor=desk.owner, nonce=name)


@pytest.mark.parametrize("kind", ["reset_after", "cut", "garbage", "truncated_json", "empty_body"])
def test_a_new_organization_is_found_when_the_answer_is_lost(
    desk: Desk, workers: Workers, kind: str
) -> None:
    name = f"Northwind {kind}"
    command = ask_for_another(desk, name)
    desk.sandbox.control.fault("create_organization", kind)
    workers.settle(command)
    assert command.state == S.SUCCEEDED, timeline(command)
    assert organizations_there(desk, name) == [command.remote_id]


def test_a_new_organization_that_does_not_show_is_not_asked_for_twice(
    desk: Desk, workers: Workers
) -> None:
    command = ask_for_another(desk, "Northwind Nowhere")
    desk.sandbox.control.fault("create_organization", "reset_before")
    workers.settle(command)
    assert command.state == S.OPERATOR
    assert organizations_there(desk, "Northwind Nowhere") == []


@pytest.mark.parametrize("kind", ["", "reset_before", "reset_after", "500", "429"])
def test_a_deleted_organization_is_gone_and_its_connection_rests(
    desk: Desk, workers: Workers, kind: str
) -> None:
    name = f"Northwind to delete {kind}"
    made = ask_for_another(desk, name)
    workers.settle(made)
    connection = desk.connections["cline"]
    connection.remote_organization_id = str(made.remote_id)
    connection.save()
    row = RemoteOrganizationFactory.create(connection=connection, name=name)
    if kind:
        options = {"retry_after": 0} if kind == "429" else {}
        desk.sandbox.control.fault("delete_organization", kind, **options)
    command = services.delete(row=row, actor=desk.owner, nonce=f"delete {kind}")
    workers.settle(command)
    assert command.state == S.SUCCEEDED, timeline(command)
    assert organizations_there(desk, name) == []
    assert RemoteOrganization.objects.get(pk=row.pk).gone_at
    connection.refresh_from_db()
    assert connection.state == Connection.State.PAUSED


def test_what_the_provider_refuses_to_delete_stays(desk: Desk, workers: Workers) -> None:
    connection = desk.connections["cline"]
    _, _, answer = desk.sandbox.cline("GET", ORGANIZATION)
    row = RemoteOrganizationFactory.create(connection=connection, name=answer["data"]["name"])
    desk.sandbox.control.fault("delete_organization", "403", count=None)
    command = services.delete(row=row, actor=desk.owner, nonce="refused deletion")
    workers.settle(command)
    desk.sandbox.control.clear_faults()
    assert command.state == S.REJECTED
    assert RemoteOrganization.objects.get(pk=row.pk).gone_at is None
    connection.refresh_from_db()
    assert connection.state == Connection.State.ACTIVE
