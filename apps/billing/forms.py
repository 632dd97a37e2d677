"""Forms of money."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.billing import services, topping
from apps.organizations.models import Connection
from apps.ui.fields import AmountField

CARD, PAGE = "card", "page"


class BuyForm(forms.Form):
    """How much credit, for which account, and how it is paid."""

    connection = forms.ChoiceField(label=_("Account"))
    amount = AmountField(
        label=_("Amount in USD"),
        help_text=_("Dollars and cents, such as 250.00."),
    )
    way = forms.ChoiceField(
        label=_("How it is paid"),
        choices=[
            (PAGE, _("On the provider's payment page, with any card")),
            (CARD, _("At once, with the stored card")),
        ],
        initial=PAGE,
    )
    nonce = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, connections: Sequence[Connection], *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came
        self._connections = {str(one.pk): one for one in connections}
        field = self.fields["connection"]
        field.choices = [(pk, str(one)) for pk, one in self._connections.items()]  # type: ignore[attr-defined]  # a ChoiceField
        if len(self._connections) == 1:
            field.initial = next(iter(self._connections))

    def clean_amount(self) -> Decimal:
        """More than nothing, whole cents, not too much."""
        amount: Decimal = self.cleaned_data["amount"]
        if why := services.why_not(amount):
            raise forms.ValidationError(why)
        return amount

    @property
    def place(self) -> Connection:
        """The chosen account."""
        return self._connections[self.cleaned_data["connection"]]


class TopUpForm(forms.Form):
    """What is bought automatically, and when."""

    enabled = forms.BooleanField(label=_("Buy credit automatically"), required=False)
    threshold = AmountField(
        label=_("When the credit falls below, in USD"),
        required=False,
    )
    amount = AmountField(
        label=_("Buy this much each time, in USD"),
        required=False,
    )
    nonce = forms.UUIDField(widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        """Where it is on, both amounts are needed, each in whole cents."""
        data: dict[str, Any] = super().clean() or {}
        if not data.get("enabled"):
            return data
        checks = {"threshold": topping.why_no_threshold, "amount": services.why_not}
        for name, check in checks.items():
            if name in self.errors:
                continue
            value = data.get(name)
            why = gettext("Say how much.") if value is None else check(value)
            if why:
                self.add_error(name, why)
        return data
