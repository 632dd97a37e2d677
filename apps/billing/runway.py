"""How long the credit lasts: what was charged in the last fourteen whole UTC days, and what follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.utils import timezone

from apps.billing.money import CURRENCY
from apps.organizations.models import Connection
from apps.usage import reads
from apps.usage.models import Report, ReportName

REPORTS = (ReportName.USAGE, ReportName.COSTS)
DAYS = 14
SHORT = 14  # days: less is worth a warning


@dataclass(frozen=True, slots=True)
class Pace:
    """What ``read`` of the last ``DAYS`` days cost, in dollars; the others have not been read (wholly)."""

    spent: Decimal
    read: int
    first: date
    last: date

    @property
    def daily(self) -> Decimal:
        """Dollars a day; 0 where nothing was read."""
        return self.spent / self.read if self.read else Decimal(0)

    def days_left(self, amount: Decimal | None) -> int | None:
        """Whole days that ``amount`` lasts at this pace; None where nobody can tell, 0 below zero."""
        if amount is None or self.daily <= 0:
            return None
        return max(0, int(amount / self.daily))


def paces(connections: Sequence[Connection]) -> Mapping[int, Pace]:
    """The pace of each, by id. Five queries."""
    known = Report.objects.filter(connection__in=connections, name__in=REPORTS)
    begun = set(known.values_list("connection_id", flat=True))
    last = timezone.now().date() - timedelta(days=1)
    first = last - timedelta(days=DAYS - 1)
    found = reads.totals(connections, first, last, ["connection", "day"])
    lacking: dict[int, set[date]] = {one.pk: set() for one in connections}
    for hole in found.coverage.holes:
        days = (hole.last - hole.first).days + 1
        lacking[hole.connection.pk] |= {hole.first + timedelta(days=at) for at in range(days)}
    told: dict[int, Pace] = {}
    for one in connections:
        lacks = lacking[one.pk]
        spent = sum(
            (
                row.cost
                for row in found.rows
                if row.group["connection"] == one.pk
                and row.currency == CURRENCY
                and row.group["day"] not in lacks
            ),
            Decimal(0),
        )
        told[one.pk] = Pace(spent, DAYS - len(lacks) if one.pk in begun else 0, first, last)
    return told
