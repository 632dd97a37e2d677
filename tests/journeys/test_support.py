"""Support finds whoever is on the line among 200 customers and sends the right link; adopts a stuck purchase."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import storages
from django.utils import timezone
from playwright.sync_api import Page, expect

from apps.billing.models import Payment
from apps.invites.models import Invite
from apps.members.models import Person
from apps.organizations.models import Organization
from apps.sync.models import Command, CommandState
from tests import factories
from tests.browsing import at_desk
from tests.journeys.conftest import PHONE, Witness

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def sit_down(page: Page, address: str, user: Any) -> None:
    """Have the browser be ``user``'s."""
    page.context.clear_cookies()
    session = at_desk(user).cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": session.key, "value": session.value, "url": address}])


def fits(page: Page) -> bool:
    """Whether nothing is wider than a phone."""
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    return not page.evaluate(wide)


def test_support_sends_the_right_link_and_adopts_a_stuck_purchase(
    page: Page, live_server: Any, witness: Witness
) -> None:
    storages["staticfiles"]
    home, now = live_server.url, timezone.now()
    sam = factories.UserFactory(
        is_staff=True, leads_support=True, second_factor=True, email="sam@orgdesk.example"
    )
    others = Organization.objects.bulk_create(
        Organization(name=f"Customer {n}", slug=f"customer-{n}") for n in range(200)
    )
    Person.objects.bulk_create(
        Person(organization=one, email=f"ada{one.pk}@acme.example", name="Ada") for one in others
    )
    owner = factories.GrantFactory(organization=others[77], user__email="boss@acme.example").user
    connection = factories.ConnectionFactory(
        organization=others[77], name="Cline", provider="cline"
    )
    person = others[77].people.get()
    factories.InviteFactory(
        connection=connection,
        person=person,
        state=Invite.State.EXPIRED,
        expires_at=now - timedelta(days=2),
    )
    purchase: Command = factories.CommandFactory(
        connection=connection,
        kind="billing.purchase",
        target="billing:credit",
        label="Cline",
        is_money=True,
        state=CommandState.OPERATOR,
        arguments={"cents": 5_000},
        candidates=[{"id": "pay_7", "label": "$50.00, completed"}],
        error="Nobody can tell whether one is this.",
        sent_at=now,
        actor=owner,
    )

    # Found, seen, sent: three steps.
    sit_down(page, home, sam)
    page.goto(f"{home}/admin/")
    page.get_by_label("Find in all organizations").fill(person.email)
    page.get_by_role("button", name="Find").click()
    row = page.get_by_role("listitem").filter(has_text=person.email).filter(has_text="Customer 77")
    row.first.get_by_role("link", name="What is wrong?").click()
    expect(page.get_by_text("The invite to Cline has expired")).to_be_visible()
    page.set_viewport_size(PHONE)
    assert fits(page)
    section = page.locator("section").filter(has_text="The invite to Cline has expired")
    letter = section.get_by_role("link", name="Send it to boss@acme.example").get_attribute("href")
    link = section.locator("a[data-link]").get_attribute("href")
    assert letter is not None
    assert link is not None
    assert letter.startswith("mailto:boss@acme.example?")
    assert link.rpartition("/o/")[2].replace("/", "%2F") in letter.replace("/", "%2F")

    sit_down(page, home, owner)
    page.goto(link)
    expect(page.get_by_role("button", name="Resend")).to_be_visible()

    # What stands still, with its evidence; then adopted.
    sit_down(page, home, sam)
    page.goto(f"{home}/admin/stuck/")
    assert fits(page)
    page.get_by_role("link", name="What now?").click()
    expect(page.get_by_text("$50.00, completed (pay_7)")).to_be_visible()
    assert fits(page)
    page.get_by_role("link", name="Adopt what it made").click()
    page.get_by_label("What it made").select_option("pay_7")
    page.get_by_role("button", name="Adopt").click()
    expect(page.get_by_text("Adopt: done.")).to_be_visible()
    purchase.refresh_from_db()
    assert purchase.state == CommandState.SUCCEEDED
    assert Payment.objects.get(remote_id="pay_7").command == purchase
