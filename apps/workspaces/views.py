"""Pages of workspaces: the list, one of them, and what can be asked for it."""

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.sync.asking import asked, nonce_of
from apps.sync.models import Command, CommandState
from apps.sync.outbox.kinds import KINDS
from apps.sync.outbox.requests import why_not
from apps.workspaces import services
from apps.workspaces.forms import ArchiveForm, NewWorkspaceForm, RenameForm, ResidencyForm
from apps.workspaces.lists import WorkspaceList, people_in
from apps.workspaces.models import Workspace
from apps.workspaces.roles import rules_of

# --- The list ------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("workspaces.read")
def workspaces(request: DeskRequest) -> HttpResponseBase:
    """The list; a POST keeps, changes or deletes a saved view of it."""
    return WorkspaceList.respond(request)


@require_GET
@desk_view("workspaces.read")
def rows(request: DeskRequest) -> HttpResponse:
    """Rows that were in flight a second ago, drawn anew."""
    return WorkspaceList.respond_rows(request)


# --- Making one ----------------------------------------------------------------------------------


def _able(request: DeskRequest) -> list[Connection]:
    live = Connection.objects.visible_to(request.user).filter(organization=request.organization)
    kind = KINDS["workspaces.create"]
    return [one for one in live.live().select_related("organization") if not why_not(kind, one)]


def _chosen(request: DeskRequest, connections: list[Connection]) -> Connection:
    asked = request.POST.get("connection") or request.GET.get("connection")
    return next((one for one in connections if str(one.pk) == asked), connections[0])


@desk_view("workspaces.create")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: DeskRequest) -> HttpResponse:
    """Create a workspace."""
    connections = _able(request)
    title = _("Create a workspace")
    if not connections:
        return render(request, "workspaces/new.html", {"title": title, "form": None})
    chosen = _chosen(request, connections)
    if request.method != "POST":
        form = NewWorkspaceForm(connections, chosen, initial={"nonce": uuid.uuid4().hex})
        return render(request, "workspaces/new.html", {"title": title, "form": form})
    form = NewWorkspaceForm(connections, chosen, request.POST)
    command = asked(form, "name", lambda: _create(request, chosen, form))
    if command is None:
        context = {"title": title, "form": form}
        return render(request, "workspaces/new.html", context, status=422)
    return _to_row(request, command)


def _create(request: DeskRequest, connection: Connection, form: NewWorkspaceForm) -> Command:
    data = form.cleaned_data
    return services.create_workspace(
        connection=connection,
        name=data["name"],
        allowed_geos=form.allowed,
        default_geo=data["default_geo"],
        storage_geo=data["storage_geo"],
        actor=request.user,
        nonce=nonce_of(request),
    )


def _say(request: DeskRequest, command: Command) -> None:
    if command.state == CommandState.AWAITING_APPROVAL:
        messages.info(request, _("A second person must approve it before it is sent."))
    elif command.is_open:
        messages.info(request, _("On its way. This page shows when it has arrived."))
    else:
        messages.success(request, _("Done."))


def _to_row(request: DeskRequest, command: Command) -> HttpResponse:
    """The page of the workspace that a Command is about; the list while it is not there yet."""
    _say(request, command)
    row = Workspace.objects.filter(pk=command.row_id or 0).only("pk", "remote_id").first()
    if row is None or row.remote_id is None:
        return redirect("workspaces:list", slug=request.organization.slug)
    return redirect("workspaces:one", slug=request.organization.slug, pk=row.pk)


# --- Changing one --------------------------------------------------------------------------------


def workspace_of(request: DeskRequest, pk: int) -> Workspace:
    """One of the organization's, with its connection; else a 404."""
    mine = Workspace.objects.visible_to(request.user).filter(
        connection__organization=request.organization
    )
    return get_object_or_404(mine.select_related("connection", "connection__organization"), pk=pk)


def _named(request: DeskRequest, pk: int) -> Workspace:
    """The same, if the provider has named it."""
    found = workspace_of(request, pk)
    if found.remote_id is None:
        raise Http404
    return found


def _form_page(
    request: DeskRequest, template: str, workspace: Workspace, form: forms.Form, **more: Any
) -> HttpResponse:
    context = {
        "workspace": workspace,
        "form": form,
        "nonce": form.data.get("nonce") or uuid.uuid4().hex,
        "locked": "" if workspace.is_live else _("An archived workspace cannot be changed."),
        "cancel_url": reverse(
            "workspaces:one", kwargs={"slug": request.organization.slug, "pk": workspace.pk}
        ),
    }
    status = 422 if form.is_bound else 200
    return render(request, template, context | more, status=status)


@desk_view("workspaces.change")
@require_http_methods(["GET", "HEAD", "POST"])
def rename(request: DeskRequest, pk: int) -> HttpResponse:
    """Give it another name."""
    workspace = _named(request, pk)
    form = RenameForm(workspace, request.POST if request.method == "POST" else None)
    if form.is_bound:
        command = asked(
            form,
            "name",
            lambda: services.rename_workspace(
                workspace=workspace,
                name=form.cleaned_data["name"],
                actor=request.user,
                nonce=nonce_of(request),
            ),
        )
        if command:
            return _to_row(request, command)
    title = _("Rename %(name)s") % {"name": workspace.name}
    return _form_page(request, "workspaces/rename.html", workspace, form, title=title)


@desk_view("workspaces.change")
@require_http_methods(["GET", "HEAD", "POST"])
def residency(request: DeskRequest, pk: int) -> HttpResponse:
    """Change where its requests may run."""
    workspace = _named(request, pk)
    initial: dict[str, Any] = {
        "allowed_geos": [geo for geo in workspace.allowed_geos.split(",") if geo]
    }
    if workspace.default_geo:
        initial["default_geo"] = workspace.default_geo
    posted = request.POST if request.method == "POST" else None
    form = ResidencyForm(workspace.connection, posted, initial=initial)
    if form.is_bound:
        command = asked(
            form,
            "default_geo",
            lambda: services.change_residency(
                workspace=workspace,
                allowed_geos=form.allowed,
                default_geo=form.cleaned_data["default_geo"],
                actor=request.user,
                nonce=nonce_of(request),
            ),
        )
        if command:
            return _to_row(request, command)
    title = _("Residency of %(name)s") % {"name": workspace.name}
    return _form_page(request, "workspaces/residency.html", workspace, form, title=title)


@desk_view("workspaces.archive")
@require_http_methods(["GET", "HEAD", "POST"])
def archive(request: DeskRequest, pk: int) -> HttpResponse:
    """Say what will stop, and archive it once the name was typed."""
    workspace = _named(request, pk)
    form = ArchiveForm(workspace, request.POST if request.method == "POST" else None)
    if form.is_bound:
        command = asked(
            form,
            "typed",
            lambda: services.archive_workspace(
                workspace=workspace, actor=request.user, nonce=nonce_of(request)
            ),
        )
        if command:
            return _to_row(request, command)
    return _form_page(
        request,
        "workspaces/archive.html",
        workspace,
        form,
        title=_("Archive %(name)s for good?") % {"name": workspace.name},
        danger=True,
        people=people_in([workspace])[workspace.pk],
        also_ends=rules_of(workspace.connection.provider).archive_ends.get(workspace.name, ""),
    )
