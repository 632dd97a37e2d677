"""Why did yesterday cost so much? From the overview to the key that did it, and off with it, in three steps."""

import re
from datetime import UTC, timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Page, expect

from apps.keys.models import Key
from apps.usage.models import Report
from tests.browsing import at_desk
from tests.desk import Desk, open_desk
from tests.incidents.spending import evenly, look, spend
from tests.journeys.conftest import Witness
from tests.sandbox_server import SandboxServer
from tests.usage.rolled import read, report, used

pytestmark = [pytest.mark.browser, pytest.mark.worker]


@pytest.fixture
def desk(portal: str, sandbox: SandboxServer) -> Desk:
    """An owner's desk with an account at each provider, walked whole."""
    made = open_desk(sandbox)
    made.walk("anthropic")
    return made


@pytest.fixture
def home(page: Page, portal: str, desk: Desk) -> str:
    """The organization's own address; its owner has just signed in."""
    session = at_desk(desk.owner).cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": session.key, "value": session.value, "url": portal}])
    return f"{portal}/o/{desk.organization.slug}"


@pytest.fixture
def runaway(desk: Desk) -> Key:
    """A key that spent most of yesterday's money, among others."""
    connection = desk.connections["anthropic"]
    today = timezone.now().astimezone(UTC).date()
    days = [today - timedelta(days=number) for number in range(8)]
    report(connection, days[-1])
    read(connection, *days)
    keys = list(Key.objects.filter(connection=connection, status="active").order_by("pk")[:3])
    for day in days:
        for place, key in enumerate(keys):
            spent = "900" if place == 1 and day == days[1] else "3"
            counts = {"output": 1000, "cache_read": 400}
            used(connection, day, cost=spent, counts=counts, key=str(key.remote_id))
    return keys[1]


def test_why_did_yesterday_cost_so_much(
    page: Page, home: str, witness: Witness, runaway: Key
) -> None:
    page.goto(home + "/")
    page.get_by_role("link", name=re.compile("Cost today")).click()  # one
    figure = page.locator("figure[data-chart]")
    expect(figure.locator("svg").first).to_be_visible()
    expect(page.locator("tbody a.row-link").first).to_have_text(str(runaway))
    witness.accessible()

    # By keyboard and by ear: from today a day back, then up to its largest part.
    plot = figure.get_by_role("application")
    plot.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    said = figure.locator("[data-chart-say]")
    expect(said).to_contain_text("$906.00")
    page.keyboard.press("ArrowUp")
    expect(said).to_contain_text(f"{runaway}: $900.00")
    with page.expect_download() as download:
        figure.get_by_role("button", name="PNG").click()
    assert download.value.suggested_filename == "usage-chart.png"
    figure.get_by_role("button", name=str(runaway)).click()
    expect(figure.get_by_role("button", name=str(runaway))).to_have_attribute(
        "aria-pressed", "false"
    )

    # A choice changes the page where it stands, and its address; the chart is drawn anew.
    page.get_by_label("Show").select_option("tokens")
    expect(page).to_have_url(re.compile("show=tokens"))
    expect(page.get_by_role("heading", name="Tokens by day")).to_be_visible()
    expect(page.locator("figure[data-chart] svg").first).to_be_visible()
    page.get_by_label("To", exact=True).fill("2020-01-01")
    expect(page.get_by_text("The end lies before the start.")).to_be_visible()
    witness.accessible()
    with page.expect_event("load"):  # a page that htmx has changed comes anew
        page.go_back()
    expect(page.get_by_text("The end lies before the start.")).to_be_hidden()

    page.goto(home + "/usage/?range=7d&group=key")
    page.get_by_role("link", name=f"The page of {runaway}").click()  # two
    page.get_by_role("button", name="Deactivate").click()  # three
    expect(page.get_by_text("Inactive").first).to_be_visible()
    witness.accessible()
    page.goto(home + "/claude-code/")
    witness.accessible()


def test_what_is_far_off_leads_to_the_key_and_off_with_it(
    page: Page, home: str, witness: Witness, desk: Desk
) -> None:
    """From the overview to the incident, to the key's end: three steps, the last one asked for first."""
    connection = desk.connections["anthropic"]
    today = timezone.now().astimezone(UTC).date()
    days = [today - timedelta(days=number) for number in range(36)]
    report(connection, days[-1])
    Report.objects.filter(connection=connection).update(backfilled_at=timezone.now())
    read(connection, *days)
    key = Key.objects.filter(connection=connection, status="active").order_by("pk")[0]
    told = {"key": str(key.remote_id), "workspace": str(key.workspace or "-")}
    spend(connection, {**evenly(12, first=35), 1: 900}, **told)
    (incident,) = look(connection)

    page.goto(home + "/")
    card = page.get_by_role("link", name=re.compile("Open incident"))
    expect(card).to_contain_text(f"{key}: ≈ $900.00")
    card.click()  # one
    expect(page.get_by_role("heading", name=str(key), level=1)).to_be_visible()
    expect(page.locator("figure[data-chart] svg").first).to_be_visible()
    witness.accessible()
    page.get_by_role("link", name="Deactivate the key").click()  # two
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("is refused from then on")
    witness.accessible()
    dialog.get_by_role("button", name="Deactivate").click()  # three
    expect(page.get_by_text("Is inactive already.")).to_be_visible()
    page.get_by_role("link", name="Resolve").click()
    page.get_by_role("dialog").get_by_label("What was it?").fill("A loop in the importer.")
    page.get_by_role("dialog").get_by_role("button", name="Resolve").click()
    expect(page.get_by_text("A loop in the importer.")).to_be_visible()
    page.goto(f"{home}/incidents/?view=all")
    expect(page.get_by_text("1 incident", exact=True)).to_be_visible()
    witness.accessible()
    incident.refresh_from_db()
    assert incident.state == "resolved"
