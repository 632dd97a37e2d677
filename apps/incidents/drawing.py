"""What incidents draw into other pages: the overview's figure, marks on keys, people, workspaces, on usage."""

from typing import Any

from django.db.models import Max, Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import ngettext

from apps.incidents import words
from apps.incidents.models import WANTING, Incident, Kind, Severity
from apps.keys.models import Key
from apps.members.models import Member, Person
from apps.organizations.models import Connection
from apps.usage.days import day_of
from apps.usage.question import Question
from apps.workspaces.models import Workspace

MOST = 5  # named in one place


def _wanting(request: Any) -> "QuerySet[Incident]":
    """Those that somebody has to look at; none where the role may not read them."""
    if not request.may("incidents.read"):
        return Incident.objects.none()
    return (
        Incident.objects.visible_to(request.user)
        .filter(connection__organization=request.organization, state__in=WANTING)
        .order_by("-rank", "-last", "-pk")
    )


def stats(request: HttpRequest) -> SafeString | str:
    """Slot "overview:stats": how many are open, the gravest named. Three queries at most; "" without usage."""
    rows: Any = _wanting(request)
    organization: Any = request.organization  # type: ignore[attr-defined]  # set by desk_view
    told = rows.aggregate(n=Max("rank"))
    count = rows.count() if told["n"] else 0
    if not count:
        return ""
    worst = rows.first()
    address = reverse("incidents:list", kwargs={"slug": organization.slug})
    given = {
        "label": ngettext("Open incident", "Open incidents", count),
        "icon": "alert-triangle",
        "value": f"{count:,}",
        "note": words.headline(worst) if worst else "",
        "tone": "danger" if told["n"] == 3 else "warning",
        "url": reverse("incidents:one", args=[organization.slug, worst.pk])
        if count == 1 and worst
        else f"{address}?state=wanting&sort=-severity",
    }
    return render_to_string("ui/stat.html", given, request)


def _marked(
    request: HttpRequest, rows: "QuerySet[Incident]", css: str = "mb-3"
) -> SafeString | str:
    """The open ones among ``rows``, a line each."""
    found = list(rows[: MOST + 1])
    if not found:
        return ""
    organization: Any = request.organization  # type: ignore[attr-defined]  # set by desk_view
    given = {
        "lines": [
            {
                "url": reverse("incidents:one", args=[organization.slug, one.pk]),
                "text": words.headline(one),
                "tone": words.TONES[Severity(one.severity)],
                "severity": one.get_severity_display(),
                "state": one.get_state_display(),
            }
            for one in found[:MOST]
        ],
        "css": css,
        "more": f"{reverse('incidents:list', kwargs={'slug': organization.slug})}?state=wanting"
        if len(found) > MOST
        else "",
    }
    return render_to_string("incidents/_marks.html", given, request)


def _of(request: HttpRequest, kind: str, connection_id: int, value: str) -> SafeString | str:
    rows = _wanting(request).filter(kind=kind, connection=connection_id, value=value)
    return _marked(request, rows)


def of_key(request: HttpRequest, *, key: Key) -> SafeString | str:
    """Slot "keys:key"."""
    return _of(request, Kind.KEY, key.connection_id, key.remote_id) if key.remote_id else ""


def of_workspace(request: HttpRequest, *, workspace: Workspace) -> SafeString | str:
    """Slot "workspaces:workspace": its own, and those of keys and people at home in it."""
    if not workspace.remote_id:
        return ""
    own = Q(kind=Kind.WORKSPACE, value=workspace.remote_id) | Q(workspace=workspace.remote_id)
    return _marked(request, _wanting(request).filter(own, connection=workspace.connection_id))


def of_person(request: HttpRequest, *, person: Person) -> SafeString | str:
    """Slot "members:person": those of any of the accounts of one human."""
    accounts = Member.objects.filter(person=person).values_list("connection_id", "remote_id")
    own = Q(pk__in=[])
    for connection, account in accounts:
        own |= Q(connection=connection, value=str(account))
    return _marked(request, _wanting(request).filter(own, kind=Kind.PERSON))


def of_connection(request: HttpRequest, *, connection: Connection) -> SafeString | str:
    """Slot "organizations:connection": all of one connection."""
    return _marked(request, _wanting(request).filter(connection=connection.pk))


def of_usage(request: HttpRequest, *, question: Question) -> SafeString | str:
    """Slot "usage:answer": what was far off in the range at hand, at the connections chosen."""
    if question.stopped:
        return ""
    rows = _wanting(request).filter(
        since__lte=day_of(question.last), last__gte=day_of(question.first)
    )
    if chosen := question.filters.get("connection"):
        rows = rows.filter(connection__in=[int(one) for one in chosen])
    for kind in (Kind.KEY, Kind.WORKSPACE):
        if values := question.filters.get(kind):
            own = Q(kind=kind, value__in=values)
            if kind == Kind.WORKSPACE:
                own |= Q(workspace__in=values)
            rows = rows.filter(own)
    return _marked(request, rows, "mb-0")
