"""Money as the mirror keeps it: whole millionths of the currency's own unit, in 64 bits.

Adapters have turned cents and millionths into exact amounts already; nothing here knows their units. What
providers tell of balances, payments and prices is at the finest a millionth, so nothing is ever rounded:
an amount that is finer is refused, and the row that holds it is set aside as unreadable.
"""

from decimal import Context, Decimal

CURRENCY = "USD"  # the contract's: Cline writes every amount of it in dollars
_EXACT = Context(prec=60)
_MOST = 2**63 - 1


class Inexact(ValueError):
    """An amount that whole millionths cannot hold."""


def in_micros(amount: Decimal | None) -> int | None:
    """``amount`` in millionths; None for None. Raises Inexact."""
    if amount is None:
        return None
    scaled = amount.scaleb(6, _EXACT)
    if not scaled.is_finite() or scaled != scaled.to_integral_value() or abs(scaled) > _MOST:
        raise Inexact(f"{amount} has no whole millionths")
    return int(scaled)


def of_micros(micros: int | None) -> Decimal | None:
    """Millionths as an amount, to the last digit; None for None."""
    return None if micros is None else Decimal(micros).scaleb(-6, _EXACT)
