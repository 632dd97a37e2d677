"""Pages of walks: their progress, a sudden loss to decide about, rows that could not be read."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, OuterRef, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.providers.protocol import Words
from apps.sync import losses, mirrors, reconcile, schedule
from apps.sync.models import QuarantinedRow, Resource, SyncRun

SHOWN_LOSSES = 200
PAGE_ROWS = 50


@dataclass(frozen=True, slots=True)
class Listing:
    """One listing of a connection as the progress page shows it."""

    resource: Resource
    label: Words
    run: SyncRun | None
    running: bool
    unreadable: int

    @property
    def waiting(self) -> bool:
        """Whether a walk is about to begin."""
        due_at = self.resource.due_at
        return not self.running and due_at is not None and due_at <= timezone.now()

    @property
    def percent(self) -> int | None:
        """How much of it is read, going by the last complete walk; None where nobody knows."""
        if self.run is None or not self.run.expected:
            return None
        return min(99, self.run.seen * 100 // self.run.expected)

    @property
    def time_left(self) -> str:
        """How long it will take at the pace so far, in words; "" where nobody knows."""
        run = self.run
        if run is None or not run.expected or not run.seen or run.expected <= run.seen:
            return ""
        elapsed = (run.heartbeat_at - run.started_at).total_seconds()
        seconds = round(elapsed / run.seen * (run.expected - run.seen))
        if seconds < 90:
            return ngettext("%(n)d second left", "%(n)d seconds left", seconds) % {"n": seconds}
        minutes = round(seconds / 60)
        return ngettext("%(n)d minute left", "%(n)d minutes left", minutes) % {"n": minutes}


def _connection(request: DeskRequest, uid: UUID) -> Connection:
    """A live connection of the organization at hand, or 404."""
    visible = Connection.objects.visible_to(request.user).live()
    return get_object_or_404(visible, uid=uid, organization=request.organization)


def _resource(request: DeskRequest, uid: UUID, listing: str) -> Resource:
    connection = _connection(request, uid)
    return get_object_or_404(
        Resource.objects.select_related("connection"), connection=connection, name=listing
    )


def listings_of(connection: Connection) -> list[Listing]:
    """Each listing with its newest walk. Two queries."""
    newest = SyncRun.objects.filter(resource=OuterRef("pk")).order_by("-started_at", "-pk")
    resources = list(
        Resource.objects.filter(connection=connection)
        .annotate(newest=Subquery(newest.values("pk")[:1]), unreadable=Count("quarantine"))
        .order_by("pk")
    )
    runs = SyncRun.objects.in_bulk([getattr(row, "newest", None) or 0 for row in resources])
    now = timezone.now()
    found = []
    for row in resources:
        mirror = mirrors.get(row.name)
        if mirror:
            run = runs.get(getattr(row, "newest", None))
            running = bool(row.leased_until and row.leased_until > now)
            unreadable = getattr(row, "unreadable", 0)
            found.append(Listing(row, mirror.label, run, running, unreadable))
    return found


def _poll_seconds(connection: Connection, listings: list[Listing]) -> int:
    """How often the page asks again; 0 when there is nothing to wait for."""
    if schedule.why_not(connection):
        return 0
    if any(listing.running or listing.waiting for listing in listings):
        return 1
    unfinished = any(listing.resource.completed_at is None for listing in listings)
    return 5 if unfinished or not listings else 0


def _people_url(request: DeskRequest) -> str:
    try:
        return reverse("members:list", kwargs={"slug": request.organization.slug})
    except NoReverseMatch:  # the shelf above may be missing
        return ""


@desk_view("connections.read")
@require_http_methods(["GET", "HEAD"])
@never_cache
def progress(request: DeskRequest, uid: UUID) -> HttpResponse:
    """How far the walks of one connection are; asks again by itself until they are done."""
    connection = _connection(request, uid)
    listings = listings_of(connection)
    context = {
        "connection": connection,
        "listings": listings,
        "poll": _poll_seconds(connection, listings),
        "done": bool(listings) and all(row.resource.completed_at for row in listings),
        "why_not": schedule.why_not(connection),
        "people_url": _people_url(request),
        "may_start": request.may("sync.start"),
        "may_decide": request.may("sync.decide"),
    }
    template = "sync/progress.html"
    return render(request, f"{template}#listings" if _polls(request) else template, context)


def _polls(request: DeskRequest) -> bool:
    return getattr(request, "htmx", None) is not None and request.headers.get("HX-Target") == (
        "listings"
    )


@desk_view("connections.read", changes="sync.start")
@require_POST
def start(request: DeskRequest, uid: UUID) -> HttpResponse:
    """Walk every listing of the connection now."""
    connection = _connection(request, uid)
    try:
        schedule.ask_for_walk(connection=connection, actor=request.user)
    except schedule.WalkRefused as refused:
        messages.error(request, str(refused))
    return redirect("sync:progress", request.organization.slug, uid)


@desk_view("connections.read", changes="sync.decide")
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def loss(request: DeskRequest, uid: UUID, listing: str) -> HttpResponse:
    """A walk that missed suspiciously many rows: which, and what a person says to it."""
    resource = _resource(request, uid, listing)
    run = losses.question(resource)
    mirror = mirrors.get(listing)
    if run is None or not isinstance(mirror, mirrors.Mirror):
        messages.info(request, _("There is nothing to decide any more."))
        return redirect("sync:progress", request.organization.slug, uid)
    if request.method == "POST":
        return _decide(request, run, uid)
    missing = mirror.model._default_manager.filter(
        connection=resource.connection,
        remote_id__in=sorted(reconcile.missing(run))[:SHOWN_LOSSES],
        gone_at__isnull=True,
    ).order_by(mirror.label_column)
    rows = missing.values_list(mirror.label_column, "remote_id")
    context = {
        "connection": resource.connection,
        "run": run,
        "label": mirror.label,
        "before": resource.rows + run.would_remove,
        "rows": rows,
        "more": max(0, run.would_remove - SHOWN_LOSSES),
        "may_decide": request.may("sync.decide"),
    }
    return render(request, "sync/loss.html", context)


def _decide(request: DeskRequest, run: SyncRun, uid: UUID) -> HttpResponse:
    decision = request.POST.get("decision")
    # The page may be of an older walk: what is decided must be what was shown.
    current = request.POST.get("run") == str(run.pk)
    try:
        if not current:
            raise losses.AlreadyDecided
        if decision == "accept":
            losses.accept_loss(run=run, actor=request.user)
            messages.success(request, _("Noted. A fresh sync removes those it misses again."))
        elif decision == "dismiss":
            losses.dismiss_loss(run=run, actor=request.user)
            messages.success(request, _("Noted. They stay, and are not asked about for a day."))
        else:
            messages.error(request, _("Choose one of the two answers."))
            return redirect("sync:loss", request.organization.slug, uid, run.resource.name)
    except losses.AlreadyDecided:
        messages.info(request, _("A newer sync has changed what there is to decide. Look again."))
    return redirect("sync:progress", request.organization.slug, uid)


@desk_view("connections.read")
@require_http_methods(["GET", "HEAD"])
def unreadable(request: DeskRequest, uid: UUID, listing: str) -> HttpResponse:
    """Rows of one listing that could not be read, for diagnosis."""
    resource = _resource(request, uid, listing)
    mirror = mirrors.get(listing)
    rows = QuarantinedRow.objects.filter(resource=resource).order_by("-last_seen_at", "pk")
    context = {
        "connection": resource.connection,
        "label": mirror.label if mirror else listing,
        "page": Paginator(rows, PAGE_ROWS).get_page(request.GET.get("page")),
    }
    return render(request, "sync/unreadable.html", context)


def connection_actions(request: DeskRequest, *, connection: Connection) -> SafeString:
    """What the connection's own page offers of walks (slot "organizations:connection_actions")."""
    may_start = request.may("sync.start") and not schedule.why_not(connection)
    context = {
        "connection": connection,
        "organization": request.organization,
        "may_start": may_start,
    }
    if connection.state not in (Connection.State.ACTIVE, Connection.State.PAUSED):
        return SafeString("")
    return render_to_string("sync/_connection_actions.html", context, request)
