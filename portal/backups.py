"""A backup of the database in one file, and a database made from one.

A file is gzip; its first line is JSON that says what it is (``zcat FILE | head -1``), the rest is what
``pg_dump`` or SQLite itself writes. SQLite's comes from its backup interface, so it is whole whatever
is being written meanwhile. CREDENTIAL_KEYS and SECRET_KEY are not in it: whoever has the file alone
cannot open a provider's key.
"""

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import connection, transaction

from apps.audit.record import record
from apps.organizations.credentials import versions_in_use
from apps.organizations.sealing import key_marks
from portal import migrated
from portal.logs import hide_in_text
from portal.version import VERSION
from portal.versions import schema

FORMAT = 1
CHUNK = 1 << 20
MODE = 0o600


class BackupError(Exception):
    """It cannot be done; the message says why and what to do, in plain words."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What a backup says of itself. ``schema``: the latest migration of each application; ``keys``: the
    versions of the keyring that credentials in it are sealed with, each with its mark."""

    orgdesk: str
    format: int
    taken_at: str
    database: str
    server: str
    schema: dict[str, str]
    keys: dict[str, str]

    @classmethod
    def of_now(cls) -> "Heading":
        """Of the database at hand."""
        marks = key_marks()
        return cls(
            orgdesk=VERSION,
            format=FORMAT,
            taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
            database=connection.vendor,
            server=".".join(map(str, connection.get_database_version())),
            schema=schema(),
            keys={str(one): marks.get(str(one), "") for one in sorted(versions_in_use())},
        )


def default_path() -> Path:
    """Where a backup goes that nobody named a place for."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    return settings.VAR_DIR / "backups" / f"orgdesk-{now}.backup"


# --- Writing --------------------------------------------------------------------------------------


def write(path: Path) -> Heading:
    """Write a backup to ``path``, which must not exist. It appears there only when it is whole."""
    if path.exists():
        raise BackupError(f"{path} exists. Name another place.")
    heading = Heading.of_now()
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "wb") as raw:
            with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=3) as file:
                file.write(json.dumps(asdict(heading)).encode() + b"\n")
                _dump(file)  # type: ignore[arg-type]  # a file by what it can
            raw.flush()
            os.fsync(raw.fileno())
        _read_through(part)
        part.rename(path)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"{path} cannot be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return heading


def note(verb: str, heading: Heading, **more: Any) -> None:
    """Write a line into the portal's own audit log: a backup was taken, or this database made from one."""
    told = {"taken_at": heading.taken_at, "orgdesk": heading.orgdesk, **more}
    with transaction.atomic(durable=True):
        record(organization=None, actor=None, verb=f"backups.{verb}", details=told)


def _read_through(path: Path) -> None:
    """What was written can be read to its end: gzip keeps a sum of it."""
    with gzip.open(path) as file:
        while file.read(CHUNK):
            pass


def _dump(file: IO[bytes]) -> None:
    if connection.vendor == "sqlite":
        _dump_sqlite(file)
    else:
        options = ["--format=custom", "--compress=0", "--no-owner", "--no-privileges"]
        _run("pg_dump", options, output=file)


def _dump_sqlite(file: IO[bytes]) -> None:
    with tempfile.TemporaryDirectory(dir=settings.VAR_DIR, prefix="backup-") as folder:
        copy = Path(folder) / "copy.sqlite3"
        with (
            closing(sqlite3.connect(str(connection.settings_dict["NAME"]))) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
        with copy.open("rb") as whole:
            shutil.copyfileobj(whole, file, CHUNK)


# --- Reading --------------------------------------------------------------------------------------


@contextmanager
def opened(path: Path) -> Iterator[tuple[Heading, IO[bytes]]]:
    """The heading of a backup, and the rest of it to read."""
    try:
        with gzip.open(path) as file:
            yield _heading(file.readline(CHUNK), path), file  # type: ignore[misc]  # a file by what it can
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BackupError(f"{path} is damaged or cut short, or no backup: {error}") from error
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error}") from error


