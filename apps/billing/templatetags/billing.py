"""Money in templates: ``{{ payment.amount|usd }}``, ``{% money_url "payment" payment.pk %}``."""

from typing import Any

from django import template
from django.template import Context

from apps.billing import words
from apps.organizations.models import Connection

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
