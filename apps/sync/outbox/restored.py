"""A database that was put back from a backup: noticing it, and sending nothing until a person says so.

What was sent after the backup was taken is not in it: a change that it shows as waiting may have
happened long ago. ``marks`` knows what was sent; where the database lacks one of those, it was put
back. The reasons stand in docs/decisions/outbox.md.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.audit.record import record
from apps.organizations.models import Connection, Organization
from apps.sync.models import Command, CommandEvent, CommandState
from apps.sync.outbox import marks
from apps.sync.outbox.marks import Mark
from apps.sync.schedule import freshness

log = structlog.get_logger(__name__)
S = CommandState

GOING = [S.QUEUED, S.CLAIMED, S.SENDING, S.RETRY, S.UNKNOWN]
WITH_PEOPLE = [S.DRAFT, S.AWAITING_APPROVAL, S.OPERATOR]


def obstacle(organization: Organization, *, thorough: bool = False) -> str:
    """Why nothing of ``organization`` may be sent now; "" if it may. Looks, and acts on what it finds.

    Must be asked before each step is sent. One request to Redis, one small query. ``thorough`` as
    ``marks.read`` has it.
    """
    if organization.sending_stopped_at is None:
        outside = marks.read(organization, thorough=thorough)
        if outside is None:
            return _("Waiting: what was sent before cannot be looked up.")
        if not outside:
            return _without_marks(organization)
        lost = _lost(organization, outside)
        if not lost:
            return ""
        log.error("database_put_back", organization=organization.pk, lost=len(lost))
        stop(organization, lost=len(lost))
    return _("Waiting: the database was put back from a backup, and nothing is sent for now.")


def look_everywhere() -> None:
    """A thorough look at every organization, whether or not it has something to send."""
    for organization in Organization.objects.filter(sending_stopped_at__isnull=True).iterator():
        obstacle(organization, thorough=True)


def _lost(organization: Organization, outside: list[Mark]) -> set[Mark]:
    """Those of ``outside`` that the database does not know, and that nobody has noticed yet."""
    noticed = organization.put_back_at
    new = {mark for mark in outside if noticed is None or mark.at > noticed}
    if not new:
        return set()
    sent = Command.objects.filter(uid__in={mark.command for mark in new}).order_by()
    attempts = dict(sent.values_list("uid", "attempts"))
    return {mark for mark in new if attempts.get(mark.command, -1) < mark.attempt}


def _without_marks(organization: Organization) -> str:
    """Nothing is written down outside: nothing was ever sent, or what was is forgotten.

    Then nobody knows whether the database was put back. Reading back first is right in both cases
    and costs little; a person would only be asked about nothing, time and again.
    """
    mine = Command.objects.filter(organization=organization)
    # Another worker may be between its commit and its mark, or have come past both meanwhile.
    leaving = Q(state=S.SENDING, leased_until__gt=timezone.now())
    last = mine.filter(attempts__gt=0).exclude(leaving).order_by("-created_at", "-pk").first()
    if last is None:
        return ""
    if marks.read(organization):
        return obstacle(organization)
    log.warning("marks_gone", organization=organization.pk)
    with transaction.atomic(durable=True):
        _doubt(organization, _("What was sent is written down nowhere else: checking first."))
    marks.write(organization, [Mark.of(last)])
    return _("Waiting: checking at the provider before anything is sent.")


def stop(organization: Organization, *, lost: int | None = None, again: bool = False) -> int:
    """Send nothing any more, and read back every open change; their number, 0 if it has stopped already.

    ``lost`` is how many of the latest changes sent are known to be missing (None: an operator says so).
    ``again``: also if it has stopped already, because the database was put back since.
    """
    now = timezone.now()
    going = Organization.objects.filter(pk=organization.pk)
    if not again:
        going = going.filter(sending_stopped_at__isnull=True)
    with transaction.atomic(durable=True):
        if not going.update(sending_stopped_at=now, put_back_at=now):
            return 0
        why = _("Restored from backup: checking at the provider before anything is sent.")
        count = _doubt(organization, why)
        record(
            organization=organization,
            actor=None,
            verb="organizations.stop_sending",
            target=organization,
            details={"lost": lost, "checking": count},
        )
    return count


def _doubt(organization: Organization, why: str) -> int:
    """Have every open change read back before it is sent, drafts included; how many are open."""
    now = timezone.now()
    mine = Command.objects.filter(organization=organization)
    mine.filter(state__in=WITH_PEOPLE).update(in_doubt=True)
    ids = list(mine.filter(state__in=GOING).values_list("pk", flat=True))
    mine.filter(state__in=GOING).update(
        state=S.UNKNOWN,
        fence=F("fence") + 1,  # whoever has one in hand changes nothing any more
        in_doubt=True,
        due_at=Case(
            When(is_money=True, then=Value(_after_the_call(now, money=True))),
            default=Value(_after_the_call(now, money=False)),
        ),
        leased_until=None,
        kicked_at=None,
    )
    CommandEvent.objects.bulk_create(
        [CommandEvent(command_id=pk, at=now, state=S.UNKNOWN, note=why) for pk in ids],
        batch_size=500,
    )
    return len(ids)


def _after_the_call(now: datetime, *, money: bool) -> datetime:
    """When a call that another worker may be making this moment has certainly come to its end."""
    quiet = settings.OUTBOX_MONEY_QUIET_SECONDS if money else settings.OUTBOX_QUIET_SECONDS
    return now + timedelta(seconds=settings.PROVIDER_CALL_DEADLINE + quiet)


@dataclass(frozen=True, slots=True)
class Standing:
    """What to look at before changes go on: how many are checked, wait, and need a decision; and
    connections that were not synced since it was noticed, whose pages may be as old as the backup."""

    checking: int
    waiting: int
    undecided: int
    behind: list[Connection]


def standing(organization: Organization) -> Standing:
    """How things stand now. Four queries."""
    mine = Command.objects.filter(organization=organization)
    put_back = organization.put_back_at
    return Standing(
        checking=mine.filter(state=S.UNKNOWN).count(),
        waiting=mine.filter(state__in=[S.QUEUED, S.RETRY]).count(),
        undecided=mine.filter(state=S.OPERATOR).count(),
        behind=[
            fresh.connection
            for fresh in freshness(organization)
            if put_back and (fresh.synced_at is None or fresh.synced_at < put_back)
        ],
    )
