"""Forms of connections. A pasted key leaves them as a ``Secret`` and is never drawn again."""

import re
from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.organizations.adapters import allowed_base_urls
from apps.organizations.models import Connection
from apps.organizations.sealing import Secret
from apps.providers.protocol import Provider


class KeyField(forms.CharField):
    """A provider's key: hidden while typed, checked for its shape, cleaned into a ``Secret``."""

    widget = forms.PasswordInput

    def __init__(self, provider: Provider, **kwargs: Any) -> None:
        self._provider = provider
        super().__init__(
            label=str(provider.credential_label),
            help_text=str(provider.credential_help),
            max_length=500,
            error_messages={"required": _("Paste the key.")},
            widget=forms.PasswordInput(
                {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"},
                render_value=False,
            ),
            **kwargs,
        )

    def clean(self, value: Any) -> Secret:
        """Check the shape; what is wrong is said without repeating the key."""
        text = str(super().clean(value))
        if not re.fullmatch(self._provider.credential_pattern, text):
            raise forms.ValidationError(
                _(
                    "This does not look like such a key. Compare it with the note, and copy all of it."
                ),
            )
        return Secret(text)


class PasteKeyForm(forms.Form):
    """A key, and where it is to be used if there is a choice."""

    def __init__(self, *args: Any, provider: Provider, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._urls = allowed_base_urls(provider.key)
        self.fields["credential"] = KeyField(provider)
        if len(self._urls) > 1:
            self.fields["base_url"] = forms.ChoiceField(
                label=_("Base URL"),
                choices=[(url, url) for url in self._urls],
                help_text=_("Where the provider's API is reached."),
            )

    @property
    def credential(self) -> Secret:
        """The pasted key."""
        secret: Secret = self.cleaned_data["credential"]
        return secret

    @property
    def base_url(self) -> str:
        """The base URL that was chosen, or the only one there is."""
        return str(self.cleaned_data.get("base_url") or self._urls[0])


class NewKeyForm(forms.Form):
    """The key that is to take the old one's place."""

    def __init__(self, *args: Any, provider: Provider, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["credential"] = KeyField(provider)

    @property
    def credential(self) -> Secret:
        """The pasted key."""
        secret: Secret = self.cleaned_data["credential"]
        return secret


class ChooseOrganizationForm(forms.Form):
    """Which of the organizations that a key reaches; the page draws the choices itself."""

    remote_organization_id = forms.ChoiceField(
        label=_("Organization"),
        widget=forms.RadioSelect({"class": "form-check-input"}),
        error_messages={
            "invalid_choice": _(
                "The key does not reach that organization. Choose one of those shown."
            )
        },
    )

    def __init__(self, *args: Any, connection: Connection, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("forms.ChoiceField", self.fields["remote_organization_id"])
        field.choices = [
            (one["id"], _choice(one)) for one in connection.probe_result.get("organizations", [])
        ]
        if not self.is_bound and connection.remote_organization_id:
            self.initial["remote_organization_id"] = connection.remote_organization_id


def _choice(one: dict[str, Any]) -> str:
    name = one["name"] or one["id"]
    return f"{name} ({', '.join(one['roles'])})" if one.get("roles") else name


class NameForm(forms.Form):
    """What a connection is called here."""

    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        help_text=_("As your colleagues will see it in lists."),
    )

    def __init__(self, *args: Any, personal: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if personal:
            self.fields["name"].help_text = _("As you will see it in lists.")


class DisconnectForm(forms.Form):
    """The connection's name, typed: nobody disconnects by a slip."""

    typed = forms.CharField(
        label=_("Type the connection's name to confirm"),
        widget=forms.TextInput({"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._name = name

    def clean_typed(self) -> str:
        """Compare, blanks at the ends aside."""
        typed = str(self.cleaned_data["typed"])
        if typed.strip() != self._name.strip():
            raise forms.ValidationError(
                _("That is not the name. It is “%(name)s”."), params={"name": self._name}
            )
        return typed
