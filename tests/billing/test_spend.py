"""The pages of what is spent: each euro once, nothing hidden, what is not read is no zero."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.billing.models import CreditPoint, Promotion
from apps.organizations.models import Connection, Role
from apps.usage import money
from apps.usage.days import day_of, midnight
from apps.usage.known import known_days, known_days_of_each
from apps.usage.models import Cost, Dimension, ReadDay
from apps.usage.tuples import FULL
from tests.browsing import at_desk
from tests.factories import (
    CardFactory,
    ConnectionFactory,
    CreditFactory,
    GrantFactory,
    PaymentFactory,
    SubscriptionFactory,
    with_billing,
)
from tests.usage.rolled import read, report, used

At = Callable[..., str]


def today() -> date:
    return timezone.now().astimezone(UTC).date()


def first() -> date:
    """The month's first day."""
    return today().replace(day=1)


def before() -> date:
    """The first day of the month before."""
    return (first() - timedelta(days=1)).replace(day=1)


@pytest.fixture
def account(db: None) -> Connection:
    """An account at Cline, all of whose days are read; no sandbox behind it."""
    made = with_billing(ConnectionFactory(provider="cline", name="Cline team"))
    made.save()
    all_read(made)
    return made


@pytest.fixture
def console(account: Connection) -> Connection:
    """An Anthropic organization beside it, likewise."""
    made: Connection = ConnectionFactory(
        organization=account.organization, provider="anthropic", name="Claude"
    )
    all_read(made)
    return made


@pytest.fixture
def bea(account: Connection) -> Client:
    """The billing role's browser."""
    return at_desk(GrantFactory(organization=account.organization, role=Role.BILLING).user)


@pytest.fixture
def at(account: Connection) -> At:
    """Addresses of spend."""
    return lambda path="": f"/o/{account.organization.slug}/spend/{path}"


def all_read(connection: Connection, *, but: date | None = None) -> None:
    """Read every day of both months, and as many before as a forecast looks at."""
    days = [today() - timedelta(days=at) for at in range(70)]
    report(connection, days[-1], hourly=False)
    read(connection, *(day for day in days if day != but))


def body(answer: Any) -> str:
    assert answer.status_code == 200
    said: str = answer.content.decode()
    return said


def lines(answer: Any) -> list[dict[str, str]]:
    text = answer.getvalue().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def point(connection: Connection, at: datetime, micros: int) -> None:
    CreditPoint.objects.create(connection=connection, at=at, day=day_of(at), micros=micros)


# --- At a glance ----------------------------------------------------------------------------------


def test_what_is_spent_is_counted_once_and_told_apart(
    bea: Client, at: At, account: Connection, console: Connection
) -> None:
    used(account, first(), cost="10.000001")
    used(account, before(), cost="7")
    used(console, first(), cost="5.25000000000001")
    PaymentFactory(connection=account, at=midnight(day_of(first())), amount_micros=99_000_000)
    PaymentFactory(connection=account, status="failed", amount_micros=77_000_000)
    CreditFactory(connection=account, micros=40_000_000)
    SubscriptionFactory(connection=account)
    page = body(bea.get(at()))
    for told in ("$15.25", "$10.00", "$5.25", "$7.00", "$40.00", "$200.00 (Monthly)"):
        assert told in page, told
    assert "$15.25000100000001" in page, "to the last digit on hover"
    assert "Prepaid: credit that was used" in page
    assert "1 payment of $99.00" in page
    assert "$114" not in page, "what is bought is spent when it is used"
    usage = f"/o/{account.organization.slug}/usage/"
    assert f"{usage}?range=month&amp;connection={account.pk}" in page
    (row,) = [one for one in lines(bea.get(at("?export=csv"))) if one["Connection"] == "Claude"]
    assert Decimal(row[f"This month so far (from {first()})"]) == Decimal("5.25000000000001")
    assert row["Paid"] == "metered"


def test_another_currency_is_said_to_be_in_no_figure_above(
    bea: Client, at: At, account: Connection, console: Connection
) -> None:
    used(account, first(), cost="12.00")
    said = "These are in USD; other currencies are not converted"
    assert said not in body(bea.get(at()))
    used(console, first(), cost="2.00", currency="EUR")
    assert said in body(bea.get(at()))


def test_a_day_that_is_not_read_is_no_zero(bea: Client, at: At, account: Connection) -> None:
    page = body(bea.get(at()))
    assert "$0.00" in page, "read, and nothing was used"
    other = ConnectionFactory(organization=account.organization, provider="anthropic", name="New")
    used(account, first(), cost="3")
    page = body(bea.get(at()))
    assert "Not read yet." in page
    assert "≥ $3.00" in page
    all_read(other, but=first())
    page = body(bea.get(at()))
    assert "1 day is not read yet" in page


