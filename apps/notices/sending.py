"""Sending, in a worker: claimed, committed as under way, sent with no transaction open, settled.

A mail server and a webhook's receiver can have taken something without our hearing of it: a worker
dies between the last byte and the note, or the answer does not come. Then it is sent once more, with
the same Message-ID or webhook-id, by which a receiver knows it again. So a delivery is doubled at
most, and never lost.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.notices import letters, post, webhook
from apps.notices.letters import Letter, Withheld
from apps.notices.models import Attempt, Channel, Delivery, Endpoint, Severity
from apps.notices.own_letters import TEST
from apps.notices.own_topics import WEBHOOK_FAILED
from apps.notices.services import tell
from apps.organizations import tally
from apps.providers.errors import CallNotAllowed

log = structlog.get_logger(__name__)
S = Delivery.State
# Seconds before the second attempt, the third… A receiver may be away for a night.
WAITS = (15, 60, 300, 900, 3600, 7200, 14400, 28800)
AT_ONCE = 100  # deliveries of one sweep
SWEEPING, SWEEP_SECONDS, SWEEP_LOCK_SECONDS = "notices:sweeping", 20, 90
# A mail server that is away is left alone this long, and a webhook at most that long.
MAIL_RESTS, MAIL_REST_SECONDS = "notices:mail_rests", 15
LONGEST_REST = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended; ``final``: there is no use in another; ``blames``: the receiver."""

    kind: str
    status: int | None = None
    said: str = ""
    final: bool = False
    blames: bool = True


def due(now: datetime) -> Q:
    """Deliveries that may leave now: waiting, of a webhook that is not paused, of an organization that
    sends. After a restore from a backup nothing does until somebody says so."""
    return Q(
        Q(endpoint__rests_until__isnull=True) | Q(endpoint__rests_until__lte=now),
        state=S.WAITING,
        due_at__lte=now,
        organization__sending_stopped_at__isnull=True,
        endpoint__paused_at__isnull=True,
    )


def send_about(kind: str, subject_id: int) -> None:
    """Send what is due about one subject."""
    waiting = Delivery.objects.filter(due(timezone.now()), kind=kind, subject_id=subject_id)
    for pk in list(waiting.order_by("pk").values_list("pk", flat=True)):
        send(pk)


def sweep() -> None:
    """Send whatever is due, and take up again what a dead worker left.

    One at a time and not for long: threads that wait for somebody's slow machine are missing to people
    who click.
    """
    if not cache.add(SWEEPING, True, SWEEP_LOCK_SECONDS):
        return
    ends_at = monotonic() + SWEEP_SECONDS
    try:
        now = timezone.now()
        _take_back(now)
        open_ones = Delivery.objects.filter(due(now)).order_by("due_at", "pk")
        if cache.get(MAIL_RESTS):  # mails that must wait take no webhook's place
            open_ones = open_ones.exclude(channel=Channel.MAIL)
        for pk in list(open_ones.values_list("pk", flat=True)[:AT_ONCE]):
            if monotonic() > ends_at:
                break
            send(pk)
    finally:
        cache.delete(SWEEPING)


def _take_back(now: datetime) -> None:
    """Let those whose worker has died wait for another attempt."""
    left = Delivery.objects.filter(state=S.SENDING, leased_until__lte=now)
    for delivery in list(left[:AT_ONCE]):
        said = _("The worker ended before it could note the outcome.")
        _settle(delivery, Outcome(Attempt.Outcome.UNCLEAR, said=said, blames=False))


def send(pk: int) -> None:
    """Make one attempt, unless somebody else is at it."""
    delivery = _claimed(pk)
    if delivery is None:
        return
    try:
        letter = letters.write(delivery)
    except Withheld as reason:
        _drop(delivery, str(reason))
    except Exception as error:  # noqa: BLE001 - a bug of one kind of letter must not hold up all others
        _settle(delivery, _unforeseen(delivery, error))
    else:
        _settle(delivery, _sent(delivery, letter))


def _unforeseen(delivery: Delivery, error: Exception) -> Outcome:
    """Tried again like what got no answer; the type alone is shown, its words may hold anything."""
    log.exception("delivery_failed", delivery=delivery.pk, error=type(error).__name__)
    said = _("The portal itself failed: %(why)s") % {"why": type(error).__name__}
    return Outcome(Attempt.Outcome.UNCLEAR, said=said, blames=False)


def _sent(delivery: Delivery, letter: Letter) -> Outcome:
    try:
        return _handed_over(delivery, letter)
    except CallNotAllowed:
        raise
    except Exception as error:  # noqa: BLE001 - one receiver's oddity must not hold up everybody's
        return _unforeseen(delivery, error)


