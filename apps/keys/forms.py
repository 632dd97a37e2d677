"""Forms of changes to keys."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.keys.models import Key
from apps.organizations.models import Connection

LONGEST = 200


class RenameForm(forms.Form):
    """Another name for one key."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=LONGEST,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("The key itself stays the same: whatever uses it goes on working."),
    )


class RenameManyForm(forms.Form):
    """What to make of the names of several keys."""

    find = forms.CharField(
        label=gettext_lazy("Replace"),
        max_length=LONGEST,
        required=False,
        strip=False,
        help_text=gettext_lazy("Wherever it stands in a name. Leave it empty to keep the names."),
    )
    by = forms.CharField(label=gettext_lazy("By"), max_length=LONGEST, required=False, strip=False)
    before = forms.CharField(
        label=gettext_lazy("Put before each name"), max_length=LONGEST, required=False, strip=False
    )
    after = forms.CharField(
        label=gettext_lazy("Put after each name"), max_length=LONGEST, required=False, strip=False
    )

    def clean(self) -> dict[str, Any]:
        """Something has to be done to the names."""
        data: dict[str, Any] = super().clean() or {}
        if not self.errors and not (data["find"] or data["before"] or data["after"]):
            self.add_error(None, _("Say what is to become of the names."))
        return data

    def new_name(self, name: str) -> str:
        """What becomes of one name."""
        data = self.cleaned_data
        inner = name.replace(data["find"], data["by"]) if data["find"] else name
        return f"{data['before']}{inner}{data['after']}".strip()


class FinalForm(forms.Form):
    """The key's name, typed by whoever means it."""

    typed = forms.CharField(widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, key: Key, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = str(key)
        self.fields["typed"].label = _("Type “%(name)s” to confirm") % {"name": self.expected}

    def clean_typed(self) -> str:
        """Exactly that name, but for blanks around it."""
        typed: str = self.cleaned_data["typed"]
        if typed != self.expected.strip():
            raise forms.ValidationError(_("This is not the name of the key."))
        return typed


class NewKeyForm(forms.Form):
    """Where to make a key, and what to call it."""

    connection = forms.ChoiceField(label=gettext_lazy("Connection"))
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=LONGEST,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Say what will use it: a key's name is all that tells later."),
    )
    nonce = forms.CharField(max_length=64, widget=forms.HiddenInput)

    def __init__(self, connections: Sequence[Connection], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = {str(one.pk): one for one in connections}
        field = self.fields["connection"]
        field.choices = [(pk, _acts_as(one)) for pk, one in self._connections.items()]  # type: ignore[attr-defined]  # a ChoiceField
        if len(self._connections) == 1:
            field.initial = next(iter(self._connections))

    @property
    def place(self) -> Connection:
        """The chosen one."""
        return self._connections[self.cleaned_data["connection"]]


def _acts_as(connection: Connection) -> str:
    account = str(connection.probe_result.get("account") or "")
    if not account:
        return connection.name
    return _("%(connection)s, as %(account)s") % {"connection": connection, "account": account}
