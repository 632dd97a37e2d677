"""A failed payment explains itself: the provider's reason, what it usually means, and what can be done.

The contract leaves the reason's words open. Those below are the ones that card processors use; a reason
that has none of them is shown as it is, and nothing is made up about it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.billing.models import Card, Payment, TopUp
from apps.billing.whose import PERSON, sort_of
from apps.billing.words import card_expiry

Words = str | Promise


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a reason that has any of ``marks`` in it means, and what to do about it. ``card``: it is about
    the card that is stored."""

    marks: Sequence[str]
    means: Words
    remedy: Words
    card: bool = True


# The first that fits counts: the narrow ones stand before the wide ones.
MEANINGS = (
    Meaning(
        ("checkout expired", "session expired", "checkout abandoned"),
        gettext_lazy("The payment page was left open until it ended: nobody paid there."),
        gettext_lazy(
            "If the credit is still wanted, begin anew: an old payment page is of no use."
        ),
        card=False,
    ),
    Meaning(
        ("expired card", "card expired"),
        gettext_lazy("The card's last month is over."),
        gettext_lazy("Store another card, or pay with another one on the provider's payment page."),
    ),
    Meaning(
        ("insufficient funds", "credit limit", "limit exceeded", "withdrawal count"),
        gettext_lazy("The card's bank says that there is not enough money or limit left on it."),
        gettext_lazy("Buy less, use another card, or have the bank raise the limit."),
    ),
    Meaning(
        ("authentication", "3d secure", "requires action", "approve with id"),
        gettext_lazy(
            "The card's bank wants its holder to confirm, which nobody can do afterwards."
        ),
        gettext_lazy("Buy on the provider's payment page: there the holder can confirm."),
    ),
    Meaning(
        ("cvc", "incorrect number", "invalid number", "invalid expiry", "incorrect zip", "address"),
        gettext_lazy("Something about the card was given wrongly."),
        gettext_lazy("Pay on the provider's payment page and type the card in anew."),
    ),
    Meaning(
        ("lost card", "stolen card", "pickup card", "fraud", "blocked", "restricted card"),
        gettext_lazy("The card's bank has blocked it."),
        gettext_lazy("Trying again does not help. Ask the bank, or use another card."),
    ),
    Meaning(
        ("processing error", "try again", "issuer not available", "issuer unavailable", "timeout"),
        gettext_lazy("The card's bank or the card processor could not be reached, or had a fault."),
        gettext_lazy("Try again in a while. The card itself may be in order."),
    ),
    Meaning(
        ("currency", "not supported", "not permitted", "invalid account", "not allowed"),
        gettext_lazy("The card's bank does not allow this kind of payment with it."),
        gettext_lazy("Ask the bank, or use another card."),
    ),
    Meaning(
        ("declined", "do not honor", "decline", "no action taken", "refused"),
        gettext_lazy("The card's bank has said no, and does not tell the provider why."),
        gettext_lazy("Ask the bank, or use another card. The bank tells its customer alone."),
    ),
    Meaning(
        ("canceled", "cancelled", "abandoned"),
        gettext_lazy("It was taken back before it was paid."),
        gettext_lazy("If the credit is still wanted, begin anew."),
        card=False,
    ),
)


@dataclass(slots=True)
class Explained:
    """``reason`` is the provider's own; ``means`` "" where nobody here knows its words."""

    reason: str
    means: str
    remedy: str
    notes: list[str] = field(default_factory=list)
    later: Payment | None = None  # of the same amount, completed since


def meaning_of(reason: str) -> Meaning | None:
    """What is known of a reason's words; None: nothing."""
    said = " ".join(reason.lower().replace("_", " ").replace("-", " ").split())
    return next((one for one in MEANINGS if any(mark in said for mark in one.marks)), None)


def explained(payment: Payment) -> Explained | None:
    """What is to be said of a payment that has failed; None of any other. At most three queries."""
    if payment.status != "failed":
        return None
    known = meaning_of(payment.failure_reason)
    found = Explained(
        payment.failure_reason,
        str(known.means) if known else _unknown(payment),
        str(known.remedy)
        if known
        else _("Ask the card's bank or the provider, and name the ids that stand here."),
    )
    if known is None or known.card:
        _about_the_card(payment, found)
    _about_automatic_ones(payment, found)
    found.later = _later(payment)
    return found


def _unknown(payment: Payment) -> str:
    if payment.failure_reason:
        return ""
    if not payment.known_as:
        return _("The provider gives this payment no id, so it cannot be asked for the reason.")
    if payment.detailed_at is None:
        return _("The reason has not been read yet. It is asked for, and appears here.")
    return _("The provider gives no reason.")


def _about_the_card(payment: Payment, found: Explained) -> None:
    card = Card.objects.filter(connection=payment.connection, gone_at__isnull=True).first()
    if card is None:
        return
    tone, words = card_expiry(card, timezone.now())
    if tone:
        found.notes.append(_("The stored card is %(card)s. %(words)s") % _of(card, words))


def _of(card: Card, words: str) -> dict[str, str]:
    return {"card": str(card), "words": words}


def _about_automatic_ones(payment: Payment, found: Explained) -> None:
    if not payment.creator or payment.creator != payment.connection.remote_organization_id:
        return
    if sort_of(payment.connection) is PERSON:
        return  # the person's own id stands for what they bought themselves, too
    row = TopUp.objects.filter(connection=payment.connection, gone_at__isnull=True).first()
    if row is not None and row.enabled is False:
        found.notes.append(
            _(
                "It was an automatic purchase. Automatic purchases are off now: until they are switched on "
                "again, somebody has to buy."
            )
        )
    else:
        found.notes.append(_("It was an automatic purchase: nobody here has asked for it."))


def _later(payment: Payment) -> Payment | None:
    if payment.at is None or payment.amount_micros is None:
        return None
    rows = Payment.objects.filter(
        connection=payment.connection,
        amount_micros=payment.amount_micros,
        status="completed",
        at__gt=payment.at,
    )
    return rows.order_by("at", "pk").first()
