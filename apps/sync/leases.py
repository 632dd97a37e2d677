"""One walk at a time for each connection and resource, without row locks.

Whoever raises a Resource's fence by compare-and-swap walks it until ``leased_until``. Every write
of a walk first confirms, in its own transaction, that the fence is still its own; so a walker that
was thought dead and wakes up again changes nothing.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from apps.sync.models import Resource


class LeaseLostError(Exception):
    """Another walker has taken over: stop, and write nothing."""


def lease() -> timedelta:
    """How long a walker may be silent before another takes over."""
    return timedelta(seconds=settings.SYNC_LEASE_SECONDS)


def acquire(resource: Resource, now: datetime) -> int | None:
    """Take the lease and clear ``due_at``; the new fence, or None if somebody else holds it."""
    free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
    fence = resource.fence + 1
    taken = Resource.objects.filter(free, pk=resource.pk, fence=resource.fence).update(
        fence=fence, leased_until=now + lease(), due_at=None
    )
    return fence if taken else None


def hold(resource_id: int, fence: int, now: datetime) -> None:
    """Confirm and extend the lease. LeaseLostError if the fence is no longer ours.

    Inside a transaction the row stays ours until its end: a later walker's compare-and-swap waits.
    """
    if not Resource.objects.filter(pk=resource_id, fence=fence).update(leased_until=now + lease()):
        raise LeaseLostError


def release(resource_id: int, fence: int, **fields: object) -> None:
    """Give the lease back and write ``fields``. LeaseLostError if the fence is no longer ours."""
    held = Resource.objects.filter(pk=resource_id, fence=fence)
    if not held.update(leased_until=None, **fields):
        raise LeaseLostError
