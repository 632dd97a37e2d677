"""Support views as an owner: the banner is there, a write is refused, and the owner reads of it."""

from typing import Any

import pytest
from django.conf import settings
from django.urls import reverse
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from apps.organizations.models import Organization, Role
from tests import factories
from tests.browsing import at_desk
from tests.journeys.conftest import Witness

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def sit_down(page: Page, user: User, url: str) -> None:
    """The browser is now the user's, signed in just now."""
    session = at_desk(user).cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": session.key, "value": session.value, "url": url}])


def test_support_looks_as_an_owner_and_the_owner_reads_of_it(
    page: Page, live_server: Any, witness: Witness
) -> None:
    grant = factories.GrantFactory(
        organization=factories.OrganizationFactory(
            name="Acme", slug="acme", support_may_view_as=True
        ),
        user=factories.UserFactory(name="Ada", second_factor=True),
        role=Role.OWNER,
    )
    sam = factories.UserFactory(name="Sam", is_staff=True, leads_support=True, second_factor=True)
    sit_down(page, sam, live_server.url)
    page.goto(live_server.url + reverse("admin:accounts_user_change", args=[grant.user.pk]))
    page.get_by_role("link", name="View as").click()
    page.get_by_label("Organization", exact=True).select_option("Acme")
    page.get_by_label("Reason").fill("They cannot find the settings.")
    page.get_by_role("button", name="View as").click()
    banner = page.get_by_role("complementary", name="Viewing as somebody else")
    expect(banner).to_contain_text("Sam views as Ada")
    expect(banner).to_contain_text("They cannot find the settings.")
    page.goto(f"{live_server.url}/o/acme/settings/")
    witness.accessible()
    page.get_by_label("Name", exact=True).fill("Eve")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("nothing can be changed")).to_be_visible()
    expect(banner).to_be_visible()
    # The browser's own line about the refusal, and nothing else.
    assert len(witness.complaints) == 1, witness.complaints
    assert "403" in witness.complaints.pop()
    assert Organization.objects.get().name == "Acme"
    banner.get_by_role("button", name="End").click()
    expect(page.get_by_text("You no longer view as Ada")).to_be_visible()

    sit_down(page, grant.user, live_server.url)
    page.goto(f"{live_server.url}/o/acme/notices/")
    page.get_by_role("link", name="Sam of support views as Ada").first.click()
    expect(page.get_by_text("They cannot find the settings.")).to_be_visible()
    witness.accessible()
