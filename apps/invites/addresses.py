"""Reading what people paste: addresses by line, comma, semicolon or blank, or a CSV with a header."""

import csv
import io
import re
from dataclasses import dataclass
from email.utils import parseaddr
from itertools import pairwise

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

MAX_ADDRESSES = 2_000
EMAIL_HEADINGS = {"email", "e-mail", "mail", "address", "email address", "e-mail address"}
ROLE_HEADINGS = {"role"}


@dataclass(frozen=True, slots=True)
class Address:
    """An address to invite; ``role`` is what its own row asked for, "" for the form's choice."""

    email: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of which nothing comes; ``number`` counts from 1 as in the text."""

    number: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text holds. Addresses are unique (any case), in the order of their first mention."""

    addresses: list[Address]
    bad_lines: list[BadLine]


def read(text: str) -> Reading:
    """Read ``text``. From a line with a column called "email" on it is a CSV."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    # A file that follows what was typed brings its byte order mark along.
    lines = [line.removeprefix("\ufeff") for line in lines]
    return _collect([row for first, part in _parts(lines) for row in _rows(first, part)])


def joined(*texts: str) -> str:
    """One text of several, each read as it would be alone: a heading holds for all that follows it."""
    given = [text.strip("\n") for text in texts if text.strip()]
    return "\n".join(sorted(given, key=lambda text: bool(_headings(_first(text.split("\n"))))))


def _first(lines: list[str]) -> str:
    return next((line for line in lines if line.strip()), "").removeprefix("\ufeff")


def _parts(lines: list[str]) -> list[tuple[int, list[str]]]:
    """``lines`` cut before each heading; with the number of lines above."""
    cuts = [0, *(at for at, line in enumerate(lines) if at and _headings(line)), len(lines)]
    return [(start, lines[start:stop]) for start, stop in pairwise(cuts)]


def _rows(above: int, lines: list[str]) -> list[tuple[int, str, str]]:
    heading = _headings(_first(lines))
    if len(heading) == 1:  # a title, and no columns: what follows may be separated in any way
        at = lines.index(_first(lines)) + 1
        above, lines, heading = above + at, lines[at:], []
    rows = _csv_rows(lines, heading) if heading else _plain_rows(lines)
    return [(above + number, text, role) for number, text, role in rows]


def _headings(first: str) -> list[str]:
    cells = [
        cell.strip().lower() for cell in next(csv.reader([first], delimiter=_delimiter(first)), [])
    ]
    return cells if EMAIL_HEADINGS & set(cells) else []


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


def _csv_rows(lines: list[str], heading: list[str]) -> list[tuple[int, str, str]]:
    text = "\n".join(lines)
    reader = csv.reader(io.StringIO(text), delimiter=_delimiter(_first(lines)))
    email_at = next(i for i, cell in enumerate(heading) if cell in EMAIL_HEADINGS)
    role_at = next((i for i, cell in enumerate(heading) if cell in ROLE_HEADINGS), None)
    rows, seen_heading = [], False
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if not seen_heading:
            seen_heading = True
            continue
        role = cells[role_at].strip() if role_at is not None and role_at < len(cells) else ""
        email = cells[email_at] if email_at < len(cells) else ""
        rows.append((reader.line_num, email, role))
    return rows


def _plain_rows(lines: list[str]) -> list[tuple[int, str, str]]:
    # A comma inside quotes belongs to a name: "Park, Ada" <ada@example.com>.
    parts = re.compile(r'(?:"[^"]*"|[^,;\t"])+')
    return [
        (number, one, "")
        for number, line in enumerate(lines, 1)
        for part in parts.findall(line)
        for one in _apart(part)
        if one.strip()
    ]


def _apart(part: str) -> list[str]:
    """Addresses with nothing but blanks between; anything else stays whole."""
    words = part.split()
    bare = all("@" in word and not set(word) & set('<>"') for word in words)
    return words if bare else [part]


def _collect(rows: list[tuple[int, str, str]]) -> Reading:
    found: dict[str, Address] = {}
    bad = []
    for number, text, role in rows:
        email = parseaddr(text.strip())[1] or text.strip()
        try:
            validate_email(email)
        except ValidationError:
            bad.append(BadLine(number, text.strip()[:120], _("This is no email address.")))
            continue
        if len(email) > 254:
            bad.append(BadLine(number, email[:120], _("This address is too long.")))
            continue
        first = found.setdefault(email.lower(), Address(email, role))
        if first.role.lower() != role.lower():
            why = _("This address stands above already, with another role.")
            bad.append(BadLine(number, email, why))
    return Reading(list(found.values()), bad)
