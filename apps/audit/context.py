"""Where the work at hand came from: set once at the door, noted on every audit line."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from apps.kicks import task_at_hand


@dataclass(frozen=True, slots=True)
class Origin:
    """``source`` is one of web, api, directory, admin, worker, "command line"; ``address`` an IP address or None."""

    source: str
    request_id: str = ""
    address: str | None = None


_origin: ContextVar[Origin | None] = ContextVar("audit_origin", default=None)


def origin() -> Origin:
    """The origin of the work at hand; outside a request that is a worker's task or the command line."""
    known = _origin.get()
    if known:
        return known
    if (task := task_at_hand()) is not None:
        return Origin("worker", request_id=task[:64])
    return Origin("command line")


@contextmanager
def coming_from(known: Origin) -> Iterator[None]:
    """Let every audit line written inside name ``known`` as its origin."""
    token = _origin.set(known)
    try:
        yield
    finally:
        _origin.reset(token)
