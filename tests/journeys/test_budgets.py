"""A budget crosses 80 %: it says so once, by mail and under the bell, and somebody sees to it."""

import re
import time
from datetime import UTC

import pytest
from django.conf import settings
from django.core import mail
from django.utils import timezone
from playwright.sync_api import Page, expect

from apps.kicks import kick
from apps.notices.models import Notice
from apps.organizations.models import Connection
from tests import factories
from tests.browsing import at_desk
from tests.incidents.spending import back
from tests.journeys.conftest import Witness
from tests.usage.rolled import read, report, used

pytestmark = [pytest.mark.browser, pytest.mark.worker]


@pytest.fixture
def claude(portal: str) -> Connection:
    """An account whose usage is read; $75 were spent this month."""
    grant = factories.GrantFactory()
    made: Connection = factories.ConnectionFactory(organization=grant.organization, name="Claude")
    days = [back(number) for number in range(40)]
    report(made, days[-1])
    read(made, *days)
    used(made, timezone.now().astimezone(UTC).date(), cost="75")
    return made


def test_a_budget_crosses_a_threshold_and_says_so_once(
    page: Page, portal: str, claude: Connection, witness: Witness
) -> None:
    owner = claude.organization.grants.get().user
    session = at_desk(owner).cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": session.key, "value": session.value, "url": portal}])
    home = f"{portal}/o/{claude.organization.slug}"
    page.goto(home + "/budgets/")
    page.get_by_role("link", name="Make a budget").click()
    page.get_by_label("Name").fill("Research")
    page.get_by_label("For", exact=True).select_option(label="Claude")
    page.get_by_label("Amount", exact=True).fill("100")
    page.get_by_label("Tell at").fill("80, 100")
    witness.accessible()
    page.get_by_role("button", name="Make the budget").click()
    expect(page.get_by_text("of $100.00, 75%")).to_be_visible()
    expect(page.locator("figure[data-chart] svg").first).to_be_visible()
    witness.accessible()
    assert not Notice.objects.exists()

    used(claude, timezone.now().astimezone(UTC).date(), cost="10", model="claude-opus-4-6")
    for _ in range(2):
        kick("walks.look_at_budgets", claude.pk)
    deadline = time.monotonic() + 60
    while not Notice.objects.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    page.goto(home + "/budgets/")
    expect(page.get_by_text("Over 80%").first).to_be_visible()
    witness.accessible()
    bell = page.get_by_role("link", name="1 notice that you have not read")
    bell.click()
    page.get_by_role("link", name=re.compile("Research: 80% of")).click()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("link", name="Notices: none that you have not read")).to_be_visible()
    page.get_by_role("link", name="Look at it").click()
    expect(page.get_by_text("acknowledged by")).to_be_visible()
    (sent,) = mail.outbox
    assert "Research: 80% of $100.00 is spent" in sent.subject
    assert "$85.00 of $100.00 was spent" in sent.body
