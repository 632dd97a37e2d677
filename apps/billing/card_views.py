"""Pages of the stored card: have the provider's page opened, and come back from it."""

import uuid

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apps.billing import cards, words
from apps.billing.mirror import CARD
from apps.billing.whose import Pages, fresh, pages_of
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.sync.asking import asked
from apps.sync.models import Command
from apps.sync.outbox.kinds import page_opened_by


class _Form(forms.Form):
    nonce = forms.UUIDField(widget=forms.HiddenInput)


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("billing.card")
def change(request: DeskRequest, uid: str) -> HttpResponse:
    """Say what will happen, then have the provider's page opened."""
    rows = Connection.objects.visible_to(request.user).confirmed()
    connection = get_object_or_404(rows.filter(organization=request.organization), uid=uid)
    return answer_change(request, pages_of(request), connection)


def answer_change(request: DeskRequest, pages: Pages, connection: Connection) -> HttpResponse:
    """The page that asks for a page of the provider's. Sent twice, a form opens one."""
    form = _Form(request.POST or None, initial={"nonce": uuid.uuid4()})
    if form.is_bound:
        command = asked(
            form,
            "nonce",
            lambda: cards.open_page(
                connection=connection,
                back=request.build_absolute_uri(f"{pages.url('overview')}begun/"),
                actor=request.user,
                nonce=str(form.cleaned_data["nonce"]),
            ),
        )
        if command is not None:
            return redirect(pages.url("begun", command.uid))
    context = {
        "title": cards.CARD_PAGE.label,
        "tab": "overview",
        "pages": pages,
        "form": form,
        "connection": connection,
        "card": cards.stored(connection),
        "refusal": " ".join(str(one) for one in form.errors.get("nonce", ())),
    }
    return render(request, "billing/card.html", context)


def answer_opened(request: DeskRequest, pages: Pages, command: Command) -> HttpResponse:
    """The way to the provider's page; and for whoever has come back from it, the card that is stored now.

    Coming here has the card read; the page then asks the mirror alone until it is another one.
    """
    if not request.headers.get("HX-Request"):
        cards.ask_soon(command.connection)
    card = cards.stored(command.connection)
    context = {
        "title": cards.CARD_PAGE.label,
        "tab": "overview",
        "pages": pages,
        "command": command,
        "card": card,
        "expiry": words.card_expiry(card, timezone.now()) if card else ("", ""),
        "is_new": card is not None and cards.facts_of(card) != command.before,
        "address": page_opened_by(command) if request.may(pages.sort.card) else "",
        "freshness": fresh(request, pages, CARD.name),
    }
    return render(request, "billing/card_opened.html", context)
