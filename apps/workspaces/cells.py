"""Cells in which a role is chosen: the matrix's, and a person's own.

A field's name says whose role it is, where, and what it was when the page was drawn; so only what was
really changed is asked for, and what has changed meanwhile is noticed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from django.http import QueryDict
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apps.members.models import Member
from apps.ui.icons import icon
from apps.workspaces.models import Workspace
from apps.workspaces.roles import OUT, Hold, rules_of

PREFIX = "c"
CARRIED = "carried"  # the field that has the edits of other pages, written as an address has them


@dataclass(frozen=True, slots=True)
class Edit:
    """A cell whose value is no longer what it was."""

    member: int
    workspace: int
    seen: str
    role: str


def field_name(member: Member, workspace: Workspace, hold: Hold) -> str:
    """What the cell's field is called."""
    return f"{PREFIX}.{member.pk}.{workspace.pk}.{hold.role}"


def edits_of(posted: QueryDict) -> list[Edit]:
    """The cells that were changed: of other pages, then in the order of this one; what is no cell is
    passed over."""
    carried = parse_qsl(posted.get(CARRIED, ""), keep_blank_values=True)
    found = []
    for name, role in (*carried, *posted.items()):
        parts = name.split(".", 3)
        if len(parts) != 4 or parts[0] != PREFIX:
            continue
        _prefix, member, workspace, seen = parts
        numbers = member.isdecimal() and workspace.isdecimal()
        if numbers and max(len(member), len(workspace)) < 19 and role != seen:
            found.append(Edit(int(member), int(workspace), seen, str(role)))
    return found


def as_fields(edits: Sequence[Edit]) -> dict[str, str]:
    """Each edit's field, and what it says."""
    return {f"{PREFIX}.{one.member}.{one.workspace}.{one.seen}": one.role for one in edits}


@dataclass(frozen=True, slots=True)
class Carried:
    """Edits whose cells this page does not show: how many, and the text that brings them along."""

    count: int
    text: str


def _label(member: Member, workspace: Workspace, hold: Hold) -> str:
    label = f"{member.email} · {workspace.name}"
    return _("%(label)s (inherited)") % {"label": label} if hold.inherited else label


class Cells:
    """Draws cells of one provider; options that are alike are made once."""

    def __init__(self, provider: str, edits: Mapping[str, str] | None = None) -> None:
        self._rules = rules_of(provider)
        self._edits = edits or {}
        self._options: dict[tuple[Hold, str], SafeString] = {}
        self._drawn: set[str] = set()

    def left(self) -> Carried | None:
        """The edits whose cells were not drawn, None where there are none."""
        others = {name: role for name, role in self._edits.items() if name not in self._drawn}
        return Carried(len(others), urlencode(others)) if others else None

    def word(self, role: str) -> str:
        """A role in words."""
        return str(self._rules.role_label(role)) if role else _("not in it")

    def draw(
        self, member: Member, workspace: Workspace, hold: Hold, *, editable: bool
    ) -> SafeString:
        """A choice of roles, or what it is and why that cannot be changed here."""
        if not editable or hold.locked:
            return self._fixed(hold)
        name = field_name(member, workspace, hold)
        chosen = self._edits.get(name, hold.role)
        self._drawn.add(name)
        return format_html(
            '<select class="form-select form-select-sm cell-role{}" name="{}" aria-label="{}"{}>{}</select>',
            "" if hold.role and not hold.inherited else " is-weak",
            name,
            _label(member, workspace, hold),
            format_html(' title="{}"', hold.why) if hold.inherited else "",
            self._choices(hold, chosen),
        )

    def _fixed(self, hold: Hold) -> SafeString:
        if not hold.role:
            return SafeString('<span class="text-secondary">–</span>')
        if not hold.inherited:
            return format_html("<span>{}</span>", self.word(hold.role))
        return format_html(
            '<span class="text-secondary" title="{}">{} {}</span>',
            hold.why,
            icon("lock", _("inherited"), "icon-sm"),
            self.word(hold.role),
        )

    def _choices(self, hold: Hold, chosen: str) -> SafeString:
        key = (hold, chosen)
        if key not in self._options:
            known = {role.value for role in self._rules.roles} | {OUT}
            offered = {hold.role, *hold.choices}
            ordered = [OUT, *(role.value for role in self._rules.roles)]
            ordered += sorted(offered - known)
            self._options[key] = format_html_join(
                "",
                '<option value="{}"{}>{}</option>',
                (
                    (
                        role,
                        SafeString(" selected") if role == chosen else "",
                        self._option(hold, role),
                    )
                    for role in ordered
                    if role in offered
                ),
            )
        return self._options[key]

    def _option(self, hold: Hold, role: str) -> str:
        if role == OUT:
            return _("take out") if hold.role else "–"
        return self.word(role)
