"""Pages that change a plan: subscribe, other seats, its end. Each says what will happen, then asks."""

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from apps.billing import approval, cards, subscribing
from apps.billing.models import Plan, Subscription
from apps.billing.plan_forms import CancelForm, SeatsForm
from apps.billing.subscribing import CANCEL_KIND, SEATS_KIND, SUBSCRIBE_KIND
from apps.organizations.access import DeskRequest, desk_view
from apps.sync.asking import asked, nonce_for
from apps.sync.models import Command, CommandState

METHODS = ["GET", "HEAD", "POST"]


@require_http_methods(METHODS)
@desk_view("billing.plan")
def subscribe(request: DeskRequest, uid: str, pk: int) -> HttpResponse:
    """Say how many seats; see what that costs; have the plan bought."""
    rows = Plan.objects.visible_to(request.user).present()
    own = rows.filter(connection__organization=request.organization, connection__uid=uid)
    plan = get_object_or_404(own.select_related("connection__organization"), pk=pk)
    connection = plan.connection
    used = subscribing.in_use(connection)
    form = _seats_form(
        request, partial(subscribing.why_not_subscribe, plan), first=max(1, used.total)
    )
    context: dict[str, Any] = {
        "title": _("Subscribe to %(plan)s") % {"plan": plan},
        "form": form,
        "plan": plan,
        "connection": connection,
        "used": used,
        "rule": approval.rule(SUBSCRIBE_KIND, request.organization),
    }
    if _is_confirmed(request):
        command = _asked_before(request) or asked(
            form,
            "seats",
            lambda: subscribing.subscribe(plan=plan, **_given(request, form)),
        )
        if command is not None:
            return _on_its_way(request, command)
    elif form.is_bound and form.is_valid():
        seats = form.cleaned_data["seats"]
        cost = subscribing.price(plan.seat_micros, seats, plan.fee_micros)
        context |= {
            "seats": seats,
            "in_seats": subscribing.in_seats(seats),
            "cost": cost,
            "card": cards.stored(connection),
            "second_person": approval.this_one(
                SUBSCRIBE_KIND, request.organization, subscribing.in_cents(cost)
            ),
        }
        return render(request, "billing/subscribe_confirm.html", context)
    return render(request, "billing/subscribe.html", context)


def _subscription(request: DeskRequest, uid: str) -> Subscription:
    rows = Subscription.objects.visible_to(request.user).present()
    own = rows.filter(connection__organization=request.organization, connection__uid=uid)
    return get_object_or_404(own.select_related("connection__organization"))


@require_http_methods(METHODS)
@desk_view("billing.plan")
def set_seats(request: DeskRequest, uid: str) -> HttpResponse:
    """Say how many seats; see what that costs or saves; have them set. ``?seats=`` is a number to begin with,
    and leads to what it means at once."""
    row = _subscription(request, uid)
    form = _seats_form(request, partial(subscribing.why_not_change, row), first=row.seats)
    context: dict[str, Any] = {
        "title": _("Change the seats"),
        "form": form,
        "row": row,
        "used": subscribing.in_use(row.connection),
        "price": subscribing.price(row.seat_micros, row.seats) if row.seats is not None else None,
        "rule": approval.rule(SEATS_KIND, request.organization),
    }
    if _is_confirmed(request):
        command = _asked_before(request) or asked(
            form, "seats", lambda: subscribing.set_seats(row=row, **_given(request, form))
        )
        if command is not None:
            return _on_its_way(request, command)
    elif form.is_bound and form.is_valid():
        context |= _what_seats_mean(request, row, form.cleaned_data["seats"])
        return render(request, "billing/set_seats_confirm.html", context)
    return render(request, "billing/set_seats.html", context)


