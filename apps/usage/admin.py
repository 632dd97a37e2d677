"""Usage as support sees it: what was read when, what was corrected. All of it is a provider's word."""

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from apps.organizations.support import Link
from apps.sync.support import MirrorAdmin
from apps.usage.days import date_of
from apps.usage.models import (
    CallLedger,
    CodingDay,
    Correction,
    Dimension,
    MinuteReading,
    ReadDay,
    Report,
)


class _UsageAdmin(MirrorAdmin):
    reads = "usage.read"

    @admin.display(description=_("day"), ordering="day")
    def date(self, row: Any) -> str:
        """The UTC day as a date."""
        return date_of(row.day).isoformat()


@admin.register(Report)
class ReportAdmin(_UsageAdmin):
    """How a report is asked for, and how far back it goes."""

    list_display = ("name", "connection", "organization", "hourly", "paused_at", "backfilled_at")
    list_filter = ("name", "connection__provider")
    fields = (
        "connection",
        "organization",
        "name",
        "hourly",
        "grouping",
        "dropped",
        "refusal",
        "grouping_tried_at",
        "earliest",
        "paused_at",
        "paused_by",
        "backfilled_at",
    )
    links = (
        Link(
            _("Days read"),
            "usage_readday",
            lambda row: {
                "connection__id__exact": row.connection_id,
                "report__exact": row.name,
            },
        ),
        Link(
            _("Corrections"),
            "usage_correction",
            lambda row: {"connection__id__exact": row.connection_id},
        ),
    )

    @admin.display(description=_("Earliest day wanted"))
    def earliest(self, row: Report) -> str:
        """As a date."""
        return date_of(row.backfill_to).isoformat()


@admin.register(ReadDay)
class ReadDayAdmin(_UsageAdmin):
    """The ledger."""

    list_display = (
        "date",
        "report",
        "connection",
        "organization",
        "rows",
        "unreadable",
        "settled",
        "read_at",
    )
    list_filter = ("report", "settled", "connection__provider")
    fields = (
        "connection",
        "organization",
        "report",
        "date",
        "through",
        "read_at",
        "settled",
        "replacing",
        "rows",
        "unreadable",
        "dropped",
    )


@admin.register(CallLedger)
class CallLedgerAdmin(_UsageAdmin):
    """How far ledgers of single calls were read, and what stands in the way. The calls themselves are
    nobody's business here."""

    list_display = ("account", "connection", "organization", "due", "asked_at", "read_at", "error")
    list_filter = ("due", "connection__provider")
    search_fields = ("=account",)
    fields = (
        "connection",
        "organization",
        "account",
        "asked_at",
        "wanted_from",
        "due",
        "read_at",
        "reached",
        "so_far",
        "ended",
        "unreadable",
        "error",
    )


@admin.register(Correction)
class CorrectionAdmin(_UsageAdmin):
    """What the provider told otherwise later."""

    list_display = ("date", "report", "connection", "organization", "rows", "noted_at")
    list_filter = ("report", "connection__provider")
    fields = (
        "connection",
        "organization",
        "report",
        "date",
        "noted_at",
        "rows",
        "before",
        "after",
    )


@admin.register(Dimension)
class DimensionAdmin(_UsageAdmin):
    """What rows are told apart by."""

    list_display = ("id", "workspace", "key", "account", "model", "connection", "organization")
    list_filter = ("grain", "connection__provider")
    search_fields = ("=key", "=workspace", "=account", "=model")
    fields = (
        "connection",
        "organization",
        "grain",
        "workspace",
        "key",
        "account",
        "service_account",
        "model",
        "service_tier",
        "context_window",
        "geo",
        "speed",
        "operation",
        "cost_type",
        "token_type",
        "description",
        "currency",
    )


@admin.register(CodingDay)
class CodingDayAdmin(_UsageAdmin):
    """A day of somebody's Claude Code."""

    list_display = ("date", "coder", "terminal", "sessions", "connection", "organization")
    list_filter = ("customer_type", "terminal")
    list_select_related = ("connection__organization", "coder")  # type: ignore[assignment]  # one more
    search_fields = ("=coder__email",)
    fields = (
        "connection",
        "organization",
        "date",
        "coder",
        "terminal",
        "customer_type",
        "subscription_type",
        "sessions",
        "lines_added",
        "lines_removed",
        "commits",
        "pull_requests",
    )


@admin.register(MinuteReading)
class MinuteReadingAdmin(_UsageAdmin):
    """Who had the last hours of a connection read by the minute, and how that went."""

    list_display = ("connection", "organization", "state", "asked_at", "read_at", "unreadable")
    list_filter = ("state",)
    fields = (
        "connection",
        "organization",
        "state",
        "asked_at",
        "asked_by",
        "read_at",
        "grouping",
        "unreadable",
        "error",
    )
