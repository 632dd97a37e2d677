"""What adapters give back: the same few shapes for every provider.

Times are aware and UTC. ``raw`` is the row's own JSON text as the provider sent it (secrets masked),
so that a mirror loses nothing that the records leave out. Enumerations are plain text: an unknown
value is kept and shown as it is. Texts fit the mirrors: an id has at most 120 characters, an address
254 (a row with longer ones is unreadable), a name 200, a role 60, a status 40 (longer ones are cut).

``missing`` names the fields that the contract promises and the row did not have, or had in a form that
nobody understands; what the record says of them is then a default, not the provider's word.

Rows that come by the thousand are msgspec structs: making 1,000 frozen dataclasses takes 2 ms, which
is twice what reading their whole page takes.
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

import msgspec

Row = TypeVar("Row")
Other = TypeVar("Other")


class Record(msgspec.Struct, frozen=True, gc=False):
    """What every row's record has."""

    remote_id: str


class MemberRecord(Record, frozen=True, gc=False):
    """A membership. ``role`` is the strongest where there are several; ``roles`` has them all."""

    email: str  # as the provider spells it
    name: str
    role: str
    roles: tuple[str, ...]
    remote_user_id: str  # "" where the membership id is the user id
    joined_at: datetime | None
    raw: bytes
    missing: tuple[str, ...] = ()


class InviteRecord(Record, frozen=True, gc=False):
    """An invite. ``status`` is the provider's own word ("pending", "accepted", "expired", …)."""

    email: str
    role: str
    status: str
    invited_at: datetime | None
    expires_at: datetime | None
    raw: bytes
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that does not have what we cannot do without; the rest of its page is still good."""

    remote_id: str  # "" if even that is missing
    reason: str
    raw: bytes


Readings = tuple[list[Row], list[Unreadable]]


class Page(Generic[Row]):
    """One page of a walk. ``next_cursor`` is None on the last page, and only there.

    ``total``: rows in all pages, where the provider says so. A complete walk has at least that many.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        next_cursor: str | None = None,
        unreadable: Sequence[Unreadable] = (),
        requests: int = 1,
        total: int | None = None,
    ) -> None:
        self.next_cursor = next_cursor
        self.requests = requests
        self.total = total
        self._raw: list[bytes] = []
        self._read: Callable[[list[bytes]], Readings[Row]] | None = None  # None: it is read
        self._check: Callable[[Readings[Any]], None] | None = None
        self._change: Callable[[list[Any]], list[Row]] | None = None
        self._readings: Readings[Row] = (list(rows), list(unreadable))

    @classmethod
    def unread(
        cls,
        raw: list[bytes],
        read: Callable[[list[bytes]], Readings[Row]],
        check: Callable[[Readings[Row]], None],
    ) -> "Page[Row]":
        """A page of ``raw`` rows that ``read`` reads, and ``check`` looks over, when they are asked for."""
        page = cls([])
        page._raw, page._read, page._check = raw, read, check
        return page

    @property
    def rows(self) -> list[Row]:
        """The records of the rows that can be read."""
        return self.whole()._readings[0]

    @property
    def unreadable(self) -> list[Unreadable]:
        """What is wrong with the others."""
        return self.whole()._readings[1]

    def whole(self) -> "Page[Row]":
        """The same page, its rows read."""
        if self._read is not None and self._check is not None:
            readings = self._read(self._raw)
            self._check(readings)
            self._readings, self._read, self._raw = self._changed(readings), None, []
        return self

    def mapped(self, change: "Callable[[list[Row]], list[Other]]") -> "Page[Other]":
        """The same page with what ``change`` makes of its records, when they are read; only once a page."""
        page = cast("Page[Other]", copy(self))
        page._change = change
        if self._read is None:
            page._readings = page._changed(self._readings)
        return page

    def _changed(self, readings: Readings[Any]) -> Readings[Row]:
        rows, unreadable = readings
        return (self._change(rows) if self._change else rows), unreadable

    def but(
        self, known: Callable[[list[bytes]], Sequence[str | None]]
    ) -> tuple[list[str], Readings[Row]]:
        """The ids of those rows that ``known`` finds by their very JSON, and what the others say.

        ``known`` gives an id or None for each row. Of rows that have been read it is not asked.
        """
        if self._read is None:
            return [], self._readings
        ids = known(self._raw)
        others = [raw for raw, remote_id in zip(self._raw, ids, strict=True) if remote_id is None]
        return list(filter(None, ids)), self._changed(self._read(others))


@dataclass(frozen=True, slots=True)
class RemoteOrganization:
    """A remote organization that a credential can reach; ``roles`` are the credential's own there."""

    remote_id: str
    name: str
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ability:
    """Whether a connection can do something, and if not, why, in plain words."""

    ok: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What a probe found behind a credential.

    ``organizations`` has one entry, or several to choose from (then ``abilities`` is empty until one
    is chosen). ``abilities`` is by capability ("members.read", "costs.read", …: the ``NEEDS`` of the
    provider's adapter); one that the provider does not have at all is not there. ``assignable_roles``
    is what the provider says may be assigned, empty if it does not say.
    """

    account: str  # whose credential it is, in words
    organizations: tuple[RemoteOrganization, ...]
    abilities: dict[str, Ability] = field(default_factory=dict)
    assignable_roles: tuple[str, ...] = ()
