"""The credit over time, as it was mirrored."""

from collections.abc import Sequence
from datetime import date

from django.db.models import Max
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from apps.billing.models import CreditPoint
from apps.billing.money import CURRENCY, of_micros
from apps.billing.words import usd
from apps.organizations.models import Connection
from apps.ui.charts import Chart, Series
from apps.usage.days import date_of, day_of

DAYS = 90


def charts(connections: Sequence[Connection]) -> dict[int, Chart]:
    """What was left at the end of each UTC day of the last ``DAYS``, by connection. Two queries.

    A day on which it did not change has what was left before; days before the first look have nothing.
    """
    today = day_of(timezone.now())
    first = today - DAYS + 1
    ids = [one.pk for one in connections]
    points = CreditPoint.objects.filter(connection__in=ids)
    before = points.filter(day__lt=first).order_by().values("connection_id")
    within = points.filter(day__gte=first).order_by().values("connection_id", "day")
    chosen = [
        *before.annotate(last=Max("id")).values_list("last", flat=True),
        *within.annotate(last=Max("id")).values_list("last", flat=True),
    ]
    found: dict[int, dict[int, int]] = {pk: {} for pk in ids}
    for point in CreditPoint.objects.filter(pk__in=chosen):
        found[point.connection_id][max(point.day, first - 1)] = point.micros
    return {
        one.pk: _chart(one, found[one.pk], first, today) for one in connections if found[one.pk]
    }


def _chart(connection: Connection, closing: dict[int, int], first: int, today: int) -> Chart:
    begin = max(first, min(closing))
    days: list[date] = []
    left: list[int] = []
    held = closing.get(first - 1, 0)
    for day in range(begin, today + 1):
        held = closing.get(day, held)
        days.append(date_of(day))
        left.append(held)
    amounts = [of_micros(one) for one in left]
    name = _("Credit left")
    return Chart(
        name=f"credit-{connection.pk}",
        title=_("Credit at the end of each day, as it was read"),
        labels=[date_format(day, "j M") for day in days],
        titles=[date_format(day, "j M Y") for day in days],
        series=[Series(name, amounts, [usd(one) for one in amounts], line=True)],
        unit=CURRENCY,
        label_head=_("Day (UTC)"),
    )


def around(connection: Connection, at: object) -> tuple[CreditPoint | None, CreditPoint | None]:
    """What was known to be left before a time, and first known after it. Two queries."""
    points = CreditPoint.objects.filter(connection=connection)
    before = points.filter(at__lte=at).order_by("-at", "-pk").first()
    after = points.filter(at__gt=at).order_by("at", "pk").first()
    return before, after
