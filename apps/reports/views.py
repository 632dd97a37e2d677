"""Pages of reports."""

import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import ResolverMatch, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.notices.lists import delivery_state
from apps.notices.models import Delivery
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Organization
from apps.reports import pages, services
from apps.reports.calendar import in_words
from apps.reports.forms import ScheduleForm
from apps.reports.letters import REPORT, page_url
from apps.reports.lists import ReportList, outcome, standing
from apps.reports.models import Run, Schedule
from apps.ui.models import SavedView
from apps.ui.saved import KEPT

LATELY = 15
MOST_QUERY = 1000  # characters, as a saved view keeps


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("reports.read")
def reports(request: DeskRequest) -> HttpResponseBase:
    """The list; a POST keeps, changes or deletes a saved view of it."""
    return ReportList.respond(request)


# --- A new one ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """The page that somebody wants to have sent, as the address names it."""

    match: ResolverMatch
    path: str
    query: str
    list_name: str

    @property
    def kwargs(self) -> dict[str, Any]:
        """Of the address, without the organization."""
        return {
            name: value if isinstance(value, int) else str(value)
            for name, value in self.match.kwargs.items()
            if name != "slug"
        }

    @property
    def url(self) -> str:
        """Its address with its filters."""
        return f"{self.path}?{self.query}" if self.query else self.path


def wanted_page(address: str, list_name: str, organization: Organization) -> Wanted | None:
    """The page at ``address``; None unless it is one of ``organization`` of which views can be kept."""
    parts = urlsplit(address)
    match = pages.find(parts.path, organization)
    if match is None or list_name not in KEPT or len(parts.query) > MOST_QUERY:
        return None
    return Wanted(match, parts.path, parts.query, list_name)


def _wanted(request: DeskRequest) -> tuple[Wanted, SavedView | None]:
    """That of ``?page=``, and the reader's own view of ``?view=``. 404 where there is no such page."""
    found = wanted_page(
        request.GET.get("page", ""), request.GET.get("list", ""), request.organization
    )
    if found is None:
        raise Http404
    number = request.GET.get("view", "")
    mine = SavedView.objects.filter(
        organization=request.organization, owner=request.user, list_name=found.list_name
    )
    view = mine.filter(pk=number).first() if number.isdecimal() and len(number) < 19 else None
    return found, view


