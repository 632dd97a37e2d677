"""Pages of incidents: the list, one incident, and what can be done about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.forms import Form
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.incidents import services, words
from apps.incidents.causes import who_of
from apps.incidents.forms import MuteForm, ResolveForm
from apps.incidents.lists import IncidentList
from apps.incidents.models import WANTING, Incident, Kind, State
from apps.incidents.naming import Thing, names_of, thing_of, usage_url
from apps.incidents.picture import chart_of
from apps.keys import services as keys
from apps.keys.models import Key
from apps.organizations.access import DeskRequest, desk_view
from apps.sync.asking import heard
from apps.sync.models import Command
from apps.sync.outbox.requests import RequestRefused
from apps.usage.days import date_of, day_of
from apps.usage.names import Name

DEACTIVATE = "keys.deactivate"


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("incidents.read")
def incidents(request: DeskRequest) -> HttpResponseBase:
    """The list; a POST keeps, changes or deletes a saved view of it."""
    return IncidentList.respond(request)


def _incident(request: DeskRequest, pk: int) -> Incident:
    found = Incident.objects.visible_to(request.user).filter(
        connection__organization=request.organization
    )
    wanted = found.select_related("connection__organization", "acted_by")
    return get_object_or_404(wanted, pk=pk)


def _address(request: DeskRequest, name: str, one: Incident) -> str:
    return reverse(f"incidents:{name}", args=[request.organization.slug, one.pk])


@dataclass(frozen=True, slots=True)
class Told:
    """A cause as the page shows it."""

    head: str
    text: str
    who: Name | None


def _key_of(one: Incident) -> Key | None:
    """The key that would be switched off: the incident's own, or the one that it comes from. One query."""
    if one.kind == Kind.QUIET:
        return None  # to switch off what is missed helps nobody
    value = one.value if one.kind == Kind.KEY else ""
    for cause in one.causes:
        who = who_of(cause)
        if not value and who and who[0] == "key":
            value = who[1]
    if not value:
        return None
    rows = Key.objects.filter(connection=one.connection, remote_id=value, gone_at__isnull=True)
    return rows.select_related("connection__organization").first()


def _names(request: DeskRequest, one: Incident) -> dict[Thing, Name]:
    things = [thing_of(one)]
    things += [(who[0], one.connection_id, who[1]) for it in one.causes if (who := who_of(it))]
    return names_of(request.organization, [one.connection], things)


def _causes(one: Incident, names: dict[Thing, Name]) -> list[Told]:
    told = []
    for cause in one.causes:
        who = who_of(cause)
        name = names[who[0], one.connection_id, who[1]] if who else None
        given = {**cause, "label": name.text} if name else cause
        told.append(Told(str(words.CAUSES[cause["name"]]), words.cause(given), name))
    return told


@require_GET
@desk_view("incidents.read")
def incident(request: DeskRequest, pk: int) -> HttpResponse:
    """One incident: what, how much, since when, why, and what can be done about it."""
    one = _incident(request, pk)
    names = _names(request, one)
    day, observed, expected, limit = one.worst
    key, today = _key_of(one), day_of(timezone.now())
    may = request.may("incidents.change") and request.may("usage.read")
    context: dict[str, Any] = {
        "incident": one,
        "name": names[thing_of(one)],
        "title": str(names[thing_of(one)].text),
        "tone": words.TONES[one.severity],  # type: ignore[index]  # a severity as text is one
        "state_tone": words.STATE_TONES[one.state],  # type: ignore[index]  # likewise
        "came_to": words.told(one.observed, one),
        "usually": words.told(one.expected, one),
        "is_quiet": one.kind == Kind.QUIET,
        "off_by": words.told(abs(one.excess), one),
        "times": words.times(one),
        "worst": {
            "day": date_of(day),
            "came_to": words.told(observed, one),
            "usually": words.told(expected, one),
            "limit": words.amount(limit, one),
            "url": usage_url(request.organization, one, day, day),
        },
        "is_over": one.last < today - 1,
        "is_today": one.last == today,
        "days": len(one.daily),
        "causes": _causes(one, names),
        "chart": chart_of(one, today),
        "url": usage_url(request.organization, one, one.since, min(today, one.last)),
        "key": key,
        "key_why_not": keys.why_not(DEACTIVATE, key) if key else "",
        "may_deactivate": _may_deactivate(request, key),
        "may_change": may,
        "wants": one.state in WANTING,
        "is_open": one.state == State.OPEN,
        "muted_until": date_of(one.muted_until) if one.muted_until else None,
    }
    return render(request, "incidents/incident.html", context)


