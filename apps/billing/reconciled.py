"""A reconciliation in words, and as a file whose amounts sum up."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.billing.money import CURRENCY
from apps.billing.reconciling import Comparison, Reconciliation, Statement
from apps.billing.words import plain, trimmed
from apps.ui import export

# Tone and word of each verdict.
VERDICTS: Mapping[str, tuple[str, Any]] = {
    "none": ("muted", gettext_lazy("nothing to compare")),
    "even": ("success", gettext_lazy("agrees exactly")),
    "explained": ("info", gettext_lazy("differs, and can be explained")),
    "unknown": ("warning", gettext_lazy("differs, and too little is known")),
    "unexplained": ("danger", gettext_lazy("differs, and nothing explains it")),
}


def tone_of(found: Statement | Comparison) -> tuple[str, str]:
    """Tone and word of what came out."""
    tone, word = VERDICTS[found.verdict]
    return tone, str(word)


def table(found: Reconciliation) -> Iterator[list[Any]]:
    """The heading, then every part of every account.

    Of an account that sells credit, all amounts but the last sum up to the last: the credit at the end; what
    could explain a difference stands beneath it, without an amount. Of
    a metered one each day has three amounts: what was shared out, the cost report (taken off), and their
    difference, which is the sum of both.
    """
    yield [
        _("Connection"),
        _("Day or time (UTC)"),
        _("What"),
        _("Amount"),
        _("Currency"),
        _("Details"),
    ]
    for statement in found.statements:
        yield from (_safe(statement, CURRENCY, line) for line in _of_statement(statement))
    for comparison in found.comparisons:
        yield from (
            _safe(comparison, comparison.currency, line) for line in _of_comparison(comparison)
        )


Line = tuple[str, str, Decimal | None, str]


def _safe(of: Statement | Comparison, currency: str, line: Line) -> list[Any]:
    at, what, amount, details = line
    cells = [
        of.connection.name,
        at,
        what,
        trimmed(amount),
        "" if amount is None else currency,
        details,
    ]
    return [export.safe(cell) for cell in cells]


def _at(when: datetime | date | None) -> str:
    if when is None:
        return ""
    return f"{when:%Y-%m-%d %H:%M}" if isinstance(when, datetime) else when.isoformat()


def _of_statement(found: Statement) -> Iterator[Line]:
    if found.opening is None or found.closing is None:
        yield "", str(VERDICTS["none"][1]), None, found.why
        return
    yield _at(found.opening.at), _("Credit at the beginning"), found.opening.amount, ""
    for payment in found.payments:
        yield _at(payment.at), _("Bought"), payment.credits, payment.known_as
    for promotion in found.promotions:
        yield _at(promotion.created_at), _("Given"), promotion.credits, promotion.name
    for day, amount in found.days.items():
        yield _at(day), _("Used"), -amount, ""
    yield "", _("Difference"), found.difference, tone_of(found)[1]
    yield _at(found.closing.at), _("Credit at the end"), found.closing.amount, ""
    for cause in found.causes:
        most = _("how much cannot be told") if cause.most is None else plain(cause.most)
        yield "", _("Could explain up to"), None, f"{most}: {cause.words}"


def _of_comparison(found: Comparison) -> Iterator[Line]:
    if found.why:
        yield "", str(VERDICTS["none"][1]), None, found.why
        return
    for day in found.days:
        yield _at(day.day), _("Usage, shared out"), day.shared, ""
        yield _at(day.day), _("Cost report"), -day.billed, ""
        yield _at(day.day), _("Difference"), day.difference, ""
    if found.unread:
        yield "", _("Days that are not read"), None, str(found.unread)
