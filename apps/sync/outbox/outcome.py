"""Writing down how a step ended: each function is one short transaction, guarded by the fence.

State, local rows, timeline and audit commit together; the waiting page is told afterwards.
"""

import random
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.audit.record import record
from apps.providers.errors import ProviderError
from apps.sync.commits import without_disk
from apps.sync.models import Command, CommandState
from apps.sync.outbox import secrets
from apps.sync.outbox.kinds import Brought, Json, Kind, Step, Undecided, kind_of, told_results
from apps.sync.outbox.states import Overtaken, move, note_event
from apps.sync.outbox.word import announce

S = CommandState


def current_step(command: Command) -> Step:
    """The step that is under way or comes next."""
    return kind_of(command).steps[command.step]


def quiet_time(command: Command) -> timedelta:
    """How long an unknown outcome is left alone before it is read back."""
    money = command.is_money
    return timedelta(
        seconds=settings.OUTBOX_MONEY_QUIET_SECONDS if money else settings.OUTBOX_QUIET_SECONDS
    )


def back_off(tries: int, retry_after: float | None = None) -> datetime:
    """When to try again: full jitter below a doubling cap, never before the provider's own word."""
    cap = min(settings.OUTBOX_BACKOFF_CAP_SECONDS, settings.OUTBOX_BACKOFF_BASE_SECONDS * 2**tries)
    wait = random.uniform(0, cap)  # noqa: S311 - spreads load, guards no secret
    if retry_after is not None:
        wait = retry_after + min(wait, 2.0)
    return timezone.now() + timedelta(seconds=wait)


def happened(
    command: Command, brought: Json | Brought, *, note: str = "", actor: User | None = None
) -> None:
    """The step under way has happened: go on with the next one, or settle the Command."""
    result = brought.result if isinstance(brought, Brought) else brought
    kind, step = kind_of(command), current_step(command)
    results = [*command.results, {"step": step.name, **result}]
    last = command.step + 1 == len(kind.steps)
    with transaction.atomic(durable=True):
        if not (command.is_money or isinstance(brought, Brought) or actor):
            without_disk()  # forgotten in a crash, it is still SENDING, and read back
        changes: dict[str, Any] = {
            "results": results,
            "step": command.step + 1,
            "unclear_since": None,
            "refused": False,
        }
        if isinstance(brought, Brought):
            changes |= secrets.kept(command, brought.secret)
        if result.get("remote_id"):
            changes["remote_id"] = result["remote_id"]
        if last:
            _settle(command, kind, changes, note, actor)
        else:
            changes |= {
                "tries": 0,
                "baseline": {},
                "leased_until": timezone.now() + timedelta(seconds=settings.OUTBOX_LEASE_SECONDS),
            }
            move(command, S.CLAIMED, note=note or str(step.words), **changes)
            if kind.step_done:
                kind.step_done(command, step, result)


def _settle(
    command: Command, kind: Kind, changes: dict[str, Any], note: str, actor: User | None
) -> None:
    changes |= {"error": "", "error_code": "", "candidates": []}
    # Before all else that follows the commit: somebody waits for it.
    transaction.on_commit(lambda: announce(command), robust=True)
    move(command, S.SUCCEEDED, note=note, **changes)
    kind.settle(command)
    _record(command, "done", actor)


def rejected(command: Command, error: ProviderError) -> None:
    """The provider said no; its own words are kept, and what had happened before them is named."""
    _end(command, S.REJECTED, "refused", _with_past(command, error.message), error)


def moot(command: Command, reason: str) -> None:
    """It can no longer be done: who asked may not any more, or what it acts on has changed or gone."""
    _end(command, S.REJECTED, "refused", _with_past(command, reason))


def _with_past(command: Command, words: str) -> str:
    """Put what has already happened before the reason why the rest has not."""
    past = [str(step.words) for step in kind_of(command).steps[: command.step] if step.words]
    return " ".join([*past, words])


def _end(
    command: Command,
    state: CommandState,
    verb: str,
    words: str,
    error: ProviderError | None = None,
) -> None:
    with transaction.atomic(durable=True):
        move(
            command,
            state,
            note=words,
            error=words,
            error_code=error.code if error else "",
            remote_request_id=error.request_id if error else command.remote_request_id,
        )
        kind_of(command).undo([command])
        _record(command, verb)
        transaction.on_commit(lambda: announce(command), robust=True)


