"""The API's way to usage, cost and Claude Code: the same question as the pages ask, answered in exact figures.

Decimals are strings, to the last digit. What cannot be asked is an error that names the parameter: a
script that reads a number must not get another one than it asked for.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, ClassVar

from django.http import QueryDict
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_shapes import Shape
from apps.organizations.models import Connection
from apps.usage import coding_page, coding_reads, missing_words, reads
from apps.usage.answer import periods, value_of
from apps.usage.api_answers import (
    DEFAULT_ROWS,
    MOST_ROWS,
    CodingAsked,
    CodingSerializer,
    UsageAsked,
    UsageSerializer,
)
from apps.usage.asking import Asking
from apps.usage.coding_page import CodingAsking
from apps.usage.coding_reads import Work
from apps.usage.coding_views import telling, unseen
from apps.usage.coverage import coverage_of
from apps.usage.models import ReportName
from apps.usage.names import TOKEN_KINDS, Names
from apps.usage.question import SCOPED, Question
from apps.usage.rows import Row
from apps.usage.views import READ, kept_from

# --- Views ---------------------------------------------------------------------------------------


def checked(shape: type[Shape], request: Request) -> dict[str, Any]:
    """The parameters of an address; 400 for what is none."""
    given = shape(data=request.query_params.dict())
    given.is_valid(raise_exception=True)
    found: dict[str, Any] = given.validated_data
    return found


def _params(
    request: Request, connections: Sequence[Connection], asked: Mapping[str, Any]
) -> QueryDict:
    """The address as the page has it: connections by the number that stands there. ``asked``: as checked."""
    params = request.query_params.copy()
    if "connection" in params:
        known = {str(one.uid): str(one.pk) for one in connections}
        wanted = [str(one).lower() for one in params.getlist("connection")]
        if any(one not in known for one in wanted):
            raise serializers.ValidationError({"connection": [_("There is no such connection.")]})
        params.setlist("connection", [known[one] for one in wanted])
    params["compare"] = "1" if asked.get("compare") else ""
    if "group" not in params:
        params["group"] = ""
    return params


def _question(asking: Asking) -> Question:
    """The question; 400 where any of it would have been answered otherwise than asked."""
    question = asking.question
    if asking.errors:
        raise serializers.ValidationError({name: [why] for name, why in asking.errors.items()})
    return question


class UsageView(DeskAPIMixin):
    """Usage and cost over the organization's connections."""

    actions: ClassVar[dict[str, str]] = {"get": "usage.read"}
    serializer_class = UsageSerializer

    @extend_schema(
        operation_id="usage_retrieve",
        tags=["usage"],
        parameters=[UsageAsked],
        responses=UsageSerializer,
    )
    def get(self, request: Request, slug: str) -> Response:
        """Tokens and money by whatever the page of usage can group and filter by; estimates are marked."""
        asked = checked(UsageAsked, request)
        connections = reads.connections_of(request.user, self.organization)
        params = _params(request, connections, asked)
        asking = Asking(params, kept_from=kept_from(connections), connections=connections)
        return self.told(asking, asked, connections, READ)

    def told(
        self,
        asking: Asking,
        asked: Mapping[str, Any],
        connections: Sequence[Connection],
        reports: Sequence[str],
    ) -> Response:
        """The answer to a question about ``connections``; ``reports`` are what it is read from."""
        question = _question(asking)
        by = question.by if question.by_asked else ""
        chosen = reads.hourly(connections) if by == "hour" else list(connections)
        found = self._sums(question, chosen, by, question.first, question.last)
        offset = asked.get("offset", 0)
        page = found.rows[offset : offset + asked.get("limit", DEFAULT_ROWS)]
        previous = None
        if question.compare:
            first, last = question.previous()
            earlier = self._sums(question, chosen, by, first, last)
            previous = {
                "first": first,
                "last": last,
                "rows": self._written(question, chosen, by, earlier.rows[:MOST_ROWS]),
                "totals": _totals(earlier.rows, by),
                "coverage": earlier.coverage,
            }
        answer = {
            "first": question.first,
            "last": question.last,
            "by": by or None,
            "grouped_by": question.group or None,
            "count": len(found.rows),
            "rows": self._written(question, chosen, by, page),
            "totals": _totals(found.rows, by),
            "previous": previous,
            "coverage": found.coverage,
            "not_included": [
                *missing_words.sentences(found.coverage),
                *missing_words.by_nature(connections, *reports),
            ],
            "sources": missing_words.sources(connections),
        }
        return Response(UsageSerializer(answer).data)

    @staticmethod
    def _sums(
        question: Question, connections: Sequence[Connection], by: str, first: date, last: date
    ) -> reads.Totals:
        """The rows in an order that stays: by period, then the dearest first. 400 for hours not kept any more."""
        group_by = [*([by] if by else []), *question.group_by]
        try:
            found = reads.totals(connections, first, last, group_by, question.filters)
        except reads.BadQuestion as error:
            name = "by" if (first, last) == (question.first, question.last) else "compare"
            raise serializers.ValidationError({name: [str(error)]}) from error
        found.rows.sort(
            key=lambda row: (
                str(row.group.get(by, "")),
                -row.cost,
                -row.tokens,
                str(value_of(row, question.group)),
                row.currency,
            )
        )
        return found

    def _written(
        self, question: Question, connections: Sequence[Connection], by: str, rows: Sequence[Row]
    ) -> list[dict[str, Any]]:
        names = Names(self.organization, connections)
        values = [value_of(row, question.group) for row in rows]
        called = names.of(question.group, list(dict.fromkeys(values))) if question.group else {}
        told = []
        for row, value in zip(rows, values, strict=True):
            line = _figures(row, by)
            at = row.group[by] if by else None
            line["period"] = at.isoformat() if at else None
            if isinstance(at, datetime):
                line["period"] = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            line["group"] = str(value[0]) if question.group else None
            line["name"] = str(called[value]) if question.group else None
            line["connection"] = None
            if question.group == "connection":
                line["group"] = str(names.connections[int(value[0])].uid)
            elif question.group in SCOPED:
                line["connection"] = names.connections[value[1]].uid
            told.append(line)
        return told


