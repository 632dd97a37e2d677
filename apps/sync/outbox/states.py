"""The states of a Command and the only way from one to another."""

from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from apps.organizations import tally
from apps.sync.models import SETTLED_STATES, Command, CommandEvent, CommandState

S = CommandState
log = structlog.get_logger(__name__)

TRANSITIONS: dict[str, frozenset[str]] = {
    S.DRAFT: frozenset({S.QUEUED, S.AWAITING_APPROVAL, S.CANCELLED}),
    S.AWAITING_APPROVAL: frozenset({S.QUEUED, S.CANCELLED}),
    # QUEUED, RETRY, CLAIMED → UNKNOWN: after a restore from backup nobody knows what was sent since.
    S.QUEUED: frozenset({S.CLAIMED, S.CANCELLED, S.UNKNOWN}),
    # CLAIMED → QUEUED: the connection is paused, frozen or waiting; or the worker died before sending.
    S.CLAIMED: frozenset({S.SENDING, S.QUEUED, S.REJECTED, S.CANCELLED, S.RETRY, S.UNKNOWN}),
    # SENDING → CLAIMED: this step has happened and another follows; SENDING → QUEUED: 401, nothing sent.
    S.SENDING: frozenset({S.SUCCEEDED, S.REJECTED, S.RETRY, S.UNKNOWN, S.CLAIMED, S.QUEUED}),
    # UNKNOWN → CLAIMED: the step turned out to have happened and another follows.
    # UNKNOWN → REJECTED: what it acts on has gone meanwhile.
    S.UNKNOWN: frozenset({S.SUCCEEDED, S.RETRY, S.OPERATOR, S.UNKNOWN, S.CLAIMED, S.REJECTED}),
    S.RETRY: frozenset({S.CLAIMED, S.DEAD, S.CANCELLED, S.UNKNOWN}),
    S.OPERATOR: frozenset({S.SUCCEEDED, S.RETRY, S.CANCELLED, S.CLAIMED}),
    S.SUCCEEDED: frozenset(),
    S.REJECTED: frozenset(),
    S.DEAD: frozenset(),
    S.CANCELLED: frozenset(),
}

# Where a Command has come to its end, or to a person.
ENDS = frozenset({*SETTLED_STATES, S.OPERATOR})


class Overtaken(Exception):
    """Another worker has taken this Command over: what we know of it no longer counts."""


def move(command: Command, to: CommandState, *, note: str = "", **changes: Any) -> None:
    """Move ``command`` to ``to`` if state and fence are still those we saw; write its timeline.

    Runs inside the caller's transaction. Raises Overtaken when someone else was faster, ValueError
    for a way that does not exist.
    """
    if to not in TRANSITIONS[command.state]:
        raise ValueError(f"{command.state} does not lead to {to}")
    now = timezone.now()
    changes["state"] = to
    if to in SETTLED_STATES:
        changes |= {"settled_at": now, "leased_until": None, "due_at": None}
    seen = Command.objects.filter(pk=command.pk, state=command.state, fence=command.fence)
    if not seen.update(**changes):
        raise Overtaken(command.uid)
    for name, value in changes.items():
        setattr(command, name, value)
    note_event(command, note, changes.get("remote_request_id", ""))
    if to in ENDS:
        transaction.on_commit(lambda: _tell_of_end(command, to), robust=True)


def _tell_of_end(command: Command, state: CommandState) -> None:
    tally.count("changes", state)
    log.info("command_ended", command=str(command.uid), kind=command.kind, state=state)


def note_event(command: Command, words: str, remote_request_id: str = "") -> None:
    """Write a line of the Command's own timeline, in the state that it is in."""
    CommandEvent.objects.create(
        command=command,
        at=timezone.now(),
        state=command.state,
        note=words,
        remote_request_id=remote_request_id,
    )
