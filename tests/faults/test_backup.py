"""The drill: a backup taken in the middle of fifty changes becomes another database, and sends nothing twice."""

import gzip
import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as project_settings
from django.core.management import CommandError, call_command
from django.db import connection as database
from psycopg import sql

from apps.audit.models import Entry
from apps.invites.services import Guest, draft_invites
from apps.organizations.sealing import new_key
from apps.providers.guard import worker_scope
from apps.sync.models import Batch, Command, CommandState
from apps.sync.outbox import batches, delivery
from portal import backups
from portal.embedded_redis import EmbeddedRedis
from tests.desk import PROVIDERS, Desk
from tests.doomed import Nursery
from tests.faults.conftest import QUICK, Workers, database_url

S = CommandState
CHANGES, BEFORE = 50, 20


class Elsewhere:
    """Another machine: a database, a folder and a Redis of its own, with the same secrets."""

    def __init__(self, folder: Path, redis_url: str, sandbox_url: str) -> None:
        name = f"{database.settings_dict['NAME']}_elsewhere"
        self.url = f"{database_url().rpartition('/')[0]}/{name}"
        self.name = str(folder / "elsewhere.sqlite3")
        if database.vendor == "sqlite":
            self.url = f"sqlite:///{self.name}"
        else:
            self.name = name
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "ORGDESK_DEMO": "1",
            "ORGDESK_VAR": str(folder),
            "DATABASE_URL": self.url,
            "REDIS_URL": redis_url,
            "SECRET_KEY": project_settings.SECRET_KEY,
            "CREDENTIAL_KEYS": ",".join(project_settings.CREDENTIAL_KEYS),
            "SANDBOX_URL": sandbox_url,
            **{name: str(value) for name, value in QUICK.items()},
        }

    def make(self) -> None:
        """An empty database."""
        if database.vendor == "postgresql":
            self._tell("DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            self._tell("CREATE DATABASE {name}")

    def drop(self) -> None:
        """Take it away."""
        if database.vendor == "postgresql":
            self._tell("DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def restore(self, path: Path) -> subprocess.CompletedProcess[str]:
        """What whoever runs the portal types there."""
        return subprocess.run(
            [sys.executable, "manage.py", "restore", str(path)],
            cwd=project_settings.BASE_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def ask(self, query: str) -> list[Any]:
        """The first column of what the restored database answers."""
        if database.vendor == "sqlite":
            with closing(sqlite3.connect(self.name)) as here:
                return [row[0] for row in here.execute(query)]
        with psycopg.connect(self.url) as there:
            return [row[0] for row in there.execute(query.encode())]

    def _tell(self, words: Any) -> None:
        server = database_url().rpartition("/")[0]
        with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
            admin.execute(sql.SQL(words).format(name=sql.Identifier(self.name)))


@pytest.fixture
def elsewhere(desk: Desk, tmp_path: Path) -> Iterator[Elsewhere]:
    with EmbeddedRedis() as redis_there:
        made = Elsewhere(tmp_path, redis_there.url, desk.sandbox.base_url)
        made.make()
        yield made
        made.drop()


def fifty_changes(desk: Desk) -> Batch:
    """Invites at both providers, on their way."""
    guests = [
        Guest(
            desk.connections[name], f"drill{number}.{desk.organization.pk}@northgate.example", role
        )
        for name, role in zip(PROVIDERS, ("user", "member"), strict=True)
        for number in range(CHANGES // 2)
    ]
    batch = draft_invites(
        organization=desk.organization, guests=guests, actor=desk.owner, nonce="drill"
    )
    return batches.confirm_batch(batch=batch, actor=desk.owner)


def invited(desk: Desk, began: int) -> Counter[str]:
    """How often each address was invited at its provider, by the sandbox's own journal."""
    found: Counter[str] = Counter()
    for entry in desk.sandbox.control.journal(after=began):
        if entry["operation_id"] in ("createInvite", "create_invites"):
            arguments = entry["arguments"]
            email = arguments.get("email") or arguments["invites"][0]["email"]
            found[f"{entry['operation_id']} {email}"] += 1
    return found


def test_a_backup_from_the_middle_of_fifty_changes_is_restored_elsewhere_and_sends_nothing_twice(
    desk: Desk,
    workers: Workers,
    elsewhere: Elsewhere,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began = desk.sandbox.control.journal_end()
    commands = list(fifty_changes(desk).commands.order_by("pk"))
    path = tmp_path / "drill.backup"

    def back_up_within_one(name: str, command: Command) -> None:
        if name == "answered" and command == commands[BEFORE]:
            call_command(
                "backup", path
            )  # it has happened, and the database says that it is being sent

    monkeypatch.setattr(delivery, "checkpoint_hooks", [back_up_within_one])
    with worker_scope():
        for command in commands:
            delivery.carry(command.pk)
    assert set(invited(desk, began).values()) == {1}

    ended = elsewhere.restore(path)

    assert ended.returncode == 0, ended.stderr
    assert "Changes are stopped: 30 open ones" in ended.stdout
    states = "SELECT DISTINCT state FROM sync_command WHERE id IN (%s)"
    late = states % ",".join(str(command.pk) for command in commands[BEFORE:])
    assert elsewhere.ask(late) == [S.UNKNOWN]
    with Nursery(elsewhere.environment) as there:
        for _ in range(20):
            assert there.carry([command.pk for command in commands]) == [0]
            if elsewhere.ask(late) == [S.SUCCEEDED]:
                break
    assert elsewhere.ask(late) == [S.SUCCEEDED], "found done at the provider"
    stopped = "SELECT COUNT(*) FROM organizations_organization WHERE sending_stopped_at IS NOT NULL"
    assert elsewhere.ask(stopped)[0] >= 1
    assert elsewhere.ask("SELECT COUNT(*) FROM django_session") == [0]
    restored = "SELECT COUNT(*) FROM audit_entry WHERE verb = 'backups.restore'"
    assert elsewhere.ask(restored) == [1]
    once = invited(desk, began)
    assert len(once) == CHANGES
    assert set(once.values()) == {1}, "sent twice"


def test_a_backup_says_what_it_is_and_holds_no_key(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "one.backup"

    call_command("backup", path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with gzip.open(path) as file:
        heading, rest = json.loads(file.readline()), file.read()
    assert heading["database"] == database.vendor
    assert heading["schema"]["sync"] >= "0004"
    assert list(heading["keys"]) == ["1"]
    key = project_settings.CREDENTIAL_KEYS[0].partition(":")[2]
    for secret in (key, project_settings.SECRET_KEY, desk.sandbox.anthropic_key):
        assert secret.encode() not in rest
        assert secret not in json.dumps(heading)
    with pytest.raises(CommandError, match="exists"):
        call_command("backup", path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["one.backup"]


def test_a_backup_leaves_a_line_in_the_portals_own_log(desk: Desk, tmp_path: Path) -> None:
    call_command("backup", tmp_path / "first.gz")
    line = Entry.objects.filter(verb="backups.take").latest("pk")
    assert (line.organization_id, line.actor, line.source) == (0, "Orgdesk", "command line")
    with gzip.open(tmp_path / "first.gz") as file:
        heading = json.loads(file.readline())
    assert line.details == {
        "file": "first.gz",
        "taken_at": heading["taken_at"],
        "orgdesk": heading["orgdesk"],
    }


def test_what_cannot_be_restored_is_refused_before_anything_is_touched(
    desk: Desk, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, cut, other = tmp_path / "one.backup", tmp_path / "cut.backup", tmp_path / "other.txt"
    call_command("backup", path)
    whole = path.read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    other.write_bytes(gzip.compress(b"something else\n"))
    with backups.opened(path) as (heading, _rest):
        pass
    assert "not empty" in backups.why_not(heading)
    monkeypatch.setattr(database.introspection, "table_names", list)

    assert backups.why_not(heading) == ""
    later = backups.Heading(**{**_fields(heading), "schema": {"sync": "9999_later"}})
    assert "later release" in backups.why_not(later)
    foreign = backups.Heading(**{**_fields(heading), "database": "oracle"})
    assert "own kind" in backups.why_not(foreign)
    settings.CREDENTIAL_KEYS = [new_key(version=1)]
    assert "not the keyring" in backups.why_not(heading)
    settings.CREDENTIAL_KEYS_LOST = True
    assert backups.why_not(heading) == ""
    with pytest.raises(CommandError, match="no backup"):
        call_command("restore", other)
    other.write_bytes(gzip.compress(b"")[:10] + b"\xff" * 20)  # no gzip behind its first bytes
    with pytest.raises(CommandError, match="damaged"):
        call_command("restore", other)
    monkeypatch.setattr(backups, "load", lambda file: file.read())
    with pytest.raises(CommandError, match="cut short"):
        call_command("restore", cut)


def _fields(heading: backups.Heading) -> dict[str, Any]:
    return {name: getattr(heading, name) for name in backups.Heading.__slots__}
