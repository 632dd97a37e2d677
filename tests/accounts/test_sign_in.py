"""Signing in: password, second factor, recovery, fresh sign-in, sessions."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from allauth.usersessions.models import UserSession
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.templatetags.accounts import browser
from apps.organizations.credentials import reseal_all
from apps.organizations.sealing import new_key, seal, sealed_with
from tests.browsing import tired
from tests.factories import PASSWORD, TOTP_SECRET, GrantFactory, UserFactory

pytestmark = pytest.mark.django_db


def sign_in(client: Client, email: str, password: str = PASSWORD, **extra: Any) -> Any:
    return client.post(reverse("account_login"), {"login": email, "password": password, **extra})


def code_of(secret: str = TOTP_SECRET) -> str:
    counter = next(iter(yield_hotp_counters_from_time()))
    return str(format_hotp_value(hotp_value(secret, counter)))


def second_step(client: Client) -> None:
    """Enter the app's code; once more if it changed between reading and typing."""
    for _attempt in range(2):
        client.post(reverse("mfa_authenticate"), {"code": code_of()})
        if "_auth_user_id" in client.session:
            return


def test_an_address_and_its_password_sign_in(client: Client) -> None:
    user = UserFactory()
    answer = sign_in(client, user.email.upper())
    assert answer.status_code == 302
    assert answer["Location"] == "/"
    assert client.session["_auth_user_id"] == str(user.pk)


def test_a_wrong_password_says_so_and_signs_nobody_in(client: Client) -> None:
    answer = sign_in(client, UserFactory().email, "wrong")
    assert answer.status_code == 200
    assert "not correct" in answer.content.decode()
    assert "_auth_user_id" not in client.session


def test_guessing_is_stopped_after_five_wrong_passwords(client: Client) -> None:
    user = UserFactory()
    for _attempt in range(5):
        sign_in(client, user.email, "wrong")
    answer = sign_in(client, user.email)
    assert "Too many failed attempts. Wait five minutes" in answer.content.decode()
    assert "_auth_user_id" not in client.session


def test_a_closed_account_cannot_sign_in(client: Client) -> None:
    user = UserFactory(is_active=False)
    answer = client.get(sign_in(client, user.email)["Location"])
    assert "closed" in answer.content.decode()
    assert "_auth_user_id" not in client.session


def test_a_second_factor_is_asked_for_and_its_code_lets_in(client: Client) -> None:
    user = UserFactory(second_factor=True)
    answer = sign_in(client, user.email)
    assert answer["Location"] == reverse("mfa_authenticate")
    assert "_auth_user_id" not in client.session
    assert client.get(reverse("mfa_authenticate")).status_code == 200
    answer = client.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert "Incorrect code" in answer.content.decode()
    second_step(client)
    assert client.session["_auth_user_id"] == str(user.pk)


def test_a_copy_of_the_database_holds_no_second_factor() -> None:
    user = UserFactory(second_factor=True)
    RecoveryCodes.activate(user)
    for factor in Authenticator.objects.all():
        (sealed,) = [factor.data[name] for name in ("secret", "seed") if name in factor.data]
        assert sealed_with(sealed) == 1
    assert TOTP_SECRET not in str(list(Authenticator.objects.values()))


def test_a_factor_whose_key_is_gone_lets_nobody_in(client: Client) -> None:
    user = UserFactory(second_factor=True)
    other = seal("SECRET", organization_id=1, connection_uid="elsewhere", field="credential")
    Authenticator.objects.update(data={"secret": other})
    sign_in(client, user.email)
    answer = client.post(reverse("mfa_authenticate"), {"code": code_of()})
    assert "Incorrect code" in answer.content.decode()
    assert "_auth_user_id" not in client.session


@pytest.mark.django_db(transaction=True)
def test_rotating_the_keyring_takes_second_factors_along(client: Client, settings: Any) -> None:
    user = UserFactory(second_factor=True)
    old = settings.CREDENTIAL_KEYS
    settings.CREDENTIAL_KEYS = [new_key(2), *old]
    assert reseal_all().resealed == 1
    settings.CREDENTIAL_KEYS = settings.CREDENTIAL_KEYS[:1]  # the old key is taken away
    sign_in(client, user.email)
    second_step(client)
    assert client.session["_auth_user_id"] == str(user.pk)


def test_a_recovery_code_lets_in_once(client: Client) -> None:
    user = UserFactory(second_factor=True)
    code = RecoveryCodes.activate(user).generate_codes()[0]
    sign_in(client, user.email)
    client.post(reverse("mfa_authenticate"), {"code": code})
    assert client.session["_auth_user_id"] == str(user.pk)
    client.logout()
    sign_in(client, user.email)
    client.post(reverse("mfa_authenticate"), {"code": code})
    assert "_auth_user_id" not in client.session


def test_after_signing_in_the_page_that_was_asked_for_follows(client: Client) -> None:
    user = UserFactory()
    assert sign_in(client, user.email, next="/profile/")["Location"] == "/profile/"


