"""The API's way to cost centres: what they take, what belongs where, and the statements, in exact figures."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.centres import contents, months, places, statements, words
from apps.centres.contents import Took
from apps.centres.models import CostCentre, Rule
from apps.centres.months import Span
from apps.centres.statement_views import month_sums
from apps.centres.statements import Piece, Statement
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_shapes import Moment, Shape
from apps.usage.api_answers import DEFAULT_ROWS, MOST_ROWS, Exact
from apps.usage.question import utc_today

# --- What may be asked -------------------------------------------------------------------------------


class _Paged(Shape):
    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=MOST_ROWS, help_text=f"Rows; default {DEFAULT_ROWS}."
    )
    offset = serializers.IntegerField(required=False, min_value=0)


class AllocationsAsked(_Paged):
    """Of which month, and of which centre."""

    month = serializers.RegexField(
        r"^\d{4}-\d{2}$", required=False, help_text="2026-01; default: the last that is over."
    )
    centre = serializers.IntegerField(
        required=False, help_text="0: what belongs to none. Default: all."
    )


def _checked(shape: type[Shape], request: Request) -> dict[str, Any]:
    given = shape(data=request.query_params.dict())
    given.is_valid(raise_exception=True)
    found: dict[str, Any] = given.validated_data
    return found


def month_of(text: str) -> Span:
    """The month of an address; 404 for none, or one that has not begun."""
    found = months.of_slug(text)
    if found is None or found.first > utc_today():
        raise Http404
    return found


# --- Shapes ------------------------------------------------------------------------------------------


class CentreRuleSerializer(serializers.ModelSerializer[Rule]):
    """A rule. ``items`` of a list: "connection/id at the provider" of keys and workspaces, people by number."""

    items = serializers.ListField(child=serializers.CharField(), read_only=True)
    in_words = serializers.SerializerMethodField()

    class Meta:
        model = Rule
        fields = ("id", "subject", "kind", "text", "items", "in_words")

    def get_in_words(self, rule: Rule) -> str:
        """As pages have it."""
        return words.ruling(rule)


class CentreSerializer(serializers.ModelSerializer[CostCentre]):
    """A cost centre. Centres and rules stand in the order in which they decide."""

    rules = CentreRuleSerializer(many=True, read_only=True)

    class Meta:
        model = CostCentre
        fields = ("id", "name", "code", "rules")


class MoneySerializer(serializers.Serializer[Any]):
    """An amount in its currency."""

    currency = serializers.CharField()
    amount = Exact()


class AllocationSerializer(serializers.Serializer[Any]):
    """A key, person or workspace, where it belongs, which rule says so, and what it cost in the month."""

    subject = serializers.CharField(help_text='"key", "person", "workspace"; "" for none of them.')
    name = serializers.CharField()
    connection = serializers.CharField()
    item = serializers.CharField(help_text="As lists of rules have it.")
    centre = serializers.IntegerField(allow_null=True)
    rule = serializers.CharField(allow_null=True)
    costs = MoneySerializer(many=True)


class AllocationsSerializer(serializers.Serializer[Any]):
    """A page of them, the dearest first."""

    month = serializers.CharField()
    count = serializers.IntegerField()
    rows = AllocationSerializer(many=True)


class MonthSerializer(serializers.Serializer[Any]):
    """A month: whether it is closed, and what all of its statements come to."""

    month = serializers.CharField()
    closed_at = Moment(allow_null=True)
    closed_by = serializers.CharField(allow_null=True)
    sums = MoneySerializer(many=True)


class SumSerializer(serializers.Serializer[Any]):
    """``amount`` is billed and shared together; ``corrected`` is how much of it is of closed months."""

    currency = serializers.CharField()
    amount = Exact()
    billed = Exact()
    shared = Exact(help_text="An estimate: a part of what several centres have in common.")
    corrected = Exact()


class StatementSerializer(serializers.Serializer[Any]):
    """One centre's part of a month; ``centre`` null is what belongs to none."""

    centre = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()
    sums = SumSerializer(many=True)


class LineSerializer(serializers.Serializer[Any]):
    """A line of a statement. ``month`` is that of the money: another one is a correction."""

    centre = serializers.IntegerField(allow_null=True)
    month = serializers.CharField()
    connection = serializers.CharField()
    workspace = serializers.CharField()
    key = serializers.CharField()
    person = serializers.CharField()
    model = serializers.CharField()
    currency = serializers.CharField()
    amount = Exact()
    is_estimate = serializers.BooleanField()


class StatementsSerializer(serializers.Serializer[Any]):
    """A month with all of its statements; ``limit`` and ``offset`` choose among the lines."""

    month = serializers.CharField()
    closed_at = Moment(allow_null=True)
    closed_by = serializers.CharField(allow_null=True)
    statements = StatementSerializer(many=True)
    totals = MoneySerializer(many=True, help_text="The providers' own, without corrections.")
    may_close = serializers.BooleanField()
    why_not = serializers.ListField(child=serializers.CharField())
    count = serializers.IntegerField()
    lines = LineSerializer(many=True)


