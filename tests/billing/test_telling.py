"""What is told by itself: a card that ends, a payment that failed, credit that runs out; each of them once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.billing import telling
from apps.billing.models import Card, Credit, Payment, TopUp
from apps.billing.runway import DAYS
from apps.notices.models import Hearing, Notice
from apps.organizations.models import Connection, Role
from apps.sync import mirrors
from tests.factories import (
    ConnectionFactory,
    CreditFactory,
    GrantFactory,
    PaymentFactory,
    TopUpFactory,
    with_billing,
)
from tests.usage.rolled import read, report, used

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def account() -> Connection:
    """An account at Cline; one owner, one of the billing team, an admin who hears nothing."""
    made = with_billing(ConnectionFactory(provider="cline", name="Cline"))
    made.save()
    for role in (Role.OWNER, Role.BILLING, Role.ADMIN):
        GrantFactory(organization=made.organization, role=role)
    return made


def walked(connection: Connection, name: str, now: datetime = NOW) -> None:
    """What hears of the end of a walk."""
    for look in mirrors.listeners(name):
        look(connection, now)


def causes(topic: str, **more: Any) -> list[str]:
    rows = Notice.objects.filter(topic=topic, **more).order_by("pk")
    return [cause.rpartition(":")[2] for cause in rows.values_list("cause", flat=True)]


def test_a_card_that_ends_is_told_once_for_each_threshold_and_over_with_another_card(
    account: Connection,
) -> None:
    seen = {"connection": account, "first_seen_at": NOW, "changed_at": NOW}
    card = Card.objects.create(
        remote_id="pm", brand="visa", last4="4242", expires_month=12, expires_year=2030, **seen
    )
    end = datetime(2031, 1, 1, tzinfo=UTC)
    for days, told in (
        (61, []),
        (59, ["60"]),
        (31, ["60"]),
        (29, ["60", "30"]),
        (3, ["60", "30", "7"]),
        (-1, ["60", "30", "7", "expired"]),
    ):
        for _twice in range(2):
            walked(account, "card", end - timedelta(days=days, seconds=1))
        assert causes(telling.CARD_ENDS) == told, days
    assert Hearing.objects.values("user").distinct().count() == 2, "owner and billing"
    notice = Notice.objects.order_by("-pk")[0]
    assert "Visa •••• 4242 of Cline has expired" in notice.title
    assert "12/2030" in notice.text
    Card.objects.filter(pk=card.pk).update(last4="9999", expires_year=2035)
    walked(account, "card", end)
    assert causes(telling.CARD_ENDS, settled_at=None) == []


def test_a_failed_payment_is_told_once_with_the_reason(account: Connection) -> None:
    given = {"connection": account, "status": "failed", "amount_micros": 250_000_000}
    old = NOW - timedelta(days=30)
    PaymentFactory(**given, at=old, detailed_at=NOW, first_seen_at=NOW, changed_at=NOW)
    PaymentFactory(connection=account, at=NOW)
    fresh = PaymentFactory(**given, remote_id=None, awaited_id="pay_1", at=NOW, changed_at=NOW)
    walked(account, "payment_states")
    assert causes(telling.PAYMENT_FAILED) == [], "its reason may still come"
    Payment.objects.filter(pk=fresh.pk).update(failure_reason="card_declined", detailed_at=NOW)
    for name in ("payment_states", "payments", "payments"):
        walked(account, name)
    notice = Notice.objects.get()
    assert "$250.00 for Cline failed" in notice.title
    assert "In the provider's words: card_declined." in notice.text
    assert notice.url.endswith(f"/billing/payments/{fresh.pk}/")
    slow = PaymentFactory(**given, at=NOW, changed_at=NOW - timedelta(minutes=11))
    followed = PaymentFactory(
        **given,
        at=old,
        first_seen_at=old,
        changed_at=NOW - timedelta(hours=1),
    )
    walked(account, "payments")
    assert causes(telling.PAYMENT_FAILED) == ["pay_1", followed.remote_id, slow.remote_id]
    assert "gives no reason" in Notice.objects.order_by("-pk")[0].text


def test_credit_that_runs_out_is_told_once_while_nothing_is_bought_automatically(
    account: Connection,
) -> None:
    CreditFactory(connection=account, micros=100_000_000)
    TopUpFactory(connection=account, enabled=False)
    walked(account, "credit")
    assert causes(telling.RUNS_OUT) == [], "nothing is known of its use"
    today = NOW.date()
    days = [today - timedelta(days=at) for at in range(1, DAYS + 1)]
    report(account, days[-1])
    read(account, *days)
    for day in days:
        used(account, day, cost="10.00", counts={"output": 5}, account="usr-1")
    for later in range(2):
        walked(account, "credit", NOW + timedelta(days=later))
    notice = Notice.objects.get()
    assert "$100.00 are left" in notice.text
    assert "$10.00 a day" in notice.text
    Credit.objects.update(micros=150_000_000)
    walked(account, "credit")
    assert causes(telling.RUNS_OUT, settled_at=None), "not much better yet"
    TopUp.objects.update(enabled=True)
    walked(account, "top_up")
    assert causes(telling.RUNS_OUT, settled_at=None) == []
    TopUp.objects.update(enabled=False)
    Credit.objects.update(micros=20_000_000)
    walked(account, "top_up", NOW + timedelta(days=3))
    assert Notice.objects.filter(settled_at=None).count() == 1, "a new beginning"
