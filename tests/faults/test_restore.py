"""The database is put back from a backup for real: what was sent since must not be sent again."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from django.db import connection as database
from psycopg import sql

from apps.invites.services import Guest, draft_invites
from apps.organizations.services import resume_sending
from apps.sync.models import Command, CommandState
from apps.sync.outbox import batches
from tests.desk import Desk
from tests.doomed import Nursery
from tests.faults.changes import CHANGE_ROLE, OPERATIONS, Change, ask, remote_invites
from tests.faults.conftest import Workers, database_url, wait_until_due

S = CommandState
pytestmark = pytest.mark.django_db(transaction=True)


def _copy(one: Path | str, other: Path | str) -> None:
    """Have a database of SQLite hold what another one holds."""
    with closing(sqlite3.connect(one)) as source, closing(sqlite3.connect(other)) as target:
        source.backup(target)


class Backup:
    """A copy of the whole test database."""

    def __init__(self, folder: Path) -> None:
        self._name = database.settings_dict["NAME"]
        self._file = folder / "backup.sqlite3"

    def take(self) -> None:
        """Copy it."""
        database.close()
        if database.vendor == "sqlite":
            _copy(self._name, self._file)
        else:
            self._tell("CREATE DATABASE {backup} TEMPLATE {name}")

    def put_back(self) -> None:
        """Have the database be what it was."""
        database.close()
        if database.vendor == "sqlite":
            # Through SQLite: under a connection that a thread of an earlier test still holds, a file
            # that is exchanged would be damaged.
            _copy(self._file, self._name)
        else:
            self._tell("ALTER DATABASE {name} RENAME TO {lost}")
            self._tell("ALTER DATABASE {backup} RENAME TO {name}")

    def forget(self) -> None:
        """Take away what is left of the copy and of what was lost."""
        if database.vendor == "postgresql":
            self._tell("DROP DATABASE IF EXISTS {backup} WITH (FORCE)")
            self._tell("DROP DATABASE IF EXISTS {lost} WITH (FORCE)")

    def _tell(self, words: LiteralString) -> None:
        names = {
            "name": sql.Identifier(self._name),
            "backup": sql.Identifier(f"{self._name}_backup"),
            "lost": sql.Identifier(f"{self._name}_lost"),
        }
        server = database_url().rpartition("/")[0]
        with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
            admin.execute(sql.SQL(words).format(**names))


@pytest.fixture
def backup(desk: Desk, tmp_path: Path) -> Iterator[Backup]:
    """Of this test's database."""
    made = Backup(tmp_path)
    yield made
    made.forget()


def ask_for_everything(desk: Desk) -> list[Change]:
    """Each kind of change at each provider."""
    return [ask(desk, kind, provider) for kind, provider in OPERATIONS]


def test_after_a_restore_the_portal_stops_by_itself_and_does_nothing_twice(
    desk: Desk, workers: Workers, backup: Backup
) -> None:
    changes = ask_for_everything(desk)
    guest = Guest(desk.connections["cline"], "drafted@northgate.example", "member")
    draft = draft_invites(
        organization=desk.organization, guests=[guest], actor=desk.owner, nonce="draft"
    )
    backup.take()
    batches.confirm_batch(batch=draft, actor=desk.owner)
    workers.settle(*(change.command for change in changes), *draft.commands.all())
    drafted = remote_invites(desk, "cline", guest.email)

    backup.put_back()
    assert Command.objects.filter(state=S.QUEUED, attempts=0).count() == len(changes)
    workers.settle(*(change.command for change in changes))

    for change in changes:
        assert change.command.state == S.SUCCEEDED
        change.assert_done()
    desk.organization.refresh_from_db()
    assert desk.organization.sending_stopped_at

    late = ask(desk, CHANGE_ROLE, "anthropic")
    batches.confirm_batch(batch=draft, actor=desk.owner)
    (confirmed_twice,) = draft.commands.all()
    workers.carry_kicked()
    late.command.refresh_from_db()
    assert late.command.state == S.QUEUED
    assert "put back from a backup" in late.command.error

    resume_sending(organization=desk.organization, actor=desk.owner)
    workers.settle(late.command, confirmed_twice)
    late.assert_done()
    assert confirmed_twice.state == S.SUCCEEDED
    assert remote_invites(desk, "cline", guest.email) == drafted


def test_several_workers_on_another_machine_notice_it_and_do_nothing_twice(
    desk: Desk, workers: Workers, backup: Backup, nursery: Nursery
) -> None:
    changes = ask_for_everything(desk)
    commands = [change.command for change in changes]
    ids = [command.pk for command in commands]
    backup.take()
    workers.settle(*commands)

    backup.put_back()
    assert nursery.carry(ids, workers=4) == [0, 0, 0, 0]

    desk.organization.refresh_from_db()
    assert desk.organization.sending_stopped_at
    for _ in range(20):  # a call may take longer than its deadline here
        for command in Command.objects.open().filter(pk__in=ids):
            wait_until_due(command)
        assert nursery.carry(ids, workers=4) == [0, 0, 0, 0]
        if not Command.objects.open().filter(pk__in=ids).exists():
            break
    for change in changes:
        change.assert_done()
