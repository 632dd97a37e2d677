"""People and memberships by API."""

from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from apps.members.models import Member
from apps.organizations.models import Connection, Grant, Role
from apps.sync.models import Command, CommandState
from tests.api.conftest import client_for
from tests.factories import (
    CommandFactory,
    ConnectionFactory,
    GrantFactory,
    InviteFactory,
    MemberFactory,
    PersonFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def bo(connection: Connection) -> Member:
    """Bo is a user at the provider."""
    return member(connection, "bo@example.com")


def member(connection: Connection, email: str, **given: Any) -> Member:
    """A member of ``connection`` with a person of the same address."""
    made: Member = MemberFactory(
        connection=connection,
        person=PersonFactory(organization=connection.organization, email=email, name=email[:2]),
        **given,
    )
    return made


def emails(answer: Any) -> set[str]:
    """Whom a list shows."""
    assert answer.status_code == 200, answer.content
    return {one["email"] for one in answer.json()["results"]}


def test_a_person_shows_memberships_and_pending_invites(
    api: APIClient, base: str, bo: Member
) -> None:
    InviteFactory(connection=bo.connection, person=bo.person, remote_id="invite_1")
    shown = api.get(f"{base}people/{bo.person_id}/").json()
    assert shown["email"] == "bo@example.com"
    assert shown["url"].endswith(f"{base}people/{bo.person_id}/")
    (membership,) = shown["memberships"]
    assert membership["role"] == "user"
    assert membership["connection"] == str(bo.connection.uid)
    assert membership["joined_at"].endswith("Z")
    assert [one["remote_id"] for one in shown["pending_invites"]] == ["invite_1"]


def test_times_are_utc_whatever_the_readers_zone(owner: Grant, base: str, bo: Member) -> None:
    owner.user.time_zone = "Asia/Tokyo"
    owner.user.save()
    shown = client_for(owner).get(f"{base}members/{bo.pk}/").json()
    assert bo.joined_at
    assert shown["joined_at"] == bo.joined_at.isoformat().replace("+00:00", "Z")


def test_the_list_can_be_narrowed(
    api: APIClient, base: str, owner: Grant, connection: Connection, bo: Member
) -> None:
    other = ConnectionFactory(organization=owner.organization, provider="cline")
    member(other, "cleo@example.com", role="admin")
    member(connection, "gone@example.com", gone_at=timezone.now())
    InviteFactory(
        connection=other,
        person=PersonFactory(organization=owner.organization, email="guest@example.com"),
    )
    people = f"{base}people/"
    assert len(emails(api.get(people))) == 4
    assert emails(api.get(people, {"q": "LEO@"})) == {"cleo@example.com"}
    assert emails(api.get(people, {"email": "Bo@example.com"})) == {"bo@example.com"}
    assert emails(api.get(people, {"provider": "cline"})) == {"cleo@example.com"}
    assert emails(api.get(people, {"connection": str(connection.uid)})) == {"bo@example.com"}
    assert emails(api.get(people, {"role": "admin"})) == {"cleo@example.com"}
    assert emails(api.get(people, {"role": "admin", "provider": "anthropic"})) == set()
    assert emails(api.get(people, {"state": "member"})) == {"bo@example.com", "cleo@example.com"}
    assert emails(api.get(people, {"state": "left"})) == {"gone@example.com"}
    assert emails(api.get(people, {"state": "invited"})) == {"guest@example.com"}


def test_a_parameter_that_nobody_knows_is_an_error(api: APIClient, base: str) -> None:
    answer = api.get(f"{base}people/", {"rôle": "admin", "state": "asleep"})
    assert answer.status_code == 400
    assert {error["pointer"] for error in answer.json()["errors"]} == {"#/rôle", "#/state"}


def test_a_cursor_walks_the_whole_list_once(
    api: APIClient, base: str, connection: Connection
) -> None:
    everybody = {f"p{n}@example.com" for n in range(7)}
    for email in everybody:
        member(connection, email)
    seen: list[str] = []
    address = f"{base}people/?limit=3"
    while address:
        page = api.get(address).json()
        assert len(page["results"]) <= 3
        seen += [one["email"] for one in page["results"]]
        address = page["next"]
    assert len(seen) == len(everybody)
    assert set(seen) == everybody


@pytest.mark.parametrize("path", ["people/", "invites/", "changes/", "connections/"])
def test_a_list_costs_the_same_whatever_its_length(
    path: str,
    owner: Grant,
    base: str,
    connection: Connection,
) -> None:
    def fill(first: int, last: int) -> None:
        for number in range(first, last):
            made = member(connection, f"m{number}@example.com")
            InviteFactory(connection=connection, person=made.person)
            CommandFactory(
                connection=connection,
                actor=owner.user,
                arguments={"role": "developer"},
                kind="members.change_role",
                state=CommandState.QUEUED,
            )
            if path == "connections/":
                ConnectionFactory(organization=owner.organization)

    fill(0, 10)
    client = client_for(owner)
    address = f"{base}{path}?limit=200"
    client.get(address)
    with CaptureQueriesContext(
        database,
    ) as few:
        assert len(client.get(address).json()["results"]) >= 10
    fill(10, 100)
    with CaptureQueriesContext(database) as many:
        assert len(client.get(address).json()["results"]) >= 100
    assert len(many) == len(few), [query["sql"] for query in many.captured_queries]
    assert len(many) <= 12


def test_another_role_is_asked_for_and_says_where_to_look(
    api: APIClient, base: str, bo: Member
) -> None:
    answer = api.patch(f"{base}members/{bo.pk}/", {"role": "developer"}, format="json")
    assert answer.status_code == 202
    command = Command.objects.get()
    body = answer.json()
    assert body["id"] == str(command.uid)
    assert (body["state"], body["settled"]) == ("queued", False)
    assert body["before"] == {"role": "user"}
    assert answer["Location"] == body["url"]
    assert api.get(answer["Location"]).json()["events"][0]["state"] == "queued"


def test_the_same_key_gives_the_same_change_even_after_it_has_happened(
    api: APIClient, base: str, bo: Member
) -> None:
    address = f"{base}members/{bo.pk}/"
    key: dict[str, Any] = {"HTTP_IDEMPOTENCY_KEY": "k-1"}
    first = api.patch(address, {"role": "developer"}, format="json", **key).json()
    Command.objects.update(state=CommandState.SUCCEEDED, settled_at=timezone.now())
    Member.objects.update(role="developer")
    again = api.patch(address, {"role": "developer"}, format="json", **key)
    assert again.status_code == 200
    assert again.json()["id"] == first["id"]
    assert Command.objects.count() == 1


def test_the_same_key_for_something_else_is_refused(api: APIClient, base: str, bo: Member) -> None:
    address = f"{base}members/{bo.pk}/"
    key: dict[str, Any] = {"HTTP_IDEMPOTENCY_KEY": "k-1"}
    api.patch(address, {"role": "developer"}, format="json", **key)
    for other in (
        api.patch(address, {"role": "billing"}, format="json", **key),
        api.delete(address, **key),
        api.post(f"{base}invites/", [], format="json", **key),
    ):
        assert other.status_code == 422
        assert other["Content-Type"] == "application/problem+json"
    assert Command.objects.count() == 1


def test_keys_of_two_scripts_do_not_meet(owner: Grant, base: str, connection: Connection) -> None:
    first, second = member(connection, "a@example.com"), member(connection, "b@example.com")
    key: dict[str, Any] = {"HTTP_IDEMPOTENCY_KEY": "1"}
    for one in (first, second):
        answer = client_for(owner).delete(f"{base}members/{one.pk}/", **key)
        assert answer.status_code == 202
    assert Command.objects.count() == 2


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_that_is_none_is_refused(api: APIClient, base: str, bo: Member, key: str) -> None:
    answer = api.delete(f"{base}members/{bo.pk}/", HTTP_IDEMPOTENCY_KEY=key)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/Idempotency-Key"


def test_a_second_change_of_the_same_is_told_of_the_first(
    api: APIClient, base: str, bo: Member
) -> None:
    first = api.delete(f"{base}members/{bo.pk}/").json()
    answer = api.patch(f"{base}members/{bo.pk}/", {"role": "developer"}, format="json")
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["change"] == first["url"]
    assert "still on its way" in problem["detail"]


def test_what_the_provider_never_allows_is_said_in_plain_words(
    api: APIClient, base: str, connection: Connection
) -> None:
    boss = member(connection, "boss@example.com", role="admin")
    assert "admins" in api.get(f"{base}members/{boss.pk}/").json()["locked"]
    answer = api.delete(f"{base}members/{boss.pk}/")
    assert answer.status_code == 409
    assert "Claude Console" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({}, "#/role"),
        ({"role": "developer", "email": "x@example.com"}, "#/email"),
        ({"role": None}, "#/role"),
        (["developer"], "#"),
    ],
)
def test_only_the_role_can_be_written(
    api: APIClient, base: str, bo: Member, sent: Any, pointer: str
) -> None:
    answer = api.patch(f"{base}members/{bo.pk}/", sent, format="json")
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not Command.objects.exists()


