"""The page of one model: what it cost and used, and by whom, over all connections that know it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection, Organization
from apps.usage import missing_words, reads
from apps.usage.answer import Answer, Answering, Line, by_group, figure
from apps.usage.asking import Asking
from apps.usage.controls import controls_of
from apps.usage.models import Dimension
from apps.usage.names import Names
from apps.usage.question import GROUPS, SCOPED, WIDTHS, Question, Words
from apps.usage.rows import Row
from apps.usage.tuples import CUBES, MARKS
from apps.usage.views import READ, kept_from, utc_midnight

SHOWN = 8  # rows of each table; all of them are on the page of usage
WHO: tuple[tuple[str, Words], ...] = (
    ("person", gettext_lazy("People")),
    ("key", gettext_lazy("API keys")),
    ("workspace", gettext_lazy("Workspaces")),
    ("connection", gettext_lazy("Connections")),
)
MILLION = 1_000_000
_GRAIN = next(grain.id for grain in CUBES if grain.name == "model")


class ModelAsking(Asking):
    """Reads the question of this page: a range and a figure; the model is the page's own."""

    groups: ClassVar[Mapping[str, Words]] = {"": GROUPS[""]}
    usual: ClassVar[tuple[str, str]] = ("", "cost")

    def __init__(self, model: str, params: QueryDict, **given: Any) -> None:
        super().__init__(params, **given)
        self.model = model

    def _filters(self, found: Question) -> None:
        super()._filters(found)
        kept = {name: found.filters[name] for name in ("connection",) if name in found.filters}
        found.filters = {**kept, "model": [self.model]}
        found.compare = True


@dataclass(slots=True)
class Who:
    """One table: who used it, the most first. ``url``: all of them, on the page of usage."""

    name: str
    label: Words
    url: str
    lines: list[Line] = field(default_factory=list)
    more: int = 0


def connections_with(model: str, connections: Sequence[Connection]) -> list[Connection]:
    """The connections that have met a model, by the provider's name of it. One query."""
    if model in MARKS:
        return []
    rows = Dimension.objects.filter(connection__in=connections, grain=_GRAIN, model=model)
    met = set(rows.values_list("connection_id", flat=True))
    return [one for one in connections if one.pk in met]


def tables(
    question: Question, answer: Answer, connections: Sequence[Connection], desk: Organization
) -> list[Who]:
    """Who used it, told apart in each way. Three queries at most for each."""
    if question.stopped or not answer.lines:
        return []
    usage = reverse("usage:usage", kwargs={"slug": desk.slug})
    names = Names(desk, connections)
    found = []
    for group, label in WHO:
        group_by = [group, *(["connection"] if group in SCOPED else [])]
        rows = reads.sums(connections, question.first, question.last, group_by, question.filters)
        groups = by_group(rows, group, answer.currency)
        ordered = sorted(groups, key=lambda one: (-groups[one].cost, -groups[one].tokens))
        called = names.of(group, ordered[:SHOWN])
        whole = answer.total.cost
        table = Who(group, label, usage + question.url(group=group, usual=("model", "cost")))
        if group == "person" and len({name.text for name in called.values()}) == len(called):
            for name in called.values():
                name.note = ""  # an address tells two of one name apart, and takes much room
        for one in ordered[:SHOWN]:
            row = groups[one]
            share = Decimal(figure(row, "cost")) / whole if whole else None
            pinned = str(one[1]) if one[1] and len(connections) > 1 else ""
            url = usage + question.within(group, str(one[0]), connection=pinned, group="model")
            table.lines.append(Line(called[one], row, None, share, url))
        table.more = max(0, len(ordered) - SHOWN)
        found.append(table)
    return found


def per_million(row: Row) -> Decimal | None:
    """What a million tokens came to, in the row's currency; None without tokens or money."""
    return row.cost * MILLION / row.tokens if row.tokens and row.cost else None


@require_safe
@desk_view("usage.read")
def model(request: DeskRequest, model: str) -> HttpResponse:
    """What one model cost and used, compared with the period before, and by whom it was used."""
    every = reads.connections_of(request.user, request.organization)
    connections = connections_with(model, every)
    if not connections:
        raise Http404
    asking = ModelAsking(
        model, request.GET, kept_from=kept_from(connections), connections=connections
    )
    question = asking.question
    answer = Answering(question, connections, request.organization).run()
    context = {
        "title": model,
        "model": model,
        "question": question,
        "answer": answer,
        "controls": controls_of(
            question,
            request.organization,
            connections,
            groups=ModelAsking.groups,
            widths=WIDTHS,
            menus=["connection"],
            finds=False,
        ),
        "per_million": per_million(answer.total),
        "per_million_before": per_million(answer.previous) if answer.previous else None,
        "tables": tables(question, answer, connections, request.organization),
        "usage_url": reverse("usage:usage", kwargs={"slug": request.organization.slug})
        + question.url(group="workspace", usual=("model", "cost")),
        "by_nature": missing_words.by_nature(connections, *READ),
        "sources": missing_words.sources(connections),
        "midnight": utc_midnight(question.last, request.organization),
    }
    fragment = "#region" if request.headers.get("HX-Target") == "usage" else ""
    response = render(request, f"usage/model.html{fragment}", context)
    if fragment:
        response["HX-Push-Url"] = request.path + question.url()
    patch_vary_headers(response, ["HX-Target"])
    return response
