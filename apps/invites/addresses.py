"""Reading what people paste: addresses by line, comma or semicolon, or a CSV with a header."""

import csv
import io
import re
from dataclasses import dataclass
from email.utils import parseaddr

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
    """A line that holds no address; ``number`` counts from 1 as in the text."""

    number: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text holds. Addresses are unique (any case), in the order of their first mention."""

    addresses: list[Address]
    bad_lines: list[BadLine]


def read(text: str) -> Reading:
    """Read ``text``. A first line with a column called "email" makes it a CSV."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff").split("\n")
    heading = _headings(lines)
    return _collect(_csv_rows(lines, heading) if heading else _plain_rows(lines))


def _headings(lines: list[str]) -> list[str]:
    first = next((line for line in lines if line.strip()), "")
    cells = [
        cell.strip().lower() for cell in next(csv.reader([first], delimiter=_delimiter(first)), [])
    ]
    return cells if EMAIL_HEADINGS & set(cells) else []


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


def _csv_rows(lines: list[str], heading: list[str]) -> list[tuple[int, str, str]]:
    text = "\n".join(lines)
    first = next(line for line in lines if line.strip())
    reader = csv.reader(io.StringIO(text), delimiter=_delimiter(first))
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
    parts = re.compile(r'(?:"[^"]*"|[^,;"])+')
    return [
        (number, part, "")
        for number, line in enumerate(lines, 1)
        for part in parts.findall(line)
        if part.strip()
    ]


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
        found.setdefault(email.lower(), Address(email, role))
    return Reading(list(found.values()), bad)
