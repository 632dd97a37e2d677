"""Forms of webhooks and of what one hears."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.notices.endpoints import NameTaken
from apps.notices.models import Endpoint, Rhythm
from apps.notices.targets import AddressRefused, checked
from apps.notices.topics import Topic, open_to
from apps.organizations.models import Organization, Role
from apps.ui.boxes import Boxes


class EndpointForm(forms.Form):
    """A webhook's name, where it goes, and what goes there."""

    name = forms.CharField(
        label=_("Name"), max_length=80, help_text=_("What it is for, so that you know it again.")
    )
    speaks = forms.ChoiceField(
        label=_("What reads it"),
        choices=Endpoint.Speaks.choices,
        initial=Endpoint.Speaks.SIGNED,
        help_text=_(
            "Slack: the address of an incoming webhook. Teams: that of a workflow that posts to a "
            "channel when a webhook request is received."
        ),
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
            raise forms.ValidationError(str(NameTaken()))
        return name

    def clean_url(self) -> str:
        """Refuse what no webhook may go to."""
        try:
            return checked(self.cleaned_data["url"].strip())
        except AddressRefused as refused:
            raise forms.ValidationError(str(refused)) from None


HOURS = [("", _("None"))] + [(str(hour), f"{hour:02}:00") for hour in range(24)]


class HabitForm(forms.Form):
    """When mails about notices come: their rhythm, and hours without any."""

    rhythm = forms.ChoiceField(label=_("Mails come"), choices=Rhythm.choices)
    quiet_from = forms.TypedChoiceField(
        label=_("No mails from"), choices=HOURS, coerce=int, empty_value=None, required=False
    )
    quiet_until = forms.TypedChoiceField(
        label=_("No mails until"), choices=HOURS, coerce=int, empty_value=None, required=False
    )

    def clean(self) -> dict[str, Any]:
        """Quiet hours have a beginning and an end that differ, or are none."""
        data: dict[str, Any] = super().clean() or {}
        begin, end = data.get("quiet_from"), data.get("quiet_until")
        if (begin is None) != (end is None):
            missing = "quiet_from" if begin is None else "quiet_until"
            self.add_error(missing, _("Quiet hours need a beginning and an end."))
        elif begin is not None and begin == end:
            self.add_error(
                "quiet_until", _("They would last no time, or all day. Choose another hour.")
            )
        return data


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
