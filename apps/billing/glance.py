"""Spend at a glance: this month, last month and what this one will come to, by provider and connection.

What is spent is what was used, once: at a provider that sells credit what was charged against it, at any
other what it bills. Credit that is bought is no spending; it is spent when it is used. Months and days are
UTC. Every sum here is made of the same exact amounts, and rounded when it is written down and not before.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Sum
from django.utils.translation import gettext as _

from apps.billing.charged import lacking, tellers, why_untold
from apps.billing.models import Credit, Payment, Subscription
from apps.billing.money import CURRENCY, of_micros
from apps.billing.runway import Pace, paces
from apps.billing.sellers import sells, why_not
from apps.billing.words import trimmed
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.ui import amounts, export
from apps.usage import reads
from apps.usage.coming import Coming, first_needed, of_each, of_rows
from apps.usage.coverage import Coverage, coverage_of
from apps.usage.days import date_of, day_of, midnight
from apps.usage.question import utc_today
from apps.usage.rows import Row

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Months:
    """The days that are looked at; ``same`` is the last of last month's days that this one has had too."""

    today: date
    first: date
    before: date
    same: date

    @property
    def end_of_last(self) -> date:
        """Last month's last day."""
        return self.first - timedelta(days=1)


def months(today: date) -> Months:
    """This UTC month and the one before, as of ``today``."""
    first = today.replace(day=1)
    before = (first - timedelta(days=1)).replace(day=1)
    same = min(first - timedelta(days=1), before + timedelta(days=(today - first).days))
    return Months(today, first, before, same)


@dataclass(slots=True)
class Sums:
    """Money of both months in one currency, each with the number of its days that are not (wholly) read.

    ``same``: of last month's same days alone; None where one of them is not read. ``…_told``: whether
    anything is known of that month at all; without, its sum is no zero.
    """

    currency: str = CURRENCY
    this: Decimal = NOTHING
    last: Decimal = NOTHING
    same: Decimal | None = NOTHING
    unread_this: int = 0
    unread_last: int = 0
    this_told: bool = False
    last_told: bool = False

    @property
    def this_shown(self) -> str:
        """This month so far, in words."""
        return _shown(self.this, self.currency, self.unread_this, told=self.this_told)

    @property
    def last_shown(self) -> str:
        """Last month, in words."""
        return _shown(self.last, self.currency, self.unread_last, told=self.last_told)

    @property
    def change(self) -> str:
        """This month against the same days of the last; "" where that says nothing."""
        if not self.same or self.unread_this or not self.this_told:
            return ""
        return amounts.change(self.this, self.same)

    def add(self, other: "Sums") -> None:
        """Take another's money in; a day that lacks anywhere lacks here."""
        self.this += other.this
        self.last += other.last
        self.same = None if None in (self.same, other.same) else self.same + other.same  # type: ignore[operator]  # neither is None
        self.unread_this = max(self.unread_this, other.unread_this)
        self.unread_last = max(self.unread_last, other.unread_last)
        self.this_told = self.this_told or other.this_told
        self.last_told = self.last_told or other.last_told


def _shown(amount: Decimal, currency: str, unread: int, *, told: bool) -> str:
    """ "$1,234.56"; "≥ $1,234.56" where days are not read yet; "–" where nothing is known."""
    if not told:
        return "–"
    words = amounts.money(amount, currency)
    return f"≥ {words}" if unread else words


@dataclass(slots=True)
class Spent(Sums):
    """What one connection has spent, in one currency. ``why``: why nothing is told, "" where something is.

    ``credit`` and ``pace`` where its provider sells credit, on the line in whose currency that is.
    """

    connection: Connection = field(kw_only=True)
    prepaid: bool = False
    coming: Coming | None = None
    credit: Credit | None = None
    pace: Pace | None = None
    why: str = ""

    @property
    def days_left(self) -> int | None:
        """Whole days that the credit lasts; None where nobody can tell, or there is none."""
        if self.pace is None or self.credit is None or not self.pace.read:
            return None
        return self.pace.days_left(self.credit.amount)


@dataclass(slots=True)
class Group:
    """The connections of one provider in one currency, and their sum."""

    provider: str
    label: str
    lines: list[Spent]
    sums: Sums


@dataclass(slots=True)
class Whole(Sums):
    """All spending in one currency; ``prepaid`` and ``metered`` are its two parts."""

    prepaid: Sums = field(default_factory=Sums)
    metered: Sums = field(default_factory=Sums)
    coming: Coming | None = None

    @property
    def is_split(self) -> bool:
        """Whether both parts have something in them."""
        parts = (self.prepaid, self.metered)
        return all(one.this or one.last for one in parts)


