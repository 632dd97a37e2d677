"""Cost centres in templates: rules and corrections in words."""

from decimal import Decimal
from typing import Any

from django import template
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from apps.centres import words
from apps.centres.contents import Took
from apps.centres.models import Subject
from apps.centres.rules import Ruling
from apps.ui import amounts
from apps.usage.days import date_of
from apps.usage.models import Correction

register = template.Library()


@register.simple_tag
def rule_text(ruling: Ruling | None) -> str:
    """A rule in words; "–" for none."""
    return words.ruling(ruling) if ruling else "–"


@register.simple_tag
def subject_name(one: Took) -> str:
    """ "API key"."""
    return str(Subject(one.subject).label) if one.subject else _("Names nothing")


@register.simple_tag
def correction_day(one: Correction) -> str:
    """The UTC day that was corrected."""
    return date_format(date_of(one.day), "j M Y")


@register.simple_tag
def correction_text(one: Correction) -> str:
    """ "billed $1.25 → $1.3"; sums that did not change leave the rows."""
    told: list[str] = []
    for name in {**one.before, **one.after}:
        before, after = (_value(side.get(name)) for side in (one.before, one.after))
        told.append(f"{name.replace('_', ' ')} {before} → {after}")
    return ", ".join(told) or _("%(n)d rows otherwise told, the same sums") % {"n": one.rows}


def _value(value: Any) -> str:
    if not isinstance(value, str):
        return amounts.count(value or 0)
    amount, currency = value.split()  # as corrections keep money
    return amounts.exact(Decimal(amount), currency)
