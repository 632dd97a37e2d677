"""The periods of a budget that are over: what was spent in each, and what there was to spend."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import Any

from django.http import HttpResponseBase
from django.utils.translation import gettext as _

from apps.budgets import words
from apps.budgets.models import Budget, Period, Standing
from apps.budgets.periods import Span, before, name_of, span_of
from apps.budgets.reading import read_from, unread_days
from apps.budgets.scopes import connections_of, place_of
from apps.organizations.models import Connection
from apps.ui import export
from apps.usage import reads
from apps.usage.coverage import coverage_of
from apps.usage.days import day_of
from apps.usage.question import utc_today

SHOWN = {Period.MONTH: 12, Period.QUARTER: 8, Period.YEAR: 5}


@dataclass(frozen=True, slots=True)
class Past:
    """One period that is over. ``amount``: what there was then; None where it was no budget yet.
    ``unread``: days that are not in ``spent``."""

    budget: Budget
    first: date
    last: date
    spent: Decimal
    is_estimate: bool
    unread: int
    amount: Decimal | None

    @property
    def name(self) -> str:
        """ "October 2026"."""
        return name_of(self.budget.period, self.first)

    @property
    def percent(self) -> int | None:
        """Of the amount, rounded down."""
        return int(self.spent * 100 // self.amount) if self.amount else None

    @property
    def spent_text(self) -> str:
        """As pages show it."""
        text = words.money(self.spent, self.budget.currency)
        return f"≈ {text}" if self.is_estimate else text

    @property
    def amount_text(self) -> str:
        """As pages show it."""
        return words.money(self.amount, self.budget.currency)

    @property
    def state(self) -> tuple[str, str] | None:
        """Tone and word; None where there was nothing to hold it against."""
        if self.amount is None:
            return None
        if self.spent > self.amount:
            return "danger", _("Exceeded")
        return ("plain", _("Not all read")) if self.unread else ("success", _("Within"))

    @property
    def url_query(self) -> str:
        """Its days, for the usage page."""
        return f"from={self.first.isoformat()}&to={self.last.isoformat()}"


def past_of(budget: Budget, connections: Sequence[Connection]) -> list[Past]:
    """The latest first, as far back as anything is read. Six queries."""
    place = place_of(budget)
    mine = place.among(connections)
    begun = read_from(mine)
    if not begun:
        return []
    begin = min(begun.values())
    running = span_of(budget.period, utc_today())
    spans = [
        span
        for span in islice(before(budget.period, running), SHOWN[Period(budget.period)])
        if span[1] >= begin
    ]
    if not spans:
        return []
    first, last = spans[-1][0], spans[0][1]
    rows = reads.sums(mine, first, last, ["month"], place.filters)
    standings = {one.first: one for one in Standing.objects.filter(budget=budget)}
    live = [one for one in mine if one.state != Connection.State.DISCONNECTED]
    coverage = coverage_of(live, first, last)
    waited_for = {one: begun[one] for one in live if one in begun}

    def told(span: Span) -> Past:
        own = [
            row
            for row in rows
            if row.currency == budget.currency and span[0] <= row.group["month"] <= span[1]
        ]
        spent = sum((row.cost for row in own), Decimal(0))
        kept = standings.get(day_of(span[0]))
        return Past(
            budget=budget,
            first=span[0],
            last=span[1],
            spent=spent,
            is_estimate=spent != sum((row.billed for row in own), Decimal(0)),
            unread=len(unread_days(coverage, waited_for, *span)),
            amount=kept.amount if kept else None,
        )

    return [told(span) for span in spans]


def _lines(budget: Budget, connections: Sequence[Connection]) -> Iterator[list[Any]]:
    yield [
        _("Period"),
        _("From (UTC)"),
        _("To (UTC)"),
        _("Spent"),
        _("Amount"),
        _("Percent"),
        _("Currency"),
        _("Estimate"),
        _("Days not read"),
        _("Over"),
    ]
    # Of one of which nothing is read yet there is nothing to tell: it is no zero.
    running = Standing.objects.filter(
        budget=budget, last__gte=day_of(utc_today()), read_to__isnull=False
    ).first()
    if running:
        yield _cells(
            Past(
                budget,
                running.first_date,
                running.last_date,
                running.spent,
                running.is_estimate,
                running.unread,
                running.amount,
            ),
            over=False,
        )
    for one in past_of(budget, connections):
        yield _cells(one, over=True)


def _cells(one: Past, *, over: bool) -> list[Any]:
    cells: list[Any] = [
        one.name,
        one.first.isoformat(),
        one.last.isoformat(),
        words.exact(one.spent),
        words.exact(one.amount),
        one.percent,
        one.budget.currency,
        one.is_estimate,
        one.unread,
        over,
    ]
    return [export.safe(cell) for cell in cells]


def download(form: str, budget: Budget) -> HttpResponseBase | None:
    """The periods of a budget, the running one first, as "csv" or "xlsx"; None for another form."""
    connections = connections_of(budget.organization)
    name = f"{budget.organization.slug}-budget-{budget.pk}-{utc_today().isoformat()}"
    table = list(_lines(budget, connections))
    if form == "csv":
        return export.csv_of(table, name)
    return export.xlsx_of(table, _("Periods of a budget"), name) if form == "xlsx" else None
