"""Pages of keys: the list, one key, what can be asked for it, and the hygiene report."""

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.keys import findings, report, services
from apps.keys.forms import FinalForm, NewKeyForm, RenameForm
from apps.keys.lists import DOES, KeyList, elsewhere
from apps.keys.models import Key
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.sync.asking import asked, nonce_of
from apps.sync.models import Command, CommandState
from apps.sync.outbox.kinds import kind_of
from apps.sync.outbox.requests import RequestRefused
from apps.sync.outbox.word import await_word
from apps.sync.schedule import freshness
from apps.ui.toasts import add_toast

CHANGES = 20  # of one key, on its page


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("keys.read")
def keys(request: DeskRequest) -> HttpResponseBase:
    """The list; a POST keeps, changes or deletes a saved view of it."""
    return KeyList.respond(request)


@require_GET
@desk_view("keys.read")
def rows(request: DeskRequest) -> HttpResponse:
    """Rows that were in flight a second ago, drawn anew."""
    return KeyList.respond_rows(request)


@require_GET
@desk_view("keys.read")
def hygiene(request: DeskRequest) -> HttpResponseBase:
    """What is worth a look, the gravest first, each with its remedy; with ``?export=csv`` key by key."""
    if request.GET.get("export"):
        return report.export(request)
    context = {
        "title": _("Key hygiene"),
        "lines": report.lines(request),
        "freshness": freshness(request.organization, "keys", "members", "workspace_members"),
    }
    return render(request, "keys/hygiene.html", context)


# --- One key -------------------------------------------------------------------------------------


def _key(request: DeskRequest, pk: int) -> Key:
    found = Key.objects.visible_to(request.user).filter(
        connection__organization=request.organization
    )
    return get_object_or_404(found.select_related("connection", "connection__organization"), pk=pk)


def _url(request: DeskRequest, name: str, **kwargs: Any) -> str:
    return reverse(f"keys:{name}", kwargs={"slug": request.organization.slug, **kwargs})


@require_GET
@desk_view("keys.read")
def key(request: DeskRequest, pk: int) -> HttpResponse:
    """One key: what is known of it, what is wrong with it, what has happened to it."""
    row = _key(request, pk)
    page = KeyList(request)
    page.prepare([row])
    flight = page.flight(row)
    provider = PROVIDERS[row.connection.provider]
    mine = Key.objects.filter(pk=row.pk)
    context = {
        "key": row,
        "title": str(row),
        "standing": row.standing,  # type: ignore[attr-defined]  # given by prepare()
        "state": page.state_of(row),
        "tells_expiry": page.tells_expiry(row),
        "used": page.last_use(row),
        "flight": flight,
        "locked": services.why_locked(row),
        "can": {kind.partition(".")[2]: not flight and page.can(kind, row) for kind in DOES},
        "nonce": uuid.uuid4().hex,
        "provider": provider,
        "cannot": [
            str(provider.cannot[one])
            for one in ("keys.change", "keys.delete")
            if one in provider.cannot
        ],
        "findings": _findings(mine),
        "changes": _changes(row),
        "freshness": [
            one
            for one in freshness(request.organization, "keys")
            if one.connection.pk == row.connection_id
        ],
    }
    fragment = "#facts" if request.headers.get("HX-Target") == "facts" else ""
    return render(request, f"keys/key.html{fragment}", context)


def _findings(mine: Any) -> list[dict[str, Any]]:
    counts = findings.counted(mine)
    return [
        {"finding": one, "severity": findings.SEVERITIES[one.severity]}
        for one in findings.FINDINGS.values()
        if counts[one.key]
    ]


def _changes(row: Key) -> list[Command]:
    found = Command.objects.filter(connection=row.connection, target=row.target)
    wanted = found.exclude(state=CommandState.DRAFT).select_related("actor")
    changes = list(wanted.order_by("-created_at", "-pk")[:CHANGES])
    for command in changes:
        command.connection = row.connection
        command.what = kind_of(command).label  # type: ignore[attr-defined]  # for the template
    return changes


def _switch(request: DeskRequest, pk: int, kind: str) -> HttpResponse:
    row = _key(request, pk)
    try:
        command = services.change(kind=kind, key=row, actor=request.user, nonce=nonce_of(request))
    except RequestRefused as refused:
        return _answer(request, row, refused=str(refused))
    return _answer(request, row, command=command)


@desk_view("keys.change")
@require_POST
def deactivate(request: DeskRequest, pk: int) -> HttpResponse:
    """Switch one key off."""
    return _switch(request, pk, "keys.deactivate")


@desk_view("keys.change")
@require_POST
def activate(request: DeskRequest, pk: int) -> HttpResponse:
    """Switch one key on again."""
    return _switch(request, pk, "keys.activate")


