"""Organizations at their providers, their settings and rate limits, by API."""

import json

import pytest
from rest_framework.test import APIClient

from apps.configuration.models import RemoteConfiguration
from apps.organizations.models import Connection, Grant
from apps.sync.models import Command
from tests.factories import (
    ConnectionFactory,
    RateLimitFactory,
    RemoteConfigurationFactory,
    RemoteOrganizationFactory,
    VersionFactory,
    WorkspaceFactory,
    with_organization,
)

pytestmark = pytest.mark.django_db
CANARY = "canary-typed-by-api"


@pytest.fixture
def cline(owner: Grant) -> Connection:
    """Olga's account at Cline."""
    made = with_organization(
        ConnectionFactory(organization=owner.organization, provider="cline", name="Cline")
    )
    made.save()
    return made


@pytest.fixture
def config(cline: Connection) -> RemoteConfiguration:
    """What it hands to its members."""
    made: RemoteConfiguration = RemoteConfigurationFactory(connection=cline)
    return made


def test_the_organization_is_read_renamed_and_made(
    api: APIClient, base: str, cline: Connection
) -> None:
    address = f"{base}connections/{cline.uid}/organization/"
    assert api.get(address).status_code == 404
    RemoteOrganizationFactory(connection=cline, name="Northwind")
    assert api.get(address).json()["name"] == "Northwind"
    refused = api.patch(address, {"name": "Northwind"}, format="json")
    assert refused.status_code == 409
    asked = api.patch(address, {"name": "Northwind Labs"}, format="json")
    assert (asked.status_code, asked.json()["kind"]) == (202, "configuration.rename")
    made = api.post(address, {"name": "Another"}, format="json")
    assert made.json()["kind"] == "configuration.create_organization"


def test_a_token_cannot_do_what_wants_a_fresh_sign_in(
    api: APIClient, base: str, cline: Connection
) -> None:
    RemoteOrganizationFactory(connection=cline)
    answer = api.delete(f"{base}connections/{cline.uid}/organization/")
    assert answer.status_code == 403
    assert not Command.objects.exists()


def test_settings_are_changed_whole_and_only_as_they_were_seen(
    api: APIClient, base: str, config: RemoteConfiguration
) -> None:
    address = f"{base}connections/{config.connection.uid}/configuration/"
    shown = api.get(address).json()
    assert shown["document"] == {"version": "v1", "telemetryEnabled": True}
    document = shown["document"] | {"telemetryEnabled": False}
    wanted = {"content": "stale", "enabled": True, "document": document}
    assert api.put(address, wanted, format="json").status_code == 409
    wrong = wanted | {"content": shown["content"], "document": {"telemetryEnabled": "no"}}
    assert "must be true or false" in api.put(address, wrong, format="json").content.decode()
    asked = api.put(address, wanted | {"content": shown["content"]}, format="json")
    assert asked.status_code == 202
    assert asked.json()["arguments"]["document"] == document


def test_a_typed_secret_does_not_come_back(
    api: APIClient, base: str, config: RemoteConfiguration
) -> None:
    address = f"{base}connections/{config.connection.uid}/configuration/"
    document = {"version": "v1", "openTelemetryOtlpHeaders": {"x-team": CANARY}}
    wanted = {"content": config.content, "enabled": True, "document": document}
    asked = api.put(address, wanted, format="json")
    assert asked.status_code == 202, asked.content
    command = Command.objects.get()
    sealed = command.arguments["secret"]
    for text in (
        asked.content.decode(),
        api.get(f"{base}changes/").content.decode(),
        api.get(asked.json()["url"]).content.decode(),
        json.dumps(command.arguments),
    ):
        assert CANARY not in text
    assert sealed not in asked.content.decode()


def test_versions_are_of_that_connection_alone(
    api: APIClient, base: str, config: RemoteConfiguration
) -> None:
    VersionFactory(connection=config.connection, number=1)
    VersionFactory(connection=config.connection, number=2, document=None)
    VersionFactory()
    address = f"{base}connections/{config.connection.uid}/configuration/versions/"
    found = api.get(address).json()["results"]
    assert [one["number"] for one in found] == [2, 1]


def test_rate_limits_are_listed_and_narrowed(
    api: APIClient, base: str, connection: Connection
) -> None:
    workspace = WorkspaceFactory(connection=connection)
    RateLimitFactory(connection=connection, model_names="claude-a, claude-b")
    RateLimitFactory(workspace=workspace, value=7)
    RateLimitFactory()
    found = api.get(f"{base}limits/").json()["results"]
    assert {one["value"] for one in found} == {4000, 7}
    own = api.get(f"{base}limits/?workspace={workspace.remote_id}").json()["results"]
    assert [one["value"] for one in own] == [7]
    (models,) = [
        one["models"] for one in api.get(f"{base}limits/?model=claude-b").json()["results"]
    ]
    assert models == ["claude-a", "claude-b"]
