"""Pages that change many keys: what was chosen goes to a batch's page, where nothing is sent yet."""

import uuid

from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from apps.keys import services
from apps.keys.forms import RenameManyForm
from apps.keys.lists import KeyList
from apps.keys.models import Key
from apps.organizations.access import DeskRequest, desk_view
from apps.sync.asking import nonce_of
from apps.ui.listing import Chosen


def _chosen(request: DeskRequest) -> Chosen[Key]:
    chosen = KeyList.chosen(request)
    if not chosen.every_match and not chosen.fields:
        raise BadRequest(_("No key was chosen. Go back and choose at least one."))
    return chosen


def _review(request: DeskRequest, kind: str) -> HttpResponse:
    batch = services.draft(
        kind=kind,
        organization=request.organization,
        keys=_chosen(request).rows,
        actor=request.user,
        nonce=uuid.uuid4().hex,
    )
    return redirect("sync:batch", slug=request.organization.slug, uid=batch.uid)


@desk_view("keys.change")
@require_POST
def deactivate(request: DeskRequest) -> HttpResponse:
    """Review what switching the chosen keys off will do."""
    return _review(request, "keys.deactivate")


@desk_view("keys.change")
@require_POST
def activate(request: DeskRequest) -> HttpResponse:
    """Review what switching the chosen keys on again will do."""
    return _review(request, "keys.activate")


@desk_view("keys.archive")
@require_POST
def archive(request: DeskRequest) -> HttpResponse:
    """Review what archiving the chosen keys will do."""
    return _review(request, "keys.archive")


@desk_view("keys.delete")
@require_POST
def delete(request: DeskRequest) -> HttpResponse:
    """Review what deleting the chosen keys will do."""
    return _review(request, "keys.delete")


@desk_view("keys.change")
@require_POST
def rename(request: DeskRequest) -> HttpResponse:
    """Say what to make of the chosen keys' names, then review."""
    chosen = _chosen(request)
    asked = "nonce" in request.POST
    form = RenameManyForm(request.POST if asked else None)
    if asked and form.is_valid():
        batch = services.draft_rename(
            organization=request.organization,
            keys=chosen.rows,
            new_name=form.new_name,
            actor=request.user,
            nonce=nonce_of(request),
        )
        return redirect("sync:batch", slug=request.organization.slug, uid=batch.uid)
    context = {
        "form": form,
        "fields": chosen.fields,
        "count": chosen.rows.order_by().count(),
        "nonce": uuid.uuid4().hex,
        "title": _("Rename keys"),
    }
    return render(request, "keys/bulk_rename.html", context, status=400 if asked else 200)
