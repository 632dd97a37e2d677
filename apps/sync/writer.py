"""Turning pages into mirror rows: compares as it reads, writes only what changed.

What the mirror holds is loaded once a walk as {remote_id: fingerprint}; a row whose fingerprint is
the same costs a hash and a look-up. The rest gathers until it fills a bucket and is written in one
short transaction, which confirms the lease, asks the outbox what must be left alone, and notes the
progress. Between buckets the writer rests a moment, so that a click's write on SQLite gets its turn.
"""

import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from hashlib import blake2b
from operator import attrgetter
from typing import Any

import msgspec
from django.conf import settings
from django.db import DataError, IntegrityError, transaction
from django.db import connection as database
from django.db.models import CharField
from django.utils import timezone

from apps.providers.records import Page, Unreadable
from apps.sync import leases, quarantine
from apps.sync.commits import without_disk
from apps.sync.guard import Guard
from apps.sync.mirrors import Mirror
from apps.sync.models import RemoteChange, Resource, RunIds, SyncRun
from apps.sync.upsert import Upsert, Values

# Rows a transaction; on SQLite to begin with, then as many as hold its only write lock so long.
BUCKETS = {"sqlite": 500, "postgresql": 5000}
HOLD_SECONDS = 0.02
FEWEST = 100
GATHER = 10_000  # rows that are sorted and written together, where they come that fast
FLUSH_SECONDS = 0.5  # what has come is written at least this often

What = RemoteChange.What
Fingerprints = Callable[[Sequence[bytes]], Sequence[int]]


def fingerprints(version: int) -> Fingerprints:
    """A function from rows' own JSON to 64 signed bits each, another one for each ``version``.

    Over the bytes and not the columns, because ``raw`` is kept too and must not go stale; a provider
    that orders its keys anew costs one rewrite and no false change (those compare columns).
    """
    blank = blake2b(digest_size=8, person=b"mirror%d" % version)

    def of(rows: Sequence[bytes]) -> Sequence[int]:
        digests = []
        for raw in rows:
            digest = blank.copy()
            digest.update(raw)
            digests.append(digest.digest())
        return struct.unpack(f">{len(digests)}q", b"".join(digests))

    return of


