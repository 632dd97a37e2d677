"""Pages of what is spent: at a glance, and held against what became of the credit and what is billed."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from apps.billing import glance as glancing
from apps.billing import reconciled, reconciling
from apps.billing.buying import buyers
from apps.billing.models import Subscription
from apps.billing.views import cost_of
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.ui import export, saved
from apps.usage import missing_words, reads
from apps.usage.asking import Asking
from apps.usage.question import PRESETS, Question
from apps.usage.views import READ, kept_from

SPEND, RECONCILIATION = "spend", "reconciliation"
saved.KEPT[SPEND] = gettext_lazy("Spend at a glance")
saved.KEPT[RECONCILIATION] = gettext_lazy("Reconciliation")
# Of the ranges of usage, those that whole statements are made of.
OFFERED = ("month", "last_month", "7d", "30d", "90d", "12m")
DEFAULT = "month"


def _file(form: str, table: Iterable[list[Any]], title: str, name: str) -> HttpResponseBase:
    """``form`` "csv" or "xlsx"; another is a 404."""
    if form not in ("csv", "xlsx"):
        raise Http404
    return export.csv_of(table, name) if form == "csv" else export.xlsx_of(table, title, name)


@require_safe
@desk_view("billing.read")
def glance(request: DeskRequest) -> HttpResponseBase:
    """What is spent this month, was last month and will be; ``?export=csv`` the same as a file."""
    connections = reads.connections_of(request.user, request.organization)
    found = glancing.at_a_glance(connections)
    title = _("Spend")
    if form := request.GET.get("export"):
        name = f"{request.organization.slug}-spend-{found.months.today}"
        return _file(form, glancing.table(found), title, name)
    context = {
        "title": title,
        "tab": SPEND,
        "glance": found,
        "whole": found.wholes[0],
        "others": found.wholes[1:],
        "plans": [_plan(one) for one in found.plans],
        "coverage": found.coverage,
        "by_nature": missing_words.by_nature(connections, *READ),
        "may_buy": bool(buyers(request)),
    }
    return render(request, "billing/glance.html", context)


def _plan(held: Subscription) -> dict[str, Any]:
    return {"held": held, "price": cost_of(held)}


# --- Reconciliation -------------------------------------------------------------------------------


def question_of(
    params: QueryDict, connections: list[Connection], default: str = DEFAULT
) -> Question:
    """The period that an address asks for, read as the pages of usage read theirs."""
    asked = params.copy()
    if not any(asked.get(name) for name in ("range", "from", "to")):
        asked["range"] = default
    kept = {name: asked.getlist(name) for name in ("range", "from", "to", "connection")}
    only = QueryDict(mutable=True)
    for name, values in kept.items():
        only.setlist(name, values)
    return Asking(only, kept_from=kept_from(connections), connections=connections).question


def chosen(question: Question, connections: list[Connection]) -> list[Connection]:
    """The connections that the question lets through."""
    wanted = question.filters.get("connection")
    return [one for one in connections if not wanted or str(one.pk) in wanted]


def query_of(question: Question, preset: str | None = None) -> str:
    """A question as an address holds it; with another preset."""
    name = question.preset if preset is None else preset
    held = [("range", name)]
    if not name:
        held = [("from", question.first.isoformat()), ("to", question.last.isoformat())]
    held += [("connection", one) for one in question.filters.get("connection", [])]
    return urlencode(held)


@require_safe
@desk_view("billing.read")
def reconciliation(request: DeskRequest) -> HttpResponseBase:
    """Credit against what came in and went out, and usage against the cost report, over a period;
    ``?export=csv`` or ``xlsx`` the same as a file."""
    connections = reads.connections_of(request.user, request.organization)
    question = question_of(request.GET, connections)
    title = _("Reconciliation")
    form = request.GET.get("export")
    found = None
    if not question.stopped:
        mine = chosen(question, connections)
        found = reconciling.reconcile(mine, question.first, question.last)
    if form:
        if found is None:
            raise Http404
        name = f"{request.organization.slug}-reconciliation-{question.first}-{question.last}"
        return _file(form, reconciled.table(found), title, name)
    context = {
        "title": title,
        "tab": RECONCILIATION,
        "question": question,
        "found": found,
        "connections": connections,
        "chosen": question.filters.get("connection", [""])[0],
        "presets": [
            (name, PRESETS[name], f"?{query_of(question, name)}", question.preset == name)
            for name in OFFERED
        ],
        "first": question.typed.get("from") or question.first.isoformat(),
        "last": question.typed.get("to") or question.last.isoformat(),
        "called": f"{title}, {str(PRESETS[question.preset]).lower()}"
        if question.preset in PRESETS
        else title,
        "query": query_of(question),
    }
    return render(request, "billing/reconciliation.html", context)
