"""Thin doors for workers: each takes ids alone and calls a service."""

from celery import shared_task

from apps.incidents import keeping


@shared_task(name="walks.look_for_incidents")
def look_for_incidents(connection_id: int) -> None:
    """Look for what is far off its usual at one connection, unless that was done a moment ago."""
    keeping.look_if_due(connection_id)
