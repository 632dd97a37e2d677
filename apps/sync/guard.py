"""Which rows a walk must leave alone, and which changes are our own doing.

The outbox owns a row from the moment a Command names it until the Command has settled; a page that
was fetched before it settled may still show what was before. So rows with an open Command, or with
one that settled after the walk began, are neither updated nor removed; the next walk sees to them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q

from apps.sync.mirrors import Mirror
from apps.sync.models import OPEN_STATES, Command, CommandState, RemoteChange

What = RemoteChange.What


@dataclass(slots=True)
class Guard:
    """The Commands of one connection that matter to one walk, as of one transaction."""

    mirror: Mirror
    held: set[str] = field(default_factory=set)  # targets and remote ids, lower case
    done: dict[str, list[tuple[str, Mapping[str, Any]]]] = field(default_factory=dict)

    @classmethod
    def load(
        cls, mirror: Mirror, connection_id: int, began: datetime, since: datetime | None
    ) -> "Guard":
        """One query. ``began`` is the start of this walk, ``since`` of the complete one before it."""
        guard = cls(mirror)
        recent = Q(settled_at__isnull=True) | Q(settled_at__gte=min(began, since or began))
        rows = Command.objects.filter(
            recent, connection_id=connection_id, target__startswith=f"{mirror.name}:"
        ).values_list("target", "remote_id", "kind", "state", "arguments", "settled_at")
        for target, remote_id, kind, state, arguments, settled_at in rows:
            names = {target.lower()} | ({remote_id.lower()} if remote_id else set())
            if state in OPEN_STATES or (settled_at is not None and settled_at >= began):
                guard.held |= names
            elif state == CommandState.SUCCEEDED:
                for name in names:
                    guard.done.setdefault(name, []).append((kind, arguments))
        return guard

    def holds(self, remote_id: str, target_value: str) -> bool:
        """Whether a walk leaves this row alone."""
        return bool(self.held) and not self.held.isdisjoint(self._names(remote_id, target_value))

    def explains(
        self, remote_id: str, target_value: str, what: str, fields: Iterable[tuple[str, object]]
    ) -> bool:
        """Whether one of our Commands brought this about; ``fields`` are (column, new value)."""
        if not self.done:
            return False
        ours = [
            command
            for name in self._names(remote_id, target_value)
            for command in self.done.get(name, ())
        ]
        if what == What.GONE:
            return any(kind in self.mirror.ends for kind, _ in ours)
        if what in (What.ADDED, What.RETURNED):
            return any(kind in self.mirror.begins for kind, _ in ours)
        return bool(ours) and all(
            any(arguments.get(column) == value for _, arguments in ours) for column, value in fields
        )

    def _names(self, remote_id: str, target_value: str) -> tuple[str, str]:
        return self.mirror.target(target_value), remote_id.lower()