def _figures(row: Row, by: str) -> dict[str, Any]:
    """A row's figures; by the hour there is no money."""
    hourly = by == "hour"
    names = (*TOKEN_KINDS, "tokens", "web_searches", "requests", "cache_hit_rate", "currency")
    told = {name: getattr(row, name) for name in names}
    return told | {
        "cost": None if hourly else row.cost,
        "billed": None if hourly else row.billed,
        "listed": row.listed,
        "is_estimate": row.is_estimate and not hourly,
    }


def _totals(rows: Sequence[Row], by: str) -> list[dict[str, Any]]:
    """The sum of rows for each currency."""
    sums: dict[str, Row] = {}
    for row in rows:
        sums.setdefault(row.currency, Row({}, row.currency)).add(row)
    for one in sums.values():
        # Parts that are estimates may sum up to what is billed: then the sum is none.
        one.is_estimate = one.is_estimate and one.cost != one.billed
    return [_figures(sums[currency], by) for currency in sorted(sums)]


class CodingView(DeskAPIMixin):
    """Claude Code over the organization's connections."""

    actions: ClassVar[dict[str, str]] = {"get": "usage.read"}
    serializer_class = CodingSerializer

    @extend_schema(
        operation_id="usage_claude_code_retrieve",
        tags=["usage"],
        parameters=[CodingAsked],
        responses=CodingSerializer,
    )
    def get(self, request: Request, slug: str) -> Response:
        """Who used Claude Code, what came of it, and what the provider thinks it cost."""
        asked = checked(CodingAsked, request)
        every = reads.connections_of(request.user, self.organization)
        connections = telling(every)
        params = _params(request, connections, asked)
        asking = CodingAsking(
            params, kept_from=kept_from(connections, ReportName.CODING), connections=connections
        )
        question = _question(asking)
        where = coding_page.where_of(question, connections)
        everybody = coding_reads.coders(where)
        coding_reads.find_people(everybody, self.organization)
        sums = coding_reads.sums_by_kind(where)
        coverage = coverage_of(
            where.connections, question.first, question.last, [ReportName.CODING]
        )
        answer = {
            "first": question.first,
            "last": question.last,
            "people": len({one.email for one in everybody if one.email}),
            "keys": sum(not one.email for one in everybody),
            "total": coding_reads.total_of(sums),
            "coders": everybody,
            "terminals": _sessions(sums["terminal"]),
            "customers": _sessions(sums["customer_type"]),
            "tools": _tools(sums["tool"]),
            "periods": _adoption(where, question) if question.by_asked else [],
            "coverage": coverage,
            "not_included": [*missing_words.sentences(coverage), *unseen(every)],
        }
        return Response(CodingSerializer(answer).data)


def _sessions(sums: Mapping[str, Work]) -> list[Mapping[str, Any]]:
    found = [{"name": name, "sessions": work.sessions} for name, work in sums.items()]
    return sorted(found, key=lambda one: -one["sessions"])


def _tools(sums: Mapping[str, Work]) -> list[Mapping[str, Any]]:
    by_taken = sorted(sums.items(), key=lambda one: -one[1].accepted)
    return [
        {"name": tool, "accepted": work.accepted, "rejected": work.rejected}
        for tool, work in by_taken
    ]


def _adoption(where: coding_reads.Range, question: Question) -> list[Mapping[str, Any]]:
    at: list[Any] = periods(question.first, question.last, question.by)
    found = coding_reads.adoption(where, question.by, at)
    return [
        {"period": one, "active": row.active, "new": row.new, "ever": row.ever}
        for one, row in found.items()
    ]
