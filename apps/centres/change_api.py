"""The API's way to change cost centres and their rules, and to close a month: the pages' own services."""

from typing import ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.centres import closing, places, services
from apps.centres.api import CentreRuleSerializer, CentreSerializer, month_of
from apps.centres.items import is_item
from apps.centres.models import CostCentre, Rule, RuleKind, Subject
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_once import IDEMPOTENCY_KEY, answered_once
from apps.organizations.api_problems import RefusingMixin, answers
from apps.organizations.api_shapes import Shape, sent, written


class NewCentre(Shape):
    """A cost centre to be made, the last in the order."""

    name = serializers.CharField(max_length=120)
    code = serializers.CharField(max_length=40, required=False, allow_blank=True, default="")


class CentreChange(Shape):
    """What is to be otherwise; the rest stays."""

    name = serializers.CharField(max_length=120, required=False)
    code = serializers.CharField(max_length=40, required=False, allow_blank=True)
    move = serializers.ChoiceField(
        ["up", "down"], required=False, help_text="One place in the order, which decides."
    )


class NewRule(Shape):
    """What a centre takes: by a domain, the beginning or a part of a name, a tag, or a list of items."""

    subject = serializers.ChoiceField(Subject.choices)
    kind = serializers.ChoiceField(RuleKind.choices)
    text = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    items = serializers.ListField(
        child=serializers.CharField(max_length=300),
        required=False,
        max_length=services.MOST_ITEMS,
        help_text="As `item` stands in the allocations.",
        default=list,
    )


class RuleChange(Shape):
    """Another rule in its place (all of it), or another place among its centre's own."""

    subject = serializers.ChoiceField(Subject.choices, required=False)
    kind = serializers.ChoiceField(RuleKind.choices, required=False)
    text = serializers.CharField(max_length=200, required=False, allow_blank=True)
    items = serializers.ListField(
        child=serializers.CharField(max_length=300), required=False, max_length=services.MOST_ITEMS
    )
    move = serializers.ChoiceField(
        ["up", "down"], required=False, help_text="One place in the order, which decides."
    )


class _Changing(RefusingMixin, DeskAPIMixin):
    refusals = (services.Refused,)

    def centres(self) -> QuerySet[CostCentre]:
        """The organization's, the removed ones not."""
        mine = CostCentre.objects.visible_to(self.request.user).current()
        return mine.filter(organization=self.organization).select_related("organization")

    def known(self, subject: str, items: list[str]) -> None:
        """400 for an item that is nothing here."""
        connections = places.connections_of(self.organization)
        for number, one in enumerate(items):
            if not is_item(self.organization, connections, subject, one):
                raise serializers.ValidationError(
                    {"items": {str(number): [_("There is nothing of this name here.")]}}
                )


