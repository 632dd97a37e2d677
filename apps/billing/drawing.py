"""What this shelf draws into the page of a change."""

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from apps.billing.models import Payment
from apps.billing.remote import page_opened_by
from apps.sync.models import Command


def payment_page(request: HttpRequest, *, command: Command) -> SafeString | str:
    """Slot "sync:command": the way to a payment page whose payment the provider has not named.

    One that it has named has a page of its own here, which leads there.
    """
    may_buy = request.may("billing.buy")  # type: ignore[attr-defined]  # set by desk_view
    address = page_opened_by(command) if may_buy else ""
    if not address or Payment.objects.filter(command=command).exists():
        return ""
    return render_to_string("billing/_page_opened.html", {"address": address}, request)
