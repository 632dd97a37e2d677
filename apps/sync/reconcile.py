"""What a complete walk says about the rows that it did not list.

Absence counts only here, after the last page. Rows that the outbox holds are left alone, and a loss
too sudden to be true stops and asks; the answer is carried out by the next complete walk, on fresh
evidence, never on the old.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import filterfalse

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.sync import leases
from apps.sync.guard import Guard, What
from apps.sync.models import RemoteChange, RunIds, SyncRun
from apps.sync.writer import Writer, note_progress

SUDDEN_ROWS = 20
SUDDEN_SHARE = 5  # a fifth
CHUNK = 500  # rows a transaction, and ids a query
DECISION_HOLDS = timedelta(days=1)
ACCEPTED = SyncRun.Decision.ACCEPTED
DISMISSED = SyncRun.Decision.DISMISSED


def is_sudden(before: int, absent: int) -> bool:
    """Whether losing ``absent`` of ``before`` rows in one walk is too much to believe."""
    return absent > SUDDEN_ROWS and absent * SUDDEN_SHARE > before


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about absent rows: remove them, or ask about them. The rest stays."""

    remove: list[str]
    ask: list[str]


def judge(before: int, absent: list[str], accepted: set[str], dismissed: set[str]) -> Verdict:
    """Weigh the absent rows against the rule and against what a person has decided of late.

    ``before`` is how many rows were present. ``dismissed`` are rows of which somebody said that
    they are not gone: they stay. ``accepted`` are rows that may go however many they are.
    """
    doubtful = [remote_id for remote_id in absent if remote_id not in dismissed]
    if is_sudden(before, len(doubtful)) and not accepted.issuperset(doubtful):
        return Verdict([], doubtful)
    return Verdict(doubtful, [])


def reconcile(writer: Writer) -> SyncRun.State:
    """Remove, or ask, after the last page; the state that the walk ends in."""
    run = writer.run
    missed = filterfalse(writer.seen.__contains__, writer.known)
    absent = [remote_id for remote_id in missed if writer.known[remote_id] is not None]
    if writer.nameless:
        # Any of the absent rows may be one whose id could not be read.
        run.error = f"{writer.nameless} rows without a readable id: nothing was removed"
        return SyncRun.State.COMPLETE
    absent = [row[0] for chunk in _chunks(absent) for row in _removable(writer, chunk)[0]]
    decisions = _decisions(run, timezone.now())
    verdict = judge(writer.before, absent, decisions[ACCEPTED], decisions[DISMISSED])
    for chunk in _chunks(verdict.remove):
        _remove(writer, chunk)
    if verdict.ask:
        run.would_remove = len(verdict.ask)
        _ask(writer, verdict.ask)
        return SyncRun.State.ASKING
    return SyncRun.State.COMPLETE


def close_questions(run: SyncRun, now: datetime) -> None:
    """End earlier questions about this listing: answered by the facts, or asked anew by ``run``."""
    others = SyncRun.objects.filter(resource_id=run.resource_id).exclude(pk=run.pk)
    others.filter(state=SyncRun.State.ASKING).update(state=SyncRun.State.COMPLETE)
    holding = Q(run__decision=DISMISSED, run__decided_at__gt=now - DECISION_HOLDS)
    RunIds.objects.filter(run__in=others, kind=RunIds.Kind.MISSING).exclude(holding).delete()


def _chunks(ids: list[str]) -> Iterator[list[str]]:
    for at in range(0, len(ids), CHUNK):
        yield ids[at : at + CHUNK]


def _removable(writer: Writer, ids: list[str]) -> tuple[list[tuple[str, str, str]], Guard]:
    """(remote id, target's value, label) of those that no Command holds, and the Guard that says so."""
    mirror, run = writer.mirror, writer.run
    guard = Guard.load(mirror, writer.connection.pk, run.started_at, writer.since)
    rows = mirror.model._default_manager.filter(
        connection_id=writer.connection.pk, remote_id__in=ids, gone_at__isnull=True
    ).values_list("remote_id", mirror.target_column, mirror.label_column)
    return [row for row in rows if not guard.holds(row[0], row[1])], guard


def _remove(writer: Writer, ids: list[str]) -> None:
    """Mark a bucket of rows gone."""
    mirror, connection = writer.mirror, writer.connection
    now = timezone.now()
    with transaction.atomic(durable=True):
        leases.hold(writer.resource.pk, writer.run.fence, now)
        rows, guard = _removable(writer, ids)
        going = [row[0] for row in rows]
        differences = mirror.on_gone(connection.pk, going, now)
        writer.run.gone += mirror.model._default_manager.filter(
            connection_id=connection.pk, remote_id__in=going
        ).update(gone_at=now, changed_at=now)
        changes = [
            writer.change(remote_id, label, What.GONE, now, differences.get(remote_id, {}))
            for remote_id, target, label in rows
            if not guard.explains(remote_id, target, What.GONE, ())
        ]
        if changes:
            RemoteChange.objects.bulk_create(mirror.news(connection, changes))
        note_progress(writer.run, now)
    writer.pause()


def _ask(writer: Writer, absent: list[str]) -> None:
    """Keep what would go, for the person who decides."""
    with transaction.atomic(durable=True):
        leases.hold(writer.resource.pk, writer.run.fence, timezone.now())
        RunIds.objects.bulk_create(
            RunIds(run=writer.run, kind=RunIds.Kind.MISSING, ids="\n".join(chunk))
            for chunk in _chunks(absent)
        )


def _decisions(run: SyncRun, now: datetime) -> dict[str, set[str]]:
    """The rows that a person has decided about within the last day, by decision."""
    decided = SyncRun.objects.filter(
        resource_id=run.resource_id, decided_at__gt=now - DECISION_HOLDS
    ).exclude(decision=SyncRun.Decision.NONE)
    rows: dict[str, set[str]] = {ACCEPTED: set(), DISMISSED: set()}
    for earlier in decided:
        rows[earlier.decision] |= missing(earlier)
    return rows


def missing(run: SyncRun) -> set[str]:
    """The remote ids that ``run`` asks about."""
    texts = run.ids.filter(kind=RunIds.Kind.MISSING).values_list("ids", flat=True)
    return {remote_id for text in texts for remote_id in text.split("\n")}