@dataclass(frozen=True, slots=True)
class Bought:
    """Credit that was bought this month, in dollars: how many completed payments, what they cost, what
    they brought. It is in no sum of spending."""

    payments: int
    charged: Decimal
    credits: Decimal


@dataclass(slots=True)
class Glance:
    """Everything that the page says. ``wholes``: a currency each, the one with the most money first."""

    months: Months
    lines: list[Spent]
    wholes: list[Whole]
    bought: Bought
    plans: list[Subscription]
    coverage: Coverage
    connections: list[Connection]

    @property
    def groups(self) -> list[Group]:
        """The lines by provider and currency, in the order of the lines."""
        found: dict[tuple[str, str], list[Spent]] = {}
        for line in self.lines:
            found.setdefault((line.connection.provider, line.currency), []).append(line)
        return [
            Group(provider, _label(provider), lines, added(lines, currency))
            for (provider, currency), lines in found.items()
        ]

    @property
    def credit(self) -> Decimal | None:
        """What is left of credit everywhere, in dollars; None where it is not known anywhere."""
        amounts = [line.credit.amount for line in self.lines if line.credit]
        return sum((one for one in amounts if one is not None), NOTHING) if amounts else None

    @property
    def sells(self) -> int:
        """How many lines have credit to them."""
        return sum(line.prepaid and line.pace is not None for line in self.lines)

    @property
    def scarcest(self) -> Spent | None:
        """The line whose credit runs out first."""
        told = [line for line in self.lines if line.days_left is not None]
        return min(told, key=lambda line: line.days_left or 0, default=None)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been read of any connection."""
        return all(line.why for line in self.lines)


def _label(provider: str) -> str:
    return str(PROVIDERS[provider].label) if provider in PROVIDERS else provider


def added(lines: Iterable[Sums], currency: str) -> Sums:
    """The sum of lines of one currency."""
    total = Sums(currency)
    for line in lines:
        total.add(line)
    return total


def whole_of(lines: Sequence[Spent], currency: str) -> Whole:
    """All lines of one currency, and their two parts, which sum up to it."""
    mine = [line for line in lines if line.currency == currency]
    whole = Whole(currency)
    for line in mine:
        whole.add(line)
    whole.prepaid = added((line for line in mine if line.prepaid), currency)
    whole.metered = added((line for line in mine if not line.prepaid), currency)
    return whole


# --- Reading --------------------------------------------------------------------------------------


def at_a_glance(connections: Sequence[Connection]) -> Glance:
    """The answer for ``connections``, which the caller took from ``reads.connections_of``. A fixed number
    of queries, however many they are; two more for each further currency."""
    span = months(utc_today())
    rows = reads.sums(
        connections, min(span.before, first_needed()), span.today, ["connection", "day"]
    )
    coverage = coverage_of(connections, span.before, span.today)
    lines = list(_lines(connections, rows, coverage, span))
    currencies = {line.currency for line in lines} or {CURRENCY}
    wholes = [whole_of(lines, currency) for currency in currencies]
    wholes.sort(key=lambda one: (-(abs(one.this) + abs(one.last)), one.currency))
    for whole in wholes:
        whole.coming = of_rows(connections, rows, whole.currency)
    sellers = [one for one in connections if sells(one)]
    live = [one for one in sellers if one.state != Connection.State.DISCONNECTED]
    _add_credit(lines, live)
    present = Subscription.objects.filter(connection__in=live, gone_at__isnull=True)
    return Glance(
        months=span,
        lines=lines,
        wholes=wholes,
        bought=_bought(sellers, span),
        plans=list(present.select_related("connection").order_by("connection__name", "pk")),
        coverage=coverage,
        connections=list(connections),
    )


def _lines(
    connections: Sequence[Connection], rows: Sequence[Row], coverage: Coverage, span: Months
) -> Iterator[Spent]:
    """One for each connection and currency, by provider and name; of those that are disconnected only
    where something was spent."""
    begun = tellers(connections)
    forecasts = of_each(connections, rows)
    unread = lacking(coverage)
    by_place: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        by_place.setdefault((row.group["connection"], row.currency), []).append(row)
    for one in sorted(connections, key=lambda one: (_label(one.provider), one.name, one.pk)):
        lacks = unread.get(one.pk, set()) | _before(begun.get(one.pk), span)
        spent = {
            currency: _sums(own, currency, lacks, span)
            for (pk, currency), own in by_place.items()
            if pk == one.pk
        }
        told = [c for c in sorted(spent) if spent[c].this or spent[c].last]
        if one.state == Connection.State.DISCONNECTED and not told:
            continue
        known = bool(told) or one.pk in begun
        why, silent = ("", False) if known else _why_nothing(one, coverage)
        for currency in told or [CURRENCY]:
            sums = spent.get(currency) or _sums([], currency, lacks, span)
            if why:
                sums.this_told = sums.last_told = False
            if why and not silent:
                sums.unread_this = (span.today - span.first).days + 1
                sums.unread_last = (span.end_of_last - span.before).days + 1
            yield Spent(
                **asdict(sums),
                connection=one,
                prepaid=sells(one),
                coming=forecasts.get((one.pk, currency)),
                why=why,
            )


def _before(earliest: int | None, span: Months) -> set[date]:
    """The days of both months that lie before the first one that is to be read at all."""
    if earliest is None:
        return set()
    days = range(day_of(span.before), min(earliest, day_of(span.today) + 1))
    return {date_of(day) for day in days}


def _why_nothing(connection: Connection, coverage: Coverage) -> tuple[str, bool]:
    """Why nothing is told of its money, and whether that stays so: the key may not read it."""
    reasons = [why_untold(connection)]
    reasons += [one.cannot for one in coverage.left if one.connection.pk == connection.pk]
    found = next(filter(None, reasons), "")
    return found or _("Not read yet."), bool(found)


def _sums(rows: Iterable[Row], currency: str, lacks: set[date], span: Months) -> Sums:
    found = Sums(currency)
    same = NOTHING
    for row in rows:
        day = row.group["day"]
        if day >= span.first:
            found.this += row.cost
        elif day >= span.before:
            found.last += row.cost
            same += row.cost if day <= span.same else NOTHING
    found.unread_this = sum(span.first <= day <= span.today for day in lacks)
    found.unread_last = sum(span.before <= day < span.first for day in lacks)
    found.this_told = bool(found.this) or found.unread_this <= (span.today - span.first).days
    found.last_told = bool(found.last) or found.unread_last <= (span.end_of_last - span.before).days
    found.same = None if any(span.before <= day <= span.same for day in lacks) else same
    return found


def _add_credit(lines: Sequence[Spent], sellers: Sequence[Connection]) -> None:
    """Give the lines of ``sellers`` what is left and how fast it goes."""
    if not sellers:
        return
    present = Credit.objects.filter(connection__in=sellers, gone_at__isnull=True)
    left = {row.connection_id: row for row in present}
    told = paces(sellers)
    for line in lines:
        pk = line.connection.pk
        if line.prepaid and line.currency == CURRENCY:
            line.credit, line.pace = left.get(pk), told.get(pk)


def no_credit(line: Spent) -> str:
    """Why nothing is told of a line's credit."""
    if line.connection.state == Connection.State.DISCONNECTED:
        return str(_("Disconnected."))
    why = "" if line.connection.can("credit.read") else why_not(line.connection, "credit.read")
    return why or str(_("Not read yet."))


