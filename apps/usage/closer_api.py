"""The API's way to what is read when somebody asks: the last hours by the minute, and single calls."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_problems import Conflict, RefusingMixin, answers
from apps.organizations.api_shapes import (
    Moment,
    NewestFirst,
    Shape,
    asked_of_list,
    sent,
    written,
)
from apps.organizations.models import Connection
from apps.usage import calls, headroom, minutes
from apps.usage.api_answers import Exact
from apps.usage.call_lists import Place, calls_of, standings_of
from apps.usage.call_lists import Standing as LedgerStanding
from apps.usage.call_models import Call
from apps.usage.call_views import person_and_places
from apps.usage.days import day_of, midnight
from apps.usage.minute_views import MOST, Standing
from apps.usage.minute_views import standings_of as minutes_of
from apps.usage.names import Names

# --- Minutes -------------------------------------------------------------------------------------


class MinuteSerializer(serializers.Serializer[Any]):
    """Tokens of one minute, of all models and workspaces together."""

    at = Moment(help_text="When it begins.")
    input = serializers.IntegerField(help_text="That did not come from the cache.")
    cached = serializers.IntegerField(help_text="Input from the cache.")
    output = serializers.IntegerField()


class BusiestSerializer(serializers.Serializer[Any]):
    """The highest minutes of one model in one workspace."""

    model = serializers.CharField()
    workspace = serializers.CharField(help_text="The provider's id of it.")
    name = serializers.CharField(help_text="The workspace's.")
    at = Moment(help_text="The minute with the most input, from the cache included.")
    input = serializers.IntegerField(help_text="That did not come from the cache.")
    input_with_cache = serializers.IntegerField()
    output = serializers.IntegerField()


class MinutesSerializer(serializers.Serializer[Any]):
    """The last hours of one connection by the minute, as far as somebody has asked for them."""

    connection = serializers.UUIDField()
    state = serializers.CharField(
        help_text="queued, running, done, failed; empty: never asked for.", allow_blank=True
    )
    asked_at = Moment(allow_null=True)
    asked_by = serializers.EmailField(allow_null=True)
    read_at = Moment(allow_null=True)
    error = serializers.CharField(allow_blank=True)
    why_not = serializers.CharField(
        allow_blank=True, help_text="Why it cannot be asked for now; empty: it can."
    )
    not_included = serializers.ListField(child=serializers.CharField())
    minutes = MinuteSerializer(many=True)
    busiest = BusiestSerializer(many=True, help_text=f"The first {MOST}.")


class MinutesView(RefusingMixin, DeskAPIMixin):
    """The last hours by the minute."""

    actions: ClassVar[dict[str, str]] = {"get": "usage.read", "post": "sync.start"}
    serializer_class = MinutesSerializer
    refusals = (minutes.NotNow,)

    def _standing(self, uid: Any) -> Standing:
        found = minutes_of(self.actor, self.organization)
        standing = next((one for one in found if one.connection.uid == uid), None)
        if standing is None:
            raise Http404
        return standing

    def _shown(self, uid: Any, status: int = 200) -> Response:
        standing = self._standing(uid)
        reading = standing.reading if standing.has_minutes else None
        rows = headroom.busiest(reading, MOST) if reading else []
        places = [(one.workspace, standing.connection.pk) for one in rows]
        names = Names(self.organization, [standing.connection]).of("workspace", list(set(places)))
        known = standing.reading
        told = {
            "connection": standing.connection.uid,
            "state": known.state if known else "",
            "asked_at": known.asked_at if known else None,
            "asked_by": known.asked_by.email if known and known.asked_by else None,
            "read_at": known.read_at if known else None,
            "error": known.error if known else "",
            "why_not": standing.locked,
            "not_included": standing.left_out if reading else [],
            "minutes": [
                {"at": at, "input": fresh, "cached": cached, "output": output}
                for at, (fresh, cached, output) in (headroom.by_minute(reading) if reading else [])
            ],
            "busiest": [
                {
                    "model": one.model,
                    "workspace": one.workspace,
                    "name": str(names[place]),
                    "at": one.at,
                    "input": one.input,
                    "input_with_cache": one.input_with_cache,
                    "output": one.output,
                }
                for one, place in zip(rows, places, strict=True)
            ],
        }
        return Response(MinutesSerializer(told).data, status)

    @extend_schema(
        operation_id="usage_minutes_retrieve", tags=["usage"], responses=MinutesSerializer
    )
    def get(self, request: Request, slug: str, uid: str) -> Response:
        """What was read of the last hours, and its busiest minutes. 404 where a provider tells of none."""
        return self._shown(uid)

    @extend_schema(
        operation_id="usage_minutes_read",
        tags=["usage"],
        request=None,
        responses=answers(MinutesSerializer, 202),
    )
    def post(self, request: Request, slug: str, uid: str) -> Response:
        """Have them read anew; GET tells when they are there. At most once a minute."""
        minutes.ask(connection=self._standing(uid).connection, actor=self.actor)
        return self._shown(uid, 202)


# --- Single calls --------------------------------------------------------------------------------


class CallsAsked(Shape):
    """What calls can be narrowed by."""

    since = serializers.DateField(required=False, help_text="UTC day, included.")
    until = serializers.DateField(required=False, help_text="UTC day, included.")
    model = serializers.CharField(required=False, max_length=200)
    operation = serializers.CharField(required=False, max_length=200)
    connection = serializers.UUIDField(required=False)


class CallSerializer(serializers.Serializer[Call]):
    """One billable call. Null: the provider does not say."""

    connection = serializers.UUIDField(source="connection.uid")
    account = serializers.CharField(help_text="The provider's id of who called.")
    remote_id = serializers.CharField(help_text="The provider's own id of it.")
    at = Moment()
    operation = serializers.CharField()
    model = serializers.CharField()
    inference_provider = serializers.CharField(help_text="Who served it.")
    generation_id = serializers.CharField()
    prompt_tokens = serializers.IntegerField(allow_null=True, help_text="Cached ones included.")
    cached_tokens = serializers.IntegerField(allow_null=True)
    completion_tokens = serializers.IntegerField(allow_null=True)
    total_tokens = serializers.IntegerField(allow_null=True)
    own_key = serializers.BooleanField(
        allow_null=True, help_text="By a key of the customer's own at who served it."
    )
    charged = Exact(allow_null=True, help_text="Dollars, off the balance.")
    listed = Exact(allow_null=True, help_text="Dollars, the list price.")


class LedgerSerializer(serializers.Serializer[LedgerStanding]):
    """How far the calls of one account at one connection are read."""

    connection = serializers.UUIDField(source="place.connection.uid")
    account = serializers.CharField(source="place.account")
    waiting = serializers.BooleanField(help_text="A reading is on its way.")
    read_at = Moment(source="ledger.read_at", default=None, allow_null=True)
    read_back_to = Moment(source="ledger.reached", default=None, allow_null=True)
    ended = serializers.BooleanField(
        source="ledger.ended", default=False, help_text="There is nothing older."
    )
    error = serializers.CharField(source="ledger.error", default="", allow_blank=True)
    why_not = serializers.CharField(
        source="why", allow_blank=True, help_text="Why it cannot be read now; empty: it can."
    )


class LedgersWanted(Shape):
    """How far back calls are to be read."""

    first = serializers.DateField(help_text="UTC day. What is older than is kept is not read.")


class CallsMixin(DeskAPIMixin, viewsets.GenericViewSet[Call]):
    """Mix into a view of single calls; ``places`` says whose. Reading them asks for ``reads``."""

    serializer_class = CallSerializer
    shapes: ClassVar[dict[str, Any]] = {"ledgers": LedgerSerializer}
    queryset = Call.objects.none()  # for the description alone
    reads: ClassVar[str]

    @property
    def pagination_class(self) -> Any:  # type: ignore[override]  # asked for once a request
        """Calls come by pages; ledgers, of which an account has one, do not."""
        return NewestFirst if self.action == "list" else None

    def places(self, **which: Any) -> list[Place]:
        """The accounts at hand, nobody's unless a view says whose; 404 where there is no such thing."""
        return []

    def _calls(self, request: Request, places: Sequence[Place]) -> Response:
        asked = asked_of_list(CallsAsked, request)
        rows: QuerySet[Call] = calls_of(self.actor, places)
        if "since" in asked:
            rows = rows.filter(at__gte=midnight(day_of(asked["since"])))
        if "until" in asked:
            rows = rows.filter(at__lt=midnight(day_of(asked["until"]) + 1))
        lookups = {"model": "model", "operation": "operation", "connection": "connection__uid"}
        rows = rows.filter(**{lookups[name]: asked[name] for name in lookups if name in asked})
        page = self.paginate_queryset(rows.select_related("connection"))
        return self.get_paginated_response(written(CallSerializer, page))

    def _ledgers(self, places: Sequence[Place], status: int = 200) -> Response:
        return Response(written(LedgerSerializer, standings_of(places)), status)

    def _read(self, request: Request, places: Sequence[Place]) -> Response:
        first = sent(LedgersWanted, request)["first"]
        by_connection: dict[Connection, list[str]] = {}
        for one in places:
            by_connection.setdefault(one.connection, []).append(one.account)
        refused = []
        for connection, accounts in by_connection.items():
            try:
                calls.ask(
                    connection=connection,
                    accounts=accounts,
                    first=first,
                    actor=self.actor,
                    action=self.reads,
                )
            except calls.CallsRefused as why:
                refused.append(f"{connection}: {why}")
        if refused and len(refused) == len(by_connection):
            raise Conflict(" ".join(refused))
        return self._ledgers(places, 202)


