"""The API's way to webhooks and to the log of what was sent. Secrets are in no answer."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.notices import endpoints
from apps.notices.models import Attempt, Channel, Delivery, Endpoint
from apps.notices.targets import abridged
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_once import IDEMPOTENCY_KEY, answered_once
from apps.organizations.api_problems import Conflict, answers
from apps.organizations.api_shapes import (
    Cursors,
    Moment,
    NewestFirst,
    Shape,
    asked_of_list,
    written,
)


class WebhookSerializer(serializers.Serializer[Endpoint]):
    """Where webhooks go. Set up and changed on the pages, after a fresh sign-in."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    speaks = serializers.ChoiceField(Endpoint.Speaks.choices)
    address = serializers.SerializerMethodField(help_text="Abridged: a chat's lets anybody post.")
    topics = serializers.ListField(child=serializers.CharField(), help_text="None: every notice.")
    paused_at = Moment(allow_null=True)
    created_at = Moment()

    def get_address(self, row: Endpoint) -> str:
        """Its host, and a mark that tells it from others."""
        return abridged(row.url)


class AttemptSerializer(serializers.Serializer[Attempt]):
    """One try."""

    number = serializers.IntegerField()
    began_at = Moment()
    ended_at = Moment(allow_null=True)
    outcome = serializers.ChoiceField(Attempt.Outcome.choices)
    status = serializers.IntegerField(allow_null=True, help_text="The receiver's HTTP status.")
    said = serializers.CharField()


class DeliverySerializer(serializers.Serializer[Delivery]):
    """One thing on its way to one receiver."""

    id = serializers.IntegerField()
    kind = serializers.CharField(help_text="notice, report, test, …")
    about = serializers.CharField(source="label")
    channel = serializers.ChoiceField(Channel.choices)
    receiver = serializers.CharField(help_text="An address, or a webhook's name.")
    state = serializers.ChoiceField(Delivery.State.choices)
    attempts = serializers.IntegerField()
    said = serializers.CharField()
    due_at = Moment(allow_null=True, help_text="The next try.")
    created_at = Moment()
    settled_at = Moment(allow_null=True)


class DeliveryDetailSerializer(DeliverySerializer):
    """The same, with every try."""

    tries = AttemptSerializer(many=True)


class DeliveriesAsked(Shape):
    """What the log can be narrowed by."""

    state = serializers.ChoiceField(Delivery.State.choices, required=False)
    channel = serializers.ChoiceField(Channel.choices, required=False)
    webhook = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


@extend_schema(tags=["notices"])
class WebhookViewSet(DeskAPIMixin, viewsets.GenericViewSet[Endpoint]):
    """Webhooks of an organization."""

    actions: ClassVar[dict[str, str]] = {
        "list": "notices.deliveries",
        "retrieve": "notices.deliveries",
        "test": "notices.send_again",
    }
    serializer_class = WebhookSerializer
    pagination_class = Cursors

    def get_queryset(self) -> QuerySet[Endpoint]:
        """Those of the organization."""
        found = Endpoint.objects.visible_to(self.request.user)
        return found.filter(organization=self.organization).select_related("organization")

    @extend_schema(operation_id="webhooks_list")
    def list(self, request: Request, slug: str) -> Response:
        """Webhooks."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(written(WebhookSerializer, page))

    @extend_schema(operation_id="webhooks_retrieve")
    def retrieve(self, request: Request, slug: str, pk: int) -> Response:
        """One webhook."""
        return Response(WebhookSerializer(get_object_or_404(self.get_queryset(), pk=pk)).data)

    @extend_schema(
        operation_id="webhooks_test",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses=answers(DeliverySerializer, 202),
    )
    @answered_once
    def test(self, request: Request, slug: str, pk: int) -> Response:
        """Send a test there; the delivery tells what comes of it."""
        endpoint = get_object_or_404(self.get_queryset(), pk=pk)
        if endpoint.paused_at:
            raise Conflict(_("It is paused. Let it go on first."))
        made = endpoints.try_endpoint(endpoint=endpoint, actor=self.actor)
        return Response(DeliverySerializer(made).data, 202)


@extend_schema(tags=["notices"])
class DeliveryViewSet(DeskAPIMixin, viewsets.GenericViewSet[Delivery]):
    """What was sent."""

    actions: ClassVar[dict[str, str]] = {
        "list": "notices.deliveries",
        "retrieve": "notices.deliveries",
        "again": "notices.send_again",
    }
    serializer_class = DeliverySerializer
    shapes: ClassVar[dict[str, Any]] = {"retrieve": DeliveryDetailSerializer}
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[Delivery]:
        """Those of the organization."""
        found = Delivery.objects.visible_to(self.request.user)
        return found.filter(organization=self.organization).select_related(
            "organization", "user", "endpoint"
        )

    @extend_schema(operation_id="deliveries_list", parameters=[DeliveriesAsked])
    def list(self, request: Request, slug: str) -> Response:
        """What was sent to whom, and what came of it; the newest first."""
        asked = asked_of_list(DeliveriesAsked, request)
        lookups = {"webhook": "endpoint"}
        rows = self.get_queryset().filter(
            **{lookups.get(name, name): value for name, value in asked.items()}
        )
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(written(DeliverySerializer, page))

    @extend_schema(operation_id="deliveries_retrieve", responses=DeliveryDetailSerializer)
    def retrieve(self, request: Request, slug: str, pk: int) -> Response:
        """One delivery with every try."""
        row = get_object_or_404(self.get_queryset().prefetch_related("tries"), pk=pk)
        return Response(DeliveryDetailSerializer(row).data)

    @extend_schema(
        operation_id="deliveries_send_again",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses=answers(DeliverySerializer),
    )
    @answered_once
    def again(self, request: Request, slug: str, pk: int) -> Response:
        """Have one that failed tried anew, at once; any other stays as it is."""
        row = get_object_or_404(self.get_queryset(), pk=pk)
        endpoints.send_again(delivery=row, actor=self.actor)
        return Response(DeliverySerializer(get_object_or_404(self.get_queryset(), pk=pk)).data)
