"""Waiting for SQLite's only write lock, in short naps, and closing what ended threads had open.

SQLite's own waiting naps longer each time, up to a tenth of a second, and so misses the gaps of a
millisecond or two that a walk leaves between its transactions: a click then waited behind dozens of
them. Whoever looks every millisecond waits for one.
"""

import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any
from weakref import ref

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

NAP_SECONDS = 0.001


class _Mark:
    """Something that is there as long as a thread is."""


class _Thread(threading.local):
    def __init__(self) -> None:
        self.mark = _Mark()


_here = _Thread()
# Each connection and the mark of the thread that opened it.
_opened: list[tuple[ref[BaseDatabaseWrapper], ref[_Mark]]] = []
_opened_lock = threading.Lock()


def set_up(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Have a new connection wait by ``wait_for_turn``; for the signal ``connection_created``."""
    if connection.vendor != "sqlite":
        return
    _close_what_was_left()
    with _opened_lock:
        if all(one() is not connection for one, _ in _opened):
            _opened.append((ref(connection), ref(_here.mark)))
    connection.connection.execute("PRAGMA busy_timeout = 0")
    if wait_for_turn not in connection.execute_wrappers:
        # First, because who adds one for a while takes the last away again.
        connection.execute_wrappers.insert(0, wait_for_turn)


def _close_what_was_left() -> None:
    """Close what threads had open that have ended.

    Django's connection refers to itself in circles, and so keeps SQLite's, with the file and two megabytes, until
    the collector comes by. The web server lets a thread go that was idle for half a minute, and begins another.
    Closed with the next that is opened, and not as the thread ends: there it ended the server's whole process.
    """
    with _opened_lock:
        pairs = [(connection(), mark) for connection, mark in _opened]
        _opened[:] = [(ref(one), mark) for one, mark in pairs if one and mark()]
        for one, mark in pairs:
            if one and one.connection and not mark() and not one.allow_thread_sharing:
                one.connection.close()


def wait_for_turn(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Run a statement as soon as nobody else writes. OperationalError after the ``timeout`` of settings.

    Only what stands outside a transaction ever has to wait, the statement that begins one among it:
    a transaction has the lock from its beginning (IMMEDIATE). An ``executemany`` outside one does not
    wait: its first rows may be written already.
    """
    database = context["connection"]
    give_up = time.monotonic() + database.settings_dict["OPTIONS"]["timeout"]
    while True:
        try:
            return execute(sql, params, many, context)
        except OperationalError as error:
            may_run_again = _is_busy(error) and not many and not database.connection.in_transaction
            if not may_run_again or time.monotonic() > give_up:
                raise
        time.sleep(NAP_SECONDS)


def _is_busy(error: OperationalError) -> bool:
    cause = error.__cause__
    code = cause.sqlite_errorcode if isinstance(cause, sqlite3.OperationalError) else 0
    return code & 0xFF == sqlite3.SQLITE_BUSY  # its extended codes have the same last byte
