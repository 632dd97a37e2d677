"""Rows out of JSON: fast for what the contract says, patient with what it does not.

Each row is read on its own. What fits the typed struct costs about a microsecond; what does not is
read again field by field, and only a row that lacks what we cannot do without is set aside.
"""

import re
from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Any, Generic, Protocol, TypeVar, get_args

import msgspec
from django.utils.translation import gettext as _

from apps.providers.errors import NOT_JSON, Unclear
from apps.providers.http import Answer, garbled
from apps.providers.masking import mask
from apps.providers.records import (
    InviteRecord,
    MemberRecord,
    Page,
    Readings,
    Record,
    Unreadable,
)

# Characters; what the mirrors keep (the records).
LONGEST_ID, LONGEST_EMAIL, LONGEST_NAME, LONGEST_ROLE, LONGEST_STATUS = 120, 254, 200, 60, 40

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)]
Email = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_EMAIL)]
Name = Annotated[str, msgspec.Meta(max_length=LONGEST_NAME)]
Role = Annotated[str, msgspec.Meta(max_length=LONGEST_ROLE)]
Status = Annotated[str, msgspec.Meta(max_length=LONGEST_STATUS)]

Row = TypeVar("Row", bound=Record)
Addressed = TypeVar("Addressed", MemberRecord, InviteRecord)
Struct = TypeVar("Struct", bound=msgspec.Struct)
Fields = dict[str, Any]
Rows = Sequence[bytes] | Sequence[msgspec.Raw]  # JSON, a row each

LONG_ROW = 10_000  # bytes: a bucket of a report, of which few make megabytes
ABSENT = object()
NOT_READ = msgspec.Raw()  # default of fields that are known and stay in ``raw`` alone
_any_json = msgspec.json.Decoder()
_FRACTION = re.compile(r"(\.\d{6})\d+")


class Reader(Protocol[Row]):
    """Turns the rows of a list into records."""

    def read(self, rows: Rows) -> Readings[Row]:
        """Records of the rows that can be read, and what is wrong with the others."""


class Missing(Exception):
    """A row without something that we cannot do without."""


class RowReader(Generic[Row]):
    """Turns rows of one kind into records.

    ``struct`` is their shape by the contract, with the lengths that the mirrors keep, and forbids
    further fields, so a row that fits it holds no secret to mask. ``build(row, raw)`` makes its
    record; ``lenient(fields)`` finds the struct's values in a row that does not fit, or raises
    Missing. ``id_names`` name the row. A record says in ``missing`` which of the struct's required
    fields its row lacked, or held in a form that nobody understands.
    """

    def __init__(
        self,
        struct: type[Struct],
        build: Callable[[Struct, bytes], Row],
        lenient: Callable[[Fields], Struct],
        id_names: tuple[str, ...],
    ) -> None:
        self._decode = msgspec.json.Decoder(struct).decode
        self._decode_all = msgspec.json.Decoder(list[struct]).decode  # type: ignore[valid-type]  # known at run time
        self._build: Callable[[Any, bytes], Row] = build
        self._lenient: Callable[[Fields], Any] = lenient
        self._id_names = id_names
        self._required = [
            (field.encode_name, field.name, type(None) in get_args(field.type))
            for field in msgspec.structs.fields(struct)
            if field.required
        ]

    def read(self, rows: Rows) -> Readings[Row]:
        """Records of the rows that can be read, and what is wrong with the others."""
        if rows and len(rows[0]) > LONG_ROW:
            return self._read_one_by_one(rows)
        raw = list(map(bytes, rows))
        try:
            # All at once takes half as long, and holds the answer several times over.
            return list(map(self._build, self._decode_all(b"[%b]" % b",".join(raw)), raw)), []
        except NOT_JSON:
            return self._read_one_by_one(rows)

    def _read_one_by_one(self, rows: Rows) -> Readings[Row]:
        records: list[Row] = []
        unreadable: list[Unreadable] = []
        for row in rows:
            try:
                records.append(self._build(self._decode(row), bytes(row)))
            except NOT_JSON:
                self._read_leniently(bytes(row), records, unreadable)
        return records, unreadable

    def read_one(self, row: bytes, answer: Answer) -> Row:
        """The record of ``answer``'s single row. Unclear if it cannot be read."""
        records, unreadable = self._read_one_by_one([row])
        if unreadable:
            raise garbled(answer, unreadable[0].reason)
        return records[0]

    def _read_leniently(self, raw: bytes, records: list[Row], unreadable: list[Unreadable]) -> None:
        fields: Any = None
        try:
            fields = _any_json.decode(raw)
            if not isinstance(fields, dict):
                raise Missing(_("it is no object"))
            row = self._lenient(fields)
            record = self._build(row, masked(raw))
            if missing := self._missing(fields, row):
                record = msgspec.structs.replace(record, missing=missing)
            records.append(record)
        except (*NOT_JSON, Missing) as error:
            known = fields if isinstance(fields, dict) else {}
            named = (text(known.get(name)) for name in self._id_names)
            remote_id = next(filter(None, named), "")
            unreadable.append(Unreadable(remote_id[:LONGEST_ID], str(error)[:300], masked(raw)))

    def _missing(self, fields: Fields, row: Any) -> tuple[str, ...]:
        """The required fields of the contract of which ``row`` knows nothing, or ``lacks`` by its own word."""
        return getattr(row, "lacks", ()) + tuple(
            wire_name
            for wire_name, name, may_be_null in self._required
            if getattr(row, name) in (None, "")
            and fields.get(wire_name, ABSENT) not in (("", None) if may_be_null else ("",))
        )


