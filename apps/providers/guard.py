"""Where a remote call may happen: in a worker, with no database transaction open.

Kept apart from ``http`` so that a web process can register a guard without importing a client.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from apps.providers.errors import CallNotAllowed

_in_worker: ContextVar[bool] = ContextVar("orgdesk_in_worker", default=False)
_guards: list[Callable[[], None]] = []


@contextmanager
def worker_scope() -> Iterator[None]:
    """Say that the code inside runs in a worker, so remote calls are allowed there.

    A thread started inside does not inherit it: hand ``contextvars.copy_context().run`` to the thread.
    """
    token = _in_worker.set(True)
    try:
        yield
    finally:
        _in_worker.reset(token)


def register_guard(guard: Callable[[], None]) -> Callable[[], None]:
    """Have ``guard`` called before every remote request; it raises CallNotAllowed to forbid it.

    Registering the same callable again changes nothing. Returns ``guard``, so it decorates.
    """
    if guard not in _guards:
        _guards.append(guard)
    return guard


def unregister_guard(guard: Callable[[], None]) -> None:
    """Take a guard back."""
    if guard in _guards:
        _guards.remove(guard)


def check_allowed() -> None:
    """CallNotAllowed unless a remote call may be made here and now."""
    if not _in_worker.get():
        raise CallNotAllowed("A remote call outside a worker: hand it to a task instead.")
    for guard in _guards:
        guard()
