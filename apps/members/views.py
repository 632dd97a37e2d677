"""Pages of people: the list, one person, and what can be asked for them.

The list is declared in ``people.py``; changes are asked for through ``services.py`` and carried by
the outbox.
"""

import secrets
from typing import Any

from django.contrib import messages
from django.db.models import BigIntegerField
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.members import leaving, services, timeline
from apps.members.forms import RoleForm
from apps.members.models import Member, Person
from apps.members.people import PeopleList
from apps.members.standing import Standing, role_label, standings
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.providers.protocol import Words
from apps.sync.asking import asked, heard, nonce_of
from apps.sync.models import Command, CommandState
from apps.sync.outbox.requests import RequestRefused
from apps.sync.schedule import freshness
from apps.ui.prepared import Prepared
from apps.ui.toasts import add_event, add_toast

# --- The list ------------------------------------------------------------------------------------


@desk_view("people.read")
@require_http_methods(["GET", "HEAD", "POST"])
def people(request: DeskRequest) -> HttpResponseBase:
    """The list; a POST keeps, changes or deletes a saved view of it."""
    return PeopleList.respond(request)


@desk_view("people.read")
@require_GET
def people_rows(request: DeskRequest) -> HttpResponse:
    """Rows that were in flight a second ago, drawn anew."""
    return PeopleList.respond_rows(request)


# --- One person ----------------------------------------------------------------------------------


def _person(request: DeskRequest, pk: int) -> Person:
    mine = Person.objects.visible_to(request.user).filter(organization=request.organization)
    return get_object_or_404(mine, pk=pk)


# What a page with one person asks for, and once more whenever something about the person was changed. Of the
# organization at hand, which ``desk_view`` found among the reader's own.
_confirmed = Prepared(
    lambda organizations: Connection.objects.filter(organization__in=organizations).confirmed()
)
_membership = Prepared(
    lambda organizations, people, members: Member.objects.filter(
        connection__organization__in=organizations, person__in=people, pk__in=members
    ).select_related("connection", "connection__organization", "person")
)
_of_person = Prepared(
    lambda people, connections: Member.objects.filter(person__in=people, connection__in=connections)
)


def _connections(request: DeskRequest) -> dict[int, Connection]:
    return {one.pk: one for one in _confirmed(organizations=[request.organization.pk])}


def _card(
    request: DeskRequest, member: Member, connection: Connection, standing: Standing
) -> dict[str, Any]:
    """One membership as the page shows it: what it is, and what may be done about it."""
    member.connection = connection
    provider = PROVIDERS[connection.provider]
    resting = {
        Connection.State.DISCONNECTED: _("This connection is disconnected."),
        Connection.State.PAUSED: _("This connection is paused. Resume it first."),
    }
    locked = resting.get(Connection.State(connection.state)) or services.why_not(member)
    flight = standing.flights.get((connection.pk, member.target))
    return {
        "member": member,
        "connection": connection,
        "provider": provider,
        "role": role_label(connection.provider, member.role),
        "locked": locked or connection.why_not("members.change_role"),
        "roles": services.assignable_roles(connection),
        "flight": flight,
        "may_change": request.may("people.change_role")
        and not (locked or flight)
        and connection.can("members.change_role"),
        "may_remove": request.may("people.remove")
        and not (locked or flight)
        and connection.can("members.remove"),
        "nonce": secrets.token_urlsafe(18),
    }


def _memberships(
    request: DeskRequest, found: Person, connections: dict[int, Connection], members: list[Member]
) -> dict[str, Any]:
    """What the page's part about memberships shows."""
    (standing,) = standings(connections, [found])
    return {
        "person": found,
        "standing": standing,
        "cards": [
            _card(request, member, connections[member.connection_id], standing)
            for member in members
            if member.gone_at is None
        ],
        "former": [
            (connections[member.connection_id], _role_of(member, connections), member.gone_at)
            for member in members
            if member.gone_at
        ],
    }


def _role_of(member: Member, connections: dict[int, Connection]) -> Words:
    return role_label(connections[member.connection_id].provider, member.role)


def _wants_memberships(request: DeskRequest) -> bool:
    """Whether htmx exchanges that part alone: while a change is on its way, and when one was asked for."""
    return request.headers.get("HX-Target") == "memberships"


@desk_view("people.read")
@require_GET
def person(request: DeskRequest, pk: int) -> HttpResponse:
    """One human: memberships, invites, what has happened, and what higher shelves know."""
    return _page(request, _person(request, pk))


