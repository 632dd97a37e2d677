"""Settings, Directory: what the identity provider has sent, and what owners make of it."""

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.directory import services
from apps.directory.forms import GroupForm
from apps.directory.lists import PeopleList, source, standing, with_roles
from apps.directory.models import Directory, DirectoryGroup, DirectoryUser
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import ApiToken, Role
from apps.organizations.services import Refused

SHOWN = 500  # groups of the page


def _people(request: DeskRequest) -> QuerySet[DirectoryUser]:
    visible = DirectoryUser.objects.visible_to(request.user)
    return visible.filter(organization=request.organization)


def _groups(request: DeskRequest) -> QuerySet[DirectoryGroup]:
    visible = DirectoryGroup.objects.visible_to(request.user)
    return visible.filter(organization=request.organization)


@desk_view("grants.read")
@require_safe
def directory(request: DeskRequest) -> HttpResponse:
    """How to set it up, its groups with what they give, and when it was heard of."""
    organization = request.organization
    groups, people = _groups(request), _people(request)
    states = Directory.objects.visible_to(request.user).filter(organization=organization)
    tokens = ApiToken.objects.filter(organization=organization, scope=ApiToken.Scope.SCIM)
    listed = groups.annotate(size=Count("memberships")).order_by("name", "pk")
    context = {
        "base": f"{settings.PORTAL_URL}/scim/v2/{organization.slug}",
        "state": states.first(),
        "groups": listed[:SHOWN],
        "more_groups": max(groups.count() - SHOWN, 0),
        "people": people.count(),
        "active": people.filter(active=True).count(),
        "tokens": tokens.order_by("name", "pk"),
        "can_change": request.may("grants.change"),
        "can_see_tokens": request.may("tokens.service"),
    }
    return render(request, "directory/directory.html", context)


@desk_view("grants.read")
@require_http_methods(["GET", "HEAD", "POST"])
def people(request: DeskRequest) -> HttpResponseBase:
    """Everybody whom it speaks of; a POST keeps a saved view."""
    return PeopleList.respond(request)


@desk_view("grants.read")
@require_safe
def person(request: DeskRequest, pk: int) -> HttpResponse:
    """One of them: what the directory says, and where that leaves them here."""
    found = get_object_or_404(with_roles(_people(request)), pk=pk)
    tone, word = standing(found)
    context = {
        "person": found,
        "tone": tone,
        "word": word,
        "source": source(found),
        "groups": found.groups.order_by("name", "pk"),
        "can_hand_over": request.may("grants.change")
        and bool(found.kept_out_at or (found.held_role and not found.is_given)),  # type: ignore[attr-defined]  # with_roles() adds them
    }
    return render(request, "directory/person.html", context)


@desk_view("grants.change")
@require_POST
def hand_over(request: DeskRequest, pk: int) -> HttpResponse:
    """Let the directory decide about somebody again."""
    found = get_object_or_404(_people(request), pk=pk)
    try:
        services.hand_over(person=found, actor=request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(
            request, _("The directory decides about %(who)s from now on.") % {"who": found}
        )
    return redirect("directory:person", slug=request.organization.slug, pk=pk)


@desk_view("grants.change")
@require_http_methods(["GET", "HEAD", "POST"])
def group(request: DeskRequest, pk: int) -> HttpResponse:
    """Say what a group's members may do, after saying how many that are."""
    found = get_object_or_404(_groups(request), pk=pk)
    form = GroupForm(request.POST or None, initial={"role": found.role})
    if request.method == "POST" and form.is_valid():
        try:
            services.map_group(group=found, role=form.role_wanted(), actor=request.user)
        except Refused as refusal:
            form.add_error("role", str(refusal))
        else:
            messages.success(request, _("What %(group)s gives has changed.") % {"group": found})
            return redirect("directory:directory", slug=request.organization.slug)
    context = {
        "group": found,
        "form": form,
        "size": found.memberships.count(),
        "owner": Role.OWNER.label,
    }
    return render(request, "directory/group.html", context)
