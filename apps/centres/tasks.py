"""Thin doors for workers: each takes ids alone and calls a service."""

from celery import shared_task

from apps.centres import closing, places


@shared_task(name="walks.sort_costs")
def sort_costs(organization_id: int) -> None:
    """Say of new usage which cost centre it belongs to, and note what was corrected of closed months."""
    places.tend(organization_id)
    closing.note_corrections(organization_id)
