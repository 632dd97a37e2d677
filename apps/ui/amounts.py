"""Money and counts as pages show them: exact where they are read, short where they are glanced at."""

from decimal import ROUND_HALF_EVEN, Decimal

from django.utils.translation import gettext as _

CENT = Decimal("0.01")
SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}
_UNITS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))


def money(amount: Decimal | None, currency: str = "USD") -> str:
    """ "$1,234.56", rounded half-even to the cent; "–" for None.

    What is there and less than half a cent is "<$0.01", so that nothing looks free that is not.
    """
    if amount is None:
        return "–"
    rounded = amount.quantize(CENT, ROUND_HALF_EVEN)
    sign = SIGNS.get(currency, f"{currency} ")
    if not rounded:
        return f"<{sign}0.01" if amount > 0 else f"{sign}0.00"
    return f"{'−' if rounded < 0 else ''}{sign}{abs(rounded):,}"


def exact(amount: Decimal | None, currency: str = "USD") -> str:
    """As ``money``, to the last digit and without zeros behind it: "$0.011745", "$12"; "–" for None."""
    if amount is None:
        return "–"
    digits = f"{amount.copy_abs():,f}"  # abs() would round to 28 digits
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return f"{'−' if amount < 0 else ''}{SIGNS.get(currency, f'{currency} ')}{digits}"


def whole(amount: Decimal, currency: str = "USD") -> str:
    """As ``money``, from a thousand on without the cents: for where it is glanced at."""
    if abs(amount) < 1000:
        return money(amount, currency)
    return money(amount.quantize(Decimal(1), ROUND_HALF_EVEN), currency).removesuffix(".00")


def count(number: int | None) -> str:
    """ "1,204,332"; "–" for None."""
    return "–" if number is None else f"{number:,}"


def compact(number: int | None) -> str:
    """ "1.2M": three figures at most; "–" for None. The exact number belongs beside it or on hover."""
    if number is None:
        return "–"
    for size, letter in _UNITS:
        # 999,950 would round up to "1000K".
        if abs(number) >= size - size // 2000:
            return f"{_three(number / size)}{letter}"
    return f"{number}"


def _three(value: float) -> str:
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def share(part: Decimal | float | None) -> str:
    """ "12.3%" of 0.123; "–" for None."""
    return "–" if part is None else f"{float(part) * 100:.1f}%"


def change(now: Decimal | int, before: Decimal | int) -> str:
    """By how much ``now`` is more than ``before``: "+12%", "−3%", "14×", "new" where there was nothing."""
    if not before:
        return _("new") if now else "–"
    if now >= 10 * before > 0:
        return f"{float(now) / float(before):.0f}×"
    percent = round((float(now) / float(before) - 1) * (100 if before > 0 else -100))
    return f"{'+' if percent > 0 else '−' if percent < 0 else '±'}{abs(percent)}%"
