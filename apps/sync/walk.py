"""One walk over one listing or series of one connection, from the first page to the last or as far as it gets.

The next pages are fetched in a second thread while those at hand are written. That thread never
touches the database, and this one has no transaction open while it waits. Only a walk that reached
the last page says anything about rows that were not listed (``reconcile.py``).
"""

import contextvars
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from queue import Empty, Queue
from threading import Semaphore
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
from apps.sync.mirrors import Mirror, Series, Walkable
from apps.sync.models import Resource, RunIds, SyncRun
from apps.sync.writer import Incoming, Writer, note_progress

PAGE_TRIES = 5
AHEAD = 30  # pages that may wait: as many as come while others are written
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
    what = mirrors.get(resource.name) if resource else None
    if resource is None or what is None or not may_walk(resource.connection, what):
        return None
    place = {"connection": resource.connection_id, "listing": resource.name}
    with structlog.contextvars.bound_contextvars(**place):
        return _walk(resource, what, cause)


def _walk(resource: Resource, what: Walkable, cause: str) -> SyncRun | None:
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
        kind = _Walker if isinstance(what, Mirror) else _Reader
        kind(what, resource, run).go()  # type: ignore[arg-type]  # each of its own
    except leases.LeaseLostError:
        log.info("walk_taken_over", resource=resource.pk, run=run.pk)
    run.refresh_from_db()
    return run


def may_walk(connection: Connection, what: Walkable) -> bool:
    """Whether the provider may be asked at all."""
    return (
        connection.state == Connection.State.ACTIVE
        and connection.frozen_at is None
        and what.applies_to(connection)
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


class Fetcher:
    """Asks the provider in a thread of its own, so that pages are on their way while others are written.

    ``following(page)`` is what to ask next without being told, None for nothing. AHEAD pages wait here
    at most.
    """

    def __init__(self, following: Callable[[Any], Callable[[], Any] | None] | None = None) -> None:
        self.following = following
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="page-ahead")
        self.room = Semaphore(AHEAD)
        self.closed = False
        self.came: Queue[Future[Any]] = Queue()

    def ask(self, call: Callable[[], Any]) -> None:
        """Begin to fetch what ``call`` asks for, and what follows it until something is raised."""
        # The context travels along: logs keep their names, and the adapter sees that it is in a worker.
        self.thread.submit(contextvars.copy_context().run, self._fetch, call)

    def _fetch(self, call: Callable[[], Any] | None) -> None:
        while call is not None:
            self.room.acquire()
            if self.closed:
                return
            page: Future[Any] = Future()
            following = None
            try:
                found = call()
                following = self.following(found) if self.following else None
                page.set_result(found)
            except BaseException as error:  # noqa: BLE001 - raised by ``answer``
                page.set_exception(error)
            self.came.put(page)
            call = following

    def answer(self, seconds: float) -> Any:
        """The next of what came, None if it needs longer. Raises what the adapter raised."""
        try:
            page = self.came.get(timeout=seconds)
        except Empty:
            return None
        self.room.release()
        return page.result()

    def close(self) -> None:
        """Wait for a page under way and forget what came."""
        self.closed = True
        self.room.release()
        self.thread.shutdown(wait=True, cancel_futures=True)


