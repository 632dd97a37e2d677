"""Requests that wait for a worker keep a thread that others could use: so only some of a process may."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from django.conf import settings

_room = BoundedSemaphore(settings.WAITING_AT_ONCE)


@contextmanager
def room() -> Iterator[bool]:
    """Whether one more may wait now; who may not answers at once, as after a wait that was too short."""
    free = _room.acquire(blocking=False)
    try:
        yield free
    finally:
        if free:
            _room.release()