def try_later(
    command: Command, error: ProviderError, *, counts: bool = True, clear: bool = False
) -> None:
    """Nothing has happened: try again after a while, or give up after the last try.

    ``clear``: what was sent before is known to have come to its end.
    """
    tries = command.tries + (1 if counts else 0)
    with transaction.atomic(durable=True):
        move(
            command,
            S.RETRY,
            note=error.message,
            tries=tries,
            in_doubt=False,
            unclear_since=None if clear else command.unclear_since,
            refused=False,
            error=error.message,
            error_code=error.code,
            remote_request_id=error.request_id,
            due_at=back_off(tries, error.retry_after),
            leased_until=None,
            kicked_at=None,
        )
    if tries >= settings.OUTBOX_MAX_TRIES:
        given_up = _("Given up after %(tries)d tries.") % {"tries": tries}
        _end(command, S.DEAD, "given_up", _with_past(command, f"{error.message} {given_up}"), error)


def put_off(command: Command, why: str, *, seconds: float) -> None:
    """Leave it where it is in the queue and look again later. ``why`` is said once, not each time."""
    news = bool(why) and why != command.error
    with transaction.atomic(durable=True):
        seen = Command.objects.filter(pk=command.pk, state=command.state, fence=command.fence)
        if not seen.update(
            due_at=timezone.now() + timedelta(seconds=seconds),
            kicked_at=None,
            error=why or command.error,
        ):
            raise Overtaken(command.uid)
        if news:
            note_event(command, why)
        transaction.on_commit(lambda: announce(command), robust=True)


def hold(command: Command, why: str, *, seconds: float) -> None:
    """Back into the queue without it counting as a try: pause, freeze, breaker."""
    with transaction.atomic(durable=True):
        move(
            command,
            S.QUEUED,
            note=why,
            error=why,
            due_at=timezone.now() + timedelta(seconds=seconds),
            leased_until=None,
            kicked_at=None,
        )
        transaction.on_commit(lambda: announce(command), robust=True)


def unclear(command: Command, words: str, request_id: str = "") -> None:
    """It may have happened: wait past the deadline and a quiet time, then read back."""
    deadline = command.deadline_at or timezone.now()
    _ask_later(
        command,
        note=words,
        error=words,
        remote_request_id=request_id,
        due_at=max(deadline, timezone.now()) + quiet_time(command),
    )


def refused_in_doubt(command: Command, error: ProviderError) -> None:
    """The provider said no, but to a step that may have happened by an earlier sending: that could be why.

    Its words are kept; after a quiet time a read-back decides whether they count.
    """
    why = _("Refused, but an earlier sending may have happened: checking at the provider.")
    _ask_later(
        command,
        note=f"{error.message} {why}",
        refused=True,
        error=error.message,
        error_code=error.code,
        remote_request_id=error.request_id,
        due_at=timezone.now() + quiet_time(command),
    )


def _ask_later(command: Command, **changes: Any) -> None:
    """Nobody knows: let it rest until ``due_at``, then read back."""
    with transaction.atomic(durable=True):
        move(command, S.UNKNOWN, leased_until=None, kicked_at=None, **changes)
        transaction.on_commit(lambda: announce(command), robust=True)


def not_done(command: Command) -> None:
    """A read-back found that it has not happened: send again, but never money, nor what was refused."""
    if command.is_money:
        undecided(
            command,
            Undecided(_("It does not show at the provider. Money is not sent again by itself.")),
        )
        return
    taken_back = "lost" in command.baseline  # then it had happened, which may be why it was refused
    if command.refused and not taken_back:
        rejected(command, _kept_refusal(command))
        return
    again = ProviderError(_("It had not happened at the provider; sending again."))
    try_later(command, again, clear=taken_back)


def _was_decided(command: Command) -> bool:
    """Whether it has waited for a person's decision, and was sent again by it."""
    return bool(command.events.filter(state=S.OPERATOR).exists())


def _kept_refusal(command: Command) -> ProviderError:
    """What the provider said when it refused, as ``refused_in_doubt`` has kept it."""
    return ProviderError(
        command.error, code=command.error_code, request_id=command.remote_request_id
    )


def undecided(command: Command, verdict: Undecided) -> None:
    """A read-back could not tell: a person must decide, and sees a refusal too if there was one.

    Where a person has said already that it had not happened, and nothing was found since, it is final.
    """
    if command.refused and not verdict.candidates and _was_decided(command):
        rejected(command, _kept_refusal(command))
        return
    words = f"{command.error} {verdict.reason}" if command.refused else verdict.reason
    with transaction.atomic(durable=True):
        move(
            command,
            S.OPERATOR,
            note=words,
            error=words,
            candidates=verdict.candidates,
            in_doubt=False,
            refused=False,
            due_at=None,
            leased_until=None,
        )
        _record(command, "undecided")
        transaction.on_commit(lambda: announce(command), robust=True)


def _record(command: Command, verb: str, actor: User | None = None) -> None:
    record(
        organization=command.organization,
        actor=actor,
        verb=f"{command.kind}.{verb}",
        target=command,
        label=command.label,
        connection=command.connection,
        command=command,
        details={
            "state": command.state,
            "before": command.before,
            "results": told_results(command),
            "error": command.error,
            "remote_request_id": command.remote_request_id,
        },
    )
