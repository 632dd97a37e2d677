"""The form that invites people, one or two thousand."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.invites.addresses import MAX_ADDRESSES, BadLine, joined, read
from apps.invites.services import Guest
from apps.members.services import assignable_roles
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.sync.outbox.kinds import KINDS
from apps.sync.outbox.requests import Refusal, why_not
from apps.ui.uploads import text_of

MAX_FILE = 1024 * 1024


class InviteForm(forms.Form):
    """Addresses, and for each connection whether to invite there and as what.

    After ``is_valid()``: ``guests`` to invite, ``refusals`` for the lines that hold no address.
    """

    addresses = forms.CharField(
        label=gettext_lazy("Email addresses"),
        required=False,
        max_length=MAX_FILE,
        widget=forms.Textarea(
            attrs={
                "rows": 6,
                "placeholder": "ada@example.com, Bo Lind <bo@example.com>",
                "autofocus": True,
            }
        ),
        help_text=gettext_lazy(
            "One a line, or separated by commas. Or paste a CSV with the columns email and, if you "
            "like, role."
        ),
    )
    file = forms.FileField(
        label=gettext_lazy("Or a CSV file"),
        required=False,
        help_text=gettext_lazy("At most 1 MB."),
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv,text/plain"}),
    )
    nonce = forms.CharField(max_length=64, widget=forms.HiddenInput)

    def __init__(self, connections: list[Connection], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections = connections
        self.guests: list[Guest] = []
        self.refusals: list[Refusal] = []
        possible = [c for c in connections if not self.why_not(c)]
        for connection in connections:
            self.fields[f"to_{connection.pk}"] = forms.BooleanField(
                label=connection.name,
                required=False,
                disabled=bool(self.why_not(connection)),
                initial=len(possible) == 1 and connection in possible,
            )
            roles = assignable_roles(connection)
            self.fields[f"role_{connection.pk}"] = forms.ChoiceField(
                label=_("Role at %(connection)s") % {"connection": connection},
                choices=[(role.value, role.label) for role in roles],
                required=False,
                disabled=bool(self.why_not(connection)),
            )

    @staticmethod
    def why_not(connection: Connection) -> str:
        """Why nobody can be invited there now; "" if they can."""
        return why_not(KINDS["invites.invite"], connection)

    def rows(self) -> list[dict[str, Any]]:
        """One row a connection, for the template: its two fields, its roles, why it cannot."""
        return [
            {
                "connection": connection,
                "to": self[f"to_{connection.pk}"],
                "role": self[f"role_{connection.pk}"],
                "roles": assignable_roles(connection),
                "why_not": self.why_not(connection),
            }
            for connection in self.connections
        ]

    def clean_file(self) -> str:
        """The file's text."""
        upload = self.cleaned_data["file"]
        return "" if upload is None else text_of(upload, most=MAX_FILE)

    def clean(self) -> dict[str, Any]:
        """Read the addresses and pair them with the chosen connections."""
        data: dict[str, Any] = super().clean() or {}
        chosen = [c for c in self.connections if data.get(f"to_{c.pk}")]
        if self.connections and not chosen:
            self.add_error(None, _("Choose at least one connection to invite to."))
        for connection in chosen:
            if not data.get(f"role_{connection.pk}"):
                self.add_error(f"role_{connection.pk}", _("Choose a role."))
        text = joined(data.get("addresses", ""), data.get("file", ""))
        field = "file" if data.get("file") and not data.get("addresses") else "addresses"
        if "file" not in self.errors:
            self._read(text, field)
        if not self.errors:
            self._pair(chosen, data)
        return data

    def _read(self, text: str, field: str) -> None:
        self.reading = read(text)
        count = len(self.reading.addresses)
        if not count and not self.reading.bad_lines:
            self.add_error(field, _("Enter at least one address."))
        elif not count:
            self.add_error(field, _in_words(self.reading.bad_lines))
        elif count > MAX_ADDRESSES:
            self.add_error(
                field,
                _("%(count)d addresses are too many at once; the limit is %(limit)d.")
                % {"count": count, "limit": MAX_ADDRESSES},
            )

    def _pair(self, chosen: list[Connection], data: dict[str, Any]) -> None:
        self.guests = [
            Guest(
                connection,
                address.email,
                _role(connection, address.role) or data[f"role_{connection.pk}"],
            )
            for connection in chosen
            for address in self.reading.addresses
        ]
        self.refusals = [
            Refusal(
                label=bad.text or _("(empty)"),
                connection="",
                reason=_("Line %(number)d: %(reason)s")
                % {"number": bad.number, "reason": bad.reason},
            )
            for bad in self.reading.bad_lines
        ]

    def source(self) -> dict[str, Any]:
        """What was typed, for going back: a file's lines join those of the field."""
        data = self.cleaned_data
        typed = {name: data[name] for name in data if name.startswith(("to_", "role_"))}
        text = joined(data.get("addresses", ""), data.get("file", ""))
        return {**typed, "addresses": text}


def _role(connection: Connection, named: str) -> str:
    """The provider's own word for a role that a row names as it does, or as our pages do."""
    same = named.casefold()
    known = [*PROVIDERS[connection.provider].roles, *assignable_roles(connection)]
    found = (role for role in known if same in (role.value.casefold(), str(role.label).casefold()))
    return next((role.value for role in found), named)


def _in_words(bad_lines: list[BadLine]) -> str:
    shown = ", ".join(f"“{bad.text}”" for bad in bad_lines[:3])
    more = len(bad_lines) - 3
    if more > 0:
        shown = ngettext("%(shown)s and %(more)d more", "%(shown)s and %(more)d more", more) % {
            "shown": shown,
            "more": more,
        }
    return _("No email address in: %(lines)s") % {"lines": shown}
