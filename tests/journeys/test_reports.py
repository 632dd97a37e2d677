"""Send me this every Monday: from the usage page in three steps; and a notice that is seen to."""

import re

import pytest
from django.conf import settings
from django.core import mail
from playwright.sync_api import Page, expect

from apps.notices.services import tell
from apps.organizations.models import Grant
from tests import factories
from tests.browsing import at_desk
from tests.journeys.conftest import Witness

pytestmark = [pytest.mark.browser, pytest.mark.worker]


@pytest.fixture
def owner(portal: str) -> Grant:
    """An owner with a connection that nothing was read from yet."""
    grant: Grant = factories.GrantFactory()
    factories.ConnectionFactory(organization=grant.organization)
    return grant


@pytest.fixture
def home(page: Page, portal: str, owner: Grant) -> str:
    """The organization's own address; its owner has just signed in."""
    session = at_desk(owner.user).cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": session.key, "value": session.value, "url": portal}])
    return f"{portal}/o/{owner.organization.slug}"


def test_send_me_this_every_monday(page: Page, home: str, owner: Grant, witness: Witness) -> None:
    page.goto(home + "/usage/")
    page.get_by_role("link", name="Last week").click()  # one
    expect(page).to_have_url(re.compile("range=last_week"))
    page.get_by_role("link", name="Send regularly").click()  # two
    expect(page.get_by_label("When")).to_have_value("week:0")
    witness.accessible()
    page.get_by_role("button", name="Send it regularly").click()  # three
    expect(page.get_by_text("Every Monday at 08:00 (UTC)")).to_be_visible()

    page.get_by_role("button", name="Send now").click()
    expect(page.locator("#runs").get_by_text("Sent", exact=True)).to_be_visible()
    witness.accessible()
    (sent,) = mail.outbox
    assert sent.to == [owner.user.email]
    assert "Last week" in sent.body
    assert sent.attachments

    tell(
        topic="reports.stopped",
        organization=owner.organization,
        cause="1",
        title="Something stopped",
        text="Look at it.",
        url=f"/o/{owner.organization.slug}/reports/",
    )
    page.goto(home + "/reports/")
    witness.accessible()
    page.get_by_role("link", name="1 notice that you have not read").click()
    page.get_by_role("link", name="Something stopped").click()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("link", name="Notices: none that you have not read")).to_be_visible()
    witness.accessible()
    page.goto(home + "/notices/")
    witness.accessible()
