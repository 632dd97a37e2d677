"""What Django admin offers about staff, and about looking through a colleague's eyes."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from apps.accounts.models import StaffRole, User
from apps.organizations import viewing
from apps.organizations.mail import send_staff_welcome
from apps.organizations.models import Grant, Viewing
from apps.organizations.policy import support_may
from apps.organizations.staff import change_staff_role, make_staff, password_link
from apps.organizations.support import Act, ActForm, ReasonForm

# --- Looking through a colleague's eyes -----------------------------------------------------------


def _organization_of(grant: Grant) -> str:
    return str(grant.organization)


class ViewAsForm(ReasonForm):
    """Why, and at which of their organizations."""

    grant = forms.ModelChoiceField(
        label=gettext_lazy("Organization"),
        queryset=Grant.objects.none(),
        widget=UnfoldAdminSelectWidget,
    )
    field_order = ("grant", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = cast("forms.ModelChoiceField[Grant]", self.fields["grant"])
        held = viewing.grants_to_view(self.rows[0])
        choice.queryset = held
        if held.count() == 1:
            choice.initial = held.first()
        choice.label_from_instance = _organization_of  # type: ignore[method-assign,assignment]  # Django's own way


def _begin(grant: Grant, actor: User, given: dict[str, Any]) -> Viewing:
    return viewing.begin(
        user=grant.user, organization=grant.organization, reason=given["reason"], actor=actor
    )


def _enter(request: HttpRequest, begun: Viewing) -> HttpResponse:
    viewing.enter(request.session, begun)
    return HttpResponseRedirect(reverse("overview", kwargs={"slug": begun.organization.slug}))


def _may_begin(grant: Grant, actor: User) -> bool:
    may = support_may(actor, "support.view_as", grant.organization)
    return may and viewing.grants_to_view(grant.user).filter(pk=grant.pk).exists()


_MEANING = gettext_lazy(
    "You see the organization's pages as this person does, for half an hour at most. Nothing can be changed "
    "meanwhile, and this desk is closed. The organization's owners are told, with your name and the reason."
)

VIEW_GRANT = Act(
    "view_as",
    gettext_lazy("View as"),
    _MEANING,
    do=_begin,
    possible=_may_begin,
    form=ReasonForm,
    many=False,
    fresh=True,
    then=_enter,
)
VIEW_USER = Act(
    "view_as",
    gettext_lazy("View as"),
    _MEANING,
    do=lambda row, actor, given: _begin(given["grant"], actor, given),
    possible=lambda row, actor: (
        support_may(actor, "support.view_as") and viewing.grants_to_view(row).exists()
    ),
    form=ViewAsForm,
    many=False,
    fresh=True,
    then=_enter,
)


# --- Staff ---------------------------------------------------------------------------------------


class StaffRoleForm(ActForm):
    """As what somebody works in support."""

    role = forms.ChoiceField(
        label=gettext_lazy("Role in support"),
        choices=[*StaffRole.choices, ("", gettext_lazy("None: no staff"))],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )


class NewStaffForm(ActForm):
    """Who somebody new in support is."""

    email = forms.EmailField(
        label=gettext_lazy("Email address"), max_length=254, widget=UnfoldAdminEmailInputWidget
    )
    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=150, widget=UnfoldAdminTextInputWidget
    )
    role = forms.ChoiceField(
        label=gettext_lazy("Role in support"),
        choices=StaffRole.choices,
        widget=UnfoldAdminSelectWidget,
    )


CHANGE_ROLE = Act(
    "staff_role",
    gettext_lazy("Role in support"),
    gettext_lazy(
        "Support looks, diagnoses, has listings walked and pauses connections. A lead closes stuck changes, "
        "lets changes go on after a restore and views as colleagues besides. A superuser also says who is "
        "staff. Who may do less afterwards is signed out."
    ),
    do=lambda row, actor, given: change_staff_role(
        user=row, role=StaffRole(given["role"]) if given["role"] else None, actor=actor
    ),
    possible=lambda row, actor: row.pk != actor.pk and support_may(actor, "staff.change"),
    form=StaffRoleForm,
    many=False,
    fresh=True,
)


def _welcome(request: HttpRequest, made: User) -> HttpResponse:
    if send_staff_welcome(made, password_link(made)):
        words = _("%(user)s has mail with a link to choose a password by.")
        messages.success(request, words % {"user": made})
    else:
        words = _(
            "%(user)s has an account, but the mail could not be sent: they ask for a link by "
            "“Forgotten your password?” at the sign-in."
        )
        messages.warning(request, words % {"user": made})
    return HttpResponseRedirect(reverse("admin:accounts_user_change", args=[made.pk]))


NEW_STAFF = Act(
    "new_staff",
    gettext_lazy("New staff account"),
    gettext_lazy(
        "They choose a password by a link that is sent to them, and need a second factor before this desk opens."
    ),
    do=lambda row, actor, given: make_staff(
        email=given["email"], name=given["name"], role=StaffRole(given["role"]), actor=actor
    ),
    possible=lambda row, actor: support_may(actor, "staff.change"),
    form=NewStaffForm,
    many=False,
    fresh=True,
    then=_welcome,
)