def _page(
    request: DeskRequest, found: Person, refused: tuple[Member, RoleForm] | None = None
) -> HttpResponse:
    """The page, or its memberships alone. ``refused`` is a wish for a role that was turned down."""
    connections = _connections(request)
    members = sorted(
        _of_person(people=[found.pk], connections=list(connections)),
        key=lambda member: (connections[member.connection_id].name, member.pk),
    )
    context = _memberships(request, found, connections, members)
    for card in context["cards"] if refused else ():
        if refused and card["member"].pk == refused[0].pk:
            card["refused"] = refused[1]
    if _wants_memberships(request):
        answer = render(request, "members/person.html#memberships", context)
        if not context["standing"].flights:
            add_event(answer, "personSettled")  # what has happened may have one more line
        return answer
    context["events"] = timeline.of_person(
        found, connections, {member.target for member in members}
    )
    if request.headers.get("HX-Target") == "timeline":
        return render(request, "members/person.html#timeline", context)
    context |= {
        "title": str(found),
        "freshness": freshness(request.organization, "members", "invites"),
    }
    return render(request, "members/person.html", context, status=422 if refused else 200)


# --- One membership ------------------------------------------------------------------------------


def _member(request: DeskRequest, pk: int, member: int) -> Member:
    asked_for = {"organizations": [request.organization.pk], "people": [pk], "members": [member]}
    # Written once, it does not look at numbers that no column holds.
    found = max(pk, member) <= BigIntegerField.MAX_BIGINT and _membership(**asked_for)
    if not found:
        raise Http404
    return found[0]


def _settled(request: DeskRequest, member: Member, command: Command) -> HttpResponse:
    """Show the person as things stand after the moment's wait."""
    if command.state == CommandState.AWAITING_APPROVAL:
        words = _("A second person must approve it before it is sent.")
        return _say(request, member.person, messages.INFO, words)
    if command.is_open:
        words = _("On its way. This page shows when it has arrived.")
        return _say(request, member.person, messages.INFO, words)
    return _say(request, member.person, messages.SUCCESS, _("Done."))


# How the corner of the page calls what Django's messages number.
LEVELS = {messages.ERROR: "danger", messages.INFO: "info", messages.SUCCESS: "success"}


def _say(request: DeskRequest, found: Person, level: int, words: str) -> HttpResponse:
    """Say how it went: with the memberships at once where htmx asks, else on the page that follows."""
    if _wants_memberships(request):
        answer = _page(request, found)
        add_toast(answer, words, LEVELS[level])
        return answer
    messages.add_message(request, level, words)
    return redirect("members:person", slug=request.organization.slug, pk=found.pk)


@desk_view("people.change_role")
@require_POST
def change_role(request: DeskRequest, pk: int, member: int) -> HttpResponse:
    """Ask for another role of one membership."""
    found = _member(request, pk, member)
    form = RoleForm(found.connection, request.POST)
    if not form.is_valid():
        words = _("Choose one of the roles that this provider lets be given.")
        return _say(request, found.person, messages.ERROR, words)
    command = asked(
        form,
        "role",
        lambda: services.change_role(
            member=found,
            role=form.cleaned_data["role"],
            actor=request.user,
            nonce=nonce_of(request),
        ),
    )
    if command is None:
        return _page(request, found.person, refused=(found, form))
    return _settled(request, found, command)


@desk_view("people.remove")
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: DeskRequest, pk: int, member: int) -> HttpResponse:
    """Say what a removal does and leaves behind; ask for it once that is confirmed.

    With more to be done than the removal, all of it is reviewed together first.
    """
    found = _member(request, pk, member)
    locked, refusal = services.why_not(found), ""
    leavers = Member.objects.filter(pk=found.pk)
    if request.method == "POST" and not locked:
        nonce = nonce_of(request)
        if besides := leaving.wishes(leavers, request.POST.dict()):
            batch = services.draft_removal(
                organization=request.organization,
                members=leavers,
                besides=besides,
                actor=request.user,
                nonce=nonce,
            )
            return redirect("sync:batch", slug=request.organization.slug, uid=batch.uid)
        try:
            asked_for = services.remove_member(member=found, actor=request.user, nonce=nonce)
            return _settled(request, found, heard(asked_for))
        except RequestRefused as refused:
            refusal = str(refused)
    context = {
        "member": found,
        "provider": PROVIDERS[found.connection.provider],
        "role": role_label(found.connection.provider, found.role),
        "locked": locked,
        "refusal": refusal,
        "questions": [] if locked else leaving.questions(request, leavers),
        "nonce": secrets.token_urlsafe(18),
        "danger": True,
        "cancel_url": _url_of(request, found.person_id),
        "title": _("Remove %(person)s from %(connection)s?")
        % {"person": found.person, "connection": found.connection.name},
    }
    return render(request, "members/remove.html", context, status=422 if refusal else 200)


def _url_of(request: DeskRequest, pk: int) -> str:
    return f"/o/{request.organization.slug}/people/{pk}/"
