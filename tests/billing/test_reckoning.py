"""Money that is added up: parts are the whole, units keep their worth, and bought is never spent twice."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.billing import failures, reconciled, services
from apps.billing.glance import Glance, Spent, months, whole_of
from apps.billing.models import Payment, Promotion
from apps.billing.money import in_micros, of_micros
from apps.billing.reconciling import Cause, Point, Reconciliation, Statement, verdict
from apps.billing.remote import amount_of
from apps.billing.runway import DAYS, Pace
from apps.organizations.models import Connection
from apps.providers.cline import billing
from apps.providers.cline.usage import SUMMARY
from apps.providers.records import Unreadable
from apps.sync.models import Command
from apps.usage.coverage import Coverage

pytestmark = pytest.mark.databaseless
FEW = settings(max_examples=40, deadline=None)
AT, TODAY = datetime(2026, 7, 1, tzinfo=UTC), date(2026, 7, 19)
MICROS = st.integers(-(10**13), 10**13)
# What was used is told to 1e-8 dollars by one provider, and shared out to 1e-15 for another.
FINE = st.decimals(0, 10**6, places=15, allow_nan=False, allow_infinity=False)


def statement(
    opening: int, paid: Sequence[int], given_: Sequence[int], used: Sequence[Decimal], closing: int
) -> Statement:
    """Of one account; credit in millionths."""
    return Statement(
        Connection(name="Cline", provider="cline"),
        Point(AT, Decimal(of_micros(opening) or 0)),
        Point(AT + timedelta(days=9), Decimal(of_micros(closing) or 0)),
        AT,
        [Payment(at=AT, credits_micros=one, status="completed") for one in paid],
        [Promotion(created_at=AT, credits_micros=one) for one in given_],
        {AT.date() + timedelta(days=at): one for at, one in enumerate(used)},
    )


@FEW
@given(
    opening=MICROS,
    paid=st.lists(MICROS, max_size=6),
    promoted=st.lists(MICROS, max_size=3),
    used=st.lists(FINE, max_size=9),
    closing=MICROS,
)
def test_the_parts_of_a_statement_and_its_difference_are_the_credit_at_the_end(
    opening: int, paid: list[int], promoted: list[int], used: list[Decimal], closing: int
) -> None:
    made = statement(opening, paid, promoted, used, closing)
    owed = Fraction(opening + sum(paid) + sum(promoted), 10**6) - sum(map(Fraction, used))
    assert Fraction(made.difference) == Fraction(closing, 10**6) - owed
    found = Reconciliation(AT.date(), AT.date(), [made], [], Coverage())
    amounts = [line[3] for line in list(reconciled.table(found))[1:]]
    assert sum(map(Fraction, amounts[:-1])) == Fraction(amounts[-1])


def read(reader: Any, **body: Any) -> Any:
    """What an adapter makes of a document."""
    record = reader.attempt(msgspec.json.encode(body))
    assert not isinstance(record, Unreadable)
    return record


@FEW
@given(
    cents=st.lists(st.integers(1, 10**8), min_size=1, max_size=4),
    used=st.integers(1, 10**12),
    opening=st.integers(0, 10**12),
    wrong=st.sampled_from(["", "bought", "used", "balance", "charged"]),
)
def test_cents_millionths_and_hundred_millionths_meet_in_one_statement(
    cents: list[int], used: int, opening: int, wrong: str
) -> None:
    """The same world told in each field's own unit reckons up; a hundredfold slip anywhere does not."""
    factor = {name: 100 if name == wrong else 1 for name in ("bought", "used", "balance")}
    left = opening + sum(cents) * 10_000 - used
    paid = [
        read(billing.PAYMENTS, id="p", amountCents=one, credits=one * 10_000 * factor["bought"])
        for one in cents
    ]
    assert all(one.credits_usd == one.amount_usd * factor["bought"] for one in paid)
    before = read(billing.OF_ORGANIZATION, balance=opening)
    after = read(billing.OF_ORGANIZATION, balance=left * factor["balance"])
    charged = read(
        SUMMARY,
        organizationId="o",
        startDate="2026-07-01",
        endDate="2026-07-01",
        memberCount=1,
        activeMemberCount=1,
        requests=1,
        totalTokens=1,
        creditsUsed=used * factor["used"],
        costUsd=used * 100,  # the same money as list price, in hundred-millionths
    )
    assert charged.list_cost_usd * factor["used"] == charged.charged_usd
    made = statement(
        in_micros(before.amount_usd) or 0,
        [in_micros(one.credits_usd) or 0 for one in paid],
        [],
        [charged.list_cost_usd if wrong == "charged" else charged.charged_usd],
        in_micros(after.amount_usd) or 0,
    )
    slipped = wrong in ("bought", "used") or (wrong == "balance" and left != 0)
    assert (made.verdict == "even") is not slipped


