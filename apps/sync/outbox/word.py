"""How a worker hears of a Command, and a waiting page of its outcome.

Both are a courtesy. Redis being away costs nothing but time: the sweep finds what a lost kick left,
and the page shows the row in flight and polls.
"""

from functools import lru_cache
from time import monotonic
from typing import Any

import redis
import structlog
from django.conf import settings

from apps.kicks import kick_after_commit
from apps.sync.models import Command, CommandState
from apps.ui import waiting
from apps.ui.prepared import Prepared

log = structlog.get_logger(__name__)
_rows = Prepared(lambda ids: Command.objects.filter(pk__in=ids))
CARRY = "actions.carry"
KEEP_SECONDS = 30
ONE_WAIT_SECONDS = 2.0  # well below the client's own socket_timeout


@lru_cache(maxsize=1)
def client() -> Any:
    """One Redis client per process."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=0.5, socket_timeout=5, health_check_interval=30
    )


def key_of(uid: object) -> str:
    """The list that a page waits on."""
    return f"orgdesk:settled:{uid}"


def carry_soon(command: Command) -> None:
    """Have a worker carry ``command`` once the transaction at hand is committed."""
    kick_after_commit(CARRY, command.pk)


def announce(command: Command) -> None:
    """Tell whoever waits that ``command`` has left the states in which waiting is worth while."""
    try:
        with client().pipeline(transaction=False) as pipe:
            pipe.rpush(key_of(command.uid), command.state)
            pipe.expire(key_of(command.uid), KEEP_SECONDS)
            pipe.execute()
    except redis.RedisError as error:
        log.warning("word_not_passed", command=str(command.uid), error=str(error))


def await_word(command: Command, seconds: float | None = None) -> Command:
    """Wait a moment for the worker's word, then return the Command as it is now.

    ``seconds`` defaults to OUTBOX_PAGE_WAIT_SECONDS; 0 does not wait, nor does one too many.
    """
    patience = settings.OUTBOX_PAGE_WAIT_SECONDS if seconds is None else seconds
    if patience <= 0:
        return _awaited(command, 0)
    with waiting.room() as free:
        return _awaited(command, patience if free else 0)


def _awaited(command: Command, patience: float) -> Command:
    deadline, heard = monotonic() + patience, False
    while True:
        # Another who waits may have heard the word first: look at the row between two waits.
        _look(command)
        left = deadline - monotonic()
        if heard or left <= 0 or not _worth_waiting(command):
            return command
        # Redis takes no time at all to mean for ever.
        heard = _listen(command, min(max(left, 0.01), ONE_WAIT_SECONDS))


def _look(command: Command) -> None:
    """What ``refresh_from_db`` does, in a third of its time."""
    (now,) = _rows(ids=[command.pk])
    mine = command.__dict__
    for field in Command._meta.concrete_fields:
        value = now.__dict__[field.attname]
        if field.is_relation and mine.get(field.attname) != value:
            command._state.fields_cache.pop(field.name, None)
        mine[field.attname] = value


def _worth_waiting(command: Command) -> bool:
    # What waits for a person is not over in seconds.
    waiting = (CommandState.AWAITING_APPROVAL, CommandState.OPERATOR)
    return command.is_open and command.state not in waiting


def _listen(command: Command, seconds: float) -> bool:
    """Whether the wait is over: by the worker's word, or because nobody can bring it."""
    try:
        return client().blpop([key_of(command.uid)], timeout=seconds) is not None
    except redis.RedisError as error:
        log.warning("word_not_heard", command=str(command.uid), error=str(error))
        return True
