"""A plan, its seats and the card: what is refused beside the field, what is said before, who is waited for."""

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.utils import timezone

from apps.billing import subscribing
from apps.billing.cards import CARD_PAGE_KIND
from apps.billing.models import Card, Subscription
from apps.billing.subscribing import CANCEL_KIND, SEATS_KIND, SUBSCRIBE_KIND
from apps.organizations.models import Connection, Role
from apps.sync import mirrors
from apps.sync.models import Command, CommandState, Resource
from apps.sync.outbox import batches, outcome
from tests.browsing import at_desk, refuse, tired
from tests.factories import (
    CommandFactory,
    ConnectionFactory,
    GrantFactory,
    InviteFactory,
    MemberFactory,
    PlanFactory,
    SubscriptionFactory,
    with_billing,
)

At = Callable[..., str]
NOW = timezone.now()


@pytest.fixture
def account(db: None) -> Connection:
    """An account at Cline, whose key may change the plan; no sandbox behind it."""
    made = with_billing(ConnectionFactory(provider="cline", name="Cline"))
    made.save()
    return made


@pytest.fixture
def bea(account: Connection) -> Client:
    """The billing role's browser, signed in just now."""
    return at_desk(GrantFactory(organization=account.organization, role=Role.BILLING).user)


@pytest.fixture
def at(account: Connection) -> At:
    """Addresses of billing."""
    return lambda path="": f"/o/{account.organization.slug}/billing/{path}"


def hold_seats(account: Connection, members: int, invites: int = 0) -> None:
    for _one in range(members):
        MemberFactory(organization=account.organization, connection=account)
    for _one in range(invites):
        InviteFactory(organization=account.organization, connection=account)


def hidden(page: str) -> dict[str, str]:
    """What a page that asks to confirm sends, and the confirmation."""
    found = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    found.pop("csrfmiddlewaretoken", None)
    return found | {"confirmed": "1"}


def beside(page: str, field: str) -> str:
    """What stands from a field on; the field must be marked as wrong."""
    rest = page[page.index(f'name="{field}"') :]
    assert 'aria-invalid="true"' in rest[: rest.index(">")]
    return rest


# --- Seats ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seats", "said"),
    [
        ("0", "At least one seat."),
        ("-3", "At least one seat."),
        ("501", "This plan has 500 seats at most."),
        ("2", "3 seats are in use (2 by members, 1 by pending invites)"),
        ("10", "It is so already."),
        ("4.5", "Enter a whole number"),
        ("", "This field is required"),
    ],
)
def test_a_bad_number_of_seats_is_refused_beside_its_field(
    bea: Client, at: At, account: Connection, seats: str, said: str
) -> None:
    SubscriptionFactory(connection=account)
    hold_seats(account, 2, 1)
    sent = {"seats": seats, "nonce": str(uuid.uuid4())}
    for more in ({}, {"confirmed": "1"}):
        page = bea.post(at(f"plans/{account.uid}/seats/"), sent | more).content.decode()
        assert said in beside(page, "seats")
    assert not Command.objects.exists()


@pytest.mark.parametrize(
    ("seats", "said"), [("13", "$60.00</strong> more"), ("7", "$60.00</strong> less")]
)
def test_what_other_seats_cost_or_save_is_said_before_they_are_asked_for_once(
    bea: Client, at: At, account: Connection, seats: str, said: str
) -> None:
    SubscriptionFactory(connection=account, period_end=datetime(2031, 3, 4, tzinfo=UTC))
    address = at(f"plans/{account.uid}/seats/")
    page = bea.get(f"{address}?seats={seats}").content.decode()
    assert f"10 → {seats}" in page
    assert said in page
    assert "4 Mar 2031" in page
    assert "the provider does not tell" in page, "proration is not guessed"
    for _twice in range(2):
        assert bea.post(address, hidden(page)).status_code == 302
    command = Command.objects.get()
    more = 3 if seats == "13" else 0
    assert (command.kind, command.is_money) == (SEATS_KIND, True)
    assert (command.arguments["seats"], command.arguments["cents"]) == (int(seats), more * 2_000)
    assert "Change the seats" in bea.get(at("plans/")).content.decode()
    outcome.happened(_sending(command), {})
    assert Subscription.objects.get().seats == int(seats)
    assert bea.post(address, hidden(page)).status_code == 302, "not held against what it has done"
    assert Command.objects.count() == 1


def _sending(command: Command) -> Command:
    Command.objects.filter(pk=command.pk).update(state=CommandState.SENDING, attempts=1)
    command.refresh_from_db()
    return command


