"""Forms of changes to memberships."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.members.services import assignable_roles
from apps.organizations.models import Connection


class RoleForm(forms.Form):
    """A role that may be given at one connection."""

    role = forms.ChoiceField(label=_("Role"))

    def __init__(self, connection: Connection, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["role"]
        field.choices = [(one.value, one.label) for one in assignable_roles(connection)]  # type: ignore[attr-defined]  # a ChoiceField
