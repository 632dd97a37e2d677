"""Ledgers of single calls: read when somebody asks, newest first, within the rate budget, kept for a while.

A ledger has no filter by date and is read page by page from its top. A walk reads a few pages at once
(some 25 in a row draw a 429) and comes back; where it stood is kept, and a row that comes again is the
same one. So nothing is held in memory, and what was read is shown while the rest is on its way.
"""

import time
from collections.abc import Iterable
from datetime import date, datetime, timedelta

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import User
from apps.audit.record import record
from apps.organizations.models import Connection
from apps.organizations.policy import may
from apps.providers import errors
from apps.providers.catalogue import PROVIDERS
from apps.providers.protocol import Adapter, CallAdapter
from apps.providers.records import Page
from apps.providers.records.usage import UsageRecord
from apps.sync import leases, schedule
from apps.sync.mirrors import Series
from apps.sync.models import Resource, SyncRun
from apps.sync.walk import CutShort, Errand, Fetcher
from apps.usage.call_models import Call, CallLedger, priced
from apps.usage.days import day_of, midnight

NAME = "calls"
CAPABILITY = "usage.calls"
PAGES_AT_ONCE = 20  # of all ledgers of a connection; some 25 in quick succession draw a 429
REST = timedelta(seconds=20)
# A place in a ledger is good this long; then the reading begins at the top again.
PLACE_GOOD_FOR = timedelta(minutes=30)
# A call may be entered a little after it happened.
LATE_ENTRY = timedelta(minutes=10)
FRESH = timedelta(minutes=1)  # a ledger read so lately is not read again
FORGOTTEN_AT_ONCE = 1_000
# What a reading writes of its ledger; the rest is the wish, which may change meanwhile.
PROGRESS = (
    "due",
    "read_at",
    "reached",
    "ended",
    "began_at",
    "so_far",
    "cursor",
    "unreadable",
    "error",
)
COLUMNS = (
    "account",
    "at",
    "operation",
    "model",
    "model_family",
    "inference_provider",
    "generation_id",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "own_key",
    "charged_micros",
    "charged_femtos",
    "listed_micros",
    "listed_femtos",
)


class CallsRefused(Exception):
    """A wish that cannot be met; the text says why, in plain words."""


def kept_from(now: datetime | None = None) -> datetime:
    """Calls before this are not kept."""
    return midnight(day_of(now or timezone.now()) - settings.USAGE_CALLS_DAYS + 1)


# --- Asking --------------------------------------------------------------------------------------


def ask(
    *, connection: Connection, accounts: Iterable[str], first: date, actor: User, action: str
) -> None:
    """Have the ledgers of ``accounts`` read back to the UTC day ``first``, or as far as calls are kept.

    ``action`` is what the policy asks of ``actor``. Raises CallsRefused, PermissionDenied. One that is
    fresh and reaches far enough is left alone. Noted in the audit log: it is about single people.
    """
    now = timezone.now()
    wanted = max(midnight(day_of(first)), kept_from(now))
    with transaction.atomic(durable=True):
        current = Connection.objects.select_related("organization").get(pk=connection.pk)
        if not may(actor, action, current.organization):
            raise PermissionDenied(_("Your role here does not allow this any more."))
        if why := why_not(current):
            raise CallsRefused(why)
        resource, _made = Resource.objects.get_or_create(connection=current, name=NAME)
        # A reading holds it first, and its ledger then: so neither waits for the other.
        Resource.objects.select_for_update().get(pk=resource.pk)
        asked = [one for one in accounts if _want(current, one, wanted, now)]
        if not asked:
            return
        Resource.objects.filter(pk=resource.pk).update(due_at=now)
        schedule.kick(resource.pk, SyncRun.Cause.ASKED)
        record(
            organization=current.organization_id,
            actor=actor,
            verb="usage.read_calls",
            target=current,
            details={"accounts": asked, "from": wanted.date().isoformat()},
            connection=current,
        )