def test_the_providers_refusal_stands_beside_the_seats_and_a_fresh_sign_in_is_asked_for(
    bea: Client, at: At, account: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    SubscriptionFactory(connection=account)
    address = at(f"plans/{account.uid}/seats/")
    sent = {"seats": "12", "nonce": str(uuid.uuid4()), "confirmed": "1"}
    monkeypatch.setattr("apps.sync.asking.await_word", refuse)
    page = bea.post(address, sent).content.decode()
    assert "The provider says no." in beside(page, "seats")
    assert 'value="12"' in page
    answer = tired(bea).post(address, sent | {"nonce": str(uuid.uuid4())})
    assert "reauthenticate" in answer["Location"]
    assert Command.objects.count() == 1


# --- Subscribing and the end ----------------------------------------------------------------------


def test_a_plan_is_bought_with_seats_for_whoever_holds_one(
    bea: Client, at: At, account: Connection
) -> None:
    plan = PlanFactory(connection=account, fee_micros=5_000_000)
    Resource.objects.create(connection=account, name="plan", completed_at=NOW)
    hold_seats(account, 3)
    address = at(f"plans/{account.uid}/subscribe/{plan.pk}/")
    assert f'href="{address}"' in bea.get(at("plans/")).content.decode()
    assert 'value="3"' in bea.get(address).content.decode(), "a seat for each who is there"
    sent = {"seats": "4", "nonce": str(uuid.uuid4())}
    page = bea.post(address, sent).content.decode()
    assert "$85.00</strong> for each interval (Monthly)" in page
    bea.post(address, hidden(page))
    command = Command.objects.get()
    assert (command.kind, command.is_money) == (SUBSCRIBE_KIND, True)
    assert command.arguments["cents"] == 8_500
    outcome.happened(_sending(command), {"remote_id": "oph_1"})
    row = Subscription.objects.get()
    assert (row.plan_id_there, row.seats, row.max_seats) == (plan.remote_id, 4, 500)
    page = bea.post(address, sent | {"nonce": str(uuid.uuid4())}).content.decode()
    assert "A plan is in force already" in beside(page, "seats")
    assert f'href="{address}"' not in bea.get(at("plans/")).content.decode()


def test_the_end_of_a_plan_wants_its_name_and_says_until_when_it_runs(
    bea: Client, at: At, account: Connection
) -> None:
    SubscriptionFactory(connection=account, period_end=datetime(2031, 3, 4, tzinfo=UTC))
    address = at(f"plans/{account.uid}/cancel/")
    assert "<strong>4 Mar 2031</strong>" in bea.get(address).content.decode()
    sent = {"typed": "Teams", "nonce": str(uuid.uuid4())}
    assert "not the name of the plan" in beside(bea.post(address, sent).content.decode(), "typed")
    bea.post(address, sent | {"typed": "Teams (Monthly)"})
    command = Command.objects.get()
    assert (command.kind, command.is_money) == (CANCEL_KIND, False)
    told = {"cancelled_at": "2031-02-01T00:00:00+00:00", "cancel_at": "2031-03-04T00:00:00+00:00"}
    outcome.happened(_sending(command), told)
    page = bea.get(at("plans/")).content.decode()
    assert "It runs on until" in page
    assert address not in page
    Subscription.objects.update(cancel_at=NOW)
    PlanFactory(connection=account)
    Resource.objects.create(connection=account, name="plan", completed_at=NOW)
    page = bea.get(at("plans/")).content.decode()
    assert "It ran until" in page
    assert "/subscribe/" in page, "what has run out makes room for another"


# --- The second person ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "seats", "seat_micros", "waits"),
    [
        (None, 100, 20_000_000, False),
        (10_000, 15, 20_000_000, False),  # exactly the amount
        (10_000, 16, 20_000_000, True),
        (0, 11, 20_000_000, True),
        (0, 9, 20_000_000, False),  # fewer seats cost nothing
        (10_000, 11, None, True),  # nobody knows
    ],
)
def test_a_second_person_is_needed_above_the_amount_that_was_set(
    bea: Client,
    at: At,
    account: Connection,
    limit: int | None,
    seats: int,
    seat_micros: int | None,
    waits: bool,
) -> None:
    account.organization.second_person_cents = limit
    account.organization.save()
    SubscriptionFactory(connection=account, seat_micros=seat_micros)
    address = at(f"plans/{account.uid}/seats/")
    assert ("second person" in bea.get(address).content.decode()) == (limit is not None)
    page = bea.get(f"{address}?seats={seats}").content.decode()
    assert ("second person must approve" in page) == waits
    bea.post(address, hidden(page))
    state = CommandState.AWAITING_APPROVAL if waits else CommandState.QUEUED
    assert Command.objects.get().state == state