@extend_schema(tags=["usage"])
class PersonCallsViewSet(CallsMixin):
    """The single calls of one person, at all connections that tell of any."""

    actions: ClassVar[dict[str, str]] = {"*": "usage.read"}
    reads = "usage.read"

    def places(self, **which: Any) -> list[Place]:
        """Their ledgers."""
        return person_and_places(self.actor, self.organization, which["pk"])[1]

    @extend_schema(operation_id="usage_calls_list", parameters=[CallsAsked])
    def list(self, request: Request, slug: str, pk: int) -> Response:
        """Single calls of a person, as far as they were read; what was read last comes first."""
        return self._calls(request, self.places(pk=pk))

    @extend_schema(
        operation_id="usage_call_ledgers_list",
        responses=LedgerSerializer(many=True),
    )
    def ledgers(self, request: Request, slug: str, pk: int) -> Response:
        """How far their calls are read, account by account."""
        return self._ledgers(self.places(pk=pk))

    @extend_schema(
        operation_id="usage_calls_read",
        request=LedgersWanted,
        responses=answers(LedgerSerializer(many=True), 202),
    )
    def read(self, request: Request, slug: str, pk: int) -> Response:
        """Have them read back to a day. It is noted in the audit log, for it is about one person."""
        return self._read(request, self.places(pk=pk))
