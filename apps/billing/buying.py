"""Pages of buying credit: say how much, see what will happen, and come back from paying."""

import uuid
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from apps.billing import approval, card_views, services
from apps.billing.cards import CARD_PAGE_KIND
from apps.billing.forms import CARD, BuyForm
from apps.billing.models import Card, Credit, Payment
from apps.billing.polling import PAYMENT_STATES
from apps.billing.remote import CHECKOUT_KIND, PURCHASE_KIND
from apps.billing.sellers import Sellers
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.sync import schedule
from apps.sync.asking import asked
from apps.sync.models import Command, CommandState
from apps.sync.outbox.kinds import kind_of

KINDS = (PURCHASE_KIND, CHECKOUT_KIND, CARD_PAGE_KIND)
WAIT_FOR_A_PERSON = (CommandState.OPERATOR, CommandState.AWAITING_APPROVAL)
ASK_AGAIN = timedelta(seconds=10)  # how often coming back has the provider asked


def buyers(request: DeskRequest) -> list[Connection]:
    """The connections for which this reader may buy credit."""
    return Sellers(request).with_any(["credit.buy"]) if request.may("billing.buy") else []


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("billing.buy")
def buy(request: DeskRequest) -> HttpResponse:
    """Say how much; then see what will happen; then have it done. Sent twice, a form buys once."""
    places = buyers(request)
    first = {"nonce": uuid.uuid4(), "connection": request.GET.get("connection", "")}
    form = BuyForm(places, request.POST or None, initial=first)
    if form.is_bound and "confirmed" in request.POST:
        command = asked(form, "amount", lambda: _ask(request, form))
        if command is not None:
            return redirect("billing:begun", slug=request.organization.slug, uid=command.uid)
    elif form.is_bound and form.is_valid():
        return render(request, "billing/buy_confirm.html", _what_will_happen(request, form))
    context = {"title": _("Buy credit"), "tab": "overview", "form": form, "places": places}
    context["rule"] = approval.rule(PURCHASE_KIND, request.organization)
    return render(request, "billing/buy.html", context)


def _ask(request: DeskRequest, form: BuyForm) -> Command:
    given = form.cleaned_data
    common: dict[str, Any] = {
        "connection": form.place,
        "amount": given["amount"],
        "actor": request.user,
        "nonce": str(given["nonce"]),
    }
    if given["way"] == CARD:
        return services.purchase(**common)
    overview = reverse("billing:overview", kwargs={"slug": request.organization.slug})
    return services.checkout(**common, back=request.build_absolute_uri(f"{overview}begun/"))


def _what_will_happen(request: DeskRequest, form: BuyForm) -> dict[str, Any]:
    present = {"connection": form.place, "gone_at__isnull": True}
    credit = Credit.objects.filter(**present).first()
    amount = form.cleaned_data["amount"]
    return {
        "title": _("Buy credit"),
        "tab": "overview",
        "form": form,
        "amount": amount,
        "place": form.place,
        "by_card": form.cleaned_data["way"] == CARD,
        "second_person": approval.this_one(
            PURCHASE_KIND if form.cleaned_data["way"] == CARD else CHECKOUT_KIND,
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
    """Where a purchase or another card leads, and whoever comes back from the provider's page: its payment,
    once there is one; the card."""
    rows = Command.objects.visible_to(request.user).filter(
        organization=request.organization, kind__in=KINDS
    )
    command = get_object_or_404(rows.select_related("connection"), uid=uid)
    if command.kind == CARD_PAGE_KIND and command.state == CommandState.SUCCEEDED:
        return card_views.opened(request, command)
    payment = Payment.objects.filter(command=command).first()
    if payment is None and _goes_on(command):
        context = {"title": kind_of(command).label, "tab": "overview", "command": command}
        return render(request, "billing/begun.html", context)
    slug = request.organization.slug
    if payment is None:
        address = reverse("sync:command", kwargs={"slug": slug, "uid": command.uid})
    else:
        _ask_soon(payment)
        address = reverse("billing:payment", kwargs={"slug": slug, "pk": payment.pk})
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
