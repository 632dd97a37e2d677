"""Budgets as support sees them: to look at; people of the organization change them."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from apps.budgets import words
from apps.budgets.keeping import TOPIC
from apps.budgets.models import Budget, Standing
from apps.organizations.support import Link, SupportAdmin, json_block


@admin.register(Budget)
class BudgetAdmin(SupportAdmin):
    """What there is to spend, for what, and when people are told."""

    reads = "budgets.read"
    list_display = ("name", "organization", "scope", "how_much", "period", "connection")
    list_filter = ("scope", "period")
    list_select_related = ("organization", "connection")
    search_fields = ("name", "=workspace")
    ordering = ("-id",)
    fields = (
        "name",
        "organization",
        "scope",
        "connection",
        "workspace",
        "centre",
        "how_much",
        "period",
        "told_at",
        "revision",
        "created_by",
        "created_at",
        "changed_at",
    )
    links = (
        Link(_("Its periods"), "budgets_standing", lambda row: {"budget__id__exact": row.pk}),
        Link(
            _("Notices"),
            "notices_notice",
            lambda row: {
                "topic__exact": TOPIC,
                "organization__id__exact": row.organization_id,
            },
        ),
    )

    @admin.display(description=_("Amount"), ordering="amount_micros")
    def how_much(self, row: Budget) -> str:
        """In words."""
        return words.money(row.amount, row.currency)

    @admin.display(description=_("Told at"))
    def told_at(self, row: Budget) -> str:
        """In words."""
        return words.thresholds(row)


@admin.register(Standing)
class StandingAdmin(SupportAdmin):
    """How far each period has come, by the last look."""

    reads = "budgets.read"
    tenant = "budget__organization"
    list_display = ("budget", "from_day", "to_day", "came_to", "of", "percent", "looked_at")
    list_select_related = ("budget__organization",)
    search_fields = ("budget__name",)
    ordering = ("-id",)
    fields = (
        "budget",
        "from_day",
        "to_day",
        "came_to",
        "of",
        "percent",
        "forecast_in_words",
        "unread",
        "others_as_kept",
        "read_to",
        "looked_at",
        "passed",
    )

    @admin.display(description=_("First day (UTC)"), ordering="first")
    def from_day(self, row: Standing) -> str:
        """As a date."""
        return row.first_date.isoformat()

    @admin.display(description=_("Last day (UTC)"), ordering="last")
    def to_day(self, row: Standing) -> str:
        """As a date."""
        return row.last_date.isoformat()

    @admin.display(description=_("Spent"))
    def came_to(self, row: Standing) -> str:
        """In words."""
        return words.spent(row)

    @admin.display(description=_("Amount"))
    def of(self, row: Standing) -> str:
        """In words."""
        return words.money(row.amount, row.budget.currency)

    @admin.display(description=_("Forecast"))
    def forecast_in_words(self, row: Standing) -> str:
        """With its band."""
        return words.band(row)

    @admin.display(description=_("In other currencies"))
    def others_as_kept(self, row: Standing) -> str:
        """As they are kept."""
        return json_block(row.others)

    @admin.display(description=_("Passed"))
    def passed(self, row: Standing) -> str:
        """Each threshold with when, and since when it does not hold."""
        told = []
        for one in row.crossings.all():
            line = f"{words.threshold(one.threshold)}: {one.passed_at:%Y-%m-%d %H:%M} UTC"
            if one.settled_at:
                line += f" – {one.settled_at:%Y-%m-%d %H:%M} UTC"
            told.append(line)
        return "; ".join(told) or "–"
