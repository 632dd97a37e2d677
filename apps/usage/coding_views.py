"""The page of Claude Code."""

from collections.abc import Sequence

from django.http import Http404, HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.ui import export
from apps.usage import coding_page, kept, missing_words, reads
from apps.usage.coding_page import CodingAsking
from apps.usage.controls import controls_of, look_up
from apps.usage.kept import KeptPage
from apps.usage.models import ReportName
from apps.usage.question import Question
from apps.usage.views import kept_from, utc_midnight


def ask(request: DeskRequest, connections: Sequence[Connection]) -> Question:
    """The question that the address asks."""
    found = look_up(request.GET, request.organization, connections)
    asking = CodingAsking(
        request.GET,
        kept_from=kept_from(connections, ReportName.CODING),
        connections=connections,
        found=found,
    )
    return asking.question


def telling(connections: Sequence[Connection]) -> list[Connection]:
    """Those whose provider tells of Claude Code at all."""
    return [
        one
        for one in connections
        if one.provider in PROVIDERS and ReportName.CODING in PROVIDERS[one.provider].reports
    ]


def unseen(connections: Sequence[Connection]) -> list[str]:
    """Whose Claude Code cannot be seen: what the reports leave out, and providers without one."""
    lines = missing_words.by_nature(connections, ReportName.CODING)
    lines += [
        _("%(connection)s: %(provider)s tells nothing of Claude Code.")
        % {"connection": one.name, "provider": PROVIDERS[one.provider].label}
        for one in connections
        if one.provider in PROVIDERS and ReportName.CODING not in PROVIDERS[one.provider].reports
    ]
    return lines


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("usage.read")
def coding(request: DeskRequest) -> HttpResponseBase:
    """Who uses Claude Code, what came of it and what it cost; ``?export=csv`` the table of people.

    A POST keeps, changes or deletes a saved view of it.
    """
    every = reads.connections_of(request.user, request.organization)
    connections = telling(every)
    question = ask(request, connections)
    page = KeptPage(request, kept.CODING, question)
    if found := page.respond():
        return found
    if form := request.GET.get("export"):
        if form not in ("csv", "xlsx") or question.stopped:
            raise Http404
        name = f"{request.organization.slug}-claude-code-{question.first}-{question.last}"
        table = coding_page.file_lines(question, connections, request.organization)
        return (
            export.csv_of(table, name)
            if form == "csv"
            else export.xlsx_of(table, _("Claude Code"), name)
        )
    context = {
        "title": _("Claude Code"),
        "page": page,
        "question": question,
        "connections": connections,
        "answer": coding_page.answer(question, connections, request.organization),
        "controls": controls_of(
            question,
            request.organization,
            connections,
            groups=CodingAsking.groups,
            shows=CodingAsking.shows,
            widths=coding_page.CODING_WIDTHS,
            menus=["connection"],
        ),
        "midnight": utc_midnight(question.last, request.organization),
        "unseen": unseen(every),
    }
    fragment = "#region" if request.headers.get("HX-Target") == "usage" else ""
    response = render(request, f"usage/coding.html{fragment}", context)
    if fragment:
        response["HX-Push-Url"] = page.url()
    patch_vary_headers(response, ["HX-Target"])
    return response