def masked(raw: bytes) -> bytes:
    """A row's JSON with its secrets hidden; its very bytes where there are none."""
    try:
        value = _any_json.decode(raw)
        hidden = mask(value)
        return raw if hidden == value else msgspec.json.encode(hidden)
    except NOT_JSON:
        return b"{}"


def text(value: Any) -> str:
    """Text as it is, a number as its digits, anything else as nothing."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""


def needed(fields: Fields, *names: str) -> str:
    """The first of the named fields that has a text. Missing if none has, or too long a one to keep."""
    for name in names:
        found = text(fields.get(name)).strip()
        if len(found) > LONGEST_ID:
            raise Missing(_("its %(field)s is too long") % {"field": name})
        if found:
            return found
    raise Missing(_("it has no %(field)s") % {"field": names[0]})


def address(fields: Fields) -> str:
    """The row's email address. Missing if it has none."""
    found = fields.get("email")
    if not isinstance(found, str) or not found.strip():
        raise Missing(_("it has no email") if found is None else _("its email is no text"))
    if len(found.strip()) > LONGEST_EMAIL:
        raise Missing(_("its email is too long"))
    return found.strip()


def moment(value: Any) -> datetime | None:
    """A time, aware and in UTC; None if it is absent or cannot be read. Zero to nine fraction digits."""
    if isinstance(value, str) and value:
        try:
            return in_utc(datetime.fromisoformat(_FRACTION.sub(r"\1", value)))
        except ValueError:
            return None
    return None


def in_utc(at: datetime | None) -> datetime | None:
    """The same instant in UTC; a time without a zone is taken for UTC, one before the year 1 for none."""
    if at is None or at.tzinfo is UTC:
        return at
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        return None


def page_of(
    reader: Reader[Row],
    rows: list[msgspec.Raw],
    *,
    walk: "Walk",
    cursor: str | None,
    next_cursor: Callable[[Page[Row]], str | None],
) -> Page[Row]:
    """One page of a walk; ``next_cursor`` is told the page. Unclear if the walk goes in circles.

    Short rows are read when somebody asks for them (``Page.but``), which is Unclear if they are
    those of an earlier page, spelled in another way.
    """
    if rows and len(rows[0]) > LONG_ROW:  # at once, so that the answer is let go
        return page_read(reader.read(rows), walk=walk, cursor=cursor, next_cursor=next_cursor)
    raw = list(map(bytes, rows))
    page = Page.unread(raw, reader.read, lambda read: walk.note(cursor, _names(read)))
    page.next_cursor = next_cursor(page)
    walk.turn(cursor, raw, page.next_cursor)
    return page


