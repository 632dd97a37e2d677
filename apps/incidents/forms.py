"""Forms of what can be done with an incident."""

from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.incidents import services

LONGEST = 500


class ResolveForm(forms.Form):
    """What was done about it; may be left empty."""

    reason = forms.CharField(
        label=_("What was it?"),
        max_length=LONGEST,
        required=False,
        help_text=_("For those who come across it later. It stands in the audit log too."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class MuteForm(forms.Form):
    """Why it is meant to be so, and for how long."""

    reason = forms.CharField(
        label=_("Why is it meant to be so?"),
        max_length=LONGEST,
        help_text=_("A load test, a new feature, a move to another model …"),
        error_messages={"required": _("Say why: others will ask.")},
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    until = forms.TypedChoiceField(
        label=_("For how long?"),
        choices=[
            ("7", _("A week")),
            ("30", _("30 days")),
            ("90", _("90 days")),
            ("", _("Until somebody takes it up again")),
        ],
        initial="30",
        coerce=int,
        empty_value=None,
        required=False,
    )

    @property
    def last_day(self) -> date | None:
        """The last UTC day that is muted; None for good."""
        data: dict[str, Any] = self.cleaned_data
        return None if data["until"] is None else services.soon(data["until"])
