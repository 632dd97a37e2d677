"""Money is written one way on every page, and its currency is never in doubt."""

from decimal import Decimal

import pytest

from apps.billing.templatetags.billing import last_digit, money_signed
from apps.billing.words import usd
from apps.centres.templatetags.centres import correction_text
from apps.ui import amounts
from apps.usage.models import Correction
from apps.usage.templatetags.usage import exactly


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        ("1234.560", "USD", "$1,234.56"),
        ("-0.000000000000001", "USD", "−$0.000000000000001"),
        ("1200", "EUR", "€1,200"),
        ("0.5", "SEK", "SEK 0.5"),
        ("1234567890123456.000000000000001", "CAD", "CAD 1,234,567,890,123,456.000000000000001"),
        ("0E+3", "USD", "$0"),
    ],
)
def test_to_the_last_digit(amount: str, currency: str, written: str) -> None:
    assert amounts.exact(Decimal(amount), currency) == written
    assert last_digit(Decimal(amount), currency) == written
    assert exactly(Decimal(amount), currency) == written


def test_billing_writes_money_as_every_page_does() -> None:
    assert usd(Decimal("12")) == "$12.00"
    assert usd(None) == "–"
    assert money_signed(Decimal("0.001"), "SEK") == "+SEK 0.001"
    assert money_signed(Decimal("-0.001")) == "−$0.001"


def test_a_correction_tells_counts_and_money() -> None:
    one = Correction(before={"billed": "1.5 EUR"}, after={"billed": "1.75 EUR", "output": 1200})
    assert correction_text(one) == "billed €1.5 → €1.75, output 0 → 1,200"
