"""Telling, acknowledging, settling.

    tell(topic="usage.anomaly", organization=…, cause=f"incident:{incident.pk}", title=…, text=…, url=…)

Whoever tells need not know whether it was told before: one (organization, topic, cause) is one notice.
"""

from collections.abc import Iterable, Sequence

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.audit.record import Line, record_many
from apps.notices import hearers
from apps.notices.models import Channel, Delivery, Hearing, Notice, Severity
from apps.notices.topics import topic_of
from apps.notices.word import kick_after_commit
from apps.organizations.models import Organization


def tell(
    *,
    topic: str,
    organization: Organization,
    cause: str,
    title: str,
    text: str,
    url: str,
    severity: Severity = Severity.INFO,
) -> Notice:
    """Tell whoever hears ``topic`` on ``organization`` of ``cause``, once; the notice, old or new.

    Joins the caller's transaction, or opens one: the notice exists exactly when what it tells of does.
    ``cause`` (at most 200 characters) names what happened, "incident:17" or "budget:3:2026-11:80"; told
    again it changes nothing. ``title`` and ``text`` are plain text, ``url`` an address of this portal
    ("/o/…"). KeyError for a topic that nobody registered. It leaves for mail and webhooks after the
    commit.
    """
    topic_of(topic)
    if not url.startswith("/"):
        raise ValueError("A notice leads to a page of this portal.")
    notice = Notice(
        organization=organization,
        topic=topic,
        cause=cause,
        title=title[:200],
        text=text,
        url=url[:500],
        severity=severity,
    )
    if transaction.get_connection().in_atomic_block:
        return _tell(notice)
    with transaction.atomic(durable=True):
        return _tell(notice)


def _tell(notice: Notice) -> Notice:
    # Two who tell the same at once: the second waits for the first, and finds what it wrote.
    Notice.objects.bulk_create([notice], ignore_conflicts=True)
    told = Notice.objects.get(
        organization=notice.organization, topic=notice.topic, cause=notice.cause
    )
    if told.uid == notice.uid:
        _send_out(told)
    return told


def _send_out(notice: Notice) -> None:
    listeners = hearers.of(notice.organization, topic_of(notice.topic))
    Hearing.objects.bulk_create(
        Hearing(organization=notice.organization, notice=notice, user=one.user) for one in listeners
    )
    now = timezone.now()
    Delivery.objects.bulk_create(
        Delivery(
            organization=notice.organization,
            kind="notice",
            subject_id=notice.pk,
            channel=Channel.MAIL,
            user=one.user,
            due_at=now,
        )
        for one in listeners
        if one.by_mail
    )
    kick_after_commit("notice", notice.pk)


def acknowledge(*, notice: Notice, actor: User) -> bool:
    """Say for everybody that ``notice`` has been seen to; False where somebody has said so before."""
    return acknowledge_many(notices=[notice], actor=actor) == 1


def acknowledge_many(*, notices: Iterable[Notice], actor: User) -> int:
    """The same for several of one organization; how many had not been acknowledged yet."""
    with transaction.atomic(durable=True):
        fresh = [one for one in notices if _acknowledged(one, actor)]
        _note_in_audit(fresh, actor)
    return len(fresh)


def _acknowledged(notice: Notice, actor: User) -> bool:
    now = timezone.now()
    waiting = Notice.objects.filter(pk=notice.pk, acknowledged_at__isnull=True)
    if not waiting.update(acknowledged_at=now, acknowledged_by=actor):
        return False
    notice.acknowledged_at, notice.acknowledged_by = now, actor
    Hearing.objects.filter(notice=notice, user=actor, read_at__isnull=True).update(read_at=now)
    return True


def _note_in_audit(notices: Sequence[Notice], actor: User) -> None:
    if notices:
        lines = [Line("notices.acknowledge", one, details={"topic": one.topic}) for one in notices]
        record_many(organization=notices[0].organization, actor=actor, lines=lines)


def settle(*, topic: str, organization: Organization, cause: str) -> bool:
    """Say that what was told of is over; False where it never was told or is over already.

    Joins the caller's transaction, or is one statement by itself. The notice stays, and is told no
    second time: what begins anew has a cause of its own.
    """
    open_ones = Notice.objects.filter(
        organization=organization, topic=topic, cause=cause, settled_at__isnull=True
    )
    return bool(open_ones.update(settled_at=timezone.now()))
