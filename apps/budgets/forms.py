"""The form of a budget. What may be in it is said by ``terms``; here it is only taken apart."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.budgets.models import Budget, Period
from apps.budgets.scopes import Place
from apps.budgets.terms import LONGEST_NAME, USUAL, Terms
from apps.ui.fields import AmountField

Choices = Sequence[tuple[Any, Any]]
_APART = re.compile(r"[\s,;]+")
_PERCENT = re.compile(r"[0-9]{1,6}%?")


class TermsForm(forms.Form):
    """What can be changed of a budget."""

    name = forms.CharField(
        label=_("Name"), max_length=LONGEST_NAME, help_text=_("What its notices are called by.")
    )
    amount = AmountField(
        label=_("Amount"),
        help_text=_("For each period, such as 2500.00."),
    )
    thresholds = forms.CharField(
        label=_("Tell at, in percent of the amount"),
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=_("With commas between. Each is told once in a period; left empty, none is."),
    )
    tell_forecast = forms.BooleanField(
        label=_("Tell when the forecast is over the amount"),
        required=False,
        help_text=_("Once in a period, as soon as enough days are read to tell."),
    )

    def __init__(self, *args: Any, currency: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if currency:
            label = gettext("Amount in %(currency)s") % {"currency": currency}
            self.fields["amount"].label = label

    def clean_thresholds(self) -> tuple[int, ...]:
        """Whole percents."""
        given = [one for one in _APART.split(self.cleaned_data["thresholds"]) if one]
        if any(not _PERCENT.fullmatch(one) for one in given):
            raise forms.ValidationError(
                gettext("Whole percents with commas between them, such as 50, 80, 100.")
            )
        return tuple(int(one.rstrip("%")) for one in given)

    @property
    def terms(self) -> Terms:
        """What was filled in."""
        data = self.cleaned_data
        return Terms(data["name"], data["amount"], data["thresholds"], data["tell_forecast"])

    def refuse(self, errors: dict[str, str]) -> None:
        """Say beside each field what a service has refused."""
        for field, why in errors.items():
            self.add_error(field if field in self.fields else None, why)


def of_budget(budget: Budget) -> dict[str, Any]:
    """What a form begins with."""
    return {
        "name": budget.name,
        "amount": _plain(budget.amount),
        "thresholds": ", ".join(map(str, budget.thresholds)),
        "tell_forecast": budget.tell_forecast,
    }


def _plain(amount: Decimal) -> str:
    return f"{amount:.2f}"


class NewBudgetForm(TermsForm):
    """The same with what stays as it is: what it is for, the period, the currency."""

    scope = forms.ChoiceField(
        label=_("For"), help_text=_("Whose spend counts. It cannot be changed afterwards.")
    )
    period = forms.ChoiceField(
        label=_("Period"),
        choices=Period.choices,
        help_text=_("Each begins at midnight UTC, as providers count."),
    )
    currency = forms.ChoiceField(label=_("Currency"))

    field_order = ["name", "scope", "period", "amount", "currency", "thresholds", "tell_forecast"]

    def __init__(
        self,
        *args: Any,
        places: Sequence[tuple[Place, str]],
        currencies: Sequence[str],
        **kwargs: Any,
    ) -> None:
        kwargs["initial"] = {
            "period": Period.MONTH,
            "currency": currencies[0],
            "thresholds": ", ".join(map(str, USUAL)),
            "tell_forecast": True,
            **(kwargs.get("initial") or {}),
        }
        super().__init__(*args, **kwargs)
        self._places = {place.key: place for place, _name in places}
        self.fields["scope"].choices = _grouped(places)  # type: ignore[attr-defined]  # a ChoiceField
        self.fields["currency"].choices = [(one, one) for one in currencies]  # type: ignore[attr-defined]  # likewise

    @property
    def place(self) -> Place | None:
        """What it is for."""
        return self._places.get(self.cleaned_data["scope"])


def _grouped(places: Sequence[tuple[Place, str]]) -> Choices:
    """The choices, those of a kind together; the whole organization alone at the top."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for place, name in places:
        groups.setdefault(str(place.scope.label), []).append((place.key, name))
    found: list[tuple[Any, Any]] = []
    for label, choices in groups.items():
        if len(choices) == 1 and choices[0][1] == label:
            found.append(choices[0])
        else:
            found.append((label, choices))
    return found
