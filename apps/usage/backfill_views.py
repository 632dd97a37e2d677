"""How far the reading of past usage is, on the connection's page; pausing it and letting it go on."""

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.usage import ledger, services
from apps.usage.days import date_of
from apps.usage.models import Report


@dataclass(frozen=True, slots=True)
class Backfill:
    """One report, and how many days of its past are read."""

    report: Report
    done: int
    wanted: int

    @property
    def percent(self) -> int:
        """0 to 100; 100 only when it is done."""
        return 100 if self.done >= self.wanted else self.done * 100 // self.wanted

    @property
    def since(self) -> str:
        """The earliest day wanted."""
        return date_format(date_of(self.report.backfill_to), "j M Y")


def backfill_of(report: Report) -> Backfill:
    """How far it is. Two queries."""
    return Backfill(report, *ledger.progress(report))


def _report(request: DeskRequest, uid: UUID, report: str) -> Report:
    visible = Connection.objects.visible_to(request.user).live()
    connection = get_object_or_404(visible, uid=uid, organization=request.organization)
    return get_object_or_404(Report, connection=connection, name=report)


@desk_view("connections.read", changes="usage.backfill")
@require_POST
def pause(request: DeskRequest, uid: UUID, report: str) -> HttpResponse:
    """Read nothing older for now."""
    services.pause_backfill(report=_report(request, uid, report), actor=request.user)
    return redirect("organizations:connection", request.organization.slug, uid)


@desk_view("connections.read", changes="usage.backfill")
@require_POST
def resume(request: DeskRequest, uid: UUID, report: str) -> HttpResponse:
    """Go on with the past."""
    services.resume_backfill(report=_report(request, uid, report), actor=request.user)
    return redirect("organizations:connection", request.organization.slug, uid)


def progress(request: DeskRequest, *, connection: Connection) -> SafeString | str:
    """Slot "organizations:connection": each report of the connection. A query, and two for each."""
    reports = Report.objects.filter(connection=connection).select_related("paused_by")
    rows = [backfill_of(one) for one in reports.order_by("pk")]
    if not rows:
        return ""
    context = {
        "connection": connection,
        "organization": request.organization,
        "rows": rows,
        "over": connection.state == Connection.State.DISCONNECTED,
        "may_change": request.may("usage.backfill"),
    }
    return render_to_string("usage/_backfill.html", context, request)
