"""The hygiene report: what is worth a look, the gravest first, as a page and key by key as CSV."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpResponseBase, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from apps.keys import findings
from apps.keys.findings import SEVERITIES, Finding
from apps.keys.lists import KeyList
from apps.organizations.access import DeskRequest
from apps.ui import export as exports
from apps.ui.listing import BulkAction


@dataclass(frozen=True, slots=True)
class Line:
    """One finding as the page shows it. ``remedy`` is None where this reader can do nothing here."""

    finding: Finding
    tone: str
    severity: Promise
    count: int
    url: str  # the list of just these keys
    query: str  # the same, for the bulk action's form
    remedy: BulkAction | None = None
    action_url: str = ""


def _page(request: DeskRequest, finding: str = "") -> KeyList:
    query = QueryDict(mutable=True)
    if finding:
        query["finding"] = finding
    page = KeyList(request, query)
    page.path = reverse("keys:list", kwargs={"slug": request.organization.slug})
    return page


def lines(request: DeskRequest) -> list[Line]:
    """What was found, the gravest first; findings that hold for no key come last. Few queries."""
    page = _page(request)
    counts = findings.counted(page.rows())
    remedies = {one.name: (one, url) for one, url in page.actions}
    ranks = list(SEVERITIES)
    found = [_line(page, one, counts[one.key], remedies) for one in findings.FINDINGS.values()]
    return sorted(found, key=lambda one: (not one.count, ranks.index(one.finding.severity)))


def _line(
    page: KeyList, finding: Finding, count: int, remedies: dict[str, tuple[BulkAction, str]]
) -> Line:
    tone, word = SEVERITIES[finding.severity]
    remedy, action_url = remedies.get(finding.remedy, (None, ""))
    query = f"finding={finding.key}"
    url = f"{page.path}?{query}&view=all"
    return Line(finding, tone, word, count, url, query, remedy, action_url)


def export(request: DeskRequest) -> HttpResponseBase:
    """One line for each key and finding."""
    if request.GET.get("export") != "csv":
        raise Http404
    day = timezone.localdate().isoformat()
    return exports.csv_of(_rows(request), f"{request.organization.slug}-key-hygiene-{day}")


def _rows(request: DeskRequest) -> Iterator[list[Any]]:
    heading = [str(_("Severity")), str(_("Finding"))]
    for number, finding in enumerate(findings.FINDINGS.values()):
        page = _page(request, finding.key)
        for place, line in enumerate(exports.lines(page)):
            if place:
                yield [str(SEVERITIES[finding.severity][1]), str(finding.title), *line]
            elif not number:
                yield [*heading, *line]
