"""What was sent, written down outside the database too: a database that was put back lacks some of it.

Before its bytes leave, each attempt of a Command is written to a list in Redis and to a file in
``ORGDESK_VAR``. Two places, because Redis may be emptied and a machine replaced; one of them is
enough. Each organization has its own list, and its birth is part of the list's name, so that another
database on the same Redis has other lists.
"""

import fcntl
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from uuid import UUID

import redis
import structlog
from django.conf import settings
from django.utils import timezone

from apps.organizations.models import Organization
from apps.sync.models import Command
from apps.sync.outbox.word import client

log = structlog.get_logger(__name__)
# What a database that was put back has lost are the latest, so the last few tell: as many as workers
# may be writing at one moment, and more where there is time to look.
TELLING = 8
KEPT = 32
MOST_BYTES = 64 * 1024  # of a file; then it is cut down to the last KEPT lines
LONGEST_LINE = 80


@dataclass(frozen=True, slots=True)
class Mark:
    """One attempt of a Command that may have reached its provider."""

    command: UUID
    attempt: int
    at: datetime

    @classmethod
    def of(cls, command: Command) -> Self:
        """The attempt that is under way."""
        return cls(command.uid, command.attempts, timezone.now())

    @classmethod
    def read(cls, line: str) -> Self | None:
        """The Mark that ``line`` holds; None for one that was torn."""
        try:
            uid, attempt, at = line.split(" ")
            return cls(UUID(uid), int(attempt), datetime.fromtimestamp(float(at), UTC))
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.command.hex} {self.attempt} {self.at.timestamp():.6f}"


def note(command: Command) -> bool:
    """Write down that ``command``'s attempt is about to leave; False if no place could take it."""
    return write(command.organization, [Mark.of(command)])


def write(organization: Organization, marks: Iterable[Mark]) -> bool:
    """Write ``marks`` down in both places, oldest first; False if neither could take them."""
    lines = [str(mark) for mark in marks]
    in_redis = _to_redis(organization, lines)
    return _to_file(organization, lines) or in_redis


def read(organization: Organization, *, thorough: bool = False) -> list[Mark] | None:
    """What was written down last; None if that cannot be told now.

    The file is read where Redis has nothing, and if the look is ``thorough``. A Redis that was
    emptied is filled again with what the file has.
    """
    lines = _from_redis(organization, KEPT if thorough else TELLING)
    if thorough or not lines:
        in_file = _from_file(organization)
        if lines is None and not in_file:
            return None
        if lines == [] and in_file:
            _to_redis(organization, in_file)
        lines = [*(lines or []), *in_file]
    return [mark for mark in map(Mark.read, lines) if mark]


def _name(organization: Organization) -> str:
    return f"{organization.pk}-{organization.created_at.timestamp() * 1e6:.0f}"


# --- Redis ---------------------------------------------------------------------------------------


def _key(organization: Organization) -> str:
    return f"orgdesk:sent:{_name(organization)}"


def _to_redis(organization: Organization, lines: list[str]) -> bool:
    key = _key(organization)
    try:
        with client().pipeline(transaction=False) as pipe:
            pipe.rpush(key, *lines)
            pipe.ltrim(key, -KEPT, -1)
            pipe.execute()
    except redis.RedisError as error:
        log.warning("mark_not_in_redis", error=str(error))
        return False
    return True


def _from_redis(organization: Organization, most: int) -> list[str] | None:
    try:
        lines: list[bytes] = client().lrange(_key(organization), -most, -1)
    except redis.RedisError as error:
        log.warning("marks_not_read", error=str(error))
        return None
    return [line.decode() for line in lines]


# --- The file ------------------------------------------------------------------------------------


def _path(organization: Organization) -> Path:
    return Path(f"{settings.OUTBOX_MARKS}-{_name(organization)}")


def _to_file(organization: Organization, lines: list[str]) -> bool:
    # Not forced to the disk: a machine that loses power forgets its last commits on SQLite as well.
    path = _path(organization)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if file.seek(0, os.SEEK_END) > MOST_BYTES:
                lines = [*_last(file.fileno()), *lines]
                file.truncate(0)
            file.write("".join(f"{line}\n" for line in lines).encode())
    except OSError as error:
        log.warning("mark_not_in_file", error=str(error))
        return False
    return True


def _from_file(organization: Organization) -> list[str]:
    try:
        file = os.open(_path(organization), os.O_RDONLY)
    except OSError:
        return []  # never sent from this machine, or a folder that cannot be used
    try:
        fcntl.flock(file, fcntl.LOCK_SH)
        return _last(file)
    finally:
        os.close(file)


def _last(file: int) -> list[str]:
    begin = max(0, os.fstat(file).st_size - KEPT * LONGEST_LINE)
    lines = os.pread(file, KEPT * LONGEST_LINE, begin).decode(errors="replace").splitlines()
    return lines[1 if begin else 0 :][-KEPT:]  # the first may begin in its middle
