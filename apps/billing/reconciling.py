"""Reconciliation: whether what came in and went out is what became of the credit, and what could explain
where it is not; and whether what usage was shared out to is what the cost report says, day by day.

Days are UTC. Everything is exact: the lines of a statement and its difference always sum up to the credit
at its end. Nothing is ever put right silently.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from django.db.models import Q, Sum
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.billing import history
from apps.billing.charged import lacking, tellers, why_untold
from apps.billing.models import CreditPoint, Payment, Promotion
from apps.billing.money import CURRENCY
from apps.billing.sellers import sells
from apps.organizations.models import Connection
from apps.providers.records.billing import SETTLED
from apps.usage import money, reads
from apps.usage.coverage import Coverage, coverage_of
from apps.usage.days import date_of, day_of, midnight
from apps.usage.models import Cost, ReadDay

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Point:
    """Credit in dollars as it was found at ``at``, and stayed until the next look that found another."""

    at: datetime
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that could explain a difference, of at most ``most`` dollars; None: nobody can tell."""

    words: str
    most: Decimal | None = None


@dataclass(slots=True)
class Statement:
    """One account's credit over a period. Without ``opening`` or ``closing`` nothing can be reckoned.

    ``payments`` are those that brought credit, ``promotions`` those that were given, ``days`` what was
    charged on each day, all after ``since``; amounts are dollars and positive for what they are.
    """

    connection: Connection
    opening: Point | None = None
    closing: Point | None = None
    since: datetime | None = None
    payments: list[Payment] = field(default_factory=list)
    promotions: list[Promotion] = field(default_factory=list)
    days: dict[date, Decimal] = field(default_factory=dict)
    causes: list[Cause] = field(default_factory=list)
    why: str = ""

    @property
    def paid(self) -> Decimal:
        """Credit that payments brought."""
        return sum((one.credits or NOTHING for one in self.payments), NOTHING)

    @property
    def given(self) -> Decimal:
        """Credit that was given."""
        return sum((one.credits or NOTHING for one in self.promotions), NOTHING)

    @property
    def charged(self) -> Decimal:
        """What was used."""
        return sum(self.days.values(), NOTHING)

    @property
    def expected(self) -> Decimal | None:
        """What should be left at the end."""
        if self.opening is None:
            return None
        return self.opening.amount + self.paid + self.given - self.charged

    @property
    def difference(self) -> Decimal | None:
        """What is left more than that; below zero: less."""
        if self.closing is None or self.expected is None:
            return None
        return self.closing.amount - self.expected

    @property
    def verdict(self) -> str:
        """ "none" (nothing to reckon with), "even", "explained", "unknown" or "unexplained"."""
        return verdict(self.difference, self.causes)


def verdict(difference: Decimal | None, causes: Iterable[Cause]) -> str:
    """What to make of a difference: "explained" where all that is known could make up for it, "unknown"
    where something could of which nobody can tell how much it is."""
    if difference is None:
        return "none"
    if not difference:
        return "even"
    known = list(causes)
    if abs(difference) <= sum((one.most or NOTHING for one in known), NOTHING):
        return "explained"
    return "unknown" if any(one.most is None for one in known) else "unexplained"


@dataclass(frozen=True, slots=True)
class Day:
    """One UTC day: what usage was shared out, and what the cost report says."""

    day: date
    shared: Decimal
    billed: Decimal

    @property
    def difference(self) -> Decimal:
        """What was shared out too much."""
        return self.shared - self.billed


@dataclass(slots=True)
class Comparison:
    """A metered account in one currency, day by day; ``unread``: days that are in neither."""

    connection: Connection
    currency: str = CURRENCY
    days: list[Day] = field(default_factory=list)
    unread: int = 0
    why: str = ""

    @property
    def shared(self) -> Decimal:
        """The sum of what was shared out."""
        return sum((one.shared for one in self.days), NOTHING)

    @property
    def billed(self) -> Decimal:
        """The sum of the cost report."""
        return sum((one.billed for one in self.days), NOTHING)

    @property
    def difference(self) -> Decimal:
        """What was shared out too much, over all days."""
        return self.shared - self.billed

    @property
    def differing(self) -> list[Day]:
        """The days on which the two are not the same."""
        return [one for one in self.days if one.difference]

    @property
    def verdict(self) -> str:
        """ "none", "even" or "unexplained"."""
        if self.why:
            return "none"
        return "unexplained" if self.differing else "even"


@dataclass(slots=True)
class Reconciliation:
    """The UTC days ``first`` to ``last``, both included."""

    first: date
    last: date
    statements: list[Statement]
    comparisons: list[Comparison]
    coverage: Coverage


