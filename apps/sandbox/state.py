"""What lasts: one log file per (size, seed), replayed at start.

The first line says which world it is and when it began; every further line is one journal entry
with the changes it made, flushed before the answer goes out. A line that a crash cut short never
reached its caller and is dropped.
"""

import fcntl
import os
import re
import time
from pathlib import Path
from typing import IO, Any

import msgspec

from .people import found_world
from .world import Change, World, micros_stamp

_SECRET = re.compile(r"token|secret|password|key$", re.IGNORECASE)


class Entry(msgspec.Struct, omit_defaults=False):
    """One call that meant to change something, whether it did or not."""

    sequence: int
    at: str
    operation_id: str
    api: str
    organization: str
    target: str
    arguments: Any
    effect: bool
    status: int
    fault: str | None
    request_id: str


class Header(msgspec.Struct):
    size: str
    seed: str
    epoch: int
    orgdesk_sandbox: int = 1


class Line(msgspec.Struct):
    entry: Entry
    changes: list[Change]


class StateError(Exception):
    """The state file cannot be used; the text says why and what to do."""


def masked(arguments: Any) -> Any:
    """The arguments of a call without anything that could open a door."""
    if isinstance(arguments, dict):
        return {
            name: "***" if _SECRET.search(str(name)) else masked(value)
            for name, value in arguments.items()
        }
    if isinstance(arguments, list):
        return [masked(value) for value in arguments]
    return arguments


def state_file(folder: Path, size: str, seed: str) -> Path:
    spelled = re.sub(r"[^A-Za-z0-9._-]", "_", seed)
    return folder / f"sandbox-{size}-{spelled}.jsonl"


class State:
    """A world, its journal and the file both are kept in (none: they end with the process)."""

    def __init__(self, size: str, seed: str, folder: Path | None = None, reset: bool = False):
        self.size, self.seed = size, seed
        self.journal: list[Entry] = []
        self._file: IO[bytes] | None = None
        if folder is None:
            self._begin()
            return
        path = state_file(folder, size, seed)
        folder.mkdir(parents=True, exist_ok=True)
        # Opened by descriptor so that the file, which may hold keys, is never readable by others.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._file = os.fdopen(descriptor, "r+b")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise StateError(
                f"Another sandbox is using {path}. Stop it, or choose another --seed or ORGDESK_VAR."
            ) from None
        if reset or not self._replay(path):
            self.reset()

    def _begin(self) -> Header:
        header = Header(self.size, self.seed, int(time.time()))
        self.world: World = found_world(self.size, self.seed, header.epoch)
        self.journal.clear()
        return header

    def reset(self) -> None:
        """Start the world over, from now; the history is gone."""
        header = self._begin()
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()
            self._write(header)

    def _replay(self, path: Path) -> bool:
        assert self._file is not None  # noqa: S101 - only called where a file was opened
        first = self._file.readline()
        if not first.endswith(b"\n"):
            return False
        try:
            header = msgspec.json.decode(first, type=Header)
        except msgspec.DecodeError as error:
            raise StateError(f"{path} is no sandbox state ({error}). Use --reset.") from error
        self.world = found_world(header.size, header.seed, header.epoch)
        kept = self._file.tell()
        for number, text in enumerate(self._file, start=2):
            if not text.endswith(b"\n"):
                break
            try:
                line = msgspec.json.decode(text, type=Line)
                self.world.apply(line.changes)
            except (msgspec.DecodeError, KeyError) as error:
                raise StateError(
                    f"Line {number} of {path} is damaged ({error}). Use --reset."
                ) from error
            self.journal.append(line.entry)
            kept += len(text)
        self._file.truncate(kept)
        self._file.seek(kept)
        return True

    def _write(self, line: Header | Line) -> None:
        if self._file is not None:
            self._file.write(msgspec.json.encode(line) + b"\n")
            self._file.flush()

    def record(self, entry: Entry, changes: list[Change]) -> None:
        """Write the entry, then let its changes happen."""
        self._write(Line(entry, changes))
        self.world.apply(changes)
        self.journal.append(entry)

    def now(self) -> float:
        """Seconds since 1970, as the sandbox's clock shows them."""
        return time.time() + float(self.world.settings["clock_shift"])

    def enter(
        self,
        operation_id: str,
        *,
        api: str,
        organization: str = "",
        target: str = "",
        arguments: Any = None,
        status: int,
        changes: list[Change] | None = None,
        fault: str | None = None,
        request_id: str = "",
    ) -> Entry:
        """Make the next journal entry, record it and return it."""
        changes = changes or []
        entry = Entry(
            sequence=len(self.journal) + 1,
            at=micros_stamp(self.now()),
            operation_id=operation_id,
            api=api,
            organization=organization,
            target=target,
            arguments=masked(arguments),
            effect=bool(changes),
            status=status,
            fault=fault,
            request_id=request_id,
        )
        self.record(entry, changes)
        return entry

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