def test_a_page_elsewhere_does_not_follow(client: Client) -> None:
    user = UserFactory()
    assert sign_in(client, user.email, next="https://example.org/")["Location"] == "/"


def test_nobody_signs_up_unasked(client: Client) -> None:
    page = client.get(reverse("account_signup"))
    assert "by invitation" in page.content.decode()
    fields = {"email": "new@example.com", "password1": PASSWORD, "password2": PASSWORD}
    page = client.post(reverse("account_signup"), fields)
    assert "by invitation" in page.content.decode()
    assert not EmailAddress.objects.filter(email="new@example.com").exists()


def test_a_forgotten_password_is_reset_by_mail_and_ends_open_sessions(client: Client) -> None:
    user = UserFactory()
    other = Client()
    sign_in(other, user.email)
    client.post(reverse("account_reset_password"), {"email": user.email})
    assert mail.outbox[0].subject.startswith("[Orgdesk] ")
    link = re.search(r"http://\S+", str(mail.outbox[0].body))
    assert link
    page = client.get(link[0], follow=True)
    changed = {"password1": "another good long one", "password2": "another good long one"}
    client.post(page.redirect_chain[-1][0], changed)
    assert sign_in(Client(), user.email, "another good long one").status_code == 302
    assert other.get("/profile/").status_code == 302


def test_an_unknown_address_gets_no_mail_and_the_same_answer(client: Client) -> None:
    known = client.post(reverse("account_reset_password"), {"email": UserFactory().email})
    unknown = client.post(reverse("account_reset_password"), {"email": "nobody@example.com"})
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    assert len(mail.outbox) == 1


def test_a_new_address_counts_once_its_link_has_been_opened(client: Client) -> None:
    user = UserFactory()
    sign_in(client, user.email)
    client.post(reverse("account_email"), {"email": "moved@example.com", "action_add": ""})
    user.refresh_from_db()
    assert user.email != "moved@example.com"
    link = re.search(r"http://\S+", str(mail.outbox[-1].body))
    assert link
    client.post(link[0])
    user.refresh_from_db()
    assert user.email == "moved@example.com"


def test_a_fresh_sign_in_is_asked_for_after_five_minutes_and_what_was_posted_goes_on(
    client: Client,
) -> None:
    grant = GrantFactory(user=UserFactory(second_factor=False), organization__demand_mfa=False)
    sign_in(client, grant.user.email)
    address = reverse("organizations:tokens", kwargs={"slug": grant.organization.slug})
    tired(client)
    answer = client.post(address, {"name": "later", "days": "7", "scope": "read", "role": "viewer"})
    assert answer["Location"].startswith(reverse("account_reauthenticate"))
    assert not grant.organization.api_tokens.exists()
    page = client.get(answer["Location"])
    assert "five minutes" in page.content.decode()
    answer = client.post(reverse("account_reauthenticate"), {"password": PASSWORD, "next": address})
    assert grant.organization.api_tokens.get().name == "later"
    assert "odk_" in answer.content.decode()


def test_what_was_posted_to_an_address_with_a_query_goes_on_too(client: Client) -> None:
    grant = GrantFactory(user=UserFactory(second_factor=False), organization__demand_mfa=False)
    sign_in(client, grant.user.email)
    tired(client)
    address = reverse("organizations:tokens", kwargs={"slug": grant.organization.slug})
    answer = client.post(
        f"{address}?from=elsewhere",
        {"name": "later", "days": "7", "scope": "read", "role": "viewer"},
    )
    client.post(
        reverse("account_reauthenticate"),
        {"password": PASSWORD, "next": parse_qs(urlsplit(answer["Location"]).query)["next"][0]},
    )
    assert grant.organization.api_tokens.get().name == "later"


def test_a_session_is_noted_as_seen_at_most_every_five_minutes(client: Client) -> None:
    user = UserFactory()
    with time_machine.travel("2026-03-12 12:00:00+00:00", tick=False) as clock:
        sign_in(client, user.email)
        client.get("/profile/")
        seen = UserSession.objects.get().last_seen_at
        clock.shift(timedelta(minutes=4))
        with CaptureQueriesContext(connection) as queries:
            client.get("/profile/")
        assert not [one["sql"] for one in queries if not one["sql"].startswith("SELECT")]
        assert UserSession.objects.get().last_seen_at == seen
        clock.shift(timedelta(minutes=2))
        client.get("/profile/")
        assert UserSession.objects.get().last_seen_at == seen + timedelta(minutes=6)


def test_every_time_is_shown_in_the_readers_zone(client: Client) -> None:
    user = UserFactory(time_zone="Asia/Tokyo")
    sign_in(client, user.email)
    assert "JST" in client.get(reverse("usersessions_list")).content.decode()


