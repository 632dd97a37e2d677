"""What people may do with an incident: acknowledge it, resolve it, mute it, take it up again."""

from datetime import date, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.audit.record import record
from apps.incidents.keeping import settle
from apps.incidents.models import ONGOING, Incident, State
from apps.organizations.policy import may
from apps.usage.days import date_of, day_of


class Refused(Exception):
    """What cannot be done, in plain words; ``field`` of the form, "" for the whole of it."""

    def __init__(self, words: str, field: str = "") -> None:
        super().__init__(words)
        self.field = field


def acknowledge(*, incident: Incident, actor: User) -> Incident:
    """Say that somebody looks into it. Twice is once; Refused where it is settled meanwhile."""
    with transaction.atomic(durable=True):
        current = _checked(incident, actor)
        if current.state == State.ACKNOWLEDGED:
            return current
        if current.state != State.OPEN:
            raise Refused(_("It is settled meanwhile: take it up again first."))
        current.state, current.acted_by = State.ACKNOWLEDGED, actor
        _write(current, actor, "incidents.acknowledge", {})
    return current


def resolve(*, incident: Incident, actor: User, reason: str) -> Incident:
    """Say that it is dealt with. A day after today that is far off opens it again."""
    with transaction.atomic(durable=True):
        current = _checked(incident, actor)
        _still_ongoing(current)
        now = timezone.now()
        current.state, current.acted_by, current.reason = State.RESOLVED, actor, reason[:500]
        current.settled_at, current.settled_day, current.ended = now, day_of(now), "person"
        current.muted_until = None
        _write(current, actor, "incidents.resolve", {"reason": reason})
        settle(current)
    return current


def mute(*, incident: Incident, actor: User, reason: str, until: date | None) -> Incident:
    """Say that it is meant to be so, and why. ``until``: the last UTC day of it, None for good.

    Refused without a reason, and for a day that is not to come. Its days count as usual from now on.
    """
    if not reason.strip():
        raise Refused(_("Say why: others will ask."), "reason")
    with transaction.atomic(durable=True):
        current = _checked(incident, actor)
        _still_ongoing(current)
        now = timezone.now()
        if until is not None and until <= now.date():
            raise Refused(_("This day is not to come."), "until")
        current.state, current.acted_by, current.reason = State.MUTED, actor, reason[:500]
        current.settled_at, current.settled_day = now, day_of(now)
        current.muted_until = None if until is None else day_of(until)
        details = {"reason": reason, "until": until.isoformat() if until else None}
        _write(current, actor, "incidents.mute", details)
        settle(current)
    return current


def take_up(*, incident: Incident, actor: User) -> Incident:
    """Open it again by hand. Refused where its subject has another one by now. Twice is once."""
    with transaction.atomic(durable=True):
        current = _checked(incident, actor)
        if current.state in (State.OPEN, State.ACKNOWLEDGED):
            return current
        others = Incident.objects.filter(
            connection=current.connection_id,
            kind=current.kind,
            value=current.value,
            state__in=ONGOING,
        ).exclude(pk=current.pk)
        if others.exists():
            raise Refused(_("There is a newer incident of the same: go on there."))
        current.state, current.acted_by = State.OPEN, actor
        current.opened, current.opened_at = current.opened + 1, timezone.now()
        current.settled_at = current.settled_day = current.muted_until = None
        current.reason = current.ended = ""
        _write(current, actor, "incidents.take_up", {})
    return current


def soon(days: int) -> date:
    """The UTC day so many days from now."""
    return (timezone.now() + timedelta(days=days)).date()


def _still_ongoing(incident: Incident) -> None:
    if incident.state not in (State.OPEN, State.ACKNOWLEDGED):
        raise Refused(_("It is settled meanwhile: take it up again first."))


def _checked(incident: Incident, actor: User) -> Incident:
    rows = Incident.objects.select_for_update(of=("self",))
    current = rows.select_related("connection__organization").get(pk=incident.pk)
    if not may(actor, "incidents.change", current.connection.organization):
        raise PermissionDenied(_("Your role here does not allow this any more."))
    return current


def _write(incident: Incident, actor: User, verb: str, details: dict[str, Any]) -> None:
    incident.save()
    record(
        organization=incident.connection.organization_id,
        actor=actor,
        verb=verb,
        target=incident,
        details={"since": date_of(incident.since).isoformat(), **details},
        connection=incident.connection,
    )
