"""How the lines of the audit log hang together, and whether they still do.

``hash`` is SHA-256 over the previous line's hash and the canonical JSON of the line. Each
organization has a chain of its own (0: the portal itself), numbered from 1 without a gap; its
ChainHead remembers the end, so that a log cut short at the end is found as well.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from django.db.models import Max
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.audit.models import ChainHead, Entry

GENESIS = "0" * 64
CHAINED_FIELDS = (
    "organization_id",
    "sequence",
    "at",
    "actor_id",
    "actor",
    "source",
    "verb",
    "target_type",
    "target_id",
    "target",
    "connection_id",
    "command_id",
    "details",
    "request_id",
    "address",
)


def link(previous_hash: str, line: Mapping[str, Any]) -> str:
    """The hash of a line whose fields are ``line`` (CHAINED_FIELDS), as 64 hexadecimal digits."""
    facts = {name: line[name] for name in CHAINED_FIELDS}
    facts["at"] = line["at"].astimezone(UTC).isoformat(timespec="microseconds")
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256((previous_hash + canonical).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Break:
    """The first line that does not fit: its number, its row's id (None if it is missing), and why."""

    sequence: int
    entry_id: int | None
    reason: str | Promise


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found. ``head`` is the hash of the last good line: note it down elsewhere."""

    organization_id: int
    checked: int
    head: str
    broken: Break | None = None

    @property
    def whole(self) -> bool:
        """Whether every line is there and as it was written."""
        return self.broken is None


def verify(organization_id: int, *, progress: Callable[[int, int], None] | None = None) -> Verdict:
    """Recompute one organization's chain from its first line to its head.

    Lines that are appended meanwhile are left for the next time. ``progress(done, of)`` is called
    every 5,000 lines. Memory stays flat whatever the length.
    """
    # The last line is read before the head: a line beyond the head then is a forged one.
    last = _last_sequence(organization_id)
    head = ChainHead.objects.filter(pk=organization_id).first() or ChainHead(pk=organization_id)
    previous = GENESIS
    expected = 0
    lines = (
        Entry.objects.filter(organization_id=organization_id, sequence__lte=head.sequence)
        .order_by("sequence")
        .values("id", "hash", "previous_hash", *CHAINED_FIELDS)
    )
    for line in lines.iterator(chunk_size=2000):
        expected += 1
        fault = _fault(line, expected, previous)
        if fault:
            return Verdict(organization_id, expected - 1, previous, fault)
        previous = line["hash"]
        if progress and expected % 5000 == 0:
            progress(expected, head.sequence)
    return Verdict(
        organization_id, expected, previous, _fault_at_end(head, expected, previous, last)
    )


def _last_sequence(organization_id: int) -> int:
    newest = Entry.objects.filter(organization_id=organization_id).aggregate(n=Max("sequence"))
    return newest["n"] or 0


def _fault(line: Mapping[str, Any], expected: int, previous: str) -> Break | None:
    if line["sequence"] != expected:
        return Break(expected, None, _("The line is missing."))
    if line["previous_hash"] != previous:
        return Break(expected, line["id"], _("The line does not follow from the one before it."))
    if line["hash"] != link(previous, line):
        return Break(expected, line["id"], _("The line was changed after it had been written."))
    return None


def _fault_at_end(head: ChainHead, checked: int, previous: str, last: int) -> Break | None:
    if checked < head.sequence:
        return Break(checked + 1, None, _("The lines from here to the end are missing."))
    if head.hash != previous:
        return Break(checked, None, _("The end of the log is not the line that was written last."))
    if last > head.sequence:
        return Break(head.sequence + 1, None, _("The line was added past the end of the log."))
    return None


def organizations_with_a_chain() -> list[int]:
    """Ids of the organizations that have lines (0: the portal itself)."""
    heads = set(ChainHead.objects.values_list("pk", flat=True))
    return sorted(heads | set(Entry.objects.values_list("organization_id", flat=True).distinct()))
