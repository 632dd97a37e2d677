"""Roles in workspaces from a CSV file: the matrix as it was exported, with what shall be otherwise.

An empty cell leaves everything as it is, "none" takes the person out, a role (the provider's word or
ours) gives it. Cells that say what is so already ask for nothing.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from apps.members.models import Member
from apps.organizations.models import Connection
from apps.sync.outbox.requests import Refusal
from apps.workspaces.matrix import Matrix
from apps.workspaces.member_services import RoleWish, only_changes
from apps.workspaces.models import Workspace
from apps.workspaces.roles import OUT, rules_of

MOST_CHANGES = 5_000
ADDRESS_HEADINGS = {"e-mail", "email", "mail", "e-mail address"}
NONE_WORDS = {"none", "-", "–", "—"}


@dataclass(slots=True)
class Reading:
    """What a file asks for, what in it cannot be read, and how many cells say nothing new."""

    wanted: list[RoleWish] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    error: str = ""  # why nothing of it can be read


def read(text: str, connection: Connection) -> Reading:
    """Read the file for the workspaces of ``connection`` (with its organization). Three queries."""
    rows = csv.reader(io.StringIO(text), delimiter=_delimiter(text))
    try:
        lines = [[_plain(cell) for cell in row] for row in rows]
    except csv.Error as error:
        return Reading(error=_("This is no CSV: %(why)s") % {"why": error})
    headings = lines[0] if lines else []
    address = next((at for at, one in enumerate(headings) if one.lower() in ADDRESS_HEADINGS), None)
    if address is None:
        return Reading(error=_("The first line needs a column called email, and one a workspace."))
    reading = Reading()
    places = _places(headings, address, connection, reading)
    if not places and not reading.refusals:
        reading.error = _("No column is called like one of the workspaces.")
        return reading
    _cells(lines[1:], address, places, connection, reading)
    reading.wanted = only_changes(reading.wanted)
    if len(reading.wanted) > MOST_CHANGES:
        reading.error = _("%(count)d changes are too many at once; the limit is %(limit)d.") % {
            "count": len(reading.wanted),
            "limit": MOST_CHANGES,
        }
    return reading


def _delimiter(text: str) -> str:
    first = text.partition("\n")[0]
    return max((",", ";", "\t"), key=first.count)


def _plain(cell: str) -> str:
    """Without the apostrophe that our own exports put before what looks like a formula."""
    return cell.strip().removeprefix("'").strip()


def _places(
    headings: Sequence[str], address: int, connection: Connection, reading: Reading
) -> dict[int, Workspace]:
    """The workspace of each column."""
    found = list(
        Workspace.objects.filter(connection=connection, remote_id__isnull=False).defer("raw")
    )
    by_name: dict[str, list[Workspace]] = {}
    for one in found:
        one.connection = connection
        for called in (one.name, str(one.remote_id), f"{one.name} ({one.remote_id})"):
            by_name.setdefault(called, []).append(one)
    own = {str(column.label) for column in Matrix.base} | {"name", "role"}
    places: dict[int, Workspace] = {}
    for at, heading in enumerate(headings):
        if at == address or heading in own or not heading:
            continue
        named = by_name.get(heading, [])
        live = [one for one in named if one.is_live] or named
        if len(live) == 1:
            places[at] = live[0]
            continue
        why = _("No workspace is called so.")
        if live:
            why = _("Several workspaces are called so: write the id instead.")
        reading.refusals.append(Refusal(heading, connection.name, why))
    return places


def _cells(
    lines: Sequence[Sequence[str]],
    address: int,
    places: dict[int, Workspace],
    connection: Connection,
    reading: Reading,
) -> None:
    members = _members(lines, address, connection)
    words = _role_words(connection)
    for number, line in enumerate(lines, 2):
        email = line[address] if address < len(line) else ""
        cells = [(places[at], cell) for at, cell in enumerate(line) if at in places and cell]
        if not cells:
            continue
        member = members.get(email.lower())
        if member is None:
            why = _("Line %(number)d: is no member of the organization.") % {"number": number}
            reading.refusals.append(Refusal(email or _("(empty)"), connection.name, why))
            continue
        for workspace, cell in cells:
            role = OUT if cell.lower() in NONE_WORDS else words.get(cell.lower())
            if role is None:
                why = _("Line %(number)d: there is no role called %(role)s.") % {
                    "number": number,
                    "role": cell[:60],
                }
                label = f"{member.email} · {workspace.name}"
                reading.refusals.append(Refusal(label, connection.name, why))
            else:
                reading.wanted.append(RoleWish(workspace, member, role))


def _members(
    lines: Sequence[Sequence[str]], address: int, connection: Connection
) -> dict[str, Member]:
    emails = {line[address].lower() for line in lines if address < len(line)}
    found = Member.objects.filter(
        connection=connection, gone_at__isnull=True, person__email__in=emails
    )
    members = {}
    for member in found.select_related("person").defer("raw", "person__search_text"):
        member.connection = connection
        members[member.person.email] = member
    return members


def _role_words(connection: Connection) -> dict[str, str]:
    """Roles by what they may be called in a file, in lower case."""
    rules = rules_of(connection.provider)
    return {
        word.lower(): role.value for role in rules.roles for word in (role.value, str(role.label))
    }