@extend_schema(tags=["centres"])
class CentreViewSet(_Changing, viewsets.GenericViewSet[CostCentre]):
    """Cost centres."""

    actions: ClassVar[dict[str, str]] = {
        "list": "centres.read",
        "retrieve": "centres.read",
        "*": "centres.change",
    }
    serializer_class = CentreSerializer
    pagination_class = None
    queryset = CostCentre.objects.none()  # for the description alone

    def _shown(self, pk: int, status: int = 200) -> Response:
        row = get_object_or_404(self.centres().prefetch_related("rules"), pk=pk)
        return Response(CentreSerializer(row).data, status)

    @extend_schema(operation_id="centres_list", responses=CentreSerializer(many=True))
    def list(self, request: Request, slug: str) -> Response:
        """The cost centres and what they take, in the order in which they decide."""
        return Response(written(CentreSerializer, self.centres().prefetch_related("rules")))

    @extend_schema(operation_id="centres_retrieve")
    def retrieve(self, request: Request, slug: str, pk: int) -> Response:
        """One cost centre and what it takes."""
        return self._shown(pk)

    @extend_schema(
        operation_id="centres_create",
        parameters=[IDEMPOTENCY_KEY],
        request=NewCentre,
        responses=answers(CentreSerializer, 201),
    )
    @answered_once
    def create(self, request: Request, slug: str) -> Response:
        """Make a cost centre. Its name is unique: sent twice without a key, the second is refused."""
        given = sent(NewCentre, request)
        made = services.create_centre(organization=self.organization, actor=self.actor, **given)
        return self._shown(made.pk, 201)

    @extend_schema(
        operation_id="centres_change", request=CentreChange, responses=answers(CentreSerializer)
    )
    def partial_update(self, request: Request, slug: str, pk: int) -> Response:
        """Another name, code or place in the order."""
        one, given = get_object_or_404(self.centres(), pk=pk), sent(CentreChange, request)
        move = given.pop("move", None)
        if given:
            services.change_centre(centre=one, actor=self.actor, **given)
        if move:
            services.move_centre(centre=one, actor=self.actor, up=move == "up")
        return self._shown(pk)

    @extend_schema(operation_id="centres_remove", responses=answers(None, 204))
    def destroy(self, request: Request, slug: str, pk: int) -> Response:
        """Have it take nothing any more. Closed months keep it."""
        services.remove_centre(centre=get_object_or_404(self.centres(), pk=pk), actor=self.actor)
        return Response(status=204)

    @extend_schema(
        operation_id="centres_add_rule",
        parameters=[IDEMPOTENCY_KEY],
        request=NewRule,
        responses=answers(CentreRuleSerializer, 201),
    )
    @answered_once
    def add_rule(self, request: Request, slug: str, pk: int) -> Response:
        """Have it take more. A rule that it has already stays one."""
        centre, given = get_object_or_404(self.centres(), pk=pk), sent(NewRule, request)
        self.known(given["subject"], given["items"])
        made = services.add_rule(centre=centre, actor=self.actor, **given)
        return Response(CentreRuleSerializer(made).data, 201)


@extend_schema(tags=["centres"])
class RuleViewSet(_Changing, viewsets.GenericViewSet[Rule]):
    """Rules of cost centres."""

    actions: ClassVar[dict[str, str]] = {"*": "centres.change"}
    serializer_class = CentreRuleSerializer
    queryset = Rule.objects.none()  # for the description alone

    def _rule(self, pk: int) -> Rule:
        rows = Rule.objects.filter(centre__in=self.centres())
        return get_object_or_404(rows.select_related("centre__organization"), pk=pk)

    @extend_schema(
        operation_id="centres_change_rule",
        request=RuleChange,
        responses=answers(CentreRuleSerializer),
    )
    def partial_update(self, request: Request, slug: str, pk: int) -> Response:
        """Another rule in the place of one, or another place."""
        rule, given = self._rule(pk), sent(RuleChange, request)
        move = given.pop("move", None)
        if given:
            self.known(given.get("subject", rule.subject), given.get("items", []))
            services.change_rule(rule=rule, actor=self.actor, **given)
        if move:
            services.move_rule(rule=rule, actor=self.actor, up=move == "up")
        return Response(CentreRuleSerializer(self._rule(pk)).data)

    @extend_schema(operation_id="centres_remove_rule", responses=answers(None, 204))
    def destroy(self, request: Request, slug: str, pk: int) -> Response:
        """Take a rule away."""
        services.remove_rule(rule=self._rule(pk), actor=self.actor)
        return Response(status=204)


class ClosingView(_Changing):
    """The end of a month."""

    actions: ClassVar[dict[str, str]] = {"post": "centres.close"}

    @extend_schema(
        operation_id="statements_close",
        parameters=[IDEMPOTENCY_KEY],
        tags=["centres"],
        request=None,
        responses=answers(None, 204),
    )
    @answered_once
    def post(self, request: Request, slug: str, month: str) -> Response:
        """Keep a month's statements as they are now, for good. Refused while a day of it may still change."""
        closing.close(organization=self.organization, month=month_of(month), actor=self.actor)
        return Response(status=204)
