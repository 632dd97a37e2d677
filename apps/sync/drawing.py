"""What changes draw into the overview."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString

from apps.sync.models import Command, CommandState, RemoteChange
from apps.sync.outbox.kinds import KINDS

FEW = 8


@dataclass(frozen=True, slots=True)
class _Line:
    at: datetime
    label: str
    what: str | Promise
    where: str
    state: str = ""
    tone: str = ""
    url: str = ""


def lately(request: HttpRequest) -> SafeString:
    """What changed last, here and at the providers, newest first. Two queries."""
    organization = request.organization  # type: ignore[attr-defined]  # set by desk_view
    commands = Command.objects.filter(organization=organization)
    commands = commands.exclude(state=CommandState.DRAFT).select_related("connection", "actor")
    changes = RemoteChange.objects.filter(organization=organization).select_related("connection")
    lines = [
        *(
            _of_command(one, organization.slug)
            for one in commands.order_by("-created_at", "-pk")[:FEW]
        ),
        *(_of_change(one) for one in changes.order_by("-at", "-pk")[:FEW]),
    ]
    lines.sort(key=lambda line: line.at, reverse=True)
    return render_to_string("sync/_lately.html", {"lines": lines[:FEW]}, request)


def _of_command(command: Command, slug: str) -> _Line:
    kind = KINDS.get(command.kind)
    return _Line(
        at=command.created_at,
        label=command.label,
        what=kind.label if kind else command.kind,
        where=f"{command.connection} · {command.asked_by or '–'}",
        state=str(command.get_state_display()),
        tone=command.tone,
        url=reverse("sync:command", kwargs={"slug": slug, "uid": command.uid}),
    )


def _of_change(change: RemoteChange) -> _Line:
    return _Line(
        at=change.at,
        label=change.label,
        what=change.get_what_display(),
        where=str(change.connection),
    )
