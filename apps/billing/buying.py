"""Pages of buying credit: say how much, see what will happen, and come back from paying."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from apps.billing import approval, card_views, services
from apps.billing.cards import CARD_PAGES
from apps.billing.forms import CARD, BuyForm
from apps.billing.models import Card, Credit, Payment
from apps.billing.polling import PAYMENT_STATES
from apps.billing.remote import CHECKOUTS, PURCHASES
from apps.billing.sellers import Sellers
from apps.billing.whose import Pages, pages_of
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.sync import schedule
from apps.sync.asking import asked, nonce_for
from apps.sync.models import Command, CommandState
from apps.sync.outbox.kinds import kind_of

KINDS = (*PURCHASES, *CHECKOUTS, *CARD_PAGES)
WAIT_FOR_A_PERSON = (CommandState.OPERATOR, CommandState.AWAITING_APPROVAL)
ASK_AGAIN = timedelta(seconds=10)  # how often coming back has the provider asked


def buyers(request: DeskRequest) -> list[Connection]:
    """The connections for which this reader may buy credit."""
    return Sellers(request).with_any(["credit.buy"]) if request.may("billing.buy") else []


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("billing.buy")
def buy(request: DeskRequest) -> HttpResponse:
    """Say how much; then see what will happen; then have it done."""
    return answer_buy(request, pages_of(request), buyers(request))


def answer_buy(request: DeskRequest, pages: Pages, places: Sequence[Connection]) -> HttpResponse:
    """The page of buying credit for one of ``places``. Sent twice, a form buys once."""
    first = {"nonce": uuid.uuid4(), "connection": request.GET.get("connection", "")}
    form = BuyForm(places, request.POST or None, initial=first)
    if form.is_bound and "confirmed" in request.POST:
        command = asked(form, "amount", lambda: _ask(request, pages, form))
        if command is not None:
            return redirect(pages.url("begun", command.uid))
    elif form.is_bound and form.is_valid():
        return render(request, "billing/buy_confirm.html", _what_will_happen(request, pages, form))
    context = {
        "title": _("Buy credit"),
        "tab": "overview",
        "pages": pages,
        "form": form,
        "places": places,
        "rule": approval.rule(pages.sort.kind("purchase"), request.organization),
    }
    return render(request, "billing/buy.html", context)


def _ask(request: DeskRequest, pages: Pages, form: BuyForm) -> Command:
    given = form.cleaned_data
    cents = int(given["amount"] / services.CENT)
    common: dict[str, Any] = {
        "connection": form.place,
        "amount": given["amount"],
        "actor": request.user,
        "nonce": nonce_for(given["nonce"], form.place.pk, cents, given["way"]),
    }
    if given["way"] == CARD:
        return services.purchase(**common)
    back = request.build_absolute_uri(f"{pages.url('overview')}begun/")
    return services.checkout(**common, back=back)


def _what_will_happen(request: DeskRequest, pages: Pages, form: BuyForm) -> dict[str, Any]:
    present = {"connection": form.place, "gone_at__isnull": True}
    credit = Credit.objects.filter(**present).first()
    amount = form.cleaned_data["amount"]
    return {
        "title": _("Buy credit"),
        "tab": "overview",
        "pages": pages,
        "form": form,
        "amount": amount,
        "place": form.place,
        "by_card": form.cleaned_data["way"] == CARD,
        "second_person": approval.this_one(
            pages.sort.kind("purchase" if form.cleaned_data["way"] == CARD else "checkout"),
            request.organization,
            int(amount / services.CENT),
        ),
        "card": Card.objects.filter(**present).first(),
        "credit": credit,
        "afterwards": credit.amount + amount if credit and credit.amount is not None else None,
    }


@require_safe
@desk_view("billing.read")
def begun(request: DeskRequest, uid: str) -> HttpResponse:
    """Where a purchase or another card leads, and whoever comes back from the provider's page."""
    return answer_begun(request, pages_of(request), uid)


def answer_begun(request: DeskRequest, pages: Pages, uid: Any) -> HttpResponse:
    """The payment that a purchase has come to, once there is one; the card."""
    rows = Command.objects.visible_to(request.user).filter(
        organization=request.organization, kind__in=KINDS
    )
    if pages.account:
        rows = rows.filter(connection=pages.account)
    command = get_object_or_404(rows.select_related("connection"), uid=uid)
    if command.kind in CARD_PAGES and command.state == CommandState.SUCCEEDED:
        return card_views.answer_opened(request, pages, command)
    payment = Payment.objects.filter(command=command).first()
    if payment is None and _goes_on(command):
        context = {
            "title": kind_of(command).label,
            "tab": "overview",
            "pages": pages,
            "command": command,
        }
        return render(request, "billing/begun.html", context)
    if payment is None:
        given = {"slug": request.organization.slug, "uid": command.uid}
        address = reverse("sync:command", kwargs=given)
    else:
        _ask_soon(payment)
        address = pages.url("payment", payment.pk)
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": address})
    return redirect(address)


def _goes_on(command: Command) -> bool:
    return command.is_open and command.state not in WAIT_FOR_A_PERSON


def _ask_soon(payment: Payment) -> None:
    """Somebody has come back: what waits is asked for now."""
    now = timezone.now()
    if payment.poll_at is None or (payment.polled_at and payment.polled_at > now - ASK_AGAIN):
        return
    Payment.objects.filter(pk=payment.pk, poll_at__isnull=False).update(poll_at=now)
    schedule.soon(payment.connection, PAYMENT_STATES.name)
