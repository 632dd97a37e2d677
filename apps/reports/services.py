"""Reports set up, changed, paused, sent."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.audit.record import record
from apps.kicks import kick_after_commit
from apps.notices.models import Endpoint
from apps.organizations.models import Organization, Role
from apps.organizations.policy import role_may, role_of
from apps.reports.calendar import moment_of, next_after
from apps.reports.models import Run, Schedule
from apps.ui.models import SavedView


class Refused(Exception):
    """What cannot be, in plain words; ``field`` as the API calls it."""

    def __init__(self, words: str, field: str) -> None:
        super().__init__(words)
        self.field = field


class Wanted(TypedDict, total=False):
    """What of a report is to be otherwise; what is missing stays. ``endpoints`` None: they stay too."""

    name: str
    rhythm: str
    hour: int
    users: Sequence[User]
    endpoints: Sequence[Endpoint] | None


def may_change(user: User, schedule: Schedule, role: Role | None) -> bool:
    """Whether ``user``, who holds ``role``, may change it: whoever made it, owners and admins."""
    if schedule.owner_id == user.pk:
        return role_may(role, "reports.own")
    return role_may(role, "reports.change")


def _checked(schedule: Schedule, actor: User) -> Schedule:
    # Locked, as it is by now. Deleted meanwhile: not found, as for whoever comes later.
    rows = Schedule.objects.select_for_update(of=("self",)).select_related("organization", "view")
    current: Schedule = get_object_or_404(rows, pk=schedule.pk)
    if not may_change(actor, current, role_of(actor, current.organization)):
        raise PermissionDenied
    return current


def create_schedule(
    *,
    organization: Organization,
    actor: User,
    list_name: str,
    url_name: str,
    url_kwargs: Mapping[str, Any],
    query: str,
    view: SavedView | None,
    name: str,
    rhythm: str,
    hour: int,
    users: Sequence[User],
    endpoints: Sequence[Endpoint] | None = None,
) -> Schedule:
    """Have a page sent from now on. ``view`` is one of the actor's own; without one, or where its
    filters are others than ``query``, one is saved."""
    if not role_may(role_of(actor, organization), "reports.own"):
        raise PermissionDenied
    schedule = Schedule(
        organization=organization,
        owner=actor,
        name=name,
        url_name=url_name,
        url_kwargs=dict(url_kwargs),
        rhythm=rhythm,
        hour=hour,
    )
    schedule.next_at = next_after(schedule.when, organization.zone, timezone.now())
    with transaction.atomic(durable=True):
        if view is None or view.query != query:
            view = _saved_view(organization, actor, list_name, name, query)
        schedule.view = view
        schedule.save()
        schedule.users.set(users)
        schedule.endpoints.set(endpoints or [])
        _record(schedule, actor, "create", _told(schedule))
    return schedule


def _saved_view(
    organization: Organization, owner: User, list_name: str, name: str, query: str
) -> SavedView:
    """One of the owner's that holds these filters, made if there is none."""
    mine = SavedView.objects.filter(organization=organization, owner=owner, list_name=list_name)
    same = mine.filter(query=query).first()
    if same:
        return same
    free, number = name[:60], 1
    while mine.filter(name=free).exists():
        number += 1
        free = f"{name[:54]} {number}"
    return SavedView.objects.create(
        organization=organization, owner=owner, list_name=list_name, name=free, query=query
    )


def change_schedule(*, schedule: Schedule, actor: User, **wanted: Unpack[Wanted]) -> Schedule:
    """Change when it is sent to whom, and what it is called; what is not said stays. The report as it is now.

    Raises Refused where nobody would get it any more.
    """
    with transaction.atomic(durable=True):
        current = _checked(schedule, actor)
        before = _told(current)
        current.name = wanted.get("name", current.name)
        current.rhythm = wanted.get("rhythm", current.rhythm)
        current.hour = wanted.get("hour", current.hour)
        current.next_at = _next(current, timezone.now())
        current.save(update_fields=["name", "rhythm", "hour", "next_at"])
        if "users" in wanted:
            current.users.set(wanted["users"])
        chosen = wanted.get("endpoints")
        if chosen is not None:
            current.endpoints.set(chosen)
        after = _told(current)
        if not after["receivers"] and not after["webhooks"]:
            raise Refused(_("Choose at least one receiver."), "receivers")
        changes = {key: [before[key], after[key]] for key in after if before[key] != after[key]}
        if changes:
            _record(current, actor, "change", changes)
    return current


