"""The way in, one's organizations, and who may act for them."""

from urllib.parse import urlencode

from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.models import User
from apps.organizations import services
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.demand import FACTORS, NEXT_KEY, SKIPPED_KEY, factor_is_missing
from apps.organizations.forms import (
    ROLE_MEANINGS,
    AcceptForm,
    GrantForm,
    InviteColleagueForm,
    OrganizationForm,
    StartForm,
)
from apps.organizations.mail import send_invitation
from apps.organizations.models import (
    ColleagueInvitation,
    Grant,
    Organization,
    Role,
)
from apps.organizations.policy import is_demotion

# --- The way in ----------------------------------------------------------------------------------


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Lead to where the reader belongs: first run, sign-in, or the organization used last.

    At the first sign-in that is the one that they have belonged to for longest.
    """
    if not request.user.is_authenticated:
        if not User.objects.exists():
            return redirect("start")
        return redirect("account_login")
    mine = Organization.objects.visible_to(request.user)
    organization = mine.filter(slug=request.session.get("organization")).first()
    organization = organization or mine.shared().order_by("grants__created_at", "pk").first()
    organization = organization or mine.first()  # whoever has nothing but a desk of their own
    if organization is None:
        return render(request, "organizations/none.html")
    return redirect(overview_of(organization))


def overview_of(organization: Organization) -> str:
    """The address of an organization's first page; a person's own desk has another one."""
    if organization.is_personal:
        return reverse("personal:account", kwargs={"slug": organization.slug})
    try:
        return reverse("overview", kwargs={"slug": organization.slug})
    except NoReverseMatch:
        return reverse("organizations:settings", kwargs={"slug": organization.slug})


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def start(request: HttpRequest) -> HttpResponse:
    """Make the first owner. The page exists as long as nobody can sign in."""
    if User.objects.exists():
        raise Http404
    form = StartForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            user, organization = services.start(
                name=data["name"],
                email=data["email"],
                password=data["password"],
                organization_name=data["organization"],
                time_zone=data["time_zone"],
            )
        except services.AlreadyStarted:
            raise Http404 from None
        request.session[NEXT_KEY] = _connect_page(organization)
        return _signed_in(request, user, reverse("second_factor"))
    return render(request, "organizations/start.html", {"form": form})


def _connect_page(organization: Organization) -> str:
    try:
        return reverse("organizations:connect", kwargs={"slug": organization.slug})
    except NoReverseMatch:
        return overview_of(organization)


def _signed_in(request: HttpRequest, user: User, following: str) -> HttpResponse:
    # They have just chosen their password: that is a sign-in, and as fresh as can be.
    record_authentication(request, user, method="password", email=user.email)
    response: HttpResponse = perform_login(request, user, redirect_url=following)
    return response


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def accept(request: HttpRequest, token: str) -> HttpResponse:
    """Accept an invitation: with the account of that address, or by making one."""
    invitation = services.invitation_for(token)
    if invitation is None:
        return render(request, "organizations/invitation_void.html", status=404)
    if request.user.is_authenticated:
        return _accept_as(request, request.user, invitation, token)
    if User.objects.filter(email__iexact=invitation.email).exists():
        following = urlencode({"next": request.path})
        return redirect(f"{reverse('account_login')}?{following}")
    form = AcceptForm(request.POST or None, email=invitation.email)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            grant, user = services.accept_with_new_account(
                token=token,
                name=data["name"],
                password=data["password"],
                time_zone=data["time_zone"],
            )
        except services.Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            return _signed_in(request, user, overview_of(grant.organization))
    context = {"form": form, "invitation": invitation}
    return render(request, "organizations/accept.html", context)


def _accept_as(
    request: HttpRequest, user: User, invitation: ColleagueInvitation, token: str
) -> HttpResponse:
    if request.method == "POST":
        try:
            grant = services.accept_invitation(token=token, user=user)
        except services.Refused as refusal:
            messages.error(request, str(refusal))
        else:
            return redirect(overview_of(grant.organization))
    context = {
        "invitation": invitation,
        "matches": user.email.lower() == invitation.email.lower(),
    }
    return render(request, "organizations/accept_signed_in.html", context)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """Say that a second factor is demanded and lead to its set-up; in the demo it may be skipped."""
    user: User = request.user  # type: ignore[assignment]  # login_required
    following = request.GET.get("next", "")
    if following and url_has_allowed_host_and_scheme(following, {request.get_host()}):
        request.session[NEXT_KEY] = following
    if not factor_is_missing(user):
        return redirect(request.session.pop(NEXT_KEY, None) or "home")
    if request.method == "POST":
        if not settings.MFA_DEMAND_SKIPPABLE:
            raise Http404
        request.session[SKIPPED_KEY] = True
        return redirect(request.session.pop(NEXT_KEY, None) or "home")
    return render(
        request, "organizations/second_factor.html", {"skippable": settings.MFA_DEMAND_SKIPPABLE}
    )


# --- Settings ------------------------------------------------------------------------------------


@desk_view("organization.read", changes="organization.change")
@require_http_methods(["GET", "HEAD", "POST"])
def organization_settings(request: DeskRequest) -> HttpResponse:
    """An organization's name and what it demands; who may not change it reads it."""
    organization = request.organization
    copy = Organization.objects.get(pk=organization.pk)
    form = OrganizationForm(request.POST or None, instance=copy)
    if not request.may("organization.change"):
        for field in form.fields.values():
            field.disabled = True
    if request.method == "POST" and form.is_valid():
        services.change_organization(organization=organization, actor=request.user, **form.wanted())
        messages.success(request, _("Saved."))
        return redirect("organizations:settings", slug=organization.slug)
    context = {"form": form, "can_change": request.may("organization.change")}
    return render(request, "organizations/settings.html", context)


