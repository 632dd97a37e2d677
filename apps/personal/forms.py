"""Forms of a person's own account."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.personal.models import Account
from apps.personal.services import LONGEST_NAME, LONGEST_TOKEN, token_in

_HIDDEN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


class ProfileForm(forms.Form):
    """What a person is called, and whether they take part in benchmarks."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    takes_part_in_benchmarks = forms.BooleanField(
        label=gettext_lazy("Take part in benchmarks"),
        help_text=gettext_lazy(
            "Lets the provider use your sessions for its benchmarks. Your consent, and yours to take back."
        ),
        required=False,
    )

    def __init__(self, account: Account, data: Any = None) -> None:
        first = {
            "name": account.name,
            "takes_part_in_benchmarks": bool(account.takes_part_in_benchmarks),
        }
        super().__init__(data, initial=first)
        if account.takes_part_in_benchmarks is None:
            del self.fields[
                "takes_part_in_benchmarks"
            ]  # the provider does not say: nothing to show


class _TokenForm(forms.Form):
    """A pasted token; it is never drawn again."""

    def clean_token(self) -> str:
        """The token itself, whatever it was pasted with."""
        token = token_in(self.cleaned_data["token"])
        if not token:
            raise forms.ValidationError(_("This holds no token. Copy all of it."))
        return token


class AcceptInviteForm(_TokenForm):
    """An invite's link, or its token."""

    token = forms.CharField(
        label=gettext_lazy("Link or token of the invite"),
        help_text=gettext_lazy("From the mail that invited you. It works once, for your address."),
        max_length=LONGEST_TOKEN,
        widget=forms.TextInput(attrs=_HIDDEN),
    )


class RefreshForm(_TokenForm):
    """A refresh token."""

    token = forms.CharField(
        label=gettext_lazy("Refresh token"),
        help_text=gettext_lazy("It works once: this one is used up, and you get the next one."),
        max_length=LONGEST_TOKEN,
        widget=forms.PasswordInput(attrs=_HIDDEN, render_value=False),
    )


class DeleteForm(forms.Form):
    """The account's own address, typed by whoever means it."""

    typed = forms.CharField(widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, account: Account, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = str(account)
        self.fields["typed"].label = _("Type “%(name)s” to confirm") % {"name": self.expected}

    def clean_typed(self) -> str:
        """Exactly that address, but for blanks and capitals."""
        typed: str = self.cleaned_data["typed"]
        if typed.casefold() != self.expected.strip().casefold():
            raise forms.ValidationError(_("This is not the address of the account."))
        return typed
