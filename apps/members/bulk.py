"""Pages that change many people: choose where, then review what will happen.

The review itself is a batch's page (``sync:batch``), where nothing has been sent yet.
"""

import uuid
from typing import Any

from django.core.exceptions import BadRequest
from django.db.models import Count, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from apps.members import leaving, services
from apps.members.models import Member, Person
from apps.members.people import PeopleList
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.sync.asking import nonce_of
from apps.ui.listing import Chosen

LEAVE = ""  # the choice that changes nothing at a connection


def _members(chosen: Chosen[Person]) -> QuerySet[Member]:
    """What the chosen people have now, at connections that can still be spoken to."""
    # A queryset sliced or ordered for the list would not do as a subquery everywhere.
    people = chosen.rows.order_by().values("pk")
    return Member.objects.filter(
        person__in=people,
        gone_at__isnull=True,
        connection__state__in=[Connection.State.ACTIVE, Connection.State.PAUSED],
    )


def _places(request: DeskRequest, members: QuerySet[Member]) -> list[tuple[Connection, int]]:
    """The connections concerned, each with the number of memberships."""
    counts = dict(members.order_by().values_list("connection").annotate(n=Count("pk")))
    connections = Connection.objects.visible_to(request.user).filter(
        organization=request.organization, pk__in=counts
    )
    return [(one, counts[one.pk]) for one in connections.select_related("organization")]


def _choose(
    request: DeskRequest, template: str, chosen: Chosen[Person], error: str = "", **more: Any
) -> HttpResponse:
    members = _members(chosen)
    places = _places(request, members)
    people = chosen.rows.order_by().count()
    context = {
        "places": [
            {
                "connection": one,
                "count": count,
                "roles": services.assignable_roles(one),
                "chosen": request.POST.get(f"role_{one.pk}", LEAVE),
            }
            for one, count in places
        ],
        "people": people,
        "fields": chosen.fields,
        "nonce": uuid.uuid4().hex,
        "error": error,
    }
    return render(request, template, context | more, status=400 if error else 200)


def _refuse_nothing(chosen: Chosen[Person]) -> None:
    if not chosen.every_match and not chosen.fields:
        raise BadRequest(_("Nobody was chosen. Go back and choose at least one person."))


@desk_view("people.change_role")
@require_POST
def change_role(request: DeskRequest) -> HttpResponse:
    """Choose a role for the chosen people at each connection, then review."""
    chosen = PeopleList.chosen(request)
    _refuse_nothing(chosen)
    title = _("Change role")
    if "nonce" not in request.POST:
        return _choose(request, "members/bulk_change_role.html", chosen, title=title)
    members = _members(chosen)
    roles = {
        one.pk: role
        for one, _count in _places(request, members)
        if (role := request.POST.get(f"role_{one.pk}", LEAVE))
    }
    if not roles:
        error = _("Choose a role for at least one connection.")
        return _choose(request, "members/bulk_change_role.html", chosen, error, title=title)
    batch = services.draft_role_change(
        organization=request.organization,
        members=members.filter(connection__in=roles),
        roles=roles,
        actor=request.user,
        nonce=nonce_of(request),
    )
    return redirect("sync:batch", slug=request.organization.slug, uid=batch.uid)


@desk_view("people.remove")
@require_POST
def remove(request: DeskRequest) -> HttpResponse:
    """Choose where the chosen people are removed and what becomes of what they leave, then review.

    With one connection, and nothing that is left behind: review at once.
    """
    chosen = PeopleList.chosen(request)
    _refuse_nothing(chosen)
    members = _members(chosen)
    places = _places(request, members)
    title = _("Remove people")
    questions = leaving.questions(request, members)
    more: dict[str, Any] = {"title": title, "questions": questions}
    if "nonce" not in request.POST and (questions or len(places) != 1):
        return _choose(request, "members/bulk_remove.html", chosen, **more)
    where = request.POST.getlist("connection") or [str(one.pk) for one, _count in places[:1]]
    if "nonce" in request.POST and not request.POST.getlist("connection"):
        error = _("Choose at least one connection.")
        return _choose(request, "members/bulk_remove.html", chosen, error, **more)
    leavers = members.filter(connection__in=[pk for pk in where if pk.isdecimal()])
    batch = services.draft_removal(
        organization=request.organization,
        members=leavers,
        besides=leaving.wishes(leavers, request.POST.dict()),
        actor=request.user,
        nonce=nonce_of(request),
    )
    return redirect("sync:batch", slug=request.organization.slug, uid=batch.uid)
