"""Figures of usage in templates: ``{{ row.cost|money:row.currency }}``, ``{{ row.output|count }}``."""

from decimal import Decimal

from django import template

from apps.organizations.models import Connection
from apps.ui import amounts
from apps.usage import answer, missing_words
from apps.usage.coverage import Coverage
from apps.usage.question import Question
from apps.usage.rows import Row

register = template.Library()
register.filter("count", amounts.count)
register.filter("compact", amounts.compact)
register.filter("share", amounts.share)


@register.filter
def money(amount: Decimal | None, currency: str = "USD") -> str:
    """ "$1,234.56"; "–" for None."""
    return amounts.money(amount, currency)


@register.filter
def exactly(value: Decimal | int | None, currency: str = "USD") -> str:
    """A count, or money to the last digit: "$0.011745"; "–" for None."""
    return amounts.exact(value, currency) if isinstance(value, Decimal) else amounts.count(value)


@register.simple_tag
def changed(now: Row, before: Row | None, show: str) -> str:
    """By how much a row shows more than the one of the period before."""
    return amounts.change(answer.figure(now, show), answer.figure(before, show) if before else 0)


@register.simple_tag
def cut_bars(question: Question) -> str:
    """That the first or the last bar is no whole week or month."""
    return answer.cut(question)


@register.simple_tag
def figure(row: Row, show: str, currency: str) -> str:
    """What a row shows, as pages write it."""
    return answer.in_words(answer.figure(row, show), show, currency)


@register.simple_tag
def other_currency(question: Question, currency: str) -> str:
    """The address of the same question in another currency."""
    return question.url(currency=currency)


@register.simple_tag
def missing(coverage: Coverage) -> list[str]:
    """What is not in the sums, a sentence each."""
    return missing_words.sentences(coverage)


@register.simple_tag
def backfilling(coverage: Coverage) -> list[Connection]:
    """The connections whose past is still being read, or would be if that were not paused."""
    return list(
        dict.fromkeys(one.connection for one in coverage.holes if one.why in ("backfill", "paused"))
    )