@FEW
@given(
    difference=st.decimals(-1000, 1000, places=6),
    causes=st.lists(st.none() | st.decimals(0, 500, places=6), max_size=4),
)
def test_a_difference_is_explained_only_by_as_much_as_is_known(
    difference: Decimal, causes: list[Decimal | None]
) -> None:
    known = [Cause("", one) for one in causes]
    told = verdict(difference, known)
    reach = sum(one for one in causes if one is not None)
    assert (told == "even") == (difference == 0)
    if difference:
        assert (told == "explained") == (abs(difference) <= reach)
        assert (told == "unexplained") == (abs(difference) > reach and None not in causes)
    assert verdict(None, known) == "none"


# --- Spend ----------------------------------------------------------------------------------------

PLACES = [("anthropic", False), ("cline", True), ("cline", True), ("anthropic", False)]


@FEW
@given(
    told=st.lists(
        st.tuples(FINE, FINE, st.integers(0, 20), st.sampled_from(["USD", "EUR"])),
        min_size=1,
        max_size=4,
    )
)
def test_prepaid_and_metered_are_the_whole_and_so_are_the_providers(
    told: list[tuple[Decimal, Decimal, int, str]],
) -> None:
    lines = [
        Spent(
            currency=currency,
            this=this,
            last=last,
            unread_this=unread,
            this_told=True,
            last_told=True,
            connection=Connection(provider=provider, name=provider),
            prepaid=prepaid,
        )
        for (this, last, unread, currency), (provider, prepaid) in zip(told, PLACES, strict=False)
    ]
    wholes = [whole_of(lines, currency) for currency in ("USD", "EUR")]
    for whole in wholes:
        mine = [line for line in lines if line.currency == whole.currency]
        for name in ("this", "last"):
            parts = sum(Fraction(getattr(line, name)) for line in mine)
            split = Fraction(getattr(whole.prepaid, name)) + Fraction(getattr(whole.metered, name))
            assert Fraction(getattr(whole, name)) == parts == split
        lacks = any(line.unread_this for line in mine)
        assert whole.this_shown.startswith("≥") == lacks, "a day that lacks anywhere lacks here"
    found = Glance(months(TODAY), lines, wholes, Any, [], Coverage(), [])
    grouped = sum(Fraction(group.sums.this) for group in found.groups)
    assert grouped == sum(Fraction(whole.this) for whole in wholes)


@pytest.mark.parametrize(
    ("today", "same"),
    [
        (date(2026, 3, 31), date(2026, 2, 28)),
        (date(2026, 3, 5), date(2026, 2, 5)),
        (date(2026, 1, 1), date(2025, 12, 1)),
        (date(2024, 3, 30), date(2024, 2, 29)),
    ],
)
def test_last_months_same_days_end_with_that_month(today: date, same: date) -> None:
    span = months(today)
    assert span.same == same
    assert span.end_of_last + timedelta(days=1) == span.first


@FEW
@given(left=st.integers(0, 10**12), spent=st.integers(1, 10**12), days=st.integers(1, DAYS))
def test_credit_lasts_for_the_whole_days_that_it_pays_for(left: int, spent: int, days: int) -> None:
    pace = Pace(Decimal(of_micros(spent) or 0), days, TODAY, TODAY)
    lasts = pace.days_left(of_micros(left))
    assert lasts is not None
    daily = Fraction(spent, 10**6) / days
    # A day more or less where the last decimal of a day's pace was rounded.
    assert (lasts - 1) * daily < Fraction(left, 10**6) < (lasts + 2) * daily


@FEW
@given(amount=st.decimals(-10, 2_000_000, places=3, allow_nan=False))
def test_what_is_asked_for_is_what_is_sent_to_the_cent(amount: Decimal) -> None:
    cents = amount * 100
    fits = 0 < amount <= services.MOST and cents == cents.to_integral_value()
    assert (services.why_not(amount) == "") is fits
    if fits:
        command = Command(arguments={"cents": int(amount / services.CENT)})
        assert amount_of(command) == amount


# --- Failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("card_declined", "has said no"),
        ("checkout expired", "nobody paid there"),
        ("expired_card", "last month is over"),
        ("Your card has insufficient funds.", "not enough money"),
        ("authentication_required", "holder to confirm"),
        ("incorrect_cvc", "given wrongly"),
        ("processing-error", "could not be reached"),
        ("stolen_card", "blocked"),
    ],
)
def test_a_reason_is_explained_in_plain_words(reason: str, said: str) -> None:
    found = failures.meaning_of(reason)
    assert found is not None
    assert said in str(found.means)


def test_a_reason_that_nobody_knows_is_not_made_up() -> None:
    assert failures.meaning_of("flux_capacitor_empty") is None
    payment = Payment(status="failed", failure_reason="flux_capacitor_empty", remote_id="p")
    assert replace(failures.Explained("", "", ""), means=failures._unknown(payment)).means == ""
