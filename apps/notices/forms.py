"""Forms of webhooks and of what one hears."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.notices.models import Endpoint
from apps.notices.targets import AddressRefused, checked
from apps.notices.topics import Topic, open_to
from apps.organizations.models import Organization, Role
from apps.ui.boxes import Boxes


class EndpointForm(forms.Form):
    """A webhook's name, where it goes, and what goes there."""

    name = forms.CharField(
        label=_("Name"), max_length=80, help_text=_("What it is for, so that you know it again.")
    )
    url = forms.CharField(
        label=_("Address"),
        max_length=500,
        help_text=_("Begins with https:// and can be reached on the internet."),
        widget=forms.URLInput({"placeholder": "https://", "autocomplete": "off"}),
    )
    topics = forms.MultipleChoiceField(
        label=_("What goes there"),
        required=False,
        help_text=_("Nothing chosen: every notice."),
        widget=Boxes,
    )

    def __init__(
        self, *args: Any, organization: Organization, role: Role, pk: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._others = Endpoint.objects.filter(organization=organization).exclude(pk=pk)
        self.fields["topics"].choices = [  # type: ignore[attr-defined]  # it is a field with choices
            (topic.name, topic.label)
            for topic in open_to(role)
            if not topic.name.startswith("notices.")
        ]

    def clean_name(self) -> str:
        """Refuse a name that another webhook has."""
        name: str = self.cleaned_data["name"]
        if self._others.filter(name=name).exists():
            raise forms.ValidationError(_("There is a webhook of this name already."))
        return name

    def clean_url(self) -> str:
        """Refuse what no webhook may go to."""
        try:
            return checked(self.cleaned_data["url"].strip())
        except AddressRefused as refused:
            raise forms.ValidationError(str(refused)) from None


class ChoicesForm(forms.Form):
    """What one hears of oneself: two boxes for each topic."""

    def __init__(self, *args: Any, role: Role, said: dict[str, tuple[bool, bool]], **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.topics: list[Topic] = open_to(role)
        for topic in self.topics:
            hears, by_mail = said.get(topic.name, (role in topic.hears, True))
            self.fields[f"{topic.name}:hears"] = forms.BooleanField(
                required=False, initial=hears, label=str(topic.label)
            )
            self.fields[f"{topic.name}:mail"] = forms.BooleanField(
                required=False, initial=by_mail, label=str(topic.label)
            )

    def rows(self) -> list[tuple[Topic, Any, Any]]:
        """Each topic with its two boxes."""
        return [(one, self[f"{one.name}:hears"], self[f"{one.name}:mail"]) for one in self.topics]

    def wanted(self) -> dict[str, tuple[bool, bool]]:
        """Topic → (hears, by mail too)."""
        data = self.cleaned_data
        return {
            one.name: (data[f"{one.name}:hears"], data[f"{one.name}:mail"]) for one in self.topics
        }
