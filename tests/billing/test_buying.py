"""Buying credit from the page: what is refused beside the field, what is said before, and by whom."""

import re
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.audit.models import Entry
from apps.billing.models import Payment, TopUp
from apps.billing.remote import CHECKOUT_KIND, PURCHASE_KIND
from apps.organizations.models import Connection, Role
from apps.sync.models import Command, CommandState, Resource
from apps.sync.outbox import outcome
from tests.browsing import at_desk, refuse, tired
from tests.factories import (
    CommandFactory,
    ConnectionFactory,
    CreditFactory,
    GrantFactory,
    PaymentFactory,
    TopUpFactory,
    UserFactory,
    with_billing,
)

At = Callable[..., str]
NOW = timezone.now()


@pytest.fixture
def account(db: None) -> Connection:
    """An account at Cline, whose key may buy; no sandbox behind it."""
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


def form(account: Connection, **given: str) -> dict[str, str]:
    """What the form sends."""
    return {
        "connection": str(account.pk),
        "amount": "250.00",
        "way": "card",
        "nonce": str(uuid.uuid4()),
        **given,
    }


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("0", "more than nothing"),
        ("-5", "more than nothing"),
        ("1.001", "two decimals at most"),
        ("1000000.01", "At most $1,000,000.00"),
        ("100 EUR", "Enter a number"),
        ("", "This field is required"),
        ("NaN", "Enter a number"),
    ],
)
def test_a_bad_amount_is_refused_beside_its_field(
    bea: Client, at: At, account: Connection, amount: str, said: str
) -> None:
    for more in ({}, {"confirmed": "1"}):
        page = bea.post(at("buy/"), form(account, amount=amount) | more).content.decode()
        beside = page[page.index('name="amount"') :]
        assert said in beside
        assert 'aria-invalid="true"' in beside[: beside.index(">")]
    assert not Command.objects.exists()


def test_gone_back_to_and_corrected_the_form_buys_what_it_says_now(
    bea: Client, at: At, account: Connection
) -> None:
    sent = form(account, amount="250", confirmed="1")
    first = bea.post(at("buy/"), sent)
    again = bea.post(at("buy/"), sent | {"amount": "250.00"})
    assert again["Location"] == first["Location"], "the same, however it is spelled"
    waits = bea.post(at("buy/"), sent | {"amount": "25.00"})
    assert waits.status_code == 200, "one at a time, which is said beside the field"
    Command.objects.update(state=CommandState.SUCCEEDED, settled_at=timezone.now())
    other = bea.post(at("buy/"), sent | {"amount": "25.00"})
    assert other["Location"] != first["Location"]
    cents = Command.objects.order_by("pk").values_list("arguments__cents", flat=True)
    assert list(cents) == [25_000, 2_500]


def test_what_will_happen_is_said_before_it_is_asked_for(
    bea: Client, at: At, account: Connection
) -> None:
    CreditFactory(connection=account, micros=40_500_000)
    page = bea.post(at("buy/"), form(account)).content.decode()
    assert "Buy $250.00 of credit?" in page
    assert "$40.50" in page
    assert "$290.50" in page
    assert not Command.objects.exists()
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    for _twice in range(2):
        answer = bea.post(at("buy/"), hidden | {"confirmed": "1"})
        assert answer.status_code == 302
    command = Command.objects.get()
    assert (command.kind, command.is_money, command.arguments) == (
        PURCHASE_KIND,
        True,
        {"cents": 25_000},
    )
    page = bea.get(at()).content.decode()
    assert "Buy credit: $250.00" in page
    assert bea.get(answer["Location"]).status_code == 200


