"""Numbers of usage for reading."""

from collections.abc import Iterable
from decimal import Decimal

from django.utils.formats import number_format

SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}


def in_money(amount: Decimal, currency: str = "USD", *, is_estimate: bool = False) -> str:
    """ "$1,204.50", "≈ $0.07"; less than half a cent, but not nothing, is "< $0.01"."""
    small = amount and abs(amount) < Decimal("0.005")
    shown = Decimal("0.01") if small else amount
    digits = number_format(abs(shown), 2, use_l10n=True, force_grouping=True)
    symbol = SYMBOLS.get(currency)
    text = f"{symbol}{digits}" if symbol else f"{digits} {currency}"
    text = f"−{text}" if amount < 0 else text
    text = f"< {text}" if small else text
    return f"≈ {text}" if is_estimate else text


def all_money(amounts: Iterable[tuple[Decimal, str, bool]]) -> str:
    """Amounts of several currencies beside each other."""
    return " + ".join(
        in_money(amount, currency, is_estimate=estimate) for amount, currency, estimate in amounts
    )
