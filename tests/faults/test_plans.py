"""A plan, its seats and its end under faults: bought once at most, and never sent again by a machine."""

import json
import signal
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from apps.billing import cards, subscribing
from apps.billing.models import Subscription
from apps.sync.models import Command, CommandState
from apps.sync.outbox import requests
from tests.desk import Desk
from tests.doomed import Nursery
from tests.factories import PlanFactory, SubscriptionFactory, with_billing
from tests.faults.conftest import Workers, timeline
from tests.sandbox_server import call

S = CommandState
pytestmark = pytest.mark.django_db(transaction=True)
ORG = "/organizations/{org}"
BACK = "https://portal.example/o/acme/billing/begun/"
SUBSCRIBE, SEATS, CANCEL = "subscribe", "seats", "cancel"
OPERATIONS = {
    SUBSCRIBE: "subscribe_organization_plan",
    SEATS: "set_organization_plan_seats",
    CANCEL: "cancel_organization_plan",
}
# Trouble → whether it has happened at the provider all the same.
TROUBLES = {
    "reset_before": False,
    "reset_after": True,
    "429": False,
    "garbage": True,
}


@dataclass
class Plan:
    """What was asked for, and what the sandbox says of it."""

    desk: Desk
    what: str
    command: Command
    seats: int

    def there(self) -> dict[str, Any]:
        """The plan that the sandbox has."""
        self.desk.sandbox.control.clear_faults()
        found: dict[str, Any] = self.desk.sandbox.cline("GET", f"{ORG}/plan")[2]["data"]
        return found

    def effects(self) -> int:
        """How often the sandbox has done it."""
        journal = self.desk.sandbox.control.journal(effect=True)
        return sum(one["operation_id"] == OPERATIONS[self.what] for one in journal)

    def assert_done_once(self) -> None:
        """Once there, and the mirror shows it."""
        assert self.command.state == S.SUCCEEDED, timeline(self.command)
        assert self.effects() == 1
        there, row = self.there(), Subscription.objects.get(connection=self.command.connection)
        assert row.seats == there["seats"] == self.seats
        assert row.plan_id_there == there["plan"]["id"]
        assert bool(row.cancelled_at) == bool(there.get("canceledAt")) == (self.what == CANCEL)
        if self.what == SUBSCRIBE:
            assert self.command.remote_id == there["planHistoryId"]


def ask(desk: Desk, what: str) -> Plan:
    """Put the plan into the mirror, and ask for its change."""
    connection = with_billing(desk.connections["cline"])
    connection.save()
    held = desk.sandbox.cline("GET", f"{ORG}/plan")[2]["data"]
    by: dict[str, Any] = {"actor": desk.owner, "nonce": what}
    if what == SUBSCRIBE:
        desk.sandbox.control.settings(connection.remote_organization_id, plan=None)
        plan = PlanFactory.create(connection=connection, remote_id=held["plan"]["id"])
        seats = held["seatsUsed"] + 4
        return Plan(desk, what, subscribing.subscribe(plan=plan, seats=seats, **by), seats)
    row = SubscriptionFactory.create(
        connection=connection,
        remote_id=connection.remote_organization_id,
        plan_id_there=held["plan"]["id"],
        seats=held["seats"],
    )
    if what == SEATS:
        seats = held["seats"] + 1
        return Plan(desk, what, subscribing.set_seats(row=row, seats=seats, **by), seats)
    return Plan(desk, what, subscribing.cancel(row=row, **by), held["seats"])


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("what", [SUBSCRIBE, SEATS, CANCEL])
def test_whatever_becomes_of_the_answer_it_is_bought_once_at_most(
    desk: Desk, workers: Workers, what: str, trouble: str
) -> None:
    plan = ask(desk, what)
    desk.sandbox.control.fault(OPERATIONS[what], trouble)

    workers.settle(plan.command)

    if TROUBLES[trouble] or what == CANCEL:
        plan.assert_done_once()
        return
    assert plan.command.attempts == 1, "sent again"
    assert plan.command.state == S.OPERATOR, timeline(plan.command)
    assert plan.effects() == 0
    assert "not sent again by itself" in plan.command.error
    again = requests.resend(command=plan.command, actor=desk.owner)
    assert again.state == S.AWAITING_APPROVAL


@pytest.mark.parametrize("die_at", ["sending", "answered"])
@pytest.mark.parametrize("what", [SUBSCRIBE, SEATS, CANCEL])
def test_a_killed_worker_buys_once_at_most(
    desk: Desk, workers: Workers, nursery: Nursery, what: str, die_at: str
) -> None:
    plan = ask(desk, what)
    workers.kicked.clear()
    assert nursery.carry([plan.command.pk], die_at=die_at) == [-signal.SIGKILL]
    workers.settle(plan.command)
    if die_at == "answered" or what == CANCEL:
        plan.assert_done_once()
    else:  # not a byte has left, which nobody can tell from the outside
        assert plan.command.state == S.OPERATOR
        assert plan.effects() == 0


@pytest.mark.parametrize("what", [SUBSCRIBE, SEATS])
def test_what_changed_at_the_provider_meanwhile_is_not_changed_again(
    desk: Desk, workers: Workers, what: str
) -> None:
    plan = ask(desk, what)
    if what == SUBSCRIBE:
        body = {"planId": plan.command.arguments["plan"], "seats": plan.seats}
        assert desk.sandbox.cline("POST", f"{ORG}/plan", body)[0] == 201
    else:
        body = {"seats": plan.seats + 5}
        assert desk.sandbox.cline("PUT", f"{ORG}/plan/seats", body)[0] == 200
    workers.settle(plan.command)
    assert plan.command.state == S.REJECTED
    assert plan.effects() == 1, "somebody else's"
    assert plan.command.attempts == 0


@pytest.mark.parametrize("what", [SUBSCRIBE, SEATS])
def test_a_declined_card_is_told_in_the_providers_words(
    desk: Desk, workers: Workers, what: str
) -> None:
    plan = ask(desk, what)
    page = desk.sandbox.cline("POST", f"{ORG}/payment-method/setup-session", {})[2]["data"]["url"]
    call(desk.sandbox.base_url, "POST", urlsplit(page).path, b"outcome=decline")
    workers.settle(plan.command)
    assert plan.command.state == S.REJECTED
    assert "your card was declined" in plan.command.error
    assert plan.effects() == 0


@pytest.mark.parametrize("trouble", ["reset_after", "500"])
def test_the_page_of_a_card_is_opened_anew_where_its_address_was_lost(
    desk: Desk, workers: Workers, trouble: str
) -> None:
    connection = with_billing(desk.connections["cline"])
    connection.save()
    command = cards.open_page(connection=connection, back=BACK, actor=desk.owner, nonce="card")
    operation = "create_organization_payment_method_setup_session"
    desk.sandbox.control.fault(operation, trouble)
    workers.settle(command)
    assert command.state == S.SUCCEEDED, timeline(command)
    assert "/checkout/cs_test_" in command.results[-1]["url"]
    journal = desk.sandbox.control.journal(operation=operation)
    assert f"{BACK}{command.uid}/" in json.dumps(journal[-1]["arguments"])
