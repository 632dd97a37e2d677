"""Thin doors for workers."""

from celery import shared_task

from apps.usage import retention


@shared_task(name="walks.tend_usage")
def tend_usage() -> None:
    """Make room for the hours to come and forget those that are over. Beat calls it every hour."""
    retention.tend()
