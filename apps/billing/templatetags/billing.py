"""Money in templates: ``{{ payment.amount|usd }}``."""

from datetime import datetime
from decimal import Decimal

from django import template

from apps.billing import glance, reconciled, words
from apps.billing.money import CURRENCY
from apps.ui import amounts
from apps.usage.days import date_of, day_of

register = template.Library()
register.filter("usd", words.usd)
register.simple_tag(words.state_of, name="payment_state")
register.filter("verdict", reconciled.tone_of)
register.filter("no_credit", glance.no_credit)


@register.filter
def runway_of(line: glance.Spent) -> tuple[str, str, str]:
    """Tone, figure and sentence on how long the credit of a line lasts."""
    if line.pace is None:
        return "", "–", ""
    return words.runway(line.pace, line.credit.amount if line.credit else None)


@register.filter
def last_digit(amount: Decimal | None, currency: str = CURRENCY) -> str:
    """An amount as exactly as it is kept: "12.345678 USD"; "" for None."""
    return "" if amount is None else f"{words.plain(amount)} {currency}"


@register.filter
def money_signed(amount: Decimal | None, currency: str = CURRENCY) -> str:
    """ "+$1.20", "−$1.20", "$0.00"; what is less than a cent is told to its last digit."""
    if amount is None:
        return "–"
    if amount and abs(amount) < amounts.CENT:
        return f"{'+' if amount > 0 else '−'}{words.plain(abs(amount))} {currency}"
    return f"{'+' if amount > 0 else ''}{amounts.money(amount, currency)}"


@register.filter
def utc_day(at: datetime) -> str:
    """The UTC day of a time, as addresses hold it."""
    return date_of(day_of(at)).isoformat()