def next_bucket(rows: int, held: float) -> int:
    """Rows of the next transaction on SQLite, after one of ``rows`` that held the lock ``held`` seconds."""
    fitting = int(rows * HOLD_SECONDS / held)
    return min(max(fitting, rows // 2, FEWEST), rows * 2, GATHER)


class Incoming(msgspec.Struct, gc=False):
    """A row that is new, changed or back, on its way into the mirror.

    There may be ten thousand at a time, and the garbage collector would go through them over and over.
    """

    remote_id: str
    record: Any
    fingerprint: int
    stored: Values = ()  # as Upsert takes it
    parent: Values = ()  # likewise; empty once it is written
    problem: str = ""


class Writer:
    """One walk's way into the database. ``known`` has None for rows that are gone."""

    def __init__(self, mirror: Mirror, resource: Resource, run: SyncRun) -> None:
        self.mirror = mirror
        self.resource = resource
        self.connection = resource.connection
        self.run = run
        self.fingerprints = fingerprints(mirror.version)
        self.bucket = BUCKETS[database.vendor]
        self.upsert = Upsert(mirror, self.connection.pk, self.connection.organization_id)
        # New rows go the short way, until one of them turns out to be there.
        self.adds = database.vendor == "postgresql"
        self.since = _previous_start(resource)
        self.known: dict[str, int | None] = {}
        self._same: dict[int | None, str] = {}  # ids of the rows that are present, by fingerprint
        self.seen: set[str] = set()
        self.before = 0  # rows that were present when the walk began
        self.nameless = 0  # unreadable rows without an id: any absent row might be one of them
        self._pending: dict[str, Incoming] = {}
        self._unreadable: list[Unreadable] = []
        self._unsaved_ids: list[str] = []
        self._flushed = time.monotonic()
        self._limits = [
            (index, limit)
            for index, name in enumerate(self.upsert.columns)
            if isinstance(column := mirror.model._meta.get_field(name), CharField)
            and (limit := column.max_length)
        ]

    def load(self) -> None:
        """Read what the mirror holds, and for a resumed walk what was listed before.

        By hand, because the ORM would spend ten times as long on turning 100,000 rows into objects.
        """
        table = self.mirror.model._meta.db_table
        with database.cursor() as cursor:
            held = f"FROM {table} WHERE connection_id = %s AND remote_id IS NOT NULL"
            cursor.execute(
                f"SELECT remote_id, CASE WHEN gone_at IS NULL THEN fingerprint END {held}",  # the model's own name
                [self.connection.pk],
            )
            self.known = dict(cursor.fetchall())
        self._same = dict(zip(self.known.values(), self.known, strict=True))
        self._same.pop(None, None)
        self.before = len(self.known) - list(self.known.values()).count(None)
        if self.run.cursor:
            self._remember()

    def _remember(self) -> None:
        """For a walk that goes on where another worker stopped: what has been listed already."""
        came = self.mirror.model._default_manager.filter(
            connection_id=self.connection.pk,
            remote_id__isnull=False,
            first_seen_at__gte=self.run.started_at,
        )
        # They came while this walk was under way: not absent from it.
        self.seen.update(str(name) for name in came.values_list("remote_id", flat=True))
        self.before -= len(self.seen)
        for ids in self.run.ids.filter(kind=RunIds.Kind.SEEN).values_list("ids", flat=True):
            self.seen.update(ids.split("\n"))
        hidden = self.resource.quarantine.filter(
            remote_id="", last_seen_at__gte=self.run.started_at
        )
        self.nameless = hidden.count()

    def incoming(self, records: list[Any]) -> list[Incoming]:
        """``records`` of a page as what may have to be written; this and ``ready`` hold for any thread."""
        digests = self.fingerprints([record.raw for record in records])
        return [
            Incoming(record.remote_id, record, digest)
            for record, digest in zip(records, digests, strict=True)
        ]

    def ready(self, records: list[Any]) -> list[Incoming]:
        """Likewise, as they are to be stored: for pages of which most rows are new."""
        rows = self.incoming(records)
        self._fill(rows)
        return rows

    def take(self, page: Page[Incoming], next_cursor: str | None) -> bool:
        """Compare a page, and write when enough has gathered or the time has come.

        Whether it listed anything that was not listed before; also true of a page without rows.
        """
        pending = self._pending
        same, (rows, unread) = page.but(self._held)
        came = [row.remote_id for row in rows]
        if came and not set(came).isdisjoint(same):  # listed twice on this page: the order counts
            same, rows, unread = [], page.rows, page.unreadable
            came = [row.remote_id for row in rows]
        ids = same + came
        before = len(self.seen)
        self.seen.update(ids)
        all_new = len(self.seen) == before + len(ids)
        for row, held in zip(rows, map(self.known.get, came), strict=True):
            if held != row.fingerprint:
                pending[row.remote_id] = row
            elif not all_new:  # perhaps listed twice, and the later word is what we hold
                pending.pop(row.remote_id, None)
        if not all_new:
            for name in same:
                pending.pop(name, None)
        unreadable = [row.remote_id for row in unread if row.remote_id]
        self.nameless += len(unread) - len(unreadable)
        self.seen.update(unreadable)
        ids += unreadable
        self._unsaved_ids.extend(ids)
        self._unreadable.extend(unread)
        self.run.pages += 1
        self.run.requests += page.requests
        self.run.seen = len(self.seen)
        self.run.cursor = next_cursor or ""
        late = time.monotonic() - self._flushed >= FLUSH_SECONDS
        if next_cursor is None or late or len(pending) >= GATHER:
            self.flush(last=next_cursor is None)
        return len(self.seen) > before or not (same or rows)

    def _held(self, rows: list[bytes]) -> Sequence[str | None]:
        """The ids of those that the mirror holds just so."""
        if not self._same:
            return [None] * len(rows)
        return list(map(self._same.get, self.fingerprints(rows)))

    def flush(self, *, last: bool) -> None:
        """Write all that waits, bucket by bucket; with the last one, how far the walk has come."""
        self._fill([row for row in self._pending.values() if not row.stored])
        good = []
        for row in self._pending.values():
            if row.problem:
                self._unreadable.append(Unreadable(row.remote_id, row.problem, row.record.raw))
            else:
                good.append(row)
        good.sort(key=attrgetter("remote_id"))
        if len(good) > self.bucket:
            self._write_parents_first(good)
        while len(good) > self.bucket:
            bucket, good = good[: self.bucket], good[self.bucket :]
            self._write(bucket)
            self.pause()
        self._write(good, progress=True, keep_ids=not last)
        self._pending.clear()
        self.upsert.forget_parents()
        self._unsaved_ids.clear()
        self._unreadable.clear()
        self._flushed = time.monotonic()

    def _write_parents_first(self, rows: list[Incoming]) -> None:
        """In an order and transactions of their own: see Upsert."""
        parents, new = self._parents(rows), self._are_new(rows)
        while parents:
            bucket, parents = parents[: self.bucket], parents[self.bucket :]
            try:
                with self._transaction(len(bucket)):
                    self._put_parents(bucket, timezone.now(), new=new)
            except (DataError, IntegrityError):
                self.upsert.doubt_parents()
                return  # they go with their rows, where the one that cannot be held is found
            self.pause()
        for row in rows:
            row.parent = ()

    def _are_new(self, rows: list[Incoming]) -> bool:
        """Whether they may go the short way."""
        return self.adds and self.known.keys().isdisjoint([row.remote_id for row in rows])

    def _put_parents(self, parents: list[Values], now: datetime, *, new: bool) -> None:
        if new:
            self.upsert.add_parents(parents, now)
        else:
            self.upsert.write_parents(parents, now)

    def _parents(self, rows: list[Incoming]) -> list[Values]:
        """Each parent once, in the order of their keys."""
        parents: dict[str, Values] = {}
        for row in rows:
            if row.parent and self.mirror.parent:
                other = parents.setdefault(row.parent[0], row.parent)
                if other is not row.parent:
                    parents[row.parent[0]] = self.mirror.parent.merge(other, row.parent)
        return [parents[key] for key in sorted(parents)]

    @contextmanager
    def _transaction(self, rows: int) -> Iterator[None]:
        """A transaction that writes so many rows, under the lease."""
        with transaction.atomic(durable=True):
            began = time.monotonic()
            without_disk()  # what a crash takes back, place and all, is read again
            leases.hold(self.resource.pk, self.run.fence, timezone.now())
            yield
            # Without the commit: now and then it tidies the log as well, and that keeps nobody waiting.
            held = time.monotonic() - began
        if database.vendor == "sqlite" and rows == self.bucket:
            self.bucket = next_bucket(rows, held)

    def _fill(self, rows: list[Incoming]) -> None:
        """Fill in what is to be stored, and ``problem`` where it cannot be."""
        parent = self.mirror.parent
        for row in rows:
            record = row.record
            row.parent = parent.values(record) if parent else ()
            values = self.mirror.values(record, self.run.started_at)
            raw = record.raw.decode()
            row.stored = (row.remote_id, raw, row.fingerprint, *values, *row.parent[:1])
        self._look_over(rows)

    def _look_over(self, rows: list[Incoming]) -> None:
        """Find what the table cannot hold, a whole column at a time: there is seldom any."""
        columns = list(zip(*(row.stored for row in rows), strict=True))
        if not columns:
            return
        for index, limit in self._limits:
            if max(map(len, filter(None, columns[index])), default=0) > limit:
                for row in rows:
                    self._cut(row, index, limit)
        if "\n" in "".join(columns[0]):  # it separates ids in RunIds
            for row in rows:
                if "\n" in row.remote_id:
                    row.problem = "the id holds a line feed"

    def _cut(self, row: Incoming, index: int, limit: int) -> None:
        """Shorten one column (``raw`` has it whole), unless the row is known by it."""
        name, text = self.upsert.columns[index], row.stored[index]
        if not text or len(text) <= limit:
            return
        if name in ("remote_id", self.mirror.label_column):
            row.problem = f"{name} is longer than {limit} characters"
        row.stored = (*row.stored[:index], text[: limit - 1] + "…", *row.stored[index + 1 :])

    def _write(
        self, bucket: list[Incoming], *, progress: bool = False, keep_ids: bool = False
    ) -> None:
        try:
            self._transact(bucket, progress, keep_ids)
        except (DataError, IntegrityError) as error:
            if not bucket:
                raise
            if self.adds:  # somebody else may have brought one of them meanwhile
                self.adds = False
                self.upsert.doubt_parents()
                self._write(bucket, progress=progress, keep_ids=keep_ids)
                return
            self._one_by_one(bucket, error)
            if progress:
                self._transact([], progress, keep_ids)

    def _one_by_one(self, bucket: list[Incoming], error: Exception) -> None:
        """The database refused a bucket: find the rows it cannot hold and write the others."""
        for row in bucket:
            try:
                self._transact([row], False, False)
            except (DataError, IntegrityError) as refusal:
                reason = f"the database cannot hold it: {refusal.__class__.__name__}"
                self._unreadable.append(Unreadable(row.remote_id, reason, row.record.raw))

    def _transact(self, bucket: list[Incoming], progress: bool, keep_ids: bool) -> None:
        now = timezone.now()
        counts: Counter[str] = Counter()
        with self._transaction(len(bucket)):
            if bucket:
                bucket = self._free(bucket, counts, now)
            if progress and self._unreadable:
                quarantine.keep(self.resource, self._unreadable, now)
                self.run.quarantined += len(self._unreadable)
            if progress and keep_ids and self._unsaved_ids:
                RunIds.objects.create(
                    run=self.run, kind=RunIds.Kind.SEEN, ids="\n".join(self._unsaved_ids)
                )
            self.run.added += counts[What.ADDED]
            self.run.changed += counts[What.CHANGED]
            self.run.returned += counts[What.RETURNED]
            if progress:
                note_progress(self.run, now)
        if self._same:
            for row in bucket:
                self._same.pop(self.known.get(row.remote_id) or 0, None)
                self._same[row.fingerprint] = row.remote_id
        self.known.update((row.remote_id, row.fingerprint) for row in bucket)

    def _free(self, bucket: list[Incoming], counts: Counter[str], now: datetime) -> list[Incoming]:
        """Write those that no Command holds; they are returned, the others wait for the next walk."""
        mirror = self.mirror
        guard = Guard.load(mirror, self.connection.pk, self.run.started_at, self.since)
        if guard.held:
            bucket = [
                row
                for row in bucket
                if not guard.holds(row.remote_id, self._column(row, mirror.target_column))
            ]
        new = self._are_new(bucket)
        counts.update({What.ADDED: len(bucket)} if new else map(self._what, bucket))
        if self.resource.completed_at is not None:
            self._note_changes(bucket, guard, now)
        self._put_parents(self._parents(bucket), now, new=new)
        rows = [row.stored for row in bucket]
        if new:
            self.upsert.add_rows(rows, now)
        else:
            self.upsert.write_rows(rows, now)
        return bucket

    def _column(self, row: Incoming, name: str) -> Any:
        return row.stored[self.upsert.columns.index(name)]

    def _what(self, row: Incoming) -> str:
        if row.remote_id not in self.known:
            return What.ADDED
        return What.RETURNED if self.known[row.remote_id] is None else What.CHANGED

    def _note_changes(self, bucket: list[Incoming], guard: Guard, now: datetime) -> None:
        """What others did at the provider since the last walk; our own Commands are no news."""
        watched = self.mirror.watched
        before: dict[str, dict[str, Any]] = {}
        changed = [row.remote_id for row in bucket if self._what(row) == What.CHANGED]
        if changed and watched:
            rows = self.mirror.model._default_manager.filter(
                connection_id=self.connection.pk, remote_id__in=changed
            )
            before = {row["remote_id"]: row for row in rows.values("remote_id", *watched)}
        changes = []
        for row in bucket:
            what = self._what(row)
            old = before.get(row.remote_id, {})
            difference = {
                name: [old[name], new]
                for name in watched
                if name in old and old[name] != (new := self._column(row, name))
            }
            if what == What.CHANGED and not difference:
                continue
            news = [(name, pair[1]) for name, pair in difference.items()]
            target = self._column(row, self.mirror.target_column)
            if not guard.explains(row.remote_id, target, what, news):
                label = self._column(row, self.mirror.label_column)
                changes.append(self.change(row.remote_id, label, what, now, difference))
        if changes:
            RemoteChange.objects.bulk_create(self.mirror.news(self.connection, changes))

    def change(
        self, remote_id: str, label: str, what: str, now: datetime, difference: dict[str, Any]
    ) -> RemoteChange:
        """One line for Activity, not yet saved."""
        return RemoteChange(
            organization_id=self.connection.organization_id,
            connection_id=self.connection.pk,
            resource=self.mirror.name,
            remote_id=remote_id,
            label=label,
            what=what,
            difference=difference,
            at=now,
        )

    def pause(self) -> None:
        """Let other writers of SQLite have their turn; PostgreSQL's need none."""
        if database.vendor == "sqlite":
            time.sleep(settings.SYNC_BUCKET_PAUSE_SECONDS)


def note_progress(run: SyncRun, now: datetime) -> None:
    """Write down how far a walk has come."""
    run.heartbeat_at = now
    mine = SyncRun.objects.filter(pk=run.pk, fence=run.fence)
    mine.update(**{name: getattr(run, name) for name in PROGRESS})


PROGRESS = (
    "heartbeat_at",
    "cursor",
    "pages",
    "requests",
    "seen",
    "added",
    "changed",
    "gone",
    "returned",
    "quarantined",
)


def _previous_start(resource: Resource) -> datetime | None:
    """When the last complete walk began: our Commands since then explain what this one finds."""
    done = [SyncRun.State.COMPLETE, SyncRun.State.ASKING]
    return (
        SyncRun.objects.filter(resource=resource, state__in=done)
        .values_list("started_at", flat=True)
        .first()
    )
