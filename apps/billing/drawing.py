"""What this shelf draws into the page of a change."""

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from apps.billing.cards import CARD_PAGE_KIND
from apps.billing.models import Payment
from apps.billing.remote import page_opened_by
from apps.billing.subscribing import SUBSCRIBE_KIND
from apps.sync.models import Command
from apps.sync.outbox.kinds import kind_of


def payment_page(request: HttpRequest, *, command: Command) -> SafeString | str:
    """Slot "sync:command": the way to a page of the provider, and to one whose payment it has not named.

    One that it has named has a page of its own here, which leads there.
    """
    may_go = request.may(kind_of(command).action)  # type: ignore[attr-defined]  # set by desk_view
    address = page_opened_by(command) if may_go else ""
    if not address or Payment.objects.filter(command=command).exists():
        return ""
    context = {
        "address": address,
        "card_page": command.kind == CARD_PAGE_KIND,
        "first_payment": command.kind == SUBSCRIBE_KIND,
    }
    return render_to_string("billing/_page_opened.html", context, request)
