"""The API's way to organizations and their connections. No secret of a connection is in any answer."""

from collections.abc import Callable
from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import User
from apps.organizations import connections
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_answering import AnsweringMixin
from apps.organizations.api_probing import (
    CheckSerializer,
    PastedKey,
    ProbingMixin,
    check_of,
    probing_answers,
    secret_of,
)
from apps.organizations.api_problems import RefusingMixin, answers
from apps.organizations.api_shapes import Cursors, Moment, Shape, sent, written
from apps.organizations.api_tokens import role_of_token
from apps.organizations.api_waiting import PREFER
from apps.organizations.health import Health, health_of, with_freshness
from apps.organizations.models import ApiToken, Connection, Organization, Role
from apps.organizations.services import Refused
from apps.organizations.token_services import rename_token, revoke_token, visible_tokens
from apps.providers.catalogue import PROVIDERS


class OrganizationSerializer(serializers.Serializer[Organization]):
    """A tenant of the portal, as the caller sees it."""

    slug = serializers.CharField(help_text="What addresses below it begin with.")
    name = serializers.CharField()
    role = serializers.ChoiceField(Role.choices, help_text="The caller's own.")


@extend_schema(tags=["organizations"])
class OrganizationViewSet(AnsweringMixin, viewsets.GenericViewSet[Organization]):
    """Where a caller begins: the organizations that can be reached."""

    serializer_class = OrganizationSerializer
    pagination_class = None

    @extend_schema(operation_id="organizations_list", responses=OrganizationSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Organizations that you hold a role on; by token, the one that it was made for."""
        found = Organization.objects.visible_to(request.user)
        if isinstance(request.auth, ApiToken):
            found = found.filter(pk=request.auth.organization_id)
        rows = found.filter(grants__user=cast("User", request.user)).values(
            "slug", "name", "grants__role"
        )
        shown = [{"slug": r["slug"], "name": r["name"], "role": r["grants__role"]} for r in rows]
        if isinstance(request.auth, ApiToken):
            role = role_of_token(request.auth)
            shown = [one | {"role": role} for one in shown if role]
        return Response(shown)


class HealthSerializer(serializers.Serializer[Health]):
    """How a connection is doing."""

    level = serializers.ChoiceField(["ok", "info", "warning", "danger"])
    headline = serializers.CharField(help_text="What is wrong, in words.")
    way_out = serializers.CharField(allow_blank=True, help_text="What to do about it.")
    said = serializers.CharField(allow_blank=True, help_text="The provider's own words.")


class CapabilitySerializer(serializers.Serializer[dict[str, Any]]):
    """Whether a connection can do something."""

    ok = serializers.BooleanField()
    reason = serializers.CharField(allow_blank=True, help_text="Why not.")


class ConnectionSerializer(serializers.Serializer[Connection]):
    """One remote account. Its key is in no answer."""

    id = serializers.UUIDField(source="uid")
    provider = serializers.CharField(help_text="anthropic, cline")
    name = serializers.CharField()
    state = serializers.ChoiceField(Connection.State.choices)
    remote_organization_id = serializers.CharField()
    remote_organization_name = serializers.CharField()
    health = serializers.SerializerMethodField()
    check = serializers.SerializerMethodField()
    capabilities = serializers.DictField(child=CapabilitySerializer())
    synced_at = Moment(
        allow_null=True, help_text="The oldest of its listings' last complete walks."
    )
    next_sync_at = Moment(source="next_at", allow_null=True)
    created_at = Moment()

    @extend_schema_field(HealthSerializer)
    def get_health(self, row: Connection) -> dict[str, Any]:
        """Worked out of what workers have noted."""
        return dict(HealthSerializer(health_of(row)).data)

    @extend_schema_field(CheckSerializer)
    def get_check(self, row: Connection) -> dict[str, Any]:
        """How far the worker is, of a new key too."""
        return check_of(row)


class ConnectionChange(Shape):
    """What is to be otherwise."""

    name = serializers.CharField(max_length=80)


@extend_schema(tags=["connections"])
class ConnectionViewSet(RefusingMixin, ProbingMixin, viewsets.GenericViewSet[Connection]):
    """Remote accounts of an organization."""

    actions: ClassVar[dict[str, str]] = {
        "list": "connections.read",
        "retrieve": "connections.read",
        "partial_update": "connections.change",
        "destroy": "connections.disconnect",
        "check": "connections.change",
        "pause": "connections.pause",
        "resume": "connections.pause",
        "rotate": "connections.rotate",
        "keep_key": "connections.rotate",
    }
    serializer_class = ConnectionSerializer
    pagination_class = Cursors
    lookup_field = "uid"
    refusals = (Refused,)
    place = "connection"

    def get_queryset(self) -> QuerySet[Connection]:
        """The confirmed ones, the disconnected too."""
        found = Connection.objects.visible_to(self.request.user)
        return with_freshness(found.filter(organization=self.organization).confirmed())

    def shown(self, uid: object) -> Response:
        """The connection as it is now."""
        return Response(ConnectionSerializer(get_object_or_404(self.get_queryset(), uid=uid)).data)

    def _act(
        self, uid: str, service: Callable[..., Any], body: type[Shape] | None = None
    ) -> Response:
        connection = get_object_or_404(self.get_queryset(), uid=uid)
        given = sent(body, self.request) if body else {}
        service(connection=connection, actor=self.actor, **given)
        return self.shown(uid)

    @extend_schema(operation_id="connections_list")
    def list(self, request: Request, slug: str) -> Response:
        """Connections and how each is doing."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(written(ConnectionSerializer, page))

    @extend_schema(operation_id="connections_retrieve")
    def retrieve(self, request: Request, slug: str, uid: str) -> Response:
        """One connection."""
        return self.shown(uid)

    @extend_schema(
        operation_id="connections_change",
        request=ConnectionChange,
        responses=answers(ConnectionSerializer),
    )
    def partial_update(self, request: Request, slug: str, uid: str) -> Response:
        """Give it another name here."""
        return self._act(uid, connections.rename, ConnectionChange)

    @extend_schema(operation_id="connections_disconnect", responses=answers(ConnectionSerializer))
    def destroy(self, request: Request, slug: str, uid: str) -> Response:
        """Forget its key and what waits to be sent. Not by token: it asks for a fresh sign-in."""
        return self._act(uid, connections.disconnect)

    @extend_schema(
        operation_id="connections_check",
        parameters=[PREFER],
        request=None,
        responses=probing_answers(ConnectionSerializer),
    )
    def check(self, request: Request, slug: str, uid: str) -> Response:
        """Have a worker ask the provider what its key can do now; a new key that is kept is tried again."""
        connection = get_object_or_404(self.get_queryset(), uid=uid)
        connections.ask_again(connection=connection, actor=self.actor)
        return self.asked(connection)

    @extend_schema(
        operation_id="connections_rotate",
        parameters=[PREFER],
        request=PastedKey,
        responses=probing_answers(ConnectionSerializer),
    )
    def rotate(self, request: Request, slug: str, uid: str) -> Response:
        """Paste a new key. It takes the place of the one in use once it has passed. Not by token."""
        connection = get_object_or_404(self.get_queryset(), uid=uid)
        connections.rotate(
            connection=connection,
            actor=self.actor,
            credential=secret_of(sent(PastedKey, request), PROVIDERS[connection.provider]),
        )
        return self.asked(connection)

    @extend_schema(operation_id="connections_keep_key", responses=answers(ConnectionSerializer))
    def keep_key(self, request: Request, slug: str, uid: str) -> Response:
        """Forget a new key that is tried or has failed; the one in use stays. Not by token."""
        return self._act(uid, connections.drop_new_key)

    @extend_schema(
        operation_id="connections_pause", request=None, responses=answers(ConnectionSerializer)
    )
    def pause(self, request: Request, slug: str, uid: str) -> Response:
        """Ask the provider nothing and send it nothing for the time being."""
        return self._act(uid, connections.pause)

    @extend_schema(operation_id="connections_resume", responses=answers(ConnectionSerializer))
    def resume(self, request: Request, slug: str, uid: str) -> Response:
        """Go on with it."""
        return self._act(uid, connections.resume)


class TokenSerializer(serializers.Serializer[ApiToken]):
    """A token, of which nobody sees more than how it begins."""

    id = serializers.CharField(source="token_key", help_text="How it begins.")
    name = serializers.CharField()
    kind = serializers.ChoiceField(
        ApiToken.Kind.choices, help_text="service: it is the organization's and nobody's own."
    )
    scope = serializers.ChoiceField(ApiToken.Scope.choices)
    role = serializers.ChoiceField(Role.choices, help_text="The most that it may do.")
    made_by = serializers.EmailField(source="made_by.email")
    created_at = Moment(source="created")
    expires_at = Moment(source="expiry", allow_null=True)
    last_used_at = Moment(allow_null=True)
    last_used_from = serializers.CharField(
        allow_blank=True, help_text="The network of the address, 203.0.113.0/24."
    )


class TokenChange(Shape):
    """What is to be otherwise."""

    name = serializers.CharField(max_length=80)


@extend_schema(tags=["tokens"])
class TokenViewSet(DeskAPIMixin, viewsets.GenericViewSet[ApiToken]):
    """Tokens: the caller's own; for owners and admins the organization's too."""

    actions: ClassVar[dict[str, str]] = {"*": "tokens.own"}
    serializer_class = TokenSerializer
    pagination_class = None
    lookup_field = "token_key"
    lookup_url_kwarg = "key"

    def get_queryset(self) -> QuerySet[ApiToken]:
        """Those that the caller may see, and so may end."""
        return visible_tokens(self.organization, self.actor, self.role)

    @extend_schema(operation_id="tokens_list")
    def list(self, request: Request, slug: str) -> Response:
        """Tokens, the newest first."""
        return Response(written(TokenSerializer, self.get_queryset()))

    @extend_schema(
        operation_id="tokens_rename", request=TokenChange, responses=answers(TokenSerializer)
    )
    def partial_update(self, request: Request, slug: str, key: str) -> Response:
        """Call a token something else."""
        token = get_object_or_404(self.get_queryset(), token_key=key)
        rename_token(token=token, actor=self.actor, **sent(TokenChange, request))
        return Response(TokenSerializer(self.get_queryset().get(pk=token.pk)).data)

    @extend_schema(operation_id="tokens_end", responses={204: None})
    def destroy(self, request: Request, slug: str, key: str) -> Response:
        """End a token at once, be it the one that asks."""
        token = get_object_or_404(self.get_queryset(), token_key=key)
        revoke_token(token=token, actor=self.actor)
        return Response(status=204)
