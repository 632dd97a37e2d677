"""The form of a report."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.notices.models import Endpoint
from apps.organizations.models import Organization
from apps.reports.calendar import RHYTHMS
from apps.ui.boxes import Boxes

HOURS = [(str(hour), f"{hour:02d}:00") for hour in range(24)]


class ScheduleForm(forms.Form):
    """What it is called, when it is sent, and to whom."""

    name = forms.CharField(label=_("Name"), max_length=120, help_text=_("The mail's subject."))
    rhythm = forms.ChoiceField(label=_("When"), choices=RHYTHMS)
    hour = forms.TypedChoiceField(label=_("At"), choices=HOURS, coerce=int)
    users = forms.ModelMultipleChoiceField(
        label=_("By e-mail to"),
        queryset=User.objects.none(),
        required=False,
        widget=Boxes,
    )
    endpoints = forms.ModelMultipleChoiceField(
        label=_("By webhook to"),
        queryset=Endpoint.objects.none(),
        required=False,
        widget=Boxes,
    )

    def __init__(
        self,
        *args: Any,
        organization: Organization,
        may_use_webhooks: bool,
        others: int = 0,
        **kwargs: Any,
    ) -> None:
        """``others`` is how many webhooks get it that whoever fills the form in may not choose."""
        super().__init__(*args, **kwargs)
        colleagues = User.objects.filter(grants__organization=organization, is_active=True)
        self.fields["users"].queryset = colleagues.order_by("name", "email")  # type: ignore[attr-defined]  # it has one
        self.fields["hour"].help_text = _("In the organization's time zone, %(zone)s.") % {
            "zone": organization.time_zone.replace("_", " ")
        }
        webhooks = Endpoint.objects.filter(organization=organization)
        if may_use_webhooks and webhooks.exists():
            self.fields["endpoints"].queryset = webhooks  # type: ignore[attr-defined]  # it has one
        else:
            del self.fields["endpoints"]
        self._others = 0 if "endpoints" in self.fields else others

    def clean(self) -> dict[str, Any]:
        """Somebody or something must get it."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        # None: left as they are.
        chosen = data.setdefault("endpoints", None)
        if "users" in data and not data["users"] and not chosen and not self._others:
            self.add_error("users", _("Choose at least one receiver."))
        return data