def reconcile(connections: Sequence[Connection], first: date, last: date) -> Reconciliation:
    """The answer for ``connections``, which the caller took from ``reads.connections_of``. Seven queries,
    and six for each that sells credit."""
    rows = reads.sums(connections, first, last, ["connection", "day"])
    coverage = coverage_of(connections, first, last)
    begun = tellers(connections)
    unread = lacking(coverage)
    spent: dict[int, dict[str, dict[date, Decimal]]] = {one.pk: {} for one in connections}
    for row in rows:
        days = spent[row.group["connection"]].setdefault(row.currency, {})
        day = row.group["day"]
        days[day] = days.get(day, NOTHING) + row.cost
    sellers = [one for one in connections if sells(one)]
    late = _late(sellers, first, last)
    found = Reconciliation(first, last, [], [], coverage)
    for one in sellers:
        lacks = _lacks(unread.get(one.pk, set()), begun.get(one.pk), first, last)
        used = spent[one.pk].get(CURRENCY, {})
        period = _Period(one, first, last, used, lacks, late.get(one.pk))
        found.statements.append(period.statement(_left_out(coverage, one)))
    metered = [one for one in connections if not sells(one)]
    billed = _billed(metered, first, last)
    for one in metered:
        lacks = _lacks(unread.get(one.pk, set()), begun.get(one.pk), first, last)
        shared = {} if one.pk not in begun else spent[one.pk]
        found.comparisons += _compared(one, shared, billed.get(one.pk, {}), lacks, coverage)
    return found


def _lacks(unread: set[date], earliest: int | None, first: date, last: date) -> set[date]:
    """The days of the period that are not (wholly) read, those before the first to be read among them."""
    begin, end = day_of(first), day_of(min(last, timezone.now().date()))
    before = range(begin, end + 1 if earliest is None else min(earliest, end + 1))
    return unread | {date_of(day) for day in before}


def _left_out(coverage: Coverage, connection: Connection) -> int:
    return sum(one.unreadable for one in coverage.left if one.connection.pk == connection.pk)


def _late(connections: Sequence[Connection], first: date, last: date) -> dict[int, int]:
    """The first day of the period that may still change, by connection id. One query."""
    rows = ReadDay.objects.filter(
        connection__in=connections, settled=False, day__range=(day_of(first), day_of(last))
    )
    found: dict[int, int] = {}
    for pk, day in rows.values_list("connection_id", "day"):
        found[pk] = min(day, found.get(pk, day))
    return found


# --- Credit that is bought ahead ------------------------------------------------------------------


