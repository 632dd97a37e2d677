"""Weeks and months: the rollups of their days summed up once more, so that a long range reads few rows.

A block is made when all its days are read, and unmade in the very transaction that changes one of them;
so what is marked as made is always the sum of its days. A read takes whole blocks and, at the edges and
where a block is not made, the days. Making is done beside the other writers: sums are read without a
transaction, written in short ones, and count only if no day has changed meanwhile.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from operator import itemgetter

from django.conf import settings
from django.db import connection as database
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.usage import bulk
from apps.usage.days import HOURS, date_of, day_of
from apps.usage.models import Block, BlockRollup, ReadDay, Report, ReportName, Rollup
from apps.usage.tuples import COUNTS, CUBES, GRAINS, MONEY, Grain

SUMS = (*COUNTS, *MONEY)
COLUMNS = ("block_id", "grain", "dimension_id", *SUMS)
WEEK = 7
# Days of a range from which on it is asked for blocks; of one that is looked up by dimension, later.
LONG, LONG_OF_FEW = 14, 62
MOST_ROWS = {"sqlite": 2_000, "postgresql": 50_000}  # of one transaction
Bounds = tuple[int, int]  # first and last day


def lock(connection_id: int) -> None:
    """One at a time changes the rollups of a connection; until the end of the transaction.

    On SQLite a transaction has the only write lock from its beginning.
    """
    rows = Report.objects.select_for_update().filter(connection_id=connection_id)
    list(rows.order_by("pk").values_list("pk"))


def blocks_within(first: int, last: int) -> list[Bounds]:
    """Every whole week and month of these days, both ends included."""
    monday = first + (-date_of(first).weekday()) % WEEK
    found = [(at, at + WEEK - 1) for at in range(monday, last - WEEK + 2, WEEK)]
    begin = date_of(first)
    starts = [begin] if begin.day == 1 else []
    while begin <= date_of(last):
        begin = (begin.replace(day=28) + timedelta(days=4)).replace(day=1)
        starts.append(begin)
    months = [(day_of(one), day_of(other) - 1) for one, other in pairwise(starts)]
    return [*found, *(month for month in months if month[1] <= last)]


def is_week(first: int, last: int) -> bool:
    """Whether a block is a week; else it is a month."""
    return last - first + 1 == WEEK


# --- Reading -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Cover:
    """A range taken apart: blocks, and runs of days (both ends included) with the connections that have
    no block there. Nothing twice. ``whole``: blocks that are a period of their own, with nothing to add."""

    blocks: list[int] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
    days: dict[Bounds, list[int]] = field(default_factory=dict)


def cover(
    connections: Sequence[int],
    first: int,
    last: int,
    period: str | None,
    grain: Grain,
    *,
    few: bool = False,
) -> Cover:
    """The fewest rows that make up the days ``first`` to ``last``; ``period``: blocks must lie within one;
    ``few``: a few dimensions of each are looked up.

    One query; none for a range that blocks hardly shorten.
    """
    found = Cover()
    made: dict[int, list[tuple[Bounds, int]]] = {}
    if period != "day" and last - first + 1 >= (LONG_OF_FEW if few else LONG):
        rows = Block.objects.filter(
            connection__in=connections, made=True, first__gte=first, last__lte=last
        )
        for pk, owner, begin, end in rows.values_list("pk", "connection_id", "first", "last"):
            if _fits((begin, end), period, grain):
                made.setdefault(owner, []).append(((begin, end), pk))
    for owner in connections:
        taken: set[int] = set()
        longest_first = sorted(made.get(owner, ()), key=lambda one: one[0][0] - one[0][1])
        for (begin, end), pk in longest_first:
            if begin not in taken and end not in taken:
                taken.update(range(begin, end + 1))
                width = "week" if is_week(begin, end) else "month"
                (found.whole if width == period else found.blocks).append(pk)
        for run in runs([day for day in range(first, last + 1) if day not in taken]):
            found.days.setdefault(run, []).append(owner)
    return found


def _fits(bounds: Bounds, period: str | None, grain: Grain) -> bool:
    first, last = bounds
    if is_week(first, last):
        inside = period != "month" or date_of(first).month == date_of(last).month
        return grain in CUBES and inside
    return period != "week"


def runs(days: Sequence[int]) -> Iterable[Bounds]:
    """Days in a row as their first and last."""
    start = 0
    for at, day in enumerate(days):
        if at + 1 == len(days) or days[at + 1] != day + 1:
            yield days[start], day
            start = at + 1


# --- Keeping -----------------------------------------------------------------------------------------


def unmake(connection_id: int, day: int) -> None:
    """A day's rollups change: no block has it in its sums until it is made anew. After ``lock``, in the
    transaction that changes them."""
    having = Block.objects.filter(connection_id=connection_id, first__lte=day, last__gte=day)
    having.update(made=False, version=F("version") + 1)


def make_due(connection_id: int, hold: Callable[[], None]) -> None:
    """Make the blocks whose days are all read and that are not made. ``hold`` confirms the lease of
    whoever walks, in every transaction."""
    for bounds in due(connection_id):
        make(connection_id, bounds, hold)


def due(connection_id: int) -> list[Bounds]:
    """Blocks to be made: all of their days are read by every report that is not paused. Three queries."""
    names = Report.objects.filter(
        connection_id=connection_id,
        name__in=(ReportName.USAGE, ReportName.COSTS),
        paused_at__isnull=True,
    ).values_list("name", flat=True)
    read: dict[str, set[int]] = {name: set() for name in names}
    rows = ReadDay.objects.filter(
        connection_id=connection_id, report__in=list(read), replacing=False, day__lt=_today()
    )
    for name, day, through in rows.values_list("report", "day", "through"):
        if through >= (day + 1) * HOURS:
            read[name].add(day)
    whole = set.intersection(*read.values()) if read else set()
    if not whole:
        return []
    made = set(
        Block.objects.filter(connection_id=connection_id, made=True).values_list("first", "last")
    )
    return [
        bounds
        for bounds in blocks_within(min(whole), max(whole))
        if bounds not in made and whole.issuperset(range(bounds[0], bounds[1] + 1))
    ]


def _today() -> int:
    return day_of(timezone.now())


def make(connection_id: int, bounds: Bounds, hold: Callable[[], None]) -> bool:
    """Sum a block up. False if a day of it changed meanwhile: it is due again then."""
    first, last = bounds
    with transaction.atomic(durable=True):
        hold()
        lock(connection_id)  # whoever writes a day has committed, or will find this block
        block, _ = Block.objects.get_or_create(connection_id=connection_id, first=first, last=last)
        block.version += 1
        block.made = False
        block.save(update_fields=["version", "made"])
        bulk.delete(BlockRollup, ("block_id",), [(block.pk,)])
    rows = [
        (block.pk, grain.id, *row)
        for grain in (CUBES if is_week(first, last) else GRAINS)
        for row in _summed(connection_id, grain, bounds)
    ]
    rows.sort(key=itemgetter(1, 2))
    most = MOST_ROWS[database.vendor]
    for at in range(0, len(rows), most):
        with transaction.atomic(durable=True):
            hold()
            if not _is_still(block):
                return False
            bulk.insert(BlockRollup, COLUMNS, rows[at : at + most])
        time.sleep(settings.SYNC_BUCKET_PAUSE_SECONDS)
    same = Block.objects.filter(pk=block.pk, version=block.version)
    with transaction.atomic(durable=True):
        hold()
        return bool(same.update(made=True))


def _is_still(block: Block) -> bool:
    """Whether nobody has changed a day or begun anew; nobody does until the end of the transaction."""
    same = Block.objects.select_for_update().filter(pk=block.pk, version=block.version)
    return bool(same.values_list("pk"))


def _summed(connection_id: int, grain: Grain, bounds: Bounds) -> list[bulk.Values]:
    """Dimension and sums of the block's days."""
    with database.cursor() as cursor:
        cursor.execute(
            f"SELECT dimension_id, {sums_of(SUMS)} FROM {bulk.table_of(Rollup)}"  # noqa: S608  # names of our own models
            " WHERE connection_id = %s AND grain = %s AND day BETWEEN %s AND %s"
            " GROUP BY dimension_id",
            [connection_id, grain.id, *bounds],
        )
        return list(cursor.fetchall())


def sums_of(names: Iterable[str]) -> str:
    """The sums of columns, as SQL. As whole numbers: PostgreSQL makes decimals of sums of bigints."""
    return ", ".join(f"CAST(SUM({name}) AS bigint) AS {name}" for name in names)
