"""Pages of invites."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.invites import services
from apps.invites.forms import InviteForm
from apps.invites.lists import InviteList
from apps.invites.models import Invite
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.sync.asking import asked, heard, nonce_of
from apps.sync.models import Batch, Command, CommandState
from apps.sync.outbox.kinds import kind_of
from apps.sync.outbox.requests import RequestRefused
from apps.sync.outbox.word import await_word
from apps.ui.toasts import add_toast


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("invites.read")
def invites(request: DeskRequest) -> HttpResponseBase:
    """The list; a POST keeps, changes or deletes a saved view of it."""
    return InviteList.respond(request)


@require_GET
@desk_view("invites.read")
def rows(request: DeskRequest) -> HttpResponse:
    """Rows that were in flight a second ago, drawn anew."""
    return InviteList.respond_rows(request)


# --- One invite ----------------------------------------------------------------------------------


def _invite(request: DeskRequest, pk: int) -> Invite:
    found = Invite.objects.visible_to(request.user).filter(
        connection__organization=request.organization
    )
    return get_object_or_404(found.select_related("connection", "connection__organization"), pk=pk)


@desk_view("invites.resend")
@require_POST
def resend(request: DeskRequest, pk: int) -> HttpResponse:
    """Send one invite again."""
    row = _invite(request, pk)
    nonce = nonce_of(request)
    try:
        command = services.resend(row=row, actor=request.user, nonce=nonce)
    except RequestRefused as refused:
        return _answer(request, row, refused=str(refused))
    return _answer(request, row, command=await_word(command))


@desk_view("invites.withdraw")
@require_http_methods(["GET", "POST"])
def withdraw(request: DeskRequest, pk: int) -> HttpResponse:
    """Ask, then withdraw one invite."""
    row = _invite(request, pk)
    list_url = reverse("invites:list", kwargs={"slug": request.organization.slug})
    refusal = ""
    if request.method == "POST":
        nonce = nonce_of(request)
        try:
            command = heard(services.withdraw(row=row, actor=request.user, nonce=nonce))
        except RequestRefused as refused:
            if request.headers.get("HX-Request"):
                return _answer(request, row, refused=str(refused))
            refusal = str(refused)
        else:
            return _answer(request, row, command=command)
    context = {
        "invite": row,
        "title": _("Withdraw this invite?"),
        "cancel_url": list_url,
        "danger": True,
        "nonce": uuid.uuid4().hex,
        "refusal": refusal,
    }
    return render(request, "invites/withdraw.html", context, status=422 if refusal else 200)


def _answer(
    request: DeskRequest, row: Invite, *, command: Command | None = None, refused: str = ""
) -> HttpResponse:
    """Show how things stand after the moment's wait: the row alone for htmx."""
    if command:
        refused = "" if command.is_open else command.error
    if request.headers.get("HX-Request"):
        # A resend makes a new row; the list as a whole then shows both.
        answer = InviteList.redraw(request, [row.pk])
        if command and command.row_id != row.pk:
            answer = HttpResponse(headers={"HX-Refresh": "true"})
        if refused:
            add_toast(answer, refused, "danger")
        return answer
    if refused:
        messages.error(request, refused)
    elif command:
        _say(request, command)
    return redirect("invites:list", slug=request.organization.slug)


def _say(request: DeskRequest, command: Command) -> None:
    """How a change stands after the moment's wait: done, on its way, or not as it should be."""
    words = {
        "what": kind_of(command).label,
        "email": command.label,
        "state": command.get_state_display(),
        "why": command.error,
    }
    if command.state == CommandState.SUCCEEDED:
        messages.success(request, _("%(what)s: %(email)s, done.") % words)
    elif command.error:
        messages.warning(request, _("%(what)s: %(email)s. %(state)s: %(why)s") % words)
    else:
        messages.info(request, _("%(what)s: %(email)s, on its way.") % words)


# --- Many invites --------------------------------------------------------------------------------


@desk_view("invites.resend")
@require_POST
def bulk_resend(request: DeskRequest) -> HttpResponse:
    """Review what sending the chosen invites again will do."""
    batch = services.draft_resend(
        organization=request.organization,
        rows=InviteList.chosen(request).rows,
        actor=request.user,
        nonce=uuid.uuid4().hex,
    )
    return redirect("sync:batch", slug=request.organization.slug, uid=batch.uid)


@desk_view("invites.withdraw")
@require_POST
def bulk_withdraw(request: DeskRequest) -> HttpResponse:
    """Review what withdrawing the chosen invites will do."""
    batch = services.draft_withdrawal(
        organization=request.organization,
        rows=InviteList.chosen(request).rows,
        actor=request.user,
        nonce=uuid.uuid4().hex,
    )
    return redirect("sync:batch", slug=request.organization.slug, uid=batch.uid)


# --- Inviting ------------------------------------------------------------------------------------


def _connections(request: DeskRequest) -> list[Connection]:
    live = Connection.objects.visible_to(request.user).filter(organization=request.organization)
    return list(live.live().select_related("organization"))


@desk_view("invites.invite")
@require_http_methods(["GET", "POST"])
def new(request: DeskRequest) -> HttpResponse:
    """Invite one address or two thousand, to one connection or several.

    One address on one connection is sent at once; more are shown for review first.
    """
    connections = _connections(request)
    if request.method == "POST":
        form = InviteForm(connections, request.POST, request.FILES)
        if form.is_valid() and (answer := _send(request, form)):
            return answer
    else:
        form = InviteForm(
            connections, initial={"nonce": uuid.uuid4().hex, **_typed_before(request)}
        )
    return render(
        request,
        "invites/new.html",
        {"form": form, "connections": connections, "title": _("Invite people")},
    )


def _typed_before(request: DeskRequest) -> dict[str, Any]:
    """What was typed for a batch under review that is being corrected, or a link's own address."""
    uid = request.GET.get("from", "")
    try:
        batches = Batch.objects.visible_to(request.user).filter(organization=request.organization)
        batch = batches.filter(uid=uuid.UUID(uid)).first()
    except ValueError:
        batch = None
    if batch is None:
        return {"addresses": request.GET.get("email", "")}
    return {name: value for name, value in batch.source.items() if name != "back"}


def _send(request: DeskRequest, form: InviteForm) -> HttpResponse | None:
    """Ask for what the form says; None if that is refused, with the reason beside the field."""
    slug, nonce = request.organization.slug, nonce_of(request)
    if len(form.guests) == 1 and not form.refusals:
        guest = form.guests[0]
        command = asked(
            form,
            "addresses",
            lambda: services.invite(guest=guest, actor=request.user, nonce=nonce),
        )
        if command is None:
            return None
        _say(request, command)
        return redirect("invites:list", slug=slug)
    batch = services.draft_invites(
        organization=request.organization,
        guests=form.guests,
        actor=request.user,
        nonce=nonce,
        refusals=form.refusals,
        source={**form.source(), "back": reverse("invites:new", kwargs={"slug": slug})},
    )
    return redirect("sync:batch", slug=slug, uid=batch.uid)