def _form(request: DeskRequest, initial: dict[str, Any], others: int = 0) -> ScheduleForm:
    return ScheduleForm(
        request.POST if request.method == "POST" else None,
        initial=initial,
        organization=request.organization,
        may_use_webhooks=request.may("notices.deliveries"),
        others=others,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("reports.own")
def new(request: DeskRequest) -> HttpResponse:
    """Have the page at ``?page=`` sent regularly: every Monday at eight to whoever asks, unless changed."""
    wanted, view = _wanted(request)
    title = str(KEPT[wanted.list_name])
    form = _form(
        request,
        {
            "name": view.name if view else request.GET.get("name", "")[:120] or title,
            "rhythm": "week:0",
            "hour": "8",
            "users": [request.user.pk],
        },
    )
    refusal = ""
    try:
        pages.check(request.user, request.organization, wanted.match, wanted.query)
    except pages.CannotSee as why:
        refusal = str(why)
    if request.method == "POST" and not refusal and form.is_valid():
        schedule = services.create_schedule(
            organization=request.organization,
            actor=request.user,
            list_name=wanted.list_name,
            url_name=wanted.match.view_name,
            url_kwargs=wanted.kwargs,
            query=wanted.query,
            view=view,
            **form.cleaned_data,
        )
        messages.success(request, _("Kept. “Send now” shows what it looks like."))
        return redirect("reports:report", slug=request.organization.slug, pk=schedule.pk)
    context = {
        "title": _("Send regularly"),
        "form": form,
        "page_title": title,
        "refusal": refusal,
        "submit": _("Send it regularly"),
        "cancel_url": wanted.url,
    }
    return render(request, "reports/form.html", context)


# --- One of them ----------------------------------------------------------------------------------


def _schedule(request: DeskRequest, pk: int) -> Schedule:
    mine = Schedule.objects.visible_to(request.user).filter(organization=request.organization)
    return get_object_or_404(mine.select_related("organization", "owner", "view"), pk=pk)


def _to_change(request: DeskRequest, pk: int) -> Schedule:
    schedule = _schedule(request, pk)
    if not services.may_change(request.user, schedule, request.role):
        raise PermissionDenied(_("Whoever made it can change it, and owners and admins."))
    return schedule


@require_safe
@desk_view("reports.read")
def report(request: DeskRequest, pk: int) -> HttpResponse:
    """One report: what it sends, to whom, when next, and how the last times went."""
    schedule = _schedule(request, pk)
    runs = list(schedule.runs.defer("csv")[:LATELY])
    about = Delivery.objects.filter(
        organization=request.organization, kind=REPORT, subject_id__in=[run.pk for run in runs]
    )
    sent = list(about.select_related("user", "endpoint").order_by("pk"))
    by_run: dict[int, list[Any]] = {}
    for one in sent:
        by_run.setdefault(one.subject_id, []).append((one, delivery_state(one)))
    first = (Run.State.WAITING, 0), (Run.State.MAKING, 1)
    under_way = any((run.state, run.attempts) in first for run in runs)
    receivers = list(schedule.users.order_by("name", "email"))
    context = {
        "title": schedule.name,
        "schedule": schedule,
        "when": in_words(schedule.rhythm, schedule.hour, request.organization.time_zone),
        "standing": standing(schedule),
        "page_url": page_url(schedule) if schedule.view else "",
        "receivers": receivers,
        "endpoints": list(schedule.endpoints.all()),
        "is_receiver": request.user in receivers,
        "runs": [(run, outcome(run.state), by_run.get(run.pk, [])) for run in runs],
        "under_way": under_way or any(one.is_under_way for one in sent),
        "may_change": services.may_change(request.user, schedule, request.role),
        "may_see_deliveries": request.may("notices.deliveries"),
        "nonce": uuid.uuid4().hex,
    }
    fragment = "#runs" if request.headers.get("HX-Target") == "runs" else ""
    return render(request, f"reports/report.html{fragment}", context)


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("reports.own")
def change(request: DeskRequest, pk: int) -> HttpResponse:
    """Another time, name or receiver."""
    schedule = _to_change(request, pk)
    webhooks = list(schedule.endpoints.values_list("pk", flat=True))
    form = _form(
        request,
        {
            "name": schedule.name,
            "rhythm": schedule.rhythm,
            "hour": str(schedule.hour),
            "users": list(schedule.users.values_list("pk", flat=True)),
            "endpoints": webhooks,
        },
        others=len(webhooks),
    )
    page = reverse("reports:report", kwargs={"slug": request.organization.slug, "pk": pk})
    if request.method == "POST" and form.is_valid():
        wanted: Any = form.cleaned_data
        try:
            services.change_schedule(schedule=schedule, actor=request.user, **wanted)
            return redirect(page)
        except services.Refused as refused:
            form.add_error("users", str(refused))
    context = {
        "title": _("Change this report"),
        "form": form,
        "submit": _("Save"),
        "cancel_url": page,
    }
    return render(request, "reports/form.html", context)


def _back(request: DeskRequest, pk: int) -> HttpResponse:
    return redirect("reports:report", slug=request.organization.slug, pk=pk)


@require_POST
@desk_view("reports.own")
def pause(request: DeskRequest, pk: int) -> HttpResponse:
    """Send nothing for the time being, or go on."""
    schedule = _to_change(request, pk)
    paused = request.POST.get("paused") == "1"  # as the button said: the page may be an old one
    services.pause_schedule(schedule=schedule, actor=request.user, paused=paused)
    words = _("Paused: nothing is sent.") if paused else _("It goes on with the next time due.")
    messages.success(request, words)
    return _back(request, pk)


@require_POST
@desk_view("reports.own")
def send_now(request: DeskRequest, pk: int) -> HttpResponse:
    """Have it sent at once, besides its times."""
    schedule = _to_change(request, pk)
    if schedule.stopped_at:
        messages.error(request, _("It has stopped: %(why)s") % {"why": schedule.stopped_why})
    else:
        nonce = request.POST.get("nonce") or uuid.uuid4().hex
        services.send_now(schedule=schedule, actor=request.user, nonce=nonce)
        messages.info(request, _("It is being made. Below stands what comes of it."))
    return _back(request, pk)


@require_POST
@desk_view("reports.read")
def leave(request: DeskRequest, pk: int) -> HttpResponse:
    """Have it sent to oneself no more."""
    if services.leave(schedule=_schedule(request, pk), user=request.user):
        messages.success(request, _("It is not sent to you any more."))
    return _back(request, pk)


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("reports.own")
def delete(request: DeskRequest, pk: int) -> HttpResponse:
    """Ask, then end it."""
    schedule = _to_change(request, pk)
    if request.method == "POST":
        services.delete_schedule(schedule=schedule, actor=request.user)
        messages.success(request, _("“%(name)s” is deleted.") % {"name": schedule.name})
        return redirect("reports:list", slug=request.organization.slug)
    context = {
        "title": _("Delete the report “%(name)s”?") % {"name": schedule.name},
        "cancel_url": reverse(
            "reports:report", kwargs={"slug": request.organization.slug, "pk": pk}
        ),
        "danger": True,
    }
    return render(request, "reports/delete.html", context)