def _handed_over(delivery: Delivery, letter: Letter) -> Outcome:
    if delivery.channel == Channel.MAIL:
        return Outcome(*post.send(delivery, letter))
    return Outcome(*webhook.send(delivery, letter))


def _claimed(pk: int) -> Delivery | None:
    """The delivery, committed as under way before a byte leaves; None if it is not to be had."""
    now = timezone.now()
    found = Delivery.objects.filter(due(now), pk=pk).first()
    if found is None or (found.channel == Channel.MAIL and cache.get(MAIL_RESTS)):
        return None
    with transaction.atomic(durable=True):
        taken = Delivery.objects.filter(pk=pk, state=S.WAITING, fence=found.fence).update(
            state=S.SENDING,
            fence=found.fence + 1,
            attempts=found.attempts + 1,
            leased_until=now + timedelta(seconds=settings.NOTICES_LEASE_SECONDS),
        )
        if taken:
            Attempt.objects.create(delivery_id=pk, number=found.attempts + 1, began_at=now)
    if not taken:
        return None
    related = ("organization", "user", "endpoint")
    return Delivery.objects.select_related(*related).get(pk=pk)


def _settle(delivery: Delivery, outcome: Outcome) -> None:
    """Write the outcome of the attempt down, if the delivery is still with whoever made it."""
    now = timezone.now()
    again = None
    if outcome.kind == Attempt.Outcome.SENT:
        state = S.SENT
    elif outcome.final or delivery.attempts > len(WAITS):
        state = S.FAILED
    else:
        state, wait = S.WAITING, WAITS[delivery.attempts - 1]
        again = now + timedelta(seconds=wait * random.uniform(0.75, 1.25))  # noqa: S311 - spreads load
    with transaction.atomic(durable=True):
        mine = Delivery.objects.filter(pk=delivery.pk, state=S.SENDING, fence=delivery.fence)
        if not mine.update(
            state=state,
            due_at=again,
            leased_until=None,
            said=outcome.said[:500],
            settled_at=None if state == S.WAITING else now,
        ):
            return
        _end_attempt(delivery, outcome, now)
        if outcome.blames:
            _rest(delivery, outcome, now)
        if state == S.FAILED and delivery.endpoint_id and delivery.kind != TEST:
            _tell_of_failure(delivery, outcome, now)
    tally.count("deliveries", delivery.channel, outcome.kind)
    log.info(
        "delivery",
        delivery=delivery.pk,
        channel=delivery.channel,
        attempt=delivery.attempts,
        outcome=outcome.kind,
        state=state,
    )


def _rest(delivery: Delivery, outcome: Outcome, now: datetime) -> None:
    """Leave a receiver alone for a while that has not taken something, whatever else waits for it."""
    taken = outcome.kind == Attempt.Outcome.SENT
    if delivery.endpoint_id:
        wait = min(WAITS[min(delivery.attempts, len(WAITS)) - 1], LONGEST_REST)
        until = None if taken or outcome.final else now + timedelta(seconds=wait)
        Endpoint.objects.filter(pk=delivery.endpoint_id).update(rests_until=until)
    elif outcome.kind == Attempt.Outcome.UNCLEAR:
        cache.set(MAIL_RESTS, True, MAIL_REST_SECONDS)


def _end_attempt(delivery: Delivery, outcome: Outcome, now: datetime) -> None:
    Attempt.objects.filter(delivery=delivery, number=delivery.attempts).update(
        ended_at=now, outcome=outcome.kind, status=outcome.status, said=outcome.said[:500]
    )


def _tell_of_failure(delivery: Delivery, outcome: Outcome, now: datetime) -> None:
    """Once a day and webhook."""
    endpoint, organization = delivery.endpoint, delivery.organization
    assert endpoint is not None  # noqa: S101 - asked before
    tell(
        topic=WEBHOOK_FAILED.name,
        organization=organization,
        cause=f"endpoint:{endpoint.pk}:{now.date().isoformat()}",
        title=_("The webhook “%(name)s” does not take what is sent") % {"name": endpoint.name},
        text=_("“%(what)s” was tried %(n)d times. %(said)s")
        % {"what": delivery.label, "n": delivery.attempts, "said": outcome.said},
        url=f"/o/{organization.slug}/notices/webhooks/{endpoint.pk}/",
        severity=Severity.WARNING,
    )


def _drop(delivery: Delivery, why: str) -> None:
    now = timezone.now()
    with transaction.atomic(durable=True):
        mine = Delivery.objects.filter(pk=delivery.pk, state=S.SENDING, fence=delivery.fence)
        if mine.update(
            state=S.DROPPED,
            attempts=delivery.attempts - 1,
            due_at=None,
            leased_until=None,
            said=why[:500],
            settled_at=now,
        ):
            # Nothing was tried: no byte has left.
            Attempt.objects.filter(delivery=delivery, number=delivery.attempts).delete()
