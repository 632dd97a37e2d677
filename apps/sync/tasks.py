"""Thin doors for workers: each takes ids alone and calls a service."""

from celery import shared_task

from apps.providers.guard import worker_scope
from apps.sync import schedule
from apps.sync.models import SyncRun
from apps.sync.outbox import tasks as outbox_tasks  # noqa: F401 - Celery finds tasks.py of applications only


@shared_task(name="walks.start_due")
def start_due() -> None:
    """Hand the listings whose time has come to the workers. Beat calls it every few seconds."""
    schedule.start_due()


@shared_task(name="walks.walk")
def walk(resource_id: int, cause: str = SyncRun.Cause.DUE) -> None:
    """Walk one listing; one that is gone, or that somebody else walks, ends quietly."""
    with worker_scope():
        schedule.walk_if_wanted(resource_id, cause)
