"""Pages of storing another card: say what will happen, and lead to the provider's page and back."""

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from apps.billing import cards
from apps.billing.buying import goes_on
from apps.billing.mirror import CARD
from apps.billing.models import Card
from apps.billing.whose import Pages
from apps.organizations.access import DeskRequest
from apps.organizations.models import Connection
from apps.sync import schedule
from apps.sync.asking import asked
from apps.sync.models import Command
from apps.sync.outbox.kinds import KINDS
from apps.sync.outbox.requests import why_not


class _Form(forms.Form):
    """Nothing but the wish: the card is typed in at the provider."""

    nonce = forms.UUIDField(widget=forms.HiddenInput)


def answer_card(request: DeskRequest, pages: Pages, connection: Connection) -> HttpResponse:
    """The page that asks for a page of the provider's."""
    form = _Form(request.POST or None, initial={"nonce": uuid.uuid4()})
    if form.is_bound:
        command = asked(
            form,
            "",
            lambda: cards.open_page(
                connection=connection,
                back=request.build_absolute_uri(pages.url_of("card", connection)),
                actor=request.user,
                nonce=str(form.cleaned_data["nonce"]),
            ),
        )
        if command is not None:
            return redirect(pages.url("card_page", command.uid))
    context = {
        "title": _("Store another card"),
        "tab": "overview",
        "pages": pages,
        "form": form,
        "place": connection,
        "why_not": why_not(KINDS[cards.OWN_CARD_KIND], connection),
        "card": Card.objects.filter(connection=connection, gone_at=None).first(),
    }
    return render(request, "billing/card.html", context)


def answer_card_page(request: DeskRequest, pages: Pages, uid: Any) -> HttpResponse:
    """The way to the provider's page once it is open; whoever comes back from there goes on to the card."""
    rows = Command.objects.visible_to(request.user).filter(
        organization=request.organization, connection=pages.account, kind__in=cards.KINDS
    )
    command = get_object_or_404(rows.select_related("connection"), uid=uid)
    if "stored" in request.GET:
        schedule.soon(command.connection, CARD.name)
        messages.info(request, _("The card is being read anew. It shows here in a moment."))
        return redirect(pages.url("overview"))
    context = {
        "title": _("Store another card"),
        "tab": "overview",
        "pages": pages,
        "command": command,
        "address": cards.page_opened_by(command),
        "waits": goes_on(command),
    }
    return render(request, "billing/card_opened.html", context)
