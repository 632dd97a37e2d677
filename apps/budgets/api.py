"""The API's way to budgets: read, made, changed, deleted, and how each period came out."""

from contextlib import suppress
from decimal import Decimal
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.budgets import past, scopes, services, words
from apps.budgets.drawing import running
from apps.budgets.models import Budget, Period, Scope, Standing
from apps.budgets.scopes import Place
from apps.budgets.terms import HIGHEST, LONGEST_NAME, LOWEST, USUAL, Terms
from apps.centres.models import CostCentre
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_once import IDEMPOTENCY_KEY, answered_once
from apps.organizations.api_shapes import Cursors, Moment, Shape, asked_of_list, written
from apps.organizations.models import Connection, Organization
from apps.usage.tuples import MARKS, NONE

# --- Shapes ---------------------------------------------------------------------------------------


class Money(serializers.DecimalField):
    """An exact amount, as a string."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=None, decimal_places=None, **kwargs)

    def to_representation(self, value: Any) -> str:
        """Never with an exponent, without zeros at the end."""
        return f"{words.exact(Decimal(value)):f}"


class RunningSerializer(serializers.Serializer[Standing]):
    """How the running period stands, by the last look at it."""

    first = serializers.DateField(source="first_date", help_text="UTC, included.")
    last = serializers.DateField(source="last_date", help_text="UTC, included.")
    spent = Money(help_text="As far as it is read.")
    is_estimate = serializers.BooleanField()
    percent = serializers.IntegerField(help_text="Of the amount, rounded down.")
    left = Money(help_text="Below zero once it is exceeded.")
    forecast = Money(
        allow_null=True, help_text="An estimate of the whole period; null: nobody can tell."
    )
    forecast_low = Money(source="low", allow_null=True)
    forecast_high = Money(source="high", allow_null=True)
    days_not_read = serializers.IntegerField(source="unread")
    other_currencies = serializers.DictField(
        source="others", child=serializers.CharField(), help_text="Spent as well, in no sum here."
    )
    read_up_to = Moment(source="read_to", allow_null=True, help_text="Null: nothing is read yet.")
    looked_at = Moment()


class BudgetSerializer(serializers.Serializer[Budget]):
    """An amount for what is spent in each period."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    scope = serializers.ChoiceField(Scope.choices)
    connection = serializers.UUIDField(
        source="connection.uid", default=None, allow_null=True, help_text="Null: all of them."
    )
    workspace = serializers.SerializerMethodField(
        help_text='The provider\'s id; "" is the default workspace, null: all of them.'
    )
    centre = serializers.IntegerField(
        source="centre_id", allow_null=True, help_text="The id of the cost centre it is for."
    )
    amount = Money()
    currency = serializers.CharField()
    period = serializers.ChoiceField(Period.choices)
    thresholds = serializers.ListField(
        child=serializers.IntegerField(), help_text="Percents of the amount that are told."
    )
    tell_forecast = serializers.BooleanField()
    running = serializers.SerializerMethodField(help_text="Null: nobody has looked at it yet.")
    created_by = serializers.EmailField(
        source="created_by.email", read_only=True, default=None, allow_null=True
    )
    created_at = Moment()
    changed_at = Moment()

    def get_workspace(self, row: Budget) -> str | None:
        """The default one has no id."""
        return ("" if row.workspace == NONE else row.workspace) if row.workspace else None

    @extend_schema_field(RunningSerializer(allow_null=True))
    def get_running(self, row: Budget) -> Any:
        """The period that lasts."""
        standing = getattr(row, "standing", None)
        return dict(RunningSerializer(standing).data) if standing else None


class PastSerializer(serializers.Serializer[past.Past]):
    """A period that is over."""

    name = serializers.CharField()
    first = serializers.DateField(help_text="UTC, included.")
    last = serializers.DateField(help_text="UTC, included.")
    spent = Money()
    is_estimate = serializers.BooleanField()
    amount = Money(allow_null=True, help_text="Null: it was no budget yet.")
    percent = serializers.IntegerField(allow_null=True)
    days_not_read = serializers.IntegerField(source="unread")


