"""One's own account over the API: the profile, and where one is signed in. No token changes any of it."""

from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from apps.accounts import services
from apps.organizations.models import ApiToken, Grant, Role
from apps.organizations.token_services import create_token
from tests.api.conftest import pointers, send
from tests.browsing import at_desk, tired
from tests.factories import PASSWORD, GrantFactory, UserFactory

pytestmark = pytest.mark.django_db
ME, SESSIONS = "/api/v1/me/", "/api/v1/me/sessions/"


def script(grant: Grant, **given: Any) -> Client:
    """What signs in by a token of the grant's holder."""
    _token, secret = create_token(
        organization=grant.organization, user=grant.user, name="script", **given
    )
    return Client(headers={"Authorization": f"Bearer {secret}"})


@pytest.fixture
def ada() -> Any:
    """A viewer, of whom no second factor is demanded."""
    return GrantFactory(role=Role.VIEWER, user=UserFactory(name="Ada")).user


@pytest.fixture
def browsers(ada: Any) -> list[Client]:
    """Three browsers in which Ada has signed in."""
    found = []
    for name in ("First", "Second", "Third"):
        client = Client(headers={"user-agent": name})
        client.post(reverse("account_login"), {"login": ada.email, "password": PASSWORD})
        found.append(client)
    return found


def test_who_has_signed_in_is_told_and_changes_it_name_by_name(ada: Any) -> None:
    desk = tired(at_desk(ada))
    told = desk.get(ME).json()
    assert told == {"email": ada.email, "name": "Ada", "time_zone": "UTC", "theme": "auto"}
    assert desk.get(f"{ME}?fields=email").json() == {"email": ada.email}
    changed = send(desk, "patch", ME, {"time_zone": "Europe/London"})
    assert (changed.status_code, changed.json()) == (200, {**told, "time_zone": "Europe/London"})
    send(desk, "patch", ME, {"name": "Ada L.", "theme": "dark"})
    ada.refresh_from_db()
    assert (ada.name, ada.time_zone, ada.theme) == ("Ada L.", "Europe/London", "dark")
    assert 'data-bs-theme="dark"' in desk.get("/profile/").content.decode()


def test_who_changes_one_thing_leaves_what_another_window_has_changed_meanwhile(ada: Any) -> None:
    seen_before = type(ada).objects.get(pk=ada.pk)
    services.change_profile(user=ada, theme="dark")
    services.change_profile(user=seen_before, time_zone="Europe/London")
    ada.refresh_from_db()
    assert (ada.name, ada.theme, ada.time_zone) == ("Ada", "dark", "Europe/London")
    with pytest.raises(ValidationError):
        services.change_profile(user=ada, theme="pink")


def test_what_cannot_be_is_refused_where_it_stands(ada: Any) -> None:
    desk = at_desk(ada)
    for wrong, where in (
        ({"name": ""}, "#/name"),
        ({"name": "x" * 151}, "#/name"),
        ({"time_zone": "Europe/Atlantis"}, "#/time_zone"),
        ({"theme": "pink"}, "#/theme"),
        ({"email": "other@example.com"}, "#/email"),
        ({"is_staff": True}, "#/is_staff"),
        ({"password": "x"}, "#/password"),
    ):
        assert pointers(send(desk, "patch", ME, wrong)) == {where}, wrong
    ada.refresh_from_db()
    assert (ada.name, ada.time_zone, ada.theme, ada.is_staff) == ("Ada", "UTC", "auto", False)


def test_ones_own_token_tells_whose_it_is_and_changes_nothing(owner: Grant) -> None:
    own = script(owner, scope=ApiToken.Scope.READ)
    assert own.get(ME).json()["email"] == owner.user.email
    writing = script(owner)
    session = UserSession.objects.create(
        user=owner.user, ip="127.0.0.1", session_key="s", user_agent="Browser"
    )
    for client in (writing, script(owner, kind=ApiToken.Kind.SERVICE)):
        for method, address in (
            ("patch", ME),
            ("get", SESSIONS),
            ("delete", f"{SESSIONS}{session.pk}/"),
            ("delete", f"{SESSIONS}others/"),
        ):
            refused = send(client, method, address, {"name": "Mallory"})
            assert refused.status_code == 403, (method, address)
            assert refused.json()["detail"].startswith("No token does this")
            assert refused["Content-Type"] == "application/problem+json"
    assert client.get(ME).status_code == 403, "the organization's is nobody's own"
    owner.user.refresh_from_db()
    assert owner.user.name == "Olga"
    assert UserSession.objects.filter(pk=session.pk).exists()


def test_a_token_tells_nothing_without_the_second_factor_or_the_grant(owner: Grant) -> None:
    user = UserFactory(second_factor=False)
    grant = GrantFactory(organization=owner.organization, role=Role.ADMIN, user=user)
    refused = script(grant).get(ME)
    assert refused.status_code == 403
    assert "second factor" in refused.json()["detail"]
    assert at_desk(user).get(ME).status_code == 403
    left = script(owner)
    Grant.objects.filter(pk=owner.pk).delete()
    assert left.get(ME).status_code == 403


def test_nobody_is_told_without_signing_in(client: Client) -> None:
    for address in (ME, SESSIONS):
        assert client.get(address).status_code == 401


def test_a_change_from_elsewhere_is_refused(ada: Any) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)
    assert send(browser, "patch", ME, {"name": "Mallory"}).status_code == 403
    assert send(browser, "delete", f"{SESSIONS}others/").status_code == 403


def test_sessions_are_listed_without_their_keys_and_another_is_ended(
    ada: Any, browsers: list[Client]
) -> None:
    first, second, third = browsers
    listed = second.get(SESSIONS)
    told = listed.json()
    assert [one["user_agent"] for one in told] == ["First", "Second", "Third"]
    assert [one["current"] for one in told] == [False, True, False]
    assert set(told[0]) == {"id", "current", "ip", "user_agent", "created_at", "last_seen_at"}
    for key in UserSession.objects.values_list("session_key", flat=True):
        assert key not in listed.text
    assert send(second, "delete", f"{SESSIONS}{told[0]['id']}/").status_code == 204
    assert first.get("/profile/").status_code == 302
    assert third.get("/profile/").status_code == 200
    here = send(second, "delete", f"{SESSIONS}{told[1]['id']}/")
    assert here.status_code == 409
    assert second.get(ME).status_code == 200


def test_all_but_the_one_that_asks_are_ended(ada: Any, browsers: list[Client]) -> None:
    first, second, third = browsers
    stranger = Client()
    stranger.post(reverse("account_login"), {"login": UserFactory().email, "password": PASSWORD})
    theirs = UserSession.objects.exclude(user_id=ada.pk).get()
    assert send(second, "delete", f"{SESSIONS}{theirs.pk}/").status_code == 404
    assert send(second, "delete", f"{SESSIONS}others/").status_code == 204
    assert [one["user_agent"] for one in second.get(SESSIONS).json()] == ["Second"]
    assert {client.get("/profile/").status_code for client in (first, third)} == {302}
    assert stranger.get("/profile/").status_code == 200
