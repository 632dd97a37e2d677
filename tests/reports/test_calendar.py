"""When reports are due, across the changes of the clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.reports.calendar import RHYTHMS, Rhythm, last_until, next_after
from apps.reports.models import Schedule

pytestmark = pytest.mark.databaseless
BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


def utc(text: str) -> datetime:
    """A moment, from "2026-03-29 01:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("rhythm", "zone", "after", "expected"),
    [
        # Eight o'clock stays eight o'clock on both sides of the change.
        (Rhythm("day", 0, 8), BERLIN, "2026-03-28 07:00", "2026-03-29 06:00"),
        (Rhythm("day", 0, 8), BERLIN, "2026-10-24 06:00", "2026-10-25 07:00"),
        # An hour that is left out: the one after it. One that comes twice: the first.
        (Rhythm("day", 0, 2), BERLIN, "2026-03-28 12:00", "2026-03-29 01:00"),
        (Rhythm("day", 0, 2), BERLIN, "2026-10-24 12:00", "2026-10-25 00:00"),
        (Rhythm("day", 0, 2), BERLIN, "2026-10-25 00:00", "2026-10-26 01:00"),
        (Rhythm("week", 0, 8), NEW_YORK, "2026-11-01 00:00", "2026-11-02 13:00"),
        (Rhythm("week", 0, 8), BERLIN, "2026-11-30 07:00", "2026-12-07 07:00"),
        (Rhythm("month", 1, 0), NEW_YORK, "2026-01-31 12:00", "2026-02-01 05:00"),
        (Rhythm("month", 0, 23), BERLIN, "2026-02-01 00:00", "2026-02-28 22:00"),
        (Rhythm("month", 0, 23), BERLIN, "2028-02-01 00:00", "2028-02-29 22:00"),
    ],
)
def test_the_next_time(rhythm: Rhythm, zone: ZoneInfo, after: str, expected: str) -> None:
    assert next_after(rhythm, zone, utc(after)) == utc(expected)


@given(
    rhythm=st.sampled_from([one for one, _label in RHYTHMS]),
    hour=st.integers(0, 23),
    zone=st.sampled_from([BERLIN, NEW_YORK, ZoneInfo("Asia/Kathmandu"), ZoneInfo("UTC")]),
    seconds=st.integers(0, 5 * 365 * 86_400),
)
def test_one_time_follows_another_with_none_between(
    rhythm: str, hour: int, zone: ZoneInfo, seconds: int
) -> None:
    now = utc("2025-01-01 00:00") + timedelta(seconds=seconds)
    when = Schedule(rhythm=rhythm, hour=hour).when
    last, following = last_until(when, zone, now), next_after(when, zone, now)
    assert last <= now < following
    assert next_after(when, zone, last) == following
    assert when.falls_on(following.astimezone(zone).date())
    assert following - last <= timedelta(days=32)
