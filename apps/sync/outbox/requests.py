"""What people ask of the outbox: a change, an approval, a decision; many at once in ``batches``.

Every function here begins and ends its own transaction: the Command, what the local rows show and
the audit Entry commit together, and the worker is told afterwards.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.models import User
from apps.audit.record import Line, record, record_many
from apps.organizations.models import Connection, Organization
from apps.organizations.policy import POLICY, may, support_may
from apps.organizations.services import Refused
from apps.sync.models import OPEN_STATES, Command, CommandEvent, CommandState
from apps.sync.outbox import outcome
from apps.sync.outbox.kinds import KINDS, Kind, kind_of
from apps.sync.outbox.states import Overtaken, move
from apps.sync.outbox.word import carry_soon
from apps.ui.prepared import Prepared

S = CommandState
# In ``Command.before`` of money that is sent again: the change whose outcome nobody could tell.
IN_PLACE_OF = "in_place_of"
log = structlog.get_logger(__name__)
_asked_with = Prepared(
    lambda organizations, nonces: Command.objects.filter(
        organization__in=organizations, nonce__in=nonces
    )
)


class RequestRefused(Exception):
    """The portal itself says no; the message is for the person who asked."""


class TargetBusy(RequestRefused):
    """An earlier change of the same thing is still on its way."""

    def __init__(self, command: Command) -> None:
        self.command = command
        super().__init__(
            _(
                "An earlier change of %(label)s is still on its way. Wait for it, or cancel it first."
            )
            % {"label": command.label}
        )


@dataclass(frozen=True, slots=True)
class Wish:
    """One change of ``kind`` as a shelf asks for it; ``before`` is what its row shows now."""

    kind: str
    connection: Connection
    target: str
    label: str
    arguments: dict[str, Any] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)
    row_id: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A change that a shelf cannot ask for: of whom or what, on which connection (its name), and why."""

    label: str
    connection: str
    reason: str


