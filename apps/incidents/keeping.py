"""From what was found to incidents: opened, gone on, opened again, resolved by themselves.

One subject has one incident at a time. What a person has resolved opens again only for a day after the
one on which they did so; what is muted only once that is over.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.audit.record import record
from apps.incidents import words
from apps.incidents.causes import causes_of, who_of
from apps.incidents.looking import Sight, look
from apps.incidents.models import ONGOING, WANTING, Ended, Incident, Kind, Severity, State, Watch
from apps.incidents.naming import names_of
from apps.incidents.rule import (
    Found,
    Judged,
    Subject,
    find,
    severity_of,
    severity_of_quiet,
)
from apps.notices import services as notices
from apps.notices.models import Severity as Pressing
from apps.organizations.models import Connection
from apps.usage.days import date_of, day_of
from apps.usage.known import known_days
from apps.usage.models import Correction, Report, ReportName
from apps.usage.usual import WINDOW, usual

TOPIC = "usage.anomaly"
DAYS = 4  # judged at every look: the days that the provider may still change
PAST = 31  # judged once, when the past has been read; and at most
AGAIN = 7  # a resolved incident that goes on within so many days is the same one
SETTLES = timedelta(hours=6)  # after its end a provider may still tell of most of a day
TELL = 2  # days: what was over longer ago is written down, and nobody is called
RANKS = {Severity.HIGH: 3, Severity.MEDIUM: 2, Severity.LOW: 1}
PRESSING = {
    Severity.HIGH: Pressing.URGENT,
    Severity.MEDIUM: Pressing.WARNING,
    Severity.LOW: Pressing.INFO,
}
Who = tuple[str, str]  # kind, value


def look_if_due(connection_id: int) -> bool:
    """Look at a connection unless that was done within ``INCIDENTS_LOOK_SECONDS``; whether it was.

    Of two workers that want to at once, one does.
    """
    now = timezone.now()
    Watch.objects.get_or_create(connection_id=connection_id)
    before = now - timedelta(seconds=settings.INCIDENTS_LOOK_SECONDS)
    mine = Watch.objects.filter(connection=connection_id).filter(
        Q(looked_at__isnull=True) | Q(looked_at__lte=before)
    )
    held = mine.first()
    if held is None or not mine.filter(looked_at=held.looked_at).update(looked_at=now):
        return False
    connection = Connection.objects.select_related("organization").get(pk=connection_id)
    look_at(connection, now, since=held.looked_at, with_past=held.past_at is None)
    return True


def look_at(
    connection: Connection,
    now: datetime,
    *,
    since: datetime | None = None,
    with_past: bool = False,
) -> list[Incident]:
    """Judge the last days of a connection and keep what is found; the incidents that were touched.

    ``since``: the last look, so that no day is left out after a pause. ``with_past``: the last month too, if
    the past has been read by now. Reads first, then one transaction.
    """
    today = day_of(now)
    is_read = _past_is_read(connection, today)
    whole_past = with_past and is_read
    recent = list(
        Incident.objects.filter(connection=connection).filter(
            Q(state__in=ONGOING) | Q(last__gte=today - PAST - WINDOW)
        )
    )
    first = today - DAYS + 1
    first = min([first, *(one.since for one in recent if one.state in WANTING)])
    if since is not None:
        first = min(first, day_of(since))
    if whole_past:
        first = today - PAST + 1
    days = list(range(max(first, today - PAST + 1), today + 1))
    sight = look(connection, days, recent)
    if sight is None or not (is_read or len(sight.observed.known) >= WINDOW):
        return []  # while the past is being read, what is usual is not known yet
    sight.observed.settled = day_of(now - SETTLES) - 1
    found = find(sight.observed, days, sight.homes)
    touched = _Keeping(sight, recent, found, now).keep()
    if whole_past:
        Watch.objects.filter(connection=connection).update(past_at=now)
    return touched


def _past_is_read(connection: Connection, today: int) -> bool:
    """Whether all that a look at the last month takes is read, or all that there will be."""
    names = (ReportName.USAGE, ReportName.COSTS)
    reports = Report.objects.filter(connection=connection, name__in=names)
    ended = [one.backfilled_at is not None or one.paused_at is not None for one in reports]
    if ended and all(ended):
        return True
    days = PAST + WINDOW
    return len(known_days([connection], today - days, today - 1).whole) == days


@dataclass(slots=True)
class _Change:
    """What is to become of one subject's incident. ``entry``: the audit's verb, "" for none."""

    incident: Incident
    far: list[Judged]
    verb: str = ""
    tell: bool = False


class _Keeping:
    """One look's findings on their way into the database."""

    def __init__(
        self, sight: Sight, recent: Sequence[Incident], found: Found, now: datetime
    ) -> None:
        self.sight, self.found, self.now = sight, found, now
        self.connection, self.today = sight.connection, day_of(now)
        self.recent: dict[Who, list[Incident]] = {}
        for one in recent:
            self.recent.setdefault((one.kind, one.value), []).append(one)
        usual_day = usual(sight.observed.history(Subject(Kind.CONNECTION)), self.today)
        self.usual_day = usual_day.expected if usual_day else 0

    def keep(self) -> list[Incident]:
        """Write it all in one transaction."""
        changes = [
            change
            for subject, far in sorted(self.found.far.items())
            if (change := self._change(subject, far))
        ]
        changes += self._no_longer()
        if not changes:
            return []
        self._name([one.incident for one in changes])
        with transaction.atomic(durable=True):
            # Somebody may have acted meanwhile: what they did stands, and the next look goes by it.
            held = {
                row.pk: row.state
                for row in Incident.objects.select_for_update().filter(
                    pk__in=[one.incident.pk for one in changes if one.incident.pk]
                )
            }
            kept = [one for one in changes if self._write(one, held)]
        return [one.incident for one in kept]

    # --- What is to be done ---------------------------------------------------------------------

    def _change(self, subject: Subject, far: list[Judged]) -> _Change | None:
        own = self.recent.get((subject.kind, subject.value), [])
        ongoing = next((one for one in own if one.state in ONGOING), None)
        if ongoing:
            return self._goes_on(ongoing, subject, far)
        settled = max(own, key=lambda one: one.last, default=None)
        if settled:
            # What a person has resolved they knew of, as far as it had come by then.
            known = settled.settled_day or 0
            far = [one for one in far if one.day > known]
            if far and settled.last >= far[0].day - AGAIN and self._counts_alike(settled):
                return self._again(settled, subject, far)
        return self._new(subject, far) if far else None

    def _goes_on(self, one: Incident, subject: Subject, far: list[Judged]) -> _Change | None:
        before = (one.unit, one.currency, dict(one.daily))
        self._take(one, far)
        over = one.muted_until is not None and one.last > one.muted_until
        if one.state == State.MUTED and over:
            return self._again(one, subject, far)
        if (one.unit, one.currency, one.daily) == before:
            return None
        self._judge(one, subject, far)
        return _Change(one, far)

    def _again(self, one: Incident, subject: Subject, far: list[Judged]) -> _Change:
        self._take(one, far)
        self._judge(one, subject, far)
        one.state, one.opened, one.opened_at = State.OPEN, one.opened + 1, self.now
        one.ended, one.reason, one.muted_until, one.acted_by = "", "", None, None
        one.settled_at = one.settled_day = None
        return _Change(one, far, "incidents.reopen", self._is_news(far))

    def _new(self, subject: Subject, far: list[Judged]) -> _Change:
        home = subject.workspace
        if subject.kind == Kind.PERSON:
            home = self.sight.homes([subject]).get(subject, "")
        one = Incident(
            connection=self.connection,
            kind=subject.kind,
            value=subject.value,
            workspace=home,
            unit=self.sight.observed.unit,
            currency=self.sight.currency,
            opened_at=self.now,
        )
        self._take(one, far)
        self._judge(one, subject, far)
        return _Change(one, far, "incidents.open", self._is_news(far))

    def _is_news(self, far: Sequence[Judged]) -> bool:
        return far[-1].day >= self.today - TELL

    def _counts_alike(self, one: Incident) -> bool:
        """Whether its amounts are of what this look counts: tokens and money, or two currencies, are no sum."""
        return (one.unit, one.currency) == (self.sight.observed.unit, self.sight.currency)

    def _take(self, one: Incident, far: Iterable[Judged]) -> None:
        """Days that were judged now replace what was said of them before; all of it, where that was counted
        in something else."""
        judged = set(self.sight.days)
        before = one.daily if self._counts_alike(one) else {}
        one.unit, one.currency = self.sight.observed.unit, self.sight.currency
        daily: dict[int, Any] = {
            int(day): row for day, row in before.items() if int(day) not in judged
        }
        daily |= {it.day: [it.observed, it.expected, it.limit] for it in far}
        one.take(daily)

    def _judge(self, one: Incident, subject: Subject, far: Sequence[Judged]) -> None:
        _day, observed, expected, _limit = one.worst
        quiet = one.kind == Kind.QUIET
        one.severity = Severity(
            severity_of_quiet(observed, expected)
            if quiet
            else severity_of(observed - expected, self.usual_day)
        )
        one.rank = RANKS[Severity(one.severity)]
        one.causes = causes_of(self.sight, subject, far)

    def _no_longer(self) -> list[_Change]:
        """Incidents whose days have all been judged and are not far off any more."""
        judged, found = set(self.sight.days), self.found
        far = {(one.kind, one.value) for one in found.far}
        changes = []
        for who, incidents in self.recent.items():
            one = next((one for one in incidents if one.state in ONGOING), None)
            if one is None or who in far:
                continue
            if one.state == State.MUTED:
                if one.muted_until is not None and one.muted_until < self.today:
                    changes.append(self._settled(one, Ended.CALM))
                continue
            days = {int(day) for day in one.daily}
            read = self.sight.observed.known | self.sight.observed.begun
            if not days <= judged & read:
                continue
            explained = found.explained.get(Subject(*who), set())
            changes.append(self._settled(one, self._why(one, bool(days & explained))))
        return changes

    def _settled(self, one: Incident, how: str) -> _Change:
        one.ended, one.state, one.settled_at = how, State.RESOLVED, self.now
        # No day is known to a person: one that is far off after all opens it again.
        one.settled_day = one.acted_by = None
        return _Change(one, [], "incidents.resolve_itself")

    def _why(self, one: Incident, explained: bool) -> str:
        if explained:
            return Ended.FINER
        corrected = Correction.objects.filter(
            connection=self.connection, day__range=(one.since, one.last), noted_at__gt=one.opened_at
        )
        return Ended.CORRECTION if corrected.exists() else Ended.HISTORY

    def _name(self, incidents: Sequence[Incident]) -> None:
        """What they are about and who is in their causes, as they are called now."""
        named: list[tuple[Any, str, str]] = [(one, one.kind, one.value) for one in incidents]
        for one in incidents:
            named += [(cause, *who) for cause in one.causes if (who := who_of(cause))]
        pk = self.connection.pk
        things = [(kind, pk, value) for _, kind, value in named]
        names = names_of(self.connection.organization, [self.connection], things)
        for (what, _kind, _value), thing in zip(named, things, strict=True):
            if isinstance(what, Incident):
                what.label = names[thing].text[:254]
            else:
                what["label"] = names[thing].text[:254]

    # --- Writing --------------------------------------------------------------------------------

    def _write(self, change: _Change, held: Mapping[int, str]) -> bool:
        one = change.incident
        if one.pk and held.get(one.pk) != self._state_before(change):
            return False
        one.looked_at = self.now
        one.save()
        if change.verb:
            self._record(one, change.verb)
        if change.verb == "incidents.resolve_itself":
            settle(one)
        elif change.tell:
            tell(one)
        return True

    def _state_before(self, change: _Change) -> str:
        """What the row held when it was read: ``from_db`` keeps it."""
        return change.incident.state_read

    def _record(self, one: Incident, verb: str) -> None:
        details: dict[str, Any] = {
            "since": date_of(one.since).isoformat(),
            "last": date_of(one.last).isoformat(),
            "observed": words.amount(one.observed, one),
            "usually": words.amount(one.expected, one),
        }
        if one.ended:
            details["how"] = one.ended
        record(
            organization=self.connection.organization_id,
            actor=None,
            verb=verb,
            target=one,
            details=details,
            connection=self.connection,
        )


# --- Telling people -------------------------------------------------------------------------------


def cause_of(one: Incident) -> str:
    """What a notice of it is known by: opened again, it is news again."""
    return f"incident:{one.pk}:{one.opened}"


def tell(one: Incident) -> None:
    """Have whoever hears of it told, once each time it is opened. In the caller's transaction."""
    organization = one.connection.organization
    notices.tell(
        topic=TOPIC,
        organization=organization,
        cause=cause_of(one),
        title=words.headline(one),
        text=words.letter(one),
        url=f"/o/{organization.slug}/incidents/{one.pk}/",
        severity=PRESSING[Severity(one.severity)],
    )


def settle(one: Incident) -> None:
    """Say that it is over to whoever was told. In the caller's transaction."""
    organization = one.connection.organization
    notices.settle(topic=TOPIC, organization=organization, cause=cause_of(one))
