"""Pages of single calls: those of a person, and asking for them to be read."""

from datetime import date
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.models import User
from apps.members.models import Member, Person
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection, Organization
from apps.usage import calls, reads
from apps.usage.call_lists import CallList, Place, places_of


class PersonCalls(CallList):
    """The calls of one person at all connections that tell of any: ``request.person``."""

    def context(self) -> dict[str, Any]:
        """Whose they are, and where a reading is asked for."""
        slug, person = self.organization.slug, self.request.person
        return {
            **super().context(),
            "title": _("Calls of %(name)s") % {"name": person},
            "back_url": reverse("members:person", kwargs={"slug": slug, "pk": person.pk}),
            "back_label": str(person),
            "ask_url": reverse("usage:read_calls", kwargs={"slug": slug, "pk": person.pk}),
            "usage_url": f"{reverse('usage:usage', kwargs={'slug': slug})}?person={person.pk}",
        }


def person_and_places(
    user: User, organization: Organization, pk: int
) -> tuple[Person, list[Place]]:
    """A person of ``organization``, and the ledgers that they have; 404 for any other."""
    people = Person.objects.visible_to(user).filter(organization=organization)
    person = get_object_or_404(people, pk=pk)
    connections = reads.connections_of(user, organization)
    rows = Member.objects.filter(person=person, connection__in=connections).order_by("pk")
    accounts = [(row.connection_id, row.remote_id) for row in rows if row.remote_id]
    return person, places_of(connections, accounts)


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("usage.read")
def person_calls(request: Any, pk: int) -> HttpResponseBase:
    """The list; a POST keeps, changes or deletes a saved view of it. While a ledger is being read,
    what stands above the list asks for itself again."""
    request.person, request.places = person_and_places(request.user, request.organization, pk)
    return answer(request, PersonCalls)


def answer(request: Any, page: type[CallList]) -> HttpResponseBase:
    """A list of calls, or what stands above it alone."""
    if request.htmx.target != "ledgers":
        return page.respond(request)
    listed = page(request)
    context = listed.context()
    if not context["waiting"]:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, f"{page.template}#ledgers", {"page": listed, **context})


@require_POST
@desk_view("usage.read")
def read_person_calls(request: DeskRequest, pk: int) -> HttpResponse:
    """Have a person's ledgers read, back to the UTC day ``first``."""
    person, places = person_and_places(request.user, request.organization, pk)
    url = reverse("usage:calls", kwargs={"slug": request.organization.slug, "pk": person.pk})
    return ask(request, places, url, "usage.read")


def ask(request: Any, places: list[Place], url: str, action: str) -> HttpResponse:
    """Ask for ledgers to be read, say what came of it, and go back to the list at ``url``."""
    try:
        first = date.fromisoformat(request.POST.get("first", ""))
    except ValueError:
        messages.error(request, _("Choose the first day to read: write it as 2026-01-31."))
        return redirect(url)
    by_connection: dict[Connection, list[str]] = {}
    for one in places:
        by_connection.setdefault(one.connection, []).append(one.account)
    for connection, accounts in by_connection.items():
        try:
            calls.ask(
                connection=connection,
                accounts=accounts,
                first=first,
                actor=request.user,
                action=action,
            )
        except calls.CallsRefused as refused:
            messages.error(request, f"{connection}: {refused}")
    query = request.POST.get("query", "")
    return redirect(f"{url}?{query}" if query else url)
