"""Forms of changes to an organization at its provider."""

from typing import Any

import msgspec
from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.configuration.checking import Unreadable, faults, read
from apps.configuration.models import RemoteConfiguration
from apps.configuration.services import LONGEST_NAME, rules_of, with_version

MOST_FAULTS = 10  # named at once


def as_text(document: dict[str, Any] | None) -> str:
    """A document as the editor begins with it."""
    return msgspec.json.format(msgspec.json.encode(document or {}), indent=2).decode()


class NameForm(forms.Form):
    """A name of an organization."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class DeleteForm(forms.Form):
    """The organization's name, typed by whoever means it."""

    typed = forms.CharField(widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = name
        self.fields["typed"].label = _("Type “%(name)s” to confirm") % {"name": name}

    def clean_typed(self) -> str:
        """Exactly that name, but for blanks around it."""
        typed: str = self.cleaned_data["typed"]
        if typed != self.expected.strip():
            raise forms.ValidationError(_("This is not the name of the organization."))
        return typed


class SettingsForm(forms.Form):
    """The whole document, and whether members get it."""

    enabled = forms.BooleanField(label=gettext_lazy("Members get these settings"), required=False)
    document = forms.CharField(
        label=gettext_lazy("Settings, as JSON"),
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 24, "spellcheck": "false", "autocomplete": "off", "class": "code"}
        ),
        help_text=gettext_lazy(
            "Leave ••• where a hidden value is to stay. Fields that are not known here are kept as "
            "they are."
        ),
    )
    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=16)

    def __init__(self, row: RemoteConfiguration, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row = row

    def clean_document(self) -> dict[str, Any]:
        """A document of which every known field has its type; the first faults are named."""
        try:
            document = read(self.cleaned_data["document"])
        except Unreadable as error:
            raise forms.ValidationError(str(error)) from None
        document = with_version(self.row, document)
        rules = rules_of(self.row.connection)
        wrong = faults(document, rules) if rules else []
        if wrong:
            raise forms.ValidationError([str(fault) for fault in wrong[:MOST_FAULTS]])
        return document