def test_a_key_that_may_not_read_costs_says_so(bea: Client, at: At, account: Connection) -> None:
    made = ConnectionFactory(organization=account.organization, provider="anthropic", name="Mute")
    made.capabilities["costs.read"] = {"ok": False, "reason": "This key may not read costs."}
    made.save()
    page = body(bea.get(at()))
    assert "This key may not read costs." in page
    assert "≥" not in page, "it will not come, and stands beside its line"


def test_each_connections_forecast_rests_on_its_own_days(
    account: Connection, console: Connection
) -> None:
    ReadDay.objects.filter(connection=console, report="costs", day=day_of(today()) - 3).delete()
    ReadDay.objects.filter(connection=account, day=day_of(today())).update(
        through=day_of(today()) * 24 + 7
    )
    last = day_of(today())
    each = known_days_of_each([account, console], last - 9, last)
    for one in (account, console):
        assert each[one.pk] == known_days([one], last - 9, last)
    assert (len(each[account.pk].whole), each[account.pk].hours) == (9, {last: 7})
    assert last - 3 not in each[console.pk].whole


def test_without_connections_the_page_says_what_to_do(db: None) -> None:
    grant = GrantFactory()
    for path in ("", "reconciliation/"):
        page = body(at_desk(grant.user).get(f"/o/{grant.organization.slug}/spend/{path}"))
        assert "Nothing is connected yet" in page


@pytest.mark.parametrize("path", ["", "reconciliation/?range=last_month"])
def test_many_rows_take_the_queries_of_few(
    bea: Client, at: At, account: Connection, path: str
) -> None:
    counts = []
    for number in (1, 12):
        for back in range(number):
            moment = midnight(day_of(before())) + timedelta(hours=back)
            point(account, moment, back)
            PaymentFactory(connection=account, at=moment)
        used(account, before() + timedelta(days=number % 20), cost="1", model=f"m{number}")
        bea.get(at(path))
        with CaptureQueriesContext(database) as captured:
            assert bea.get(at(path)).status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[1]
    assert counts[0] <= 45


# --- Reconciliation -------------------------------------------------------------------------------

LAST_MONTH = "reconciliation/?range=last_month"


def begin() -> datetime:
    """When the month before began."""
    return midnight(day_of(before()))


def end() -> datetime:
    """When it was over."""
    return midnight(day_of(first()))


def settled(account: Connection) -> None:
    """Last month: 100 at its beginning, 50 bought, 20 given, 30.5 used, 139.5 at its end."""
    point(account, begin() - timedelta(days=2), 100_000_000)
    PaymentFactory(
        connection=account,
        at=begin() + timedelta(days=3),
        amount_micros=50_000_000,
        credits_micros=50_000_000,
    )
    PaymentFactory(connection=account, at=end() + timedelta(hours=1))  # the next month's
    seen = {"first_seen_at": begin(), "changed_at": begin()}
    Promotion.objects.create(
        connection=account,
        remote_id="p",
        name="Launch credit",
        credits_micros=20_000_000,
        remaining_micros=20_000_000,
        created_at=begin() + timedelta(days=4),
        **seen,
    )
    used(account, before(), cost="30.25")
    used(account, before() + timedelta(days=9), cost="0.25")
    used(account, first(), cost="1000")
    point(account, begin() + timedelta(days=9, hours=5), 139_500_000)


def test_what_came_in_and_went_out_is_what_became_of_the_credit(
    bea: Client, at: At, account: Connection
) -> None:
    settled(account)
    page = body(bea.get(at(LAST_MONTH)))
    for told in ("$100.00", "+ $50.00", "+ $20.00", "− $30.50", "$139.50", "agrees exactly"):
        assert told in page, told
    rows = lines(bea.get(at(f"{LAST_MONTH}&export=csv")))
    parts = [Decimal(one["Amount"]) for one in rows if one["Amount"]]
    assert sum(parts[:-1]) == parts[-1] == Decimal("139.5")
    assert bea.get(at(f"{LAST_MONTH}&export=xlsx")).status_code == 200
    assert bea.get(at(f"{LAST_MONTH}&export=pdf")).status_code == 404


def test_a_difference_is_shown_and_what_could_explain_it(
    bea: Client, at: At, account: Connection
) -> None:
    settled(account)
    point(account, begin() + timedelta(days=20), 132_000_000)
    page = body(bea.get(at(LAST_MONTH)))
    assert "−$7.50" in page
    assert "nothing explains it" in page
    point(account, end() + timedelta(hours=2), 224_000_000)
    page = body(bea.get(at(LAST_MONTH)))
    assert "can be explained" in page, "nobody looked at the month's end"
    assert "Up to $8.00." in page, "without the payment that is known to be the next month's"
    CreditPoint.objects.filter(at__gt=end()).delete()
    PaymentFactory(connection=account, at=begin() + timedelta(days=5), status="refunded")
    assert "was given back" in body(bea.get(at(LAST_MONTH)))
    PaymentFactory(connection=account, at=begin() + timedelta(days=5), status="settling")
    assert "not final yet" in body(bea.get(at(LAST_MONTH)))
    Promotion.objects.update(expires_at=begin() + timedelta(days=8))
    assert "has ended in the period" in body(bea.get(at(LAST_MONTH)))


