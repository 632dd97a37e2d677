"""What a group's members may do."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.organizations.forms import ROLE_MEANINGS
from apps.organizations.models import Role


class GroupForm(forms.Form):
    """A role for a group, or none."""

    role = forms.TypedChoiceField(
        label=_("Its members are"),
        required=False,
        coerce=Role,
        empty_value=None,
        choices=[("", _("Nothing: the group gives no role")), *ROLE_MEANINGS.items()],
        help_text=_("Of several groups the largest role counts: owner, admin, billing, viewer."),
    )

    def role_wanted(self) -> Any:
        """The role, None for none."""
        return self.cleaned_data["role"]
