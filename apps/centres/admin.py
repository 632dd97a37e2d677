"""Cost centres as support sees them: to look at."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from apps.centres import words
from apps.centres.models import Closing, CostCentre
from apps.organizations.support import SupportAdmin, json_block


@admin.register(CostCentre)
class CostCentreAdmin(SupportAdmin):
    """A centre with its rules."""

    reads = "centres.read"
    list_display = ("name", "code", "organization", "position", "created_at", "removed_at")
    list_select_related = ("organization",)
    search_fields = ("name", "=code")
    fields = (
        "name",
        "code",
        "organization",
        "position",
        "takes",
        "created_at",
        "removed_at",
    )

    @admin.display(description=_("What it takes, in order"))
    def takes(self, row: CostCentre) -> str:
        """Its rules in words."""
        return " · ".join(words.ruling(rule) for rule in row.rules.all())


@admin.register(Closing)
class ClosingAdmin(SupportAdmin):
    """A month that was closed."""

    reads = "centres.read"
    list_display = ("name", "organization", "closed_at", "closed_by")
    list_select_related = ("organization", "closed_by")
    fields = ("name", "organization", "closed_at", "closed_by", "lines", "decided")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Closing]":
        """Without what the organization's rules were."""
        return super().get_queryset(request).order_by("-pk")

    @admin.display(description=_("month"), ordering="month")
    def name(self, row: Closing) -> str:
        """ "November 2026"."""
        return str(row)

    @admin.display(description=_("Lines"))
    def lines(self, row: Closing) -> int:
        """How many there are."""
        return row.lines.count()

    @admin.display(description=_("Rules as they were"))
    def decided(self, row: Any) -> SafeString | str:
        """As they are kept."""
        return json_block(row.rules)
