"""Money in sentences: what a state means, what will be bought and when, how long credit lasts."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.billing.models import Card, Payment, TopUp
from apps.billing.money import CURRENCY
from apps.billing.runway import DAYS, SHORT, Pace
from apps.ui import amounts

# Tone and word of each state of a payment; one that is not here is shown as the provider says it.
STATES: Mapping[str, tuple[str, str]] = {
    "pending": ("info", gettext_lazy("Waiting to be paid")),  # type: ignore[dict-item]  # a promise of text
    "completed": ("success", gettext_lazy("Completed")),  # type: ignore[dict-item]  # likewise
    "failed": ("danger", gettext_lazy("Failed")),  # type: ignore[dict-item]  # likewise
    "refunded": ("muted", gettext_lazy("Refunded")),  # type: ignore[dict-item]  # likewise
}
EXPIRY_WARNING = timedelta(days=60)


def usd(amount: Decimal | None) -> str:
    """ "$1,234.56": an amount in the contract's currency, as every page writes it; "–" for None."""
    return amounts.money(amount, CURRENCY)


def plain(amount: Decimal) -> str:
    """To the last digit, without an exponent and without zeros at its end: "12.345678"."""
    text = f"{amount:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def trimmed(amount: Decimal | None) -> Decimal | None:
    """The same amount without zeros at its end, for files; None for None."""
    return None if amount is None else Decimal(plain(amount))


def state_of(payment: Payment) -> tuple[str, str]:
    """Tone and word of a payment's state."""
    tone, word = STATES.get(payment.status, ("plain", payment.status or _("not told")))
    return tone, str(word)


def whereabouts(payment: Payment) -> str:
    """Where a payment is, in a sentence or two."""
    bought = usd(payment.credits)
    if payment.gone_at:
        return _("The provider does not list it any more. This is what was known of it until then.")
    if payment.status == "completed":
        return _("It is complete: %(bought)s of credit were bought.") % {"bought": bought}
    if payment.status == "refunded":
        return _("The money was given back, and the credit that it had bought was taken off.")
    if payment.status == "failed":
        reason = payment.failure_reason
        why = _("In the provider's words: %(reason)s.") % {"reason": reason} if reason else ""
        return f"{_('It failed: nothing was bought.')} {why}".strip()
    if payment.status == "pending":
        return _(
            "The provider waits for somebody to pay. Nothing is charged and no credit is given before that."
        )
    if not payment.status:
        return _("The provider does not tell how far it has come.")
    return _("The provider calls its state “%(state)s”. It is asked again until that is final.") % {
        "state": payment.status
    }


def top_up_plan(found: TopUp) -> str:
    """What will be bought by itself, and when."""
    if found.enabled is None:
        return _("The provider does not tell whether credit is bought automatically.")
    if not found.enabled:
        return _("Credit is not bought automatically. When it is used up, somebody has to buy.")
    return _(
        "When the credit falls below %(threshold)s, %(amount)s are charged to the stored card and "
        "added to it, each time anew."
    ) % {"threshold": usd(found.threshold), "amount": usd(found.amount)}


def card_expiry(card: Card, now: datetime) -> tuple[str, str]:
    """Tone and sentence on the card's date; ("", "") where there is nothing to say."""
    if not card.expires_month or not card.expires_year:
        return "", ""
    until = f"{card.expires_month:02}/{card.expires_year}"
    if card.expires_before(now):
        return "danger", _("It expired in %(until)s: purchases will fail.") % {"until": until}
    if card.expires_before(now + EXPIRY_WARNING):
        return "warning", _("It expires with %(until)s. Store another one in time.") % {
            "until": until
        }
    return "", _("Valid until %(until)s.") % {"until": until}


def runway(pace: Pace, amount: Decimal | None) -> tuple[str, str, str]:
    """Tone, a figure and a sentence on how long the credit lasts."""
    if pace.read == 0 and pace.as_it_fell:
        return "", "–", _("The credit has been looked at for less than a day, so nobody can tell.")
    if pace.read == 0:
        return "", "–", _("Usage has not been read yet, so nobody can tell.")
    if pace.spent <= 0 and pace.as_it_fell:
        return "", "–", _("It has not fallen in the last %(days)d days.") % {"days": pace.read}
    if pace.spent <= 0:
        return "", "–", _("Nothing was charged in the last %(days)d days.") % {"days": DAYS}
    if amount is None:
        return "", "–", _("The credit has not been read yet.")
    days = pace.days_left(amount) or 0
    words = ngettext("%(n)d day", "%(n)d days", days) % {"n": days}
    until = timezone.localdate() + timedelta(days=min(days, 36_500))
    if days:
        told = _("until %(day)s, at the pace of the last %(days)d days: %(daily)s a day.") % {
            "day": date_format(until, "j M Y"),
            "days": DAYS,
            "daily": usd(pace.daily),
        }
    else:
        told = _("It is used up, or will be within a day, at %(daily)s a day.") % {
            "daily": usd(pace.daily)
        }
    if pace.read < DAYS:
        told += " " + _("Only %(read)d of those days have been read.") % {"read": pace.read}
    return ("danger" if days < 3 else "warning" if days < SHORT else ""), words, told
