"""Thin doors for workers: each takes ids alone and calls a service."""

from celery import current_app, shared_task

from apps.centres import closing, places, sums


@shared_task(name="walks.sort_costs")
def sort_costs(organization_id: int) -> None:
    """Say of new usage which cost centre it belongs to, note what was corrected of closed months, and sum
    days up by centre."""
    places.tend(organization_id)
    closing.note_corrections(organization_id)
    if sums.make(organization_id):
        current_app.send_task("walks.sort_costs", args=[organization_id])