class BudgetsAsked(Shape):
    """What the list of budgets can be narrowed by."""

    q = serializers.CharField(required=False, max_length=200, help_text="A part of the name.")
    scope = serializers.ChoiceField(Scope.choices, required=False)
    period = serializers.ChoiceField(Period.choices, required=False)
    connection = serializers.UUIDField(required=False)


_PERCENTS = f"Whole percents, {LOWEST} to {HIGHEST}; none: no threshold is told."


class NewBudget(Shape):
    """A budget to be made."""

    name = serializers.CharField(max_length=LONGEST_NAME)
    scope = serializers.ChoiceField(Scope.choices)
    connection = serializers.UUIDField(
        required=False, allow_null=True, help_text="For a connection or a workspace of it."
    )
    workspace = serializers.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=200,
        help_text='The provider\'s id of it; "" is the default workspace.',
    )
    centre = serializers.IntegerField(
        required=False, allow_null=True, help_text="The id of a cost centre."
    )
    amount = serializers.DecimalField(max_digits=14, decimal_places=2)
    currency = serializers.CharField(max_length=10)
    period = serializers.ChoiceField(Period.choices)
    thresholds = serializers.ListField(
        child=serializers.IntegerField(), required=False, max_length=50, help_text=_PERCENTS
    )
    tell_forecast = serializers.BooleanField(required=False)


class BudgetChange(Shape):
    """What is to be otherwise; the rest stays. What it is for, period and currency cannot change."""

    name = serializers.CharField(max_length=LONGEST_NAME, required=False)
    amount = serializers.DecimalField(max_digits=14, decimal_places=2, required=False)
    thresholds = serializers.ListField(
        child=serializers.IntegerField(), required=False, max_length=50, help_text=_PERCENTS
    )
    tell_forecast = serializers.BooleanField(required=False)


def _refused(refused: services.Refused) -> serializers.ValidationError:
    return serializers.ValidationError(
        {field or "non_field_errors": [why] for field, why in refused.errors.items()}
    )


# --- Views ----------------------------------------------------------------------------------------


