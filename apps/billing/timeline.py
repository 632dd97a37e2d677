"""One payment from the first click to the credit: our change, the provider, the card processor, the balance."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from apps.billing.history import around
from apps.billing.models import Payment
from apps.billing.remote import CHECKOUTS
from apps.billing.words import state_of, usd
from apps.sync.models import CommandEvent, CommandState

PASSING = (CommandState.QUEUED, CommandState.CLAIMED, CommandState.SENDING)


@dataclass(frozen=True, slots=True)
class Happening:
    """One line. ``at`` None: nobody told when."""

    at: datetime | None
    what: str
    details: str = ""
    tone: str = "info"


def of(payment: Payment) -> list[Happening]:
    """What is known of it, oldest first. At most three queries."""
    lines = [*_ours(payment), *_theirs(payment), *_credit(payment)]
    timed = sorted(((one.at, place) for place, one in enumerate(lines) if one.at))
    return [*(lines[place] for _at, place in timed), *(one for one in lines if not one.at)]


def _ours(payment: Payment) -> list[Happening]:
    if payment.command is None:
        return []
    asked_by = payment.command.asked_by or _("somebody who is gone")
    lines = [
        Happening(payment.command.created_at, _("Asked for here by %(name)s") % {"name": asked_by})
    ]
    events = CommandEvent.objects.filter(command=payment.command).exclude(state__in=PASSING)
    opened = payment.command.kind in CHECKOUTS
    done = _("The payment page was opened") if opened else _("The provider has answered")
    for one in events:
        what = done if one.state == CommandState.SUCCEEDED else one.get_state_display()
        lines.append(Happening(one.at, what, one.note))
    return lines


def _theirs(payment: Payment) -> list[Happening]:
    tone, word = state_of(payment)
    lines = []
    if payment.began_at and payment.began_at != payment.at:
        lines.append(
            Happening(
                payment.began_at,
                _("Begun at the provider"),
                _("%(amount)s are to be charged.") % {"amount": usd(payment.amount)},
            )
        )
    if payment.status == "completed":
        bought = _("%(charged)s were charged for %(bought)s of credit.") % {
            "charged": usd(payment.amount),
            "bought": usd(payment.credits),
        }
        lines.append(Happening(payment.at, word, bought, tone))
    elif payment.status != "pending":
        lines.append(Happening(payment.at, word, payment.failure_reason, tone))
    if payment.processor:
        at_processor = _("%(processor)s calls it “%(state)s”") % {
            "processor": payment.processor,
            "state": payment.processor_status or _("not told"),
        }
        lines.append(Happening(payment.detailed_at, at_processor, payment.processor_id, "muted"))
    if payment.poll_at:
        lines.append(
            Happening(
                payment.polled_at,
                _("Asked the provider: %(state)s") % {"state": word},
                _("It is asked again until this is final."),
            )
        )
    return lines


def _credit(payment: Payment) -> list[Happening]:
    """What was known to be left around it. Use goes on meanwhile: the difference is not the payment alone."""
    if payment.at is None or payment.status not in ("completed", "refunded"):
        return []
    before, after = around(payment.connection, payment.at)
    if before is None or after is None:
        return []
    return [
        Happening(
            before.at, _("Credit before: %(amount)s") % {"amount": usd(before.amount)}, "", "muted"
        ),
        Happening(
            after.at,
            _("Credit after: %(amount)s") % {"amount": usd(after.amount)},
            _("What was used in between is in it too."),
            "muted",
        ),
    ]
