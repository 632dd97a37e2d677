"""Money as support sees it: providers own its truth, and support never spends."""

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from apps.billing.models import Credit, CreditPoint, Payment, Subscription, TopUp
from apps.billing.words import usd
from apps.organizations.support import Why
from apps.sync.support import MirrorAdmin

SEEN = ("first_seen_at", "changed_at", "gone_at", "as_sent")
WHOSE = ("connection", "organization", "remote_id")
GONE = ("gone_at", admin.EmptyFieldListFilter)


class _MoneyAdmin(MirrorAdmin):
    """A mirror row of money."""

    reads = "billing.read"

    @admin.display(description=_("Amount"))
    def in_usd(self, row: Any) -> str:
        """With its currency."""
        return usd(row.amount)

    @admin.display(description=_("Credit"))
    def bought(self, row: Any) -> str:
        """With its currency."""
        return usd(row.credits)

    @admin.display(description=_("A seat"))
    def seat(self, row: Any) -> str:
        """With its currency."""
        return usd(row.seat_price)


@admin.register(Credit)
class CreditAdmin(_MoneyAdmin):
    """The credit that is left."""

    list_display = ("remote_id", "in_usd", "connection", "organization", "changed_at", "gone_at")
    list_filter = ("connection__provider", GONE)
    search_fields = ("=remote_id",)
    fields = (*WHOSE, "in_usd", *SEEN)


@admin.register(CreditPoint)
class CreditPointAdmin(_MoneyAdmin):
    """The credit over time."""

    list_display = ("at", "in_usd", "connection", "organization")
    list_filter = ("connection__provider",)
    fields = ("connection", "organization", "at", "in_usd")


@admin.register(Payment)
class PaymentAdmin(_MoneyAdmin):
    """A purchase of credit: where it is, and when its provider is asked again."""

    list_display = (
        "at",
        "in_usd",
        "status",
        "remote_id",
        "connection",
        "organization",
        "poll_at",
        "gone_at",
    )
    list_filter = ("connection__provider", "status", ("poll_at", admin.EmptyFieldListFilter), GONE)
    search_fields = ("=remote_id", "=awaited_id", "=processor_id")
    fields = (
        *WHOSE,
        "awaited_id",
        "at",
        "began_at",
        "in_usd",
        "bought",
        "status",
        "creator",
        "failure_reason",
        "processor",
        "processor_id",
        "processor_status",
        "poll_at",
        "polls",
        "polled_at",
        "detailed_at",
        "command",
        *SEEN,
    )
    links = (Why(_("Where is it?"), "payment", lambda row: (row.pk, {})),)


@admin.register(Subscription)
class SubscriptionAdmin(_MoneyAdmin):
    """The plan of an organization."""

    list_display = ("plan_name", "seats", "seats_used", "seat", "connection", "organization")
    list_filter = ("connection__provider", GONE)
    search_fields = ("plan_name", "=remote_id")
    fields = (
        *WHOSE,
        "plan_name",
        "plan_id_there",
        "interval",
        "seat",
        "seats",
        "seats_used",
        "invites_counted",
        "max_seats",
        "period_start",
        "period_end",
        "cancelled_at",
        "cancel_at",
        *SEEN,
    )


@admin.register(TopUp)
class TopUpAdmin(_MoneyAdmin):
    """Automatic purchases."""

    list_display = ("remote_id", "enabled", "below", "in_usd", "connection", "organization")
    list_filter = ("connection__provider", "enabled", GONE)
    search_fields = ("=remote_id",)
    fields = (*WHOSE, "enabled", "below", "in_usd", *SEEN)

    @admin.display(description=_("Below"))
    def below(self, row: TopUp) -> str:
        """With its currency."""
        return usd(row.threshold)
