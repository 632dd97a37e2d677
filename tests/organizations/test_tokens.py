"""API tokens: made once, shown once, ended by a click or a demotion."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.audit.models import Entry
from apps.organizations import services
from apps.organizations.demand import SKIPPED_KEY
from apps.organizations.models import ApiToken, Grant, Role
from tests.browsing import at_desk, tired
from tests.factories import ApiTokenFactory, GrantFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Grant:
    grant: Grant = GrantFactory(organization__slug="acme")
    return grant


TOKENS = "/o/acme/tokens/"
ASKED = {"name": "report", "days": "7", "scope": "write", "role": "owner"}


def make(client: Client, name: str = "report", days: str = "7", role: str = "owner") -> str:
    html = client.post(TOKENS, ASKED | {"name": name, "days": days, "role": role}).content.decode()
    return html.split('id="new-token">')[1].split("<")[0]


def test_a_token_is_shown_once_and_only_its_hash_is_kept(alice: Grant) -> None:
    client = at_desk(alice.user)
    secret = make(client)
    assert secret.startswith("odk_")
    assert len(secret) > 40
    assert secret not in client.get(TOKENS).content.decode()
    token = ApiToken.objects.get()
    assert secret not in str(vars(token))
    assert token.expiry is not None
    assert abs(token.expiry - timezone.now() - timedelta(days=7)) < timedelta(minutes=1)
    assert secret not in str(list(Entry.objects.values()))


def test_the_page_that_shows_a_secret_is_kept_by_nobody(alice: Grant) -> None:
    answer = at_desk(alice.user).post(TOKENS, ASKED)
    assert answer["Cache-Control"] == "no-store"


def test_a_token_acts_as_its_user(alice: Grant) -> None:
    secret = make(at_desk(alice.user))
    answer = Client().get("/api/v1/organizations/", headers={"Authorization": f"Bearer {secret}"})
    assert [one["slug"] for one in answer.json()] == ["acme"]
    assert ApiToken.objects.get().last_used_at is not None


def test_a_made_up_an_expired_and_a_revoked_token_do_nothing(alice: Grant) -> None:
    client = at_desk(alice.user)
    expired, revoked = make(client, "expired"), make(client, "revoked")
    ApiToken.objects.filter(name="expired").update(expiry=timezone.now() - timedelta(seconds=1))
    key = ApiToken.objects.get(name="revoked").token_key
    client.post(reverse("organizations:token_end", kwargs={"slug": "acme", "key": key}))
    for secret in (expired, revoked, revoked[:-1] + "0", "odk_", "x"):
        headers = {"Authorization": f"Bearer {secret}"}
        assert Client().get("/api/v1/organizations/", headers=headers).status_code == 401


def test_making_one_asks_for_a_fresh_sign_in_and_ending_one_does_not(alice: Grant) -> None:
    client = tired(at_desk(alice.user))
    answer = client.post(TOKENS, ASKED)
    assert "reauthenticate" in answer["Location"]
    assert not ApiToken.objects.exists()
    token = ApiTokenFactory(user=alice.user, organization=alice.organization)
    client.post(reverse("organizations:token_end", kwargs={"slug": "acme", "key": token.token_key}))
    assert not ApiToken.objects.exists()


def test_a_colleagues_tokens_are_not_shown(alice: Grant) -> None:
    bob = GrantFactory(organization=alice.organization, role=Role.VIEWER)
    make(at_desk(alice.user), "of Alice")
    assert "of Alice" not in at_desk(bob.user).get(TOKENS).content.decode()


def test_a_token_is_called_something_else_over_the_api(alice: Grant) -> None:
    secret = make(at_desk(alice.user))
    bob = GrantFactory(organization=alice.organization, role=Role.ADMIN)
    make(at_desk(bob.user), "of Bob", role="admin")

    def rename(name: str, body: Any) -> Any:
        key = ApiToken.objects.get(name=name).token_key
        return Client().patch(
            f"/api/v1/organizations/acme/tokens/{key}/",
            body,
            content_type="application/json",
            headers={"Authorization": f"Bearer {secret}"},
        )

    for body in ({}, {"name": ""}, {"name": "x", "role": "owner"}):
        assert rename("report", body).status_code == 400
    answer = rename("report", {"name": "Nightly"})
    assert (answer.status_code, answer.json()["name"]) == (200, "Nightly")
    assert Entry.objects.get(verb="tokens.rename").details == {"name": ["report", "Nightly"]}
    assert rename("of Bob", {"name": "mine"}).status_code == 404


def test_a_token_ends_with_the_demotion_of_its_user(alice: Grant) -> None:
    bob = GrantFactory(organization=alice.organization, role=Role.ADMIN)
    secret = make(at_desk(bob.user), role="admin")
    services.change_grant(grant=bob, role=Role.VIEWER, actor=alice.user)
    answer = Client().get("/api/v1/organizations/", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 401


def test_a_token_ends_with_its_users_account(alice: Grant) -> None:
    secret = make(at_desk(alice.user))
    alice.user.is_active = False
    alice.user.save()
    answer = Client().get("/api/v1/organizations/", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 401


def test_making_and_ending_one_stands_in_the_audit_log(alice: Grant) -> None:
    client = at_desk(alice.user)
    make(client)
    key = ApiToken.objects.get().token_key
    client.post(reverse("organizations:token_end", kwargs={"slug": "acme", "key": key}))
    lines = Entry.objects.filter(organization_id=alice.organization_id).order_by("sequence")
    assert [(line.verb, line.target) for line in lines] == [
        ("tokens.create", "report"),
        ("tokens.revoke", "report"),
    ]


def test_whoever_lacks_the_second_factor_that_is_demanded_is_told_before_they_make_a_token(
    alice: Grant, settings: Any
) -> None:
    settings.MFA_DEMAND_SKIPPABLE = True
    client = at_desk(alice.user)
    words = "no token that you make works"
    for page in (TOKENS, "/o/acme/tokens/organization/"):
        assert words not in client.get(page).text
    Authenticator.objects.filter(user=alice.user).delete()
    type(alice.organization).objects.update(demand_mfa=True)
    session = client.session
    session[SKIPPED_KEY] = True
    session.save()
    for page in (TOKENS, "/o/acme/tokens/organization/"):
        assert words in client.get(page).text
    # It is so: the token is refused.
    secret = make(client)
    answer = Client().get(
        "/api/v1/organizations/acme/", headers={"Authorization": f"Bearer {secret}"}
    )
    assert answer.status_code == 403
