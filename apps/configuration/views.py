"""Pages of organizations as their providers know them."""

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.configuration import services
from apps.configuration.forms import DeleteForm, NameForm
from apps.configuration.models import RemoteConfiguration, RemoteOrganization, Version
from apps.configuration.reading import by_section
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.organizations.services import Refused
from apps.providers.catalogue import PROVIDERS
from apps.sync.asking import heard, nonce_of
from apps.sync.models import Command, CommandState
from apps.sync.outbox.kinds import KINDS, kind_of
from apps.sync.outbox.requests import RequestRefused, busy_targets, why_not
from apps.sync.schedule import freshness

VERSIONS = 20  # of the settings, on the page
# Kind → action of the policy; capabilities stand in the kinds.
DOES = (
    "configuration.rename",
    "configuration.change",
    "configuration.create_organization",
    "configuration.delete_organization",
)


def connection_of(request: DeskRequest, uid: Any) -> Connection:
    """The connection whose organization is looked at; a 404 for one that the reader may not see."""
    found = Connection.objects.visible_to(request.user).confirmed()
    mine = found.filter(organization=request.organization).select_related("organization")
    return get_object_or_404(mine, uid=uid)


def can(request: DeskRequest, connection: Connection) -> dict[str, bool]:
    """What the reader can ask for here, by the last part of the kind's name."""
    return {
        name.partition(".")[2]: request.may(KINDS[name].action)
        and not why_not(KINDS[name], connection)
        for name in DOES
    }


@require_GET
@desk_view("configuration.read")
def listing(request: DeskRequest) -> HttpResponse:
    """The organization of each connection. Three queries."""
    found = Connection.objects.visible_to(request.user).live()
    live = list(found.filter(organization=request.organization).order_by("name", "pk"))
    rows = RemoteOrganization.objects.filter(connection__in=live).defer("raw")
    settings = RemoteConfiguration.objects.present().filter(connection__in=live).defer("raw")
    known = {row.connection_id: row for row in rows}
    configured = {row.connection_id: row for row in settings}
    context = {
        "lines": [
            {
                "connection": one,
                "provider": PROVIDERS.get(one.provider),
                "row": known.get(one.pk),
                "settings": configured.get(one.pk),
                "why": one.why_not("config.read"),
            }
            for one in live
        ],
        "freshness": freshness(request.organization, "organization", "remote_config"),
    }
    return render(request, "configuration/list.html", context)


@require_GET
@desk_view("configuration.read")
def organization(request: DeskRequest, uid: Any) -> HttpResponse:
    """What one connection's provider knows of the organization, and what it hands to its members."""
    connection = connection_of(request, uid)
    row = RemoteOrganization.objects.filter(connection=connection).first()
    settings = RemoteConfiguration.objects.present().filter(connection=connection).first()
    rules = services.rules_of(connection)
    targets = [one.target for one in (row, settings) if one]
    flights = busy_targets([connection.pk], targets)
    waiting = request.headers.get("HX-Target") == "flights"
    if waiting and not flights:
        return HttpResponse(headers={"HX-Refresh": "true"})
    context = {
        "connection": connection,
        "provider": PROVIDERS.get(connection.provider),
        "row": row,
        "settings": settings,
        "sections": by_section(settings.document, rules)
        if settings and settings.document and rules
        else [],
        "rules": rules,
        "flights": list(flights.values()),
        "can": can(request, connection),
        "reasons": _reasons(connection),
        "readable": connection.can("config.read"),
        "versions": _versions(connection),
        "freshness": [
            one
            for one in freshness(request.organization, "organization", "remote_config")
            if one.connection.pk == connection.pk
        ],
    }
    fragment = "#flights" if waiting else ""
    return render(request, f"configuration/organization.html{fragment}", context)


def _reasons(connection: Connection) -> list[str]:
    """Why something cannot be done with this connection, once each."""
    names = ("settings.change", "config.read", "config.change")
    return list(dict.fromkeys(filter(None, map(connection.why_not, names))))


def _versions(connection: Connection) -> list[Version]:
    found = Version.objects.filter(connection=connection).select_related("command__actor")
    return list(found.defer("document").order_by("-number")[:VERSIONS])


# --- Asking --------------------------------------------------------------------------------------


