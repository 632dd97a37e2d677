"""Thin doors for workers: each takes ids alone and calls a service."""

from celery import shared_task

from apps.budgets import keeping


@shared_task(name="walks.look_at_budgets")
def look_at_budgets(connection_id: int) -> None:
    """Look at the budgets that count what a connection uses."""
    keeping.look_at_connection(connection_id)


@shared_task(name="walks.tend_budgets")
def tend_budgets() -> None:
    """Look at every budget. Beat calls it every hour."""
    keeping.look_at_all()
