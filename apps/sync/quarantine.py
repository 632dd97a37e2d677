"""Rows that cannot be read: kept aside for diagnosis, while the rest of the walk goes on."""

import json
from collections.abc import Iterable
from datetime import datetime

from apps.providers.records import Unreadable
from apps.sync.models import QuarantinedRow, Resource


def keep(resource: Resource, rows: Iterable[Unreadable], now: datetime) -> None:
    """Note unreadable rows; one that is noted already keeps its first date."""
    rows = list(rows)
    known = {
        _name(row.remote_id, row.reason): row
        for row in QuarantinedRow.objects.filter(
            resource=resource, remote_id__in={row.remote_id[:120] for row in rows}
        )
    }
    for row in rows:
        remote_id, reason = row.remote_id[:120], row.reason[:500]
        kept = known.setdefault(
            _name(remote_id, reason),
            QuarantinedRow(resource=resource, remote_id=remote_id, first_seen_at=now),
        )
        kept.reason, kept.raw, kept.last_seen_at = reason, storable(row.raw), now
    fresh = [row for row in known.values() if row.pk is None]
    again = [row for row in known.values() if row.pk and row.last_seen_at == now]
    QuarantinedRow.objects.bulk_create(fresh)
    QuarantinedRow.objects.bulk_update(again, ["reason", "raw", "last_seen_at"])


def release(resource: Resource, walk_began: datetime) -> None:
    """After a complete walk: what was not among its unreadable rows was read, or is listed no more."""
    QuarantinedRow.objects.filter(resource=resource, last_seen_at__lt=walk_began).delete()


def _name(remote_id: str, reason: str) -> tuple[str, str]:
    """What tells one from another: its id, or what is wrong with it where even that is missing."""
    return remote_id, "" if remote_id else reason


def storable(raw: bytes) -> object:
    """A row as JSON that every database can hold, whatever the provider sent."""
    try:
        return _clean(json.loads(raw))
    except ValueError:
        return {"text": _clean(raw.decode("utf-8", "replace")[:10_000])}


def _clean(value: object) -> object:
    """Without what PostgreSQL's JSON cannot hold: NUL, and half of a surrogate pair."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {str(_clean(key)): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list) else value
