"""Form fields that several shelves have."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _


class AmountField(forms.DecimalField):
    """An amount of money, typed plainly: "2500.00". A comma is refused: "2,500" means either of two amounts."""

    default_error_messages = {"invalid": _("Enter a number like 2500.00: no currency, no comma.")}

    def __init__(self, **kwargs: Any) -> None:
        typed = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(widget=typed, **kwargs)
