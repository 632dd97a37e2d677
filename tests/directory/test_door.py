"""Who may speak for a directory."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from apps.directory.models import Directory, DirectoryUser
from apps.organizations.models import ApiToken, Grant, Role
from apps.organizations.token_services import create_token
from tests.browsing import at_desk
from tests.directory.conftest import USER, Provider, secret_for
from tests.factories import (
    DirectoryGroupFactory,
    DirectoryUserFactory,
    GrantFactory,
    UserFactory,
    own_desk,
)

pytestmark = pytest.mark.django_db


def every(organization: Any) -> list[tuple[str, str]]:
    """Every method of every address, with things of the organization."""
    person = DirectoryUserFactory(organization=organization)
    group = DirectoryGroupFactory(organization=organization)
    once = [("get", "ServiceProviderConfig"), ("get", "Schemas"), ("get", "ResourceTypes")]
    lists = [(method, path) for path in ("Users", "Groups") for method in ("get", "post")]
    ones = [
        (method, path)
        for path in (f"Users/{person.uid}", f"Groups/{group.uid}")
        for method in ("get", "put", "patch", "delete")
    ]
    return [*once, *lists, *ones]


def statuses(provider: Provider, asked: list[tuple[str, str]]) -> set[int]:
    """What each of them is answered."""
    found = set()
    for method, path in asked:
        answer = provider.ask(method, path, None if method == "get" else {})
        found.add(answer.status_code)
        if answer.status_code >= 400:
            body = answer.json()
            assert body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
            assert body["status"] == str(answer.status_code)
            assert body["detail"]
            assert answer["Content-Type"].startswith("application/scim+json")
    return found


def test_only_a_token_for_the_directory_opens_the_door(owner: Grant) -> None:
    other = GrantFactory(role=Role.OWNER, user__second_factor=True)
    asked = every(owner.organization)
    assert statuses(Provider("acme", ""), asked) == {401}
    assert statuses(Provider("acme", "odk_made_up"), asked) == {401}
    for scope, kind in (("read", "service"), ("write", "service"), ("write", "personal")):
        assert statuses(Provider("acme", secret_for(owner, scope, kind)), asked) == {403}
    # Another organization's is told nothing, not even that this one exists.
    theirs = secret_for(other)
    assert statuses(Provider("acme", theirs), asked) == {404}
    here, nowhere = (
        Provider(slug, theirs).get("Users").content for slug in ("acme", "nobody-has-this")
    )
    assert here == nowhere
    assert statuses(Provider("acme", secret_for(owner)), asked) <= {200, 204, 400}


def test_a_token_ends_with_its_time_its_maker_and_their_factor(owner: Grant) -> None:
    heir = GrantFactory(organization=owner.organization, role=Role.OWNER, user__second_factor=True)
    secret = secret_for(heir)
    provider = Provider("acme", secret)
    token = ApiToken.objects.get(user=heir.user)
    assert provider.get("Users").status_code == 200
    heir.user.authenticator_set.all().delete()
    assert provider.get("Users").status_code == 403  # what may change something needs a factor
    assert "second factor" in Directory.objects.get().failure
    owner.organization.demand_mfa = False
    owner.organization.save()
    assert provider.get("Users").status_code == 200
    # Not ended with the role, as it would be, but found to be worth less: refused all the same.
    Grant.objects.filter(pk=heir.pk).update(role=Role.ADMIN)
    assert provider.get("Users").status_code == 403
    Grant.objects.filter(pk=heir.pk).update(role=Role.OWNER)
    ApiToken.objects.filter(pk=token.pk).update(expiry=timezone.now() - timedelta(minutes=1))
    assert provider.get("Users").status_code == 401


def test_it_opens_nothing_else(owner: Grant) -> None:
    headers = {"Authorization": f"Bearer {secret_for(owner)}"}
    assert Client().get("/api/v1/organizations/", headers=headers).status_code == 403
    assert Client().get("/o/acme/directory/", headers=headers).status_code == 302


def test_what_was_refused_last_is_kept_for_the_page(owner: Grant, provider: Provider) -> None:
    provider.person("a@example.com")
    first = Directory.objects.get()
    assert (first.asked, first.status, first.failure) == ("POST User", 201, "")
    answer = provider.ask("post", "Users", {"schemas": [USER], "userName": "A@example.com"})
    assert answer.status_code == 409
    assert answer.json()["scimType"] == "uniqueness"
    kept = Directory.objects.get()
    assert (kept.status, kept.failure) == (409, answer.json()["detail"])
    assert provider.get("Users/00000000-0000-0000-0000-000000000000").status_code == 404
    assert (
        Directory.objects.get().failure == kept.failure
    )  # asking for what is not there is no mistake


def test_another_organizations_people_are_absent(owner: Grant, provider: Provider) -> None:
    stranger = DirectoryUserFactory()
    group = DirectoryGroupFactory(organization=stranger.organization)
    for path in (f"Users/{stranger.uid}", f"Groups/{group.uid}"):
        assert provider.get(path).status_code == 404
        assert provider.ask("delete", path).status_code == 404
        assert (
            provider.patch(path, {"op": "add", "path": "externalId", "value": "1"}).status_code
            == 404
        )
    own = provider.group("Ours")
    add = {"op": "add", "path": "members", "value": [{"value": str(stranger.uid)}]}
    assert provider.patch(f"Groups/{own.uid}", add).status_code == 400
    assert not own.memberships.exists()
    assert DirectoryUser.objects.filter(pk=stranger.pk).exists()
    for kind in ("Users", "Groups"):
        found = provider.get(kind).json()
        assert str(stranger.uid) not in str(found)
        assert str(group.uid) not in str(found)


def test_a_persons_own_desk_has_no_directory() -> None:
    user = UserFactory(second_factor=True)
    desk = own_desk(user)
    made: dict[str, Any] = {"organization": desk, "user": user, "name": "Okta"}
    with pytest.raises(PermissionDenied):
        create_token(**made, scope=ApiToken.Scope.SCIM, kind=ApiToken.Kind.SERVICE)
    _token, secret = create_token(**made)
    # Not made by the portal, but there: it opens nothing.
    ApiToken.objects.update(scope="scim", kind="service")
    assert statuses(Provider(desk.slug, secret), every(desk)) == {403}
    browser = at_desk(user)
    for path in ("directory/", "directory/people/", "tokens/organization/"):
        assert browser.get(f"/o/{desk.slug}/{path}").status_code == 404


@time_machine.travel("2026-01-31 12:00:18Z", tick=False)
def test_a_directory_has_so_many_requests_a_minute(owner: Grant, settings: Any) -> None:
    settings.API_REQUESTS_A_MINUTE = {
        **settings.API_REQUESTS_A_MINUTE,
        "caller": 2,
        "organization": 3,
    }
    provider = Provider("acme", secret_for(owner))
    first = provider.get("Users")
    assert first["RateLimit"] == '"caller";r=1;t=42, "organization";r=2;t=42'
    assert first["RateLimit-Policy"] == '"caller";q=2;w=60, "organization";q=3;w=60'
    assert (
        provider.ask("post", "Users", {"schemas": [USER], "userName": "a@b.example"}).status_code
        == 201
    )
    stopped = provider.ask("post", "Users", {"schemas": [USER], "userName": "c@b.example"})
    assert (stopped.status_code, stopped["Retry-After"]) == (429, "42")
    assert stopped["Content-Type"].startswith("application/scim+json")
    assert stopped.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert stopped.json()["status"] == "429"
    assert "42 seconds" in stopped.json()["detail"]
    assert not DirectoryUser.objects.filter(user_name="c@b.example").exists()
    # Its other tokens, and the API's, share what the organization has.
    assert Provider("acme", secret_for(owner)).get("Users").status_code == 200
    together = Provider("acme", secret_for(owner)).get("Users")
    assert (together.status_code, together["RateLimit"]) == (
        429,
        '"caller";r=1;t=42, "organization";r=0;t=42',
    )
    # The directory's page says so.
    assert "All callers of this organization" in Directory.objects.get().failure


@time_machine.travel("2026-01-31 12:00:18Z", tick=False)
def test_tokens_that_do_not_work_are_counted_for_the_directory_too(
    owner: Grant, settings: Any
) -> None:
    settings.API_REQUESTS_A_MINUTE = {**settings.API_REQUESTS_A_MINUTE, "failed-tokens": 1}
    stranger = Provider("acme", "odk_made_up")
    assert stranger.get("Users")["RateLimit"] == '"failed-tokens";r=0;t=42'
    stopped = stranger.get("Users")
    assert (stopped.status_code, stopped["Retry-After"]) == (429, "42")
    assert stopped.json()["status"] == "429"
