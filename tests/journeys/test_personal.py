"""A colleague connects their own Cline account, joins an organization, and leaves for good."""

import re

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from apps.organizations.models import Connection, Role
from tests.browsing import at_desk
from tests.desk import walk_connection
from tests.factories import GrantFactory
from tests.journeys.conftest import Witness
from tests.sandbox_server import SandboxServer

pytestmark = [pytest.mark.browser, pytest.mark.worker]
EMAIL = "nora@northgate.example"


@pytest.fixture
def home(page: Page, portal: str) -> str:
    """Nora looks at an organization, and has just signed in."""
    grant = GrantFactory(role=Role.VIEWER, user__name="Nora")
    session = at_desk(grant.user).cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": session.key, "value": session.value, "url": portal}])
    return f"{portal}/o/{grant.organization.slug}/people/"


def test_an_own_account_from_the_first_key_to_the_end(
    page: Page, home: str, portal: str, witness: Witness, sandbox: SandboxServer
) -> None:
    key = sandbox.control.new_key(email=EMAIL)["api_key"]
    invited = {"invites": [{"email": EMAIL, "role": "member"}]}
    _, _, answer = sandbox.cline("POST", "/organizations/{org}/invites", invited)
    token = sandbox.control.invite_token(answer["data"]["items"][0]["id"])
    _, _, answer = sandbox.cline("GET", "/organizations/{org}")
    northgate = answer["data"]["name"]

    # Connect it: from the menu to the first sync.
    page.goto(home)
    page.get_by_label("your menu").locator("visible=true").click()
    page.get_by_role("link", name="Own Cline account").click()
    expect(page.get_by_text("It is yours alone")).to_be_visible()
    witness.accessible()
    page.get_by_role("button", name="Connect my account").click()
    page.get_by_role("link", name="Cline (own account)").click()
    page.get_by_label("Your own API key").fill(key)
    witness.accessible()
    page.get_by_role("button", name="Check the key").click()
    expect(page.get_by_text("See your profile and the organizations you are in")).to_be_visible()
    witness.accessible()
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_text("Connected. The first sync has begun.")).to_be_visible()
    page.get_by_role("link", name="Own account", exact=True).click()
    expect(page.get_by_text("You are in no organization")).to_be_visible()
    witness.accessible()
    account = page.url

    # What is theirs to change.
    page.get_by_role("link", name="Accept them").click()
    page.get_by_role("button", name="Accept", exact=True).click()
    expect(page.get_by_text("terms of service are not accepted yet")).to_have_count(0)
    page.get_by_role("link", name="Change profile").click()
    page.get_by_label("Name", exact=True).fill("Nora North")
    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.get_by_role("heading", name="Nora North")).to_be_visible()
    page.get_by_role("link", name="Accept an invite").click()
    page.get_by_label("Link or token of the invite").fill(
        f"https://app.cline.bot/invites/accept?token={token}"
    )
    page.get_by_role("button", name="Accept the invite").click()
    place = page.locator(".place", has_text=northgate)
    expect(place).to_be_visible()
    # Whom the provider bills from now on, it tells with the next walk: the clock would bring it.
    walk_connection(Connection.objects.get())
    page.goto(account)
    expect(place.get_by_text("active", exact=True)).to_be_visible()
    # What they use, and asking whoever is billed for more.
    page.get_by_role("link", name="Your usage").click()
    expect(page.get_by_role("heading", name="Allowance of your plan")).to_be_visible()
    witness.accessible()
    page.get_by_role("link", name="Ask for a higher cap").click()
    expect(page.get_by_text(f"The admins of {northgate} get your request.")).to_be_visible()
    page.get_by_role("button", name="Ask them").click()
    expect(page.get_by_text("Your last request")).to_be_visible()
    page.get_by_role("link", name="Single calls").click()
    expect(page.get_by_text("Not read yet.")).to_be_visible()
    witness.accessible()
    page.goto(account)
    page.get_by_role("link", name="Bill me").click()
    expect(page.get_by_text("billed to you yourself")).to_be_visible()
    page.get_by_role("button", name="Switch").click()
    expect(
        page.locator(".place", has_text="You yourself").get_by_text("active", exact=True)
    ).to_be_visible()
    page.goto(account)
    witness.accessible()
    me = sandbox.cline("GET", "/users/me", key=key)[2]["data"]
    assert (me["displayName"], bool(me["termsAcceptedAt"])) == ("Nora North", True)
    assert [one["active"] for one in me["organizations"]] == [False]

    # What applies to them, read and not changed.
    walk_connection(Connection.objects.get())
    page.goto(account)
    page.get_by_role("link", name="Look at it").click()
    expect(page.get_by_text(f"Handed out by: {northgate}")).to_be_visible()
    expect(page.get_by_role("link", name="Edit")).to_have_count(0)
    witness.accessible()
    for form in ("profile/", "join/", "activate/?to=", "token/", "delete/"):
        page.goto(f"{account}{form}")
        witness.accessible()

    # The end.
    expect(page.get_by_text("all your API keys stop")).to_be_visible()
    page.get_by_label(re.compile("to confirm")).fill(EMAIL)
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("This account is gone at the provider")).to_be_visible()
    witness.accessible()
    assert sandbox.cline("GET", "/users/me", key=key)[0] == 401
    assert Connection.objects.get().credential == ""
    page.get_by_role("link", name="Own account", exact=True).click()
    expect(page.get_by_text("No account of yours is connected")).to_be_visible()
    witness.accessible()
