"""The test databases of a run: migrated once, however many processes share the tests out.

The first process that needs one migrates its own and puts a copy aside, a file on SQLite and a template
on PostgreSQL; the others begin with that.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import setup_databases


class Aside:
    """What the processes of one run share."""

    def __init__(self, run: str) -> None:
        self._folder = Path(tempfile.gettempdir()) / f"orgdesk-tests-{os.getuid()}-{run}"
        self._file = self._folder / "migrated"  # the database on SQLite; on PostgreSQL it is empty
        self._template = f"orgdesk_template_{run}"

    def make_own(self) -> Any:
        """Make this process's test database; returns what ``teardown_databases`` wants."""
        with self._turn(), pytest.MonkeyPatch.context() as patch:
            if not self._file.exists():
                made = _made()
                self._put_aside()
                return made
            patch.setattr("django.core.management.call_command", lambda *args, **options: None)
            if settings.SQLITE:
                shutil.copyfile(self._file, connection.settings_dict["TEST"]["NAME"])
                return _made(keepdb=True)
            connection.settings_dict["TEST"]["TEMPLATE"] = self._template
            return _made()

    def forget(self) -> None:
        """Take away what was put aside."""
        if self._file.exists() and not settings.SQLITE:
            self._on_server(f'DROP DATABASE IF EXISTS "{self._template}"')
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One process after the other."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        with (self._folder / "turn").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            yield

    def _put_aside(self) -> None:
        own = connection.settings_dict["NAME"]
        if settings.SQLITE:
            # Not a copy of the file: what is new may still stand in the log beside it.
            with connection.cursor() as cursor:
                cursor.execute("VACUUM INTO %s", [f"{self._file}.begun"])
            Path(f"{self._file}.begun").rename(self._file)
            return
        connection.close()  # nobody may look at what is copied
        self._on_server(f'CREATE DATABASE "{self._template}" TEMPLATE "{own}"')
        self._file.touch()

    def _on_server(self, command: str) -> None:
        import psycopg

        # Past Django: the process that shares the tests out is kept from its databases.
        given = connection.get_connection_params() | {"dbname": "postgres"}
        with psycopg.connect(**given, autocommit=True) as server:
            server.execute(command.encode())


def make_own() -> Any:
    """A test database of a run of one process."""
    return _made()


def _made(*, keepdb: bool = False) -> Any:
    made = setup_databases(
        verbosity=0, interactive=False, keepdb=keepdb, aliases=["default"], serialized_aliases=[]
    )
    if not settings.SQLITE:
        _let_commits_go(connection.settings_dict["NAME"])
    return made


def _let_commits_go(name: str) -> None:
    """Nobody pulls the plug here: a commit need not wait for the disk, in whatever process."""
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    connection.close()
