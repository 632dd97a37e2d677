"""The rows both APIs serve, and the one way to change them.

Everything that ever changes is a put or a drop of one row, or the setting of one value, so that a
log of changes is the whole history and replaying it is the whole of starting again. Rows are
immutable and laid out as the wire shows them: a page is encoded from the rows as they stand.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec

DAY = 86_400
INVITE_DAYS = 21
CLINE_INVITE_DAYS = 7

Row = TypeVar("Row")
Keep = Callable[[Row], bool] | None


class User(msgspec.Struct, frozen=True, gc=False):
    """A member of an Anthropic organization (contract schema ``User``)."""

    id: str
    added_at: str
    email: str
    name: str
    role: str
    type: str = "user"


class Invite(msgspec.Struct, frozen=True, gc=False):
    """An Anthropic invite (``Invite``). ``pending`` past its date reads as ``expired``."""

    id: str
    email: str
    expires_at: str
    invited_at: str
    role: str
    status: str
    type: str = "invite"


class Member(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A membership in a Cline organization (``Member``); the strongest of ``roles`` counts."""

    member_id: str
    user_id: str
    organization_id: str
    email: str
    display_name: str
    roles: tuple[str, ...]
    created_at: str
    updated_at: str


class ClineInvite(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A Cline invite (``Invite``); while pending it holds a seat."""

    id: str
    organization_id: str
    email: str
    role: str
    status: str
    invited_by: str
    created_at: str
    expires_at: str


class Account(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A person who can sign in to Cline with a key, member of an organization or not."""

    id: str
    email: str
    display_name: str
    created_at: str
    updated_at: str = ""
    terms_accepted_at: str = ""
    bench_consent: bool = False
    active: str | None = (
        None  # the organization that use is billed to; "" is the person; None unsaid
    )


class Key(msgspec.Struct, frozen=True, gc=False):
    """A credential: ``id`` is the secret; it opens an Anthropic organization or is a person's.

    ``key_id`` names a person's API key; an account token has none. ``expires_at``: seconds since
    1970, 0 for never. ``api`` of a refresh token is "cline refresh".
    """

    id: str
    api: str
    organization: str = ""
    account: str = ""
    key_id: str = ""
    name: str = ""
    created_at: str = ""
    expires_at: float = 0.0


class Payment(msgspec.Struct, frozen=True, gc=False):
    """A purchase of credit at Cline: cents charged, millionths of a dollar bought."""

    id: str
    creator: str
    cents: int
    status: str
    created_at: str
    paid_at: str
    reason: str = ""


class Session(msgspec.Struct, frozen=True, gc=False):
    """A page of Cline's card processor: for a payment, or (``payment`` "") to store a card."""

    id: str
    payment: str
    redirect: str
    expires_at: float
    outcome: str = ""


class Put(msgspec.Struct, tag_field="do", tag="put"):
    organization: str
    table: str
    row: Any


class Drop(msgspec.Struct, tag_field="do", tag="drop"):
    organization: str
    table: str
    id: str


class Set(msgspec.Struct, tag_field="do", tag="set"):
    organization: str
    name: str
    value: Any


class Open(msgspec.Struct, tag_field="do", tag="open"):
    """A new Cline organization."""

    organization: str
    name: str
    settings: dict[str, Any]


Change = Put | Drop | Set | Open


def loose(email: str) -> str:
    """One spelling for one mailbox: case and plus-tags do not count."""
    name, _, domain = email.casefold().partition("@")
    return f"{name.partition('+')[0]}@{domain}"


class Table(Generic[Row]):
    """Rows in the order they came, found by id or address, paged from either end.

    A dropped row's place is remembered, so a cursor on it still works and a walk that meets a
    removal neither skips nor repeats a row.
    """

    def __init__(self, row_type: type[Row], id_field: str = "id") -> None:
        self.row_type = row_type
        self.id_of = attrgetter(id_field)
        self._by_email = "email" in row_type.__struct_fields__  # type: ignore[attr-defined]  # rows are structs; those with an address have it
        self._place: dict[str, int] = {}
        self._places = array("q")
        self._rows: list[Row] = []
        self._emails: dict[str, tuple[str, ...]] = {}
        self._next = 0
        self.version = 0  # goes up with every change

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __contains__(self, row_id: str) -> bool:
        return self._index(row_id) is not None

    def place(self, row_id: str) -> int:
        """Which row to come this was, dropped or not. KeyError if it never came."""
        return self._place[row_id]

    def knows(self, row_id: str) -> bool:
        """Whether this id was ever here."""
        return row_id in self._place

    def get(self, row_id: str) -> Row | None:
        index = self._index(row_id)
        return None if index is None else self._rows[index]

    def _index(self, row_id: str) -> int | None:
        place = self._place.get(row_id)
        if place is None:
            return None
        index = bisect_left(self._places, place)
        return index if index < len(self._places) and self._places[index] == place else None

    def put(self, row: Row) -> None:
        self.version += 1
        row_id = self.id_of(row)
        place = self._place.get(row_id)
        if place is None:
            self._place[row_id] = self._next
            self._places.append(self._next)
            self._rows.append(row)
            self._next += 1
        else:
            self._put_in_place(row, place)
        if self._by_email:
            mailbox = loose(row.email)  # type: ignore[attr-defined]  # rows are structs; those with an address have it
            self._emails[mailbox] = (*self._emails.get(mailbox, ()), row_id)

    def _put_in_place(self, row: Row, place: int) -> None:
        index = bisect_left(self._places, place)
        if index < len(self._places) and self._places[index] == place:
            self._forget_email(self._rows[index])
            self._rows[index] = row
        else:
            self._places.insert(index, place)
            self._rows.insert(index, row)

    def drop(self, row_id: str) -> None:
        self.version += 1
        index = self._index(row_id)
        if index is None:
            return
        self._forget_email(self._rows[index])
        del self._rows[index]
        del self._places[index]

    def _forget_email(self, row: Row) -> None:
        if not self._by_email:
            return
        mailbox, gone = loose(row.email), self.id_of(row)  # type: ignore[attr-defined]  # rows are structs; those with an address have it
        left = tuple(row_id for row_id in self._emails.get(mailbox, ()) if row_id != gone)
        if left:
            self._emails[mailbox] = left
        else:
            self._emails.pop(mailbox, None)

    def in_mailbox(self, email: str) -> list[Row]:
        """Rows whose address is the same mailbox, plus-tags and case ignored; newest first."""
        found = [self.get(row_id) for row_id in self._emails.get(loose(email), ())]
        return [row for row in reversed(found) if row is not None]

    def with_email(self, email: str) -> list[Row]:
        """Rows with exactly this address but for case; newest first."""
        wanted = email.casefold()
        rows = self.in_mailbox(email)
        return [row for row in rows if row.email.casefold() == wanted]  # type: ignore[attr-defined]  # rows are structs; those with an address have it

    def older(
        self, cursor: str | None, limit: int, overlap: int = 0, keep: Keep[Row] = None
    ) -> tuple[list[Row], bool]:
        """Up to ``limit`` rows before the cursor's place, newest first; whether more follow.

        ``keep``: which rows count; all without it.
        """
        end = len(self._rows)
        if cursor is not None:
            end = min(end, bisect_left(self._places, self._place[cursor]) + overlap)
        if keep is not None:
            found = list(islice(filter(keep, self._rows[:end][::-1]), limit + 1))
            return found[:limit], len(found) > limit
        start = max(0, end - limit)
        return self._rows[start:end][::-1], start > 0

    def newer(
        self, cursor: str, limit: int, overlap: int = 0, keep: Keep[Row] = None
    ) -> tuple[list[Row], bool]:
        """Up to ``limit`` rows just after the cursor's place, newest first; whether more follow."""
        start = max(0, bisect_right(self._places, self._place[cursor]) - overlap)
        if keep is not None:
            found = list(islice(filter(keep, self._rows[start:]), limit + 1))
            return found[:limit][::-1], len(found) > limit
        end = start + limit
        return self._rows[start:end][::-1], end < len(self._rows)

    def after(self, cursor: str | None, limit: int, overlap: int = 0) -> tuple[list[Row], bool]:
        """Up to ``limit`` rows after the cursor's place, oldest first; whether more follow."""
        start = 0
        if cursor is not None:
            start = max(0, bisect_right(self._places, self._place[cursor]) - overlap)
        end = start + limit
        return self._rows[start:end], end < len(self._rows)


class Organization:
    """One remote organization: its rows by table name and its settings by name.

    ``families``: makers of tables that come into being when they are first written to; the table
    ``memberships/wrkspc_01`` is one of the family ``memberships``.
    """

    def __init__(
        self,
        api: str,
        organization_id: str,
        name: str,
        *,
        tables: dict[str, Table[Any]],
        families: dict[str, Callable[[], Table[Any]]] | None = None,
        **settings: Any,
    ) -> None:
        self.api, self.id, self.name = api, organization_id, name
        self.settings: dict[str, Any] = settings
        self.tables = tables
        self._families = families or {}

    def table(self, name: str) -> Table[Any]:
        """The table of that name. KeyError if there is no such table and no such family."""
        if name not in self.tables:
            self.tables[name] = self._families[name.partition("/")[0]]()
        return self.tables[name]


def cline_tables() -> dict[str, Table[Any]]:
    """What a Cline organization keeps."""
    return {
        "members": Table(Member, "member_id"),
        "invites": Table(ClineInvite),
        "left": Table(Member, "member_id"),
        **purse_tables(),
    }


def purse_tables() -> dict[str, Table[Any]]:
    """What belongs to the credit of an organization or a person."""
    return {"payments": Table(Payment), "sessions": Table(Session)}


class World:
    """Every organization, key and account of one sandbox. Changed by ``apply`` alone."""

    def __init__(self, size: str, seed: str, epoch: int) -> None:
        self.size, self.seed, self.epoch = size, seed, epoch
        self.organizations: dict[str, Organization] = {}
        self.homes: dict[str, Organization] = {}  # personal accounts at Cline, by user id
        self.keys: Table[Key] = Table(Key)
        self.accounts: Table[Account] = Table(Account)
        self.settings: dict[str, Any] = {"clock_shift": 0.0}
        self.first_keys: dict[str, Any] = {}

    def of(self, api: str) -> list[Organization]:
        return [one for one in self.organizations.values() if one.api == api]

    def owner(self, owner_id: str) -> Organization:
        """An organization, or the personal account of a Cline user. KeyError for another api's user."""
        if owner_id in self.organizations or not owner_id.startswith("usr-"):
            return self.organizations[owner_id]
        if owner_id not in self.homes:
            self.homes[owner_id] = Organization("personal", owner_id, "", tables=purse_tables())
        return self.homes[owner_id]

    def table(self, organization: str, name: str) -> Table[Any]:
        if organization:
            return self.owner(organization).table(name)
        return self.keys if name == "keys" else self.accounts

    def apply(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if isinstance(change, Put):
                table = self.table(change.organization, change.table)
                row = change.row
                if isinstance(row, dict):
                    row = msgspec.convert(row, table.row_type)
                table.put(row)
            elif isinstance(change, Drop):
                self.table(change.organization, change.table).drop(change.id)
            elif isinstance(change, Open):
                self.organizations[change.organization] = Organization(
                    "cline",
                    change.organization,
                    change.name,
                    tables=cline_tables(),
                    **change.settings,
                )
            elif change.name == "name":
                self.organizations[change.organization].name = change.value
            else:
                settings = self.owner(change.organization).settings if change.organization else None
                (self.settings if settings is None else settings)[change.name] = change.value


def seconds_stamp(moment: float) -> str:
    """RFC 3339 in UTC without a fraction, as Anthropic's dates are written here."""
    # Written as naive, for the offset would be spelled +00:00; strftime takes four times as long.
    return datetime.fromtimestamp(int(moment), UTC).replace(tzinfo=None).isoformat() + "Z"


def micros_stamp(moment: float) -> str:
    """RFC 3339 in UTC with six fraction digits, as Cline's records are written."""
    naive = datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)
    return naive.isoformat(timespec="microseconds") + "Z"