def _heading(line: bytes, path: Path) -> Heading:
    try:
        return Heading(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise BackupError(f"{path} is no backup of Orgdesk, or one of a later release.") from error


def why_not(heading: Heading) -> str:
    """Why this portal cannot be made from such a backup, "" if it can. Asks the database."""
    if heading.format > FORMAT or _later(heading):
        return (
            f"The backup is of a later release ({heading.orgdesk}; this is {VERSION}). "
            "Install that one, or a later one, and restore there."
        )
    if heading.database != connection.vendor:
        return (
            f"The backup is of {heading.database}, and DATABASE_URL names {connection.vendor}: "
            "a backup goes back into a database of its own kind."
        )
    if connection.introspection.table_names():
        return (
            "The database is not empty. Nothing is ever overwritten: make a new, empty database, "
            "let DATABASE_URL name it, and restore into that."
        )
    return "" if settings.CREDENTIAL_KEYS_LOST else _lacks_key(heading)


def _later(heading: Heading) -> bool:
    return not set(heading.schema.items()) <= migrated.brought()


def _lacks_key(heading: Heading) -> str:
    marks = key_marks()
    for version, mark in heading.keys.items():
        if marks.get(version) != mark:
            return (
                f"CREDENTIAL_KEYS is not the keyring that sealed this backup: key {version} is missing, or "
                "another one. Put the right one in. If it is lost for good, set "
                "CREDENTIAL_KEYS_LOST=true, restore, and paste every provider's key again."
            )
    return ""


def load(file: IO[bytes]) -> None:
    """Fill the empty database with what follows the heading: all of it, or nothing."""
    if connection.vendor == "sqlite":
        _load_sqlite(file)
        return
    connection.close()
    options = ["--no-owner", "--no-privileges", "--no-comments", "--exit-on-error"]
    name = str(connection.settings_dict["NAME"])
    _run("pg_restore", [*options, "--single-transaction", f"--dbname={name}"], source=file)


def _load_sqlite(file: IO[bytes]) -> None:
    target = Path(str(connection.settings_dict["NAME"]))
    connection.close()
    descriptor, part = tempfile.mkstemp(dir=target.parent, prefix=".restore-")
    try:
        with open(descriptor, "wb") as copy:
            shutil.copyfileobj(file, copy, CHUNK)
        with closing(sqlite3.connect(part)) as copied:
            if copied.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise BackupError("The database in the backup is damaged.")
        for ending in ("-wal", "-shm"):
            Path(f"{target}{ending}").unlink(missing_ok=True)
        Path(part).replace(target)
    except sqlite3.DatabaseError as error:
        raise BackupError(f"The database in the backup is damaged: {error}") from error
    finally:
        Path(part).unlink(missing_ok=True)


# --- PostgreSQL's own programs --------------------------------------------------------------------


def _run(
    program: str,
    options: list[str],
    *,
    source: IO[bytes] | None = None,
    output: IO[bytes] | None = None,
) -> None:
    """Run ``program`` over the database at hand, fed from ``source`` or read into ``output``."""
    found = shutil.which(program)
    if found is None:
        raise BackupError(
            f"{program} is not here. Install PostgreSQL's client programs, at least as new as the "
            "server (Debian, Ubuntu: apt-get install postgresql-client)."
        )
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - PostgreSQL's own program, with options of ours
            [found, "--no-password", *options],
            env={**os.environ, **_postgresql_environment()},
            stdin=subprocess.PIPE if source else subprocess.DEVNULL,
            stdout=subprocess.PIPE if output else subprocess.DEVNULL,
            stderr=said,
        )
        try:
            _relay(process, source, output)
        finally:
            if process.poll() is None:
                process.kill()
            status = process.wait()
        if status:
            said.seek(0)
            words = hide_in_text(said.read().decode(errors="replace")).strip()
            raise BackupError(f"{program} has failed: {words[-2000:]}")


def _relay(
    process: "subprocess.Popen[bytes]", source: IO[bytes] | None, output: IO[bytes] | None
) -> None:
    if output and process.stdout:
        shutil.copyfileobj(process.stdout, output, CHUNK)
    if source and process.stdin:
        try:
            shutil.copyfileobj(source, process.stdin, CHUNK)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended, and says why
    process.wait()


def _postgresql_environment() -> dict[str, str]:
    """How libpq is told where the database is: by its environment, so that no list of processes shows it."""
    at: dict[str, Any] = connection.settings_dict
    options: dict[str, Any] = at.get("OPTIONS") or {}
    told = {
        "PGHOST": at["HOST"],
        "PGPORT": at["PORT"],
        "PGUSER": at["USER"],
        "PGPASSWORD": at["PASSWORD"],
        "PGDATABASE": at["NAME"],
        "PGSSLMODE": options.get("sslmode"),
        "PGSSLROOTCERT": options.get("sslrootcert"),
        "PGCONNECT_TIMEOUT": "10",
    }
    return {name: str(value) for name, value in told.items() if value}
