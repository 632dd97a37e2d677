"""The chart of a budget: the running sum of a period against its amount, and where the forecast leads."""

from datetime import date, timedelta
from decimal import Decimal

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from apps.budgets import words
from apps.budgets.models import Budget
from apps.budgets.reading import Figures
from apps.ui.charts import Chart, Series

Amounts = list[Decimal | None]


def chart_of(budget: Budget, seen: Figures) -> Chart:
    """What had been spent by the end of each UTC day; a day that is not read has nothing, and is said so."""
    days = [seen.first + timedelta(days=at) for at in range((seen.last - seen.first).days + 1)]
    spent = _running(days, seen)
    series = [_series(_("Spent so far"), spent, budget, _("not read"), days, seen)]
    if seen.coming:
        ends = (seen.coming.amount, seen.coming.lowest, seen.coming.highest)
        names = (_("Forecast"), _("Forecast, at least"), _("Forecast, at most"))
        for at, (end, name) in enumerate(zip(ends, names, strict=True)):
            course = _course(days, seen, end)
            series.append(_series(name, course, budget, "", days, seen, muted=at > 0))
    amount: Amounts = [budget.amount] * len(days)
    series.append(_series(_("Amount"), amount, budget, "", days, seen))
    return Chart(
        name="budget-chart",
        title=_("Spent by the end of each day, against the amount"),
        labels=[date_format(day, "j M") for day in days],
        titles=[date_format(day, "D j M Y") for day in days],
        series=series,
        unit=budget.currency,
        label_head=_("Day (UTC)"),
    )


def _running(days: list[date], seen: Figures) -> Amounts:
    total, found = Decimal(0), Amounts()
    for day in days:
        total += seen.daily.get(day, Decimal(0))
        known = day <= seen.end and day not in seen.unread and seen.coverage.as_of is not None
        found.append(total if known else None)
    return found


def _course(days: list[date], seen: Figures, end: Decimal) -> Amounts:
    """An even course from what is spent today to ``end`` on the last day."""
    left = (seen.last - seen.today).days
    rise = (end - seen.spent) / left if left else Decimal(0)
    return [
        seen.spent + rise * (day - seen.today).days if day >= seen.today else None for day in days
    ]


def _series(
    name: str,
    values: Amounts,
    budget: Budget,
    unread: str,
    days: list[date],
    seen: Figures,
    *,
    muted: bool = False,
) -> Series:
    texts = [
        words.money(value, budget.currency)
        if value is not None
        else (unread if day <= seen.end else "") or "–"
        for day, value in zip(days, values, strict=True)
    ]
    return Series(name, values, texts, line=True, muted=muted)
