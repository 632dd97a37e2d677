"""Pages of the audit log. They stand on this shelf because the log itself knows no tenants."""

import json

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from apps.audit import verification
from apps.audit.chain import CHAINED_FIELDS, link
from apps.audit.words import in_words
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.audit_list import AuditList
from apps.organizations.models import Connection


@desk_view("audit.read")
@require_http_methods(["GET", "HEAD", "POST"])
def listing(request: DeskRequest) -> HttpResponseBase:
    """The log."""
    return AuditList.respond(request)


@desk_view("audit.read")
@require_http_methods(["GET", "HEAD"])
def entry(request: DeskRequest, sequence: int) -> HttpResponse:
    """One line with all that it holds, and whether its own hash still fits."""
    lines = AuditList(request).rows()
    line = get_object_or_404(lines, sequence=sequence)
    facts = {name: getattr(line, name) for name in CHAINED_FIELDS}
    context = {
        "entry": line,
        "what": in_words(line.verb),
        "details": json.dumps(line.details, indent=2, ensure_ascii=False) if line.details else "",
        "connection": Connection.objects.visible_to(request.user)
        .filter(pk=line.connection_id or 0, organization=request.organization)
        .first(),
        "fits": line.hash == link(line.previous_hash, facts),
        "newer": lines.filter(sequence=sequence + 1).exists(),
        "older": sequence > 1,
    }
    return render(request, "organizations/audit/entry.html", context)


@desk_view("audit.read")
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def verify(request: DeskRequest) -> HttpResponse:
    """POST verifies the log; GET shows how far that is, or what the last one found."""
    if request.method == "POST":
        verification.ask(request.organization.pk)
        return redirect("audit:verify", slug=request.organization.slug)
    state = verification.last(request.organization.pk)
    context = {
        "state": state,
        "at": parse_datetime(state.at) if state and state.at else None,
        "percent": 100 * state.done // state.of if state and state.of else 0,
    }
    template = "organizations/audit/verify.html"
    return render(request, f"{template}#state" if request.htmx else template, context)  # type: ignore[attr-defined]  # set by HtmxMiddleware
