"""Thin doors for workers: each takes ids alone and calls a service."""

from celery import shared_task

from apps.notices import looking, sending
from apps.providers.guard import worker_scope


@shared_task(name="actions.deliver")
def deliver(kind: str, subject_id: int) -> None:
    """Send what is due about one subject."""
    with worker_scope():
        sending.send_about(kind, subject_id)


@shared_task(name="actions.deliver_due")
def deliver_due() -> None:
    """Send whatever is due: second attempts, lost kicks, what a dead worker left."""
    with worker_scope():
        sending.sweep()


@shared_task(name="walks.look_for_news")
def look_for_news() -> None:
    """Tell what is so now and was not told, and settle what is over."""
    looking.look_around()
