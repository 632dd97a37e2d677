"""Tokens over the API: made by whoever has just signed in, never by another token; shown once."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.audit.models import Entry
from apps.organizations.models import ApiToken, Grant, Role
from apps.organizations.token_services import create_token
from tests.api.conftest import pointers, send
from tests.browsing import at_desk, tired
from tests.factories import ApiTokenFactory, GrantFactory, UserFactory, own_desk

pytestmark = pytest.mark.django_db
Kind = ApiToken.Kind


def bearer(secret: str) -> Client:
    """A script."""
    return Client(headers={"Authorization": f"Bearer {secret}"})


@pytest.fixture
def olga(owner: Grant) -> Client:
    """The owner's browser."""
    return at_desk(owner.user)


def test_what_is_not_said_is_as_little_as_there_is(olga: Client, base: str, owner: Grant) -> None:
    made = send(olga, "post", f"{base}tokens/", {"name": "report"})
    assert made.status_code == 201, made.content
    assert made["Cache-Control"] == "no-store"
    told, token = made.json(), ApiToken.objects.get()
    secret = told.pop("token")
    assert (told["kind"], told["scope"], told["role"]) == ("personal", "read", "viewer")
    assert token.expiry
    assert abs(token.expiry - timezone.now() - timedelta(days=90)) < timedelta(minutes=1)
    script = bearer(secret)
    assert script.get(f"{base}people/").status_code == 200
    assert send(script, "post", f"{base}invites/", {}).status_code == 403
    (listed,) = olga.get(f"{base}tokens/").json()
    assert {**listed, **dict.fromkeys(("last_used_at", "last_used_from"))} == {
        **told,
        **dict.fromkeys(("last_used_at", "last_used_from")),
    }
    line = Entry.objects.get(verb="tokens.create")
    assert (line.actor_id, line.target) == (owner.user_id, "report")
    assert line.details == {"kind": "personal", "role": "viewer", "scope": "read", "days": 90}
    assert secret not in olga.get(f"{base}audit/").text


def test_a_token_of_the_organization_is_made_with_what_was_said(olga: Client, base: str) -> None:
    given = {"name": "job", "scope": "write", "role": "admin", "days": 7}
    made = send(olga, "post", f"{base}tokens/service/", given)
    assert made.status_code == 201, made.content
    token = ApiToken.objects.get()
    assert (token.kind, token.scope, token.role) == (Kind.SERVICE, "write", "admin")
    assert token.expiry
    assert abs(token.expiry - timezone.now() - timedelta(days=7)) < timedelta(minutes=1)
    assert bearer(made.json()["token"]).get(f"{base}people/").status_code == 200
    scim = send(olga, "post", f"{base}tokens/service/", {"name": "okta", "scope": "scim"})
    assert (scim.status_code, scim.json()["role"]) == (201, "owner")


def test_what_cannot_be_is_refused_where_it_stands(olga: Client, base: str, owner: Grant) -> None:
    mine, organizations = f"{base}tokens/", f"{base}tokens/service/"
    for wrong, where in (
        ({"days": 0}, "#/days"),
        ({"days": 366}, "#/days"),
        ({"days": "until"}, "#/days"),
        ({"role": "self"}, "#/role"),
        ({"scope": "everything"}, "#/scope"),
        ({"name": ""}, "#/name"),
        ({"name": "x" * 81}, "#/name"),
        ({"kind": "service"}, "#/kind"),
        ({"until": "2027-01-01"}, "#/until"),
    ):
        for address in (mine, organizations):
            refused = send(olga, "post", address, {"name": "x", **wrong})
            assert pointers(refused) == {where}, wrong
    assert pointers(send(olga, "post", mine, {"name": "x", "scope": "scim"})) == {"#/scope"}
    admin = at_desk(GrantFactory(organization=owner.organization, role=Role.ADMIN).user)
    for role in ("owner", "billing"):  # more than they may, and other than they may
        for address in (mine, organizations):
            assert pointers(send(admin, "post", address, {"name": "x", "role": role})) == {"#/role"}
    scim = send(admin, "post", organizations, {"name": "x", "scope": "scim"})
    assert pointers(scim) == {"#/scope"}
    assert not ApiToken.objects.exists()


