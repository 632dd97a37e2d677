"""Money as the providers write it, turned into exact dollars once."""

from decimal import Context, Decimal, InvalidOperation

# Powers of ten that turn a provider's unit into the currency's own (dollars, where it is USD).
UNITS, CENTS, MICROS, HUNDRED_MILLIONTHS = 0, -2, -6, -8
LONGEST = 40  # digits: more is no amount of money
_EXACT = Context(prec=LONGEST + 20)


def money(value: str | int | float | Decimal, unit: int) -> Decimal:
    """``value`` of ``unit`` in the currency's own unit, to the last digit. ValueError if it is none.

    A float counts as the shortest decimal that means it, which is what stood in the JSON.
    """
    if isinstance(value, bool):
        raise ValueError("no amount")
    try:
        amount = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise ValueError("no amount") from None
    if not amount.is_finite() or len(amount.as_tuple().digits) > LONGEST:
        raise ValueError("no amount")
    if not -LONGEST <= amount.adjusted() <= LONGEST:
        raise ValueError("no amount")
    return amount.scaleb(unit, _EXACT)
