"""Who comes in, by which door, and what the door says."""

from typing import Any

import pytest
import time_machine
from django.test import Client
from rest_framework.test import APIClient

from apps.organizations.models import ApiToken, Connection, Grant, Role
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


# --- Tokens that do not work ----------------------------------------------------------------------

HEADERS = {"REMOTE_ADDR": "203.0.113.7"}
BY_PROXY = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "198.51.100.1, 203.0.113.7"}


def wrong(**more: Any) -> Any:
    """The answer to a token that nobody has made."""
    return APIClient().get(
        "/api/v1/organizations/", HTTP_AUTHORIZATION="Bearer odk_made_up", **more
    )


@time_machine.travel("2026-01-31 12:00:18Z", tick=False)
def test_an_address_may_show_so_many_tokens_that_do_not_work(
    owner: Grant, base: str, settings: Any
) -> None:
    settings.API_REQUESTS_A_MINUTE = {**settings.API_REQUESTS_A_MINUTE, "failed-tokens": 2}
    first = wrong(**HEADERS)
    assert (first.status_code, first["RateLimit"]) == (401, '"failed-tokens";r=1;t=42')
    assert first["RateLimit-Policy"] == '"failed-tokens";q=2;w=60'
    assert wrong(**HEADERS).status_code == 401
    stopped = wrong(**HEADERS)
    assert (stopped.status_code, stopped["Retry-After"]) == (429, "42")
    assert stopped["Content-Type"] == "application/problem+json"
    assert stopped.json()["violated-policies"] == ["failed-tokens"]
    assert "42 seconds" in stopped.json()["detail"]
    assert stopped["RateLimit"] == '"failed-tokens";r=0;t=42'
    # One that works is not found out from there either, unless it was last used there.
    works = client_for(owner)
    assert works.get(base, **HEADERS).status_code == 429
    assert works.get(base, **HEADERS).status_code == 429
    assert ApiToken.objects.get().last_used_at is None
    assert works.get(base, REMOTE_ADDR="192.0.2.1").status_code == 200
    assert works.get(base, **HEADERS).status_code == 429
    with time_machine.travel("2026-01-31 12:01:30Z", tick=False):
        assert works.get(base, **HEADERS).status_code == 200
        assert [wrong(**HEADERS).status_code for _ in range(3)] == [401, 401, 429]
        assert works.get(base, **HEADERS).status_code == 200
    # Other addresses have their own, and a session shows no token.
    assert wrong(REMOTE_ADDR="203.0.113.8").status_code == 401
    assert at_desk(owner.user).get(base, **HEADERS).status_code == 200


def test_the_address_is_the_one_that_the_proxies_tell(settings: Any) -> None:
    settings.API_REQUESTS_A_MINUTE = {**settings.API_REQUESTS_A_MINUTE, "failed-tokens": 1}
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    assert wrong(**BY_PROXY).status_code == 401
    # What stands before the proxy's own word anybody can write.
    assert (
        wrong(**{**BY_PROXY, "HTTP_X_FORWARDED_FOR": "192.0.2.9, 203.0.113.7"}).status_code == 429
    )
    assert (
        wrong(**{**BY_PROXY, "HTTP_X_FORWARDED_FOR": "203.0.113.7, 192.0.2.9"}).status_code == 401
    )
    # Of IPv6 a customer has a whole network.
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 0
    assert wrong(REMOTE_ADDR="2001:db8:1:2::1").status_code == 401
    assert wrong(REMOTE_ADDR="2001:db8:1:2:ffff::9").status_code == 429
    assert wrong(REMOTE_ADDR="2001:db8:1:3::1").status_code == 401
    settings.API_REQUESTS_A_MINUTE = {**settings.API_REQUESTS_A_MINUTE, "failed-tokens": 0}
    assert {wrong(REMOTE_ADDR="2001:db8:1:2::1").status_code for _ in range(3)} == {401}


def test_an_unreadable_header_counts_as_a_token_that_does_not_work(settings: Any) -> None:
    settings.API_REQUESTS_A_MINUTE = {**settings.API_REQUESTS_A_MINUTE, "failed-tokens": 1}
    for status in (401, 429):
        answer = APIClient().get("/api/v1/organizations/", HTTP_AUTHORIZATION="Bearer a b")
        assert answer.status_code == status