def _want(connection: Connection, account: str, wanted: datetime, now: datetime) -> bool:
    """Note the wish; False where what is there is good."""
    row, made = CallLedger.objects.get_or_create(
        connection=connection,
        account=account,
        defaults={"asked_at": now, "wanted_from": wanted},
    )
    if made:
        return True
    row = CallLedger.objects.select_for_update().get(pk=row.pk)
    far = row.ended or (row.reached is not None and row.reached <= wanted)
    if far and row.read_at is not None and now - row.read_at < FRESH and not row.due:
        return False
    if row.due:  # somebody else waits for it already, and may want more
        wanted = max(min(wanted, row.wanted_from), kept_from(now))
    row.asked_at, row.due, row.error = now, True, ""
    row.wanted_from = wanted
    row.save(update_fields=["asked_at", "due", "error", "wanted_from"])
    return True


def why_not(connection: Connection) -> str:
    """Why the ledgers of a connection cannot be read now, "" if they can."""
    provider = PROVIDERS.get(connection.provider)
    if provider is None or NAME not in provider.reports:
        return _("This provider tells nothing of single calls.")
    if not connection.can(CAPABILITY):
        return connection.why_not(CAPABILITY) or _("It is not known yet whether this key may.")
    if connection.state != Connection.State.ACTIVE:
        return _("This connection is not active.")
    if connection.frozen_at:
        return _("The provider refuses the key. Replace it first.")
    return ""


# --- Reading -------------------------------------------------------------------------------------


class LedgerReading:
    """Reads the ledgers that somebody waits for, the longest waiting first, a few pages at once."""

    def __init__(self, errand: Errand, fetcher: Fetcher, adapter: CallAdapter) -> None:
        self.errand, self.fetcher, self.adapter = errand, fetcher, adapter
        self.began = time.monotonic()
        self.pages = 0

    def go(self) -> None:
        """Read until all are read, or the rest has to wait."""
        waiting = CallLedger.objects.filter(connection=self.errand.connection, due=True)
        for ledger in waiting.order_by("asked_at", "pk"):
            if not self._read(ledger):
                self.errand.again_at = timezone.now() + REST
                return

    def _has_time(self) -> bool:
        # Somebody waits, so it asks within the whole budget for reads; the past leaves some of it alone.
        if self.pages >= PAGES_AT_ONCE:
            return False
        return bool(time.monotonic() - self.began < settings.USAGE_SLICE_SECONDS)

    def _read(self, ledger: CallLedger) -> bool:
        """Read one ledger on; False where the rest has to wait."""
        now = timezone.now()
        if not ledger.cursor or ledger.began_at is None or now - ledger.began_at > PLACE_GOOD_FOR:
            ledger.cursor, ledger.began_at, ledger.so_far, ledger.unreadable = "", now, None, 0
        asked = {ledger.cursor}
        while self._has_time():
            try:
                page = self._page(ledger)
            except CutShort as cut:
                if not cut.wait:  # the provider no longer knows the place; else it is good still
                    self._save(ledger, cursor="")
                raise
            except (errors.Refused, errors.NotFound) as error:
                # Of this one alone: a member whom the provider does not know any more, say.
                self._save(ledger, due=False, cursor="", error=error.message[:500])
                return True
            except errors.ProviderError as error:
                self._save(ledger, error=error.message[:500])  # it goes on trying
                raise
            following = page.next_cursor or ""
            if following and following in asked:
                raise errors.Unclear(_("The provider gave the same page twice."))
            asked.add(following)
            if self._take(ledger, page, following):
                return True
        return False

    def _page(self, ledger: CallLedger) -> Page[UsageRecord]:
        cursor = ledger.cursor or None

        def call() -> Page[UsageRecord]:
            return self.adapter.calls(ledger.account, cursor)

        self.fetcher.ask(call)
        page: Page[UsageRecord] = self.errand.receive(self.fetcher, call, begun=cursor is not None)
        self.pages += 1
        self.errand.run.pages += 1
        self.errand.run.requests += page.requests
        return page

    def _take(self, ledger: CallLedger, page: Page[UsageRecord], following: str) -> bool:
        """Write a page; whether the ledger has been read as far as it was wanted."""
        oldest = min((one.at for one in page.rows), default=None)
        if oldest is not None:
            ledger.so_far = min(filter(None, (ledger.so_far, oldest)))
        ledger.unreadable += len(page.unreadable)
        ledger.cursor = following
        with transaction.atomic(durable=True):
            self._hold()
            _write(self.errand.connection, ledger.account, page.rows)
            # Somebody may have asked for older ones meanwhile.
            ledger.wanted_from = (
                CallLedger.objects.select_for_update()
                .values_list("wanted_from", flat=True)
                .get(pk=ledger.pk)
            )
            far = ledger.so_far is not None and ledger.so_far < ledger.wanted_from
            joins = self._joins(ledger)
            done = not following or far or joins
            if done:
                self._close(ledger, at_end=not following, joins=joins)
            ledger.save(update_fields=PROGRESS)
        self.errand.run.seen += len(page.rows)
        self.errand.hold()
        return done

    @staticmethod
    def _joins(ledger: CallLedger) -> bool:
        """Whether the reading has come down to what an earlier one had read, and that goes far enough."""
        if ledger.read_at is None or ledger.so_far is None:
            return False
        enough = ledger.ended or (
            ledger.reached is not None and ledger.reached <= ledger.wanted_from
        )
        return enough and ledger.so_far < ledger.read_at - LATE_ENTRY

    @staticmethod
    def _close(ledger: CallLedger, *, at_end: bool, joins: bool) -> None:
        if not joins:
            ledger.ended = at_end
            ledger.reached = ledger.wanted_from
        ledger.read_at = ledger.began_at
        ledger.due, ledger.cursor, ledger.error = False, "", ""
        ledger.began_at = ledger.so_far = None

    def _save(self, ledger: CallLedger, **fields: object) -> None:
        for name, value in fields.items():
            setattr(ledger, name, value)
        with transaction.atomic(durable=True):
            self._hold()
            ledger.save(update_fields=PROGRESS)

    def _hold(self) -> None:
        leases.hold(self.errand.resource.pk, self.errand.run.fence, timezone.now())


