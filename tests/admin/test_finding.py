"""The support desk's one box: everything that a text can mean, in every organization in reach."""

from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.organizations.models import Connection, Organization
from tests import factories
from tests.admin.conftest import page_of
from tests.browsing import at_desk

pytestmark = pytest.mark.django_db
BOX = "/admin/find/"


def found(desk: Client, text: str) -> list[Any]:
    """Rows that the box shows, in its order."""
    groups = desk.get(BOX, {"q": text}).context["groups"]
    return [hit.row for group in groups for hit in group.hits]


def test_the_box_finds_everything_by_what_it_is_known_by(
    desk: Client, connection: Connection
) -> None:
    organization = connection.organization
    person = factories.PersonFactory(
        organization=organization, email="wanted@acme.example", name="Ada Wanted"
    )
    mine: dict[str, Any] = {"connection": connection, "person": person}
    member = factories.MemberFactory(**mine, email="Wanted@acme.example", remote_id="user_01W")
    invite = factories.InviteFactory(**mine, email="Wanted@acme.example", remote_id="invite_01W")
    key = factories.KeyFactory(
        connection=connection, name="Nightly build", hint="sk-ant-api03-R2D...igAA"
    )
    workspace = factories.WorkspaceFactory(connection=connection, remote_id="wrkspc_01W")
    payment = factories.PaymentFactory(
        connection=connection, remote_id="pay_01W", awaited_id="ses_01W", processor_id="pi_01W"
    )
    command = factories.CommandFactory(connection=connection)
    connection.credential_hint = "…x9Z2"
    connection.save()
    user = factories.GrantFactory(organization=organization, user__email="boss@acme.example").user
    colleague = factories.ColleagueInvitationFactory(
        organization=organization, email="soon@acme.example"
    )
    meant: dict[str, list[Any]] = {
        "WANTED@acme.example": [person, invite],
        "da want": [person],
        member.remote_id: [member],
        invite.remote_id: [invite],
        "igAA": [key],
        "R2D...igAA": [key],
        "Nightly build": [key],
        workspace.remote_id: [workspace],
        payment.remote_id: [payment],
        "ses_01W": [payment],
        "pi_01W": [payment],
        str(command.uid): [command],
        "x9Z2": [connection],
        organization.slug: [organization],
        "boss@acme": [user],
        "soon@acme": [colleague],
        "nobody@acme.example": [],
    }
    for text, rows in meant.items():
        assert found(desk, text) == rows, text
    page = desk.get(BOX, {"q": "wanted@acme"}).content.decode()
    assert page_of(person) in page
    assert page_of(organization) in page
    assert desk.get(BOX, {"q": "a"}).context["too_short"]
    assert desk.get(BOX, {"q": "\x00'%_\"*"}).context["groups"] == []

    Organization.objects.filter(pk=organization.pk).update(support_may_read=False)
    for text in meant:
        assert found(desk, text) == [], text
    owner = at_desk(user)
    assert owner.get(BOX, {"q": "wanted"}).status_code == 302


def test_the_box_is_on_every_page_and_costs_the_same_whatever_there_is(
    desk: Client, connection: Connection
) -> None:
    for address in ("/admin/", page_of(connection), BOX):
        assert 'action="/admin/find/"' in desk.get(address).content.decode()

    def costs(text: str) -> int:
        with CaptureQueriesContext(database) as queries:
            desk.get(BOX, {"q": text})
        return len(queries)

    def fill(number: int) -> None:
        for _ in range(number):
            other = factories.ConnectionFactory()
            person = factories.PersonFactory(organization=other.organization, name="Same Name")
            factories.MemberFactory(connection=other, person=person, remote_id="same")
            factories.InviteFactory(connection=other, person=person, remote_id="same")
            factories.KeyFactory(connection=other, remote_id="same", hint="sk-…same")
            factories.PaymentFactory(connection=other, remote_id="same")

    fill(2)
    desk.get(BOX, {"q": "same"})
    few = costs("same")
    fill(12)
    assert costs("same") == few < 30
    groups = desk.get(BOX, {"q": "same"}).context["groups"]
    assert {len(group.hits) for group in groups} == {10}
    assert any("q=same" in group.more for group in groups)
    assert all(group.capped for group in groups)
