"""Mails at once, after quiet hours, or one a day or week; what is urgent at once all the same."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.utils import timezone

from apps.notices import sending, services
from apps.notices.models import Delivery, Habit, Notice, Rhythm, Severity
from apps.notices.rhythm import after_quiet, next_digest
from apps.organizations.models import Grant, Role
from apps.providers.guard import worker_scope
from tests import factories
from tests.browsing import at_desk
from tests.notices.test_telling import tell

BERLIN = ZoneInfo("Europe/Berlin")


def berlin(*at: int) -> datetime:
    return datetime(*at, tzinfo=BERLIN)  # type: ignore[arg-type,misc]  # year, month, day, hour


@pytest.mark.parametrize(
    ("hours", "now", "then"),
    [
        ((22, 7), (2026, 11, 3, 21, 59), (2026, 11, 3, 21, 59)),
        ((22, 7), (2026, 11, 3, 22, 0), (2026, 11, 4, 7, 0)),
        ((22, 7), (2026, 11, 4, 6, 59), (2026, 11, 4, 7, 0)),
        ((22, 7), (2026, 11, 4, 7, 0), (2026, 11, 4, 7, 0)),
        ((12, 14), (2026, 11, 4, 13, 0), (2026, 11, 4, 14, 0)),
        # The night in which clocks go forward is an hour shorter.
        ((22, 7), (2026, 3, 28, 23, 0), (2026, 3, 29, 7, 0)),
        ((None, None), (2026, 11, 4, 3, 0), (2026, 11, 4, 3, 0)),
    ],
)
def test_quiet_hours_are_of_the_readers_clock(
    hours: tuple[int | None, int | None], now: tuple[int, ...], then: tuple[int, ...]
) -> None:
    habit = Habit(quiet_from=hours[0], quiet_until=hours[1])
    assert after_quiet(habit, BERLIN, berlin(*now).astimezone(UTC)) == berlin(*then)


@pytest.mark.parametrize(
    ("rhythm", "now", "then"),
    [
        (Rhythm.DAILY, (2026, 11, 3, 7, 59), (2026, 11, 3, 8)),
        (Rhythm.DAILY, (2026, 11, 3, 8, 0), (2026, 11, 4, 8)),
        (Rhythm.WEEKLY, (2026, 11, 2, 7, 0), (2026, 11, 2, 8)),  # a Monday
        (Rhythm.WEEKLY, (2026, 11, 2, 9, 0), (2026, 11, 9, 8)),
        (Rhythm.WEEKLY, (2026, 11, 8, 23, 0), (2026, 11, 9, 8)),
    ],
)
def test_a_digest_leaves_in_the_morning(
    rhythm: Rhythm, now: tuple[int, ...], then: tuple[int, ...]
) -> None:
    assert next_digest(rhythm, BERLIN, berlin(*now)) == berlin(*then)


def send(delivery: Delivery) -> None:
    with worker_scope():
        sending.send(delivery.pk)


@pytest.fixture
def owner(db: None) -> Grant:
    grant: Grant = factories.GrantFactory(role=Role.OWNER)
    Habit.objects.create(organization=grant.organization, user=grant.user, rhythm=Rhythm.DAILY)
    return grant


def test_a_digest_gathers_what_was_told_and_what_presses_goes_alone(owner: Grant) -> None:
    first = tell(owner.organization)
    tell(owner.organization, "storm:2", title="Another storm")
    tell(owner.organization, "flood", title="A flood", severity=Severity.URGENT)
    [digest, urgent] = Delivery.objects.order_by("due_at").reverse()
    assert (digest.kind, urgent.kind) == ("digest", "notice")
    send(digest)
    assert mail.outbox == []  # it is not due yet

    services.acknowledge(notice=first, actor=owner.user)
    Delivery.objects.filter(pk=digest.pk).update(due_at=timezone.now())
    send(digest)
    [letter] = mail.outbox
    assert "2 notices" in letter.subject
    assert "acknowledged" in letter.body
    assert "Another storm" in letter.body
    assert "flood" not in letter.body


def test_who_may_not_hear_of_it_any_more_gets_no_digest(owner: Grant) -> None:
    tell(owner.organization)
    [digest] = Delivery.objects.all()
    Delivery.objects.update(due_at=timezone.now())
    Grant.objects.update(role=Role.BILLING)
    send(digest)
    digest.refresh_from_db()
    assert digest.state == Delivery.State.DROPPED
    assert mail.outbox == []


def test_quiet_hours_put_a_mail_off(owner: Grant) -> None:
    hour = timezone.now().astimezone(owner.user.zone).hour
    Habit.objects.update(rhythm=Rhythm.AT_ONCE, quiet_from=hour, quiet_until=(hour + 2) % 24)
    tell(owner.organization)
    [delivery] = Delivery.objects.all()
    assert delivery.due_at is not None
    assert delivery.due_at > timezone.now() + timedelta(minutes=50)
    assert Notice.objects.get().hearings.count() == 1


def test_half_of_quiet_hours_is_refused_beside_the_field_and_the_rest_is_kept(owner: Grant) -> None:
    desk = at_desk(owner.user)
    page = f"/o/{owner.organization.slug}/notices/own/"
    typed = {"rhythm": "weekly", "quiet_from": "22", "tests.weather:hears": "on"}
    answer = desk.post(page, typed).content.decode()
    assert "Quiet hours need a beginning and an end." in answer
    assert Habit.objects.get().rhythm == Rhythm.DAILY

    desk.post(page, typed | {"quiet_until": "6"})
    kept = Habit.objects.get()
    assert (kept.rhythm, kept.quiet_from, kept.quiet_until) == (Rhythm.WEEKLY, 22, 6)
