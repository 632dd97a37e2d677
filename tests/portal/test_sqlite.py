"""Who wants to write while somebody else does waits for its turn, and not for ever."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from portal import sqlite

pytestmark = pytest.mark.django_db  # a database of their own, on whichever the rest runs

PATIENCE = 20  # seconds
INSERT = "INSERT INTO word VALUES (%s)"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[BaseDatabaseWrapper]:
    """A SQLite database as the portal opens it, with a table of words."""
    options = {
        "transaction_mode": "IMMEDIATE",
        "timeout": PATIENCE,
        "init_command": "PRAGMA journal_mode=WAL",
    }
    name = str(tmp_path / "words.sqlite3")
    settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": options}
    made = ConnectionHandler({"default": settings})["default"]
    with made.cursor() as cursor:
        cursor.execute("CREATE TABLE word (text TEXT)")
    yield made
    made.close()


@pytest.fixture
def somebody(database: BaseDatabaseWrapper) -> Iterator[sqlite3.Connection]:
    """Somebody else, who is writing."""
    made = sqlite3.connect(database.settings_dict["NAME"], isolation_level=None)
    made.execute("BEGIN IMMEDIATE")
    yield made
    made.close()


class Clock:
    """Time that passes in naps alone; after ``naps`` of them ``then`` happens."""

    def __init__(self, naps: int, then: Callable[[], Any]) -> None:
        self.now, self.naps, self.then = 0.0, naps, then
        self.count = 0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.count += 1
        if self.count == self.naps:
            self.then()


def words(database: BaseDatabaseWrapper) -> int:
    """How many there are."""
    with database.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM word")
        return int(cursor.fetchone()[0])


def write(database: BaseDatabaseWrapper) -> None:
    """One word, in a statement of its own."""
    with database.cursor() as cursor:
        cursor.execute(INSERT, ["one"])


def begin(database: BaseDatabaseWrapper) -> None:
    """A transaction, as ``atomic`` begins it, with a word in it."""
    database.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    write(database)
    database.commit()
    database.set_autocommit(True)


@pytest.mark.parametrize("way", [write, begin])
def test_a_writer_has_its_turn_as_soon_as_the_other_has_done(
    database: BaseDatabaseWrapper,
    somebody: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
    way: Callable[[BaseDatabaseWrapper], None],
) -> None:
    clock = Clock(3, lambda: somebody.execute("COMMIT"))
    monkeypatch.setattr(sqlite, "time", clock)
    way(database)
    assert words(database) == 1
    assert clock.count == 3


def test_reading_waits_for_nobody(
    database: BaseDatabaseWrapper, somebody: sqlite3.Connection
) -> None:
    assert words(database) == 0


def test_patience_has_an_end(
    database: BaseDatabaseWrapper, somebody: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(0, lambda: None)
    monkeypatch.setattr(sqlite, "time", clock)
    with pytest.raises(OperationalError, match="locked"):
        write(database)
    assert PATIENCE < clock.now < PATIENCE + 1


def test_several_rows_outside_a_transaction_are_never_written_twice(
    database: BaseDatabaseWrapper, somebody: sqlite3.Connection
) -> None:
    def rows() -> Iterator[list[str]]:
        somebody.execute("ROLLBACK")
        yield ["one"]
        somebody.execute("BEGIN IMMEDIATE")
        yield ["two"]

    with database.cursor() as cursor, pytest.raises(OperationalError, match="locked"):
        cursor.executemany(INSERT, rows())
    assert words(database) == 1


def test_other_errors_are_told_at_once(database: BaseDatabaseWrapper) -> None:
    with database.cursor() as cursor, pytest.raises(OperationalError, match="no such table"):
        cursor.execute("SELECT * FROM sentence")


def test_a_wrapper_that_comes_before_the_connection_goes_again(
    database: BaseDatabaseWrapper,
) -> None:
    def other(execute: Callable[..., Any], *statement: Any) -> Any:
        return execute(*statement)

    database.close()
    database.execute_wrappers.clear()
    with database.execute_wrapper(other):
        assert words(database) == 0
    assert database.execute_wrappers == [sqlite.wait_for_turn]


def test_what_an_ended_thread_had_open_is_closed_when_another_opens_its_own(
    database: BaseDatabaseWrapper,
) -> None:
    here, opened = ConnectionHandler({"default": database.settings_dict}), []

    def look() -> None:
        for _ in range(2):
            here["default"].close()
            here["default"].ensure_connection()
        opened.append(here["default"])

    for _ in range(2):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    with pytest.raises(sqlite3.ProgrammingError):
        opened[0].connection.execute("SELECT 1")
    assert opened[1].connection.execute("SELECT 1").fetchone() == (1,)
    assert database.connection.execute("SELECT 1").fetchone() == (1,)
    assert [one() for one, _ in sqlite._opened].count(opened[1]) == 1
