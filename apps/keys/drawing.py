"""What keys draw into the pages of other shelves: a person's keys, the overview, shared provider keys."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.keys import findings, standing
from apps.keys.lists import KeyList
from apps.keys.models import Key, SharedKey
from apps.members.models import Person
from apps.organizations.models import Connection
from apps.workspaces.lists import Figure, by_workspace
from apps.workspaces.models import Workspace

# As many of one person's keys as their page shows, and of one workspace's, where its people follow.
MOST = 20
FEW = 5


def _lines(page: KeyList, keys: list[Key]) -> list[dict[str, Any]]:
    page.prepare(keys)
    return [
        {
            "key": key,
            "url": page.row_url(key),
            "state": page.state_of(key),
            "standing": key.standing,  # type: ignore[attr-defined]  # given by prepare()
            "flight": page.flight(key),
            "told": page.told(key),
        }
        for key in keys
    ]


def of_person(request: HttpRequest, *, person: Person) -> SafeString | str:
    """The keys that one person made, the usable first; "" if there are none."""
    page = KeyList(request)
    found = standing.of_person(person).filter(connection__in=list(page.connections))
    keys = list(found.order_by("status", "name", "pk")[: MOST + 1])
    if not keys:
        return ""
    given = {
        "lines": _lines(page, keys[:MOST]),
        "more": len(keys) > MOST,
        "total": found.count() if len(keys) > MOST else len(keys),
    }
    return render_to_string("keys/_of_person.html", given, request)


def of_workspace(request: HttpRequest, *, workspace: Workspace) -> SafeString | str:
    """The keys of one workspace; "" where its connection does not tell of keys."""
    page = KeyList(request)
    connection = page.connections.get(workspace.connection_id)
    if connection is None or not connection.can("keys.read"):
        return ""
    found = page.rows().filter(
        gone_at__isnull=True,
        connection=workspace.connection_id,
        workspace=str(workspace.remote_id),
    )
    keys = list(found.order_by("status", "name", "pk")[: FEW + 1])
    given = {
        "lines": _lines(page, keys[:FEW]),
        "more": len(keys) > FEW,
        "total": found.count() if len(keys) > FEW else len(keys),
        "url": reverse("keys:list", kwargs={"slug": page.organization.slug})
        + f"?workspace={workspace.remote_id}",
    }
    return render_to_string("keys/_of_workspace.html", given, request)


def working_in(workspaces: Sequence[Workspace]) -> dict[int, int]:
    """How many keys open something in each, where keys are told of at all. One query."""
    found = Key.objects.filter(
        findings.usable(), connection__in={one.connection_id for one in workspaces}
    )
    return by_workspace(workspaces, found, "workspace")


WORKING_KEYS = Figure(key="keys", label=gettext_lazy("Keys"), of=working_in)


def ending(request: HttpRequest, *, workspace: Workspace) -> SafeString | str:
    """The usable keys that end with a workspace, on the page that asks before it is archived."""
    page = KeyList(request)
    found = page.rows().filter(
        findings.usable(), connection=workspace.connection_id, workspace=str(workspace.remote_id)
    )
    keys = list(found.order_by("name", "pk")[:MOST])
    if not keys:
        return ""
    count = found.count()
    given = {"lines": _lines(page, keys), "count": count, "more": count - len(keys)}
    return render_to_string("keys/_ending.html", given, request)


def shared(request: HttpRequest) -> SafeString | str:
    """Whose provider keys are shared with members, by connection; "" if none is."""
    organization = request.organization  # type: ignore[attr-defined]  # set by desk_view
    rows = SharedKey.objects.present().filter(
        connection__organization=organization,
        connection__state__in=[Connection.State.ACTIVE, Connection.State.PAUSED],
    )
    found: dict[str, list[str]] = {}
    for row in rows.select_related("connection").order_by("connection__name", "remote_id"):
        found.setdefault(row.connection.name, []).append(str(row))
    if not found:
        return ""
    return render_to_string("keys/_shared.html", {"connections": list(found.items())}, request)


def stats(request: HttpRequest) -> SafeString | str:
    """How many keys work now, and how many of them belong to people who left. Two queries."""
    page = KeyList(request)
    if not any(one.can("keys.read") for one in page.live):
        return ""
    rows = page.rows().filter(connection__in=[one.pk for one in page.live])
    orphans = rows.filter(findings.creator_left()).count()
    usable = rows.filter(findings.usable()).count()
    words = ngettext("of %(n)s usable key", "of %(n)s usable keys", usable)
    given = {
        "label": _("Orphaned keys") if orphans else _("Usable keys"),
        "icon": "key",
        "value": page.number(orphans or usable),
        "note": words % {"n": page.number(usable)} if orphans else "",
        "tone": "danger" if orphans else "",
        "url": reverse("keys:hygiene", kwargs={"slug": page.organization.slug}),
    }
    return render_to_string("ui/stat.html", given, request)
