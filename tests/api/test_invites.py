"""Invites by API: one, many, again and withdrawn."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.invites.models import Invite
from apps.members.models import Member
from apps.organizations.models import Connection, Grant, Role
from apps.sync.models import Batch, Command
from tests.api.conftest import client_for
from tests.factories import (
    ConnectionFactory,
    GrantFactory,
    InviteFactory,
    MemberFactory,
    PersonFactory,
)

pytestmark = pytest.mark.django_db


def guest(connection: Connection, email: str = "new@example.com", **more: Any) -> dict[str, Any]:
    """Whom to invite."""
    return {"connection": str(connection.uid), "email": email, "role": "user", **more}


def pending(connection: Connection, email: str) -> Invite:
    """A pending invite of ``email``."""
    made: Invite = InviteFactory(
        connection=connection,
        person=PersonFactory(organization=connection.organization, email=email),
    )
    return made


def test_one_invite_is_one_change(api: APIClient, base: str, connection: Connection) -> None:
    answer = api.post(f"{base}invites/", guest(connection), format="json")
    assert answer.status_code == 202
    assert answer.json()["kind"] == "invites.invite"
    (shown,) = api.get(f"{base}invites/").json()["results"]
    assert (shown["email"], shown["state"], shown["remote_id"]) == (
        "new@example.com",
        "sending",
        None,
    )


def test_a_list_is_one_batch_that_is_on_its_way_at_once(
    api: APIClient, base: str, connection: Connection
) -> None:
    MemberFactory(
        connection=connection,
        person=PersonFactory(organization=connection.organization, email="here@example.com"),
    )
    answer = api.post(
        f"{base}invites/",
        [
            guest(connection),
            guest(connection, "two@example.com"),
            guest(connection, "here@example.com"),
        ],
        format="json",
    )
    assert answer.status_code == 202
    body = answer.json()
    assert answer["Location"] == body["url"]
    assert body["confirmed_at"]
    assert body["counts"]["total"] == body["counts"]["waiting"] == 2
    assert [one["label"] for one in body["refusals"]] == ["here@example.com"]
    assert api.get(body["url"]).json() == body
    listed = api.get(body["changes_url"]).json()["results"]
    assert {one["label"] for one in listed} == {"new@example.com", "two@example.com"}
    assert {one["state"] for one in listed} == {"queued"}


def test_a_list_sent_twice_is_one_batch(api: APIClient, base: str, connection: Connection) -> None:
    sent = [guest(connection), guest(connection, "two@example.com")]
    key: dict[str, Any] = {"HTTP_IDEMPOTENCY_KEY": "friday"}
    first, second = (api.post(f"{base}invites/", sent, format="json", **key) for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    assert (Batch.objects.count(), Command.objects.count()) == (1, 2)


def test_what_is_wrong_in_a_list_says_where(
    api: APIClient, base: str, connection: Connection
) -> None:
    stranger = ConnectionFactory()
    sent = [guest(connection), guest(connection, "no address"), guest(stranger)]
    answer = api.post(f"{base}invites/", sent, format="json")
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/1/email"]
    answer = api.post(f"{base}invites/", [guest(connection), guest(stranger)], format="json")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/1/connection"]
    answer = api.post(f"{base}invites/", guest(stranger), format="json")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/connection"]
    assert not Command.objects.exists()


@pytest.mark.parametrize("count", [0, 1001])
def test_a_list_is_neither_empty_nor_endless(
    api: APIClient, base: str, connection: Connection, count: int
) -> None:
    sent = [guest(connection, f"p{n}@example.com") for n in range(count)]
    assert api.post(f"{base}invites/", sent, format="json").status_code == 400


@pytest.mark.parametrize("sent", ["text", 7, None])
def test_what_is_neither_one_nor_many_is_refused(api: APIClient, base: str, sent: Any) -> None:
    assert api.post(f"{base}invites/", sent, format="json").status_code == 400


def test_who_is_a_member_already_is_not_invited(
    api: APIClient, base: str, connection: Connection
) -> None:
    made: Member = MemberFactory(
        connection=connection, person=PersonFactory(organization=connection.organization)
    )
    answer = api.post(f"{base}invites/", guest(connection, made.email), format="json")
    assert answer.status_code == 409
    assert answer.json()["detail"] == "Is already a member there."


def test_an_invite_is_withdrawn_and_sent_again(
    api: APIClient, base: str, connection: Connection
) -> None:
    first, second = pending(connection, "a@example.com"), pending(connection, "b@example.com")
    gone = api.delete(f"{base}invites/{first.pk}/")
    assert (gone.status_code, gone.json()["kind"]) == (202, "invites.withdraw")
    again = api.post(f"{base}invites/{second.pk}/resend/")
    assert (again.status_code, again.json()["kind"]) == (202, "invites.resend")


def test_invites_can_be_narrowed(api: APIClient, base: str, connection: Connection) -> None:
    pending(connection, "a@example.com")
    InviteFactory(
        connection=connection,
        person=PersonFactory(organization=connection.organization, email="b@example.com"),
        state=Invite.State.EXPIRED,
        role="developer",
    )
    for asked, expected in (
        ({"state": "expired"}, {"b@example.com"}),
        ({"role": "user"}, {"a@example.com"}),
        ({"email": "A@example.com"}, {"a@example.com"}),
        ({"q": "B@"}, {"b@example.com"}),
        ({"connection": str(connection.uid)}, {"a@example.com", "b@example.com"}),
        ({"provider": "cline"}, set()),
        ({"expires_before": "2001-01-01T00:00:00Z"}, set()),
    ):
        shown = api.get(f"{base}invites/", asked).json()["results"]
        assert {one["email"] for one in shown} == expected, asked


def test_states_are_those_of_the_page(api: APIClient, base: str, connection: Connection) -> None:
    lapsed, ended = pending(connection, "a@example.com"), pending(connection, "b@example.com")
    lapsed.expires_at = timezone.now() - timedelta(minutes=1)  # no walk has noticed yet
    lapsed.save()
    ended.connection = ConnectionFactory(
        organization=connection.organization, state=Connection.State.DISCONNECTED
    )
    ended.save()
    pending(connection, "c@example.com")
    for state, expected in (("pending", ["c@example.com"]), ("expired", ["a@example.com"])):
        shown = api.get(f"{base}invites/", {"state": state}).json()["results"]
        assert [one["email"] for one in shown] == expected
    assert api.get(f"{base}invites/{lapsed.pk}/").json()["state"] == "expired"
    people = api.get(f"{base}people/").json()["results"]
    assert [one["email"] for one in people if one["pending_invites"]] == ["c@example.com"]


def test_roles_that_may_be_given_are_listed(
    api: APIClient, base: str, connection: Connection
) -> None:
    shown = api.get(f"{base}connections/{connection.uid}/roles/").json()
    assert {"user", "developer"} <= {one["value"] for one in shown}
    assert "admin" not in {one["value"] for one in shown}


def test_a_viewer_invites_nobody(owner: Grant, base: str, connection: Connection) -> None:
    client = client_for(GrantFactory(organization=owner.organization, role=Role.VIEWER))
    for sent in (guest(connection), [guest(connection)]):
        assert client.post(f"{base}invites/", sent, format="json").status_code == 403
    assert not Command.objects.exists()
