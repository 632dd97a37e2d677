"""Keys by API: the list, its findings, and changes of them."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from apps.members.models import Member
from apps.organizations.models import Connection, Grant, Role
from apps.organizations.sealing import Secret
from apps.sync.models import Command, CommandState, Resource
from apps.sync.outbox import secrets
from tests.api.conftest import client_for
from tests.browsing import at_desk
from tests.factories import CommandFactory, GrantFactory, KeyFactory, MemberFactory, with_keys

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection(connection: Connection) -> Connection:
    """The same, and what may be done with its keys."""
    with_keys(connection).save()
    Resource.objects.create(connection=connection, name="members", completed_at=timezone.now())
    return connection


def names(api: APIClient, address: str) -> set[str]:
    return {one["name"] for one in api.get(address).json()["results"]}


def test_the_list_narrows_as_the_page_does(
    api: APIClient, base: str, connection: Connection
) -> None:
    maker: Member = MemberFactory(
        connection=connection, person__organization=connection.organization
    )
    late = timezone.now() - timedelta(days=1)
    KeyFactory(connection=connection, name="good", maker=maker)
    KeyFactory(connection=connection, name="orphan", creator="user_gone", workspace="wrkspc_1")
    KeyFactory(connection=connection, name="late", expires_at=late)
    KeyFactory(connection=connection, name="gone", gone_at=late)
    keys = f"{base}keys/"
    assert names(api, keys) == {"good", "orphan", "late"}
    assert names(api, f"{keys}?finding=creator_left") == {"orphan"}
    assert names(api, f"{keys}?workspace=wrkspc_1") == {"orphan"}
    assert names(api, f"{keys}?status=expired") == {"late"}
    assert names(api, f"{keys}?status=gone") == {"gone"}
    assert names(api, f"{keys}?creator={maker.remote_id}") == {"good"}
    assert api.get(f"{keys}?findings=creator_left").status_code == 400
    report = {one["key"]: one["count"] for one in api.get(f"{keys}findings/").json()}
    assert (report["creator_left"], report["expired"]) == (1, 1)


def test_a_person_comes_with_the_keys_they_made(
    api: APIClient, base: str, connection: Connection
) -> None:
    maker: Member = MemberFactory(
        connection=connection, person__organization=connection.organization
    )
    KeyFactory(connection=connection, name="hers", maker=maker)
    KeyFactory(connection=connection, name="other", creator="user_gone")
    answer = api.get(f"{base}people/{maker.person_id}/").json()
    assert [one["name"] for one in answer["keys"]] == ["hers"]


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        ({"name": "new name"}, "keys.rename"),
        ({"status": "inactive"}, "keys.deactivate"),
    ],
)
def test_a_change_is_asked_for_once(
    api: APIClient, base: str, connection: Connection, sent: dict[str, str], kind: str
) -> None:
    key = KeyFactory(connection=connection)
    for _ in range(2):
        answer = api.patch(f"{base}keys/{key.pk}/", sent, format="json", HTTP_IDEMPOTENCY_KEY="one")
        assert answer.status_code == 202
    assert answer.json()["kind"] == kind
    assert Command.objects.count() == 1


@pytest.mark.parametrize("sent", [{}, {"name": "a", "status": "active"}, {"status": "archived"}])
def test_what_cannot_be_understood_is_said(
    api: APIClient, base: str, connection: Connection, sent: dict[str, str]
) -> None:
    key = KeyFactory(connection=connection)
    assert api.patch(f"{base}keys/{key.pk}/", sent, format="json").status_code == 400


def test_what_the_portal_refuses_is_a_conflict_with_its_reason(
    api: APIClient, base: str, connection: Connection
) -> None:
    key = KeyFactory(connection=connection, status="archived")
    answer = api.patch(f"{base}keys/{key.pk}/", {"status": "active"}, format="json")
    assert answer.status_code == 409
    assert "final" in answer.json()["detail"]


def test_what_asks_for_a_fresh_sign_in_is_not_done_by_token(
    api: APIClient, base: str, connection: Connection
) -> None:
    key = KeyFactory(connection=connection)
    new = {"connection": str(connection.uid), "name": "new"}
    for answer in (
        api.post(f"{base}keys/", new, format="json"),
        api.post(f"{base}keys/{key.pk}/archive/"),
        api.delete(f"{base}keys/{key.pk}/"),
    ):
        assert answer.status_code == 403
        assert "sign-in of the last five minutes" in answer.json()["detail"]
    assert not Command.objects.exists()


def with_secret(connection: Connection, actor: Any) -> Command:
    command: Command = CommandFactory(
        connection=connection, kind="keys.create", actor=actor, state=CommandState.SUCCEEDED
    )
    kept = secrets.kept(command, Secret("sk_of_a_new_key_that_is_long"))
    Command.objects.filter(pk=command.pk).update(**kept)
    return command


def test_a_secret_is_given_once_to_who_asked_and_not_by_token(
    api: APIClient, base: str, owner: Grant, connection: Connection
) -> None:
    command = with_secret(connection, owner.user)
    address = f"{base}changes/{command.uid}/secret/"
    assert api.post(address).status_code == 403
    colleague = at_desk(GrantFactory(organization=owner.organization, role=Role.ADMIN).user)
    assert colleague.post(address).status_code in (403, 409)
    browser = at_desk(owner.user)
    answer = browser.post(address)
    assert answer.json() == {"secret": "sk_of_a_new_key_that_is_long"}
    assert answer["Cache-Control"] == "no-store"
    assert browser.post(address).status_code == 409


def test_the_secret_stands_in_no_other_answer(
    api: APIClient, base: str, owner: Grant, connection: Connection
) -> None:
    command = with_secret(connection, owner.user)
    for address in (f"{base}changes/", f"{base}changes/{command.uid}/"):
        text = api.get(address).content.decode()
        assert "sk_of" not in text
        assert "v1." not in text


def test_those_who_only_read_change_nothing(
    base: str, owner: Grant, connection: Connection
) -> None:
    key = KeyFactory(connection=connection)
    viewer = client_for(GrantFactory(organization=owner.organization, role=Role.VIEWER))
    assert viewer.get(f"{base}keys/{key.pk}/").status_code == 200
    answer = viewer.patch(f"{base}keys/{key.pk}/", {"status": "inactive"}, format="json")
    assert answer.status_code == 403


def test_the_list_takes_the_same_queries_however_many_there_are(
    api: APIClient, base: str, connection: Connection
) -> None:
    counts = []
    for count in (3, 60):
        KeyFactory.create_batch(count, connection=connection)
        api.get(f"{base}keys/")
        with CaptureQueriesContext(database) as captured:
            api.get(f"{base}keys/")
        counts.append(len(captured))
    assert counts[0] == counts[1]
