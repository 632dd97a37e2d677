"""Money: what a provider says a day cost, by the dimensions it says it for."""

from collections.abc import Callable, Iterable
from datetime import datetime

from django.db import transaction

from apps.providers.records.reports import CostBucket, CostRow
from apps.usage import blocks, bulk, ledger, rollups
from apps.usage.days import HOURS, day_of
from apps.usage.dimensions import Dimensions
from apps.usage.models import Cost, ReadDay, Report
from apps.usage.money import in_femtos, of_femtos
from apps.usage.tuples import COLUMNS, NOT_ASKED, UNTOLD, Tuple, value_of

# Columns of ours that grouping by a field of CostRow fills, and where they stand in it.
GROUPED = {
    "workspace_id": {"workspace": "workspace_id"},
    "description": {
        "model": "model",
        "service_tier": "service_tier",
        "context_window": "context_window",
        "geo": "inference_geo",
        "cost_type": "cost_type",
        "token_type": "token_type",
        "description": "description",
    },
}
COST = ("connection_id", "day", "dimension_id", *rollups.COST_MONEY)


def tuple_of(row: CostRow, group_by: Iterable[str]) -> Tuple:
    """What tells a line from others."""
    told = {
        name: value_of(getattr(row, field))
        for group in group_by
        for name, field in GROUPED[group].items()
    }
    told["currency"] = row.currency
    return tuple(told.get(name, UNTOLD if name == "operation" else NOT_ASKED) for name in COLUMNS)


class CostDays:
    """What the pages of one stretch of time say, by day, until it is written."""

    def __init__(self, dimensions: Dimensions, group_by: tuple[str, ...]) -> None:
        self.dimensions, self.group_by = dimensions, group_by
        self.days: dict[int, rollups.Costs] = {}
        self.unreadable: dict[int, int] = {}

    def take(self, bucket: CostBucket) -> None:
        """Take in a whole day; one that comes again is the same."""
        day = day_of(bucket.starts_at)
        tuples = [tuple_of(row, self.group_by) for row in bucket.rows]
        ids = self.dimensions.ids(tuples)
        found: rollups.Costs = {}
        for row, one in zip(bucket.rows, tuples, strict=True):
            place = ids[one]
            found[place] = (found.get(place, (0, None))[0] + in_femtos(row.amount), None)
        self.days[day] = found
        self.unreadable[day] = len(bucket.unreadable) + sum(
            bool(row.missing) for row in bucket.rows
        )


def exchange(
    report: Report, day: int, costs: rollups.Costs, known: ReadDay | None, now: datetime
) -> None:
    """Put ``costs`` in the place of the day's, and note what had been told otherwise. In a transaction."""
    owner = report.connection_id
    old = rollups.costs_of(owner, day)
    if ledger.told_whole(known, hourly=False) > day * HOURS:
        difference = ledger.Difference()
        differing = [one for one in {**old, **costs} if old.get(one) != costs.get(one)]
        difference.rows = len(differing)
        for side, values in ((difference.before, old), (difference.after, costs)):
            for one in differing:
                difference.count(side, ("billed", "listed"), values.get(one, (0, None)))
        difference.note(report, day, now, "USD")
    if old != costs:
        bulk.delete(Cost, ("connection_id", "day"), [(owner, day)])
        bulk.insert(
            Cost,
            COST,
            [
                (owner, day, one, *of_femtos(billed), *_told(listed))
                for one, (billed, listed) in sorted(costs.items())
            ],
        )


def _told(listed: int | None) -> tuple[int | None, int | None]:
    return (None, None) if listed is None else of_femtos(listed)


def write(
    report: Report,
    dimensions: Dimensions,
    hold: Callable[[], None],
    day: int,
    days: CostDays,
    known: ReadDay | None,
    now: datetime,
    dropped: Iterable[str],
) -> int:
    """Exchange one day of a costs' report, and its rollups; the number of lines."""
    costs = days.days.get(day, {})
    dimensions.cubes(list(costs))
    with transaction.atomic(durable=True):
        hold()
        blocks.lock(report.connection_id)
        exchange(report, day, costs, known, now)
        counts = rollups.counts_of(report.connection_id, day)
        rolled = rollups.DayOfRollups(dimensions, day)
        rolled.write(rolled.sums(counts, costs))
        ledger.mark(
            report,
            day,
            now,
            rows=len(costs),
            unreadable=days.unreadable.get(day, 0),
            dropped=dropped,
        )
    return len(costs)