def test_waiting_is_answered_when_it_is_settled(
    api: APIClient, base: str, bo: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def settle(command: Command, seconds: float) -> Command:
        waited.append(seconds)
        Command.objects.update(state=CommandState.SUCCEEDED, settled_at=timezone.now())
        command.refresh_from_db()
        return command

    monkeypatch.setattr("apps.sync.api.await_word", settle)
    answer = api.delete(f"{base}members/{bo.pk}/", HTTP_PREFER="respond-async, wait=60")
    assert waited == [10.0]
    assert answer.status_code == 200
    assert answer["Preference-Applied"] == "wait=10"
    assert answer.json()["settled"] is True


@pytest.mark.parametrize("role", [Role.BILLING, Role.VIEWER])
def test_who_may_only_read_changes_nothing(base: str, bo: Member, role: Role) -> None:
    client = client_for(GrantFactory(organization=bo.connection.organization, role=role))
    assert client.get(f"{base}members/{bo.pk}/").status_code == 200
    for answer in (
        client.patch(f"{base}members/{bo.pk}/", {"role": "developer"}, format="json"),
        client.delete(f"{base}members/{bo.pk}/"),
    ):
        assert answer.status_code == 403
        assert answer["Content-Type"] == "application/problem+json"
    assert not Command.objects.exists()


def test_what_is_another_tenants_is_not_there(base: str, api: APIClient, bo: Member) -> None:
    stranger = MemberFactory()
    theirs = f"/api/v1/organizations/{stranger.connection.organization.slug}/"
    for address in (
        f"{base}members/{stranger.pk}/",
        f"{base}people/{stranger.person_id}/",
        f"{theirs}members/{stranger.pk}/",
        f"{theirs}people/",
    ):
        absent = api.get(f"{base}members/999999/").json()
        answer = api.get(address)
        assert answer.status_code == 404
        assert answer.json() == absent
    assert (
        api.get(f"{base}people/", {"connection": str(stranger.connection.uid)}).json()["results"]
        == []
    )
