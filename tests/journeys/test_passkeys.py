"""Passkeys in a real browser, under the strict policy: set one up, sign in with it, confirm with it."""

from typing import Any

import pytest
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from apps.organizations.models import Role
from tests.factories import PASSWORD, GrantFactory, UserFactory
from tests.journeys.conftest import Witness

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def key(page: Page) -> Any:
    """A key in the browser that says yes to everything."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    return session


def test_a_passkey_is_set_up_signs_in_alone_and_confirms(
    page: Page, live_server: LiveServer, key: Any, witness: Witness
) -> None:
    grant = GrantFactory(user=UserFactory(email="ada@example.com"), role=Role.OWNER)
    page.goto(f"{live_server.url}/")
    witness.accessible()
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()

    # Owners are asked for a second factor before anything else.
    page.get_by_role("link", name="Add a passkey").click()
    page.wait_for_url("**/webauthn/add/")
    witness.accessible()
    page.get_by_label("Sign in with this key alone").check()
    page.get_by_role("button", name="Add").click()
    page.wait_for_url("**/recovery-codes/")
    witness.accessible()
    page.get_by_role("link", name="I have kept them").click()
    page.wait_for_url(f"**/o/{grant.organization.slug}/**")

    page.goto(f"{live_server.url}/accounts/logout/")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(f"**/o/{grant.organization.slug}/**")

    # It is the second factor after a password, too, and a proof in between.
    page.goto(f"{live_server.url}/accounts/logout/")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/2fa/authenticate/**")
    witness.accessible()
    page.get_by_role("button", name="Use a passkey or security key").click()
    page.wait_for_url(f"**/o/{grant.organization.slug}/**")
    page.goto(f"{live_server.url}/accounts/2fa/webauthn/reauthenticate/?next=/profile/")
    page.get_by_role("button", name="Use a passkey or security key").click()
    page.wait_for_url(f"{live_server.url}/profile/")  # in full: where it comes from ends alike
    witness.accessible()


def test_a_refused_passkey_says_what_to_do(
    page: Page, live_server: LiveServer, witness: Witness
) -> None:
    UserFactory()
    # No key anywhere: the browser's prompt ends in a refusal.
    page.add_init_script(
        "navigator.credentials.get = () => Promise.reject(new DOMException('no', 'NotAllowedError'))"
    )
    page.goto(f"{live_server.url}/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.get_by_text("That did not work").wait_for()
    assert page.get_by_role("button", name="Sign in with a passkey").is_enabled()
