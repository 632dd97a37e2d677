"""The API's way to webhooks and to the log of what was sent. A secret is in the answer that made it alone."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.notices import endpoints
from apps.notices.forms import EndpointForm
from apps.notices.models import Attempt, Channel, Delivery, Endpoint
from apps.notices.targets import abridged
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_once import IDEMPOTENCY_KEY, answered_once, shown_once
from apps.organizations.api_problems import Conflict, RefusingMixin, answers, of_form
from apps.organizations.api_shapes import (
    Cursors,
    Moment,
    NewestFirst,
    Shape,
    asked_of_list,
    sent,
    written,
)
from apps.organizations.services import Refused


class WebhookSerializer(serializers.Serializer[Endpoint]):
    """Where webhooks go."""

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


class MadeWebhookSerializer(WebhookSerializer):
    """A webhook when it was set up."""

    signing_secret = serializers.CharField(
        allow_null=True,
        help_text="What signs all that is sent there. It is in this answer alone: null where the same "
        "Idempotency-Key is sent again, and for a chat, which takes no signature.",
    )


class SigningSecretSerializer(serializers.Serializer[dict[str, str]]):
    """A webhook's new secret."""

    signing_secret = serializers.CharField(
        allow_null=True,
        help_text="It is in this answer alone: null where the same Idempotency-Key is sent again.",
    )


class WebhookChange(Shape):
    """What is to be otherwise; the rest stays."""

    name = serializers.CharField(max_length=80, required=False)
    speaks = serializers.ChoiceField(Endpoint.Speaks.choices, required=False)
    url = serializers.CharField(
        max_length=500,
        required=False,
        help_text="The whole address: begins with https:// and can be reached on the internet.",
    )
    topics = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="None: every notice."
    )


class NewWebhook(WebhookChange):
    """What is to be set up."""

    name = serializers.CharField(max_length=80)
    speaks = serializers.ChoiceField(Endpoint.Speaks.choices, default=Endpoint.Speaks.SIGNED.value)
    url = serializers.CharField(
        max_length=500, help_text="Begins with https:// and can be reached on the internet."
    )


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
class WebhookViewSet(RefusingMixin, DeskAPIMixin, viewsets.GenericViewSet[Endpoint]):
    """Webhooks of an organization. Setting one up or changing it asks for a fresh sign-in."""

    actions: ClassVar[dict[str, str]] = {
        "list": "notices.deliveries",
        "retrieve": "notices.deliveries",
        "test": "notices.send_again",
        "*": "notices.webhooks",
    }
    serializer_class = WebhookSerializer
    pagination_class = Cursors
    refusals = (Refused,)

    def get_queryset(self) -> QuerySet[Endpoint]:
        """Those of the organization."""
        found = Endpoint.objects.visible_to(self.request.user)
        return found.filter(organization=self.organization).select_related("organization")

    def _endpoint(self, pk: int) -> Endpoint:
        return get_object_or_404(self.get_queryset(), pk=pk)

    def _shown(self, pk: int) -> Response:
        return Response(WebhookSerializer(self._endpoint(pk)).data)

    def _wanted(self, given: dict[str, Any], pk: int = 0) -> dict[str, Any]:
        """``given`` as the page's form has it."""
        form = EndpointForm(given, organization=self.organization, role=self.role, pk=pk)
        if not form.is_valid():
            raise of_form(form)
        return dict(form.cleaned_data)

    @extend_schema(operation_id="webhooks_list")
    def list(self, request: Request, slug: str) -> Response:
        """Webhooks."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(written(WebhookSerializer, page))

    @extend_schema(operation_id="webhooks_retrieve")
    def retrieve(self, request: Request, slug: str, pk: int) -> Response:
        """One webhook."""
        return self._shown(pk)

    @extend_schema(
        operation_id="webhooks_create",
        parameters=[IDEMPOTENCY_KEY],
        request=NewWebhook,
        responses=answers(MadeWebhookSerializer, 201),
    )
    @shown_once("signing_secret")
    def create(self, request: Request, slug: str) -> Response:
        """Set a webhook up. Not by token: it asks for a fresh sign-in. Its secret is in this answer alone."""
        endpoint, secret = endpoints.create_endpoint(
            organization=self.organization,
            actor=self.actor,
            **self._wanted(sent(NewWebhook, request)),
        )
        shown = secret.reveal() if endpoint.is_signed else None
        return Response({**WebhookSerializer(endpoint).data, "signing_secret": shown}, 201)

    @extend_schema(
        operation_id="webhooks_change",
        request=WebhookChange,
        responses=answers(WebhookSerializer),
    )
    def partial_update(self, request: Request, slug: str, pk: int) -> Response:
        """Another name, address, reader or choice of topics. Not by token. What a program reads from now on is
        signed: have a new secret made where nobody knows the old one."""
        endpoint, given = self._endpoint(pk), sent(WebhookChange, request)
        stays: dict[str, Any] = {
            name: getattr(endpoint, name) for name in ("name", "speaks", "url")
        }
        wanted = self._wanted(stays | given, pk)
        said = {name: wanted[name] for name in given}
        endpoints.change_endpoint(endpoint=endpoint, actor=self.actor, **said)
        return self._shown(pk)

    @extend_schema(
        operation_id="webhooks_renew_secret",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses=answers(SigningSecretSerializer),
    )
    @shown_once("signing_secret")
    def secret(self, request: Request, slug: str, pk: int) -> Response:
        """Replace its secret: what is sent from now on is signed with the new one. Not by token. It is in this
        answer alone."""
        endpoint = self._endpoint(pk)
        if not endpoint.is_signed:
            raise Conflict(_("A chat takes no signature: there is no secret to replace."))
        made = endpoints.renew_secret(endpoint=endpoint, actor=self.actor)
        return Response({"signing_secret": made.reveal()})

    @extend_schema(
        operation_id="webhooks_pause", request=None, responses=answers(WebhookSerializer)
    )
    def pause(self, request: Request, slug: str, pk: int) -> Response:
        """Send nothing there for the time being, and keep nothing new for it. Not by token."""
        endpoints.pause_endpoint(endpoint=self._endpoint(pk), actor=self.actor, paused=True)
        return self._shown(pk)

    @extend_schema(operation_id="webhooks_resume", responses=answers(WebhookSerializer))
    def resume(self, request: Request, slug: str, pk: int) -> Response:
        """Go on with it: what waited is sent now. Not by token."""
        endpoints.pause_endpoint(endpoint=self._endpoint(pk), actor=self.actor, paused=False)
        return self._shown(pk)

    @extend_schema(operation_id="webhooks_delete", responses={204: None})
    def destroy(self, request: Request, slug: str, pk: int) -> Response:
        """End it, with what still waits for it and the log of what was sent there. Not by token."""
        endpoints.delete_endpoint(endpoint=self._endpoint(pk), actor=self.actor)
        return Response(status=204)

    @extend_schema(
        operation_id="webhooks_test",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses=answers(DeliverySerializer, 202),
    )
    @answered_once
    def test(self, request: Request, slug: str, pk: int) -> Response:
        """Send a test there; the delivery tells what comes of it."""
        endpoint = self._endpoint(pk)
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