class _Period:
    """The period of one account that sells credit."""

    def __init__(
        self,
        connection: Connection,
        first: date,
        last: date,
        used: dict[date, Decimal],
        lacks: set[date],
        late: int | None,
    ) -> None:
        self.connection, self.used, self.lacks, self.late = connection, used, lacks, late
        self.begin = midnight(day_of(first))
        self.end = min(midnight(day_of(last) + 1), timezone.now())
        self.causes: list[Cause] = []

    def statement(self, unreadable: int) -> Statement:
        """All of it. Six queries."""
        before, after = history.around(self.connection, self.begin)
        closing, beyond = history.around(self.connection, self.end)
        made = Statement(self.connection, why=why_untold(self.connection))
        if made.why:
            return made
        opening = before or after
        if closing is None or opening is None or opening.at > closing.at:
            made.why = _(
                "Its credit has not been read in this period. A point of credit is kept each time it is "
                "found changed; what was before the first look is not known."
            )
            return made
        made.opening, made.closing = _point(opening), _point(closing)
        since = made.since = max(self.begin, opening.at)
        made.days = {day: amount for day, amount in sorted(self.used.items()) if day >= _day(since)}
        reach = [self.begin, self.end] + [one.at for one in (before, beyond, after) if one]
        paid = self._payments(min(reach), max(reach))
        completed = [one for one in paid if one.status == "completed"]
        made.payments = [one for one in completed if self._within(one.at, since)]
        promotions = list(Promotion.objects.filter(connection=self.connection).order_by("pk"))
        made.promotions = [one for one in promotions if self._within(one.created_at, since)]
        told = [
            *((one.at, one.credits) for one in completed),
            *((one.created_at, one.credits) for one in promotions),
        ]
        came = [(when, amount) for when, amount in told if when and amount]
        if before is None:
            self._begun_within(since)
        else:
            self._edge(self.begin, before, after, came)
        self._edge(self.end, closing, beyond, came)
        self._of_usage(made.days, since, unreadable)
        self._of_payments([one for one in paid if one.at is None or one.at >= since], made.payments)
        self._of_refunds(paid, since)
        self._of_promotions(promotions, since)
        made.causes = self.causes
        return made

    def _within(self, at: datetime | None, since: datetime) -> bool:
        return at is not None and since <= at < self.end

    def _payments(self, first: datetime, last: datetime) -> list[Payment]:
        """Those of the period and around its ends, and those that changed in it."""
        rows = Payment.objects.filter(connection=self.connection)
        around = Q(at__gte=first, at__lte=last)
        changed = Q(status="refunded", changed_at__gte=self.begin, changed_at__lt=self.end)
        return list(rows.filter(around | changed).order_by("at", "pk"))

    # --- What could explain a difference ------------------------------------------------------------

    def _begun_within(self, since: datetime) -> None:
        day = _day(since)
        self.causes.append(
            Cause(
                _(
                    "The credit was first read on %(at)s. What was used earlier on that day is counted "
                    "here as well, because usage is told by the day."
                )
                % {"at": date_format(timezone.localtime(since), "j M Y, H:i")},
                self.used.get(day, NOTHING),
            )
        )

    def _edge(
        self,
        at: datetime,
        before: CreditPoint,
        after: CreditPoint | None,
        came: Sequence[tuple[datetime, Decimal]],
    ) -> None:
        """What of a change of the credit around one end of the period may lie on its other side: all of it
        but what is known to have happened after that end. ``came``: credit that was bought or given.

        Where something is known to have come before that end, as much as that may: how much of what was used
        lies on which side nobody tells.
        """
        if after is None or before.at == at:
            return
        known = sum((amount for when, amount in came if at <= when <= after.at), NOTHING)
        until = _day(after.at)
        known -= sum((self.used[day] for day in self.used if _day(at) <= day < until), NOTHING)
        change = (after.amount or NOTHING) - (before.amount or NOTHING) - known
        earlier = sum((amount for when, amount in came if before.at <= when < at), NOTHING)
        most = max(abs(change), abs(earlier))
        if not most:
            return
        words = _(
            "At %(end)s UTC nobody looked: the credit was found changed at %(before)s and at "
            "%(after)s, and some of what happened in between may lie on the other side."
        )
        self.causes.append(
            Cause(
                words
                % {
                    "end": f"{at:%Y-%m-%d %H:%M}",
                    "before": f"{before.at:%Y-%m-%d %H:%M}",
                    "after": f"{after.at:%Y-%m-%d %H:%M}",
                },
                most,
            )
        )

    def _of_usage(self, days: dict[date, Decimal], since: datetime, unreadable: int) -> None:
        if lacks := sum(day_of(day) >= day_of(since) for day in self.lacks):
            told = ngettext(
                "%(n)d day of usage has not been read.",
                "%(n)d days of usage have not been read.",
                lacks,
            )
            self.causes.append(Cause(told % {"n": lacks}))
        if unreadable:
            told = ngettext(
                "%(n)d row of usage could not be read.",
                "%(n)d rows of usage could not be read.",
                unreadable,
            )
            self.causes.append(Cause(told % {"n": unreadable}))
        if self.late is not None:
            late = max(self.late, day_of(since))
            open_days = sum((days[day] for day in days if day_of(day) >= late), NOTHING)
            words = _(
                "Usage from %(day)s on may still change, and today's is read at another moment than "
                "the credit."
            )
            self.causes.append(
                Cause(words % {"day": date_format(date_of(late), "j M Y")}, open_days)
            )

    def _of_payments(self, paid: Sequence[Payment], counted: Sequence[Payment]) -> None:
        within = [one for one in paid if one.at is None or one.at < self.end]
        pending = [one for one in within if one.status not in SETTLED]
        if pending:
            told = ngettext(
                "%(n)d payment is not final yet: its credit may be there already.",
                "%(n)d payments are not final yet: their credit may be there already.",
                len(pending),
            )
            worth = [one.credits or one.amount for one in pending]
            self.causes.append(Cause(told % {"n": len(pending)}, _sum_or_none(worth)))
        if untold := [one for one in counted if one.credits is None]:
            told = ngettext(
                "Of %(n)d payment the provider does not tell how much credit it bought.",
                "Of %(n)d payments the provider does not tell how much credit they bought.",
                len(untold),
            )
            self.causes.append(Cause(told % {"n": len(untold)}))
        if gone := [one for one in counted if one.gone_at]:
            told = ngettext(
                "%(n)d payment is counted that the provider does not list any more.",
                "%(n)d payments are counted that the provider does not list any more.",
                len(gone),
            )
            worth = [one.credits for one in gone]
            self.causes.append(Cause(told % {"n": len(gone)}, _sum_or_none(worth)))

    def _of_refunds(self, paid: Sequence[Payment], since: datetime) -> None:
        refunded = [
            one
            for one in paid
            if one.status == "refunded"
            and (self._within(one.at, since) or self._turned(one, since))
        ]
        if not refunded:
            return
        told = ngettext(
            "%(n)d payment was given back, and the provider does not tell when: it is counted neither "
            "as bought nor as taken off, and one of the two may lie outside of the period.",
            "%(n)d payments were given back, and the provider does not tell when: they are counted "
            "neither as bought nor as taken off, and one of the two may lie outside of the period.",
            len(refunded),
        )
        worth = [one.credits for one in refunded]
        self.causes.append(Cause(told % {"n": len(refunded)}, _sum_or_none(worth)))

    def _turned(self, one: Payment, since: datetime) -> bool:
        """Whether it was another one when it was first seen, and became this one in the period."""
        return one.changed_at > one.first_seen_at and self._within(one.changed_at, since)

    def _of_promotions(self, promotions: Sequence[Promotion], since: datetime) -> None:
        for one in promotions:
            words = {"name": one.name}
            ended = min(filter(None, (one.expires_at, one.gone_at)), default=None)
            if ended is not None and ended < since:
                continue
            if one.created_at is None:
                told = _("When “%(name)s” was given is not told: it is not counted as given.")
                self.causes.append(Cause(told % words, one.credits))
            elif one.created_at >= self.end:
                continue
            elif ended is not None and ended < self.end:
                told = _(
                    "“%(name)s” has ended in the period, and whether what was left of it is taken off "
                    "the credit is not told."
                )
                self.causes.append(Cause(told % words, one.credits))
            elif drawn := _drawn(one):
                told = _(
                    "How “%(name)s” is drawn down is not told: what was used of it may not have "
                    "been taken from the credit."
                )
                self.causes.append(Cause(told % words, drawn))