def forget_old() -> None:
    """Delete calls beyond what is kept, of any connection, and ledgers that nobody has asked for since.

    A few at once, so that nobody else who writes waits.
    """
    earliest = kept_from()
    while True:
        old = Call.objects.filter(at__lt=earliest)
        ids = list(old.values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
        if not ids:
            break
        with transaction.atomic(durable=True):
            Call.objects.filter(pk__in=ids).delete()
        time.sleep(settings.SYNC_BUCKET_PAUSE_SECONDS)
    with transaction.atomic(durable=True):
        CallLedger.objects.filter(asked_at__lt=earliest, due=False).delete()
        CallLedger.objects.filter(reached__lt=earliest).update(reached=earliest, ended=False)


def _write(connection: Connection, account: str, rows: Iterable[UsageRecord]) -> None:
    """Put the rows in, or in the place of what they were; those too old to be kept are left out."""
    earliest = kept_from()
    made = {
        one.remote_id: Call(
            connection=connection,
            account=account,
            remote_id=one.remote_id,
            at=one.at,
            operation=one.operation,
            model=one.model,
            model_family=one.model_family,
            inference_provider=one.inference_provider,
            generation_id=one.generation_id,
            prompt_tokens=one.prompt_tokens,
            completion_tokens=one.completion_tokens,
            total_tokens=one.total_tokens,
            cached_tokens=one.cached_tokens,
            own_key=one.own_key,
            **priced(one.charged_usd, one.list_cost_usd),
        )
        for one in rows
        if one.at >= earliest
    }
    Call.objects.bulk_create(
        made.values(),
        update_conflicts=True,
        unique_fields=["connection", "remote_id"],
        update_fields=COLUMNS,
    )


def _read(errand: Errand, adapter: Adapter, fetcher: Fetcher) -> None:
    if not isinstance(adapter, CallAdapter):
        raise errors.Refused(_("This provider has no such report."))
    LedgerReading(errand, fetcher, adapter).go()


CALLS = Series(
    name=NAME,
    label=gettext_lazy("Single calls"),
    capability=CAPABILITY,
    read=_read,
    method="calls",
    has=lambda provider: NAME in PROVIDERS[provider].reports,
    every_seconds=1800,  # that often it looks whether anybody waits, and asks the provider nothing
)