def _answer(
    request: DeskRequest, row: Key, *, command: Command | None = None, refused: str = ""
) -> HttpResponse:
    """Wait a moment for the worker, then show how things stand: the row alone for htmx."""
    if command:
        command = await_word(command)
        refused = "" if command.is_open else command.error
    if request.headers.get("HX-Request"):
        answer = KeyList.redraw(request, [row.pk])
        if refused:
            add_toast(answer, refused, "danger")
        return answer
    if refused:
        messages.error(request, refused)
    elif command:
        _say(request, command)
    return redirect("keys:key", slug=request.organization.slug, pk=row.pk)


def _say(request: DeskRequest, command: Command) -> None:
    words = {"what": kind_of(command).label, "name": command.label}
    if command.state == CommandState.SUCCEEDED:
        messages.success(request, _("%(what)s: %(name)s, done.") % words)
    elif command.state == CommandState.AWAITING_APPROVAL:
        messages.info(request, _("%(what)s: %(name)s waits for a second person.") % words)
    else:
        messages.info(request, _("%(what)s: %(name)s, on its way.") % words)


# --- What asks first -----------------------------------------------------------------------------


def _ask_first(
    request: DeskRequest,
    row: Key,
    form: Form,
    ask: Callable[[str], Command],
    template: str,
    *,
    field: str,
    **more: Any,
) -> HttpResponse:
    """Show the form; once it is filled in well, ask for the change. A refusal stands beside ``field``."""
    if form.is_bound and (command := asked(form, field, lambda: ask(nonce_of(request)))):
        _say(request, command)
        return redirect("keys:key", slug=request.organization.slug, pk=row.pk)
    context: dict[str, Any] = {
        "key": row,
        "form": form,
        "provider": PROVIDERS[row.connection.provider],
        "locked": services.why_locked(row),
        "nonce": form.data.get("nonce") or uuid.uuid4().hex,
        "cancel_url": _url(request, "key", pk=row.pk),
        **more,
    }
    return render(request, template, context, status=422 if form.is_bound else 200)


@desk_view("keys.change")
@require_http_methods(["GET", "HEAD", "POST"])
def rename(request: DeskRequest, pk: int) -> HttpResponse:
    """Give one key another name."""
    row = _key(request, pk)
    posted = request.POST if request.method == "POST" else None
    form = RenameForm(posted, initial={"name": row.name})

    def ask(nonce: str) -> Command:
        name = form.cleaned_data["name"]
        return services.rename(key=row, name=name, actor=request.user, nonce=nonce)

    title = _("Rename this key")
    return _ask_first(request, row, form, ask, "keys/rename.html", field="name", title=title)


FINAL = {
    "keys.archive": gettext_lazy("Archive “%(name)s”?"),
    "keys.delete": gettext_lazy("Delete “%(name)s”?"),
}


def _end(request: DeskRequest, pk: int, kind: str) -> HttpResponse:
    row = _key(request, pk)
    form = FinalForm(row, request.POST if request.method == "POST" else None)

    def ask(nonce: str) -> Command:
        return services.change(kind=kind, key=row, actor=request.user, nonce=nonce)

    page = KeyList(request)
    page.prepare([row])
    more = {
        "title": FINAL[kind] % {"name": row},
        "kind": kind,
        "danger": True,
        "standing": row.standing,  # type: ignore[attr-defined]  # given by prepare()
        "state": page.state_of(row),
    }
    return _ask_first(request, row, form, ask, "keys/end.html", field="typed", **more)


@desk_view("keys.archive")
@require_http_methods(["GET", "HEAD", "POST"])
def archive(request: DeskRequest, pk: int) -> HttpResponse:
    """Archive one key for good, once its name was typed."""
    return _end(request, pk, "keys.archive")


@desk_view("keys.delete")
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: DeskRequest, pk: int) -> HttpResponse:
    """Delete one key for good, once its name was typed."""
    return _end(request, pk, "keys.delete")


@desk_view("keys.create")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: DeskRequest) -> HttpResponse:
    """Make a key where a provider lets us; the change's own page shows its secret, once."""
    live = Connection.objects.visible_to(request.user).filter(organization=request.organization)
    makers = [one for one in live.live().select_related("organization") if one.can("keys.create")]
    form = NewKeyForm(makers, request.POST or None, initial={"nonce": uuid.uuid4().hex})
    command = asked(form, "name", lambda: _create(request, form)) if form.is_bound else None
    if command is not None:
        return redirect("sync:command", slug=request.organization.slug, uid=command.uid)
    context = {
        "form": form,
        "makers": makers,
        "elsewhere": elsewhere(KeyList(request).live, "keys.create"),
        "title": _("Create a key"),
    }
    return render(request, "keys/new.html", context)


def _create(request: DeskRequest, form: NewKeyForm) -> Command:
    return services.create(
        connection=form.place,
        name=form.cleaned_data["name"],
        actor=request.user,
        nonce=nonce_of(request),
    )