def _money(sums: Iterable[tuple[str, Decimal]]) -> list[dict[str, Any]]:
    return [{"currency": currency, "amount": amount} for currency, amount in sorted(sums)]


# --- Views -------------------------------------------------------------------------------------------


class AllocationsView(DeskAPIMixin):
    """What belongs where."""

    actions: ClassVar[dict[str, str]] = {"get": "centres.read"}
    serializer_class = AllocationsSerializer

    @extend_schema(
        operation_id="allocations_retrieve",
        tags=["centres"],
        parameters=[AllocationsAsked],
        responses=AllocationsSerializer,
    )
    def get(self, request: Request, slug: str) -> Response:
        """Keys, people and workspaces that cost anything in a month, with the rule that decides today."""
        asked = _checked(AllocationsAsked, request)
        span = month_of(asked["month"]) if "month" in asked else months.last_whole()
        wanted = [asked["centre"] or None] if "centre" in asked else []
        connections = places.connections_of(self.organization)
        rows = contents.took(self.organization, connections, span, *wanted)
        offset = asked.get("offset", 0)
        page = rows[offset : offset + asked.get("limit", DEFAULT_ROWS)]
        answer = {"month": span.slug, "count": len(rows), "rows": list(map(_allocation, page))}
        return Response(AllocationsSerializer(answer).data)


def _allocation(one: Took) -> dict[str, Any]:
    return {
        "subject": one.subject,
        "name": one.name.text,
        "connection": one.connection,
        "item": one.item,
        "centre": one.ruling.centre if one.ruling else None,
        "rule": words.ruling(one.ruling) if one.ruling else None,
        "costs": _money(one.costs.items()),
    }


class MonthsView(DeskAPIMixin):
    """The months."""

    actions: ClassVar[dict[str, str]] = {"get": "centres.read"}
    serializer_class = MonthSerializer

    @extend_schema(
        operation_id="statements_list", tags=["centres"], responses=MonthSerializer(many=True)
    )
    def get(self, request: Request, slug: str) -> Response:
        """Every month of which anything was read, the newest first, and who closed it."""
        connections = places.connections_of(self.organization)
        closed = months.closed_of(self.organization)
        listed = months.listed(connections)
        sums = month_sums(self.organization, connections, listed, closed)
        rows = []
        for span in listed:
            closing = closed.get(span.number)
            rows.append(
                {
                    "month": span.slug,
                    "closed_at": closing.closed_at if closing else None,
                    "closed_by": str(closing.closed_by) if closing and closing.closed_by else None,
                    "sums": _money(sums.get(span.number, [])),
                }
            )
        return Response(MonthSerializer(rows, many=True).data)


class StatementsView(DeskAPIMixin):
    """The statements of one month."""

    actions: ClassVar[dict[str, str]] = {"get": "centres.read"}
    serializer_class = StatementsSerializer

    @extend_schema(
        operation_id="statements_retrieve",
        tags=["centres"],
        parameters=[_Paged],
        responses=StatementsSerializer,
    )
    def get(self, request: Request, slug: str, month: str) -> Response:
        """A month by cost centre, and its lines. All statements together are the providers' total."""
        asked = _checked(_Paged, request)
        span = month_of(month)
        found = statements.month(self.organization, span, unallocated=_("Unallocated"))
        connections = places.connections_of(self.organization)
        why = [] if found.closing else months.obstacles(connections, span)
        pieces = [(one, piece) for one in found.statements for piece in one.pieces if piece.shared]
        offset = asked.get("offset", 0)
        closing = found.closing
        answer = {
            "month": span.slug,
            "closed_at": closing.closed_at if closing else None,
            "closed_by": str(closing.closed_by) if closing and closing.closed_by else None,
            "statements": [_statement(one) for one in found.statements],
            "totals": _money(found.totals.items()),
            "may_close": closing is None and not why,
            "why_not": why,
            "count": len(pieces),
            "lines": _lines(pieces[offset : offset + asked.get("limit", DEFAULT_ROWS)]),
        }
        return Response(StatementsSerializer(answer).data)


def _statement(one: Statement) -> dict[str, Any]:
    return {"centre": one.centre, "name": one.name, "sums": list(one.sums.values())}


def _lines(pieces: Sequence[tuple[Statement, Piece]]) -> list[dict[str, Any]]:
    return [
        {
            "centre": one.centre,
            "month": months.of_number(piece.month).slug,
            **{name: piece.names[name] for name in ("workspace", "key", "person", "model")},
            "connection": piece.names["connection"],
            "currency": piece.currency,
            "amount": piece.amount,
            "is_estimate": piece.is_estimate,
        }
        for one, piece in pieces
    ]