class Errand(ABC):
    """One walk while it lasts, whatever it reads: its lease, its waiting, how it ends."""

    def __init__(self, what: Walkable, resource: Resource, run: SyncRun) -> None:
        self.what = what
        self.resource = resource
        self.connection = resource.connection
        self.run = run
        self.waited = 0.0
        self.held_at = time.monotonic()
        self.again_at: datetime | None = None  # when to go on, if sooner than usual

    def go(self) -> None:
        """Walk to an end, whatever it is, and write it down."""
        try:
            state = self.work()
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

    @abstractmethod
    def work(self) -> str:
        """Read and write; the state that the walk ends in."""

    def save_rest(self) -> None:  # noqa: B027 - most have kept it already
        """Keep what was read before the walk was cut short."""

    def keep(self) -> None:
        """Extend the lease, and write down how far the walk has come."""
        now = timezone.now()
        with transaction.atomic(durable=True):
            leases.hold(self.resource.pk, self.run.fence, now)
            note_progress(self.run, now)

    def _note_refusal(self, error: errors.ProviderError) -> None:
        """Let the connection know what the provider will not do any more."""
        connection = self.resource.connection
        if isinstance(error, errors.Unauthorized):
            health.freeze(connection, error)
        elif isinstance(error, errors.Forbidden | errors.NotFound):
            with transaction.atomic(durable=True):
                row = Connection.objects.get(pk=connection.pk)
                row.capabilities[self.what.capability] = {"ok": False, "reason": error.message}
                row.save(update_fields=["capabilities"])
            health.ask_for_probe(connection)

    def receive(self, fetcher: Fetcher, call: Callable[[], Any], *, begun: bool) -> Any:
        """What ``call`` was asked for, tried again while that may help. ``begun``: pages came before it,
        so a refusal means that the provider no longer knows where we were."""
        tries = limited = 0
        while True:
            try:
                while (page := fetcher.answer(LISTEN_SECONDS)) is None:
                    self.hold()
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
                if not begun:
                    raise
                raise CutShort(f"The provider no longer knows where we were: {error}") from error
            self.run.requests += not isinstance(last, errors.BudgetSpent | errors.NotSent)
            self.waited += wait
            if self.waited > settings.SYNC_WAIT_LIMIT_SECONDS:
                raise CutShort(last.message, wait) from last
            self._rest(wait)
            fetcher.ask(call)

    def _rest(self, seconds: float) -> None:
        """Wait, and keep the lease meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, LISTEN_SECONDS))
            self.hold()

    def hold(self) -> None:
        """Say that we are alive, a few times within each lease."""
        if time.monotonic() - self.held_at < settings.SYNC_LEASE_SECONDS / 4:
            return
        self.keep()
        self.held_at = time.monotonic()

    def _complete(self, state: str) -> None:
        now = timezone.now()
        following = self.again_at or now + timedelta(seconds=self.what.every)
        with transaction.atomic(durable=True):
            leases.release(
                self.resource.pk,
                self.run.fence,
                completed_at=now,
                rows=self.run.seen,
                failures=0,
                error="",
                due_at=_or_sooner(following),
            )
            quarantine.release(self.resource, self.run.started_at)
            for listener in mirrors.listeners(self.what.name):
                listener(self.resource.connection, now)
            self._finish(state, now)
            reconcile.close_questions(self.run, now)
        health.note_success(self.resource.connection)

    def _end_early(self, state: str, reason: str, wait: float) -> None:
        """Nothing is removed, what was read is kept; begin again soon, later each time it fails."""
        if state == SyncRun.State.CUT_SHORT:
            self.save_rest()
        now = timezone.now()
        failures = self.resource.failures + 1
        wait = max(wait, min(2.0**failures * 5, self.what.every))
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


class _Walker(Errand):
    """A walk over a listing."""

    def __init__(self, mirror: Mirror, resource: Resource, run: SyncRun) -> None:
        super().__init__(mirror, resource, run)
        self.mirror = mirror
        self.writer = Writer(mirror, resource, run)

    def work(self) -> str:
        begin = self.run.cursor or None
        with open_adapter(self.connection) as adapter:
            first = self.resource.completed_at is None
            listing = _Listing(self.mirror, adapter, begin, self.writer, read=first)
            with closing(Fetcher(listing.following)) as fetcher:
                fetcher.ask(listing.at(begin))
                self.writer.load()  # while the first pages are on their way
                self._pages(listing, fetcher, begin)
        return reconcile.reconcile(self.writer)

    def save_rest(self) -> None:
        self.keep()

    def keep(self) -> None:
        """The place in the listing and what was listed before it, or neither: whoever goes on from there
        takes everything else for absent."""
        self.writer.flush(last=False)

    def _pages(self, listing: "_Listing", fetcher: Fetcher, cursor: str | None) -> None:
        taken = {cursor}
        while True:
            page: Page[Incoming] = self.receive(
                fetcher, listing.at(cursor), begun=cursor is not None
            )
            following = page.next_cursor
            if following is not None:
                if following in taken:
                    raise CutShort("The provider gave the same page twice.")
                taken.add(following)
            news = self.writer.take(page, following)
            self.held_at = time.monotonic()
            if following is None:
                return
            if not news and cursor is not None:
                raise CutShort("The provider listed the same rows again.")
            cursor = following


class _Listing:
    """The pages of one listing, one after the other, from ``begin`` on.

    ``read``: their rows are read where they are fetched, and made ready for ``writer`` to store, while
    others are written. Where most are held already, whoever compares them reads the others.
    """

    def __init__(
        self, mirror: Mirror, adapter: Adapter, begin: str | None, writer: Writer, *, read: bool
    ) -> None:
        self.mirror = mirror
        self.adapter = adapter
        self.writer = writer
        self.read = read
        self.asked = {begin}

    def at(self, cursor: str | None) -> Callable[[], Page[Incoming]]:
        """What asks for the page at ``cursor``."""

        def fetch() -> Page[Incoming]:
            page = self.mirror.fetch(self.adapter, cursor)
            if self.read:
                return page.mapped(self.writer.ready).whole()
            return page.mapped(self.writer.incoming)

        return fetch

    def following(self, page: Page[Incoming]) -> Callable[[], Page[Incoming]] | None:
        """What asks for the page after ``page``; None after the last, and where it was asked for before."""
        cursor = page.next_cursor
        if cursor is None or cursor in self.asked:
            return None
        self.asked.add(cursor)
        return self.at(cursor)


class _Reader(Errand):
    """A walk over a series, which reads it in its own way."""

    def __init__(self, series: Series, resource: Resource, run: SyncRun) -> None:
        super().__init__(series, resource, run)
        self.series = series

    def work(self) -> str:
        with open_adapter(self.connection) as adapter, closing(Fetcher()) as fetcher:
            self.series.read(self, adapter, fetcher)
        return SyncRun.State.COMPLETE


def _or_sooner(moment: datetime) -> Coalesce:
    """The wish that came in while we walked, or else ``moment``."""
    return Coalesce(F("due_at"), Value(moment))


def _backoff(tries: int) -> float:
    """Seconds to wait before another try: doubling, with full jitter."""
    ceiling = min(settings.SYNC_RETRY_BASE_SECONDS * 2**tries, 30.0)
    return random.uniform(ceiling / 4, ceiling)  # noqa: S311  # spreads load, guards nothing