def test_a_purchase_seen_after_the_months_end_explains_all_that_it_brought(
    bea: Client, at: At, account: Connection
) -> None:
    point(account, begin(), 100_000_000)
    PaymentFactory(
        connection=account,
        at=end() - timedelta(hours=1),
        amount_micros=50_000_000,
        credits_micros=50_000_000,
    )
    point(account, end() + timedelta(hours=1), 140_000_000)  # ten were used since, in the new month
    page = body(bea.get(at(LAST_MONTH)))
    assert "−$50.00" in page
    assert "can be explained" in page
    assert "Up to $50.00." in page


def test_days_that_are_not_read_leave_it_open(bea: Client, at: At, account: Connection) -> None:
    point(account, begin(), 10_000_000)
    point(account, begin() + timedelta(days=1), 9_000_000)
    account.usage_reports.all().delete()
    page = body(bea.get(at(LAST_MONTH)))
    assert "have not been read" in page
    assert "too little is known" in page


def test_credit_that_was_first_read_within_the_period_is_reckoned_from_then_on(
    bea: Client, at: At, account: Connection
) -> None:
    first = begin() + timedelta(days=3, hours=12)
    point(account, first, 5_000_000)
    PaymentFactory(connection=account, at=first - timedelta(hours=1))
    used(account, before(), cost="2")
    used(account, before() + timedelta(days=3), cost="1.5")
    page = body(bea.get(at(LAST_MONTH)))
    assert "The credit was first read on" in page
    assert "+$1.50" in page
    assert "Up to $1.50." in page
    assert "0 payments" in page
    CreditPoint.objects.all().delete()
    assert "has not been read in this period" in body(bea.get(at(LAST_MONTH)))


def billed(connection: Connection, day: date, amount: str) -> None:
    """A line of the cost report."""
    dimension = Dimension.objects.filter(connection=connection, grain=FULL.id).first()
    micros, femtos = money.split(Decimal(amount))
    Cost.objects.create(
        connection=connection,
        day=day_of(day),
        dimension=dimension,
        billed_micros=micros,
        billed_femtos=femtos,
    )


def test_usage_is_held_against_the_cost_report_day_by_day(
    bea: Client, at: At, console: Connection
) -> None:
    next_day = before() + timedelta(days=1)
    for day, shared in ((before(), "1.000000000000001"), (next_day, "2")):
        used(console, day, cost=shared)
        billed(console, day, shared)
    page = body(bea.get(at(f"{LAST_MONTH}&connection={console.pk}")))
    assert "agrees exactly" in page
    assert "over 2 days" in page
    Cost.objects.filter(day=day_of(next_day)).update(billed_femtos=1)
    page = body(bea.get(at(LAST_MONTH)))
    assert "1 day on which they are not the same" in page
    assert "−$0.000000000000001" in page
    rows = lines(bea.get(at(f"{LAST_MONTH}&connection={console.pk}&export=csv")))
    assert sum(Decimal(one["Amount"]) for one in rows if one["What"] != "Difference") == Decimal(
        "-0.000000000000001"
    )


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from=2026-02-30&to=2026-03-01", "is no date"),
        ("from=2026-03-02&to=2026-03-01", "lies before the start"),
        ("range=never", "There is no range"),
        ("connection=0", "There is no such connection."),
    ],
)
def test_what_cannot_be_asked_is_said_beside_its_field(
    bea: Client, at: At, console: Connection, query: str, said: str
) -> None:
    assert said in body(bea.get(at(f"reconciliation/?{query}")))


# --- A payment that has failed --------------------------------------------------------------------


def test_a_failed_payment_explains_itself(bea: Client, at: At, account: Connection) -> None:
    failed = PaymentFactory(
        connection=account,
        status="failed",
        failure_reason="card_declined",
        creator=account.remote_organization_id,
        at=timezone.now() - timedelta(hours=3),
        detailed_at=timezone.now(),
    )
    CardFactory(connection=account, expires_month=1, expires_year=2020)
    address = f"/o/{account.organization.slug}/billing/payments/{failed.pk}/"
    page = body(bea.get(address))
    for told in ("card_declined", "has said no", "Ask the bank", "It expired in 01/2020"):
        assert told in page, told
    assert "It was an automatic purchase" in page
    assert f"buy/?connection={account.pk}" in page
    later = PaymentFactory(connection=account, at=timezone.now() - timedelta(hours=2))
    page = body(bea.get(address))
    assert "a later payment of the same amount was completed" in page
    assert f"payments/{later.pk}/" in page