def _next(schedule: Schedule, now: datetime) -> datetime:
    """The first time that it is due and will be sent: none on a local day that it was sent on already."""
    zone = schedule.organization.zone
    today = now.astimezone(zone).date()
    if schedule.runs.filter(period=today.isoformat()).exists():
        now = moment_of(today + timedelta(days=1), 0, zone) - timedelta(microseconds=1)
    return next_after(schedule.when, zone, now)


def follow_clock(organization: Organization) -> None:
    """Reckon anew when each report is due, after the organization's clock was changed. In the caller's
    transaction. What is due already is begun by whoever looks next, for the last time by the new clock."""
    now = timezone.now()
    for schedule in Schedule.objects.filter(organization=organization, next_at__gt=now):
        schedule.organization = organization
        Schedule.objects.filter(pk=schedule.pk, next_at=schedule.next_at).update(
            next_at=_next(schedule, now)
        )


def pause_schedule(*, schedule: Schedule, actor: User, paused: bool) -> None:
    """Send nothing for the time being; or go on, also after it had to stop, with the next time due."""
    with transaction.atomic(durable=True):
        current = _checked(schedule, actor)
        if bool(current.paused_at or current.stopped_at) == paused:
            return
        current.paused_at = timezone.now() if paused else None
        current.stopped_at, current.stopped_why = None, ""
        current.next_at = _next(current, timezone.now())
        current.save(update_fields=["paused_at", "stopped_at", "stopped_why", "next_at"])
        _record(current, actor, "pause" if paused else "resume", {})


def delete_schedule(*, schedule: Schedule, actor: User) -> None:
    """End it. The saved view stays."""
    with transaction.atomic(durable=True):
        current = _checked(schedule, actor)
        _record(current, actor, "delete", _told(current))
        current.delete()


def leave(*, schedule: Schedule, user: User) -> bool:
    """Have it sent to ``user`` no more; False where it was not."""
    with transaction.atomic(durable=True):
        if not schedule.users.filter(pk=user.pk).exists():
            return False
        schedule.users.remove(user)
        _record(schedule, user, "leave", {})
    return True


def send_now(*, schedule: Schedule, actor: User, nonce: str) -> Run:
    """Have it made and sent at once, besides its times; the same ``nonce`` is one time."""
    now = timezone.now()
    with transaction.atomic(durable=True):
        current = _checked(schedule, actor)
        run = Run(
            organization=current.organization,
            schedule=current,
            period=f"now:{nonce[:40]}",
            asked_by=actor,
            due_at=now,
        )
        Run.objects.bulk_create([run], ignore_conflicts=True)
        made = Run.objects.get(schedule=current, period=run.period)
        if made.uid == run.uid:
            _record(current, actor, "send_now", {})
            kick_after_commit("actions.make_report", made.pk)
    return made


def stop(schedule: Schedule, why: str, now: datetime) -> bool:
    """It cannot go on. In the caller's transaction; False where it has stopped already."""
    going = Schedule.objects.filter(pk=schedule.pk, stopped_at__isnull=True)
    if not going.update(stopped_at=now, stopped_why=why[:300]):
        return False
    _record(schedule, None, "stop", {"why": why})
    return True


def _told(schedule: Schedule) -> dict[str, Any]:
    return {
        "name": schedule.name,
        "page": schedule.url_name,
        "filters": schedule.view.query if schedule.view else "",
        "when": schedule.rhythm,
        "hour": schedule.hour,
        "receivers": sorted(schedule.users.values_list("email", flat=True)),
        "webhooks": sorted(schedule.endpoints.values_list("name", flat=True)),
    }


def _record(
    schedule: Schedule, actor: User | None, verb: str, details: Mapping[str, object]
) -> None:
    record(
        organization=schedule.organization,
        actor=actor,
        verb=f"reports.{verb}",
        target=schedule,
        details=details,
    )