def page_read(
    found: Readings[Row],
    *,
    walk: "Walk",
    cursor: str | None,
    next_cursor: Callable[[Page[Row]], str | None],
) -> Page[Row]:
    """``page_of`` rows that have been read."""
    page: Page[Row] = Page(found[0], unreadable=found[1])
    page.next_cursor = next_cursor(page)
    walk.turn(cursor, _names(found), page.next_cursor)
    return page


def _names(found: Readings[Any]) -> list[Hashable]:
    return [row.remote_id or hash(row) for row in chain(*found)]


class Walk:
    """Watches one walk for pages that come round again, so that it neither loops nor looks complete.

    Going back to an earlier page on purpose is fine: what was noted from there on is forgotten.
    """

    def __init__(self) -> None:
        # cursor asked with -> a hash of what came, and how many rows, by each way of telling rows apart
        self._pages: dict[str, list[tuple[int, int]]] = {}

    def turn(self, cursor: str | None, names: Sequence[Hashable], next_cursor: str | None) -> None:
        """Note the page that ``cursor`` brought. Unclear if the walk goes in circles."""
        asked = cursor or ""
        if cursor is None:
            self._pages.clear()
        elif asked in self._pages:
            for known in list(self._pages)[list(self._pages).index(asked) :]:
                del self._pages[known]
        if not names and next_cursor is not None:
            raise Unclear(_("The provider sent an empty page and says that there is more."))
        self.note(cursor, names)
        if next_cursor is not None and next_cursor in self._pages:
            raise Unclear(_("The provider's pages lead back to an earlier one."))

    def note(self, cursor: str | None, names: Sequence[Hashable]) -> None:
        """Note what the rows of one page are known by. Unclear if those of an earlier one were the same."""
        page = (hash(tuple(names)), len(names))
        if names and any(page in known for known in self._pages.values()):
            raise Unclear(
                _("The provider keeps sending the same page; the list cannot be complete.")
            )
        self._pages.setdefault(cursor or "", []).append(page)

    def check_total(self, total: int | None, *, complete: bool) -> None:
        """Unclear if the last page has come and the provider's own total says that rows are missing.

        A walk that was taken up in its middle cannot know.
        """
        if not complete or total is None or "" not in self._pages:
            return
        seen = sum(known[0][1] for known in self._pages.values())
        if seen < total:
            raise Unclear(
                _("The provider sent %(seen)s of %(total)s rows and said that this was all.")
                % {"seen": seen, "total": total}
            )


def search(
    page_at: Callable[[str | None], Page[Row]],
    wanted: Callable[[Row], bool],
    *,
    maybe: Callable[[Unreadable], bool],
    first: bool = False,
) -> list[Row]:
    """The wanted rows of a listing, read to its end (``first``: to the first one).

    Unclear if none is found while a row that cannot be read ``maybe`` is the one: to take it for
    absent could send something twice.
    """
    cursor: str | None = None
    found: list[Row] = []
    doubtful = False
    while True:
        page = page_at(cursor)
        found += [one for one in page.rows if wanted(one)]
        doubtful = doubtful or any(maybe(row) for row in page.unreadable)
        cursor = page.next_cursor
        if cursor is None or (first and found):
            break
    if doubtful and not found:
        raise Unclear(_("A row that cannot be read may be the one that is looked for."))
    return found


def search_by_email(
    page_at: Callable[[str | None], Page[Addressed]], email: str
) -> list[Addressed]:
    """The rows of a listing whose address is exactly ``email``, in any case."""
    sought = email.lower()
    return search(
        page_at,
        lambda one: one.email.lower() == sought,
        maybe=lambda row: _address_of(row) in ("", sought),
    )


def _address_of(row: Unreadable) -> str:
    """The address of a row that cannot be read, lower case; "" if that is what is wrong with it."""
    try:
        fields = _any_json.decode(row.raw)
    except NOT_JSON:
        return ""
    found = fields.get("email") if isinstance(fields, dict) else None
    return found.strip().lower() if isinstance(found, str) else ""