def test_sent_again_with_its_key_it_is_the_same_token_and_not_shown(
    olga: Client, base: str, cached: list[Any]
) -> None:
    for address in (f"{base}tokens/", f"{base}tokens/service/"):
        first = send(olga, "post", address, {"name": "nightly"}, "k" + address)
        again = send(olga, "post", address, {"name": "nightly"}, "k" + address)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json() == {**first.json(), "token": None}
        assert cached[-1][0].startswith("api-once:")
        assert first.json()["token"] not in repr(cached)
        other = send(olga, "post", address, {"name": "weekly"}, "k" + address)
        assert other.status_code == 422
    assert ApiToken.objects.count() == 2


def test_who_is_not_there_makes_none(base: str, owner: Grant) -> None:
    _token, secret = create_token(organization=owner.organization, user=owner.user, name="script")
    _job, job = create_token(
        organization=owner.organization, user=owner.user, name="job", kind=Kind.SERVICE
    )
    for address in (f"{base}tokens/", f"{base}tokens/service/"):
        for text in (secret, job):
            refused = send(bearer(text), "post", address, {"name": "child", "role": "owner"})
            assert refused.status_code == 403
            assert "sign-in of the last five minutes" in refused.json()["detail"]
        assert send(tired(at_desk(owner.user)), "post", address, {"name": "x"}).status_code == 403
        assert send(at_desk(GrantFactory().user), "post", address, {"name": "x"}).status_code == 404
    billing = at_desk(GrantFactory(organization=owner.organization, role=Role.BILLING).user)
    assert send(billing, "post", f"{base}tokens/service/", {"name": "x"}).status_code == 403
    given = {"name": "own", "scope": "write", "role": "billing"}
    assert send(billing, "post", f"{base}tokens/", given).status_code == 201
    user = UserFactory(second_factor=False)
    GrantFactory(organization=owner.organization, role=Role.ADMIN, user=user)
    without = send(at_desk(user), "post", f"{base}tokens/", {"name": "x"})
    assert without.status_code == 403
    assert "second factor" in without.json()["title"]
    assert set(ApiToken.objects.values_list("name", flat=True)) == {"script", "job", "own"}


def test_on_ones_own_desk_there_is_one_role_and_no_token_of_the_organization() -> None:
    desk = own_desk()
    browser, address = at_desk(desk.personal_of), f"/api/v1/organizations/{desk.slug}/tokens/"
    assert pointers(send(browser, "post", address, {"name": "x", "role": "viewer"})) == {"#/role"}
    made = send(browser, "post", address, {"name": "x"})
    assert (made.status_code, made.json()["role"]) == (201, "self")
    assert send(browser, "post", f"{address}service/", {"name": "x"}).status_code == 404


def test_all_of_ones_own_end_and_no_others(olga: Client, base: str, owner: Grant) -> None:
    here: Any = {"organization": owner.organization}
    for _ in range(2):
        ApiTokenFactory(**here, user=owner.user)
    others = [
        ApiTokenFactory(**here, user=owner.user, kind=Kind.SERVICE),
        ApiTokenFactory(**here, user=GrantFactory(**here).user),
        ApiTokenFactory(organization=GrantFactory(user=owner.user).organization, user=owner.user),
    ]
    _job, job = create_token(**here, user=owner.user, name="job", kind=Kind.SERVICE)
    _own, own = create_token(**here, user=owner.user, name="own")
    for text in (job, own):
        refused = send(bearer(text), "delete", f"{base}tokens/own/")
        assert refused.status_code == 403
        assert "No token does this" in refused.json()["detail"]
    assert ApiToken.objects.count() == 7
    # It asks for no fresh sign-in, as on the page: whoever has lost a token is in a hurry.
    ended = send(tired(olga), "delete", f"{base}tokens/own/")
    assert (ended.status_code, ended.json()) == (200, {"ended": 3})
    assert set(ApiToken.objects.all()) == {*others, _job}
    assert Entry.objects.filter(verb="tokens.revoke", actor_id=owner.user_id).count() == 3
    assert send(olga, "delete", f"{base}tokens/own/").json() == {"ended": 0}
