"""Documents and short lists, read field by field: patient with types, exact with numbers.

What should be there and is not, or cannot be read, is noted by its name; the record carries the list,
so that a page can say what the provider left out. For rows by the thousand see ``decoding``.
"""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import msgspec
from django.utils.translation import gettext as _

from apps.providers.decoding import (
    LONGEST_ID,
    LONGEST_NAME,
    Fields,
    Missing,
    Rows,
    masked,
    moment,
    text,
)
from apps.providers.errors import NOT_JSON, Refused
from apps.providers.money import UNITS, money
from apps.providers.records import Readings, Unreadable

Document = TypeVar("Document")
CENT = Decimal("0.01")
LARGEST_USD = Decimal(10) ** 12
LARGEST_COUNT = 2**63 - 1
LONGEST_ADDRESS = 2_000  # characters of a web address


def number(value: Any) -> Decimal | None:
    """A number, or a text that spells one, exactly; None for anything else."""
    if not isinstance(value, int | float | str):
        return None
    try:
        return money(value, UNITS)
    except ValueError:
        return None


def usd(value: Any, unit: int) -> Decimal | None:
    """A number of ``unit`` (see ``money``) as exact USD; None if there is none, or no sane one."""
    counted = number(value)
    found = None if counted is None else money(counted, unit)
    return found if found is not None and abs(found) < LARGEST_USD else None


def cents(amount_usd: Decimal) -> int:
    """USD as whole cents. Refused where that would not be exact, or no sane amount."""
    sane = amount_usd.is_finite() and abs(amount_usd) < LARGEST_USD
    if not sane or amount_usd % CENT:
        raise Refused(_("An amount has two decimals at most."))
    return int(amount_usd / CENT)


class Reading:
    """One JSON object. Each reader takes the first of the named fields that has a value.

    ``needed``: note the first name in ``missing`` if none has.
    """

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self._missing: list[str] = []

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of needed fields that were absent or could not be read, in the contract's spelling."""
        return tuple(self._missing)

    def _first(
        self, names: tuple[str, ...], read: Callable[[Any], Any], needed: bool, absent: Any
    ) -> Any:
        for name in names:
            found = read(self.fields.get(name))
            if found is not None:
                return found
        if needed:
            self._missing.append(names[0])
        return absent

    def text(self, *names: str, needed: bool = False, longest: int = LONGEST_NAME) -> str:
        """A text, or a number's digits, cut to ``longest`` characters; "" if there is none."""
        found: str = self._first(names, lambda value: text(value) or None, needed, "")
        return found[:longest]

    def id(self, *names: str, needed: bool = False) -> str:
        """An id; "" if there is none, or one too long to keep."""

        def read(value: Any) -> str | None:
            found = text(value).strip()
            return found if 0 < len(found) <= LONGEST_ID else None

        found: str = self._first(names, read, needed, "")
        return found

    def web_address(self, *names: str, needed: bool = False) -> str:
        """An http(s) address that may be put behind a link; "" if there is none."""
        found: str = self._first(names, _web_address, needed, "")
        return found

    def count(self, *names: str, needed: bool = False) -> int | None:
        """A whole number from 0 on."""
        found: int | None = self._first(names, _count, needed, None)
        return found

    def decimal(self, *names: str, needed: bool = False) -> Decimal | None:
        """A number as it was written."""
        found: Decimal | None = self._first(names, number, needed, None)
        return found

    def usd(self, *names: str, unit: int, needed: bool = False) -> Decimal | None:
        """Money of ``unit`` (see ``money``), as exact USD."""
        found: Decimal | None = self._first(names, lambda value: usd(value, unit), needed, None)
        return found

    def flag(self, *names: str, needed: bool = False) -> bool | None:
        """True or false, also where it is spelled as a text."""
        found: bool | None = self._first(names, _flag, needed, None)
        return found

    def moment(self, *names: str, needed: bool = False) -> datetime | None:
        """A time, aware and in UTC."""
        found: datetime | None = self._first(names, moment, needed, None)
        return found

    def day(self, *names: str, needed: bool = False) -> date | None:
        """A calendar day; of a time, its day in UTC."""
        found: date | None = self._first(names, day, needed, None)
        return found

    def texts(self, *names: str, needed: bool = False) -> tuple[str, ...]:
        """The texts of a list; a single text counts as a list of one."""
        found: tuple[str, ...] = self._first(names, _texts, needed, ())
        return found

    def objects(self, *names: str, needed: bool = False) -> list[Fields]:
        """The objects of a list."""

        def read(value: Any) -> list[Fields] | None:
            if not isinstance(value, list):
                return None
            return [one for one in value if isinstance(one, dict)]

        found: list[Fields] = self._first(names, read, needed, [])
        return found

    def inner(self, *names: str, needed: bool = False) -> "Reading | None":
        """An object within the object."""
        found: Fields | None = self._first(
            names, lambda value: value if isinstance(value, dict) else None, needed, None
        )
        return None if found is None else Reading(found)


def _web_address(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > LONGEST_ADDRESS:
        return None
    try:
        parts = urlsplit(value.strip())
    except ValueError:
        return None
    return value.strip() if parts.scheme in ("http", "https") and parts.netloc else None


def _count(value: Any) -> int | None:
    found = number(value)
    if found is None or not 0 <= found <= LARGEST_COUNT or found % 1:
        return None
    return int(found)


def _flag(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


def day(value: Any) -> date | None:
    """A calendar day from a date or a time (its day in UTC)."""
    found = moment(value)
    return None if found is None else found.date()


def _texts(value: Any) -> tuple[str, ...] | None:
    listed = value if isinstance(value, list) else [value]
    found = tuple(one[:LONGEST_NAME] for one in map(text, listed) if one)
    return found if found or isinstance(value, list) else None


class DocumentReader(Generic[Document]):
    """Reads what does not come by the thousand. ``build(reading, raw)`` makes the record, or raises
    Missing; ``raw`` is the document's JSON, masked. ``id_names`` name a row that cannot be read."""

    def __init__(
        self, build: Callable[[Reading, bytes], Document], id_names: tuple[str, ...] = ("id",)
    ) -> None:
        self._build = build
        self._id_names = id_names

    def read(self, rows: Rows) -> Readings[Document]:
        """Records of the rows that can be read, and what is wrong with the others."""
        records: list[Document] = []
        unreadable: list[Unreadable] = []
        for row in rows:
            found = self.attempt(bytes(row))
            if isinstance(found, Unreadable):
                unreadable.append(found)
            else:
                records.append(found)
        return records, unreadable

    def attempt(self, raw: bytes) -> Document | Unreadable:
        """The record of one document, or what is wrong with it."""
        fields: Any = None
        try:
            fields = msgspec.json.decode(raw)
            if not isinstance(fields, dict):
                raise Missing(_("it is no object"))
            return self._build(Reading(fields), masked(raw))
        except (*NOT_JSON, Missing) as error:
            known = Reading(fields if isinstance(fields, dict) else {})
            return Unreadable(known.id(*self._id_names), str(error)[:300], masked(raw))
