"""Units: what stands on the wire as cents, millionths or hundred-millionths is the same money everywhere."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.billing.money import Inexact, in_micros, of_micros
from apps.providers.cline import billing, plans
from apps.providers.reading import cents
from apps.providers.records import Unreadable

CENT, MILLIONTH, HUNDRED_MILLIONTH = 10_000, 1, Decimal("0.01")  # in millionths of a dollar

# Contract: notes, "Money"; by document, the field, what one of it is worth, and where the record has it.
FIELDS: dict[str, tuple[Any, dict[str, Any], str, int, Callable[[Any], Any]]] = {
    "balance": (billing.OF_ORGANIZATION, {}, "balance", MILLIONTH, lambda r: r.amount_usd),
    "charged": (billing.PAYMENTS, {"id": "p"}, "amountCents", CENT, lambda r: r.amount_usd),
    "bought": (billing.PAYMENTS, {"id": "p"}, "credits", MILLIONTH, lambda r: r.credits_usd),
    "processed": (billing.PROCESSOR_PAYMENT, {}, "amountCents", CENT, lambda r: r.amount_usd),
    "given": (billing.PROMOTIONS, {"id": "p"}, "credits", MILLIONTH, lambda r: r.credits_usd),
    "left of it": (
        billing.PROMOTIONS,
        {"id": "p"},
        "creditsRemaining",
        MILLIONTH,
        lambda r: r.remaining_usd,
    ),
    "threshold": (billing.AUTO_TOP_UP, {}, "thresholdCents", CENT, lambda r: r.threshold_usd),
    "top-up": (billing.AUTO_TOP_UP, {}, "amountCents", CENT, lambda r: r.amount_usd),
    "seat": (plans.PLANS, {"id": "p"}, "pricePerSeatCents", CENT, lambda r: r.seat_price_usd),
}


@pytest.mark.parametrize("name", FIELDS)
@settings(max_examples=25)
@given(number=st.integers(-(10**11), 10**11), as_text=st.booleans())
def test_each_amount_keeps_its_worth(name: str, number: int, as_text: bool) -> None:
    reader, rest, field, worth, read = FIELDS[name]
    body = msgspec.json.encode({**rest, field: str(number) if as_text else number})
    record = reader.attempt(body)
    assert not isinstance(record, Unreadable)
    assert in_micros(read(record)) == number * worth


@given(number=st.integers(0, 10**15))
def test_a_cap_is_in_hundred_millionths(number: int) -> None:
    caps = {"cline_pass": {"inferenceCapThreshold": {"last30daysUsageCostUSDPerUser": number}}}
    plan = plans.PLANS.attempt(msgspec.json.encode({"id": "p", "entitlements": caps}))
    assert not isinstance(plan, Unreadable)
    assert plan.caps[0].limit_usd == Decimal(number) * HUNDRED_MILLIONTH / 10**6


@given(number=st.integers(0, 10**11))
def test_what_is_sent_as_cents_comes_back_as_the_same_money(number: int) -> None:
    amount = Decimal(number) / 100
    assert cents(amount) == number
    body = msgspec.json.encode({"id": "p", "amountCents": cents(amount), "credits": number * CENT})
    record = billing.PAYMENTS.attempt(body)
    assert not isinstance(record, Unreadable)
    assert record.amount_usd == record.credits_usd == amount


@given(parts=st.lists(st.integers(-(10**15), 10**15), max_size=20))
def test_the_sum_of_the_parts_is_the_whole(parts: list[int]) -> None:
    amounts = [of_micros(one) or Decimal(0) for one in parts]
    assert in_micros(sum(amounts, Decimal(0))) == sum(parts)


@pytest.mark.parametrize("amount", ["0.0000001", "NaN", "Infinity", "1e13"])
def test_what_millionths_cannot_hold_is_refused(amount: str) -> None:
    with pytest.raises(Inexact):
        in_micros(Decimal(amount))
    assert in_micros(None) is None
    assert of_micros(None) is None
