"""Notices and deliveries, as support sees them: to look at, no secret among it."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from apps.notices.models import Delivery, Endpoint, Notice
from apps.notices.targets import abridged
from apps.organizations.support import Link, SupportAdmin


@admin.register(Notice)
class NoticeAdmin(SupportAdmin):
    """What was told to an organization."""

    reads = "notices.read"
    list_display = ("title", "topic", "severity", "organization", "created_at", "acknowledged_at")
    list_filter = ("severity", "topic")
    search_fields = ("title", "=cause")
    list_select_related = ("organization",)
    ordering = ("-id",)
    fields = (
        "title",
        "text",
        "topic",
        "cause",
        "severity",
        "url",
        "organization",
        "created_at",
        "settled_at",
        "acknowledged_at",
        "acknowledged_by",
    )
    links = (
        Link(
            _("Deliveries"),
            "notices_delivery",
            lambda row: {"kind__exact": "notice", "subject_id__exact": row.pk},
        ),
    )


@admin.register(Endpoint)
class EndpointAdmin(SupportAdmin):
    """Where an organization's webhooks go."""

    reads = "notices.deliveries"
    list_display = ("name", "organization", "address", "paused_at", "created_at")
    list_select_related = ("organization",)
    search_fields = ("name",)
    fields = ("name", "organization", "address", "topics", "paused_at", "created_by", "created_at")
    links = (
        Link(_("Deliveries"), "notices_delivery", lambda row: {"endpoint__id__exact": row.pk}),
    )

    @admin.display(description=_("address"))
    def address(self, row: Endpoint) -> str:
        """Without what lets anybody post there."""
        return abridged(row.url)


@admin.register(Delivery)
class DeliveryAdmin(SupportAdmin):
    """What was sent where, and what came of it."""

    reads = "notices.deliveries"
    list_display = (
        "label",
        "organization",
        "channel",
        "receiver",
        "state",
        "attempts",
        "created_at",
        "settled_at",
    )
    list_filter = ("state", "channel")
    list_select_related = ("organization", "user", "endpoint")
    search_fields = ("label", "=user__email")
    ordering = ("-id",)
    fields = (
        "label",
        "organization",
        "kind",
        "subject_id",
        "channel",
        "user",
        "endpoint",
        "state",
        "attempts",
        "said",
        "due_at",
        "created_at",
        "settled_at",
    )
