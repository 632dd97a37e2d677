"""Amounts of usage for reading."""

from collections.abc import Iterable
from decimal import Decimal

from apps.ui import amounts


def all_money(told: Iterable[tuple[Decimal, str, bool]]) -> str:
    """(amount, currency, whether it is an estimate) of several currencies beside each other:
    "≈ $0.07 + €2.00"."""
    return " + ".join(
        f"≈ {amounts.money(amount, currency)}" if estimate else amounts.money(amount, currency)
        for amount, currency, estimate in told
    )
