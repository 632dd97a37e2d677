"""What a worker does with a Command: claim it, check it, send it, and settle or read back.

No transaction is open while a remote call runs. ``checkpoint`` marks the gaps between two commits;
killing the worker in any of them loses nothing and doubles nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.organizations import health
from apps.organizations.adapters import budget_of, open_adapter
from apps.organizations.models import Connection
from apps.organizations.policy import may
from apps.providers.errors import (
    BudgetSpent,
    Forbidden,
    NotFound,
    NotSent,
    ProviderError,
    RateLimited,
    Refused,
    Unauthorized,
    Unclear,
)
from apps.providers.protocol import Adapter
from apps.sync.commits import without_disk
from apps.sync.models import Command, CommandState
from apps.sync.outbox import marks, outcome, restored
from apps.sync.outbox.kinds import (
    Done,
    Json,
    Lost,
    Moot,
    NotDone,
    Step,
    Undecided,
    Verdict,
    kind_of,
)
from apps.sync.outbox.states import Overtaken, move
from apps.sync.outbox.turns import BUDGET_PATIENCE
from apps.ui.prepared import Prepared

log = structlog.get_logger(__name__)
S = CommandState
Answer = TypeVar("Answer")
DEFINITE = (Forbidden, NotFound, Refused)  # asked again, the provider says the same
REFUSED_CHECKS = 3  # read-backs of money that fail before such an answer is the last word; of all else as many as tries

_commands = Prepared(
    lambda ids: Command.objects.select_related(
        "connection", "organization", "actor", "approved_by"
    ).filter(pk__in=ids)
)

# Called at every gap between two commits with its name; the chaos run hooks in here.
checkpoint_hooks: list[Callable[[str, Command], None]] = []


def checkpoint(name: str, command: Command) -> None:
    """Say that ``command`` has reached the gap ``name``."""
    for hook in checkpoint_hooks:
        hook(name, command)


def carry(command_id: int) -> Command | None:
    """Take one Command as far as it goes now and return it. Safe to call twice, or too early."""
    found = _commands(ids=[command_id])
    if not found:
        return None
    command = found[0]
    # On every line until the end, each request to the provider among them.
    with structlog.contextvars.bound_contextvars(command=str(command.uid)):
        try:
            _carry(command)
        except Overtaken:
            log.info("command_overtaken")
    return command


def _carry(command: Command) -> None:
    if command.state in (S.QUEUED, S.RETRY):
        _deliver(command)
    elif command.state == S.UNKNOWN:
        _read_back(command)
    elif command.state in (S.CLAIMED, S.SENDING):
        _recover(command)


# --- Claim ---------------------------------------------------------------------------------------


def _lease() -> dict[str, Any]:
    return {"leased_until": timezone.now() + timedelta(seconds=settings.OUTBOX_LEASE_SECONDS)}


def _is_due(command: Command) -> bool:
    return command.due_at is None or command.due_at <= timezone.now()


def _claim(command: Command) -> None:
    """Make it ours by compare-and-swap on (state, fence): whoever comes second changes nothing."""
    fence = command.fence + 1
    with transaction.atomic(durable=True):
        without_disk()  # forgotten in a crash, it was not sent; SENDING waits
        move(command, S.CLAIMED, fence=fence, **_lease())
    checkpoint("claimed", command)


def _deliver(command: Command) -> None:
    if not _is_due(command):
        return
    if obstacle := _obstacle(command):
        outcome.put_off(command, obstacle.words, seconds=obstacle.seconds)
        return
    if command.in_doubt:
        _check_first(command)
        return
    _claim(command)
    if _still_wanted(command):
        _send_rest(command)


def _send_rest(command: Command) -> None:
    """Steps follow one another at once; each is as safe as if it were the only one."""
    while command.state == S.CLAIMED:
        _send(command)


@dataclass(frozen=True, slots=True)
class _Obstacle:
    """Why a Command cannot be sent now ("" if it is only our own budget), and for how long."""

    words: str
    seconds: float


def _obstacle(command: Command) -> _Obstacle | None:
    connection, hold = command.connection, settings.OUTBOX_HOLD_SECONDS
    if connection.state == Connection.State.PAUSED:
        return _Obstacle(_("Waiting: the connection is paused."), hold)
    if connection.frozen_at:
        return _Obstacle(_("Waiting: the provider refuses the key."), hold)
    if words := restored.obstacle(command.organization):
        return _Obstacle(words, hold)
    wait = budget_of(connection).room(write=True).wait
    if wait > BUDGET_PATIENCE:
        return _Obstacle("", wait)
    # Last: where the provider has rested, this lets one alone through, who had better call then.
    if rest := health.breaker_allows(connection):
        return _Obstacle(_("Waiting: the provider does not answer."), rest)
    return None


def _still_wanted(command: Command) -> bool:
    """Recheck what may have changed since it was asked for; after its first step it is too late."""
    if command.connection.state == Connection.State.DISCONNECTED:
        why = _("The connection was disconnected.")
    else:
        why = "" if command.step else _no_longer_allowed(command) or kind_of(command).check(command)
    if why:
        health.leave_trial(command.connection)
        outcome.moot(command, why)
    return not why


def _no_longer_allowed(command: Command) -> str:
    action, organization = kind_of(command).action, command.organization
    if command.actor is None or not may(command.actor, action, organization):
        return _("Whoever asked for this may not do it any more.")
    if command.approval_hash:
        approver = command.approved_by
        if command.approval_hash != command.arguments_hash:
            return _("What was approved is not what would be done.")
        if approver is None or not may(approver, action, organization):
            return _("Whoever approved this may not do it any more.")
    return ""


# --- Send ----------------------------------------------------------------------------------------


def _send(command: Command) -> None:
    """One step: commit that bytes may leave, call, write down the outcome."""
    step = outcome.current_step(command)
    seen = _look(command, step)
    if seen is None:
        return
    baseline, now = _baseline(command, step, seen), timezone.now()
    with transaction.atomic(durable=True):
        move(
            command,
            S.SENDING,
            baseline=baseline,
            attempts=command.attempts + 1,
            sent_at=now,
            deadline_at=now + timedelta(seconds=settings.PROVIDER_CALL_DEADLINE),
            in_doubt=False,
            refused=False,
            **_lease(),
        )
    if not marks.note(command):
        health.leave_trial(command.connection)
        why = _("Waiting: what is sent cannot be written down outside the database.")
        outcome.hold(command, why, seconds=settings.OUTBOX_HOLD_SECONDS)
        return
    checkpoint("sending", command)
    try:
        with open_adapter(command.connection, wait=BUDGET_PATIENCE) as adapter:
            result = step.send(adapter, command)
    except ProviderError as error:
        checkpoint("failed", command)
        _failed(command, error)
        return
    checkpoint("answered", command)
    try:
        outcome.happened(command, result)
    finally:
        health.note_success(command.connection)  # after the word that a page waits for
    checkpoint("settled", command)


def _baseline(command: Command, step: Step, seen: Json) -> Json:
    """What was there before the step was first sent: what the mirror learned since may be its doing.

    Where the kind looks at the remote itself, what it has just seen counts.
    """
    before: Json = command.baseline
    if command.unclear_since and before and step.look is None:
        return before
    return step.baseline(command) | seen


def _look(command: Command, step: Step) -> Json | None:
    """What the remote shows right before sending; None if it could not be asked, so nothing is sent."""
    if step.look is None:
        return {}
    try:
        with open_adapter(command.connection, wait=BUDGET_PATIENCE) as adapter:
            return step.look(adapter, command)
    except (NotSent, RateLimited, Unclear) as error:
        health.note_failure(command.connection, error)
        outcome.try_later(command, error, counts=not health.is_resting(command.connection))
    except ProviderError as error:
        _failed(command, error)
    return None


def _failed(command: Command, error: ProviderError) -> None:
    """Sort an error by what it means for a write: DESIGN, the outbox, 5."""
    step, connection = outcome.current_step(command), command.connection
    if isinstance(error, NotFound) and step.gone_is_done:
        outcome.happened(command, {}, note=_("It was already gone."))
    elif isinstance(error, BudgetSpent):
        health.leave_trial(connection)
        outcome.try_later(command, error, counts=False)
    elif isinstance(error, NotSent | RateLimited):
        health.note_failure(connection, error)
        if command.is_money:
            outcome.unclear(command, error.message, error.request_id)
        else:
            # Whoever only found out that the provider is still away has not had a try of its own.
            outcome.try_later(command, error, counts=not health.is_resting(connection))
    elif isinstance(error, Unauthorized):
        health.freeze(connection, error)
        outcome.hold(
            command,
            _("Waiting: the provider refuses the key."),
            seconds=settings.OUTBOX_HOLD_SECONDS,
        )
    elif isinstance(error, DEFINITE):
        if command.unclear_since:
            outcome.refused_in_doubt(command, error)
        else:
            outcome.rejected(command, error)
        if isinstance(error, Forbidden):
            health.ask_for_probe(connection)
    else:
        health.note_failure(connection, error)
        outcome.unclear(command, error.message, error.request_id)


# --- Unknown outcomes ----------------------------------------------------------------------------


def _recover(command: Command) -> None:
    """Take over from a worker whose lease has run out."""
    if command.leased_until and command.leased_until > timezone.now():
        return
    if command.state == S.CLAIMED:
        # SENDING was never committed, so not a byte of this step has left.
        outcome.hold(command, _("The worker stopped before sending."), seconds=0)
        _deliver(command)
    else:
        outcome.unclear(command, _("The worker stopped while sending."))


def _read_back(command: Command) -> None:
    """Ask the remote what has become of it, and act on what it says."""
    if not _is_due(command) or (command.leased_until and command.leased_until > timezone.now()):
        return
    refused = command.connection.frozen_at and not kind_of(command).ends_key
    if refused or command.connection.state == Connection.State.PAUSED:
        _look_again(command, _("Waiting to check: the connection is paused or its key refused."))
        return
    fence = command.fence + 1
    with transaction.atomic(durable=True):
        move(
            command,
            S.UNKNOWN,
            note=_("Checking at the provider."),
            fence=fence,
            unclear_since=command.first_sent_at,
            **_lease(),
        )
    checkpoint("reading back", command)
    step = outcome.current_step(command)
    verdict = _asked(command, lambda adapter: step.read_back(adapter, command))
    if verdict is None:
        return
    checkpoint("read back", command)
    _act_on(command, verdict)
    if command.state == S.CLAIMED:
        _go_on(command)


def _asked(command: Command, ask: Callable[[Adapter], Answer]) -> Answer | None:
    """What the remote says; None if it could not be asked, and then it will be later."""
    try:
        with open_adapter(command.connection) as adapter:
            answer = ask(adapter)
    except Unauthorized as error:
        health.freeze(command.connection, error)
        _look_again(command, error.message)
        return None
    except ProviderError as error:
        if isinstance(error, NotSent | Unclear):
            health.note_failure(command.connection, error)
        most = REFUSED_CHECKS if command.is_money else settings.OUTBOX_MAX_TRIES
        if command.checks >= most and isinstance(error, DEFINITE):
            _for_a_person(command, error)
            return None
        _look_again(command, error.message, error.retry_after)
        return None
    health.note_success(command.connection)
    return answer


def _for_a_person(command: Command, error: ProviderError) -> None:
    """The provider will not tell of it: to ask for ever would hide it from everybody, and keep what it is
    about from any other change."""
    words = _("The provider does not let the portal look at what has become of this.")
    outcome.undecided(command, Undecided(f"{words} {error.message}"))


def _go_on(command: Command) -> None:
    """A step that was read back has happened: the next one follows, unless it has to wait."""
    if command.in_doubt:
        _check_first(command)
    elif obstacle := _obstacle(command):
        outcome.hold(command, obstacle.words, seconds=obstacle.seconds)
    elif _still_wanted(command):
        _send_rest(command)


def _check_first(command: Command) -> None:
    """It may have been sent before the database was put back: ask the provider before anything else."""
    note = _("It may have happened already: checking at the provider before it is sent.")
    with transaction.atomic(durable=True):
        move(command, S.UNKNOWN, note=note, due_at=timezone.now(), leased_until=None)
    _read_back(command)


def _act_on(command: Command, verdict: Verdict) -> None:
    match verdict:
        case Done(result):
            outcome.happened(command, result, note=_("Found done at the provider."))
        case NotDone():
            outcome.not_done(command)
        case Moot(reason):
            outcome.moot(command, reason)
        case Undecided():
            outcome.undecided(command, verdict)
        case Lost():
            _take_back(command, verdict)


def _take_back(command: Command, verdict: Lost) -> None:
    """Remove what was made and is of no use without its answer; then the step may be sent again.

    That it is ours is written down before: once it is gone, a later look could not tell any more.
    """
    remove = outcome.current_step(command).remove
    if remove is None:
        raise ValueError(f"{command.kind} loses what it cannot remove")
    baseline = {**command.baseline, "lost": verdict.remote_id}
    with transaction.atomic(durable=True):
        move(command, S.UNKNOWN, note=verdict.reason, baseline=baseline, **_lease())
    checkpoint("taking back", command)

    def take_back(adapter: Adapter) -> str:
        try:
            remove(adapter, verdict.remote_id)
        except NotFound:
            pass  # it is gone, which is what was wanted
        except (Forbidden, Refused) as error:
            return error.message
        return ""

    refused = _asked(command, take_back)
    if refused:
        candidate = {"id": verdict.remote_id, "label": command.label}
        outcome.undecided(command, Undecided(refused, [candidate]))
    elif refused is not None:
        outcome.not_done(command)


def _look_again(command: Command, why: str, retry_after: float | None = None) -> None:
    """The read-back itself failed: nothing is known yet, so look again later."""
    checks = min(command.checks + 1, 20)
    with transaction.atomic(durable=True):
        move(
            command,
            S.UNKNOWN,
            note=why,
            checks=checks,
            due_at=outcome.back_off(checks, retry_after),
            leased_until=None,
            kicked_at=None,
        )
