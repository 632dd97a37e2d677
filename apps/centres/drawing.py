"""What centres draw into other pages: where a key, a person or a workspace belongs, and which rule says so."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from apps.centres import words
from apps.centres.models import CostCentre, Subject
from apps.centres.rules import Sorter, Thing, item, rulings_of
from apps.keys.models import Key
from apps.members.models import Member, Person
from apps.organizations.models import Connection
from apps.usage.tuples import NONE
from apps.workspaces.models import Workspace


def of_key(request: HttpRequest, *, key: Key) -> SafeString | str:
    """Slot "keys:key": by a rule about it, else by one about its workspace."""
    if not key.remote_id:
        return ""
    own: Thing = (key.connection_id, key.remote_id)
    things: list[tuple[str, Thing]] = [(Subject.KEY, own)]
    if key.workspace is not None:
        things.append((Subject.WORKSPACE, (key.connection_id, key.workspace or NONE)))
    return _mark(request, [key.connection], things, Subject.KEY, item(*own))


def of_workspace(request: HttpRequest, *, workspace: Workspace) -> SafeString | str:
    """Slot "workspaces:workspace"."""
    if not workspace.remote_id:
        return ""
    own: Thing = (workspace.connection_id, workspace.remote_id)
    things: list[tuple[str, Thing]] = [(Subject.WORKSPACE, own)]
    return _mark(request, [workspace.connection], things, Subject.WORKSPACE, item(*own))


def of_person(request: HttpRequest, *, person: Person) -> SafeString | str:
    """Slot "members:person": by a rule about the person; what they use goes by its workspace else."""
    members = Member.objects.filter(person=person).select_related("connection").order_by("pk")
    rows = [row for row in members if row.remote_id]
    if not rows:
        return ""
    things: list[tuple[str, Thing]] = [
        (Subject.PERSON, (row.connection_id, str(row.remote_id))) for row in rows
    ]
    connections = list({row.connection_id: row.connection for row in rows}.values())
    return _mark(request, connections, things, Subject.PERSON, str(person.pk))


def _mark(
    request: Any,
    connections: Sequence[Connection],
    things: Sequence[tuple[str, Thing]],
    subject: str,
    listed: str,
) -> SafeString | str:
    """A line; "" where there are no centres. Five queries at most."""
    if not request.may("centres.read"):
        return ""
    organization = request.organization
    centres = CostCentre.objects.current().filter(organization=organization).in_bulk()
    if not centres:
        return ""
    sorter = Sorter(connections, rulings_of(organization))
    ruling = by = None
    for by, thing in things:
        ruling = sorter.of_thing(by, thing)
        if ruling is not None:
            break
    give = {"slug": organization.slug, "subject": subject, "item": listed}
    given = {
        "centre": centres[ruling.centre] if ruling else None,
        "rule": words.ruling(ruling) if ruling else "",
        "by_workspace": ruling is not None and by == Subject.WORKSPACE != subject,
        "subject": subject,
        "give_url": reverse("centres:give", kwargs=give) if request.may("centres.change") else "",
    }
    return render_to_string("centres/_mark.html", given, request)
