"""Forms about one's own account."""

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User


@cache
def time_zone_choices() -> list[tuple[str, str]]:
    """Every zone that names a place, and UTC; sorted, as ``(name, words)``."""
    places = {zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/")}
    return [(zone, zone.replace("_", " ")) for zone in ["UTC", *sorted(places)]]


class TimeZoneField(forms.ChoiceField):
    """A choice of time zones; ``orgdesk/time-zone.js`` proposes the browser's own."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("label", _("Time zone"))
        kwargs.setdefault("help_text", _("Every time is shown in this zone."))
        super().__init__(choices=time_zone_choices, **kwargs)


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """How a person is called here, and how they see the pages."""

    time_zone = TimeZoneField()

    class Meta:
        model = User
        fields = ["name", "time_zone", "theme"]
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "name"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = True
        mine = self.instance.time_zone
        choices = time_zone_choices()
        if mine not in dict(choices):  # an old name that the list above leaves out
            self.fields["time_zone"].choices = [(mine, mine), *choices]  # type: ignore[attr-defined]  # a ChoiceField
