"""A provider in memory, with pages and faults, for walks."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from apps.organizations.models import Connection
from apps.providers.errors import NotFound
from apps.providers.records import InviteRecord, MemberRecord, Page, Unreadable
from apps.sync.models import Resource, SyncRun
from apps.sync.walk import walk

JOINED = datetime(2026, 1, 5, 12, tzinfo=UTC)


def member(
    number: int, *, role: str = "user", email: str | None = None, name: str | None = None
) -> MemberRecord:
    """A membership; the same number is the same membership."""
    address = email if email is not None else f"Person{number}@example.com"
    called = name if name is not None else f"Person {number}"
    remote_id = f"user_{number:05}"
    raw = {"id": remote_id, "email": address, "name": called, "role": role, "added_at": str(JOINED)}
    return MemberRecord(
        remote_id=remote_id,
        email=address,
        name=called,
        role=role,
        roles=(role,),
        remote_user_id="",
        joined_at=JOINED,
        raw=json.dumps(raw).encode(),
    )


def members(count: int, *, start: int = 0) -> list[MemberRecord]:
    """``count`` memberships."""
    return [member(number) for number in range(start, start + count)]


def invite(
    number: int,
    *,
    email: str | None = None,
    role: str = "user",
    status: str = "pending",
    invited_at: datetime | None = JOINED,
    expires_at: datetime | None = None,
) -> InviteRecord:
    """An invite; the same number is the same invite."""
    address = email if email is not None else f"guest{number}@example.com"
    remote_id = f"invite_{number:05}"
    raw = {"id": remote_id, "email": address, "role": role, "status": status}
    return InviteRecord(
        remote_id=remote_id,
        email=address,
        role=role,
        status=status,
        invited_at=invited_at,
        expires_at=expires_at,
        raw=json.dumps(raw).encode(),
    )


class Remote:
    """Lists what it holds, ``size`` rows a page; the cursor is the id of the last row.

    ``before[k]`` runs before page k is given, counted from 0 over the whole life of one walk; what
    it raises or returns (a Page) takes the page's place, once.
    """

    def __init__(self, rows: Iterable[Any] = (), *, size: int = 10) -> None:
        self.rows = list(rows)
        self.listed_invites: list[InviteRecord] = []
        self.unreadable: dict[int, list[Unreadable]] = {}
        self.size = size
        self.before: dict[int, list[Callable[[], Page[Any] | None]]] = {}
        self.asked: list[str | None] = []
        self.read: list[str] = []  # ids of the rows of whose JSON a record was made
        self.closed = False

    def fault(self, page: int, *what: Exception | Callable[[], Page[Any] | None]) -> "Remote":
        """Have page ``page`` answered by ``what``, one after the other, before it is given."""
        queue = self.before.setdefault(page, [])
        queue.extend(_raiser(item) if isinstance(item, Exception) else item for item in what)
        return self

    def members(self, cursor: str | None = None) -> Page[MemberRecord]:
        return self._page(self.rows, cursor)

    def invites(self, cursor: str | None = None) -> Page[InviteRecord]:
        return self._page(self.listed_invites, cursor)

    def close(self) -> None:
        self.closed = True

    def _page(self, rows: list[Any], cursor: str | None) -> Page[Any]:
        self.asked.append(cursor)
        ids = [row.remote_id for row in rows]
        if cursor is not None and cursor not in ids:
            raise NotFound("No such id", status=404)
        start = ids.index(cursor) + 1 if cursor is not None else 0
        number = start // self.size
        if self.before.get(number):
            instead = self.before[number].pop(0)()
            if instead is not None:
                return instead
            # What it did may have changed what there is to list.
            rows = self.rows if rows is self.rows else self.listed_invites
        chunk = rows[start : start + self.size]
        more = start + self.size < len(rows)
        return self.unread(
            [*chunk, *self.unreadable.get(number, [])], chunk[-1].remote_id if more else None
        )

    def unread(self, rows: list[Any], next_cursor: str | None) -> Page[Any]:
        """A page as adapters give it: of JSON, read when somebody asks for its rows."""

        def read(raw: list[bytes]) -> tuple[list[Any], list[Unreadable]]:
            by_json = {row.raw: row for row in rows}
            found = [by_json[one] for one in raw]
            self.read += [row.remote_id for row in found]
            bad = [row for row in found if isinstance(row, Unreadable)]
            return [row for row in found if row not in bad], bad

        page = Page.unread([row.raw for row in rows], read, lambda _: None)
        page.next_cursor = next_cursor
        return page


def _raiser(error: Exception) -> Callable[[], Page[Any] | None]:
    def give() -> Page[Any] | None:
        raise error

    return give


def resource_of(connection: Connection, name: str = "members") -> Resource:
    """The listing of that name, made if need be."""
    return Resource.objects.get_or_create(connection=connection, name=name)[0]


def walk_it(connection: Connection, name: str = "members") -> SyncRun:
    """Walk a listing now; it must not be refused."""
    run = walk(resource_of(connection, name).pk)
    assert run is not None
    return run