@pytest.mark.parametrize(("way", "waits"), [("card", True), ("page", False)])
def test_purchases_by_card_are_held_against_the_amount(
    bea: Client, at: At, account: Connection, way: str, waits: bool
) -> None:
    account.organization.second_person_cents = 24_999
    account.organization.save()
    assert "Above $249.99 a second person" in bea.get(at("buy/")).content.decode()
    sent = {"connection": account.pk, "amount": "250", "way": way, "nonce": str(uuid.uuid4())}
    page = bea.post(at("buy/"), sent).content.decode()
    assert ("A second person must approve" in page) == waits
    bea.post(at("buy/"), sent | {"confirmed": "1"})
    state = CommandState.AWAITING_APPROVAL if waits else CommandState.QUEUED
    assert Command.objects.get().state == state


# --- The card -------------------------------------------------------------------------------------


def test_the_way_to_store_a_card_leads_back_to_what_is_stored_then(
    bea: Client, at: At, account: Connection
) -> None:
    Resource.objects.create(connection=account, name="card")
    address = at(f"card/{account.uid}/")
    assert f'href="{address}"' in bea.get(at()).content.decode()
    answer = bea.post(address, {"nonce": str(uuid.uuid4())})
    command = Command.objects.get()
    begun = at(f"begun/{command.uid}/")
    assert (command.kind, answer["Location"]) == (CARD_PAGE_KIND, begun)
    assert "goes on by itself" in bea.get(begun).content.decode()
    url = "https://pay.example/setup/canary"
    outcome.happened(_sending(command), {"session": "cs", "url": url})
    page = bea.get(begun).content.decode()
    assert f'href="{url}"' in page
    assert Resource.objects.get().due_at, "whoever comes back has it read"
    viewer = at_desk(GrantFactory(organization=account.organization, role=Role.VIEWER).user)
    assert "canary" not in viewer.get(begun).content.decode()
    seen = {"connection": account, "first_seen_at": NOW, "changed_at": NOW}
    Card.objects.create(
        remote_id="pm", brand="visa", last4="4242", expires_month=1, expires_year=2040, **seen
    )
    page = bea.get(begun).content.decode()
    assert "Visa •••• 4242</strong> is stored now" in page
    assert "canary" not in page


# --- Seats taken back -----------------------------------------------------------------------------


def test_a_batch_that_frees_seats_names_the_saving_and_then_leads_to_fewer(
    at: At, account: Connection
) -> None:
    SubscriptionFactory(connection=account)
    hold_seats(account, 6)
    idle = MemberFactory(organization=account.organization, connection=account)
    owner = GrantFactory(organization=account.organization, role=Role.OWNER).user
    client = at_desk(owner)
    answer = client.post(at("seats/reclaim/"), {"id": [idle.pk]})
    page = client.get(answer["Location"]).content.decode()
    assert "1 seat becomes free" in page
    assert "$20.00</strong> (Monthly) can be saved" in page
    command = Command.objects.get()
    batches.confirm_batch(batch=command.batch, actor=owner)
    lower = at(f"plans/{account.uid}/seats/?seats=9")
    assert lower not in client.get(answer["Location"]).content.decode(), "still on its way"
    outcome.happened(_sending(command), {})
    page = client.get(answer["Location"]).content.decode()
    assert f'href="{lower}"' in page
    assert "saves $20.00" in page
    admin = at_desk(GrantFactory(organization=account.organization, role=Role.ADMIN).user)
    page = admin.get(answer["Location"]).content.decode()
    assert lower not in page
    assert "An owner or the billing team" in page
    CommandFactory(connection=account, kind=SEATS_KIND, arguments={"seats": 9})
    page = client.get(answer["Location"]).content.decode()
    assert "changed since" in page
    assert lower not in page


def test_invites_that_the_provider_counts_and_does_not_list_are_told(
    bea: Client, at: At, account: Connection
) -> None:
    row = SubscriptionFactory(connection=account, invites_counted=3)
    hold_seats(account, 1, 1)
    assert "the provider counted 2 more than it lists" in bea.get(at("seats/")).content.decode()
    assert "2 pending invites more" in bea.get(at(f"plans/{account.uid}/seats/")).content.decode()
    assert subscribing.unlisted(row, 5) == 0
    plan = Resource.objects.create(connection=account, name="plan")
    for counted, again in ((1, False), (3, True)):
        Subscription.objects.update(invites_counted=counted)
        for listener in mirrors.listeners("invites"):
            listener(account, NOW)
        plan.refresh_from_db()
        assert (plan.due_at is not None) == again
