"""A purchase whose answer was lost: which payment is taken for it, and when a person has to say."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from django.utils import timezone

from apps.billing import remote as billing_remote
from apps.billing.models import Payment
from apps.billing.remote import CHECKOUT_KIND, PURCHASE, PURCHASE_KIND
from apps.providers import errors
from apps.providers.records import Page
from apps.providers.records.billing import AutoTopUp, PaymentRecord, PaymentStatus
from apps.sync.models import Command, CommandEvent
from apps.sync.outbox.kinds import Done, Undecided, Verdict
from tests.factories import CommandFactory, PaymentFactory

pytestmark = pytest.mark.django_db
AMOUNT, OTHER = Decimal("25.00"), Decimal("100.00")
OFF, ON = AutoTopUp(False, OTHER, AMOUNT), AutoTopUp(True, OTHER, AMOUNT)
ON_FOR_ANOTHER = AutoTopUp(True, OTHER, OTHER)
UNTOLD = AutoTopUp(None, None, None)


@dataclass
class Seller:
    """As much of a provider as a purchase looks at. ``top_up`` may be an error that it answers with."""

    made: list[PaymentRecord] = field(default_factory=list)
    top_up: AutoTopUp | errors.ProviderError = OFF
    pages: dict[str, str | errors.ProviderError] = field(default_factory=dict)

    def payment_status(self, payment_id: str) -> PaymentStatus:
        status = self.pages.get(payment_id, "completed")
        if isinstance(status, errors.ProviderError):
            raise status
        return PaymentStatus(payment_id, status)

    def payments(self, cursor: str | None = None) -> Page[PaymentRecord]:
        return Page(self.made, None)

    def auto_top_up(self) -> AutoTopUp:
        if isinstance(self.top_up, errors.ProviderError):
            raise self.top_up
        return self.top_up

    def charge(self, remote_id: str) -> None:
        at = datetime(2026, 7, 1, 9, len(self.made), tzinfo=UTC)
        self.made.append(PaymentRecord(remote_id, at, "usr", AMOUNT, AMOUNT, "completed"))


@pytest.fixture
def seller(monkeypatch: pytest.MonkeyPatch) -> Seller:
    """A provider that has sold nothing yet."""
    monkeypatch.setattr(billing_remote, "with_billing", lambda adapter: adapter)
    return Seller()


@pytest.fixture
def purchase() -> Command:
    """A purchase that was sent a minute ago."""
    made: Command = CommandFactory(
        kind=PURCHASE_KIND,
        arguments={"cents": 2_500},
        state="unknown",
        is_money=True,
        attempts=1,
        sent_at=timezone.now() - timedelta(minutes=1),
    )
    return made


def look(seller: Any, command: Command) -> None:
    """What a worker notes right before it sends."""
    step = PURCHASE.steps[0]
    assert step.look
    command.baseline = step.look(seller, command)


def read_back(seller: Any, command: Command) -> Verdict:
    return PURCHASE.steps[0].read_back(seller, command)


@pytest.mark.parametrize(
    ("then", "now", "ours"),
    [
        (OFF, OFF, True),
        (ON_FOR_ANOTHER, ON_FOR_ANOTHER, True),
        (ON, OFF, False),
        (ON, ON_FOR_ANOTHER, False),
        (OFF, ON, False),
        (UNTOLD, OFF, False),
        (errors.Unclear("down"), OFF, False),
        (errors.Forbidden("not yours"), OFF, False),
        (OFF, errors.Forbidden("not yours"), False),
        (OFF, errors.NotFound("nothing"), False),
        (OFF, errors.Refused("no"), False),
    ],
)
def test_what_an_automatic_purchase_could_explain_then_or_now_is_for_a_person(
    seller: Seller, purchase: Command, then: Any, now: Any, ours: bool
) -> None:
    seller.top_up = then
    look(seller, purchase)
    seller.charge("pay_1")
    seller.top_up = now

    verdict = read_back(seller, purchase)

    if ours:
        assert isinstance(verdict, Done)
        assert verdict.result["remote_id"] == "pay_1"
    else:
        assert isinstance(verdict, Undecided)
        assert [one["id"] for one in verdict.candidates] == ["pay_1"]


def test_what_was_sent_before_settings_were_noted_is_for_a_person(
    seller: Seller, purchase: Command
) -> None:
    purchase.baseline = {"ids": []}
    seller.charge("pay_1")
    assert isinstance(read_back(seller, purchase), Undecided)


def test_while_settings_cannot_be_asked_for_it_is_looked_at_again(
    seller: Seller, purchase: Command
) -> None:
    look(seller, purchase)
    seller.charge("pay_1")
    seller.top_up = errors.Unclear("down")
    with pytest.raises(errors.Unclear):
        read_back(seller, purchase)


def open_page(purchase: Command, remote_id: str | None, **given: Any) -> Command:
    """A payment page of the same account and amount that somebody was led to."""
    first = {"state": "succeeded", "attempts": 1, "arguments": purchase.arguments}
    made: Command = CommandFactory(
        connection=purchase.connection,
        kind=CHECKOUT_KIND,
        remote_id=remote_id,
        **(first | given),
    )
    return made


@pytest.mark.parametrize(
    ("page_names", "payment_has"),
    [
        ("pay_page", ""),  # the listing has no ids
        (None, "pay_1"),  # the page names no payment
        (None, ""),
        ("pay_page", "pay_1"),  # named, and still to come
    ],
)
def test_what_may_have_been_paid_on_a_page_is_for_a_person(
    seller: Seller, purchase: Command, page_names: str | None, payment_has: str
) -> None:
    open_page(purchase, page_names)
    look(seller, purchase)
    seller.charge(payment_has)
    verdict = read_back(seller, purchase)
    assert isinstance(verdict, Undecided)
    assert len(verdict.candidates) == 1


def test_a_page_that_was_paid_or_failed_before_or_was_never_opened_is_no_explanation(
    seller: Seller, purchase: Command
) -> None:
    open_page(purchase, "pay_listed")
    open_page(purchase, None, state="cancelled", attempts=0)
    open_page(purchase, None, state="rejected")
    open_page(purchase, None, arguments={"cents": 2_600})
    failed = open_page(purchase, "pay_failed")
    before = timezone.now() - timedelta(hours=1)
    PaymentFactory(
        connection=purchase.connection, remote_id=None, awaited_id="pay_failed", status="failed"
    )
    Payment.objects.update(command=failed, changed_at=before)
    seller.charge("pay_listed")
    look(seller, purchase)
    seller.charge("pay_1")
    verdict = read_back(seller, purchase)
    assert isinstance(verdict, Done)
    assert verdict.result["remote_id"] == "pay_1"
    Payment.objects.update(status="completed", changed_at=timezone.now())
    assert isinstance(read_back(seller, purchase), Undecided), (
        "paid since, and not listed by its id"
    )


@pytest.mark.parametrize(
    ("told", "ours"),
    [
        ("pending", True),
        ("failed", True),
        ("completed", False),
        ("settling", False),  # a word that nobody knows
        (errors.NotFound("nothing"), False),
    ],
)
def test_a_page_that_nobody_has_paid_however_old_explains_nothing(
    seller: Seller, purchase: Command, told: Any, ours: bool
) -> None:
    open_page(purchase, "pay_page")
    look(seller, purchase)
    seller.charge("pay_1")
    seller.pages["pay_page"] = told
    assert isinstance(read_back(seller, purchase), Done if ours else Undecided)
    if ours:
        seller.made[-1] = msgspec.structs.replace(seller.made[-1], status=told)
        assert isinstance(read_back(seller, purchase), Undecided), "it may be that very one"


@pytest.mark.parametrize(("hours", "ours"), [(1, False), (48, True)])
def test_the_late_payment_of_one_that_was_given_up_is_not_taken_for_its_successor(
    seller: Seller, purchase: Command, hours: int, ours: bool
) -> None:
    given_up = CommandFactory(
        connection=purchase.connection,
        kind=PURCHASE_KIND,
        arguments=purchase.arguments,
        state="cancelled",
        is_money=True,
        attempts=1,
        settled_at=timezone.now() - timedelta(hours=hours),
    )
    CommandEvent.objects.create(command=given_up, at=timezone.now(), state="operator")
    look(seller, purchase)
    seller.charge("pay_1")
    assert isinstance(read_back(seller, purchase), Done if ours else Undecided)