def test_the_providers_refusal_stands_beside_the_amount(
    bea: Client, at: At, account: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.sync.asking.await_word", refuse)
    page = bea.post(at("buy/"), form(account, confirmed="1")).content.decode()
    beside = page[page.index('name="amount"') :]
    assert Command.objects.get().error in beside
    assert 'value="250.00"' in page


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.OWNER, 200), (Role.BILLING, 200), (Role.ADMIN, 403), (Role.VIEWER, 403)],
)
def test_owners_and_billing_alone_may_spend(
    at: At, account: Connection, role: Role, status: int
) -> None:
    client = at_desk(GrantFactory(organization=account.organization, role=role).user)
    assert client.get(at("buy/")).status_code == status
    assert ("Buy credit" in client.get(at()).content.decode()) == (status == 200)
    answer = client.post(at("buy/"), form(account, confirmed="1"))
    assert Command.objects.count() == (1 if status == 200 else 0), answer.status_code


def test_buying_wants_a_fresh_sign_in(at: At, account: Connection, bea: Client) -> None:
    answer = tired(bea).post(at("buy/"), form(account, confirmed="1"))
    assert answer.status_code == 302
    assert "reauthenticate" in answer["Location"]
    assert not Command.objects.exists()


def test_a_second_person_is_waited_for_where_that_is_demanded(
    bea: Client, at: At, account: Connection
) -> None:
    account.organization.demand_second_person = True
    account.organization.save()
    assert "second person" in bea.post(at("buy/"), form(account)).content.decode()
    bea.post(at("buy/"), form(account, confirmed="1"))
    assert Command.objects.get().state == CommandState.AWAITING_APPROVAL


def test_whoever_comes_back_from_paying_finds_the_payment_and_has_it_asked_for(
    bea: Client, at: At, account: Connection
) -> None:
    bea.post(at("buy/"), form(account, way="page", confirmed="1"))
    command = Command.objects.get()
    begun = at(f"begun/{command.uid}/")
    assert command.arguments["back"].endswith(at("begun/"))
    assert "goes on by itself" in bea.get(begun).content.decode()
    later = NOW + timedelta(hours=1)
    result = {"remote_id": "pay_1", "url": "https://pay.example/checkout/1"}
    Command.objects.update(state="succeeded", results=[result])
    Resource.objects.create(connection=account, name="payment_states")
    payment = PaymentFactory(
        connection=account, remote_id=None, awaited_id="pay_1", status="pending", poll_at=later
    )
    Payment.objects.update(command=command)
    answer = bea.get(begun)
    assert answer["Location"] == at(f"payments/{payment.pk}/")
    payment.refresh_from_db()
    assert payment.poll_at is not None
    assert payment.poll_at < later
    assert Resource.objects.get().due_at is not None
    page = bea.get(answer["Location"]).content.decode()
    assert 'href="https://pay.example/checkout/1"' in page
    viewer = GrantFactory(organization=account.organization, role=Role.VIEWER).user
    assert "pay.example" not in at_desk(viewer).get(answer["Location"]).content.decode()


def opened_page(account: Connection, payment_id: str) -> Command:
    """A payment page that a worker has just opened for whoever asked."""
    command: Command = CommandFactory(
        connection=account,
        kind=CHECKOUT_KIND,
        state="sending",
        attempts=1,
        arguments={"cents": 2_500},
    )
    page = {"session": "cs_canary_session", "url": "https://pay.example/checkout/canary"}
    outcome.happened(command, {"remote_id": payment_id, **page})
    command.refresh_from_db()
    assert command.state == CommandState.SUCCEEDED
    return command


def test_the_way_to_a_payment_page_stands_in_no_audit_and_is_not_for_support(
    account: Connection,
) -> None:
    command = opened_page(account, "pay_1")
    assert command.results[-1]["url"] == "https://pay.example/checkout/canary"
    entry = Entry.objects.get(command_id=command.pk)
    assert entry.details["results"][0]["remote_id"] == "pay_1"
    owner = at_desk(GrantFactory(organization=account.organization, role=Role.OWNER).user)
    home = f"/o/{account.organization.slug}"
    support = at_desk(UserFactory(is_staff=True, second_factor=True))
    for client, address in (
        (owner, f"{home}/audit/{entry.sequence}/"),
        (owner, f"{home}/audit/?export=csv"),
        (support, reverse("admin:audit_entry_change", args=[entry.pk])),
        (support, reverse("admin:sync_command_change", args=[command.pk])),
    ):
        answer = client.get(address)
        content = b"".join(answer)  # streamed or not
        assert answer.status_code == 200, address
        assert b"pay_1" in content or b"billing.checkout.done" in content, address
        assert b"canary" not in content, address