def _what_seats_mean(request: DeskRequest, row: Subscription, seats: int) -> dict[str, Any]:
    more = subscribing.added(row, seats)
    fewer = max(0, (row.seats or 0) - seats)
    return {
        "seats": seats,
        "in_seats": subscribing.in_seats(seats),
        "cost": subscribing.price(row.seat_micros, seats),
        "added": more if row.seats is not None and seats > row.seats else None,
        "saved": subscribing.price(row.seat_micros, fewer) if fewer else None,
        "is_more": row.seats is None or seats > row.seats,
        "card": cards.stored(row.connection),
        "second_person": approval.this_one(
            SEATS_KIND, request.organization, subscribing.in_cents(more)
        ),
    }


@require_http_methods(METHODS)
@desk_view("billing.plan")
def cancel(request: DeskRequest, uid: str) -> HttpResponse:
    """Say until when the plan runs; have it end once its name was typed."""
    row = _subscription(request, uid)
    name = row.plan_name or subscribing.in_seats(row.seats)
    form = CancelForm(name, request.POST or None, initial={"nonce": uuid.uuid4()})
    locked = _("It is cancelled already.") if row.cancelled_at else ""
    before = _asked_before(request) if form.is_bound else None
    if before is not None:
        return _on_its_way(request, before)
    if form.is_bound and not locked:
        command = asked(
            form,
            "typed",
            lambda: subscribing.cancel(
                row=row, actor=request.user, nonce=str(form.cleaned_data["nonce"])
            ),
        )
        if command is not None:
            return _on_its_way(request, command)
    context = {
        "title": _("Cancel %(plan)s?") % {"plan": row.plan_name or _("the plan")},
        "form": form,
        "row": row,
        "locked": locked,
        "second_person": approval.this_one(CANCEL_KIND, request.organization, 0),
        "danger": True,
        "cancel_url": reverse("billing:plans", kwargs={"slug": request.organization.slug}),
    }
    return render(request, "billing/cancel_plan.html", context)


# --- What these have in common --------------------------------------------------------------------


def _seats_form(
    request: DeskRequest, why_not: Callable[[int], str], *, first: int | None
) -> SeatsForm:
    """The form as it was sent, as an address says it, or empty."""
    fresh = {"nonce": uuid.uuid4()}
    if request.method == "POST":
        return SeatsForm(why_not, request.POST, initial=fresh)
    if "seats" in request.GET:
        return SeatsForm(why_not, {"seats": request.GET["seats"], **fresh}, initial=fresh)
    return SeatsForm(why_not, initial={"seats": first, **fresh})


def _is_confirmed(request: DeskRequest) -> bool:
    return request.method == "POST" and "confirmed" in request.POST


def _nonce(request: DeskRequest) -> str:
    """That of what the form means; "" for none that is one."""
    given = request.POST
    try:
        nonce = uuid.UUID(given.get("nonce", ""))
        return nonce_for(nonce, int(given["seats"])) if "seats" in given else str(nonce)
    except ValueError:
        return ""


def _asked_before(request: DeskRequest) -> Command | None:
    """What this very form has asked for: sent twice, it must not be held against what it has changed."""
    nonce = _nonce(request)
    rows = Command.objects.visible_to(request.user).filter(organization=request.organization)
    return rows.filter(nonce=nonce, actor=request.user).first() if nonce else None


def _given(request: DeskRequest, form: SeatsForm) -> dict[str, Any]:
    data = form.cleaned_data
    return {"seats": data["seats"], "actor": request.user, "nonce": _nonce(request)}


def _on_its_way(request: DeskRequest, command: Command) -> HttpResponse:
    """Back to the plans, which show it; to the change itself where a person is waited for."""
    if command.state == CommandState.AWAITING_APPROVAL:
        messages.info(request, _("A second person must approve it now. Nothing was sent yet."))
    elif command.is_open:
        messages.info(request, _("It is on its way. This page shows it once it is done."))
    elif command.state == CommandState.SUCCEEDED:
        messages.success(request, _("Done."))
    else:
        messages.error(request, command.error)
    slug = request.organization.slug
    if command.results and command.results[-1].get("url"):
        return redirect("sync:command", slug=slug, uid=command.uid)  # the first payment waits there
    return redirect("billing:plans", slug=slug)
