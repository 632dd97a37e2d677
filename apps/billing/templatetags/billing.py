"""Money in templates: ``{{ payment.amount|usd }}``, ``{% money_url "payment" payment.pk %}``."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template
from django.template import Context

from apps.billing import glance, reconciled, words
from apps.billing.money import CURRENCY
from apps.organizations.models import Connection
from apps.ui import amounts
from apps.usage.days import date_of, day_of

register = template.Library()
register.filter("usd", words.usd)
register.simple_tag(words.state_of, name="payment_state")


@register.simple_tag(takes_context=True)
def money_url(context: Context, name: str, *ids: Any) -> str:
    """One of the pages of money to which this one belongs (``pages``)."""
    return str(context["pages"].url(name, *ids))


@register.simple_tag(takes_context=True)
def money_url_of(context: Context, name: str, connection: Connection) -> str:
    """One of them that is about a connection."""
    return str(context["pages"].url_of(name, connection))


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
    """An amount as exactly as it is kept: "$12.345678"; "" for None."""
    return "" if amount is None else amounts.exact(amount, currency)


@register.filter
def money_signed(amount: Decimal | None, currency: str = CURRENCY) -> str:
    """ "+$1.20", "−$1.20", "$0.00"; what is less than a cent is told to its last digit."""
    if amount is None:
        return "–"
    if amount and abs(amount) < amounts.CENT:
        return f"{'+' if amount > 0 else ''}{amounts.exact(amount, currency)}"
    return f"{'+' if amount > 0 else ''}{amounts.money(amount, currency)}"


@register.filter
def utc_day(at: datetime) -> str:
    """The UTC day of a time, as addresses hold it."""
    return date_of(day_of(at)).isoformat()
