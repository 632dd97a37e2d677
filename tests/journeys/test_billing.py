"""Credit is topped up in three steps, on the provider's page and by the stored card, and shows at once, with
the worker dead after the money was taken too. Seats that nobody uses are taken back and paid for no more."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from apps.billing.models import Payment
from apps.organizations.models import Role
from apps.sync import schedule
from apps.sync.models import Command
from apps.sync.outbox import delivery, turns
from tests.billing.conftest import walk_now
from tests.browsing import at_desk
from tests.desk import Desk, open_desk
from tests.factories import GrantFactory, with_billing
from tests.journeys.conftest import Witness
from tests.sandbox_server import SandboxServer
from tests.sync.remote import resource_of

pytestmark = [pytest.mark.browser, pytest.mark.worker]
LISTINGS = ("credit", "payments", "payment_states", "top_up", "card", "promotions", "plan", "plans")


@pytest.fixture
def desk(portal: str, sandbox: SandboxServer) -> Desk:
    """A desk whose account at Cline may be read and spent from."""
    made = open_desk(sandbox)
    with_billing(made.connections["cline"]).save()
    for name in LISTINGS:
        resource_of(made.connections["cline"], name)
    return made


@pytest.fixture
def home(page: Page, portal: str, desk: Desk) -> str:
    """Billing's own address; Bea of the billing team has just signed in."""
    as_whom(page, portal, GrantFactory(organization=desk.organization, role=Role.BILLING).user)
    return f"{portal}/o/{desk.organization.slug}/billing/"


def as_the_clock_does(page: Page, words: str) -> None:
    """Hand out what is due, as beat does, until the page says ``words``."""
    until = time.monotonic() + 60
    while not page.get_by_text(words).first.is_visible():
        assert time.monotonic() < until, page.locator("main").inner_text()
        schedule.start_due()
        turns.hand_out_everywhere()
        page.wait_for_timeout(200)


class _Died(Exception):
    """The worker that has just had the provider's answer."""


@pytest.fixture
def dying(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have the worker die once, after the provider has taken money and before that is written down."""
    settings.OUTBOX_LEASE_SECONDS = settings.PROVIDER_CALL_DEADLINE = 2.0
    settings.OUTBOX_MONEY_QUIET_SECONDS = settings.OUTBOX_KICK_AGAIN_SECONDS = 0.2

    def die(name: str, command: Command) -> None:
        if name == "answered" and command.is_money and command.attempts == 1:
            hooks.remove(die)
            raise _Died

    hooks: list[Any] = []
    monkeypatch.setattr(delivery, "checkpoint_hooks", hooks)
    return lambda: hooks.append(die)


def as_whom(page: Page, portal: str, user: User) -> None:
    """Sign ``user`` in with this browser."""
    session = at_desk(user).cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": session.key, "value": session.value, "url": portal}])


def test_credit_is_bought_on_the_providers_page_and_by_the_card(
    page: Page,
    home: str,
    portal: str,
    witness: Witness,
    desk: Desk,
    sandbox: SandboxServer,
    dying: Callable[[], None],
) -> None:
    page.goto(home)
    page.get_by_role("link", name="Buy credit").click()
    witness.accessible()
    page.get_by_label("Amount in USD").fill("61.20")
    page.get_by_role("button", name="Go on").click()  # one
    expect(page.get_by_role("heading", name="Buy $61.20 of credit?")).to_be_visible()
    witness.accessible()
    page.get_by_role("button", name="Open the payment page").click()  # two
    expect(page.get_by_text("waits for somebody to pay").first).to_be_visible()
    page.get_by_role("link", name="Go to the payment page").click()
    page.get_by_role("button", name="4242").click()  # three
    expect(page.get_by_role("heading", name="Payment of $61.20")).to_be_visible()
    as_the_clock_does(page, "$61.20 of credit were bought")
    witness.accessible()
    (paid,) = Payment.objects.filter(amount_micros=61_200_000)
    assert (paid.status, paid.remote_id) == ("completed", paid.awaited_id)

    page.goto(f"{home}buy/")
    page.get_by_label("Amount in USD").fill("83.45")
    page.get_by_label("How it is paid").select_option("card")
    page.get_by_role("button", name="Go on").click()
    dying()
    page.get_by_role("button", name="Charge $83.45").click()
    as_the_clock_does(page, "$83.45 of credit were bought")
    as_the_clock_does(page, "Completed")
    expect(page.get_by_text("Outcome unknown").first).to_be_visible()
    listed = sandbox.cline("GET", "/organizations/{org}/payments")[2]["data"]
    amounts = [one["amountCents"] for one in listed["paymentTransactions"]]
    assert (amounts.count(6_120), amounts.count(8_345)) == (1, 1)
    for place in ("", "payments/", "plans/", "seats/", "../spend/", "../spend/reconciliation/"):
        page.goto(home + place)
        witness.accessible()

    as_whom(page, portal, desk.owner)
    walk_now(desk.connections["cline"], "members", "plan")
    before = sandbox.cline("GET", "/organizations/{org}/plan")[2]["data"]
    page.goto(f"{home}seats/?idle=30")
    rows = page.locator("tbody tr").filter(has_text="Member")
    for number in range(2):
        rows.nth(number).get_by_role("checkbox").check()
    page.get_by_role("button", name="Take their seats back").click()  # one
    expect(page.get_by_text("2 seats become free")).to_be_visible()
    witness.accessible()
    page.get_by_role("button", name="Make 2 changes").click()  # two
    page.get_by_role("link", name="seats only (saves $40.00)").click()
    fewer = before["seats"] - 2
    expect(page.get_by_role("heading", name=f"Pay for {fewer} seats from now on?")).to_be_visible()
    witness.accessible()
    page.get_by_role("button", name=f"Pay for {fewer} seats").click()  # three
    expect(page.get_by_text("$40.00")).not_to_be_visible()
    as_the_clock_does(page, f"{fewer} (")
    after = sandbox.cline("GET", "/organizations/{org}/plan")[2]["data"]
    assert (after["seats"], after["seatsUsed"]) == (fewer, before["seatsUsed"] - 2)
