"""A CSV as it streams by: kept whole while it is not too large, its first rows read."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Table:
    """``csv`` and ``count`` (rows without the heading) are None where it went on beyond the limit."""

    headings: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    count: int | None = 0
    csv: bytes | None = None


class _TooLong(Exception):
    """It goes on beyond what is kept."""


def read_table(parts: Iterable[bytes], most_bytes: int, shown: int) -> Table:
    """Read ``parts``, the pieces of one CSV in UTF-8, up to a limit; keep ``shown`` rows apart."""
    found, kept = Table(), io.BytesIO()

    def lines() -> Iterator[str]:
        pieces: Any = _Pieces(parts, kept, most_bytes)  # the types ask for more than is read
        text = io.TextIOWrapper(io.BufferedReader(pieces), "utf-8-sig", newline="")
        yield from text

    number = 0
    try:
        for number, line in enumerate(csv.reader(lines())):
            if number == 0:
                found.headings = line
            elif len(found.rows) < shown:
                found.rows.append(line)
    except _TooLong:
        found.count = None
        return found
    found.count, found.csv = number, kept.getvalue()
    return found


class _Pieces(io.RawIOBase):
    """Pieces as a file, of which a copy is kept."""

    def __init__(self, parts: Iterable[bytes], kept: io.BytesIO, most: int) -> None:
        self._parts, self._kept, self._left = iter(parts), kept, most
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # a buffer of any kind
        while not self._rest:
            try:
                self._rest = bytes(next(self._parts))
            except StopIteration:
                return 0
            self._left -= len(self._rest)
            if self._left < 0:
                raise _TooLong
            self._kept.write(self._rest)
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size
