"""When a mail about a notice leaves: at once, after quiet hours, or in a digest. What is urgent does at once."""

from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

from apps.accounts.models import User
from apps.notices.hearers import Hearer
from apps.notices.models import Digest, Habit, Notice, Rhythm, Severity
from apps.organizations.models import Organization

MORNING = time(8)
# A digest takes nothing in so shortly before it leaves: what is not committed then would be missing.
CLOSES = timedelta(minutes=2)


def habits_of(organization: Organization, users: Iterable[User]) -> dict[int, Habit]:
    """What each of ``users`` has said there, by their number. One query."""
    rows = Habit.objects.filter(organization=organization, user__in=[user.pk for user in users])
    return {one.user_id: one for one in rows}


def plan(
    notice: Notice, listeners: Iterable[Hearer]
) -> tuple[Mapping[int, datetime], Mapping[int, Digest]]:
    """For each who wants mails: when theirs leaves, or the digest that tells them instead.

    Inside the transaction that tells of ``notice``.
    """
    now = timezone.now()
    wanting = [one.user for one in listeners if one.by_mail]
    if notice.severity == Severity.URGENT:
        return dict.fromkeys((user.pk for user in wanting), now), {}
    habits = habits_of(notice.organization, wanting)
    alone: dict[int, datetime] = {}
    gathered: dict[int, Digest] = {}
    for user in wanting:
        habit = habits.get(user.pk)
        if habit is None:
            alone[user.pk] = now
        elif habit.rhythm == Rhythm.AT_ONCE:
            alone[user.pk] = after_quiet(habit, user.zone, now)
        else:
            due_at = next_digest(Rhythm(habit.rhythm), user.zone, now + CLOSES)
            gathered[user.pk], _new = Digest.objects.get_or_create(
                organization=notice.organization, user=user, due_at=due_at
            )
    return alone, gathered


def after_quiet(habit: Habit, zone: ZoneInfo, now: datetime) -> datetime:
    """``now``, or the end of the quiet hours that it lies in."""
    begin, end = habit.quiet_from, habit.quiet_until
    if begin is None or end is None or begin == end:
        return now
    local = now.astimezone(zone)
    inside = begin <= local.hour < end if begin < end else local.hour >= begin or local.hour < end
    if not inside:
        return now
    day = local.date() + timedelta(days=1 if begin > end and local.hour >= begin else 0)
    return datetime.combine(day, time(end), tzinfo=zone)


def next_digest(rhythm: Rhythm, zone: ZoneInfo, now: datetime) -> datetime:
    """The next morning after ``now`` on which a digest leaves, on the reader's clock."""
    day = now.astimezone(zone).date()
    if rhythm == Rhythm.WEEKLY:
        day += timedelta(days=-day.weekday() % 7)
    step = timedelta(days=7 if rhythm == Rhythm.WEEKLY else 1)
    due = datetime.combine(day, MORNING, tzinfo=zone)
    return due if due > now else datetime.combine(day + step, MORNING, tzinfo=zone)