def test_a_page_whose_payment_has_no_name_is_reached_by_whoever_may_buy(
    bea: Client, at: At, account: Connection
) -> None:
    command = opened_page(account, "")
    assert not Payment.objects.exists()
    answer = bea.get(at(f"begun/{command.uid}/"), follow=True)
    link = 'href="https://pay.example/checkout/canary"'
    assert link in answer.content.decode()
    here = answer.redirect_chain[-1][0]
    for role in (Role.VIEWER, Role.ADMIN):
        client = at_desk(GrantFactory(organization=account.organization, role=role).user)
        answer = client.get(here)
        assert answer.status_code == 200
        assert b"canary" not in answer.content
    named = opened_page(account, "pay_1")
    assert link not in bea.get(here.replace(str(command.uid), str(named.uid))).content.decode()


def test_an_account_whose_key_may_not_buy_is_not_offered(
    bea: Client, at: At, account: Connection
) -> None:
    account.capabilities["credit.buy"] = {"ok": False, "reason": "Owners alone."}
    account.save()
    assert "no account to buy credit for" in bea.get(at("buy/")).content.decode()
    bea.post(at("buy/"), form(account, confirmed="1"))
    assert not Command.objects.exists()


# --- What is bought automatically -----------------------------------------------------------------


def topping(**given: str) -> dict[str, str]:
    """What the form sends."""
    first = {"enabled": "on", "threshold": "50", "amount": "200.00", "nonce": str(uuid.uuid4())}
    return first | given


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("threshold", "", "Say how much."),
        ("threshold", "-1", "more than nothing"),
        ("amount", "0", "more than nothing"),
        ("amount", "1.001", "two decimals at most"),
    ],
)
def test_bad_amounts_of_automatic_purchases_are_refused_beside_their_fields(
    bea: Client, at: At, account: Connection, field: str, value: str, said: str
) -> None:
    TopUpFactory(connection=account)
    page = bea.post(at(f"top-up/{account.uid}/"), topping(**{field: value})).content.decode()
    assert said in page[page.index(f'name="{field}"') :]
    assert not Command.objects.exists()


def test_what_will_be_bought_is_said_in_a_sentence_before_it_is_asked_for(
    bea: Client, at: At, account: Connection
) -> None:
    TopUpFactory(connection=account, enabled=False)
    address = at(f"top-up/{account.uid}/")
    assert f'href="{address}"' in bea.get(at()).content.decode()
    assert 'value="20.00"' in bea.get(address).content.decode()
    page = bea.post(address, topping()).content.decode()
    assert "falls below $50.00, $200.00 are charged" in page
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    assert not Command.objects.exists()
    bea.post(address, hidden | {"confirmed": "1"})
    command = Command.objects.get()
    assert command.arguments == {
        "enabled": True,
        "threshold_micros": 50_000_000,
        "amount_micros": 200_000_000,
    }
    assert "Change automatic purchases" in bea.get(at()).content.decode()


def test_switching_it_off_keeps_both_amounts(bea: Client, at: At, account: Connection) -> None:
    TopUpFactory(connection=account)
    address = at(f"top-up/{account.uid}/")
    page = bea.post(address, {"nonce": str(uuid.uuid4())}).content.decode()
    assert "Buy no more credit automatically?" in page
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    bea.post(address, hidden | {"confirmed": "1"})
    command = Command.objects.get()
    assert command.arguments["enabled"] is False
    assert command.arguments["amount_micros"] == 100_000_000
    Command.objects.all().delete()
    TopUp.objects.update(enabled=False)
    page = bea.post(address, hidden | {"confirmed": "1"}).content.decode()
    assert "It is so already." in page
