"""The API's way to incidents: what is far off its usual, and what is made of it. The pages' own services."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.incidents import services, words
from apps.incidents.causes import who_of
from apps.incidents.forms import LONGEST
from apps.incidents.lists import STATES
from apps.incidents.models import Ended, Incident, Kind, Severity, State, Unit
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_problems import Conflict, answers
from apps.organizations.api_shapes import Moment, NewestFirst, Shape, asked_of_list, sent, written
from apps.usage.days import date_of, day_of

# --- Shapes --------------------------------------------------------------------------------------


def _amount(value: int, one: Incident) -> str:
    """In the currency's own unit, or tokens; exactly as it is kept."""
    return str(Decimal(value).scaleb(-6)) if one.unit == Unit.MONEY else str(value)


class FarDaySerializer(serializers.Serializer[dict[str, Any]]):
    """One far-off day."""

    day = serializers.DateField(help_text="UTC.")
    observed = serializers.CharField()
    expected = serializers.CharField(help_text="What would have been usual.")
    limit = serializers.CharField(help_text="What would have been within bounds.")


class CauseSerializer(serializers.Serializer[dict[str, Any]]):
    """What is different from before: evidence, not a verdict."""

    name = serializers.ChoiceField(sorted(words.CAUSES))
    text = serializers.CharField(help_text="In a sentence, with its figures.")
    kind = serializers.CharField(allow_null=True, help_text="key or person, where it names one.")
    value = serializers.CharField(allow_null=True, help_text="The provider's id of that one.")


class IncidentSerializer(serializers.Serializer[Incident]):
    """Something far off its own history. Amounts are decimal strings in ``currency``, or tokens."""

    id = serializers.IntegerField()
    connection = serializers.UUIDField(source="connection.uid")
    provider = serializers.CharField(source="connection.provider")
    kind = serializers.ChoiceField(Kind.choices)
    value = serializers.CharField(
        help_text="The provider's id of what it is about; empty: the whole connection."
    )
    workspace = serializers.CharField(help_text="Where a key or a person is at home, if told.")
    name = serializers.CharField(source="label", help_text="What it was called when it was opened.")
    state = serializers.ChoiceField(State.choices)
    severity = serializers.ChoiceField(Severity.choices)
    unit = serializers.ChoiceField(Unit.choices)
    currency = serializers.CharField(help_text="Empty where tokens are counted.")
    since = serializers.DateField(source="since_date", help_text="The first far-off UTC day.")
    last = serializers.DateField(source="last_date", help_text="The last one so far.")
    observed = serializers.SerializerMethodField(help_text="The sum of the far-off days.")
    expected = serializers.SerializerMethodField(help_text="What would have been usual on them.")
    days = serializers.SerializerMethodField()
    causes = serializers.SerializerMethodField()
    times_opened = serializers.IntegerField(source="opened")
    opened_at = Moment()
    acted_by = serializers.EmailField(
        source="acted_by.email", read_only=True, default=None, allow_null=True
    )
    reason = serializers.CharField()
    ended = serializers.ChoiceField([("", ""), *Ended.choices], help_text="How it was resolved.")
    settled_at = Moment(allow_null=True, help_text="When it was resolved or muted.")
    muted_until = serializers.SerializerMethodField(
        help_text="The last UTC day of it; null: for good, or not muted."
    )

    def get_observed(self, row: Incident) -> str:
        """Of all its days."""
        return _amount(row.observed, row)

    def get_expected(self, row: Incident) -> str:
        """Of all its days."""
        return _amount(row.expected, row)

    @extend_schema_field(FarDaySerializer(many=True))
    def get_days(self, row: Incident) -> list[dict[str, Any]]:
        """Oldest first."""
        return [
            {
                "day": date_of(int(day)).isoformat(),
                "observed": _amount(observed, row),
                "expected": _amount(expected, row),
                "limit": _amount(limit, row),
            }
            for day, (observed, expected, limit) in sorted(row.daily.items())
        ]

    @extend_schema_field(CauseSerializer(many=True))
    def get_causes(self, row: Incident) -> list[dict[str, Any]]:
        """The likeliest first."""
        found = []
        for cause in row.causes:
            kind, value = who_of(cause) or (None, None)
            text = words.cause(cause)
            found.append({"name": cause["name"], "text": text, "kind": kind, "value": value})
        return found

    @extend_schema_field(serializers.DateField(allow_null=True))
    def get_muted_until(self, row: Incident) -> str | None:
        """As a date."""
        return None if row.muted_until is None else date_of(row.muted_until).isoformat()


