"""Forms of workspaces."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.organizations.models import Connection
from apps.providers.protocol import RoleOption
from apps.workspaces.models import Workspace
from apps.workspaces.residency import ANYWHERE
from apps.workspaces.roles import rules_of
from apps.workspaces.services import why_not_named, why_not_there


def _choices(options: tuple[RoleOption, ...]) -> list[tuple[str, str]]:
    return [(one.value, str(one.label)) for one in options]


class ResidencyForm(forms.Form):
    """Where requests may run. After ``is_valid()``: ``allowed``, as a Workspace has it."""

    allowed_geos = forms.MultipleChoiceField(
        label=_("Requests may run in"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Choose none to allow every place, those to come included."),
    )
    default_geo = forms.ChoiceField(
        label=_("Requests that do not say where run in"),
        help_text=_("One of the places that are allowed."),
    )

    def __init__(self, connection: Connection, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connection = connection
        rules = rules_of(connection.provider)
        for name in ("allowed_geos", "default_geo"):
            self.fields[name].choices = _choices(rules.geos)  # type: ignore[attr-defined]  # a ChoiceField
        self.initial.setdefault("default_geo", rules.default_geo)

    @property
    def allowed(self) -> str:
        """Separated by commas, ANYWHERE for no limit."""
        return ",".join(self.cleaned_data["allowed_geos"]) or ANYWHERE

    def clean(self) -> dict[str, Any]:
        """The default must be allowed."""
        data: dict[str, Any] = super().clean() or {}
        if not self.errors:
            why = why_not_there(self.connection, self.allowed, data["default_geo"])
            if why:
                self.add_error("default_geo", why)
        return data


class NewWorkspaceForm(ResidencyForm):
    """A new workspace: its name, its places, and where its data lies for good."""

    name = forms.CharField(
        label=_("Name"), max_length=200, widget=forms.TextInput({"autofocus": True})
    )
    storage_geo = forms.ChoiceField(
        label=_("Data is kept in"), help_text=_("This cannot be changed later.")
    )
    nonce = forms.CharField(max_length=64, widget=forms.HiddenInput)
    field_order = ["connection", "name", "allowed_geos", "default_geo", "storage_geo"]

    def __init__(
        self, connections: list[Connection], chosen: Connection, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(chosen, *args, **kwargs)
        rules = rules_of(chosen.provider)
        self.fields["storage_geo"].choices = _choices(rules.storage_geos)  # type: ignore[attr-defined]  # a ChoiceField
        self.fields["name"].help_text = _("At most %(longest)d characters.") % {
            "longest": rules.longest_name
        }
        self.fields["connection"] = forms.ChoiceField(
            label=_("Connection"),
            choices=[(str(one.pk), one.name) for one in connections],
            initial=str(chosen.pk),
            widget=forms.Select if len(connections) > 1 else forms.HiddenInput,
        )
        self.order_fields(self.field_order)

    def clean_name(self) -> str:
        """Within the provider's length."""
        name: str = self.cleaned_data["name"].strip()
        if why := why_not_named(self.connection, name):
            raise forms.ValidationError(why)
        return name


class RenameForm(forms.Form):
    """Another name."""

    name = forms.CharField(label=_("Name"), max_length=200)

    def __init__(self, workspace: Workspace, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connection = workspace.connection
        self.initial.setdefault("name", workspace.name)

    def clean_name(self) -> str:
        """Within the provider's length."""
        name: str = self.cleaned_data["name"].strip()
        if why := why_not_named(self.connection, name):
            raise forms.ValidationError(why)
        return name


class ArchiveForm(forms.Form):
    """The workspace's name, typed: nobody archives by a slip."""

    typed = forms.CharField(
        label=_("Type the workspace's name to confirm"),
        widget=forms.TextInput({"autocomplete": "off"}),
    )

    def __init__(self, workspace: Workspace, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._name = workspace.name

    def clean_typed(self) -> str:
        """Compare, blanks at the ends aside."""
        typed = str(self.cleaned_data["typed"])
        if typed.strip() != self._name.strip():
            raise forms.ValidationError(_("This is not the workspace's name."))
        return typed


class RoleInWorkspaceForm(forms.Form):
    """A role that may be given at this provider."""

    role = forms.ChoiceField(label=_("Role"))

    def __init__(self, provider: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rules = rules_of(provider)
        self.fields["role"].choices = [  # type: ignore[attr-defined]  # a ChoiceField
            (role, rules.role_label(role)) for role in rules.assignable
        ]
