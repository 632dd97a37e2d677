"""Verifying a log from a page: at once where it is short, by a worker with progress where it is long.

The verdict stands in the cache, for whoever asks next; it is no evidence of its own.
"""

import time
from dataclasses import asdict, dataclass
from typing import Any

from django.core.cache import cache
from django.utils import timezone

from apps.audit.chain import verify
from apps.audit.models import ChainHead
from apps.kicks import kick

AT_ONCE = 50_000  # lines: about a second
KEPT_SECONDS = 24 * 3600
SILENT_SECONDS = 60  # a worker that has not said anything for so long has stopped


@dataclass(frozen=True, slots=True)
class State:
    """How far a verification is. ``at`` is ISO text, ``heard`` seconds since the epoch.

    ``broken_at`` and ``reason`` name the first line that does not fit, 0 and "" if there is none.
    """

    running: bool
    done: int
    of: int
    at: str = ""
    heard: float = 0.0
    head: str = ""
    broken_at: int = 0
    reason: str = ""

    @property
    def whole(self) -> bool:
        """Whether it ended and found every line as it was written."""
        return not self.running and not self.broken_at

    @property
    def silent(self) -> bool:
        """Whether the worker seems to have stopped on the way."""
        return self.running and time.time() - self.heard > SILENT_SECONDS


def _key(organization_id: int) -> str:
    return f"audit:verification:{organization_id}"


def last(organization_id: int) -> State | None:
    """The verification under way, or the last one's verdict if it is less than a day old."""
    known: dict[str, Any] | None = cache.get(_key(organization_id))
    return State(**known) if known else None


def _keep(organization_id: int, state: State) -> None:
    cache.set(_key(organization_id), asdict(state), KEPT_SECONDS)


def ask(organization_id: int) -> State:
    """Verify now if that is quick, else have a worker do it; what is known then."""
    under_way = last(organization_id)
    if under_way and under_way.running and not under_way.silent:
        return under_way
    lines = (
        ChainHead.objects.filter(pk=organization_id).values_list("sequence", flat=True).first() or 0
    )
    if lines < AT_ONCE:
        return run(organization_id)
    state = State(running=True, done=0, of=lines, heard=time.time())
    _keep(organization_id, state)
    # Where no worker can be told the reader waits for it.
    return state if kick("walks.verify_audit", organization_id) else run(organization_id)


def run(organization_id: int) -> State:
    """Verify, noting the progress on the way, and keep the verdict."""

    def progress(done: int, of: int) -> None:
        _keep(organization_id, State(running=True, done=done, of=of, heard=time.time()))

    verdict = verify(organization_id, progress=progress)
    state = State(
        running=False,
        done=verdict.checked,
        of=verdict.checked,
        at=timezone.now().isoformat(),
        head=verdict.head,
        broken_at=verdict.broken.sequence if verdict.broken else 0,
        reason=str(verdict.broken.reason) if verdict.broken else "",
    )
    _keep(organization_id, state)
    return state
