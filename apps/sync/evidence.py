"""What this shelf adds to a file of evidence: listings, walks, what could not be read, and changes."""

from collections.abc import Iterator
from typing import Any

from apps.organizations.evidence import CHUNK, Span, add
from apps.sync.models import Command, CommandState, QuarantinedRow, Resource, SyncRun
from apps.sync.outbox.kinds import told_results

_OF_WALK = (
    "state",
    "cause",
    "started_at",
    "finished_at",
    "pages",
    "requests",
    "seen",
    "expected",
    "added",
    "changed",
    "gone",
    "returned",
    "quarantined",
    "would_remove",
    "decision",
    "error",
)
_OF_COMMAND = (
    "kind",
    "target",
    "label",
    "state",
    "arguments",
    "before",
    "step",
    "baseline",
    "candidates",
    "tries",
    "checks",
    "attempts",
    "due_at",
    "sent_at",
    "deadline_at",
    "remote_id",
    "error",
    "error_code",
    "remote_request_id",
    "is_money",
    "in_doubt",
    "created_at",
    "settled_at",
)


def _listings(span: Span) -> Iterator[dict[str, Any]]:
    rows = Resource.objects.filter(connection__organization=span.organization)
    names = ("connection_id", "name", "rows", "completed_at", "due_at", "failures", "error")
    for row in rows.order_by("connection_id", "name").values(*names):
        yield {"listing" if key == "name" else key: value for key, value in row.items()}


def _walks(span: Span) -> Iterator[dict[str, Any]]:
    rows = SyncRun.objects.filter(
        resource__connection__organization=span.organization,
        started_at__gte=span.since,
        started_at__lte=span.until,
    ).select_related("resource")
    for row in rows.order_by("started_at", "pk").iterator(chunk_size=CHUNK):
        yield {
            "connection": row.resource.connection_id,
            "listing": row.resource.name,
            **{name: getattr(row, name) for name in _OF_WALK},
        }


def _unreadable(span: Span) -> Iterator[dict[str, Any]]:
    """Without the rows as they were sent: what is in them nobody knows."""
    rows = QuarantinedRow.objects.filter(
        resource__connection__organization=span.organization,
        last_seen_at__gte=span.since,
        first_seen_at__lte=span.until,
    ).select_related("resource")
    for row in rows.order_by("pk").iterator(chunk_size=CHUNK):
        yield {
            "connection": row.resource.connection_id,
            "listing": row.resource.name,
            "remote_id": row.remote_id,
            "reason": row.reason,
            "first_seen_at": row.first_seen_at,
            "last_seen_at": row.last_seen_at,
        }


def _changes(span: Span) -> Iterator[dict[str, Any]]:
    """Those asked for in the span, with their timelines; no secret that a provider gave is among it."""
    rows = (
        Command.objects.exclude(state=CommandState.DRAFT)
        .filter(
            organization=span.organization,
            created_at__gte=span.since,
            created_at__lte=span.until,
        )
        .select_related("actor", "approved_by")
        .prefetch_related("events")
    )
    for row in rows.order_by("created_at", "pk").iterator(chunk_size=CHUNK):
        yield {
            "uid": str(row.uid),
            "id": row.pk,
            "connection": row.connection_id,
            **{name: getattr(row, name) for name in _OF_COMMAND},
            "results": told_results(row),
            "actor": row.actor.email if row.actor else None,
            "approved_by": row.approved_by.email if row.approved_by else None,
            "timeline": [
                {
                    "at": event.at,
                    "state": event.state,
                    "note": event.note,
                    "remote_request_id": event.remote_request_id,
                }
                for event in row.events.all()
            ],
        }


def register() -> None:
    """Make this shelf's known."""
    add("listings", _listings)
    add("walks", _walks)
    add("unreadable_rows", _unreadable)
    add("changes", _changes)
