"""Money in two integers, exact to 1e-15 of the currency's own unit on every database.

``micros`` are whole millionths of a dollar (floored), ``femtos`` what is left, in 1e-15 dollars, from 0
to 999,999,999. Both may be summed by SQL and put together afterwards: micros stay within 64 bits up to
9.2e12 dollars, femtos up to 9.2e9 rows. Providers tell of 1e-12 dollars at the finest so far.
"""

from decimal import Context, Decimal

MICRO = 10**9  # femtos
_EXACT = Context(prec=60)
_ONE, _NOTHING = Decimal(1), Decimal(0)


def split(amount: Decimal) -> tuple[int, int]:
    """``amount`` of the currency's own unit as (micros, femtos); finer than 1e-15 is rounded half-even."""
    return of_femtos(in_femtos(amount))


def in_femtos(amount: Decimal) -> int:
    """``amount`` in 1e-15 of the currency's own unit; finer is rounded half-even."""
    return int(amount.scaleb(15, _EXACT).quantize(_ONE, context=_EXACT))


def is_exact(amount: Decimal) -> bool:
    """Whether nothing of ``amount`` is lost here."""
    return amount.scaleb(15, _EXACT) == in_femtos(amount)


def of_femtos(femtos: int) -> tuple[int, int]:
    """1e-15 units as (micros, femtos)."""
    return divmod(femtos, MICRO)


def amount_of(femtos: int) -> Decimal:
    """1e-15 units as the amount in the currency's own unit."""
    return Decimal(femtos).scaleb(-15, _EXACT) if femtos else _NOTHING


def joined(micros: int | None, femtos: int | None) -> Decimal:
    """The amount in the currency's own unit, of sums of both; 0 for what is not there."""
    return amount_of((micros or 0) * MICRO + (femtos or 0))
