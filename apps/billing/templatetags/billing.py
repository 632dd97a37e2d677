"""Money in templates: ``{{ payment.amount|usd }}``."""

from django import template

from apps.billing import words

register = template.Library()
register.filter("usd", words.usd)
register.simple_tag(words.state_of, name="payment_state")