def _day(at: datetime) -> date:
    return date_of(day_of(at))


def _drawn(one: Promotion) -> Decimal | None:
    """What was used of a promotion; None where it is not told."""
    if one.credits is None or one.remaining is None:
        return None
    return abs(one.credits - one.remaining)


def _point(row: CreditPoint) -> Point:
    return Point(row.at, row.amount or NOTHING)


def _sum_or_none(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """The sum; None where one of them is not told."""
    known = list(amounts)
    return None if None in known else sum((one for one in known if one is not None), NOTHING)


# --- What is billed afterwards --------------------------------------------------------------------


def _billed(
    connections: Sequence[Connection], first: date, last: date
) -> dict[int, dict[str, dict[date, Decimal]]]:
    """What the cost reports say of each day, by connection id and currency. One query."""
    rows = (
        Cost.objects.filter(
            connection__in=[one.pk for one in connections], day__range=(day_of(first), day_of(last))
        )
        .values_list("connection_id", "day", "dimension__currency")
        .annotate(micros=Sum("billed_micros"), femtos=Sum("billed_femtos"))
        .order_by()
    )
    found: dict[int, dict[str, dict[date, Decimal]]] = {}
    for pk, day, currency, micros, femtos in rows:
        days = found.setdefault(pk, {}).setdefault(currency, {})
        days[date_of(day)] = money.joined(micros, femtos)
    return found


def _compared(
    connection: Connection,
    shared: dict[str, dict[date, Decimal]],
    billed: dict[str, dict[date, Decimal]],
    lacks: set[date],
    coverage: Coverage,
) -> list[Comparison]:
    """One for each currency; with the reason where nothing is told."""
    currencies = sorted(
        one for one in {*shared, *billed} if _any(shared.get(one)) or _any(billed.get(one))
    )
    if not currencies:
        if connection.state == Connection.State.DISCONNECTED:
            return []
        reasons = [one.cannot for one in coverage.left if one.connection.pk == connection.pk]
        why = next(filter(None, reasons), "") or (_("Not read yet.") if lacks else "")
        return [Comparison(connection, unread=len(lacks), why=why)]
    made = []
    for currency in currencies:
        mine, theirs = shared.get(currency, {}), billed.get(currency, {})
        days = [
            Day(day, mine.get(day, NOTHING), theirs.get(day, NOTHING))
            for day in sorted({*mine, *theirs})
        ]
        made.append(Comparison(connection, currency, days, len(lacks)))
    return made


def _any(days: dict[date, Decimal] | None) -> bool:
    return any((days or {}).values())
