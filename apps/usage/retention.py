"""How long hours are kept. Days are kept for ever, in the rollups; of hours the last ``USAGE_HOURS_KEPT_DAYS`` days.

On PostgreSQL the facts lie in a partition for each UTC month, and what is over is dropped with its
month. On SQLite it is deleted, in short transactions.
"""

import time
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.db import OperationalError, transaction
from django.db import connection as database
from django.db.models import Min
from django.utils import timezone

from apps.usage.days import HOURS, date_of, day_of
from apps.usage.models import Fact, HourRollup
from apps.usage.tuples import CUBES

# Who writes a day looks at the clock before, who deletes afterwards: it stays for one day more.
MARGIN_DAYS = 2
MOST_ROWS = 3_000  # of one transaction of SQLite
LOCK_MILLISECONDS = 2_000  # to wait for those who read, before it is tried another time
TABLE = Fact._meta.db_table
GRAINS = [cube.id for cube in CUBES]
# A number of our own, for one at a time.
ADVISORY = 7_305_112


def kept_from() -> int:
    """The first UTC day whose hours are kept."""
    days: int = settings.USAGE_HOURS_KEPT_DAYS
    return day_of(timezone.now()) - days if days else 0


def hours_from(connections: Iterable[int]) -> date | None:
    """The first day that may be asked for by the hour: what the setting keeps, and is there. None: of
    these connections no hours are there at all. One query."""
    rows = Fact.objects.filter(connection_id__in=list(connections))
    earliest = rows.aggregate(earliest=Min("hour"))["earliest"]
    return None if earliest is None else date_of(max(kept_from(), earliest // HOURS))


def tend() -> None:
    """Make the partitions of this month and the next; forget the hours that are over."""
    today = timezone.now().date()
    make_room(day_of(today))
    make_room(day_of(_next_month(today)))
    forget()


def forget() -> int:
    """Forget hours that are over: how many rows were deleted, or partitions dropped."""
    if not settings.USAGE_HOURS_KEPT_DAYS:
        return 0
    first = kept_from() - MARGIN_DAYS
    _forget_cubes(first)
    before = first * HOURS
    return _drop(before) if database.vendor == "postgresql" else _delete(before)


def _forget_cubes(before: int) -> None:
    """The cubes by the hour of the days before that: a day of a connection at a time, and never more rows
    than a few thousand."""
    for owner in _owners(HourRollup):
        old = HourRollup.objects.filter(connection_id=owner, grain__in=GRAINS, day__lt=before)
        for day in sorted(set(old.values_list("day", flat=True).distinct())):
            with transaction.atomic(durable=True):
                old.filter(day=day).delete()
            time.sleep(settings.SYNC_BUCKET_PAUSE_SECONDS)


def _delete(before: int) -> int:
    deleted = 0
    for owner in _owners(Fact):
        old = Fact.objects.filter(connection_id=owner, hour__lt=before)
        while (first := old.aggregate(first=Min("hour"))["first"]) is not None:
            gone = 0
            with transaction.atomic(durable=True), database.cursor() as cursor:
                for hour in range(first, before):
                    cursor.execute(
                        f'DELETE FROM "{TABLE}" WHERE connection_id = %s AND hour = %s',  # noqa: S608  # our own name
                        [owner, hour],
                    )
                    gone += cursor.rowcount
                    if gone >= MOST_ROWS:
                        break
            deleted += gone
            time.sleep(settings.SYNC_BUCKET_PAUSE_SECONDS)
    return deleted


def _owners(model: Any) -> Iterator[int]:
    """The connections that have rows, each looked up past the one before: the table begins with them."""
    owner = 0
    while True:
        beyond = model.objects.filter(connection_id__gt=owner)
        following = beyond.aggregate(following=Min("connection_id"))["following"]
        if following is None:
            return
        owner = following
        yield owner


# --- Partitions -------------------------------------------------------------------------------------


def _next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def _name_of(month: date) -> str:
    return f"{TABLE}_{month:%Y_%m}"


def part_of(day: int) -> str:
    """The partition that a day's facts are of, so that PostgreSQL need not find it for each row. "" elsewhere."""
    return _name_of(date_of(day)) if database.vendor == "postgresql" else ""


def make_room(day: int) -> None:
    """Have a partition for the month of a day; elsewhere than on PostgreSQL nothing is needed."""
    if database.vendor != "postgresql":
        return
    month = date_of(day).replace(day=1)
    name = _name_of(month)
    begin, end = (day_of(one) * HOURS for one in (month, _next_month(month)))
    with database.cursor() as cursor:
        if _is_there(cursor, name):
            return
    with transaction.atomic(durable=True), database.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY])
        if _is_there(cursor, name):
            return
        # Made apart and attached: so nobody who reads or writes has to wait.
        cursor.execute(f'CREATE TABLE "{name}" (LIKE "{TABLE}" INCLUDING DEFAULTS)')
        cursor.execute(
            f'ALTER TABLE "{TABLE}" ATTACH PARTITION "{name}" FOR VALUES FROM ({begin}) TO ({end})'
        )


def _is_there(cursor: Any, name: str) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [f'"{name}"'])
    return bool(cursor.fetchone()[0])


def partitions() -> Iterator[tuple[str, date]]:
    """The partitions that there are, and their months."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = to_regclass(%s) ORDER BY c.relname",
            [f'"{TABLE}"'],
        )
        names = [name for (name,) in cursor.fetchall()]
    for name in names:
        year, month = name.removeprefix(f"{TABLE}_").split("_")
        yield name, date(int(year), int(month), 1)


def _drop(before: int) -> int:
    dropped = 0
    for name, month in list(partitions()):
        if day_of(_next_month(month)) * HOURS > before:
            continue
        try:
            with transaction.atomic(durable=True), database.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
                cursor.execute(f'DROP TABLE "{name}"')
            dropped += 1
        except OperationalError:  # somebody is at it: another time
            continue
    return dropped
