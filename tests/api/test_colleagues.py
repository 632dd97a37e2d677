"""Colleagues over the API: changed by whoever is there, never by token, and the link leaves by mail alone."""

import smtplib
from typing import Any

import pytest
from django.core import mail
from rest_framework.test import APIClient

from apps.organizations.models import ColleagueInvitation, Grant, Role
from tests.api.conftest import send
from tests.browsing import at_desk
from tests.factories import GrantFactory

pytestmark = pytest.mark.django_db


def test_a_colleague_is_invited_once_and_the_link_is_in_the_mail_alone(
    base: str, owner: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    olga, address = at_desk(owner.user), f"{base}colleagues/invitations/"
    given = {"email": "New@Example.com", "role": "billing"}
    for _twice in range(2):
        made = send(olga, "post", address, given, "k")
        assert made.status_code == 201, made.content
    assert (made.json()["email"], made.json()["mailed"]) == ("new@example.com", True)
    (letter,) = mail.outbox
    link = next(word for word in letter.body.split() if "/invitation/" in word)
    assert link.rsplit("/", 2)[-2] not in made.text
    assert send(olga, "post", address, given).status_code == 409, "invited already"
    for role in ("self", "boss", ""):
        wrong = send(olga, "post", address, {"email": "x@example.com", "role": role})
        assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "#/role")
    one = f"{address}{made.json()['id']}/"

    def away(*args: Any, **kwargs: Any) -> None:
        raise smtplib.SMTPServerDisconnected

    with monkeypatch.context() as broken:
        broken.setattr("apps.organizations.mail.send_mail", away)
        assert send(olga, "post", f"{one}resend/").json()["mailed"] is False
    assert send(olga, "post", f"{one}resend/").json()["mailed"] is True
    assert send(olga, "delete", one).status_code == 204
    assert not ColleagueInvitation.objects.exists()


def test_a_colleague_gets_another_role_and_goes_and_one_owner_stays(
    base: str, owner: Grant
) -> None:
    olga = at_desk(owner.user)
    bob = GrantFactory(organization=owner.organization, role=Role.VIEWER)
    one = f"{base}colleagues/{bob.pk}/"
    assert send(olga, "patch", one, {"role": "admin"}).json()["role"] == "admin"
    assert send(olga, "patch", one, {"role": "self"}).status_code == 400
    last = send(olga, "patch", f"{base}colleagues/{owner.pk}/", {"role": "viewer"})
    assert last.status_code == 409, last.content
    assert send(olga, "delete", one).status_code == 204
    assert list(Grant.objects.filter(organization=owner.organization)) == [owner]


def test_no_token_changes_colleagues(api: APIClient, base: str, owner: Grant) -> None:
    bob = GrantFactory(organization=owner.organization, role=Role.VIEWER)
    for answer in (
        api.post(f"{base}colleagues/invitations/", {"email": "x@example.com", "role": "owner"}),
        api.patch(f"{base}colleagues/{bob.pk}/", {"role": "owner"}, format="json"),
        api.delete(f"{base}colleagues/{bob.pk}/"),
    ):
        assert answer.status_code == 403
        assert "sign-in of the last five minutes" in answer.json()["detail"]
