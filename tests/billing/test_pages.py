"""The pages of money: what they say, what they count, who may see them."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.billing import services, words
from apps.billing.models import Card, CreditPoint, Payment, PlanPeriod, Promotion
from apps.billing.runway import DAYS, Pace
from apps.members.models import Member
from apps.organizations.models import Connection, Role
from apps.sync.models import Resource
from apps.usage.days import day_of
from apps.usage.models import ReadDay
from tests.browsing import at_desk
from tests.factories import (
    CommandFactory,
    ConnectionFactory,
    CreditFactory,
    GrantFactory,
    InviteFactory,
    MemberFactory,
    PaymentFactory,
    SubscriptionFactory,
    TopUpFactory,
    with_billing,
)
from tests.usage.rolled import read, report, used

At = Callable[..., str]
NOW = timezone.now()


@pytest.fixture
def account(db: None) -> Connection:
    """An account at Cline, whose key may read money; no sandbox behind it."""
    made = with_billing(ConnectionFactory(provider="cline", name="Cline"))
    made.save()
    return made


@pytest.fixture
def bea(account: Connection) -> Client:
    """The billing role's browser."""
    return at_desk(GrantFactory(organization=account.organization, role=Role.BILLING).user)


@pytest.fixture
def at(account: Connection) -> At:
    """Addresses of billing."""
    return lambda path="": f"/o/{account.organization.slug}/billing/{path}"


def body(answer: Any) -> str:
    """What a page says."""
    assert answer.status_code == 200
    said: str = answer.content.decode()
    return said


def spend(connection: Connection, daily: str) -> None:
    """Fourteen whole days that cost so much each."""
    today = timezone.now().date()
    days = [today - timedelta(days=at) for at in range(1, DAYS + 1)]
    report(connection, days[-1])
    read(connection, *days)
    for day in days:
        used(connection, day, cost=daily, counts={"output": 5}, account="usr-1")


def test_the_overview_tells_what_is_left_and_how_long(
    bea: Client, at: At, account: Connection
) -> None:
    CreditFactory(connection=account, micros=140_500_000)
    TopUpFactory(connection=account, enabled=False)
    spend(account, "10.00")
    page = body(bea.get(at()))
    assert "$140.50" in page
    assert "14 days" in page
    assert "$10.00 a day" in page
    assert "not bought automatically" in page
    assert "$140.00" in page, "what fourteen days cost"
    assert "runs out soon" not in page
    last = ReadDay.objects.latest("day").day
    ReadDay.objects.filter(day=last).delete()
    page = body(bea.get(at()))
    assert "≥ $130.00" in page, "a day that is not read may have cost more"
    assert "1 day is not read" in page
    CreditFactory._meta.model.objects.update(micros=20_000_000)
    assert "runs out soon" in body(bea.get(at()))
    CreditFactory._meta.model.objects.update(micros=-1_234_560)
    page = body(bea.get(at()))
    assert "−$1.23" in page
    assert "below zero" in page


def test_the_overview_tells_what_was_not_read_from_what_is_not_there(
    bea: Client, at: At, account: Connection
) -> None:
    page = body(bea.get(at()))
    assert page.count("Not read yet.") == 5
    for name in ("credit", "payments", "top_up", "card", "promotions"):
        Resource.objects.create(connection=account, name=name, completed_at=NOW)
    page = body(bea.get(at()))
    assert "Not read yet." not in page
    assert "No card is stored" in page
    account.capabilities["card.read"] = {"ok": False, "reason": "Owners alone may see the card."}
    account.save()
    assert "Owners alone may see the card." in body(bea.get(at()))


def test_cards_promotions_and_automatic_purchases_are_told_in_sentences(
    bea: Client, at: At, account: Connection
) -> None:
    seen: dict[str, Any] = {"connection": account, "first_seen_at": NOW, "changed_at": NOW}
    Card.objects.create(
        remote_id="pm", brand="visa", last4="4242", expires_month=1, expires_year=2020, **seen
    )
    Promotion.objects.create(
        remote_id="a",
        name="Launch credit",
        credits_micros=25_000_000,
        remaining_micros=7_250_000,
        expires_at=NOW + timedelta(days=9),
        **seen,
    )
    Promotion.objects.create(
        remote_id="b", name="Long over", expires_at=NOW - timedelta(days=9), **seen
    )
    TopUpFactory(connection=account)
    page = body(bea.get(at()))
    assert "It expired in 01/2020" in page
    assert "$7.25 left of $25.00" in page
    assert "Long over" not in page
    assert "falls below $20.00, $100.00 are charged" in page


