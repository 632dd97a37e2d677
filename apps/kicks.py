"""How a worker hears that there is something to do: the name of a task, with ids alone.

A courtesy: the broker may be away. What is kicked is found by the clock as well, or, where somebody waits
for it on a page, asked for again there. Celery is imported with the first kick: a process that only shows
pages does without it.
"""

import sys
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

log = structlog.get_logger(__name__)
PATIENCE = 2.0  # seconds that a kick waits for another one's connection


def kick(task: str, *arguments: Any) -> bool:
    """Have workers do ``task``; False if the broker could not be told. Called after the commit."""
    return kick_each(task, [arguments])


def kick_each(task: str, calls: list[tuple[Any, ...]]) -> bool:
    """The same, once for each of ``calls``."""
    app = import_string(settings.TASKS_GO_TO)
    from kombu.exceptions import OperationalError
    from redis import RedisError

    try:
        with app.producer_pool.acquire(block=True, timeout=PATIENCE) as producer:
            for arguments in calls:
                app.send_task(task, args=list(arguments), producer=producer, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("kick_lost", task=task, calls=len(calls), error=str(error))
        return False
    return True


def kick_after_commit(task: str, *arguments: Any) -> None:
    """Have workers do ``task`` once the transaction at hand is committed."""
    # No functools.partial: Django cannot name it when a robust callback fails.
    transaction.on_commit(lambda: kick(task, *arguments), robust=True)


def task_at_hand() -> str | None:
    """The id of the task that is being done, None outside of one."""
    celery = sys.modules.get("celery")  # who has not imported it does none
    task = celery.current_task if celery else None
    return str(task.request.id or "") if task else None
