"""Writing lines of the audit log: always inside the transaction of the change they speak of."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from django.db import models, transaction
from django.utils import timezone

from apps.audit.chain import link
from apps.audit.context import Origin, origin
from apps.audit.models import ChainHead, Entry
from apps.providers.masking import mask, mask_text

PORTAL = 0  # the chain of what belongs to no organization: first run, staff, settings
SYSTEM = "Orgdesk"  # the actor of what nobody asked for: walks, sweeps, time running out


class HasKey(Protocol):
    """A saved row of any table."""

    pk: Any


Target = models.Model | tuple[str, Any] | None
Who = models.Model | str | None


@dataclass(frozen=True, slots=True)
class Line:
    """What happened, before it is numbered and chained.

    ``target`` is the row it happened to, or a pair (type, id); ``label`` how people know it, by
    default the row's own text. ``details`` is JSON-like; secrets in it are masked.
    """

    verb: str
    target: Target = None
    label: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    connection: HasKey | int | None = None
    command: HasKey | int | None = None


def record(
    *,
    organization: HasKey | int | None,
    actor: Who,
    verb: str,
    target: Target = None,
    label: str = "",
    details: Mapping[str, Any] | None = None,
    connection: HasKey | int | None = None,
    command: HasKey | int | None = None,
    source: str | None = None,
) -> Entry:
    """Append one line to the log of ``organization`` (None: the portal's own) and return it.

    ``actor`` is the user, a name for what is no user, or None for the system. Must be called inside
    the transaction of the change itself, as late in it as can be: until it ends, other writers to
    the same log wait. RuntimeError outside a transaction.
    """
    line = Line(verb, target, label, details or {}, connection, command)
    return record_many(organization=organization, actor=actor, lines=[line], source=source)[0]


def record_many(
    *,
    organization: HasKey | int | None,
    actor: Who,
    lines: Sequence[Line],
    source: str | None = None,
) -> list[Entry]:
    """Append many lines at once, in their order: a bulk of 1,000 takes the chain's end once."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("An audit line belongs into the transaction of the change it speaks of.")
    if not lines:
        return []
    came_from = origin()
    head = _locked_head(_key(organization) or PORTAL)
    entries = []
    for line in lines:
        entry = _entry(line, actor, came_from, source)
        entry.organization_id = head.organization_id
        entry.sequence = head.sequence + 1
        entry.previous_hash = head.hash
        entry.hash = link(head.hash, entry.__dict__)
        head.sequence, head.hash = entry.sequence, entry.hash
        entries.append(entry)
    head.save(update_fields=["sequence", "hash"])
    return Entry.objects.bulk_create(entries, batch_size=1000)


def _locked_head(organization_id: int) -> ChainHead:
    # The row lock serialises PostgreSQL's writers; SQLite's IMMEDIATE transaction has done so already.
    locked = ChainHead.objects.select_for_update()
    head = locked.filter(pk=organization_id).first()
    if head is None:
        ChainHead.objects.bulk_create([ChainHead(pk=organization_id)], ignore_conflicts=True)
        head = locked.get(pk=organization_id)
    return head


def _entry(line: Line, actor: Who, came_from: Origin, source: str | None) -> Entry:
    target_type, target_id = _identity(line.target)
    label = line.label or (str(line.target) if isinstance(line.target, models.Model) else "")
    return Entry(
        at=timezone.now(),
        actor_id=actor.pk if isinstance(actor, models.Model) else None,
        actor=_text(_name(actor), 254),
        source=source or came_from.source,
        verb=line.verb,
        target_type=target_type,
        target_id=_text(target_id, 120),
        target=_text(label, 254),
        connection_id=_key(line.connection),
        command_id=_key(line.command),
        details=plain(mask(line.details)),
        request_id=_text(came_from.request_id, 64),
        address=came_from.address,
    )


def _name(actor: Who) -> str:
    return str(getattr(actor, "signature", "") or actor) if actor else SYSTEM


def _key(row: HasKey | int | None) -> int | None:
    return row if row is None or isinstance(row, int) else int(row.pk)


def _identity(target: Target) -> tuple[str, str]:
    if target is None:
        return "", ""
    if isinstance(target, tuple):
        return target[0], str(target[1])
    return target._meta.model_name or "", str(target.pk)


def _text(value: str, limit: int) -> str:
    # PostgreSQL takes no NUL; half a surrogate pair cannot be hashed.
    clean = value.replace("\x00", "").encode("utf-8", "replace").decode()
    return mask_text(clean)[:limit]


def plain(value: Any) -> Any:
    """``value`` as JSON that both databases give back exactly as it was put in.

    Fractions become text: PostgreSQL's jsonb spells them its own way, and the hash would not hold.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return str(value) if math.isfinite(value) else None
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {_clean(str(name)): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    return _clean(str(value) if isinstance(value, str | Decimal | UUID) else f"{value}")


def _clean(text: str) -> str:
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
