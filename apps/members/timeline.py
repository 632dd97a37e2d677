"""What has happened to one person, newest first: our changes, the provider's, the audit log."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.urls import reverse
from django.utils.functional import Promise

from apps.audit.models import Entry
from apps.members.models import Person
from apps.organizations.models import Connection
from apps.sync.models import Command, CommandState, RemoteChange
from apps.sync.outbox.kinds import KINDS

Words = str | Promise
LENGTH = 50


@dataclass(frozen=True, slots=True)
class Event:
    """One line. ``tone`` colours its dot: plain, info, success, warning, danger."""

    at: datetime
    what: Words
    details: Words = ""
    who: str = ""
    state: Words = ""
    tone: str = "plain"
    url: str = ""


TONES = {
    CommandState.SUCCEEDED: "success",
    CommandState.REJECTED: "danger",
    CommandState.DEAD: "danger",
    CommandState.CANCELLED: "plain",
    CommandState.OPERATOR: "warning",
    CommandState.AWAITING_APPROVAL: "warning",
}


# Gives what Commands on a person's rows of a higher shelf name as their targets.
TargetSource = Callable[[Person, dict[int, Connection]], set[str]]
_sources: list[TargetSource] = []


def add_targets(source: TargetSource) -> None:
    """Tell of Commands on other rows of a person too; for a shelf's ``ready()``."""
    if source not in _sources:
        _sources.append(source)


def of_person(person: Person, connections: dict[int, Connection], targets: set[str]) -> list[Event]:
    """The latest events of ``person``. ``targets`` are what Commands on their rows name.

    Three queries, and those of the sources.
    """
    targets = targets.union(*(source(person, connections) for source in _sources))
    events = [
        *_commands(person, connections, targets),
        *_remote_changes(person, connections),
        *_entries(person),
    ]
    return sorted(events, key=lambda event: event.at, reverse=True)[:LENGTH]


def _commands(person: Person, connections: dict[int, Connection], targets: set[str]) -> list[Event]:
    about = Q(target__in={*targets, f"invites:{person.email}"})
    found = Command.objects.filter(about, connection__in=connections)
    found = found.exclude(state=CommandState.DRAFT).select_related("actor", "organization")
    events = []
    for command in found.order_by("-created_at", "-pk")[:LENGTH]:
        command.connection = connections[command.connection_id]
        kind = KINDS.get(command.kind)
        events.append(
            Event(
                at=command.settled_at or command.created_at,
                what=kind.label if kind else command.kind,
                details=command.error or (kind.describe(command) if kind else ""),
                who=str(command.actor or ""),
                state=command.get_state_display(),
                tone=TONES.get(CommandState(command.state), "info"),
                url=reverse(
                    "sync:command",
                    kwargs={"slug": command.organization.slug, "uid": command.uid},
                ),
            )
        )
    return events


def _remote_changes(person: Person, connections: dict[int, Connection]) -> list[Event]:
    found = RemoteChange.objects.filter(
        organization_id=person.organization_id, label=person.email, connection__in=connections
    )
    return [
        Event(
            at=change.at,
            what=change.get_what_display(),
            details=change.in_words,
            who=connections[change.connection_id].name,
            tone="info",
        )
        for change in found.order_by("-at", "-pk")[:LENGTH]
    ]


def _entries(person: Person) -> list[Event]:
    """Lines of the audit log on the person; those on Commands are told by the Commands themselves."""
    found = Entry.objects.filter(
        organization_id=person.organization_id, target=person.email, command_id__isnull=True
    )
    return [
        Event(at=entry.at, what=entry.verb, who=entry.actor)
        for entry in found.order_by("-at", "-pk")[:LENGTH]
    ]
