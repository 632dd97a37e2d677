"""What workers would be told of changes, kept instead."""

from typing import Any

import pytest

from apps import kicks
from apps.sync.outbox.word import CARRY


def collected(monkeypatch: pytest.MonkeyPatch, into: Any = None) -> Any:
    """Ids of the Commands that are kicked from now on: a list, or ``into``. All else goes its way."""
    ids = [] if into is None else into
    real = kicks.kick_each

    def kick_each(task: str, calls: list[tuple[Any, ...]]) -> bool:
        if task != CARRY:
            return real(task, calls)
        ids.extend(pk for (pk,) in calls)
        return True

    monkeypatch.setattr(kicks, "kick_each", kick_each)
    return ids