@extend_schema(tags=["budgets"])
class BudgetViewSet(DeskAPIMixin, viewsets.GenericViewSet[Budget]):
    """Budgets of an organization."""

    actions: ClassVar[dict[str, str]] = {
        "list": "budgets.read",
        "retrieve": "budgets.read",
        "create": "budgets.change",
        "partial_update": "budgets.change",
        "destroy": "budgets.change",
    }
    serializer_class = BudgetSerializer
    pagination_class = Cursors

    def get_queryset(self) -> QuerySet[Budget]:
        """Those of the organization."""
        mine = Budget.objects.visible_to(self.request.user).filter(organization=self.organization)
        return mine.select_related("organization", "connection", "centre", "created_by")

    def _budget(self, pk: int) -> Budget:
        return get_object_or_404(self.get_queryset(), pk=pk)

    @staticmethod
    def _written(rows: list[Budget]) -> list[Any]:
        """Each with its running period. One query."""
        found = {one.budget_id: one for one in running(budget__in=[row.pk for row in rows])}
        for row in rows:
            row.standing = found.get(row.pk)  # type: ignore[attr-defined]  # for the serializer
        return written(BudgetSerializer, rows)

    @extend_schema(operation_id="budgets_list", parameters=[BudgetsAsked])
    def list(self, request: Request, slug: str) -> Response:
        """Budgets, and how the running period of each stands."""
        lookups = {
            "q": "name__icontains",
            "scope": "scope",
            "period": "period",
            "connection": "connection__uid",
        }
        asked = asked_of_list(BudgetsAsked, request)
        found = self.get_queryset().filter(**{lookups[name]: asked[name] for name in asked})
        page = self.paginate_queryset(found)
        return self.get_paginated_response(self._written(list(page or [])))

    @extend_schema(operation_id="budgets_retrieve")
    def retrieve(self, request: Request, slug: str, pk: int) -> Response:
        """One budget."""
        return Response(self._written([self._budget(pk)])[0])

    @extend_schema(
        operation_id="budgets_create",
        parameters=[IDEMPOTENCY_KEY],
        request=NewBudget,
        responses={201: BudgetSerializer},
    )
    @answered_once
    def create(self, request: Request, slug: str) -> Response:
        """Make a budget. Its name is unique: sent twice without a key, the second is refused."""
        asked = NewBudget(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        try:
            made = services.create_budget(
                organization=self.organization,
                actor=self.actor,
                place=_place(self.organization, given),
                currency=given["currency"],
                period=given["period"],
                terms=Terms(
                    given["name"],
                    given["amount"],
                    tuple(given.get("thresholds", USUAL)),
                    given.get("tell_forecast", True),
                ),
            )
        except services.Refused as refused:
            raise _refused(refused) from None
        return Response(self._written([self._budget(made.pk)])[0], status=201)

    @extend_schema(
        operation_id="budgets_partial_update", request=BudgetChange, responses=BudgetSerializer
    )
    def partial_update(self, request: Request, slug: str, pk: int) -> Response:
        """Another name, another amount, other thresholds."""
        one = self._budget(pk)
        asked = BudgetChange(data=request.data)
        asked.is_valid(raise_exception=True)
        try:
            services.change_budget(budget=one, actor=self.actor, **asked.validated_data)
        except services.Refused as refused:
            raise _refused(refused) from None
        return Response(self._written([self._budget(pk)])[0])

    @extend_schema(operation_id="budgets_destroy", responses={204: None})
    def destroy(self, request: Request, slug: str, pk: int) -> Response:
        """End a budget; its past goes with it."""
        with suppress(services.Refused):  # deleted meanwhile
            services.delete_budget(budget=self._budget(pk), actor=self.actor)
        return Response(status=204)


@extend_schema(tags=["budgets"])
class BudgetPeriodViewSet(DeskAPIMixin, viewsets.GenericViewSet[Any]):
    """How a budget came out."""

    actions: ClassVar[dict[str, str]] = {"list": "budgets.read"}
    serializer_class = PastSerializer
    pagination_class = None

    @extend_schema(operation_id="budgets_periods_list", responses=PastSerializer(many=True))
    def list(self, request: Request, slug: str, pk: int) -> Response:
        """The periods that are over, the latest first, as far back as usage is read."""
        mine = Budget.objects.visible_to(request.user).filter(organization=self.organization)
        one = get_object_or_404(mine.select_related("organization", "connection", "centre"), pk=pk)
        found = past.past_of(one, scopes.connections_of(self.organization))
        return Response(written(PastSerializer, found))


# Which of connection, workspace and cost centre a scope wants to be named.
_NAMED_BY = {
    Scope.ORGANIZATION: (False, False, False),
    Scope.CONNECTION: (True, False, False),
    Scope.WORKSPACE: (True, True, False),
    Scope.CENTRE: (False, False, True),
}


def _place(organization: Organization, given: dict[str, Any]) -> Place | None:
    """What a new budget is for; None for what is not there, or does not fit the scope."""
    scope, workspace = Scope(given["scope"]), given.get("workspace")
    uid, number = given.get("connection"), given.get("centre")
    if tuple(one is not None for one in (uid, workspace, number)) != _NAMED_BY[scope]:
        return None
    if workspace in MARKS - {""}:
        return None
    if number is not None:
        centres = CostCentre.objects.current().filter(organization=organization)
        centre = centres.filter(pk=number).first() if 0 < number < 2**63 else None
        return Place(scope, centre=centre) if centre else None
    if uid is None:
        return scopes.WHOLE
    connections = Connection.objects.filter(organization=organization).confirmed()
    connection = connections.filter(uid=uid).first()
    if connection is None:
        return None
    return Place(scope, connection, (workspace or NONE) if scope == Scope.WORKSPACE else "")
