"""What people may ask of usage: to pause the backfill, and to let it go on."""

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.audit.record import record
from apps.organizations.models import Connection
from apps.organizations.policy import may
from apps.sync import schedule
from apps.usage.models import Report


def pause_backfill(*, report: Report, actor: User) -> None:
    """Read nothing older for now; what is read stays, and the present goes on. Twice is once."""
    with transaction.atomic(durable=True):
        current = _checked(report, actor)
        if current.paused_at is not None:
            return
        current.paused_at, current.paused_by = timezone.now(), actor
        current.save(update_fields=["paused_at", "paused_by"])
        _record(current, actor, "usage.pause_backfill")


def resume_backfill(*, report: Report, actor: User) -> None:
    """Go on where it stopped, whoever or whatever stopped it. Twice is once."""
    with transaction.atomic(durable=True):
        current = _checked(report, actor)
        if current.paused_at is None:
            return
        current.paused_at = current.paused_by = current.backfilled_at = None
        current.save(update_fields=["paused_at", "paused_by", "backfilled_at"])
        schedule.soon(current.connection, current.name)
        _record(current, actor, "usage.resume_backfill")


def _checked(report: Report, actor: User) -> Report:
    current = Report.objects.select_related("connection__organization").get(pk=report.pk)
    if not may(actor, "usage.backfill", current.connection.organization):
        raise PermissionDenied(_("Your role here does not allow this any more."))
    return current


def _record(report: Report, actor: User, verb: str) -> None:
    connection: Connection = report.connection
    record(
        organization=connection.organization_id,
        actor=actor,
        verb=verb,
        target=connection,
        details={"report": report.name},
        connection=connection,
    )
