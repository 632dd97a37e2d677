"""Telling, acknowledging, settling.

    tell(topic="usage.anomaly", organization=…, cause=f"incident:{incident.pk}", title=…, text=…, url=…)

Whoever tells need not know whether it was told before: one (organization, topic, cause) is one notice.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.audit.record import Line, record, record_many
from apps.kicks import kick_after_commit
from apps.notices import endpoints, hearers, rhythm
from apps.notices.endpoints import must
from apps.notices.models import (
    Channel,
    Choice,
    Delivery,
    Endpoint,
    Habit,
    Hearing,
    Notice,
    Severity,
)
from apps.notices.own_letters import DELIVER, DIGEST, NOTICE
from apps.notices.topics import open_to, topic_of
from apps.organizations.models import Organization
from apps.organizations.policy import role_of

AT_ONCE = 500  # notices acknowledged in one transaction


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
    organization = notice.organization
    listeners = hearers.of(organization, topic_of(notice.topic))
    alone, gathered = rhythm.plan(notice, listeners)
    Hearing.objects.bulk_create(
        Hearing(
            organization=organization,
            notice=notice,
            user=one.user,
            digest=gathered.get(one.user.pk),
        )
        for one in listeners
    )
    dispatch(
        kind=NOTICE,
        subject_id=notice.pk,
        organization=organization,
        label=notice.title,
        users=[one.user for one in listeners if one.user.pk in alone],
        endpoints=[one for one in endpoints.of(organization) if one.wants(notice.topic)],
        due=alone,
    )
    for digest in gathered.values():
        dispatch(
            kind=DIGEST,
            subject_id=digest.pk,
            organization=organization,
            label=_("Notices since the last digest"),
            users=[digest.user],
            endpoints=[],
            due={digest.user_id: digest.due_at},
        )


def dispatch(
    *,
    kind: str,
    subject_id: int,
    organization: Organization,
    label: str,
    users: Iterable[User],
    endpoints: Iterable[Endpoint],
    due: Mapping[int, datetime] | None = None,
) -> None:
    """Put a letter on its way to each of ``users`` by mail and each of ``endpoints`` by webhook.

    In the caller's transaction, and after its commit to the workers. ``kind`` is registered with
    ``letters``. Who has been sent this subject already is left out. ``due``: when a user's mail leaves,
    by their number; at once where it does not say.
    """
    now, due = timezone.now(), due or {}
    about = {
        "organization": organization,
        "kind": kind,
        "subject_id": subject_id,
        "label": label[:200],
    }
    found = [
        Delivery(channel=Channel.MAIL, user=one, due_at=due.get(one.pk, now), **about)
        for one in users
    ]
    found += [
        Delivery(channel=Channel.WEBHOOK, endpoint=one, due_at=now, **about) for one in endpoints
    ]
    Delivery.objects.bulk_create(found, ignore_conflicts=True)
    kick_after_commit(DELIVER, kind, subject_id)


def acknowledge(*, notice: Notice, actor: User) -> bool:
    """Say for everybody that ``notice`` has been seen to; False where somebody has said so before."""
    return acknowledge_many(organization=notice.organization, pks=[notice.pk], actor=actor) == 1


def acknowledge_many(*, organization: Organization, pks: Sequence[int], actor: User) -> int:
    """The same for several of one organization; how many had not been acknowledged yet.

    In transactions of a few hundred, so that nobody else waits for the audit log for long.
    """
    must(actor, "notices.acknowledge", organization)
    done = 0
    for begin in range(0, len(pks), AT_ONCE):
        with transaction.atomic(durable=True):
            done += _acknowledged(pks[begin : begin + AT_ONCE], organization, actor)
    return done


def _acknowledged(pks: Sequence[int], organization: Organization, actor: User) -> int:
    waiting = Notice.objects.filter(
        pk__in=pks, organization=organization, acknowledged_at__isnull=True
    )
    # Locked, so that of two who say it at once the second finds what the first wrote.
    fresh = list(waiting.select_for_update().order_by("pk"))
    now, theirs = timezone.now(), [one.pk for one in fresh]
    Notice.objects.filter(pk__in=theirs).update(acknowledged_at=now, acknowledged_by=actor)
    # Somebody sees to it: nobody's bell need count it any more.
    Hearing.objects.filter(notice__in=theirs, read_at__isnull=True).update(read_at=now)
    lines = [Line("notices.acknowledge", one, details={"topic": one.topic}) for one in fresh]
    record_many(organization=organization, actor=actor, lines=lines)
    return len(fresh)


def mark_read(*, notices: Iterable[Notice], user: User) -> int:
    """Note that ``user`` has read these; how many of them were new to them. One statement."""
    unread = Hearing.objects.filter(notice__in=notices, user=user, read_at__isnull=True)
    return unread.update(read_at=timezone.now())


def choose(
    *, user: User, organization: Organization, wanted: Mapping[str, tuple[bool, bool]]
) -> None:
    """What ``user`` hears of from now on: topic → (hears, by mail too).

    What the role says anyway is not kept, so that another role later is heard by its own rule.
    """
    role = role_of(user, organization)
    known = {topic.name: topic for topic in open_to(role)}
    with transaction.atomic(durable=True):
        mine = Choice.objects.filter(user=user, organization=organization)
        before = {one.topic: [one.hears, one.by_mail] for one in mine}
        mine.filter(topic__in=known).delete()
        Choice.objects.bulk_create(
            Choice(user=user, organization=organization, topic=name, hears=hears, by_mail=by_mail)
            for name, (hears, by_mail) in wanted.items()
            if name in known and (hears, by_mail) != (role in known[name].hears, True)
        )
        after = {one.topic: [one.hears, one.by_mail] for one in mine.all()}
        if after != before:
            record(
                organization=organization,
                actor=user,
                verb="notices.choose",
                target=user,
                details={"before": before, "after": after},
            )


def keep_habit(*, user: User, organization: Organization, habit: Mapping[str, Any]) -> None:
    """When mails about notices come to ``user`` from now on: ``rhythm``, ``quiet_from``, ``quiet_until``."""
    names = ("rhythm", "quiet_from", "quiet_until")
    with transaction.atomic(durable=True):
        row, _new = Habit.objects.get_or_create(user=user, organization=organization)
        before = {name: getattr(row, name) for name in names}
        after = {name: habit[name] for name in names}
        if after == before:
            return
        for name, value in after.items():
            setattr(row, name, value)
        row.save()
        record(
            organization=organization,
            actor=user,
            verb="notices.habit",
            target=user,
            details={"before": before, "after": after},
        )


def settle(*, topic: str, organization: Organization, cause: str) -> bool:
    """Say that what was told of is over; False where it never was told or is over already.

    Joins the caller's transaction, or is one statement by itself. The notice stays, and is told no
    second time: what begins anew has a cause of its own.
    """
    open_ones = Notice.objects.filter(
        organization=organization, topic=topic, cause=cause, settled_at__isnull=True
    )
    return bool(open_ones.update(settled_at=timezone.now()))