def test_a_provider_that_sells_nothing_says_so(db: None) -> None:
    grant = GrantFactory()
    client = at_desk(grant.user)
    address = f"/o/{grant.organization.slug}/billing/"
    assert "No account is connected yet" in body(client.get(address))
    ConnectionFactory(organization=grant.organization, provider="anthropic", name="Claude")
    for path in ("", "plans/", "payments/"):
        assert "Claude Console under Billing" in body(client.get(address + path))


@pytest.mark.parametrize("path", ["", "payments/", "plans/", "seats/"])
def test_another_organizations_money_is_not_there(at: At, account: Connection, path: str) -> None:
    PaymentFactory(connection=account, amount_micros=987_650_000)
    stranger = at_desk(GrantFactory().user)
    assert stranger.get(at(path)).status_code == 404
    viewer = GrantFactory(organization=account.organization, role=Role.VIEWER).user
    assert at_desk(viewer).get(at(path)).status_code == 200


# --- Payments -------------------------------------------------------------------------------------


def test_payments_are_filtered_and_exported_to_the_cent(
    bea: Client, at: At, account: Connection
) -> None:
    PaymentFactory(connection=account, amount_micros=12_340_000, credits_micros=12_345_678)
    PaymentFactory(connection=account, status="failed", failure_reason="card_declined")
    PaymentFactory(connection=account, status="odd", remote_id="~1")
    page = body(bea.get(at("payments/")))
    assert "$12.34" in page
    assert "3 payments" in page
    assert "1 payment" in body(bea.get(at("payments/?status=failed")))
    assert "1 payment" in body(bea.get(at("payments/?status=other")))
    answer = bea.get(at("payments/?export=csv&sort=amount"))
    lines = list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
    failed = next(one for one in lines if one["State"] == "failed")
    assert Decimal(failed["Amount"]) == 100
    assert failed["Credit bought"] == ""
    assert Decimal(lines[0]["Amount"]) == Decimal("12.34")
    assert Decimal(lines[0]["Credit bought"]) == Decimal("12.345678")
    assert {one["Currency"] for one in lines} == {"USD"}
    assert [one["Id at the provider"] for one in lines].count("") == 1, "made-up ids are ours alone"


def test_a_payment_tells_its_way(bea: Client, at: At, account: Connection) -> None:
    payer = MemberFactory(organization=account.organization, connection=account, name="Paula Payer")
    paid = NOW - timedelta(hours=2)
    made = PaymentFactory(
        connection=account,
        at=paid,
        creator=payer.remote_id,
        began_at=paid - timedelta(minutes=3),
        processor="stripe",
        processor_id="pi_1",
        processor_status="succeeded",
        detailed_at=NOW,
        command=CommandFactory(connection=account),
    )
    for minutes, micros in ((-60, 5_000_000), (60, 104_000_000)):
        moment = paid + timedelta(minutes=minutes)
        CreditPoint.objects.create(connection=account, at=moment, day=day_of(moment), micros=micros)
    page = body(bea.get(at(f"payments/{made.pk}/")))
    told = [
        "Credit before: $5.00",
        "Begun at the provider",
        "Completed",
        "Credit after: $104.00",
        "stripe calls it “succeeded”",
    ]
    places = [page.index(one, page.index("events-title")) for one in told]
    assert places == sorted(places)
    assert "Paula Payer" in page
    assert 'hx-target="#facts"' not in page, "what is final is not asked about"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("pending", "waits for somebody to pay"),
        ("failed", "In the provider&#x27;s words: card_declined."),
        ("refunded", "given back"),
        ("settling", "calls its state “settling”"),
        ("", "does not tell how far"),
    ],
)
def test_where_a_payment_is_is_said(
    bea: Client, at: At, account: Connection, status: str, said: str
) -> None:
    waits = status in ("pending", "settling")
    made = PaymentFactory(
        connection=account,
        status=status,
        failure_reason="card_declined" if status == "failed" else "",
        poll_at=NOW if waits else None,
    )
    page = body(bea.get(at(f"payments/{made.pk}/")))
    assert said in page
    assert ("asked again" in page) == waits


# --- Plans and seats ------------------------------------------------------------------------------


