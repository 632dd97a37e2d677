"""Forms of cost centres and their rules."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.centres import words
from apps.centres.items import Items
from apps.centres.models import CostCentre, Rule, RuleKind
from apps.centres.services import Refused, fit_rule
from apps.organizations.models import Connection, Organization

MOST_NAMED = 5  # lines that nobody is called by


class CentreForm(forms.Form):
    """Name and code."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=120,
        help_text=gettext_lazy("As your accounting calls it: a team, a product, a customer."),
    )
    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=40,
        required=False,
        help_text=gettext_lazy("Its number in your accounting; stands in every statement."),
    )


class RuleForm(forms.Form):
    """What a centre takes."""

    how = forms.ChoiceField(
        label=gettext_lazy("What it takes"), choices=list(words.HOW.items()), initial="key:begins"
    )
    text = forms.CharField(
        label=gettext_lazy("Domain, part of the name, or tag"),
        max_length=200,
        required=False,
        help_text=gettext_lazy(
            "Capital letters make no difference. A tag by its name, or as name=value. Not used for a list."
        ),
        widget=forms.TextInput(attrs={"data-unless": "how:list"}),
    )
    which = forms.CharField(
        label=gettext_lazy("Which ones, for a list"),
        required=False,
        max_length=200_000,
        help_text=gettext_lazy(
            "One a line. Keys and workspaces by name or id, people by address or name."
        ),
        widget=forms.Textarea(attrs={"rows": 4, "data-when": "how:list"}),
    )

    def __init__(
        self,
        *args: Any,
        organization: Organization,
        connections: Sequence[Connection],
        rule: Rule | None = None,
        **kwargs: Any,
    ) -> None:
        self.organization, self.connections = organization, connections
        if rule is not None:
            lines = Items(organization, connections, rule.subject).write(rule.items)
            kwargs["initial"] = {
                "how": f"{rule.subject}:{rule.kind}",
                "text": rule.text,
                "which": "\n".join(lines),
            }
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        """What is kept: subject, kind, text and items."""
        data: dict[str, Any] = super().clean() or {}
        if "how" not in data:
            return data
        subject, _colon, kind = data["how"].partition(":")
        items: list[str] = []
        if kind == RuleKind.LIST:
            items, unknown = Items(self.organization, self.connections, subject).read(
                data.get("which", "")
            )
            if unknown:
                told = ", ".join(f"“{one[:60]}”" for one in unknown[:MOST_NAMED])
                more = " …" if len(unknown) > MOST_NAMED else ""
                self.add_error(
                    "which", _("Nothing here is called %(names)s.") % {"names": told + more}
                )
                return data
        try:
            text, found = fit_rule(subject, kind, data.get("text", ""), items)
        except Refused as refused:
            self.add_error(refused.field or None, str(refused))
            return data
        return data | {
            "rule": {"subject": subject, "kind": kind, "text": text, "items": list(found)}
        }


class GiveForm(forms.Form):
    """Which centre takes one thing: one that there is, or a new one."""

    centre = forms.ModelChoiceField(
        CostCentre.objects.none(),
        label=gettext_lazy("Cost centre"),
        required=False,
        empty_label=gettext_lazy("A new one"),
    )
    name = forms.CharField(label=gettext_lazy("Name of a new one"), max_length=120, required=False)

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["centre"]
        field.queryset = CostCentre.objects.current().filter(organization=organization)

    def clean(self) -> dict[str, Any]:
        """One of the two is needed."""
        data: dict[str, Any] = super().clean() or {}
        if not data.get("centre") and not data.get("name") and not self.errors:
            self.add_error("name", _("Choose a cost centre, or name a new one."))
        return data
