"""Money, walked from the sandbox: what is mirrored, its past, and payments followed to their end."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from apps.billing.mirror import MIRRORS, NAMES, PAYMENTS, watch_payments
from apps.billing.models import (
    Card,
    Credit,
    CreditPoint,
    Payment,
    Plan,
    PlanPeriod,
    Promotion,
    Subscription,
    TopUp,
)
from apps.billing.polling import LONGEST_SECONDS, next_poll
from apps.organizations.models import Connection
from apps.providers.errors import Unclear
from apps.providers.guard import worker_scope
from apps.providers.records import Page
from apps.providers.records.billing import PaymentRecord
from apps.sync import mirrors
from apps.sync.models import RemoteChange, Resource, SyncRun
from apps.sync.walk import walk
from tests.billing.conftest import walk_now
from tests.desk import Desk
from tests.sandbox_server import call
from tests.sync.remote import resource_of

pytestmark = pytest.mark.django_db
ORG = "/organizations/{org}"


def told(desk: Desk, path: str) -> Any:
    """What the sandbox answers a GET below its organization."""
    status, _, body = desk.sandbox.cline("GET", f"{ORG}{path}")
    assert status == 200, body
    return body["data"]


def test_everything_that_is_told_of_money_is_mirrored(desk: Desk, cline: Connection) -> None:
    desk.sandbox.control.promotion(cline.remote_organization_id, 12_345, name="Goodwill")
    walk_now(cline, *NAMES)
    listed = told(desk, "/payments")["paymentTransactions"]
    kept = {one.remote_id: one for one in Payment.objects.all()}
    assert {one["id"] for one in listed} == set(kept)
    for one in listed:
        row = kept[one["id"]]
        assert (row.amount_micros, row.credits_micros) == (
            one["amountCents"] * 10_000,
            one["credits"],
        )
        assert (row.status, row.creator) == (one["status"], one["creatorId"])
    card, top_up, plan = Card.objects.get(), TopUp.objects.get(), told(desk, "/plan")
    assert str(card) == "Visa •••• 4242"
    assert "4242" not in str(card.remote_id)
    wanted = told(desk, "/auto-top-up")
    assert top_up.enabled is wanted["enabled"]
    assert top_up.threshold_micros == wanted["thresholdCents"] * 10_000
    held = Subscription.objects.get()
    assert (held.seats, held.seats_used) == (plan["seats"], plan["seatsUsed"])
    assert held.seat_micros == plan["plan"]["pricePerSeatCents"] * 10_000
    assert PlanPeriod.objects.count() == len(told(desk, "/plan/history")["items"])
    assert held.plan_id_there == plan["plan"]["id"]
    assert held.plan_name == plan["plan"]["displayName"]
    on_sale = desk.sandbox.cline("GET", "/plans")[2]["data"]
    assert {one.remote_id: one.seat_micros for one in Plan.objects.all()} == {
        one["id"]: one["pricePerSeatCents"] * 10_000 for one in on_sale
    }
    assert Promotion.objects.get(name="Goodwill").credits_micros == 123_450_000
    assert not RemoteChange.objects.exists()


def test_a_plan_that_is_told_in_part_is_asked_for_in_full(desk: Desk, cline: Connection) -> None:
    desk.sandbox.control.fault("get_organization_plan", "missing_field", field="plan.maxSeats")
    run = walk_now(cline, "plan")
    assert run.requests == 3, "the plan, its page, the count of invites"
    assert Subscription.objects.get().max_seats == told(desk, "/plan")["plan"]["maxSeats"]


def test_each_change_of_the_credit_leaves_a_point(
    desk: Desk, cline: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = timezone.now()
    for micros in (5_000_000, 5_000_000, -1, 7):
        Credit.objects.update_or_create(
            connection=cline,
            remote_id="org",
            defaults={"micros": micros, "first_seen_at": moment, "changed_at": moment},
        )
        moment += timedelta(minutes=5)
        for listener in mirrors.listeners("credit"):
            listener(cline, moment)
    points = CreditPoint.objects.order_by("at")
    assert [one.micros for one in points] == [5_000_000, -1, 7]
    walk_now(cline, "credit")
    assert abs(Credit.objects.get(gone_at=None).micros - told(desk, "/balance")["balance"]) < 10**6
    assert CreditPoint.objects.count() == 4


def test_a_connection_whose_provider_sells_nothing_is_not_asked(desk: Desk) -> None:
    claude = desk.connections["anthropic"]
    assert not [one for one in mirrors.readable(claude) if one.name in (*NAMES, "payment_states")]
    assert {one.capability for one in MIRRORS} <= set(desk.connections["cline"].capabilities)


def checkout(desk: Desk, connection: Connection, cents: int = 5_000) -> tuple[Payment, str]:
    """A checkout begun at the provider, waited for here; and its page there."""
    body = {"amountCents": cents}
    made = desk.sandbox.cline("POST", f"{ORG}/credits/checkout", body)[2]["data"]
    now = timezone.now()
    payment = Payment.objects.create(
        connection=connection,
        awaited_id=made["paymentId"],
        status="pending",
        at=now,
        began_at=now,
        poll_at=now,
        amount_micros=cents * 10_000,
        first_seen_at=now,
        changed_at=now,
    )
    return payment, urlsplit(made["url"]).path


@pytest.mark.parametrize("listed_first", [False, True])
def test_a_checkout_is_followed_until_it_is_paid(
    desk: Desk, cline: Connection, listed_first: bool
) -> None:
    payment, page = checkout(desk, cline)
    walk_now(cline, "payment_states")
    payment.refresh_from_db()
    assert (payment.status, payment.polls, payment.remote_id) == ("pending", 1, None)
    resource = Resource.objects.get(connection=cline, name="payment_states")
    assert payment.poll_at is not None
    assert payment.poll_at > timezone.now()
    assert resource.due_at == payment.poll_at
    call(desk.sandbox.base_url, "POST", page, b"outcome=pay")
    if listed_first:
        walk_now(cline, "payments")
    Payment.objects.filter(pk=payment.pk).update(poll_at=timezone.now())
    walk_now(cline, "payment_states", "payments")
    payment.refresh_from_db()
    assert payment.status == "completed"
    assert not payment.poll_at
    assert not payment.gone_at
    assert payment.remote_id == payment.awaited_id
    assert payment.receipt_url
    assert payment.processor_id
    assert Payment.objects.filter(remote_id=payment.awaited_id).count() == 1


def test_a_declined_checkout_says_why(desk: Desk, cline: Connection) -> None:
    payment, page = checkout(desk, cline)
    call(desk.sandbox.base_url, "POST", page, b"outcome=decline")
    walk_now(cline, "payment_states", "payments")
    payment.refresh_from_db()
    assert (payment.status, payment.failure_reason) == ("failed", "card_declined")
    assert (payment.poll_at, payment.processor_status) == (None, "requires_payment_method")
    assert Payment.objects.filter(awaited_id=payment.awaited_id).count() == 1


@pytest.mark.parametrize(
    ("operation", "trouble"),
    [("get_organization_payment", "500"), ("get_organization_provider_payment", "garbage")],
)
def test_a_paid_checkout_is_paid_here_though_its_details_cannot_be_read(
    desk: Desk, cline: Connection, operation: str, trouble: str
) -> None:
    payment, page = checkout(desk, cline)
    call(desk.sandbox.base_url, "POST", page, b"outcome=pay")
    Payment.objects.exclude(pk=payment.pk).delete()
    desk.sandbox.control.fault(operation, trouble, count=None)
    walk_now(cline, "payment_states")
    payment.refresh_from_db()
    assert (payment.status, payment.remote_id) == ("completed", payment.awaited_id)
    assert (payment.poll_at, payment.detailed_at) == (None, None)
    desk.sandbox.control.clear_faults()
    walk_now(cline, "payment_states")
    payment.refresh_from_db()
    assert payment.detailed_at
    assert payment.receipt_url
    assert payment.processor_id


class Unwell:
    """The provider's adapter, to which some payments are a riddle."""

    def __init__(self, adapter: Any, riddles: set[str]) -> None:
        self.adapter, self.riddles = adapter, riddles
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.adapter, name)

    def payment_status(self, remote_id: str) -> Any:
        self.asked.append(remote_id)
        if remote_id in self.riddles:
            raise Unclear("It makes no sense.")
        return self.adapter.payment_status(remote_id)


