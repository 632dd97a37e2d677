"""What this shelf draws into the page of a change."""

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from apps.billing import words
from apps.billing.cards import CARD_PAGES
from apps.billing.models import Payment, TopUp
from apps.billing.money import in_micros
from apps.billing.remote import CLOCKS, PURCHASES, amount_of, evidence_at
from apps.billing.subscribing import SUBSCRIBE_KIND
from apps.billing.whose import pages_about
from apps.sync.models import Command, CommandState
from apps.sync.outbox.kinds import kind_of, page_opened_by

SHOWN = 3  # payments of the same amount


def payment_page(request: HttpRequest, *, command: Command) -> SafeString | str:
    """Slot "sync:command": the way to a payment page whose payment the provider has not named.

    One that it has named has a page of its own here, which leads there.
    """
    may_go = request.may(kind_of(command).action)  # type: ignore[attr-defined]  # set by desk_view
    address = page_opened_by(command) if may_go else ""
    if not address or Payment.objects.filter(command=command).exists():
        return ""
    context = {
        "address": address,
        "card_page": command.kind in CARD_PAGES,
        "first_payment": command.kind == SUBSCRIBE_KIND,
    }
    return render_to_string("billing/_page_opened.html", context, request)


def evidence(request: HttpRequest, *, command: Command) -> SafeString | str:
    """Slot "sync:command": what a person should see who decides on a purchase that nobody could tell of."""
    if command.kind not in PURCHASES or command.state != CommandState.OPERATOR:
        return ""
    amount = amount_of(command)
    present = {"connection": command.connection, "gone_at__isnull": True}
    payments = list(
        Payment.objects.filter(**present, amount_micros=in_micros(amount)).order_by("-at", "-pk")[
            :SHOWN
        ]
    )
    sent = (command.sent_at or command.created_at) - CLOCKS
    for one in payments:
        one.is_later = one.at is None or one.at >= sent  # type: ignore[attr-defined]  # for the template
    top_up = TopUp.objects.filter(**present).first()
    context = {
        "pages": pages_about(command.connection, command.organization.slug),
        "amount": amount,
        "payments": payments,
        "read_at": evidence_at(command),
        "top_up": words.top_up_plan(top_up) if top_up and top_up.enabled is not False else "",
        "alone": kind_of(command).alone is not None,
    }
    return render_to_string("billing/_evidence.html", context, request)
