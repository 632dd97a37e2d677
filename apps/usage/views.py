"""The pages of usage: usage and cost."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from django.db.models import Min
from django.http import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection, Organization
from apps.usage import downloads, kept, minutes, missing_words, reads
from apps.usage.answer import Answering, chosen, figure_labels, group_label
from apps.usage.asking import Asking
from apps.usage.controls import controls_of, look_up
from apps.usage.days import date_of
from apps.usage.kept import KeptPage
from apps.usage.models import Report, ReportName
from apps.usage.question import Question

READ = (ReportName.USAGE, ReportName.COSTS)


def kept_from(connections: Sequence[Connection], *reports: str) -> date | None:
    """The first day that any of the connections is read back to; None before a first reading."""
    names = reports or READ
    rows = Report.objects.filter(connection__in=connections, name__in=names)
    earliest = rows.aggregate(earliest=Min("backfill_to"))["earliest"]
    return None if earliest is None else date_of(earliest)


def utc_midnight(day: date, organization: Organization) -> dict[str, str]:
    """When a UTC day begins on the reader's clock, "here", and on the organization's, "there": "02:00 CEST".

    "" where it is midnight there too; "there" also where the two clocks agree.
    """
    begins = datetime.combine(day, time.min, UTC)
    here, there = timezone.localtime(begins), timezone.localtime(begins, organization.zone)
    same = here.utcoffset() == there.utcoffset()
    return {"here": _clock(here), "there": "" if same else _clock(there)}


def _clock(local: datetime) -> str:
    return f"{local:%H:%M} {local.tzname()}" if local.utcoffset() else ""


def ask(request: DeskRequest, connections: Sequence[Connection]) -> Question:
    """The question that the address asks."""
    found = look_up(request.GET, request.organization, connections)
    asking = Asking(
        request.GET, kept_from=kept_from(connections), connections=connections, found=found
    )
    return asking.question


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("usage.read")
def usage(request: DeskRequest) -> HttpResponseBase:
    """Usage and cost over all connections: chart, table and what is missing; ``?export=csv`` the same as a file.

    A POST keeps, changes or deletes a saved view of it.
    """
    connections = reads.connections_of(request.user, request.organization)
    question = ask(request, connections)
    page = KeptPage(request, kept.USAGE, question)
    if found := page.respond():
        return found
    if form := request.GET.get("export"):
        return downloads.respond(form, question, connections, request.organization)
    answer = Answering(question, connections, request.organization).run()
    looked_at = chosen(question, connections)
    context: dict[str, Any] = {
        "title": _("Usage and cost"),
        "page": page,
        "question": question,
        "answer": answer,
        "connections": connections,
        "by_minute": any(map(minutes.is_told, connections)),
        "controls": controls_of(question, request.organization, connections),
        "group_label": group_label(question.group),
        **figure_labels(question),
        "any_estimate": any(line.row.is_estimate for line in answer.lines),
        "by_nature": missing_words.by_nature(looked_at, *READ),
        "sources": missing_words.sources(looked_at),
        "midnight": utc_midnight(question.last, request.organization),
    }
    fragment = "#region" if request.headers.get("HX-Target") == "usage" else ""
    response = render(request, f"usage/usage.html{fragment}", context)
    if fragment:
        response["HX-Push-Url"] = page.url()
    patch_vary_headers(response, ["HX-Target"])
    return response
