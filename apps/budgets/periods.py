"""Months, quarters and years of UTC: where each begins and ends, and what it is called."""

from collections.abc import Iterator
from datetime import date, timedelta

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from apps.budgets.models import Period

MONTHS = {Period.MONTH: 1, Period.QUARTER: 3, Period.YEAR: 12}
Span = tuple[date, date]


def span_of(period: str, day: date) -> Span:
    """The first and the last day of the period that ``day`` lies in."""
    months = MONTHS[Period(period)]
    first = day.replace(month=(day.month - 1) // months * months + 1, day=1)
    beyond = first.month + months
    following = first.replace(year=first.year + (beyond > 12), month=(beyond - 1) % 12 + 1)
    return first, following - timedelta(days=1)


def before(period: str, span: Span) -> Iterator[Span]:
    """The periods before ``span``, the latest first, without an end."""
    while True:
        span = span_of(period, span[0] - timedelta(days=1))
        yield span


def name_of(period: str, first: date) -> str:
    """ "November 2026", "Q4 2026", "2026"."""
    if period == Period.YEAR:
        return str(first.year)
    if period == Period.QUARTER:
        return _("Q%(n)d %(year)d") % {"n": (first.month + 2) // 3, "year": first.year}
    return date_format(first, "F Y")


def days_text(span: Span) -> str:
    """ "1 Nov – 30 Nov 2026"."""
    first, last = span
    return f"{date_format(first, 'j M')} – {date_format(last, 'j M Y')}"