def content_hash(
    kind: str, connection_id: int, target: str, arguments: object, before: object
) -> str:
    """What an approval is bound to: SHA-256 over everything that will be done, and to what."""
    content = json.dumps([kind, connection_id, target, arguments, before], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def why_not(kind: Kind, connection: Connection) -> str:
    """Why this connection cannot do such a change at all; "" if it can."""
    if connection.state == Connection.State.PAUSED:
        return _("%(connection)s is paused. Resume it first.") % {"connection": connection}
    if connection.state != Connection.State.ACTIVE:
        return _("%(connection)s is not connected.") % {"connection": connection}
    if not connection.can(kind.capability):
        why = connection.why_not(kind.capability)
        return _("%(connection)s cannot do this. %(why)s") % {"connection": connection, "why": why}
    return ""


def permit(actor: User, action: str, organization: Organization) -> None:
    """Raise PermissionDenied unless ``actor`` may do ``action`` there."""
    if not may(actor, action, organization):
        raise PermissionDenied(_("Your role does not allow this."))


def waits_for_second(kind: Kind, organization: Organization, arguments: Mapping[str, Any]) -> bool:
    """Whether a second person must approve such a change: what cannot be undone where the organization
    demands that, and money above its limit. A price that nobody knows counts as above."""
    if organization.demand_second_person and POLICY[kind.action].irreversible:
        return True
    limit = organization.second_person_cents
    if limit is None or not kind.is_money:
        return False
    cents = arguments.get("cents")
    return cents is None or cents > limit


def first_state(
    kind: Kind, organization: Organization, arguments: Mapping[str, Any]
) -> CommandState:
    """Where a change of ``kind`` begins once it is asked for."""
    return S.AWAITING_APPROVAL if waits_for_second(kind, organization, arguments) else S.QUEUED


def command_of(wish: Wish, actor: User, nonce: str, state: CommandState) -> Command:
    """The Command of a wish, not saved yet."""
    kind, now = KINDS[wish.kind], timezone.now()
    digest = content_hash(kind.name, wish.connection.pk, wish.target, wish.arguments, wish.before)
    return Command(
        organization=wish.connection.organization,
        connection=wish.connection,
        kind=kind.name,
        target=wish.target,
        label=wish.label,
        row_id=wish.row_id,
        arguments=wish.arguments,
        arguments_hash=digest,
        before=wish.before,
        nonce=nonce,
        state=state,
        is_money=kind.is_money,
        actor=actor,
        by_token=actor.acting.name if actor.acting and actor.acting.is_service else "",
        due_at=now,
        kicked_at=now,
    )


def ask(wish: Wish | Refusal, *, actor: User, nonce: str, second_person: bool = False) -> Command:
    """Ask for one change. The same ``nonce`` again gives the same Command, whatever else is said.

    ``second_person``: one must approve it, even where the organization does not demand that.
    Raises PermissionDenied, RequestRefused (the shelf or the connection cannot) and TargetBusy.
    """
    if isinstance(wish, Refusal):
        raise RequestRefused(wish.reason)
    kind, organization = KINDS[wish.kind], wish.connection.organization
    permit(actor, kind.action, organization)
    if asked := _asked_with(organizations=[organization.pk], nonces=[nonce]):
        return asked[0]
    if why := why_not(kind, wish.connection):
        raise RequestRefused(why)
    first = first_state(kind, organization, wish.arguments)
    state = S.AWAITING_APPROVAL if second_person else first
    command = command_of(wish, actor, nonce, state)
    try:
        with transaction.atomic(durable=True):
            kind.begin([command])
            command.save()
            note_asked([command], actor)
            if command.state == S.QUEUED:
                carry_soon(command)
    except IntegrityError:
        same = Command.objects.filter(organization=organization, nonce=nonce).first()
        if same:
            return same
        _refuse_if_busy(wish)
        raise
    return command


def _refuse_if_busy(wish: Wish) -> None:
    same = Q(target=wish.target)
    if KINDS[wish.kind].is_money:
        same |= Q(is_money=True)
    busy = Command.objects.open().filter(same, connection=wish.connection).first()
    if busy:
        raise TargetBusy(busy)


def note_asked(commands: list[Command], actor: User | None) -> None:
    """Write timeline and audit for Commands that have just got their first state."""
    if not commands:
        return
    # One line, by which the request's id leads to its changes; each has its own in the audit log.
    log.info(
        "changes_asked",
        n=len(commands),
        kind=commands[0].kind,
        command=str(commands[0].uid) if len(commands) == 1 else None,
        batch=commands[0].batch_id,
    )
    now = timezone.now()
    CommandEvent.objects.bulk_create(
        [CommandEvent(command=c, at=now, state=c.state) for c in commands]
    )
    record_many(
        organization=commands[0].organization,
        actor=actor,
        lines=[
            Line(
                f"{command.kind}.asked",
                command,
                label=command.label,
                details={"arguments": command.arguments, "before": command.before},
                connection=command.connection,
                command=command,
            )
            for command in commands
        ],
    )


# --- Decisions -----------------------------------------------------------------------------------


def approve(*, command: Command, actor: User) -> None:
    """Let a waiting change go: by a second person, for exactly what was asked."""
    _decide_as_second_person(command, actor)
    digest = content_hash(
        command.kind, command.connection_id, command.target, command.arguments, command.before
    )
    if digest != command.arguments_hash:
        raise RequestRefused(_("What is to be done has changed since it was asked for."))
    now = timezone.now()
    with transaction.atomic(durable=True):
        move_or_refuse(
            command,
            S.QUEUED,
            note=_("Approved by %(name)s") % {"name": actor},
            approved_by=actor,
            approval_hash=digest,
            due_at=now,
            kicked_at=now,
        )
        note_decision(command, actor, "approved")
        carry_soon(command)


def refuse_approval(*, command: Command, actor: User, reason: str = "") -> None:
    """Say no to a waiting change."""
    _decide_as_second_person(command, actor)
    _withdraw(
        command, actor, "not_approved", reason or _("Not approved by %(name)s") % {"name": actor}
    )


def _decide_as_second_person(command: Command, actor: User) -> None:
    permit(actor, "commands.approve", command.organization)
    permit(actor, kind_of(command).action, command.organization)
    if command.state != S.AWAITING_APPROVAL:
        raise RequestRefused(_("This change is not waiting for approval (any more)."))
    if command.actor_id == actor.pk:
        raise RequestRefused(_("You asked for this yourself: a second person must approve it."))


def cancel(*, command: Command, actor: User) -> None:
    """Take back a change that has not been sent; one that may have happened cannot be cancelled."""
    permit(actor, kind_of(command).action, command.organization)
    if command.state not in (S.AWAITING_APPROVAL, S.QUEUED, S.RETRY):
        raise RequestRefused(_("It is too late to cancel: the provider may already have it."))
    if command.step:
        raise RequestRefused(_("Its first step has already happened at the provider."))
    _withdraw(command, actor, "cancelled", _("Cancelled by %(name)s") % {"name": actor})


def _withdraw(command: Command, actor: User, verb: str, why: str) -> None:
    with transaction.atomic(durable=True):
        move_or_refuse(command, S.CANCELLED, note=why, error=why)
        kind_of(command).undo([command])
        note_decision(command, actor, verb)


def obstacle_to_disconnecting(connection: Connection) -> str:
    """Why ``connection`` cannot be disconnected now: a change of it may have been sent; "" if not."""
    unsettled = [S.CLAIMED, S.SENDING, S.UNKNOWN, S.OPERATOR]
    count = Command.objects.filter(connection=connection, state__in=unsettled).count()
    if not count:
        return ""
    return ngettext(
        "%(n)d change is on its way and its outcome is not known yet. Wait for it, or decide it.",
        "%(n)d changes are on their way and their outcome is not known yet. Wait, or decide them.",
        count,
    ) % {"n": count}


def cancel_waiting(connection: Connection, actor: User | None) -> None:
    """Cancel what still waits to be sent, in the transaction that disconnects ``connection``."""
    why = _("The connection was disconnected.")
    waiting = Command.objects.filter(
        connection=connection, state__in=[S.AWAITING_APPROVAL, S.QUEUED, S.RETRY]
    ).select_related("connection", "organization")
    for command in waiting:
        try:
            move(command, S.CANCELLED, note=why, error=why)
        except Overtaken:
            # A worker has it: then nothing is disconnected either.
            raise Refused(
                _("A change has just been taken up. Wait for it, then disconnect.")
            ) from None
        kind_of(command).undo([command])
        note_decision(command, actor, "cancelled")


def ask_again(*, command: Command, actor: User, nonce: str) -> Command:
    """Ask anew for a change that was refused, given up or cancelled; the old one keeps its end.

    Money that waited for a second person waits for one again, however often it is asked for anew.
    """
    if command.is_open or command.state == S.SUCCEEDED:
        raise RequestRefused(_("Only a change that has failed can be tried again."))
    if command.step:
        raise RequestRefused(_("Its first step has happened: start anew from its own page."))
    if was_left_unknown(command):
        raise RequestRefused(
            _("Money is sent again by two persons only.")
            if kind_of(command).alone is None
            else _("Nobody knows what became of it. Look at your payments; then buy anew, or not.")
        )
    waited = command.is_money and _has_been(command, S.AWAITING_APPROVAL)
    return ask(_wish_of(command), actor=actor, nonce=nonce, second_person=waited)


def was_left_unknown(command: Command) -> bool:
    """Whether it may have moved money, and somebody gave up finding out.

    One that was put back by a backup may have been sent although it knows of no attempt.
    """
    if not command.is_money or command.state != S.CANCELLED:
        return False
    return command.attempts > 0 or _has_been(command, S.UNKNOWN, S.OPERATOR)


def _has_been(command: Command, *states: CommandState) -> bool:
    """Whether its timeline has one of these states."""
    return command.events.filter(state__in=states).exists()


def _wish_of(command: Command) -> Wish:
    """The wish that ``command`` carries."""
    return Wish(
        kind=command.kind,
        connection=command.connection,
        target=command.target,
        label=command.label,
        arguments=command.arguments,
        before=command.before,
        row_id=command.row_id,
    )


def resend(*, command: Command, actor: User) -> Command:
    """Decide that a change whose outcome nobody could tell has not happened: send it again.

    Money is sent by a new change, which waits for a second person; that one is returned. Where there is
    none, whoever decides must have before them what the kind demands (``Kind.alone``).
    """
    _permit_decision(command, actor)
    if command.is_money:
        return _send_money_again(command, actor)
    now = timezone.now()
    with transaction.atomic(durable=True):
        move_or_refuse(
            command,
            S.RETRY,
            note=_("Sent again by %(name)s") % {"name": actor},
            due_at=now,
            kicked_at=now,
        )
        note_decision(command, actor, "resent")
        carry_soon(command)
    return command


def _send_money_again(command: Command, actor: User) -> Command:
    kind, state = kind_of(command), S.AWAITING_APPROVAL
    why = _("Sent again as another change, once a second person has approved it.")
    if kind.alone is not None:
        if lacking := kind.alone(command):
            raise RequestRefused(lacking)
        state, why = S.QUEUED, _("Sent again as another change.")
    wish = _wish_of(command)
    wish = replace(wish, before={**wish.before, IN_PLACE_OF: str(command.uid)})
    again = command_of(wish, actor, f"again:{command.uid}", state)
    with transaction.atomic(durable=True):
        move_or_refuse(command, S.CANCELLED, note=why, error=why)
        kind.undo([command])
        note_decision(command, actor, "resent")
        kind.begin([again])
        again.save()
        note_asked([again], actor)
        if again.state == S.QUEUED:
            carry_soon(again)
    return again


def adopt(*, command: Command, candidate: str, actor: User) -> None:
    """Decide that a change has happened and made ``candidate``, one of what the read-back found."""
    _permit_closing(command, actor)
    found = {entry["id"] for entry in command.candidates}
    if candidate not in found:
        raise RequestRefused(_("The provider did not show such a one."))
    try:
        outcome.happened(
            command,
            {"remote_id": candidate},
            note=_("Adopted by %(name)s") % {"name": actor},
            actor=actor,
        )
    except (Overtaken, IntegrityError):
        raise RequestRefused(
            _("Meanwhile this change has gone on. Look at its present state.")
        ) from None


def abandon(*, command: Command, actor: User, reason: str) -> None:
    """Decide to leave a change as it is, whatever it did; the next walk shows what is true."""
    _permit_closing(command, actor)
    _withdraw(command, actor, "abandoned", reason)


def _permit_decision(command: Command, actor: User) -> None:
    permit(actor, "commands.decide", command.organization)
    permit(actor, kind_of(command).action, command.organization)
    must_be_stuck(command)


def _permit_closing(command: Command, actor: User) -> None:
    # Neither sends anything: support may, without being allowed the change itself.
    permit(actor, "commands.close", command.organization)
    if not support_may(actor, "commands.close", command.organization):
        permit(actor, kind_of(command).action, command.organization)
    must_be_stuck(command)


def must_be_stuck(command: Command) -> None:
    """RequestRefused unless ``command`` waits for somebody's decision."""
    if command.state != S.OPERATOR:
        raise RequestRefused(_("This change does not need a decision (any more)."))


def move_or_refuse(command: Command, to: CommandState, **changes: Any) -> None:
    """Move, or tell the person that somebody was faster."""
    try:
        move(command, to, **changes)
    except (Overtaken, ValueError):
        raise RequestRefused(
            _("Meanwhile this change has gone on. Look at its present state.")
        ) from None


def note_decision(command: Command, actor: User | None, verb: str, **more: dict[str, Any]) -> None:
    """Write the audit log's line of what was decided about ``command``."""
    record(
        organization=command.organization,
        actor=actor,
        verb=f"{command.kind}.{verb}",
        target=command,
        label=command.label,
        connection=command.connection,
        command=command,
        details={"arguments": command.arguments, "state": command.state, **more},
    )


def busy_targets(
    connection_ids: Iterable[int], targets: Iterable[str]
) -> dict[tuple[int, str], Command]:
    """The open Commands on these targets, for the rows of a page: one query."""
    return {
        (command.connection_id, command.target): command
        for command in Command.objects.filter(
            connection_id__in=list(connection_ids), target__in=list(targets), state__in=OPEN_STATES
        )
    }
