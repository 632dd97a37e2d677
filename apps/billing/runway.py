"""How long the credit lasts: what was charged in the last fourteen whole UTC days, and what follows from it.

Of a provider that tells no charges by day it is what the credit fell by, from look to look.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from django.db.models import Max
from django.utils import timezone

from apps.billing.mirror import CREDIT
from apps.billing.models import CreditPoint
from apps.billing.money import CURRENCY, of_micros
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.sync.models import Resource
from apps.usage import reads
from apps.usage.days import day_of
from apps.usage.models import Report, ReportName

REPORTS = (ReportName.USAGE, ReportName.COSTS)
DAYS = 14
SHORT = 14  # days: less is worth a warning


@dataclass(frozen=True, slots=True)
class Pace:
    """What ``read`` of the last ``DAYS`` days cost, in dollars; the others have not been read (wholly).

    ``as_it_fell``: that is what the credit fell by. What was used while it rose is not in it.
    """

    spent: Decimal
    read: int
    first: date
    last: date
    as_it_fell: bool = False

    @property
    def unread(self) -> int:
        """Days of it that have not been read."""
        return DAYS - self.read

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
    """The pace of each, by id. Five queries, and three where the credit itself has to tell."""
    last = timezone.now().date() - timedelta(days=1)
    first = last - timedelta(days=DAYS - 1)
    charged = [one for one in connections if PROVIDERS[one.provider].daily_charges]
    others = [one.pk for one in connections if one not in charged]
    told = _by_charges(charged, first, last) if charged or not others else {}
    return told | (_by_credit(others, first, last) if others else {})


def _by_charges(connections: Sequence[Connection], first: date, last: date) -> dict[int, Pace]:
    known = Report.objects.filter(connection__in=connections, name__in=REPORTS)
    begun = set(known.values_list("connection_id", flat=True))
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


def _by_credit(connections: Sequence[int], first: date, last: date) -> dict[int, Pace]:
    """Days are counted from the first whole one on which the credit was looked at to the last one that it was
    read after: one that nobody looked at is no day without use."""
    begin, end = day_of(first), day_of(last)
    points = CreditPoint.objects.filter(connection__in=connections, day__lte=end)
    before = points.filter(day__lt=begin).order_by().values("connection_id")
    held = before.annotate(last=Max("id")).values("last")
    rows = points.filter(day__gte=begin) | points.filter(pk__in=held)
    found: dict[int, list[CreditPoint]] = {pk: [] for pk in connections}
    for row in rows.order_by("at", "pk"):
        found[row.connection_id].append(row)
    walks = Resource.objects.filter(connection__in=connections, name=CREDIT.name)
    read_at = dict(walks.values_list("connection_id", "completed_at"))
    told = {}
    for pk, looks in found.items():
        whole = max(begin, looks[0].day + 1) if looks else end + 1
        seen = read_at.get(pk)
        until = min(end, day_of(seen) - 1) if seen else begin - 1
        fell = sum(
            max(0, one.micros - following.micros)
            for one, following in pairwise(looks)
            if whole <= following.day <= until
        )
        spent = of_micros(fell) or Decimal(0)
        told[pk] = Pace(spent, max(0, until + 1 - whole), first, last, as_it_fell=True)
    return told