def say(request: DeskRequest, command: Command) -> None:
    """How a change stands after a moment's wait."""
    words = {"what": kind_of(command).label, "name": command.label, "why": command.error}
    if command.state == CommandState.SUCCEEDED:
        messages.success(request, _("%(what)s: %(name)s, done.") % words)
    elif command.state == CommandState.AWAITING_APPROVAL:
        messages.info(request, _("%(what)s: %(name)s waits for a second person.") % words)
    elif command.error and not command.is_open:
        messages.error(request, _("%(what)s: %(name)s. %(why)s") % words)
    else:
        messages.info(request, _("%(what)s: %(name)s, on its way.") % words)


def _ask_first(
    request: DeskRequest,
    connection: Connection,
    form: Form,
    ask: Callable[[str], Command],
    template: str,
    *,
    field: str | None = None,
    **more: Any,
) -> HttpResponse:
    """Show the form; once it is filled in well, ask for the change. A refusal stands beside ``field``."""
    slug = request.organization.slug
    context: dict[str, Any] = {
        "connection": connection,
        "provider": PROVIDERS.get(connection.provider),
        "form": form,
        "nonce": uuid.uuid4().hex,
        "cancel_url": reverse("configuration:organization", args=[slug, connection.uid]),
        **more,
    }
    if request.method != "POST" or not form.is_valid():
        return render(request, template, context)
    try:
        command = heard(ask(nonce_of(request)))
    except RequestRefused as refused:
        form.add_error(field, str(refused))
        context["nonce"] = uuid.uuid4().hex
        return render(request, template, context)
    say(request, command)
    if command.kind == "configuration.create_organization":
        return redirect("sync:command", slug, command.uid)  # which offers the next step
    return redirect("configuration:organization", slug, connection.uid)


def _row(connection: Connection) -> RemoteOrganization:
    row = RemoteOrganization.objects.filter(connection=connection, gone_at__isnull=True).first()
    if row is None:
        raise Http404
    row.connection = connection
    return row


@desk_view("configuration.rename")
@require_http_methods(["GET", "HEAD", "POST"])
def rename(request: DeskRequest, uid: Any) -> HttpResponse:
    """Give the organization another name at its provider."""
    connection = connection_of(request, uid)
    row = _row(connection)
    form = NameForm(request.POST or None, initial={"name": row.name})

    def ask(nonce: str) -> Command:
        name = form.cleaned_data["name"]
        return services.rename(row=row, name=name, actor=request.user, nonce=nonce)

    title = _("Rename the organization")
    return _ask_first(
        request, connection, form, ask, "configuration/rename.html", field="name", title=title
    )


@desk_view("configuration.create_organization")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: DeskRequest, uid: Any) -> HttpResponse:
    """Open another organization with this connection's credential."""
    connection = connection_of(request, uid)
    form = NameForm(request.POST or None)

    def ask(nonce: str) -> Command:
        name = form.cleaned_data["name"]
        return services.create(connection=connection, name=name, actor=request.user, nonce=nonce)

    title = _("Open another organization")
    return _ask_first(
        request, connection, form, ask, "configuration/new.html", field="name", title=title
    )


@desk_view("connections.connect")
@require_POST
def connect_new(request: DeskRequest, uid: Any, command: Any) -> HttpResponse:
    """Connect the organization that a change has opened, with the key that opened it: on to the wizard."""
    made = get_object_or_404(services.opened_with(connection_of(request, uid)), uid=command)
    slug = request.organization.slug
    try:
        draft = services.begin_opened(opened=made, actor=request.user)
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect("sync:command", slug, made.uid)
    return redirect("organizations:connect_wizard", slug, draft.uid)


@desk_view("configuration.delete_organization")
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: DeskRequest, uid: Any) -> HttpResponse:
    """Delete the organization at its provider for good, once its name was typed."""
    connection = connection_of(request, uid)
    row = _row(connection)
    form = DeleteForm(row.name, request.POST or None)

    def ask(nonce: str) -> Command:
        return services.delete(row=row, actor=request.user, nonce=nonce)

    more: dict[str, Any] = {
        "title": _("Delete “%(name)s”?") % {"name": row},
        "danger": True,
        "row": row,
    }
    return _ask_first(
        request, connection, form, ask, "configuration/delete.html", field="typed", **more
    )
