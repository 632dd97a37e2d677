"""Pages of one workspace's members, and of adding people to workspaces, from either side."""

import uuid
from typing import Any

from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.members.models import Member, Person
from apps.members.people import PeopleList
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.sync.asking import nonce_of
from apps.sync.outbox.requests import busy_targets
from apps.sync.schedule import freshness
from apps.ui.listing import Chosen
from apps.workspaces.forms import RoleInWorkspaceForm
from apps.workspaces.member_lists import CandidateList, WorkspaceMemberList
from apps.workspaces.member_services import RoleWish, draft_roles
from apps.workspaces.models import Workspace
from apps.workspaces.residency import in_words
from apps.workspaces.roles import OUT, rules_of, why_none
from apps.workspaces.views import workspace_of


def _enter(request: DeskRequest, pk: int) -> Workspace:
    """The workspace, for the lists of its members too."""
    workspace = workspace_of(request, pk)
    request.workspace = workspace  # type: ignore[attr-defined]  # read by the lists
    return workspace


class OnePage(WorkspaceMemberList):
    """The members of a workspace, with what the page says of the workspace around them."""

    def context(self) -> dict[str, Any]:
        """Facts, what can be asked for, and what is on its way."""
        workspace, may = self.workspace, self.request.may
        provider = workspace.connection.provider
        flight = busy_targets([workspace.connection_id], [workspace.target]).get(
            (workspace.connection_id, workspace.target)
        )
        live = workspace.connection.state != Connection.State.DISCONNECTED
        able = live and workspace.connection.can("workspaces.change")
        can = able and workspace.is_live and flight is None
        fresh = freshness(self.organization, "workspaces", "workspace_members")
        return {
            "workspace": workspace,
            "title": workspace.name,
            "flight": flight,
            "residency": in_words(provider, workspace.allowed_geos, workspace.default_geo),
            "storage": rules_of(provider).geo_label(workspace.storage_geo),
            "freshness": [one for one in fresh if one.connection.pk == workspace.connection_id],
            "may_change": can and may("workspaces.change"),
            "may_archive": can and may("workspaces.archive"),
            "may_add": can and may("workspaces.change_members"),
        }


@desk_view("workspaces.read")
@require_http_methods(["GET", "HEAD", "POST"])
def one(request: DeskRequest, pk: int) -> HttpResponseBase:
    """One workspace: what it is, who is in it, and what higher shelves know of it."""
    _enter(request, pk)
    return OnePage.respond(request)


@desk_view("workspaces.read")
@require_GET
def member_rows(request: DeskRequest, pk: int) -> HttpResponse:
    """Rows that were in flight a second ago, drawn anew."""
    _enter(request, pk)
    return WorkspaceMemberList.respond_rows(request)


# --- From the workspace's side -------------------------------------------------------------------


def _whole(members: QuerySet[Member], workspace: Workspace) -> list[Member]:
    found = list(members.order_by("email", "pk"))
    for member in found:
        member.connection = workspace.connection
    return found


def _review(
    request: DeskRequest,
    workspace: Workspace,
    members: QuerySet[Member],
    role: str,
    title: str,
    *,
    seen: str | None = None,
) -> HttpResponse:
    batch = draft_roles(
        [RoleWish(workspace, member, role, seen) for member in _whole(members, workspace)],
        organization=request.organization,
        actor=request.user,
        title=title,
        nonce=nonce_of(request),
    )
    return redirect("sync:batch", slug=request.organization.slug, uid=batch.uid)


def _refuse_nothing(chosen: Chosen[Any]) -> None:
    if not chosen.every_match and not chosen.fields:
        raise BadRequest(_("Nobody was chosen. Go back and choose at least one person."))


@desk_view("workspaces.read", changes="workspaces.change_members")
@require_http_methods(["GET", "HEAD", "POST"])
def add_members(request: DeskRequest, pk: int) -> HttpResponseBase:
    """Choose members of the organization; a POST asks to review their joining in the role pressed."""
    workspace = _enter(request, pk)
    if request.method != "POST" or request.GET.get("views"):
        return CandidateList.respond(request)
    chosen = CandidateList.chosen(request)
    _refuse_nothing(chosen)
    form = RoleInWorkspaceForm(
        workspace.connection.provider, {"role": request.POST.get("action", "")}
    )
    if not form.is_valid():
        raise BadRequest(_("Choose one of the roles that this provider lets be given."))
    title = _("Add people to %(workspace)s") % {"workspace": workspace.name}
    role = form.cleaned_data["role"]
    return _review(request, workspace, chosen.rows, role, title, seen=OUT)


