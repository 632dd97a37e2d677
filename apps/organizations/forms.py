"""Forms of the first run, of colleagues, of an organization's settings and of API tokens."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.forms import TimeZoneField
from apps.accounts.models import User
from apps.organizations.models import ApiToken, Organization, Role
from apps.organizations.policy import at_most
from apps.organizations.token_services import MAX_DAYS
from apps.ui.fields import AmountField

ROLE_MEANINGS = {
    Role.OWNER: _("Owner: everything, colleagues and settings too"),
    Role.ADMIN: _("Admin: people, invites and connections"),
    Role.BILLING: _("Billing: looks at everything, looks after money"),
    Role.VIEWER: _("Viewer: looks at everything, changes nothing"),
}


class RoleField(forms.TypedChoiceField):
    """A role, with what it means."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("label", _("Role"))
        super().__init__(choices=list(ROLE_MEANINGS.items()), coerce=Role, **kwargs)


class NewAccountForm(forms.Form):
    """Who somebody is, and how they will sign in."""

    name = forms.CharField(
        label=_("Your name"), max_length=150, widget=forms.TextInput({"autocomplete": "name"})
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        help_text=_("At least twelve characters. A few unrelated words do well."),
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )
    time_zone = TimeZoneField(initial="UTC", widget=forms.Select({"data-guess-time-zone": ""}))

    def address(self) -> str:
        """The email address that the password must not resemble."""
        return ""

    def clean(self) -> dict[str, Any]:
        """Hold the password against the rules, and against name and address."""
        data = super().clean() or self.cleaned_data
        if password := data.get("password"):
            likeness = User(name=data.get("name", ""), email=self.address())
            try:
                validate_password(password, likeness)
            except forms.ValidationError as error:
                self.add_error("password", error)
        return data


class StartForm(NewAccountForm):
    """The first owner and the first organization."""

    email = forms.EmailField(
        label=_("Email address"),
        max_length=254,
        widget=forms.EmailInput({"autocomplete": "username"}),
    )
    organization = forms.CharField(
        label=_("Organization"),
        max_length=120,
        help_text=_("As your colleagues call it."),
        widget=forms.TextInput({"autocomplete": "organization"}),
    )
    field_order = ["organization", "name", "email", "password", "time_zone"]

    def address(self) -> str:
        """The address typed beside it."""
        return str(self.cleaned_data.get("email", ""))


class AcceptForm(NewAccountForm):
    """The account of an invited colleague."""

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        self._email = email
        super().__init__(*args, **kwargs)

    def address(self) -> str:
        """The address that was invited."""
        return self._email


class OrganizationForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """An organization's name and what it demands."""

    time_zone = TimeZoneField(
        help_text=_("Reports are sent at an hour of this zone. Pages show each reader their own.")
    )
    second_person_above = AmountField(
        label=_("Demand a second person above, in USD"),
        required=False,
        min_value=0,
        max_value=1_000_000,
        decimal_places=2,
        help_text=_(
            "A purchase by card, a plan or further seats that cost more wait until a second person has "
            "approved them; so does what has no known price. Empty: no amount does by itself."
        ),
    )
    field_order = [
        "name",
        "time_zone",
        "demand_mfa",
        "demand_second_person",
        "second_person_above",
        "support_may_read",
        "support_may_view_as",
    ]

    class Meta:
        model = Organization
        fields = [
            "name",
            "time_zone",
            "demand_mfa",
            "demand_second_person",
            "support_may_read",
            "support_may_view_as",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cents = self.instance.second_person_cents
        if cents is not None:
            self.initial["second_person_above"] = Decimal(cents).scaleb(-2)
        for field in self.fields.values():
            field.show_hidden_initial = True

    def wanted(self) -> dict[str, Any]:
        """What was changed on the page, in the service's own words.

        What it merely showed may be otherwise by now, by a colleague or in another tab, and stays so.
        """
        shown = any(self[name].html_initial_name in self.data for name in self.fields)
        said = {
            name: value
            for name, value in self.cleaned_data.items()
            if not shown or name in self.changed_data
        }
        if "second_person_above" in said:
            above: Decimal | None = said.pop("second_person_above")
            said["second_person_cents"] = None if above is None else int(above.scaleb(2))
        return said


class InviteColleagueForm(forms.Form):
    """Whom to invite to the portal, and as what."""

    email = forms.EmailField(
        label=_("Email address"), max_length=254, widget=forms.EmailInput({"autocomplete": "off"})
    )
    role = RoleField(initial=Role.VIEWER)


class GrantForm(forms.Form):
    """Another role for a colleague."""

    role = RoleField()


BY_DATE = "date"


class TokenForm(forms.Form):
    """A new API token of somebody who holds ``held``; ``service``: one of the organization."""

    name = forms.CharField(
        label=_("Name"), max_length=80, help_text=_("What it is for, so that you know it again.")
    )
    scope = forms.TypedChoiceField(
        label=_("What for"), coerce=ApiToken.Scope, initial=ApiToken.Scope.READ
    )
    role = RoleField(label=_("As"), help_text=_("No more than your own role."))
    days = forms.ChoiceField(
        label=_("Works for"),
        initial="90",
        choices=[
            ("7", _("7 days")),
            ("30", _("30 days")),
            ("90", _("90 days")),
            ("365", _("a year")),
            (BY_DATE, _("until the day below")),
        ],
    )
    until = forms.DateField(
        label=_("Until"),
        required=False,
        widget=forms.DateInput({"type": "date"}),
        help_text=_("Counts where “until the day below” is chosen. A year from now at the latest."),
    )

    def __init__(self, *args: Any, held: Role, service: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.service = service
        scopes = [ApiToken.Scope.READ, ApiToken.Scope.WRITE]
        if service and held == Role.OWNER:
            scopes.append(ApiToken.Scope.SCIM)
            self.fields["role"].help_text = _(
                "No more than your own role. Provisioning needs an owner: whatever you choose here."
            )
        scope, role = self.fields["scope"], self.fields["role"]
        scope.choices = [(one.value, one.label) for one in scopes]  # type: ignore[attr-defined]  # of a choice field
        known = [one for one in ROLE_MEANINGS if at_most(held, one) == one]
        role.choices = [(one, ROLE_MEANINGS[one]) for one in known]  # type: ignore[attr-defined]  # likewise
        role.initial = Role.VIEWER
        if not known:  # on one's own desk there is one role
            del self.fields["role"]

    def clean(self) -> dict[str, Any]:
        """Turn a day into the number of days until then."""
        data = super().clean() or self.cleaned_data
        if data.get("days") == BY_DATE and "until" in data:
            until = data["until"]
            days = (until - timezone.localdate()).days if until else 0
            if not until:
                self.add_error("until", _("Say until when."))
            elif not 0 < days <= MAX_DAYS:
                self.add_error("until", _("Choose a day between tomorrow and a year from now."))
            data["days"] = days
        return data

    def wanted(self) -> dict[str, Any]:
        """What was said, in the service's own words."""
        said = {name: value for name, value in self.cleaned_data.items() if name != "until"}
        kind = ApiToken.Kind.SERVICE if self.service else ApiToken.Kind.PERSONAL
        return said | {"days": int(said["days"]), "kind": kind}


class TokenNameForm(forms.Form):
    """Another name for a token."""

    name = forms.CharField(label=_("Name"), max_length=80)
