"""What the support desk finds of payments, over all organizations in reach."""

from django.utils.translation import gettext_lazy as _

from apps.billing.models import Payment
from apps.billing.words import usd
from apps.organizations.finding import Finder, Reach, add, by_remote_id, distinct, placed, why


def _payments(text: str, reach: Reach) -> list[Payment]:
    """By the provider's id, by that of its payment page, or by the card processor's. Three queries."""
    return distinct(
        by_remote_id(Payment.objects, text, reach),
        placed(Payment.objects.filter(awaited_id=text), reach),
        placed(Payment.objects.filter(processor_id=text), reach),
    )


def register() -> None:
    """Make this shelf's known."""
    add(
        Finder(
            "payments",
            _("Payments"),
            "billing.read",
            _payments,
            lambda row: f"{usd(row.amount)} · {row.status} · {row.connection.name}",
            lambda row: why("payment", row.pk),
            "billing_payment",
        )
    )
