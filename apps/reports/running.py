"""Making what is due, in a worker: once a period, whoever starts it how often.

Beat may fire twice and a worker may die anywhere: a run is unique by schedule and period, is claimed
by compare-and-swap, and its deliveries are unique by run and receiver. Making one only reads.
"""

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.notices.models import Severity
from apps.notices.services import dispatch, tell
from apps.reports import pages, services
from apps.reports.calendar import last_until, next_after
from apps.reports.letters import REPORT
from apps.reports.models import Run, Schedule
from apps.reports.pages import CannotSee, Made
from apps.reports.topics import STOPPED

log = structlog.get_logger(__name__)
S = Run.State
LEASE = timedelta(minutes=10)
WAITS = (30, 120, 600)  # seconds before the second attempt, the third, the fourth
KEPT_DAYS = 14  # a run's CSV
AT_ONCE = 50


def start_due() -> None:
    """Note the runs whose time has come, and make whatever waits."""
    now = timezone.now()
    for schedule in _due(now):
        _begin(schedule, now)
    _take_back(now)
    waiting = Run.objects.filter(state=S.WAITING, due_at__lte=now).order_by("due_at", "pk")
    for pk in list(waiting.values_list("pk", flat=True)[:AT_ONCE]):
        make(pk)
    old = now - timedelta(days=KEPT_DAYS)
    Run.objects.filter(made_at__lt=old, csv__isnull=False).update(csv=None)


def _take_back(now: datetime) -> None:
    """Those whose worker has died wait for another attempt, or have failed: what kills its worker (by
    its memory, say) would kill the next ones too."""
    for run in list(Run.objects.filter(state=S.MAKING, leased_until__lte=now)[:AT_ONCE]):
        log.error("report_lost", run=run.pk, schedule=run.schedule_id, attempt=run.attempts)
        _fail(run, _("The worker ended before it was made."), due_at=now)


def _due(now: datetime) -> list[Schedule]:
    going = Schedule.objects.filter(
        paused_at__isnull=True,
        stopped_at__isnull=True,
        next_at__lte=now,
        organization__sending_stopped_at__isnull=True,
    )
    return list(going.select_related("organization").order_by("next_at", "pk")[:AT_ONCE])


def _begin(schedule: Schedule, now: datetime) -> None:
    """One run for the last time that it was due: what was missed while nothing ran is sent once."""
    zone, rhythm = schedule.organization.zone, schedule.when
    last = last_until(rhythm, zone, now)
    following = next_after(rhythm, zone, now)
    with transaction.atomic(durable=True):
        # Whoever moves it on begins the run. Where the zone has changed since ``next_at`` was reckoned,
        # the last time may be one that was before, or before there was a report at all.
        mine = Schedule.objects.filter(pk=schedule.pk, next_at=schedule.next_at)
        if not mine.update(next_at=following) or last < schedule.created_at:
            return
        run = Run(
            organization=schedule.organization,
            schedule=schedule,
            period=last.astimezone(zone).date().isoformat(),
            due_at=now,
        )
        Run.objects.bulk_create([run], ignore_conflicts=True)


def make(pk: int) -> None:
    """Make one run and hand it to those who send, unless somebody else is at it."""
    run = _claimed(pk)
    if run is None:
        return
    schedule = run.schedule
    try:
        _finish(run, _made(schedule))
    except CannotSee as why:
        _stop(run, str(why))
    except Exception as error:  # a bug of one page must not hold up everybody's reports
        log.exception("report_failed", run=run.pk, schedule=schedule.pk)
        _fail(run, type(error).__name__)


def _made(schedule: Schedule) -> Made:
    if schedule.owner is None:
        raise CannotSee(_("Whoever made it has no account any more."))
    if schedule.view is None:
        raise CannotSee(_("The saved view that it sent was deleted."))
    return pages.make(
        schedule.owner,
        schedule.organization,
        schedule.url_name,
        schedule.url_kwargs,
        schedule.view.query,
    )


def _claimed(pk: int) -> Run | None:
    now = timezone.now()
    found = Run.objects.filter(pk=pk, state=S.WAITING, due_at__lte=now).first()
    if found is None:
        return None
    with transaction.atomic(durable=True):
        taken = Run.objects.filter(pk=pk, state=S.WAITING, fence=found.fence).update(
            state=S.MAKING,
            fence=found.fence + 1,
            attempts=found.attempts + 1,
            leased_until=now + LEASE,
        )
    if not taken:
        return None
    related = ("schedule", "schedule__organization", "schedule__owner", "schedule__view")
    return Run.objects.select_related("organization", *related).get(pk=pk)


def _settled(run: Run, **values: object) -> bool:
    """Write the outcome down if the run is still with whoever made it."""
    mine = Run.objects.filter(pk=run.pk, state=S.MAKING, fence=run.fence)
    return bool(mine.update(leased_until=None, **values))


def _finish(run: Run, made: Made) -> None:
    schedule, now = run.schedule, timezone.now()
    with transaction.atomic(durable=True):
        if not _settled(
            run,
            state=S.MADE,
            made_at=now,
            due_at=None,
            said="",
            digest=made.digest.as_json(),
            rows=made.rows,
            csv=made.csv,
            csv_name=made.name[:200],
        ):
            return
        dispatch(
            kind=REPORT,
            subject_id=run.pk,
            organization=run.organization,
            label=schedule.name,
            users=schedule.users.filter(grants__organization=run.organization, is_active=True),
            endpoints=schedule.endpoints.filter(paused_at__isnull=True),
        )


def _fail(run: Run, said: str, *, due_at: datetime | None = None) -> None:
    """Another attempt at ``due_at``, by default after a while; none after the last."""
    again = run.attempts <= len(WAITS)
    if again and due_at is None:
        due_at = timezone.now() + timedelta(seconds=WAITS[run.attempts - 1])
    with transaction.atomic(durable=True):
        _settled(
            run,
            state=S.WAITING if again else S.FAILED,
            due_at=due_at if again else None,
            said=said[:500],
        )


def _stop(run: Run, why: str) -> None:
    """The page does not answer whoever made it: the schedule ends, and says so."""
    schedule, now = run.schedule, timezone.now()
    with transaction.atomic(durable=True):
        if not _settled(run, state=S.FAILED, due_at=None, said=why[:500]):
            return
        if services.stop(schedule, why, now):
            tell(
                topic=STOPPED.name,
                organization=run.organization,
                cause=f"schedule:{schedule.pk}:{run.pk}",
                title=_("The report “%(name)s” has stopped") % {"name": schedule.name},
                text=why,
                url=f"/o/{run.organization.slug}/reports/{schedule.pk}/",
                severity=Severity.WARNING,
            )
