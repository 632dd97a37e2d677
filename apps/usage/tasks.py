"""Thin doors for workers."""

from celery import shared_task

from apps.providers.guard import worker_scope
from apps.usage import calls, minutes, retention


@shared_task(name="walks.read_minutes")
def read_minutes(reading_id: int, fence: int) -> None:
    """Read the last hours of one connection by the minute; one that another has begun ends quietly."""
    with worker_scope():
        minutes.read(reading_id, fence)


@shared_task(name="walks.prune_minutes")
def prune_minutes() -> None:
    """Forget minutes that are past their hours."""
    minutes.prune()


@shared_task(name="walks.tend_usage")
def tend_usage() -> None:
    """Make room for the hours to come and forget those that are over. Beat calls it every hour."""
    retention.tend()


@shared_task(name="walks.forget_calls")
def forget_calls() -> None:
    """Delete single calls beyond what is kept, also of connections that are walked no more. Hourly."""
    calls.forget_old()
