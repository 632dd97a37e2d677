"""The list of budgets, declared."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import F, Q, QuerySet
from django.urls import reverse
from django.utils.html import escape, format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.budgets import words
from apps.budgets.bars import bar
from apps.budgets.drawing import WARNING, running
from apps.budgets.models import NEAR, WHOLE, Budget, Period, Scope
from apps.budgets.periods import name_of
from apps.budgets.scopes import Called, connections_of
from apps.organizations.models import Connection
from apps.sync.schedule import freshness
from apps.ui.filters import ChoiceFilter, Filter, SearchFilter
from apps.ui.listing import Column, Empty, ListPage
from apps.usage.question import utc_today

# Of the period that lasts; one of which nothing is read is in none.
_OVER = Q(percent__gte=WHOLE)
_FORECAST = Q(forecast_micros__gt=F("amount_micros"))
STATES = {
    "warning": (gettext_lazy("To look at"), WARNING),
    "over": (gettext_lazy("Used up or exceeded"), _OVER),
    "forecast": (gettext_lazy("Forecast over"), _FORECAST & ~_OVER),
    "within": (
        gettext_lazy("Within"),
        Q(percent__lt=NEAR, read_to__isnull=False) & ~_FORECAST,
    ),
}


def _in_state(value: str, page: Any) -> Q:
    lasting = running(budget__organization=page.organization).filter(STATES[value][1])
    return Q(pk__in=lasting.order_by().values("budget"))


def _spent(value: Any, row: Budget, page: Any) -> str:
    standing = row.standing  # type: ignore[attr-defined]  # given by prepare()
    if standing is None or standing.read_to is None:
        words_of = format_html('<span class="text-secondary">{}</span>', _("not read yet"))
    else:
        words_of = format_html(
            '<strong>{}</strong> <span class="text-secondary">{}</span>',
            words.spent(standing),
            _("of %(amount)s, %(percent)s")
            % {
                "amount": words.money(row.amount, row.currency),
                "percent": words.percent(standing),
            },
        )
    unread = ""
    if standing is not None and standing.unread:
        told = ngettext("%(n)d day is not read", "%(n)d days are not read", standing.unread)
        unread = format_html('<div class="cell-note">{}</div>', told % {"n": standing.unread})
    return format_html(
        '<div class="budget-cell">{}<div>{}</div>{}</div>', bar(standing), words_of, unread
    )


def _left(row: Budget) -> str:
    standing = row.standing  # type: ignore[attr-defined]  # likewise
    if standing is None or standing.read_to is None:
        return ""
    return words.left(standing.left, row.currency)


def _forecast(row: Budget) -> str:
    standing = row.standing  # type: ignore[attr-defined]  # likewise
    return words.band(standing) if standing else ""


def _percent(row: Budget) -> int | None:
    standing = row.standing  # type: ignore[attr-defined]  # likewise
    return standing.percent if standing is not None and standing.read_to is not None else None


def _days_left(row: Budget) -> str:
    standing = row.standing  # type: ignore[attr-defined]  # likewise
    return words.days_left(standing.last_date, row.today) if standing else ""  # type: ignore[attr-defined]  # likewise


def _state(row: Budget) -> tuple[str, str]:
    return words.state(row.standing)  # type: ignore[attr-defined]  # likewise


def _period(row: Budget) -> str:
    standing = row.standing  # type: ignore[attr-defined]  # likewise
    return name_of(row.period, standing.first_date) if standing else row.get_period_display()


def _exactly(row: Any, figure: str) -> Decimal | None:
    """A figure of the running period for a file; None where nothing is read, which is no zero."""
    standing = row.standing
    if standing is None or standing.read_to is None:
        return None
    return words.exact(getattr(standing, figure))


def _place(value: Any, row: Budget, page: Any) -> str:
    if not value.note:
        return escape(value.text)
    return format_html('<div>{}<div class="cell-note">{}</div></div>', value.text, value.note)


class BudgetList(ListPage[Budget]):
    """Every budget, and how its running period stands."""

    name = "budgets"
    title = gettext_lazy("Budgets")
    all_label = gettext_lazy("All budgets")
    default_sort = "name"
    template = "budgets/list.html"
    columns = [
        Column(key="name", label=gettext_lazy("Budget"), cell="link", css="cell-main", sort="name"),
        Column(
            key="scope",
            label=gettext_lazy("For"),
            value="called",
            cell=_place,
            export=lambda row: str(row.called),
        ),
        Column(key="running", label=gettext_lazy("Period (UTC)"), value=_period, sort="period"),
        Column(
            key="spent",
            label=gettext_lazy("Spent"),
            cell=_spent,
            css="cell-budget",
            export=lambda row: _exactly(row, "spent"),
        ),
        Column(
            key="left",
            label=gettext_lazy("Left"),
            value=_left,
            export=lambda row: _exactly(row, "left"),
        ),
        Column(
            key="forecast",
            label=gettext_lazy("Forecast (estimate)"),
            value=_forecast,
            export=lambda row: _exactly(row, "forecast"),
        ),
        Column(key="days_left", label=gettext_lazy("Days left"), value=_days_left),
        Column(
            key="state",
            label=gettext_lazy("State"),
            value=_state,
            cell="badge",
            export=lambda row: _state(row)[1],
        ),
        Column(
            key="amount",
            label=gettext_lazy("Amount"),
            value=lambda row: words.exact(row.amount),
            sort="amount_micros",
            shown=False,
        ),
        Column(key="currency", label=gettext_lazy("Currency"), shown=False),
        Column(
            key="percent",
            label=gettext_lazy("Percent spent"),
            value=_percent,
            shown=False,
        ),
        Column(
            key="low",
            label=gettext_lazy("Forecast from"),
            value=lambda row: _exactly(row, "low"),
            shown=False,
        ),
        Column(
            key="high",
            label=gettext_lazy("Forecast to"),
            value=lambda row: _exactly(row, "high"),
            shown=False,
        ),
        Column(
            key="is_estimate",
            label=gettext_lazy("Spent is an estimate"),
            value=lambda row: row.standing.is_estimate if row.standing else None,
            shown=False,
        ),
        Column(
            key="unread",
            label=gettext_lazy("Days not read"),
            value=lambda row: row.standing.unread if row.standing else None,
            shown=False,
        ),
        Column(
            key="read_to",
            label=gettext_lazy("Read up to"),
            value=lambda row: row.standing.read_to if row.standing else None,
            moment=True,
            shown=False,
        ),
        Column(key="told_at", label=gettext_lazy("Told at"), value=words.thresholds, shown=False),
    ]
    filters: ClassVar[Sequence[Filter]] = [
        SearchFilter(label=gettext_lazy("Search budgets"), fields=["name"]),
        ChoiceFilter(
            key="state",
            label=gettext_lazy("State"),
            options=[(key, label) for key, (label, _condition) in STATES.items()],
            lookup=_in_state,
        ),
        ChoiceFilter(key="scope", label=gettext_lazy("For"), options=Scope.choices, lookup="scope"),
        ChoiceFilter(
            key="period", label=gettext_lazy("Period"), options=Period.choices, lookup="period"
        ),
    ]

    @cached_property
    def connections(self) -> list[Connection]:
        """The organization's."""
        return connections_of(self.organization)

    @cached_property
    def today(self) -> date:
        """At the providers."""
        return utc_today()

    def rows(self) -> QuerySet[Budget]:
        """The organization's budgets."""
        mine = Budget.objects.visible_to(self.request.user)
        return mine.filter(organization=self.organization).select_related("centre")

    def prepare(self, rows: list[Budget]) -> None:
        """Give each row its running period and what it is for. Four queries."""
        standings = {one.budget_id: one for one in running(budget__in=[row.pk for row in rows])}
        called = Called(self.organization, self.connections, rows)
        for row in rows:
            row.standing = standings.get(row.pk)  # type: ignore[attr-defined]  # for the columns
            row.called = called.of(row)  # type: ignore[attr-defined]  # likewise
            row.today = self.today  # type: ignore[attr-defined]  # likewise

    def row_url(self, row: Budget) -> str:
        """The budget's own page."""
        return reverse("budgets:one", args=[self.organization.slug, row.pk])

    def counted(self, count: int) -> str:
        """ "12 budgets"."""
        return ngettext("%(n)s budget", "%(n)s budgets", count) % {"n": self.number(count)}

    def context(self) -> dict[str, Any]:
        """Whether the reader may make one, and how fresh the figures are."""
        return {
            "may_change": self.request.may("budgets.change"),
            "freshness": freshness(self.organization, "usage", "costs"),
        }

    def nothing_yet(self) -> Empty:
        """What a budget is good for."""
        may = self.request.may("budgets.change")
        return Empty(
            icon="hourglass",
            title=_("No budget yet"),
            text=_(
                "A budget holds what is spent against an amount, says early when it will not last, and tells "
                "whoever should hear of it."
            ),
            url=reverse("budgets:new", args=[self.organization.slug]) if may else "",
            label=_("Make a budget"),
        )