def test_a_payment_whose_state_cannot_be_read_keeps_no_other_waiting(
    desk: Desk, cline: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    riddle, _page = checkout(desk, cline)
    paid, page = checkout(desk, cline)
    call(desk.sandbox.base_url, "POST", page, b"outcome=pay")
    monkeypatch.setattr(
        "apps.billing.polling.with_billing",
        lambda adapter: Unwell(adapter, {riddle.awaited_id}),
    )
    walk_now(cline, "payment_states")
    riddle.refresh_from_db()
    paid.refresh_from_db()
    assert (riddle.status, riddle.polls) == ("pending", 1)
    assert riddle.poll_at is not None
    assert riddle.poll_at > timezone.now()
    assert (paid.status, paid.poll_at) == ("completed", None)


def test_where_nothing_can_be_read_asking_ends_and_goes_on_with_others(
    desk: Desk, cline: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [checkout(desk, cline)[0].awaited_id for _each in range(4)]
    made: list[Unwell] = []

    def unwell(adapter: Any) -> Unwell:
        made.append(Unwell(adapter, set(names)))
        return made[-1]

    monkeypatch.setattr("apps.billing.polling.with_billing", unwell)
    with worker_scope():
        run = walk(resource_of(cline, "payment_states").pk)
    assert run is not None
    assert (run.state, run.error) == (SyncRun.State.CUT_SHORT, "It makes no sense.")
    assert made[0].asked == names[:3]
    due = Payment.objects.filter(poll_at__lte=timezone.now())
    assert [one.awaited_id for one in due] == names[3:], "the next walk begins with that one"


def test_a_payment_that_nobody_knows_stops_no_walk(desk: Desk, cline: Connection) -> None:
    payment, _page = checkout(desk, cline)
    Payment.objects.filter(pk=payment.pk).update(awaited_id="pay_nobody_has_this")
    walk_now(cline, "payment_states")
    payment.refresh_from_db()
    cline.refresh_from_db()
    assert payment.status == "pending"
    assert payment.poll_at is not None
    assert cline.can("payments.read")


def test_a_listed_payment_that_is_not_final_is_asked_for(cline: Connection) -> None:
    now = timezone.now()
    common = {"connection": cline, "first_seen_at": now, "changed_at": now}
    resource_of(cline, "payment_states")
    for status, remote_id in (("completed", "a"), ("settling", "b"), ("settling", "~c")):
        Payment.objects.create(status=status, remote_id=remote_id, **common)
    watch_payments(cline, now)
    assert [one.remote_id for one in Payment.objects.filter(poll_at__isnull=False)] == ["b"]
    assert Resource.objects.get(connection=cline, name="payment_states").due_at is not None


def test_payments_without_an_id_are_told_apart_and_stay_the_same() -> None:
    def record(cents: int) -> PaymentRecord:
        amount = Decimal(cents) / 100
        return PaymentRecord("", datetime(2026, 7, 1, tzinfo=UTC), "usr", amount, amount, "")

    class Remote:
        organization_id = "org"

        def __getattr__(self, name: str) -> Any:
            return lambda **_: Page([record(500), record(500), record(900)], None)

    def ids() -> list[str]:
        return [one.remote_id for one in PAYMENTS.fetch(Remote(), None).rows]  # type: ignore[arg-type]  # as much of it as is asked for

    assert len(set(ids())) == 3
    assert ids() == ids()
    assert all(one.startswith("~") for one in ids())


def test_asking_slows_down_but_never_ends() -> None:
    began = datetime(2026, 7, 1, tzinfo=UTC)
    waits = [(next_poll(n, began, began) - began).total_seconds() for n in range(15)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (5, LONGEST_SECONDS)
    late = began + timedelta(days=3)
    assert next_poll(100, began, late) - late == timedelta(days=1)
