"""Thin doors for workers."""

from celery import shared_task

from apps.audit import verification


@shared_task(name="walks.verify_audit")
def verify_audit(organization_id: int) -> None:
    """Verify one organization's log (0: the portal's own) and keep the verdict for its page."""
    verification.run(organization_id)
