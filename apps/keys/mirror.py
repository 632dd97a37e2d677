"""How keys are mirrored."""

from datetime import datetime
from typing import Any

from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from apps.keys.models import Key, SharedKey
from apps.organizations.models import Connection
from apps.providers.protocol import Adapter
from apps.providers.records import Page
from apps.providers.records.keys import KeyRecord, SharedKeyRecord
from apps.sync import schedule
from apps.sync.mirrors import Mirror


def _fetch(adapter: Adapter, cursor: str | None) -> Page[KeyRecord]:
    return adapter.keys(cursor)


def _values(record: KeyRecord, now: datetime) -> tuple[Any, ...]:
    unsaid = "workspace_id" in record.missing
    return (
        record.name,
        record.status,
        record.hint,
        None if unsaid else record.workspace_id,
        record.creator_id,
        record.creator_kind,
        record.created_at,
        record.expires_at,
        record.last_used_at,
        record.own,
    )


KEYS = Mirror(
    name="keys",
    label=_("API keys"),
    capability="keys.read",
    model=Key,
    fetch=_fetch,
    columns=(
        "name",
        "status",
        "hint",
        "workspace",
        "creator",
        "creator_kind",
        "created_at",
        "expires_at",
        "last_used_at",
        "is_own",
    ),
    values=_values,
    label_column="name",
    target_column="remote_id",
    watched=("name", "status"),
    ends=frozenset({"keys.delete"}),
    begins=frozenset({"keys.create"}),
)


def look_at_marks(connection: Connection, now: datetime) -> None:
    """After a whole walk: rows last written before the credential was replaced are read anew at once.

    Which of them is the connection's own is told by comparing each with the credential, and a walk
    compares only what has changed at the provider.
    """
    changed = Q(changed_at__lt=F("connection__credential_changed_at"))
    stale = Key.objects.filter(changed, connection=connection, gone_at__isnull=True)
    if stale.exclude(fingerprint=0).update(fingerprint=0):
        schedule.soon(connection, KEYS.name)


def end_with_workspaces(connection: Connection, workspaces: list[str], now: datetime) -> None:
    """Keys stop with their workspace: show it at once, and have a walk say what is true."""
    keys = Key.objects.filter(
        connection=connection, workspace__in=workspaces, gone_at__isnull=True
    ).exclude(status="archived")
    if keys.update(status="archived", changed_at=now, fingerprint=0):
        schedule.soon(connection, KEYS.name)


def _fetch_shared(adapter: Adapter, cursor: str | None) -> Page[SharedKeyRecord]:
    return adapter.shared_keys(cursor)


SHARED_KEYS = Mirror(
    name="shared_keys",
    label=_("Shared provider keys"),
    capability="shared_keys.read",
    model=SharedKey,
    fetch=_fetch_shared,
    columns=(),
    values=lambda record, now: (),
    label_column="remote_id",
    target_column="remote_id",
)
