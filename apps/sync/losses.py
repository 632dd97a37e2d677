"""A sudden loss, and what a person says to it. The next complete walk carries the answer out."""

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.audit.record import record
from apps.organizations.policy import may
from apps.sync import schedule
from apps.sync.models import Resource, SyncRun

Decision = SyncRun.Decision


class AlreadyDecided(Exception):
    """Somebody else was faster, or the rows are back."""


def accept_loss(*, run: SyncRun, actor: User) -> None:
    """The rows are really gone: remove those of them that a fresh complete walk misses as well."""
    _decide(run, actor, Decision.ACCEPTED)


def dismiss_loss(*, run: SyncRun, actor: User) -> None:
    """The rows are not gone: keep them, and ask no more about them for a day."""
    _decide(run, actor, Decision.DISMISSED)


def question(resource: Resource) -> SyncRun | None:
    """The walk that waits for a decision, if there is one."""
    return resource.runs.filter(state=SyncRun.State.ASKING).first()


@transaction.atomic(durable=True)
def _decide(run: SyncRun, actor: User, decision: Decision) -> None:
    connection = run.resource.connection
    if not may(actor, "sync.decide", connection.organization):
        raise PermissionDenied(_("Your role here does not allow this any more."))
    now = timezone.now()
    decided = SyncRun.objects.filter(pk=run.pk, state=SyncRun.State.ASKING).update(
        state=SyncRun.State.COMPLETE, decision=decision, decided_at=now
    )
    if not decided:
        raise AlreadyDecided
    record(
        organization=connection.organization_id,
        actor=actor,
        verb=f"sync.{'accept' if decision == Decision.ACCEPTED else 'dismiss'}_loss",
        target=connection,
        details={"listing": run.resource.name, "rows": run.would_remove},
        connection=connection,
    )
    Resource.objects.filter(pk=run.resource_id).update(due_at=now)
    schedule.kick(run.resource_id, SyncRun.Cause.ASKED)
