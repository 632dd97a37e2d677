"""The page that changes what is bought automatically: say how, see what that means, have it done."""

import uuid
from decimal import Decimal

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from apps.billing import topping, words
from apps.billing.forms import TopUpForm
from apps.billing.models import Card, TopUp
from apps.billing.services import CENT
from apps.billing.topping import Wanted
from apps.billing.whose import Pages, pages_of
from apps.organizations.access import DeskRequest, desk_view
from apps.sync.asking import asked, nonce_of


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("billing.top_up")
def change(request: DeskRequest, uid: str) -> HttpResponse:
    """Have credit bought automatically, otherwise, or no more."""
    rows = TopUp.objects.visible_to(request.user).present()
    own = rows.filter(connection__organization=request.organization, connection__uid=uid)
    row = get_object_or_404(own.select_related("connection__organization"))
    return answer(request, pages_of(request), row)


def answer(request: DeskRequest, pages: Pages, row: TopUp) -> HttpResponse:
    """The page that changes ``row``."""
    first = {
        "enabled": bool(row.enabled),
        "threshold": _in_cents(row.threshold),
        "amount": _in_cents(row.amount),
        "nonce": uuid.uuid4(),
    }
    form = TopUpForm(request.POST or None, initial=first)
    context = {
        "title": _("Automatic purchases"),
        "tab": "overview",
        "pages": pages,
        "form": form,
        "top_up": row,
        "now": words.top_up_plan(row),
    }
    if form.is_bound and "confirmed" in request.POST:
        command = asked(
            form,
            "amount",
            lambda: topping.change(
                top_up=row,
                wanted=_wanted(form, row),
                actor=request.user,
                nonce=nonce_of(request),
            ),
        )
        if command is not None:
            messages.success(request, _("It is on its way. This page shows it once it is done."))
            return redirect(pages.url("overview"))
    elif form.is_bound and form.is_valid():
        context["afterwards"] = words.top_up_plan(_wanted(form, row).as_row())
        context["card"] = Card.objects.filter(connection=row.connection, gone_at=None).first()
        context["enabled"] = form.cleaned_data["enabled"]
        return render(request, "billing/top_up_confirm.html", context)
    return render(request, "billing/top_up.html", context)


def _in_cents(amount: Decimal | None) -> Decimal | None:
    """As somebody would type it; to the last digit where that is finer than a cent."""
    if amount is None or amount % CENT:
        return amount
    return amount.quantize(CENT)


def _wanted(form: TopUpForm, row: TopUp) -> Wanted:
    given = form.cleaned_data
    if not given["enabled"]:
        return Wanted(False, row.threshold, row.amount)
    return Wanted(True, given["threshold"], given["amount"])
