"""Thin doors for workers: each takes ids alone and calls a service."""

from contextlib import suppress

from celery import shared_task

from apps.centres import closing, places, sums
from apps.kicks import kick
from apps.organizations.models import Organization


@shared_task(name="walks.sort_costs")
def sort_costs(organization_id: int) -> None:
    """Say of new usage which cost centre it belongs to, note what was corrected of closed months, and sum
    days up by centre."""
    with suppress(Organization.DoesNotExist):  # gone before its turn came
        places.tend(organization_id)
        closing.note_corrections(organization_id)
        if sums.make(organization_id):
            kick("walks.sort_costs", organization_id)