def test_a_plan_that_was_cancelled_says_until_when(
    bea: Client, at: At, account: Connection
) -> None:
    SubscriptionFactory(
        connection=account, cancelled_at=NOW, cancel_at=datetime(2031, 3, 4, tzinfo=UTC)
    )
    PlanPeriod.objects.create(
        connection=account, remote_id="p", plan_name="Starter", first_seen_at=NOW, changed_at=NOW
    )
    page = body(bea.get(at("plans/")))
    assert "It runs on until" in page
    assert "4 Mar 2031" in page
    assert "$200.00" in page, "ten seats at twenty dollars"
    assert "Starter" in page


@pytest.mark.parametrize("amount", ["1E+30", "1000000.01", "0", "-1", "1.001", "NaN"])
def test_amounts_that_cannot_be_are_refused_in_words(amount: str) -> None:
    assert services.why_not(Decimal(amount))


def test_idle_seats_are_found_and_priced(bea: Client, at: At, account: Connection) -> None:
    old = NOW - timedelta(days=200)
    names = ("busy", "idle", "newcomer")
    for name in names:
        joined = NOW if name == "newcomer" else old
        MemberFactory(
            organization=account.organization,
            connection=account,
            name=name,
            remote_id=name,
            joined_at=joined,
        )
    InviteFactory(organization=account.organization, connection=account)
    SubscriptionFactory(connection=account, seats_used=7)
    spend(account, "1.00")
    today = timezone.now().date()
    used(account, today - timedelta(days=3), counts={"output": 1}, account="busy")
    page = body(bea.get(at("seats/")))
    assert "their seats cost" not in page, "nobody is idle on days that were not read"
    assert "of these 30 days are not read yet" in page
    assert "not in the days read" in page
    read(account, *(today - timedelta(days=back) for back in range(DAYS + 1, 31)))
    page = body(bea.get(at("seats/")))
    assert "not read yet" not in page
    assert "3 members" in page
    assert "1 pending invite" in page
    assert "6 are free" in page
    assert "the provider counts 7 in use" in page
    assert "their seats cost $20.00 (Monthly)" in page
    page = body(bea.get(at("seats/?idle=30")))
    table = page[page.index('id="table"') :]
    assert "idle" in table
    assert "busy" not in table
    assert "newcomer" not in table


# --- Speed and words ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "payments/", "seats/", "seats/?idle=30"])
def test_many_rows_take_the_queries_of_ten(
    bea: Client, at: At, account: Connection, path: str
) -> None:
    CreditFactory(connection=account)
    person = MemberFactory(organization=account.organization, connection=account).person
    counts = []
    for number in (10, 300):
        Payment.objects.bulk_create(
            PaymentFactory.build(connection=account, remote_id=f"{number}-{at}")
            for at in range(number)
        )
        CreditPoint.objects.bulk_create(
            CreditPoint(connection=account, at=NOW, day=day_of(NOW) - at % 100, micros=at)
            for at in range(number)
        )
        Member.objects.bulk_create(
            MemberFactory.build(
                connection=account, person=person, remote_id=f"{number}-{at}", email=person.email
            )
            for at in range(number)
        )
        bea.get(at(path))
        with CaptureQueriesContext(database) as captured:
            assert bea.get(at(path)).status_code == 200
        counts.append(len(captured))
    assert counts[1] <= counts[0] + 1, "one more counts the rows beyond the page"


@pytest.mark.parametrize(
    ("left", "spent", "days", "tone"),
    [
        ("280", "140", 28, ""),
        ("100", "140", 10, "warning"),
        ("9.99", "140", 0, "danger"),
        ("-5", "140", 0, "danger"),
        ("100", "0", None, ""),
    ],
)
def test_runway_is_counted_in_whole_days(
    left: str, spent: str, days: int | None, tone: str
) -> None:
    day = NOW.date()
    pace = Pace(Decimal(spent), DAYS, day, day)
    assert pace.days_left(Decimal(left)) == days
    assert words.runway(pace, Decimal(left))[0] == tone


def test_a_pace_knows_the_days_that_were_not_read() -> None:
    day = NOW.date()
    half = Pace(Decimal(70), 7, day, day)
    assert half.daily == 10
    assert "Only 7 of those days" in words.runway(half, Decimal(100))[2]
    assert "not been read yet" in words.runway(Pace(Decimal(0), 0, day, day), Decimal(1))[2]
