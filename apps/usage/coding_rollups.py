"""Claude Code summed up: by coder and month, over everybody by day, and who they were. Kept in the transaction that writes a day.

A month's row changes by the difference that a day makes; all of it is whole numbers, so it stays exact.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connection as database
from django.db.models import Sum

from apps.usage import bulk, rosters
from apps.usage.days import date_of, day_of
from apps.usage.models import CoderMonth, CodingDay, CodingModel, CodingSum, CodingTool
from apps.usage.money import MICRO, of_femtos

METRICS = ("sessions", "lines_added", "lines_removed", "commits", "pull_requests")
PROPOSALS = ("accepted", "rejected")
ESTIMATE = ("estimate_micros", "estimate_femtos")
SUMS = (*METRICS, *PROPOSALS, *ESTIMATE)
MONTH = ("connection_id", "month", "coder_id", "days", "first", "last", "used", *SUMS)

# Of a coder: METRICS, PROPOSALS, the estimate in femtodollars.
Work = list[int]


def month_of(day: int) -> int:
    """The first day of the month that a day lies in."""
    return day_of(date_of(day).replace(day=1))


def of_day(connection_id: int, day: int) -> dict[int, Work]:
    """What each coder did on a day. Three queries."""
    mine = {"connection_id": connection_id, "day": day}
    found: dict[int, Work] = {}
    for coder, *counts in (
        CodingDay.objects.filter(**mine).values_list("coder_id").annotate(*map(Sum, METRICS))
    ):
        found[coder] = [*counts, 0, 0, 0]
    nothing = [0] * (len(METRICS) + len(PROPOSALS) + 1)
    for coder, taken, refused in (
        CodingTool.objects.filter(**mine).values_list("coder_id").annotate(*map(Sum, PROPOSALS))
    ):
        work = found.setdefault(coder, list(nothing))
        work[-3], work[-2] = taken, refused
    for coder, micros, femtos in (
        CodingModel.objects.filter(**mine).values_list("coder_id").annotate(*map(Sum, ESTIMATE))
    ):
        found.setdefault(coder, list(nothing))[-1] = int(micros) * MICRO + int(femtos)
    return found


def exchange(connection_id: int, day: int, before: Mapping[int, Work]) -> None:
    """Bring the sums up to what the day has now; ``before`` is what it had (``of_day``). In a transaction."""
    after = of_day(connection_id, day)
    changed = [one for one in {**before, **after} if before.get(one) != after.get(one)]
    _months(connection_id, day, {one: (before.get(one), after.get(one)) for one in changed})
    _sums(connection_id, day)
    rosters.exchange(
        connection_id, rosters.DAY, day, {one: (1, work[0]) for one, work in after.items()}
    )


def _months(
    connection_id: int, day: int, changed: Mapping[int, tuple[Work | None, Work | None]]
) -> None:
    month = month_of(day)
    bit = 1 << (day - month)
    held = {
        row[0]: row[1:]
        for row in bulk.select(
            CoderMonth, ("coder_id", "days", *SUMS), connection_id=connection_id, month=month
        )
    }
    rows = []
    for coder, (before, after) in changed.items():
        days, *sums = held.get(coder, (0, *[0] * len(SUMS)))
        work = [*sums[:-2], sums[-2] * MICRO + sums[-1]]
        for side, sign in ((before, -1), (after, 1)):
            if side is not None:
                work = [mine + sign * other for mine, other in zip(work, side, strict=True)]
        days = days & ~bit if after is None else days | bit
        if days:
            first, last = (days & -days).bit_length() - 1, days.bit_length() - 1
            bounds = (month + first, month + last, days.bit_count())
            rows.append(
                (connection_id, month, coder, days, *bounds, *work[:-1], *of_femtos(work[-1]))
            )
    bulk.delete(
        CoderMonth,
        ("connection_id", "month", "coder_id"),
        [(connection_id, month, coder) for coder in changed if coder in held],
    )
    bulk.insert(CoderMonth, MONTH, rows)
    told = {coder: row[:2] for coder, row in held.items() if coder not in changed}
    told |= {row[2]: (row[3], row[7]) for row in rows}
    rosters.exchange(connection_id, rosters.MONTH, month, told)


# By kind: the table, its column, and what is summed of it.
KINDS: dict[str, tuple[type[Any], str, tuple[str, ...]]] = {
    "terminal": (CodingDay, "terminal", METRICS),
    "customer_type": (CodingDay, "customer_type", METRICS),
    "tool": (CodingTool, "tool", PROPOSALS),
    "model": (CodingModel, "model", ESTIMATE),
}


def _sums(connection_id: int, day: int) -> None:
    bulk.delete(
        CodingSum,
        ("connection_id", "kind", "day"),
        [(connection_id, kind, day) for kind in KINDS],
    )
    with database.cursor() as cursor:
        for kind, (model, column, names) in KINDS.items():
            zeros = [name for name in SUMS if name not in names]
            cursor.execute(
                f"INSERT INTO {bulk.table_of(CodingSum)}"  # noqa: S608  # names of our own models
                f" (connection_id, kind, day, value, {', '.join([*names, *zeros])})"
                f" SELECT connection_id, %s, day, {column}"
                f"{''.join(f', SUM({name})' for name in names)}{', 0' * len(zeros)}"
                f" FROM {bulk.table_of(model)} WHERE connection_id = %s AND day = %s"
                f" GROUP BY connection_id, day, {column}",
                [kind, connection_id, day],
            )
