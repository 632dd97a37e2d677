"""Money under every fault: charged once at most, found again where an answer was lost, never sent again."""

import itertools
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection as database

from apps.audit.models import Entry
from apps.billing import services
from apps.billing.models import Payment
from apps.organizations.models import Role
from apps.sync.models import Command, CommandState
from apps.sync.outbox import requests
from tests.desk import Desk
from tests.doomed import Nursery
from tests.factories import GrantFactory, with_billing
from tests.faults.conftest import Workers, timeline
from tests.faults.test_faults import SURVIVED, Trouble
from tests.faults.test_key_creation import AGAIN, MADE

S = CommandState
pytestmark = pytest.mark.django_db(transaction=True)
ORG = "/organizations/{org}"
BACK = "https://portal.example/o/acme/billing/begun/"
_numbers = itertools.count(1)
# One of each kind: money is treated alike whatever the status.
TRIED = {
    "reset before the effect",
    "reset after the effect",
    "late answer",
    "cut answer",
    "408 after the effect",
    "429",
    "500",
    "500 after the effect",
    "garbage",
    "garbage without the effect",
    "empty body",
}


@pytest.fixture(autouse=True)
def may_buy(desk: Desk) -> None:
    """The key may buy."""
    with_billing(desk.connections["cline"]).save()


def buy(desk: Desk, amount: Decimal | None = None, nonce: str = "") -> Command:
    """Ask for a purchase, of an amount that no other has."""
    number = next(_numbers)
    return services.purchase(
        connection=desk.connections["cline"],
        amount=amount or Decimal("37.00") + Decimal(number) / 100,
        actor=desk.owner,
        nonce=nonce or f"purchase {number}",
    )


def payments(desk: Desk, command: Command) -> list[dict[str, Any]]:
    """The payments of that amount, as the sandbox says."""
    desk.sandbox.control.clear_faults()
    listed = desk.sandbox.cline("GET", f"{ORG}/payments")[2]["data"]["paymentTransactions"]
    return [one for one in listed if one["amountCents"] == command.arguments["cents"]]


def charged(desk: Desk) -> Counter[str]:
    journal = desk.sandbox.control.journal(effect=True)
    return Counter(entry["operation_id"] for entry in journal if "credits" in entry["operation_id"])


def assert_paid_once(desk: Desk, command: Command) -> None:
    """One payment there, one here, and they are the same to the cent."""
    assert command.state == S.SUCCEEDED, timeline(command)
    (there,) = payments(desk, command)
    assert command.remote_id == there["id"]
    row = Payment.objects.get(connection=command.connection, remote_id=there["id"])
    assert row.command == command
    assert row.amount_micros == there["amountCents"] * 10_000
    assert (row.credits_micros, row.status) == (there["credits"], "completed")


@pytest.mark.parametrize("trouble", [one for one in SURVIVED if one.name in TRIED], ids=str)
def test_whatever_becomes_of_the_answer_money_is_charged_once_at_most(
    desk: Desk, workers: Workers, trouble: Trouble
) -> None:
    command = buy(desk)
    desk.sandbox.control.fault("purchase_organization_credits", trouble.kind, **trouble.options)

    workers.settle(command)

    assert command.attempts == 1, "sent again"
    if trouble.name in MADE:
        assert_paid_once(desk, command)
        assert charged(desk) == {"purchase_organization_credits": 1}
    else:
        assert trouble.name in AGAIN or "after" not in trouble.name
        assert command.state == S.OPERATOR, timeline(command)
        assert "never" not in command.error
        assert payments(desk, command) == []
        assert not Payment.objects.filter(command=command).exists()


@pytest.mark.parametrize("trouble", ["400", "403", "success_false"])
def test_a_refusal_is_told_and_charges_nothing(desk: Desk, workers: Workers, trouble: str) -> None:
    command = buy(desk)
    desk.sandbox.control.fault("purchase_organization_credits", trouble, count=None)
    workers.settle(command)
    assert command.state == S.REJECTED
    assert payments(desk, command) == []
    verbs = Entry.objects.filter(command_id=command.pk).order_by("sequence")
    assert [one.verb for one in verbs] == ["billing.purchase.asked", "billing.purchase.refused"]


def test_without_a_look_at_the_payments_nothing_is_sent(desk: Desk, workers: Workers) -> None:
    command = buy(desk)
    desk.sandbox.control.fault("list_organization_payments", "500", count=2)
    workers.settle(command)
    assert S.UNKNOWN not in command.events.values_list("state", flat=True)
    assert_paid_once(desk, command)


def test_what_an_automatic_purchase_could_explain_is_for_a_person(
    desk: Desk, workers: Workers
) -> None:
    top_up = {"enabled": True, "thresholdCents": 0, "amountCents": 41_999}
    assert desk.sandbox.cline("PUT", f"{ORG}/auto-top-up", top_up)[0] == 200
    command = buy(desk, Decimal("419.99"))
    desk.sandbox.control.fault("purchase_organization_credits", "reset_after")
    workers.settle(command)
    assert command.state == S.OPERATOR, timeline(command)
    (candidate,) = command.candidates
    assert "$419.99, completed" in candidate["label"]
    requests.adopt(command=command, candidate=candidate["id"], actor=desk.owner)
    command.refresh_from_db()
    assert command.state == S.SUCCEEDED
    assert Payment.objects.get(command=command).remote_id == candidate["id"]
    assert charged(desk) == {"purchase_organization_credits": 1}


def test_somebody_elses_payment_of_the_same_amount_is_not_taken_for_ours(
    desk: Desk, workers: Workers
) -> None:
    first = buy(desk, Decimal("55.55"))
    workers.settle(first)
    second = buy(desk, Decimal("55.55"))
    desk.sandbox.control.fault("purchase_organization_credits", "reset_before")
    workers.settle(second)
    assert second.state == S.OPERATOR
    assert second.candidates == []
    assert len(payments(desk, second)) == 1


