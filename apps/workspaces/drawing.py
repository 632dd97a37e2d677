"""What workspaces draw into pages of shelves below: a person's workspaces, the overview."""

from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apps.members.models import Member, Person
from apps.organizations.models import Connection
from apps.workspaces.cells import Cells
from apps.workspaces.lists import WorkspaceList
from apps.workspaces.matrix import draft_behind
from apps.workspaces.member_lists import open_changes
from apps.workspaces.models import Workspace, WorkspaceMember
from apps.workspaces.roles import OUT, hold_of


def of_person(request: HttpRequest, *, person: Person) -> SafeString | str:
    """A person's roles in the workspaces of each connection; "" where there are no workspaces."""
    page = WorkspaceList(request)
    able = {one.pk: one for one in page.able}
    members = list(
        Member.objects.filter(person=person, connection__in=able, gone_at__isnull=True).defer("raw")
    )
    draft = draft_behind(request)
    edits = draft.source.get("edits", {}) if draft else {}
    places = [
        place
        for member in members
        if (place := _place(page, member, able[member.connection_id], edits))
    ]
    if not places:
        return ""
    given = {"person": person, "places": places}
    return render_to_string("workspaces/_of_person.html", given, request)


def _place(
    page: WorkspaceList, member: Member, connection: Connection, edits: dict[str, str]
) -> dict[str, Any] | None:
    """The person's cells at one connection: those that are in it first. Three queries."""
    member.connection = connection
    workspaces = list(
        Workspace.objects.filter(
            connection=connection, state=Workspace.State.LIVE, remote_id__isnull=False
        )
        .defer("raw")
        .order_by("name", "pk")
    )
    if not workspaces:
        return None
    roles = dict(
        WorkspaceMember.objects.filter(
            connection=connection, user_remote_id=member.remote_id, gone_at__isnull=True
        ).values_list("workspace_remote_id", "role")
    )
    flights = open_changes(workspaces)
    may = page.request.may("workspaces.change_members")
    editable = bool(may and connection.can("workspaces.change"))
    cells = Cells(connection.provider, edits)
    lines: list[dict[str, Any]] = []
    for workspace in workspaces:
        hold = hold_of(connection.provider, member.role, roles.get(str(workspace.remote_id), OUT))
        lines.append(
            {
                "workspace": workspace,
                "hold": hold,
                "flight": flights.get(f"{workspace.remote_id}:{member.remote_id}"),
                "cell": cells.draw(member, workspace, hold, editable=editable),
            }
        )
    inside = [line for line in lines if line["hold"].role or line["flight"]]
    return {
        "connection": connection,
        "inside": inside,
        "outside": [line for line in lines if line not in inside] if editable else [],
        "editable": editable and any(not line["hold"].locked for line in lines),
        "open": bool(edits),
    }


def stats(request: HttpRequest) -> SafeString | str:
    """How many workspaces are live; "" where no connection has any."""
    page = WorkspaceList(request)
    if not page.able:
        return ""
    live = Workspace.objects.filter(
        connection__in=[one.pk for one in page.able], state=Workspace.State.LIVE
    ).aggregate(n=Count("pk"))["n"]
    given = {
        "label": _("Workspaces"),
        "icon": "layout-grid",
        "value": page.number(live),
        "note": _("live at the provider"),
        "url": reverse("workspaces:list", kwargs={"slug": page.organization.slug}),
    }
    return render_to_string("ui/stat.html", given, request)


def targets_of(person: Person, connections: dict[int, Connection]) -> set[str]:
    """What Commands on a person's roles in workspaces name as their targets. Two queries."""
    users = list(
        Member.objects.filter(person=person, connection__in=connections).values_list(
            "connection_id", "remote_id"
        )
    )
    rows = WorkspaceMember.objects.filter(
        connection__in={connection for connection, _user in users},
        user_remote_id__in=[user for _connection, user in users],
    )
    return {f"workspace_members:{name}" for name in rows.values_list("remote_id", flat=True)}