def test_the_profile_is_changed_and_an_unknown_zone_refused(client: Client) -> None:
    user = UserFactory()
    sign_in(client, user.email)
    fields = {"name": "Ada L.", "time_zone": "Europe/London", "theme": "dark"}
    client.post("/profile/", {**fields, "time_zone": "Mars/Olympus"})
    user.refresh_from_db()
    assert user.time_zone == "UTC"
    client.post("/profile/", fields)
    user.refresh_from_db()
    assert (user.name, user.time_zone, user.theme) == ("Ada L.", "Europe/London", "dark")
    assert 'data-bs-theme="dark"' in client.get("/profile/").content.decode()


def test_another_session_can_be_ended_from_the_list(client: Client) -> None:
    user = UserFactory()
    other = Client(headers={"user-agent": "Elsewhere"})
    sign_in(other, user.email)
    sign_in(client, user.email)
    page = client.get(reverse("usersessions_list")).content.decode()
    assert "Elsewhere" in page
    session = UserSession.objects.get(user_agent="Elsewhere")
    client.post(reverse("accounts:end_session", kwargs={"pk": session.pk}))
    assert other.get("/profile/").status_code == 302
    assert client.get("/profile/").status_code == 200


def test_another_users_session_cannot_be_ended(client: Client) -> None:
    other, stranger = Client(), UserFactory()
    sign_in(other, stranger.email)
    sign_in(client, UserFactory().email)
    session = UserSession.objects.get(user_id=stranger.pk)
    url = reverse("accounts:end_session", kwargs={"pk": session.pk})
    assert client.post(url).status_code == 404
    assert other.get("/profile/").status_code == 200


def test_staff_reach_django_admin_through_the_same_sign_in(client: Client) -> None:
    answer = client.get(reverse("admin:login"))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))


def test_a_session_that_ended_leads_the_whole_page_to_the_sign_in(client: Client) -> None:
    answer = client.get(
        "/profile/",
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/o/acme/people/?q=a"},
    )
    assert answer.status_code == 200
    assert answer["HX-Redirect"] == "/accounts/login/?next=%2Fo%2Facme%2Fpeople%2F%3Fq%3Da"


@pytest.mark.parametrize(
    ("referer", "following"),
    [
        ("http://testserver/o/acme/people/?q=a", "%2Fo%2Facme%2Fpeople%2F%3Fq%3Da"),
        ("https://elsewhere.example/o/", "/o/acme/people/bulk/role/"),
        (None, "/o/acme/people/bulk/role/"),
    ],
)
def test_what_was_posted_after_the_session_ended_is_said_to_be_lost_and_leads_back(
    client: Client, referer: str | None, following: str
) -> None:
    headers = {"Referer": referer} if referer else {}
    answer = client.post("/o/acme/people/bulk/role/", headers=headers)
    assert answer.status_code == 302
    assert answer["Location"] == f"/accounts/login/?next={following}"
    assert "what you sent was not kept" in client.get(answer["Location"]).text


def test_signing_out_says_nothing_of_something_lost(client: Client) -> None:
    sign_in(client, UserFactory().email)
    answer = client.post(reverse("account_logout"), follow=True)
    assert "not kept" not in answer.text
    assert "not kept" not in client.get("/profile/", follow=True).text


@pytest.mark.parametrize(
    "name",
    [
        "account_login",
        "account_signup",
        "account_reset_password",
        "account_reset_password_done",
        "account_reset_password_from_key_done",
        "account_inactive",
        "account_email_verification_sent",
        "socialaccount_login_cancelled",
        "socialaccount_login_error",
    ],
)
def test_pages_before_the_sign_in_are_ours(client: Client, name: str) -> None:
    html = client.get(reverse(name)).content.decode()
    assert "· Orgdesk</title>" in html
    assert "style=" not in html


@pytest.mark.parametrize(
    "name",
    [
        "accounts:profile",
        "account_logout",
        "account_email",
        "account_change_password",
        "account_reauthenticate",
        "mfa_index",
        "mfa_activate_totp",
        "mfa_deactivate_totp",
        "mfa_view_recovery_codes",
        "mfa_generate_recovery_codes",
        "mfa_list_webauthn",
        "mfa_add_webauthn",
        "mfa_reauthenticate",
        "usersessions_list",
    ],
)
def test_pages_about_ones_account_are_ours(client: Client, name: str) -> None:
    user = UserFactory(second_factor=name != "mfa_activate_totp")
    if name != "mfa_activate_totp":
        RecoveryCodes.activate(user)
    sign_in(client, user.email)
    second_step(client)
    answer = client.get(reverse(name))
    assert answer.status_code == 200
    html = answer.content.decode()
    assert "· Orgdesk</title>" in html
    assert "style=" not in html
    assert not re.findall(r"<script(?![^>]*(src=|application/json))", html)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
                "Chrome/125.0.0.0 Safari/537.36 Edg/125.0.0.0"
            ),
            "Edge on Windows",
        ),
        (
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
                "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
            ),
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0",
            "Firefox on Linux",
        ),
        ("curl/8.6.0", "curl/8.6.0"),
        ("", "Unknown browser"),
    ],
)
def test_a_session_names_its_browser_in_words(sent: str, shown: str) -> None:
    assert browser(sent) == shown
