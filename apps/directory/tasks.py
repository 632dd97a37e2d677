"""Thin doors for workers."""

from celery import shared_task

from apps.directory import letters
from apps.providers.guard import worker_scope


@shared_task(name="actions.directory_letters")
def directory_letters() -> None:
    """Send the letters that are due, also those of a lost kick or a mail server that was away."""
    with worker_scope():
        letters.send_due()