def _bought(sellers: Sequence[Connection], span: Months) -> Bought:
    paid = Payment.objects.filter(
        connection__in=sellers, status="completed", at__gte=midnight(day_of(span.first))
    )
    found = paid.aggregate(n=Count("pk"), a=Sum("amount_micros"), c=Sum("credits_micros"))
    charged, credits_ = of_micros(found["a"] or 0), of_micros(found["c"] or 0)
    return Bought(found["n"], charged or NOTHING, credits_ or NOTHING)


# --- As a file ------------------------------------------------------------------------------------


def table(glance: Glance) -> Iterator[list[Any]]:
    """The heading, then a line for each connection and currency; amounts to the last digit. No total: it
    would be summed up along with the rest."""
    yield [
        _("Provider"),
        _("Connection"),
        _("Paid"),
        _("Currency"),
        _("This month so far (from %(day)s)") % {"day": glance.months.first.isoformat()},
        _("Days not read"),
        _("Last month (from %(day)s)") % {"day": glance.months.before.isoformat()},
        _("Days not read, last month"),
        _("Forecast of this month"),
        _("Credit left"),
        _("Credit lasts, days"),
        _("Note"),
    ]
    for line in glance.lines:
        cells: list[Any] = [
            _label(line.connection.provider),
            line.connection.name,
            _("from credit") if line.prepaid else _("metered"),
            line.currency,
            trimmed(line.this) if line.this_told else None,
            line.unread_this,
            trimmed(line.last) if line.last_told else None,
            line.unread_last,
            trimmed(line.coming.amount if line.coming else None),
            trimmed(line.credit.amount if line.credit else None),
            line.days_left,
            line.why,
        ]
        yield [export.safe(cell) for cell in cells]
