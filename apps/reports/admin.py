"""Reports, as support sees them: to look at."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.organizations.support import Link, SupportAdmin
from apps.reports.models import Run, Schedule


@admin.register(Schedule)
class ScheduleAdmin(SupportAdmin):
    """What is sent regularly."""

    reads = "reports.read"
    list_display = ("name", "organization", "owner", "rhythm", "next_at", "paused_at", "stopped_at")
    list_select_related = ("organization", "owner")
    search_fields = ("name", "=owner__email")
    fields = (
        "name",
        "organization",
        "owner",
        "url_name",
        "rhythm",
        "hour",
        "next_at",
        "paused_at",
        "stopped_at",
        "stopped_why",
        "created_at",
    )
    links = (Link(_("Runs"), "reports_run", lambda row: {"schedule__id__exact": row.pk}),)


@admin.register(Run)
class RunAdmin(SupportAdmin):
    """Each time that a report was made; not what was in it."""

    reads = "reports.read"
    list_display = ("schedule", "period", "organization", "state", "rows", "created_at", "made_at")
    list_filter = ("state",)
    list_select_related = ("organization", "schedule")
    ordering = ("-id",)
    fields = (
        "schedule",
        "organization",
        "period",
        "state",
        "attempts",
        "rows",
        "asked_by",
        "said",
        "created_at",
        "made_at",
    )
    links = (
        Link(
            _("Deliveries"),
            "notices_delivery",
            lambda row: {"kind__exact": "report", "subject_id__exact": row.pk},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Without the files: support reads no customer's figures here."""
        return super().get_queryset(request).defer("csv", "digest")