@desk_view("workspaces.change_members")
@require_POST
def change_members(request: DeskRequest, pk: int) -> HttpResponse:
    """Choose a role for the chosen members, then review."""
    workspace = _enter(request, pk)
    chosen = WorkspaceMemberList.chosen(request)
    _refuse_nothing(chosen)
    title = _("Change roles in %(workspace)s") % {"workspace": workspace.name}
    asked = request.POST if "nonce" in request.POST else None
    form = RoleInWorkspaceForm(workspace.connection.provider, asked)
    if asked is not None and form.is_valid():
        return _review(request, workspace, chosen.rows, form.cleaned_data["role"], title)
    context = {
        "workspace": workspace,
        "form": form,
        "chosen_fields": chosen.fields,
        "people": chosen.rows.order_by().count(),
        "nonce": uuid.uuid4().hex,
        "title": title,
    }
    status = 422 if form.is_bound else 200
    return render(request, "workspaces/change_members.html", context, status=status)


@desk_view("workspaces.change_members")
@require_POST
def remove_members(request: DeskRequest, pk: int) -> HttpResponse:
    """Review what taking the chosen members out will do."""
    workspace = _enter(request, pk)
    chosen = WorkspaceMemberList.chosen(request)
    _refuse_nothing(chosen)
    title = _("Take people out of %(workspace)s") % {"workspace": workspace.name}
    return _review(request, workspace, chosen.rows, OUT, title)


# --- From the people's side ----------------------------------------------------------------------


def _places(request: DeskRequest) -> list[dict[str, Any]]:
    """Connections that have workspaces, each with the live ones. Two queries."""
    live = Connection.objects.visible_to(request.user).filter(organization=request.organization)
    connections = [one for one in live.live().select_related("organization") if not why_none(one)]
    found: dict[int, list[Workspace]] = {one.pk: [] for one in connections}
    rows = Workspace.objects.filter(
        connection__in=connections, state=Workspace.State.LIVE, remote_id__isnull=False
    )
    for row in rows.defer("raw").order_by("name", "pk"):
        found[row.connection_id].append(row)
    return [
        {"connection": one, "workspaces": found[one.pk], "rules": rules_of(one.provider)}
        for one in connections
        if found[one.pk]
    ]


@desk_view("workspaces.change_members")
@require_POST
def add_people(request: DeskRequest) -> HttpResponse:
    """Choose workspaces and a role for the chosen people, then review."""
    chosen = PeopleList.chosen(request)
    _refuse_nothing(chosen)
    places = _places(request)
    error = ""
    if "nonce" in request.POST:
        wanted = _wanted(request, chosen, places)
        if wanted:
            batch = draft_roles(
                wanted,
                organization=request.organization,
                actor=request.user,
                title=_("Add people to workspaces"),
                nonce=nonce_of(request),
            )
            return redirect("sync:batch", slug=request.organization.slug, uid=batch.uid)
        error = _("Choose at least one workspace in which one of them could be.")
    context = {
        "places": places,
        "people": chosen.rows.order_by().count(),
        "chosen_fields": chosen.fields,
        "picked": request.POST.getlist("workspace"),
        "nonce": uuid.uuid4().hex,
        "error": error,
        "title": _("Add people to workspaces"),
        "cancel_url": reverse("members:list", kwargs={"slug": request.organization.slug}),
    }
    return render(request, "workspaces/add_people.html", context, status=422 if error else 200)


def _wanted(
    request: DeskRequest, chosen: Chosen[Person], places: list[dict[str, Any]]
) -> list[RoleWish]:
    """A wish for each chosen workspace and each chosen person who is a member of its organization."""
    picked = set(request.POST.getlist("workspace"))
    connections = {place["connection"].pk: place["connection"] for place in places}
    members = Member.objects.filter(
        person__in=chosen.rows.order_by().values("pk"),
        connection__in=connections,
        gone_at__isnull=True,
    )
    found: dict[int, list[Member]] = {pk: [] for pk in connections}
    for member in members.defer("raw").order_by("email", "pk"):
        member.connection = connections[member.connection_id]
        found[member.connection_id].append(member)
    wanted = []
    for place in places:
        connection = place["connection"]
        role = request.POST.get(f"role_{connection.pk}", "")
        if role not in place["rules"].assignable:
            continue
        for workspace in place["workspaces"]:
            if str(workspace.pk) in picked:
                workspace.connection = connection
                wanted += [
                    RoleWish(workspace, member, role, OUT) for member in found[connection.pk]
                ]
    return wanted
