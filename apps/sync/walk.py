"""One walk over one listing of one connection: page by page, from the first to the last or as far as it gets.

The next page is fetched in a second thread while the one at hand is written. That thread never
touches the database, and this one has no transaction open while it waits. Only a walk that reached
the last page says anything about rows that were not listed (``reconcile.py``).
"""

import contextvars
import random
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from apps.organizations import health
from apps.organizations.adapters import open_adapter
from apps.organizations.models import Connection
from apps.providers import errors
from apps.providers.protocol import Adapter
from apps.providers.records import Page
from apps.sync import leases, mirrors, quarantine, reconcile
from apps.sync.mirrors import Mirror
from apps.sync.models import Resource, RunIds, SyncRun
from apps.sync.writer import Writer

PAGE_TRIES = 5
LISTEN_SECONDS = 5.0  # how long to wait for a page before extending the lease
RESUME_WITHIN = timedelta(minutes=15)  # older than that, what was listed may no longer be true

log = structlog.get_logger(__name__)


class CutShort(Exception):
    """The walk cannot go on now. What was read stays; what was not listed yet is no evidence."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait  # seconds before it makes sense to begin again


def walk(resource_id: int, cause: str = SyncRun.Cause.DUE) -> SyncRun | None:
    """Walk one listing now; the run, or None where there is nothing to walk or somebody else does."""
    resource = (
        Resource.objects.select_related("connection__organization").filter(pk=resource_id).first()
    )
    mirror = mirrors.get(resource.name) if resource else None
    if resource is None or mirror is None or not may_walk(resource.connection, mirror):
        return None
    fence = leases.acquire(resource, timezone.now())
    if fence is None:
        return None
    rest = health.breaker_allows(resource.connection)
    if rest is not None:
        due_at = timezone.now() + timedelta(seconds=rest)
        leases.release(resource.pk, fence, due_at=_or_sooner(due_at))
        return None
    run = _resume_or_begin(resource, fence, cause)
    try:
        _Walker(mirror, resource, run).go()
    except leases.LeaseLostError:
        log.info("walk_taken_over", resource=resource.pk, run=run.pk)
    run.refresh_from_db()
    return run


def may_walk(connection: Connection, mirror: Mirror) -> bool:
    """Whether the provider may be asked at all."""
    return (
        connection.state == Connection.State.ACTIVE
        and connection.frozen_at is None
        and connection.can(mirror.capability)
    )


def _resume_or_begin(resource: Resource, fence: int, cause: str) -> SyncRun:
    """Take over a walk that a dead worker left behind, if it is young enough; else a new one."""
    now = timezone.now()
    left = SyncRun.objects.filter(resource=resource, state=SyncRun.State.RUNNING)
    for run in left:
        if run.cursor and run.heartbeat_at > now - RESUME_WITHIN:
            run.fence, run.heartbeat_at = fence, now
            run.save(update_fields=["fence", "heartbeat_at"])
            return run
    left.update(state=SyncRun.State.CUT_SHORT, finished_at=now, error="The worker stopped.")
    RunIds.objects.filter(run__resource=resource, kind=RunIds.Kind.SEEN).delete()
    return SyncRun.objects.create(
        resource=resource,
        fence=fence,
        cause=SyncRun.Cause.FIRST if resource.completed_at is None else cause,
        started_at=now,
        heartbeat_at=now,
        expected=resource.rows if resource.completed_at else None,
    )


class _Fetcher:
    """Fetches one page ahead, in a thread of its own."""

    def __init__(self, adapter: Adapter, mirror: Mirror) -> None:
        self.adapter = adapter
        self.mirror = mirror
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="page-ahead")
        self.page: Future[Page[Any]] | None = None

    def ask(self, cursor: str | None) -> None:
        """Begin to fetch the page at ``cursor``."""
        # The context travels along: logs keep their names, and the adapter sees that it is in a worker.
        context = contextvars.copy_context()
        self.page = self.thread.submit(context.run, self.mirror.fetch, self.adapter, cursor)

    def answer(self, seconds: float) -> Page[Any] | None:
        """The page, None if it needs longer. Raises what the adapter raised."""
        if self.page is None:
            raise RuntimeError("nothing was asked for")
        try:
            return self.page.result(seconds)
        except NotYet:
            if self.page.done():
                raise  # a TimeoutError of the adapter's own would be a bug of its
            return None

    def close(self) -> None:
        """Wait for a page under way and forget it."""
        self.thread.shutdown(wait=True, cancel_futures=True)


class _Walker:
    """One walk while it lasts."""

    def __init__(self, mirror: Mirror, resource: Resource, run: SyncRun) -> None:
        self.mirror = mirror
        self.resource = resource
        self.run = run
        self.writer = Writer(mirror, resource, run)
        self.waited = 0.0
        self.held_at = time.monotonic()

    def go(self) -> None:
        """Walk to an end, whatever it is, and write it down."""
        try:
            self.writer.load()
            with (
                open_adapter(self.resource.connection) as adapter,
                closing(_Fetcher(adapter, self.mirror)) as fetcher,
            ):
                self._pages(fetcher)
            state = reconcile.reconcile(self.writer)
        except leases.LeaseLostError:
            raise
        except CutShort as cut:
            self._end_early(SyncRun.State.CUT_SHORT, cut.reason, cut.wait)
        except errors.ProviderError as error:
            self._note_refusal(error)
            self._end_early(SyncRun.State.CUT_SHORT, error.message, error.retry_after or 0.0)
        except (
            Exception
        ) as error:  # a bug must not leave a walk running for ever; it is raised again
            self._end_early(SyncRun.State.FAILED, f"Internal error: {type(error).__name__}", 0.0)
            raise
        else:
            self._complete(state)

    def _note_refusal(self, error: errors.ProviderError) -> None:
        """Let the connection know what the provider will not do any more."""
        connection = self.resource.connection
        if isinstance(error, errors.Unauthorized):
            health.freeze(connection, error)
        elif isinstance(error, errors.Forbidden | errors.NotFound):
            with transaction.atomic(durable=True):
                row = Connection.objects.get(pk=connection.pk)
                row.capabilities[self.mirror.capability] = {"ok": False, "reason": error.message}
                row.save(update_fields=["capabilities"])
            health.ask_for_probe(connection)

    def _pages(self, fetcher: _Fetcher) -> None:
        cursor: str | None = self.run.cursor or None
        asked = {cursor}
        fetcher.ask(cursor)
        while True:
            page = self._receive(fetcher, cursor)
            following = page.next_cursor
            if following is not None:
                if following in asked:
                    raise CutShort("The provider gave the same page twice.")
                asked.add(following)
                fetcher.ask(following)
            before = len(self.writer.seen)
            self.writer.take(page, following)
            self.held_at = time.monotonic()
            if following is None:
                return
            if page.rows and len(self.writer.seen) == before and cursor is not None:
                raise CutShort("The provider listed the same rows again.")
            cursor = following

    def _receive(self, fetcher: _Fetcher, cursor: str | None) -> Page[Any]:
        """The page at ``cursor``, tried again while that may help."""
        tries = limited = 0
        while True:
            try:
                while (page := fetcher.answer(LISTEN_SECONDS)) is None:
                    self._hold()
                return page
            except (errors.RateLimited, errors.BudgetSpent) as error:
                wait = max(error.retry_after or 0.0, _backoff(limited))
                limited += 1
                last: errors.ProviderError = error
            except (errors.NotSent, errors.Unclear) as error:
                tries += 1
                health.note_failure(self.resource.connection, error)
                if tries >= PAGE_TRIES:
                    raise
                rest = health.breaker_allows(self.resource.connection)
                wait, last = max(_backoff(tries), rest or 0.0), error
            except (errors.NotFound, errors.Refused) as error:
                if cursor is None:
                    raise
                raise CutShort(f"The provider no longer knows where we were: {error}") from error
            self.run.requests += not isinstance(last, errors.BudgetSpent | errors.NotSent)
            self.waited += wait
            if self.waited > settings.SYNC_WAIT_LIMIT_SECONDS:
                raise CutShort(last.message, wait) from last
            self._rest(wait)
            fetcher.ask(cursor)

    def _rest(self, seconds: float) -> None:
        """Wait, and keep the lease meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, LISTEN_SECONDS))
            self._hold()

    def _hold(self) -> None:
        """Say that we are alive, a few times within each lease."""
        if time.monotonic() - self.held_at < settings.SYNC_LEASE_SECONDS / 4:
            return
        now = timezone.now()
        with transaction.atomic(durable=True):
            leases.hold(self.resource.pk, self.run.fence, now)
            self.writer.note_progress(now)
        self.held_at = time.monotonic()

    def _complete(self, state: str) -> None:
        now = timezone.now()
        every = timedelta(seconds=self.mirror.every)
        with transaction.atomic(durable=True):
            leases.release(
                self.resource.pk,
                self.run.fence,
                completed_at=now,
                rows=len(self.writer.seen),
                failures=0,
                error="",
                due_at=_or_sooner(now + every),
            )
            quarantine.release(self.resource, self.run.started_at)
            for listener in mirrors.listeners(self.mirror.name):
                listener(self.resource.connection, now)
            self._finish(state, now)
            reconcile.close_questions(self.run, now)
        health.note_success(self.resource.connection)

    def _end_early(self, state: str, reason: str, wait: float) -> None:
        """Nothing is removed, what was read is kept; begin again soon, later each time it fails."""
        if state == SyncRun.State.CUT_SHORT:
            self.writer.flush(last=True)
        now = timezone.now()
        failures = self.resource.failures + 1
        wait = max(wait, min(2.0**failures * 5, self.mirror.every))
        with transaction.atomic(durable=True):
            leases.release(
                self.resource.pk,
                self.run.fence,
                failures=failures,
                error=reason[:500],
                due_at=_or_sooner(now + timedelta(seconds=wait)),
            )
            self.run.error = reason[:500]
            self._finish(state, now)

    def _finish(self, state: str, now: datetime) -> None:
        run = self.run
        run.state, run.finished_at, run.cursor, run.heartbeat_at = state, now, "", now
        run.save()
        run.ids.filter(kind=RunIds.Kind.SEEN).delete()


def _or_sooner(moment: datetime) -> Coalesce:
    """The wish that came in while we walked, or else ``moment``."""
    return Coalesce(F("due_at"), Value(moment))


def _backoff(tries: int) -> float:
    """Seconds to wait before another try: doubling, with full jitter."""
    ceiling = min(settings.SYNC_RETRY_BASE_SECONDS * 2**tries, 30.0)
    return random.uniform(ceiling / 4, ceiling)  # noqa: S311  # spreads load, guards nothing
