"""Money of a person's own account under faults: charged once at most, and sent again by nobody's leave but theirs."""

import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from apps.billing import cards, services
from apps.billing.models import Payment
from apps.organizations.models import Connection
from apps.providers.guard import worker_scope
from apps.sync.models import Command, CommandState
from apps.sync.outbox import requests
from apps.sync.walk import walk
from tests.desk import Desk
from tests.faults.billing_changes import own_account_with_card
from tests.faults.conftest import Workers, timeline
from tests.faults.own_account_changes import key_of
from tests.sync.remote import resource_of

S = CommandState
pytestmark = pytest.mark.django_db(transaction=True)
_numbers = itertools.count(1)


class Own:
    """Somebody with an account of their own, and what the sandbox says of it."""

    def __init__(self, desk: Desk) -> None:
        self.desk, number = desk, next(_numbers)
        self.connection: Connection = own_account_with_card(desk, f"own{number}@northgate.example")
        self.user: Any = self.connection.organization.personal_of
        self.began = desk.sandbox.control.journal_end()

    def buy(self) -> Command:
        """Ask for a purchase."""
        return services.purchase(
            connection=self.connection,
            amount=Decimal("25.00"),
            actor=self.user,
            nonce=f"own {next(_numbers)}",
        )

    def charge(self) -> None:
        """Buy past the portal."""
        path = f"/users/{self.connection.remote_organization_id}/credits/purchase"
        key = key_of(self.connection)
        assert self.desk.sandbox.cline("POST", path, {"amountCents": 2_500}, key=key)[0] == 201

    def payments(self) -> list[dict[str, Any]]:
        """As the provider lists them."""
        self.desk.sandbox.control.clear_faults()
        path = f"/users/{self.connection.remote_organization_id}/payments"
        answer = self.desk.sandbox.cline("GET", path, key=key_of(self.connection))[2]
        found: list[dict[str, Any]] = answer["data"]["paymentTransactions"]
        return found

    def read_payments(self) -> None:
        """A whole walk."""
        with worker_scope():
            run = walk(resource_of(self.connection, "payments").pk)
        assert run is not None


@pytest.fixture
def own(desk: Desk) -> Own:
    """Somebody new for each test: payments of others are nobody's business here."""
    return Own(desk)


@pytest.fixture
def lost(own: Own, workers: Workers) -> Command:
    """A purchase of theirs of which nobody can tell whether it has happened."""
    command = own.buy()
    own.desk.sandbox.control.fault("purchase_user_credits", "reset_before")
    workers.settle(command)
    assert command.state == S.OPERATOR, timeline(command)
    return command


@pytest.mark.parametrize("trouble", ["", "reset_after", "garbage", "429"])
def test_an_own_purchase_is_charged_once_at_most(own: Own, workers: Workers, trouble: str) -> None:
    command = own.buy()
    assert (command.kind, command.is_money) == ("billing.own_purchase", True)
    if trouble:
        own.desk.sandbox.control.fault("purchase_user_credits", trouble)
    with pytest.raises(requests.TargetBusy):
        own.buy()
    workers.settle(command)
    assert command.attempts == 1
    there = own.payments()
    if trouble == "429":
        assert (command.state, there) == (S.OPERATOR, [])
        return
    assert command.state == S.SUCCEEDED, timeline(command)
    (payment,) = there
    row = Payment.objects.get(connection=own.connection)
    assert (row.remote_id, row.command) == (payment["id"], command)
    assert row.amount_micros == payment["amountCents"] * 10_000 == 25_000_000


def test_nobody_sends_own_money_again_who_has_not_read_the_payments_since(
    own: Own, workers: Workers, lost: Command
) -> None:
    with pytest.raises(requests.RequestRefused, match="have not been read since"):
        requests.resend(command=lost, actor=own.user)
    own.read_payments()
    again = requests.resend(command=lost, actor=own.user)
    lost.refresh_from_db()
    assert (lost.state, again.state) == (S.CANCELLED, S.QUEUED), (
        "there is no second person to wait for"
    )
    workers.settle(again)
    assert again.state == S.SUCCEEDED, timeline(again)
    assert len(own.payments()) == 1
    with pytest.raises(requests.RequestRefused, match="buy anew"):
        requests.ask_again(command=lost, actor=own.user, nonce="behind the back")


def test_a_payment_that_appeared_meanwhile_keeps_it_from_being_sent_again(
    own: Own, workers: Workers, lost: Command
) -> None:
    own.read_payments()
    own.charge()
    again = requests.resend(command=lost, actor=own.user)
    workers.settle(again)
    assert again.state == S.REJECTED, timeline(again)
    assert "may be the first one" in again.error
    assert again.attempts == 0
    third = requests.ask_again(command=again, actor=own.user, nonce="once more")
    workers.settle(third)
    assert third.state == S.REJECTED
    assert len(own.payments()) == 1
    anew = own.buy()
    workers.settle(anew)
    assert anew.state == S.SUCCEEDED, "a purchase of its own is one"


@pytest.mark.parametrize("trouble", ["reset_after", "garbage"])
@pytest.mark.parametrize("name", ["checkout", "card"])
def test_a_page_whose_address_was_lost_is_opened_anew(
    own: Own, workers: Workers, name: str, trouble: str
) -> None:
    common: dict[str, Any] = {
        "connection": own.connection,
        "actor": own.user,
        "nonce": name + trouble,
    }
    ask: dict[str, Callable[[], Command]] = {
        "checkout": lambda: services.checkout(
            amount=Decimal("12.00"), back="https://portal.example/begun/", **common
        ),
        "card": lambda: cards.open_page(back="https://portal.example/card/", **common),
    }
    operations = {
        "checkout": "create_user_credit_checkout",
        "card": "create_user_payment_method_setup_session",
    }
    command = ask[name]()
    own.desk.sandbox.control.fault(operations[name], trouble)
    workers.settle(command)
    assert command.state == S.SUCCEEDED, timeline(command)
    assert "/checkout/" in command.results[-1]["url"]
    assert own.payments() == [], "nothing is charged by a page"
    assert Payment.objects.filter(command=command).count() == (1 if name == "checkout" else 0)
