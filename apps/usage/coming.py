"""What this month, or another running period, will come to, read for ``forecast.py`` and said in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.organizations.models import Connection
from apps.ui import amounts
from apps.usage import reads
from apps.usage.days import HOURS, date_of, day_of
from apps.usage.forecast import Forecast, forecast, month_of
from apps.usage.known import Known, known_days, known_days_of_each
from apps.usage.question import utc_today
from apps.usage.rows import Row
from apps.usage.usual import MILLION, WINDOW


@dataclass(frozen=True, slots=True)
class Coming:
    """The end of a month or period: an estimate, in ``currency``. ``so_far`` is exact."""

    told: Forecast
    so_far: Decimal
    currency: str

    def _with(self, rest: int) -> Decimal:
        """``so_far`` and ``rest`` millionths."""
        return self.so_far + Decimal(rest) / MILLION

    @property
    def amount(self) -> Decimal:
        """What it should come to."""
        return self._with(self.told.rest)

    @property
    def lowest(self) -> Decimal:
        """The lower end of the band."""
        return self._with(self.told.low - self.told.so_far)

    @property
    def highest(self) -> Decimal:
        """The upper end of the band."""
        return self._with(self.told.high - self.told.so_far)

    @property
    def total(self) -> str:
        """ "$12,340"."""
        return amounts.whole(self.amount, self.currency)

    @property
    def low(self) -> str:
        """The lower end in words."""
        return amounts.whole(self.lowest, self.currency)

    @property
    def high(self) -> str:
        """The upper end in words."""
        return amounts.whole(self.highest, self.currency)

    @property
    def month(self) -> str:
        """ "30 November"."""
        return date_format(date_of(self.told.last), "j F")

    @property
    def short(self) -> str:
        """In half a sentence."""
        return _("≈ %(total)s by %(end)s (%(low)s to %(high)s)") % {
            "total": self.total,
            "low": self.low,
            "high": self.high,
            "end": date_format(date_of(self.told.last), "j M"),
        }

    @property
    def basis(self) -> str:
        """What it rests on."""
        told = self.told
        found = ngettext(
            "An estimate: the exact sum so far, and what is usual of the days to come by %(n)s day before.",
            "An estimate: the exact sum so far, and what is usual of the days to come by %(n)s days before.",
            told.days,
        ) % {"n": told.days}
        if told.by_weekday:
            found += " " + _("Weekdays are told apart.")
        if told.unread:
            found += " " + ngettext(
                "%(n)s day that is not read yet is estimated too.",
                "%(n)s days that are not read yet are estimated too.",
                told.unread,
            ) % {"n": told.unread}
        return found


def first_needed(begin: date | None = None) -> date:
    """The first UTC day that a forecast looks at: of this month, or of a period that began on ``begin``."""
    return min(begin or utc_today().replace(day=1), utc_today() - timedelta(days=WINDOW))


def coming(
    connections: Sequence[Connection], filters: Mapping[str, Sequence[Any]], currency: str
) -> Coming | None:
    """This month's end of what ``filters`` let through; None where too little is read. Three queries."""
    rows = reads.sums(connections, first_needed(), utc_today(), ["day"], filters)
    return of_rows(connections, rows, currency)


def of_rows(
    connections: Sequence[Connection],
    rows: Iterable[Row],
    currency: str,
    period: tuple[date, date] | None = None,
) -> Coming | None:
    """The same of rows by day that reach back to ``first_needed()``, or, of a ``period`` that lasts, to
    ``first_needed(its first day)``. Two queries."""
    begin = first_needed(period[0]) if period else first_needed()
    read = known_days(connections, day_of(begin), day_of(utc_today()))
    return _coming(rows, read, currency, period)


def of_each(
    connections: Sequence[Connection], rows: Iterable[Row]
) -> dict[tuple[int, str], Coming]:
    """That of each connection, in each currency, by its id and the currency; without those of which too
    little is read. ``rows`` are by connection and day, and reach back as far. Two queries.

    Each is an estimate of its own: they need not add up to the one of all.
    """
    read = known_days_of_each(connections, day_of(first_needed()), day_of(utc_today()))
    apart: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        apart.setdefault((row.group["connection"], row.currency), []).append(row)
    found = {
        (pk, currency): _coming(own, read[pk], currency) for (pk, currency), own in apart.items()
    }
    return {place: one for place, one in found.items() if one is not None}


def _coming(
    rows: Iterable[Row], read: Known, currency: str, period: tuple[date, date] | None = None
) -> Coming | None:
    today = day_of(utc_today())
    first, last = (day_of(period[0]), day_of(period[1])) if period else month_of(today)
    exact: dict[int, Decimal] = {}
    for row in rows:
        if row.currency == currency:
            day = day_of(row.group["day"])
            exact[day] = exact.get(day, Decimal(0)) + row.cost
    hours = read.hours.get(today, 0)
    told = forecast(
        {day: int(amount * MILLION) for day, amount in exact.items()},
        read.whole,
        today,
        left_today=(HOURS - hours) * MILLION // HOURS,
        period=(first, last),
    )
    if told is None or not told.total:
        return None
    counted = [day for day in exact if first <= day <= today]
    counted = [day for day in counted if day == today or day in read.whole]
    return Coming(told, sum((exact[day] for day in counted), Decimal(0)), currency)