def _may_deactivate(request: DeskRequest, key: Key | None) -> bool:
    return (
        key is not None
        and request.may("keys.change")
        and key.connection.can("keys.change")
        and not keys.why_not(DEACTIVATE, key)
    )


# --- What can be done about it -------------------------------------------------------------------


@desk_view("incidents.change")
@require_POST
def acknowledge(request: DeskRequest, pk: int) -> HttpResponse:
    """Say that somebody looks into it."""
    one = _incident(request, pk)
    try:
        services.acknowledge(incident=one, actor=request.user)
    except services.Refused as refused:
        messages.error(request, str(refused))
    return redirect(_address(request, "one", one))


@desk_view("incidents.change")
@require_POST
def take_up(request: DeskRequest, pk: int) -> HttpResponse:
    """Open it again by hand."""
    one = _incident(request, pk)
    try:
        services.take_up(incident=one, actor=request.user)
    except services.Refused as refused:
        messages.error(request, str(refused))
    return redirect(_address(request, "one", one))


def _ask(
    request: DeskRequest,
    one: Incident,
    form: Form,
    act: Callable[[], object],
    template: str,
    **more: Any,
) -> HttpResponse:
    """Show the form; once it is filled in well, act. What is refused stands beside its field."""
    if request.method == "POST" and form.is_valid():
        try:
            act()
        except services.Refused as refused:
            form.add_error(refused.field or None, str(refused))
        else:
            return redirect(_address(request, "one", one))
    context = {
        "incident": one,
        "form": form,
        "cancel_url": _address(request, "one", one),
        "wants": one.state in WANTING,
        **more,
    }
    return render(request, template, context)


@desk_view("incidents.change")
@require_http_methods(["GET", "HEAD", "POST"])
def resolve(request: DeskRequest, pk: int) -> HttpResponse:
    """Say that it is dealt with."""
    one = _incident(request, pk)
    form = ResolveForm(request.POST if request.method == "POST" else None)

    def act() -> object:
        reason = form.cleaned_data["reason"]
        return services.resolve(incident=one, actor=request.user, reason=reason)

    title = _("Resolve “%(name)s”?") % {"name": one}
    return _ask(request, one, form, act, "incidents/resolve.html", title=title)


@desk_view("incidents.change")
@require_http_methods(["GET", "HEAD", "POST"])
def mute(request: DeskRequest, pk: int) -> HttpResponse:
    """Say that it is meant to be so."""
    one = _incident(request, pk)
    form = MuteForm(request.POST if request.method == "POST" else None)

    def act() -> object:
        return services.mute(
            incident=one,
            actor=request.user,
            reason=form.cleaned_data["reason"],
            until=form.last_day,
        )

    title = _("Mute “%(name)s”?") % {"name": one}
    return _ask(request, one, form, act, "incidents/mute.html", title=title)


@desk_view("keys.change")
@require_http_methods(["GET", "HEAD", "POST"])
def deactivate(request: DeskRequest, pk: int) -> HttpResponse:
    """Switch off the key that it comes from, once it is said what that means."""
    one = _incident(request, pk)
    key = _key_of(one)
    if key is None:
        raise Http404
    nonce = request.POST.get("nonce") or uuid4().hex
    context: dict[str, Any] = {
        "incident": one,
        "key": key,
        "nonce": nonce,
        "title": _("Deactivate “%(name)s”?") % {"name": key},
        "locked": ""
        if key.connection.can("keys.change")
        else key.connection.why_not("keys.change"),
        "cancel_url": _address(request, "one", one),
        "danger": True,
    }
    context["locked"] = context["locked"] or keys.why_not(DEACTIVATE, key)
    if request.method != "POST":
        return render(request, "incidents/deactivate.html", context)
    try:
        command = heard(keys.change(kind=DEACTIVATE, key=key, actor=request.user, nonce=nonce))
    except RequestRefused as refused:
        context |= {"refused": str(refused), "nonce": uuid4().hex}
        return render(request, "incidents/deactivate.html", context)
    _say(request, key, command)
    return redirect(_address(request, "one", one))


def _say(request: DeskRequest, key: Key, command: Command) -> None:
    if command.is_open:
        messages.info(request, _("“%(name)s” is being deactivated.") % {"name": key})
    else:
        messages.success(request, _("“%(name)s” is deactivated.") % {"name": key})