class IncidentsAsked(Shape):
    """What the list of incidents can be narrowed by."""

    connection = serializers.UUIDField(required=False)
    state = serializers.ChoiceField(
        [(key, label) for key, (label, _condition) in STATES.items()], required=False
    )
    kind = serializers.ChoiceField(Kind.choices, required=False)
    severity = serializers.ChoiceField(Severity.choices, required=False)
    value = serializers.CharField(required=False, help_text="The provider's id of the subject.")
    since = serializers.DateField(
        required=False, help_text="Those that have a far-off day on or after this UTC day."
    )


class Resolving(Shape):
    """What was done about it."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST, default="")


class Muting(Shape):
    """Why it is meant to be so, and for how long."""

    reason = serializers.CharField(max_length=LONGEST)
    until = serializers.DateField(
        required=False, allow_null=True, default=None, help_text="The last UTC day; null: for good."
    )


ANSWERS = answers(IncidentSerializer)


# --- Views ---------------------------------------------------------------------------------------


@extend_schema(tags=["incidents"])
class IncidentViewSet(DeskAPIMixin, viewsets.GenericViewSet[Incident]):
    """Incidents of an organization."""

    actions: ClassVar[dict[str, str]] = {
        "list": "incidents.read",
        "retrieve": "incidents.read",
        "*": "incidents.change",
    }
    serializer_class = IncidentSerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[Incident]:
        """Those of the organization."""
        found = Incident.objects.visible_to(self.request.user)
        return found.filter(connection__organization=self.organization).select_related(
            "connection__organization", "acted_by"
        )

    @extend_schema(operation_id="incidents_list", parameters=[IncidentsAsked])
    def list(self, request: Request, slug: str) -> Response:
        """Incidents, the newest first."""
        asked = asked_of_list(IncidentsAsked, request)
        rows = self.get_queryset()
        lookups = {"connection": "connection__uid", "since": "last__gte"}
        if "since" in asked:
            asked["since"] = day_of(asked["since"])
        if "state" in asked:
            rows = rows.filter(STATES[asked.pop("state")][1])
        rows = rows.filter(**{lookups.get(name, name): value for name, value in asked.items()})
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(written(IncidentSerializer, page))

    @extend_schema(operation_id="incidents_retrieve")
    def retrieve(self, request: Request, slug: str, pk: int) -> Response:
        """One incident."""
        return self._answer(self._incident(pk))

    @extend_schema(operation_id="incidents_acknowledge", request=None, responses=ANSWERS)
    def acknowledge(self, request: Request, slug: str, pk: int) -> Response:
        """Say that somebody looks into it. Twice is once."""
        one = self._incident(pk)
        return self._act(lambda: services.acknowledge(incident=one, actor=self.actor))

    @extend_schema(operation_id="incidents_resolve", request=Resolving, responses=ANSWERS)
    def resolve(self, request: Request, slug: str, pk: int) -> Response:
        """Say that it is dealt with. A later far-off day opens it again."""
        one, given = self._incident(pk), sent(Resolving, request)
        return self._act(lambda: services.resolve(incident=one, actor=self.actor, **given))

    @extend_schema(operation_id="incidents_mute", request=Muting, responses=ANSWERS)
    def mute(self, request: Request, slug: str, pk: int) -> Response:
        """Say that it is meant to be so. Its days count as usual from now on."""
        one, given = self._incident(pk), sent(Muting, request)
        return self._act(lambda: services.mute(incident=one, actor=self.actor, **given))

    @extend_schema(operation_id="incidents_take_up", request=None, responses=ANSWERS)
    def take_up(self, request: Request, slug: str, pk: int) -> Response:
        """Open it again by hand. Twice is once."""
        one = self._incident(pk)
        return self._act(lambda: services.take_up(incident=one, actor=self.actor))

    def _incident(self, pk: int) -> Incident:
        found: Incident = get_object_or_404(self.get_queryset(), pk=pk)
        return found

    def _act(self, act: Callable[[], Incident]) -> Response:
        """The incident as it is then; a refusal by its field, or as a conflict."""
        try:
            return self._answer(act())
        except services.Refused as refused:
            if refused.field:
                raise serializers.ValidationError({refused.field: [str(refused)]}) from None
            raise Conflict(str(refused)) from None

    @staticmethod
    def _answer(one: Incident) -> Response:
        return Response(IncidentSerializer(one).data)