# --- Colleagues ----------------------------------------------------------------------------------


@desk_view("grants.read")
@require_safe
def grants(request: DeskRequest) -> HttpResponse:
    """Everybody who may act for the organization, and who has been invited to."""
    factor = Authenticator.objects.filter(user_id=OuterRef("user_id"), type__in=FACTORS)
    held = (
        Grant.objects.filter(organization=request.organization)
        .select_related("user")
        .annotate(has_factor=Exists(factor))
        .order_by("user__name", "user__email", "pk")
    )
    invited = ColleagueInvitation.objects.filter(
        organization=request.organization, accepted_at__isnull=True
    ).select_related("invited_by")
    context = {
        "grants": held,
        "invitations": invited.order_by("email"),
        "can_change": request.may("grants.change"),
    }
    return render(request, "organizations/grants.html", context)


@desk_view("grants.change")
@require_http_methods(["GET", "HEAD", "POST"])
def grant_invite(request: DeskRequest) -> HttpResponse:
    """Invite a colleague to the portal."""
    form = InviteColleagueForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            invitation, token = services.invite_colleague(
                organization=request.organization, actor=request.user, **form.cleaned_data
            )
        except services.Refused as refusal:
            form.add_error("email", str(refusal))
        else:
            _mail(request, invitation, token)
            return redirect("organizations:grants", slug=request.organization.slug)
    return render(request, "organizations/grant_invite.html", {"form": form})


def _mail(request: DeskRequest, invitation: ColleagueInvitation, token: str) -> None:
    link = request.build_absolute_uri(reverse("accept_invitation", kwargs={"token": token}))
    if send_invitation(invitation, link):
        messages.success(
            request,
            _("An invitation is on its way to %(email)s.") % {"email": invitation.email},
        )
    else:
        messages.error(
            request,
            _(
                "The mail server did not take the message to %(email)s. The invitation is kept: "
                "have the mail settings looked at, then send it again."
            )
            % {"email": invitation.email},
        )


def _grant(request: DeskRequest, pk: int) -> Grant:
    held: QuerySet[Grant] = Grant.objects.select_related("user")
    return get_object_or_404(held, pk=pk, organization=request.organization)


@desk_view("grants.change")
@require_http_methods(["GET", "HEAD", "POST"])
def grant_change(request: DeskRequest, pk: int) -> HttpResponseBase:
    """Give a colleague another role, after saying what that ends."""
    grant = _grant(request, pk)
    form = GrantForm(request.POST or None, initial={"role": grant.role})
    if request.method == "POST" and form.is_valid():
        try:
            changed = services.change_grant(grant=grant, actor=request.user, **form.cleaned_data)
        except services.Refused as refusal:
            form.add_error("role", str(refusal))
        else:
            messages.success(request, _("The role of %(who)s has changed.") % {"who": grant.user})
            return _back(request, grant, ended=is_demotion(Role(grant.role), Role(changed.role)))
    lesser = [role.label for role in ROLE_MEANINGS if is_demotion(Role(grant.role), role)]
    return render(
        request,
        "organizations/grant_change.html",
        {"grant": grant, "form": form, "lesser": lesser, "is_self": grant.user == request.user},
    )


@desk_view("grants.change")
@require_http_methods(["GET", "HEAD", "POST"])
def grant_remove(request: DeskRequest, pk: int) -> HttpResponseBase:
    """Take a colleague off the organization, after saying what that ends."""
    grant = _grant(request, pk)
    refusal = ""
    if request.method == "POST":
        try:
            services.remove_grant(grant=grant, actor=request.user)
        except services.Refused as error:
            refusal = str(error)
        else:
            messages.success(request, _("%(who)s may no longer act here.") % {"who": grant.user})
            return _back(request, grant, ended=True)
    context = {
        "grant": grant,
        "refusal": refusal,
        "is_self": grant.user == request.user,
        "danger": True,
        "cancel_url": reverse("organizations:grants", kwargs={"slug": request.organization.slug}),
    }
    return render(request, "organizations/grant_remove.html", context)


def _back(request: DeskRequest, grant: Grant, *, ended: bool) -> HttpResponse:
    if ended and grant.user == request.user:
        logout(request)  # their sessions have ended, this one too
        return redirect("account_login")
    return redirect("organizations:grants", slug=request.organization.slug)


def _invitation(request: DeskRequest, pk: int) -> ColleagueInvitation:
    return get_object_or_404(
        ColleagueInvitation, pk=pk, organization=request.organization, accepted_at__isnull=True
    )


@desk_view("grants.change")
@require_POST
def invitation_resend(request: DeskRequest, pk: int) -> HttpResponse:
    """Send an invitation again, with a new link."""
    invitation = _invitation(request, pk)
    try:
        token = services.resend_invitation(invitation=invitation, actor=request.user)
    except services.Refused as refusal:
        messages.error(request, str(refusal))
    else:
        _mail(request, invitation, token)
    return redirect("organizations:grants", slug=request.organization.slug)


@desk_view("grants.change")
@require_POST
def invitation_withdraw(request: DeskRequest, pk: int) -> HttpResponse:
    """Take an invitation back."""
    invitation = _invitation(request, pk)
    try:
        services.withdraw_invitation(invitation=invitation, actor=request.user)
    except services.Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(
            request,
            _("The invitation of %(email)s no longer works.") % {"email": invitation.email},
        )
    return redirect("organizations:grants", slug=request.organization.slug)
