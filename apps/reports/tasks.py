"""Thin doors for workers: each takes an id alone and calls a service."""

from celery import shared_task

from apps.providers.guard import worker_scope
from apps.reports import running


@shared_task(name="actions.make_report")
def make_report(run_id: int) -> None:
    """Make one report that somebody asked for."""
    with worker_scope():
        running.make(run_id)


@shared_task(name="walks.start_reports")
def start_reports() -> None:
    """Make the reports whose time has come. Beat calls it every half minute."""
    with worker_scope():
        running.start_due()