def test_money_is_sent_again_by_two_persons_alone(desk: Desk, workers: Workers) -> None:
    command = buy(desk)
    desk.sandbox.control.fault("purchase_organization_credits", "reset_before")
    workers.settle(command)
    assert command.state == S.OPERATOR
    again = requests.resend(command=command, actor=desk.owner)
    command.refresh_from_db()
    assert (command.state, again.state) == (S.CANCELLED, S.AWAITING_APPROVAL)
    with pytest.raises(requests.RequestRefused, match="two persons"):
        requests.ask_again(command=command, actor=desk.owner, nonce="behind the back")
    with pytest.raises(requests.RequestRefused, match="yourself"):
        requests.approve(command=again, actor=desk.owner)
    assert payments(desk, command) == []
    bea = GrantFactory.create(organization=desk.organization, role=Role.BILLING).user
    requests.approve(command=again, actor=bea)
    workers.settle(again)
    assert_paid_once(desk, again)


@pytest.mark.parametrize("how", ["refused", "cancelled", "approved, then cancelled"])
def test_what_is_sent_again_keeps_its_demand_of_a_second_person(
    desk: Desk, workers: Workers, how: str
) -> None:
    bea = GrantFactory.create(organization=desk.organization, role=Role.BILLING).user
    command = buy(desk)
    desk.sandbox.control.fault("purchase_organization_credits", "reset_before")
    workers.settle(command)
    again = requests.resend(command=command, actor=desk.owner)
    for number in range(2):  # a third as much as the second
        if how == "refused":
            requests.refuse_approval(command=again, actor=bea)
        elif how == "cancelled":
            requests.cancel(command=again, actor=desk.owner)
        else:
            requests.approve(command=again, actor=bea)
            requests.cancel(command=again, actor=desk.owner)
        again = requests.ask_again(command=again, actor=desk.owner, nonce=f"{again.uid}{number}")
        assert again.state == S.AWAITING_APPROVAL
    with pytest.raises(requests.RequestRefused, match="yourself"):
        requests.approve(command=again, actor=desk.owner)
    workers.kicked.clear()
    requests.approve(command=again, actor=bea)
    workers.settle(again)
    assert_paid_once(desk, again)
    assert (again.actor, again.approved_by) == (desk.owner, bea)


def test_only_one_purchase_of_an_account_is_on_its_way(desk: Desk, workers: Workers) -> None:
    first = buy(desk)
    with pytest.raises(requests.TargetBusy):
        buy(desk)
    workers.settle(first)
    workers.settle(buy(desk))
    assert charged(desk) == {"purchase_organization_credits": 2}


def test_fifty_posts_of_the_same_form_buy_once(desk: Desk, workers: Workers) -> None:
    def post(_number: int) -> int:
        try:
            return buy(desk, Decimal("73.21"), "the same form").pk
        finally:
            database.close()

    with ThreadPoolExecutor(10) as many:
        asked = set(many.map(post, range(50)))
    (pk,) = asked
    command = Command.objects.get(pk=pk)
    workers.settle(command)
    assert_paid_once(desk, command)
    assert charged(desk) == {"purchase_organization_credits": 1}


@pytest.mark.parametrize("die_at", ["sending", "answered", "settled"])
def test_a_killed_worker_charges_once_at_most(
    desk: Desk, workers: Workers, nursery: Nursery, die_at: str
) -> None:
    command = buy(desk)
    workers.kicked.clear()
    assert nursery.carry([command.pk], die_at=die_at) == [-signal.SIGKILL]
    workers.settle(command)
    if die_at == "sending":  # not a byte has left, which nobody can tell from the outside
        assert command.state == S.OPERATOR
        assert payments(desk, command) == []
        return
    assert_paid_once(desk, command)
    assert charged(desk) == {"purchase_organization_credits": 1}


def test_after_a_restore_a_purchase_is_for_a_person(desk: Desk, workers: Workers) -> None:
    command = buy(desk)
    before = Command.objects.filter(pk=command.pk).values().get()
    workers.settle(command)
    Command.objects.filter(pk=command.pk).update(**{**before, "in_doubt": True})
    command.refresh_from_db()
    workers.kicked.append(command.pk)
    workers.settle(command)
    assert command.state == S.OPERATOR
    assert [one["id"] for one in command.candidates] == [payments(desk, command)[0]["id"]]
    assert charged(desk) == {"purchase_organization_credits": 1}
    assert command.attempts == 0
    requests.abandon(command=command, actor=desk.owner, reason="It is there already.")
    with pytest.raises(requests.RequestRefused, match="two persons"):
        requests.ask_again(command=command, actor=desk.owner, nonce="after a restore")


# --- On the provider's page -----------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["reset_after", "429", "500", "garbage"])
def test_a_payment_page_is_opened_anew_where_its_address_was_lost(
    desk: Desk, workers: Workers, trouble: str
) -> None:
    number = next(_numbers)
    command = services.checkout(
        connection=desk.connections["cline"],
        amount=Decimal("12.00") + Decimal(number) / 100,
        back=BACK,
        actor=desk.owner,
        nonce=f"checkout {number}",
    )
    desk.sandbox.control.fault("create_organization_credit_checkout", trouble)
    workers.settle(command)
    assert command.state == S.SUCCEEDED, timeline(command)
    row = Payment.objects.get(command=command)
    assert (row.awaited_id, row.remote_id, row.status) == (command.remote_id, None, "pending")
    assert row.poll_at
    assert payments(desk, command) == [], "nothing is charged by a page"
    page = urlsplit(command.results[-1]["url"])
    assert page.path.startswith("/checkout/")
