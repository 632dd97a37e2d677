"""Forms of a plan: how many seats, and that its end is meant."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy


class SeatsForm(forms.Form):
    """How many seats are to be paid for. ``why_not`` says what is wrong with a number; "" if nothing is."""

    seats = forms.IntegerField(
        label=gettext_lazy("Seats"),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        help_text=gettext_lazy("The new number of all seats, not how many more."),
    )
    nonce = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, why_not: Callable[[int], str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._why_not = why_not

    def clean_seats(self) -> int:
        """A number that can be asked for, as far as it was read here."""
        seats: int = self.cleaned_data["seats"]
        if why := self._why_not(seats):
            raise forms.ValidationError(why)
        return seats


class CancelForm(forms.Form):
    """The plan's name, typed by whoever means its end."""

    typed = forms.CharField(widget=forms.TextInput(attrs={"autocomplete": "off"}))
    nonce = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = name.strip()
        self.fields["typed"].label = _("Type “%(name)s” to confirm") % {"name": self.expected}

    def clean_typed(self) -> str:
        """Exactly that name, but for blanks around it."""
        typed: str = self.cleaned_data["typed"]
        if typed != self.expected:
            raise forms.ValidationError(_("This is not the name of the plan."))
        return typed
