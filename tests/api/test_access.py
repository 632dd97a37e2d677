"""Who comes in, by which door, and what the door says."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.organizations.models import Connection, Grant, Role
from apps.sync.models import Command, CommandState
from apps.sync.outbox.requests import content_hash
from tests.api.conftest import client_for
from tests.browsing import at_desk, tired
from tests.factories import CommandFactory, ConnectionFactory, GrantFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_nobody_comes_in_without_signing_in(base: str) -> None:
    answer = APIClient().get(f"{base}people/")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer["Content-Type"] == "application/problem+json"


def test_a_token_reaches_its_own_organization_alone(owner: Grant, base: str) -> None:
    second = GrantFactory(user=owner.user)
    client = client_for(second)
    assert client.get(f"{base}people/").status_code == 404
    (shown,) = client.get("/api/v1/organizations/").json()
    assert shown == {
        "slug": second.organization.slug,
        "name": second.organization.name,
        "role": "owner",
    }


def test_a_session_comes_in_too_and_must_show_where_it_comes_from(
    owner: Grant, base: str, connection: Connection
) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner.user)
    assert browser.get(f"{base}people/").status_code == 200
    assert len(browser.get("/api/v1/organizations/").json()) == 1
    sent = {"connection": str(connection.uid), "email": "n@example.com", "role": "user"}
    answer = browser.post(f"{base}invites/", sent, content_type="application/json")
    assert answer.status_code == 403
    assert not Command.objects.exists()


@pytest.mark.parametrize("by_token", [True, False])
def test_who_may_write_needs_a_second_factor(by_token: bool, base: str, owner: Grant) -> None:
    grant = GrantFactory(
        organization=owner.organization, role=Role.ADMIN, user=UserFactory(second_factor=False)
    )
    if by_token:
        client: Any = client_for(grant)
    else:
        client = Client()
        client.force_login(grant.user)
    answer = client.get(f"{base}people/")
    assert answer.status_code == 403
    assert "second factor" in answer.json()["detail"] + answer.json()["title"]


def test_a_token_ends_with_its_holders_grant(owner: Grant, base: str) -> None:
    client = client_for(owner)
    owner.delete()
    assert client.get(f"{base}people/").status_code == 404


def test_connections_show_their_health_and_no_secret(
    api: APIClient, base: str, connection: Connection
) -> None:
    connection.credential = "sealed-canary"
    connection.next_credential = "sealed-canary-too"
    connection.credential_hint = "canary-hint"
    connection.save()
    ConnectionFactory(organization=connection.organization, state=Connection.State.DRAFT)
    answer = api.get(f"{base}connections/")
    (shown,) = answer.json()["results"]
    assert shown["health"]["level"] == "info"
    assert shown["health"]["headline"]
    assert shown["capabilities"]["members.read"] == {"ok": True, "reason": ""}
    assert "canary" not in answer.content.decode()
    assert api.get(f"{base}connections/{connection.uid}/").json() == shown


def test_an_address_that_is_none_is_said_as_the_api_says_it(api: APIClient) -> None:
    answer = api.get("/api/v1/peolpe/")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


def test_a_body_that_is_no_json_is_refused(api: APIClient, base: str) -> None:
    broken = api.generic("POST", f"{base}invites/", "{", content_type="application/json")
    assert broken.status_code == 400
    assert broken["Content-Type"] == "application/problem+json"
    form = api.generic("POST", f"{base}invites/", "a=1", "application/x-www-form-urlencoded")
    assert form.status_code == 415


# --- Changes -------------------------------------------------------------------------------------


def waiting(connection: Connection, **given: Any) -> Command:
    """A removal that waits for a second person."""
    made: Command = CommandFactory(
        connection=connection, state=CommandState.AWAITING_APPROVAL, **given
    )
    made.arguments_hash = content_hash(
        made.kind, made.connection_id, made.target, made.arguments, made.before
    )
    made.save()
    return made


def test_changes_can_be_narrowed(api: APIClient, base: str, connection: Connection) -> None:
    open_one = CommandFactory(connection=connection, label="a@example.com")
    done = CommandFactory(connection=connection, state=CommandState.SUCCEEDED)
    CommandFactory(connection=connection, state=CommandState.DRAFT)
    for asked, expected in (
        ({}, [done, open_one]),
        ({"open": "true"}, [open_one]),
        ({"open": "false"}, [done]),
        ({"state": "succeeded"}, [done]),
        ({"label": "a@example.com"}, [open_one]),
        ({"kind": "invites.invite"}, []),
        ({"connection": str(connection.uid)}, [done, open_one]),
    ):
        shown = api.get(f"{base}changes/", asked).json()["results"]
        assert [one["id"] for one in shown] == [str(one.uid) for one in expected], asked


def test_a_change_that_has_not_been_sent_can_be_taken_back(
    api: APIClient, base: str, connection: Connection
) -> None:
    command = CommandFactory(connection=connection)
    answer = api.post(f"{base}changes/{command.uid}/cancel/")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    again = api.post(f"{base}changes/{command.uid}/cancel/")
    assert again.status_code == 409
    assert "too late" in again.json()["detail"]


def test_a_token_approves_nothing_but_a_fresh_sign_in_does(
    owner: Grant, base: str, connection: Connection
) -> None:
    second = GrantFactory(organization=owner.organization, role=Role.ADMIN)
    command = waiting(connection, actor=owner.user)
    address = f"{base}changes/{command.uid}/approve/"
    assert client_for(second).post(address).status_code == 403
    assert tired(at_desk(second.user)).post(address).status_code == 403
    answer = at_desk(second.user).post(address)
    assert (answer.status_code, answer.json()["state"]) == (200, "queued")
    assert answer.json()["approved_by"] == second.user.email


def test_who_asked_does_not_approve(owner: Grant, base: str, connection: Connection) -> None:
    command = waiting(connection, actor=owner.user)
    answer = at_desk(owner.user).post(f"{base}changes/{command.uid}/approve/")
    assert answer.status_code == 409
    assert "second person" in answer.json()["detail"]
