"""Who pays? A centre is made, what is unallocated shrinks, the month is closed, and its file is the provider's total."""

import csv
import re
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from apps.centres import months
from apps.organizations.models import Grant
from tests.browsing import at_desk
from tests.centres.conftest import connect
from tests.factories import GrantFactory, KeyFactory, WorkspaceFactory
from tests.journeys.conftest import Witness
from tests.usage.rolled import used

pytestmark = pytest.mark.browser


@pytest.fixture
def home(transactional_db: None, live_server: Any, page: Page) -> str:
    """Olga's organization, with three keys in two workspaces; she has just signed in. No worker is needed."""
    owner: Grant = GrantFactory(user__name="Olga")
    last = months.last_whole()
    claude = connect(owner, "Claude", last)
    WorkspaceFactory(connection=claude, remote_id="w1", name="Front")
    for number, workspace, cost in ((1, "w1", "30.000000000001"), (2, "w1", "12.5"), (3, "-", "7")):
        KeyFactory(
            connection=claude,
            remote_id=f"k{number}",
            name=f"ml-{number}" if number < 3 else "batch",
            workspace=workspace.replace("-", ""),
        )
        used(claude, last.first, cost=cost, workspace=workspace, key=f"k{number}")
    address = live_server.url.replace("127.0.0.1", "localhost")
    session = at_desk(owner.user).cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": session.key, "value": session.value, "url": address}])
    return f"{address}/o/{owner.organization.slug}"


def test_who_pays(page: Page, home: str, witness: Witness) -> None:
    last = months.last_whole()
    page.goto(home + "/centres/")
    page.get_by_role("link", name="Make the first one").click()
    page.get_by_label("Name", exact=True).fill("Research")
    page.get_by_label("Code").fill("4711")
    page.get_by_role("button", name="Make it").click()
    page.get_by_label("Domain, part of the name, or tag").fill("ML-")
    page.get_by_role("button", name="See what it takes").click()
    expect(page.get_by_text("$42.50 is unallocated today")).to_be_visible()
    witness.accessible()
    page.get_by_role("button", name="Save the rule").click()
    expect(page.get_by_text("API keys whose name begins with “ml-”").first).to_be_visible()

    page.goto(home + "/centres/unallocated/")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Make a rule for batch").click()
    page.get_by_label("Cost centre", exact=True).select_option("Research (4711)")
    page.get_by_role("button", name="Give it").click()
    expect(page.get_by_text("Nothing in this month.")).to_be_visible()

    page.goto(home + "/centres/")
    page.get_by_role("link", name="Statements").click()
    page.get_by_role("link", name=last.label, exact=True).click()
    expect(page.get_by_text("49.500000000001").first).to_be_visible()
    witness.accessible()
    page.get_by_role("link", name="Close this month").click()
    page.get_by_role("button", name="Close it").click()
    expect(page.get_by_text("by Olga")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    with open(download.value.path(), encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(Decimal(row["Amount"]) for row in rows) == Decimal("49.500000000001")
    page.get_by_role("link", name=re.compile("Research")).click()
    expect(page.get_by_role("heading", name=f"Research (4711): {last.label}")).to_be_visible()
    witness.accessible()
