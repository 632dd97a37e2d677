"""The API's way to organizations at their providers, and to the settings that they hand to members."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.configuration import services
from apps.configuration.models import RemoteConfiguration, RemoteOrganization, Version
from apps.members.api import ASKING
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_once import once
from apps.organizations.api_probing import probing_answers
from apps.organizations.api_shapes import Moment, NewestFirst, Shape, written
from apps.organizations.api_waiting import PREFER
from apps.organizations.connecting_api import DraftSerializer, DraftViewSet
from apps.organizations.models import Connection
from apps.sync.api import ASKING_ANSWERS, AskingMixin

# --- Shapes --------------------------------------------------------------------------------------


class RemoteOrganizationSerializer(serializers.Serializer[RemoteOrganization]):
    """An organization as its provider knows it."""

    connection = serializers.UUIDField(source="connection.uid")
    provider = serializers.CharField(source="connection.provider")
    remote_id = serializers.CharField(help_text="The provider's own id of it.")
    name = serializers.CharField()
    external_id = serializers.CharField(help_text="For single sign-on; empty where unsaid.")
    member_count = serializers.IntegerField(allow_null=True, help_text="Null where unsaid.")
    created_at = Moment(allow_null=True)
    updated_at = Moment(allow_null=True)
    gone_at = Moment(allow_null=True, help_text="When it was deleted at the provider.")


class ConfigurationSerializer(serializers.Serializer[RemoteConfiguration]):
    """The settings that an organization hands to its members; a hidden value reads •••."""

    connection = serializers.UUIDField(source="connection.uid")
    enabled = serializers.BooleanField(help_text="Whether members get them.")
    content = serializers.CharField(help_text="Differs whenever the document does.")
    document = serializers.DictField(allow_null=True, help_text="Null: there are none.")
    unreadable = serializers.BooleanField(
        source="is_unreadable", help_text="There is something that nobody can read."
    )


class VersionSerializer(serializers.Serializer[Version]):
    """The settings from one moment on."""

    number = serializers.IntegerField()
    seen_at = Moment()
    enabled = serializers.BooleanField()
    content = serializers.CharField()
    document = serializers.DictField(allow_null=True)
    change = serializers.UUIDField(
        source="command.uid",
        read_only=True,
        default=None,
        allow_null=True,
        help_text="Our own change that made it; null: it was made at the provider.",
    )


class NewName(Shape):
    """What an organization is to be called."""

    name = serializers.CharField(max_length=services.LONGEST_NAME)


class NewConfiguration(Shape):
    """The settings as they are to be, whole."""

    content = serializers.CharField(
        allow_blank=True,
        max_length=16,
        help_text="Of the settings that were looked at; others are not overwritten.",
    )
    enabled = serializers.BooleanField()
    document = serializers.DictField(
        help_text="The whole document. ••• means: what is hidden there stays."
    )


# --- Views ---------------------------------------------------------------------------------------


class _OfConnection(DeskAPIMixin):
    """What belongs to one connection that the reader may see."""

    def _connection(self, uid: str) -> Connection:
        found = Connection.objects.visible_to(self.request.user).confirmed()
        mine = found.filter(organization=self.organization).select_related("organization")
        return get_object_or_404(mine, uid=uid)


@extend_schema(tags=["configuration"])
class RemoteOrganizationViewSet(
    AskingMixin, _OfConnection, viewsets.GenericViewSet[RemoteOrganization]
):
    """The organization behind one connection."""

    actions: ClassVar[dict[str, str]] = {
        "retrieve": "configuration.read",
        "partial_update": "configuration.rename",
        "create": "configuration.create_organization",
        "destroy": "configuration.delete_organization",
    }
    serializer_class = RemoteOrganizationSerializer

    def _row(self, uid: str) -> RemoteOrganization:
        connection = self._connection(uid)
        row = RemoteOrganization.objects.filter(connection=connection).first()
        if row is None:
            raise Http404
        row.connection = connection
        return row

    @extend_schema(operation_id="remote_organization_retrieve")
    def retrieve(self, request: Request, slug: str, uid: str) -> Response:
        """What the provider knows of the organization."""
        return Response(RemoteOrganizationSerializer(self._row(uid)).data)

    @extend_schema(
        operation_id="remote_organization_rename",
        parameters=ASKING,
        request=NewName,
        responses=ASKING_ANSWERS,
    )
    def partial_update(self, request: Request, slug: str, uid: str) -> Response:
        """Ask the provider for another name."""
        row, this = self._row(uid), once(request)
        asked = self.earlier(this)
        if asked is None:
            name = self._name(request)
            asked = services.rename(row=row, name=name, actor=self.actor, nonce=this.nonce)
        return self.answer(asked)

    @extend_schema(
        operation_id="remote_organization_create",
        parameters=ASKING,
        request=NewName,
        responses=ASKING_ANSWERS,
    )
    def create(self, request: Request, slug: str, uid: str) -> Response:
        """Open another organization with this connection's credential. It is not connected by that.

        Once the change has succeeded, `…/organization/opened/{change}/` goes on to connect it.
        """
        connection, this = self._connection(uid), once(request)
        asked = self.earlier(this)
        if asked is None:
            name = self._name(request)
            asked = services.create(
                connection=connection, name=name, actor=self.actor, nonce=this.nonce
            )
        return self.answer(asked)

    @extend_schema(
        operation_id="remote_organization_delete",
        parameters=ASKING,
        request=None,
        responses=ASKING_ANSWERS,
    )
    def destroy(self, request: Request, slug: str, uid: str) -> Response:
        """Ask the provider to delete the organization, for good."""
        row, this = self._row(uid), once(request)
        asked = self.earlier(this) or services.delete(row=row, actor=self.actor, nonce=this.nonce)
        return self.answer(asked)

    def _name(self, request: Request) -> str:
        wanted = NewName(data=request.data)
        wanted.is_valid(raise_exception=True)
        name: str = wanted.validated_data["name"]
        return name


@extend_schema(tags=["configuration"])
class OpenedOrganizationViewSet(_OfConnection, DraftViewSet):
    """An organization that a change has opened."""

    actions: ClassVar[dict[str, str]] = {"connect": "connections.connect"}

    @extend_schema(
        operation_id="remote_organization_connect",
        parameters=[PREFER],
        request=None,
        responses=probing_answers(DraftSerializer),
    )
    def connect(self, request: Request, slug: str, uid: str, change: str) -> Response:
        """Begin to connect it with the key that opened it: a draft, to be confirmed. Not by token.

        Sent again it is the same draft.
        """
        opened = get_object_or_404(services.opened_with(self._connection(uid)), uid=change)
        return self.asked(services.begin_opened(opened=opened, actor=self.actor))


@extend_schema(tags=["configuration"])
class ConfigurationViewSet(
    AskingMixin, _OfConnection, viewsets.GenericViewSet[RemoteConfiguration]
):
    """The settings that the organization behind one connection hands to its members."""

    actions: ClassVar[dict[str, str]] = {
        "retrieve": "configuration.read",
        "update": "configuration.change",
    }
    serializer_class = ConfigurationSerializer

    def _row(self, uid: str) -> RemoteConfiguration:
        connection = self._connection(uid)
        row = RemoteConfiguration.objects.present().filter(connection=connection).first()
        if row is None:
            raise Http404
        row.connection = connection
        return row

    @extend_schema(operation_id="configuration_retrieve")
    def retrieve(self, request: Request, slug: str, uid: str) -> Response:
        """The settings as they were mirrored, secrets hidden."""
        return Response(ConfigurationSerializer(self._row(uid)).data)

    @extend_schema(
        operation_id="configuration_change",
        parameters=ASKING,
        request=NewConfiguration,
        responses=ASKING_ANSWERS,
    )
    def update(self, request: Request, slug: str, uid: str) -> Response:
        """Ask the provider for other settings."""
        row, this = self._row(uid), once(request)
        asked = self.earlier(this)
        if asked is None:
            wanted = NewConfiguration(data=request.data)
            wanted.is_valid(raise_exception=True)
            data = wanted.validated_data
            asked = services.change(
                row=row,
                document=data["document"],
                enabled=data["enabled"],
                seen=data["content"],
                actor=self.actor,
                nonce=this.nonce,
            )
        return self.answer(asked)


@extend_schema(tags=["configuration"])
class VersionViewSet(_OfConnection, viewsets.GenericViewSet[Version]):
    """The history of the settings, as mirrored."""

    actions: ClassVar[dict[str, str]] = {"list": "configuration.read"}
    serializer_class = VersionSerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[Any]:
        """Those that the reader may see."""
        return Version.objects.visible_to(self.request.user).select_related("command")

    @extend_schema(operation_id="configuration_versions")
    def list(self, request: Request, slug: str, uid: str) -> Response:
        """Versions, the newest first."""
        found = self.get_queryset().filter(connection=self._connection(uid))
        page = self.paginate_queryset(found)
        return self.get_paginated_response(written(VersionSerializer, page))
