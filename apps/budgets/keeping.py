"""Looking at budgets: how far each has come is written down, and what was passed is told, once.

A look reads first and then writes in one transaction of its own budget. So a worker that dies has written
nothing or all of it, and of two that look at once the one that read later stands.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.audit.record import record
from apps.budgets import words
from apps.budgets.models import FORECAST, NEAR, WHOLE, Budget, Crossing, Standing
from apps.budgets.periods import before, span_of
from apps.budgets.reading import Figures, figures
from apps.budgets.scopes import connections_of, place_of
from apps.centres import places
from apps.notices import services as notices
from apps.notices.models import Severity
from apps.organizations.models import Connection
from apps.usage import money
from apps.usage.days import day_of
from apps.usage.question import utc_today

log = structlog.get_logger(__name__)
TOPIC = "budgets.passed"
SLACK = (
    1  # percent below a threshold that spend must come to before it counts as not passed any more
)


# --- Looking --------------------------------------------------------------------------------------


def look_at_connection(connection_id: int) -> None:
    """Look at the budgets that count what a connection uses."""
    connection = Connection.objects.get(pk=connection_id)
    look_at(
        Budget.objects.filter(
            Q(connection=connection) | Q(connection__isnull=True),
            organization=connection.organization_id,
        )
    )


def look_at_all() -> None:
    """Look at every budget: periods begin and end without anything being read, and kicks get lost."""
    look_at(Budget.objects.all())


def look_at(budgets: "QuerySet[Budget]") -> None:
    """Look at each of ``budgets`` in turn. About ten queries for each, and one transaction."""
    known: dict[int, list[Connection]] = {}
    for budget in budgets.select_related("organization", "connection", "centre"):
        owner = budget.organization_id
        if owner not in known:
            known[owner] = connections_of(budget.organization)
        try:
            look(budget, known[owner])
        except Exception:  # what is wrong with one budget keeps no other from being told of
            log.exception("budget_not_looked_at", budget=budget.pk)


def look(budget: Budget, connections: Sequence[Connection] | None = None) -> None:
    """Look at one budget: the period that lasts, and the one before while it was a budget then already."""
    if budget.centre is not None:
        if budget.centre.removed_at is not None:
            return  # it takes nothing any more; how it stood is kept
        places.tend(budget.organization_id)  # what usage has brought may not be sorted yet
    now = timezone.now()
    every = connections_of(budget.organization) if connections is None else connections
    span = span_of(budget.period, utc_today())
    spans = [span]
    previous = next(before(budget.period, span))
    if day_of(budget.created_at) <= day_of(previous[1]):
        spans.insert(0, previous)
    place = place_of(budget)
    seen = [figures(place, budget.currency, every, one) for one in spans]
    with transaction.atomic(durable=True):
        held = Budget.objects.select_for_update().filter(pk=budget.pk, revision=budget.revision)
        if held.first() is None:
            return  # changed or deleted since: whoever did so looks at it as it is now
        for one in seen:
            _keep(budget, one, now)


# --- Writing --------------------------------------------------------------------------------------


def _keep(budget: Budget, seen: Figures, now: datetime) -> None:
    standing = Standing.objects.filter(budget=budget, first=day_of(seen.first)).first()
    if standing and standing.looked_at > now:
        return
    fresh = unsaved(budget, seen, now)
    if standing:
        fresh.pk = standing.pk
        if not seen.lasts:  # what was over stays held against what there was then
            fresh.amount_micros, fresh.thresholds = standing.amount_micros, standing.thresholds
            fresh.tell_forecast = standing.tell_forecast
            fresh.percent = _percent(fresh)
    fresh.save()
    _Passing(fresh, seen, now).settle_and_tell()


def unsaved(budget: Budget, seen: Figures, now: datetime | None = None) -> Standing:
    """How a period stands by these figures, against the budget as it is."""
    standing = Standing(
        budget=budget,
        first=day_of(seen.first),
        last=day_of(seen.last),
        amount_micros=budget.amount_micros,
        thresholds=list(budget.thresholds),
        tell_forecast=budget.tell_forecast,
        looked_at=now or timezone.now(),
    )
    _take(standing, seen)
    return standing


def _percent(standing: Standing) -> int:
    return int(standing.spent * 100 // standing.amount)


def _take(standing: Standing, seen: Figures) -> None:
    standing.spent_micros, standing.spent_femtos = money.split(seen.spent)
    standing.percent = _percent(standing)
    standing.is_estimate = seen.is_estimate
    standing.others = {name: f"{amount.normalize():f}" for name, amount in seen.others.items()}
    standing.unread = len(seen.unread)
    standing.read_to = seen.coverage.as_of
    coming = seen.coming
    standing.forecast_micros = _micros(coming.amount) if coming else None
    standing.low_micros = _micros(coming.lowest) if coming else None
    standing.high_micros = _micros(coming.highest) if coming else None


def _micros(amount: Decimal) -> int:
    """Of an estimate: whole millionths, rounded down."""
    return money.split(amount)[0]


# --- Passed, and passed no more -------------------------------------------------------------------


class _Passing:
    """What one look makes of the thresholds of one period. In the look's transaction."""

    def __init__(self, standing: Standing, seen: Figures, now: datetime) -> None:
        self.standing, self.seen, self.now = standing, seen, now
        self.ever = list(standing.crossings.all())
        self.open = {one.threshold: one for one in self.ever if one.settled_at is None}

    def settle_and_tell(self) -> None:
        """Settle what does not hold any more, then tell what is new."""
        self._fallen()
        told = self._passed()
        self._forecast(told)

    def _is_passed(self, threshold: int) -> bool:
        return bool(self.standing.spent * 100 >= threshold * self.standing.amount)

    @property
    def _is_within(self) -> bool:
        return bool(self.standing.spent <= self.standing.amount)

    def _holds(self, one: Crossing) -> bool:
        if one.threshold not in self.standing.thresholds:
            return False
        if self._is_passed(one.threshold):
            return True
        if one.amount_micros != self.standing.amount_micros:
            return False
        return bool(self.standing.spent * 100 > (one.threshold - SLACK) * self.standing.amount)

    def _fallen(self) -> None:
        thresholds = [one for one in self.open.values() if one.threshold != FORECAST]
        gone = [one for one in thresholds if not self._holds(one)]
        for one in gone:
            self._settle(one)
        for one in thresholds:
            if one not in gone and one.amount_micros != self.standing.amount_micros:
                # Passed by the new amount too: a correction from now on is held against that.
                one.amount_micros = self.standing.amount_micros
                one.save(update_fields=["amount_micros"])
        # Whoever has raised the amount or taken a threshold out knows it.
        corrected = [
            one
            for one in gone
            if one.threshold in self.standing.thresholds
            and one.amount_micros == self.standing.amount_micros
        ]
        if not any(one.told for one in corrected):
            return
        lowest = min(corrected, key=lambda one: one.threshold)
        self._record("budgets.fall", lowest)
        self._tell(
            cause=f"{cause_of(lowest)}:below",
            title=words.below(self.standing, lowest.threshold),
            text=words.below_letter(self.standing, self.seen),
            severity=Severity.INFO,
        )

    def _passed(self) -> bool:
        """Note what is newly passed; whether it was told. Of several at once the highest is told."""
        fresh = [
            one for one in self.standing.thresholds if one not in self.open and self._is_passed(one)
        ]
        if not fresh:
            return False
        highest: int = max(fresh)
        known = max((one.threshold for one in self.open.values() if one.told), default=0)
        for threshold in fresh:
            made = self._cross(threshold, told=threshold == highest and highest > known)
            if made.told:
                self._record("budgets.pass", made)
                self._tell(
                    cause=cause_of(made),
                    title=words.headline(self.standing, threshold),
                    text=words.letter(self.standing, self.seen),
                    severity=pressing(threshold),
                )
        return highest > known

    def _forecast(self, told: bool) -> None:
        """``told``: a threshold was told just now, in whose letter the forecast stands too."""
        standing, held = self.standing, self.open.get(FORECAST)
        counts = self.seen.lasts and standing.tell_forecast
        over = counts and standing.is_forecast_over and self._is_within
        unknown = counts and self.seen.coming is None
        if held and not over and not unknown:
            self._settle(held)
        if held or not over:
            return
        # A forecast wavers. It is told once, and again only if what it is held against has changed.
        known = (one.amount_micros for one in self.ever if one.threshold == FORECAST)
        if standing.amount_micros in known:
            return
        made = self._cross(FORECAST, told=not told)
        if made.told:
            self._record("budgets.pass", made)
            self._tell(
                cause=cause_of(made),
                title=words.headline(standing, FORECAST),
                text=words.letter(standing, self.seen),
                severity=Severity.WARNING,
            )

    def _cross(self, threshold: int, *, told: bool) -> Crossing:
        times = sum(one.threshold == threshold for one in self.ever)
        made = Crossing.objects.create(
            standing=self.standing,
            threshold=threshold,
            number=times + 1,
            amount_micros=self.standing.amount_micros,
            told=told,
            passed_at=self.now,
        )
        self.open[threshold] = made
        return made

    def _settle(self, one: Crossing) -> None:
        one.settled_at = self.now
        one.save(update_fields=["settled_at"])
        self.open.pop(one.threshold, None)
        one.standing = self.standing
        settle(one)

    def _record(self, verb: str, one: Crossing) -> None:
        budget, standing = self.standing.budget, self.standing
        details = {
            "period": standing.first_date.isoformat(),
            "threshold": words.threshold(one.threshold),
            "spent": words.spent(standing),
            "amount": words.money(standing.amount, budget.currency),
        }
        if one.threshold == FORECAST:
            details["forecast"] = words.money(standing.forecast, budget.currency)
        record(
            organization=budget.organization_id,
            actor=None,
            verb=verb,
            target=budget,
            details=details,
            connection=budget.connection_id,
        )

    def _tell(self, *, cause: str, title: str, text: str, severity: Severity) -> None:
        budget = self.standing.budget
        notices.tell(
            topic=TOPIC,
            organization=budget.organization,
            cause=cause,
            title=title,
            text=text,
            url=f"/o/{budget.organization.slug}/budgets/{budget.pk}/",
            severity=severity,
        )


def pressing(threshold: int) -> Severity:
    """How much a passed threshold presses."""
    if threshold >= WHOLE:
        return Severity.URGENT
    return Severity.WARNING if threshold >= NEAR else Severity.INFO


def cause_of(one: Crossing) -> str:
    """What a notice of it is known by: passed again, it is news again."""
    standing = one.standing
    what = "forecast" if one.threshold == FORECAST else str(one.threshold)
    cause = f"budget:{standing.budget_id}:{standing.first_date.isoformat()}:{what}"
    return cause if one.number == 1 else f"{cause}:{one.number}"


def settle(one: Crossing) -> None:
    """Say to whoever was told that it is over. In the caller's transaction."""
    if one.told:
        organization = one.standing.budget.organization
        notices.settle(topic=TOPIC, organization=organization, cause=cause_of(one))
