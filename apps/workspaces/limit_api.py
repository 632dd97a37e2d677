"""The API's way to rate limits: looking at them."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_shapes import NewestFirst, Shape, asked_of_list, written
from apps.workspaces.models import RateLimit


class LimitSerializer(serializers.Serializer[RateLimit]):
    """One rate limit of an organization at a provider, or of one of its workspaces."""

    id = serializers.IntegerField()
    connection = serializers.UUIDField(source="connection.uid")
    provider = serializers.CharField(source="connection.provider")
    workspace = serializers.CharField(
        source="workspace_remote_id",
        help_text="The provider's id; empty for the organization's own limit.",
    )
    group = serializers.CharField(help_text="The provider's own word: model_group, batch, …")
    models = serializers.SerializerMethodField(help_text="Empty where no models are meant.")
    kind = serializers.CharField(help_text="requests_per_minute, …: the unit is in its name.")
    value = serializers.IntegerField()
    organization_value = serializers.IntegerField(
        allow_null=True,
        help_text="Beside a workspace's: the organization's own, null where it has none.",
    )

    def get_models(self, row: RateLimit) -> list[str]:
        """Ids and aliases."""
        return row.model_names.split(", ") if row.model_names else []


class LimitsAsked(Shape):
    """What the list of limits can be narrowed by."""

    connection = serializers.UUIDField(required=False)
    provider = serializers.CharField(required=False)
    workspace = serializers.CharField(
        required=False, allow_blank=True, help_text="Empty: the organizations' own."
    )
    group = serializers.CharField(required=False)
    kind = serializers.CharField(required=False)
    model = serializers.CharField(required=False, help_text="A part of a model's name.")


_LOOKUPS = {
    "connection": "connection__uid",
    "provider": "connection__provider",
    "workspace": "workspace_remote_id",
    "group": "group",
    "kind": "kind",
    "model": "model_names__icontains",
}


@extend_schema(tags=["limits"])
class LimitViewSet(DeskAPIMixin, viewsets.GenericViewSet[RateLimit]):
    """Rate limits of an organization. What a workspace does not list it inherits."""

    actions: ClassVar[dict[str, str]] = {"list": "limits.read"}
    serializer_class = LimitSerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[Any]:
        """Those of the organization that the provider still has."""
        found = RateLimit.objects.visible_to(self.request.user).present()
        return found.filter(connection__organization=self.organization).select_related("connection")

    @extend_schema(operation_id="limits_list", parameters=[LimitsAsked])
    def list(self, request: Request, slug: str) -> Response:
        """Rate limits. No provider's API sets them, and neither does this one."""
        asked = asked_of_list(LimitsAsked, request)
        narrowed = {_LOOKUPS[name]: value for name, value in asked.items()}
        page = self.paginate_queryset(self.get_queryset().filter(**narrowed))
        return self.get_paginated_response(written(LimitSerializer, page))
