"""Thin doors for workers."""

from celery import shared_task

from apps.usage import calls


@shared_task(name="walks.forget_calls")
def forget_calls() -> None:
    """Delete single calls beyond what is kept, also of connections that are walked no more. Hourly."""
    calls.forget_old()
