"""The API's way to one's own accounts: who one is there, what one may ask for."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.members.api import ASKING
from apps.organizations.api_shapes import Cursors, Moment, Shape, sent, written
from apps.organizations.models import Connection
from apps.personal import budget, services
from apps.personal.models import Account
from apps.sync.api import ASKING_ANSWERS, AskingMixin
from apps.sync.models import Command

# --- Shapes --------------------------------------------------------------------------------------


class PlaceSerializer(serializers.Serializer[Any]):
    """An organization that one is in."""

    remote_id = serializers.CharField(help_text="The provider's own id of it.")
    name = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    active = serializers.BooleanField(help_text="Use is billed to it.")


class AccountSerializer(serializers.Serializer[Account]):
    """One's own account as its provider knows it."""

    connection = serializers.UUIDField(source="connection.uid")
    provider = serializers.CharField(source="connection.provider")
    remote_id = serializers.CharField(help_text="The provider's own id of it.")
    name = serializers.CharField()
    email = serializers.CharField()
    terms_accepted_at = Moment(allow_null=True)
    takes_part_in_benchmarks = serializers.BooleanField(
        allow_null=True, help_text="Null where unsaid."
    )
    active_organization_id = serializers.CharField(
        allow_null=True, help_text="Empty: use is billed to oneself. Null where unsaid."
    )
    organizations = PlaceSerializer(source="places", many=True)
    created_at = Moment(allow_null=True)
    gone_at = Moment(allow_null=True, help_text="When it was deleted at the provider.")


class NewProfile(Shape):
    """What is to be another; what is not given stays."""

    name = serializers.CharField(max_length=services.LONGEST_NAME, required=False)
    takes_part_in_benchmarks = serializers.BooleanField(required=False)


class InviteToken(Shape):
    """An invite's link, or its token."""

    token = serializers.CharField(max_length=services.LONGEST_TOKEN, write_only=True)

    def validate_token(self, value: str) -> str:
        """The token itself."""
        token = services.token_in(value)
        if not token:
            raise serializers.ValidationError(_("This holds no token. Copy all of it."))
        return token


class RefreshToken(Shape):
    """What came with the account token. It works once."""

    token = serializers.CharField(max_length=services.LONGEST_TOKEN, write_only=True)


class NewActive(Shape):
    """Which account use is to be billed to."""

    organization_id = serializers.CharField(
        allow_blank=True, max_length=120, help_text="Empty: oneself."
    )


# --- Views ---------------------------------------------------------------------------------------


@extend_schema(tags=["own accounts"])
class AccountViewSet(AskingMixin, viewsets.GenericViewSet[Account]):
    """The accounts of the person whose desk it is, one for each connection."""

    actions: ClassVar[dict[str, str]] = {
        "list": "account.read",
        "retrieve": "account.read",
        "partial_update": "account.change",
        "terms": "account.change",
        "join": "account.change",
        "activate": "account.change",
        "request_budget": "account.change",
        "refresh_token": "account.token",
        "destroy": "account.delete",
    }
    serializer_class = AccountSerializer
    pagination_class = Cursors

    def get_queryset(self) -> QuerySet[Any]:
        """Those that the reader may see."""
        mine = Connection.objects.visible_to(self.request.user).confirmed()
        rows = Account.objects.filter(connection__in=mine.filter(organization=self.organization))
        return rows.select_related("connection__organization")

    def _row(self, uid: str) -> Account:
        found: Account = get_object_or_404(self.get_queryset(), connection__uid=uid)
        return found

    @extend_schema(operation_id="accounts_list")
    def list(self, request: Request, slug: str) -> Response:
        """One's own accounts."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(written(AccountSerializer, page))

    @extend_schema(operation_id="accounts_retrieve")
    def retrieve(self, request: Request, slug: str, uid: str) -> Response:
        """One of them, by its connection."""
        return Response(AccountSerializer(self._row(uid)).data)

    @extend_schema(
        operation_id="accounts_change",
        parameters=ASKING,
        request=NewProfile,
        responses=ASKING_ANSWERS,
    )
    def partial_update(self, request: Request, slug: str, uid: str) -> Response:
        """Ask the provider for another profile."""
        row = self._row(uid)

        def ask(nonce: str) -> Command:
            given = sent(NewProfile, request)
            return services.update_profile(
                account=row,
                name=given.get("name", row.name),
                takes_part_in_benchmarks=given.get("takes_part_in_benchmarks"),
                actor=self.actor,
                nonce=nonce,
            )

        return self.asked_once(ask)

    @extend_schema(
        operation_id="accounts_accept_terms",
        parameters=ASKING,
        request=None,
        responses=ASKING_ANSWERS,
    )
    def terms(self, request: Request, slug: str, uid: str) -> Response:
        """Accept the provider's terms of service."""
        row = self._row(uid)
        return self.asked_once(
            lambda nonce: services.accept_terms(account=row, actor=self.actor, nonce=nonce)
        )

    @extend_schema(
        operation_id="accounts_accept_invite",
        parameters=ASKING,
        request=InviteToken,
        responses=ASKING_ANSWERS,
    )
    def join(self, request: Request, slug: str, uid: str) -> Response:
        """Accept an invite to an organization."""
        row = self._row(uid)
        return self.asked_once(
            lambda nonce: services.accept_invite(
                account=row, actor=self.actor, nonce=nonce, **sent(InviteToken, request)
            )
        )

    @extend_schema(
        operation_id="accounts_set_active",
        parameters=ASKING,
        request=NewActive,
        responses=ASKING_ANSWERS,
    )
    def activate(self, request: Request, slug: str, uid: str) -> Response:
        """Have use billed to an organization, or to oneself."""
        row = self._row(uid)
        return self.asked_once(
            lambda nonce: services.set_active(
                account=row, actor=self.actor, nonce=nonce, **sent(NewActive, request)
            )
        )

    @extend_schema(
        operation_id="accounts_request_budget",
        parameters=ASKING,
        request=None,
        responses=ASKING_ANSWERS,
    )
    def request_budget(self, request: Request, slug: str, uid: str) -> Response:
        """Ask the admins of the organization that is billed for a higher spend cap; once in five minutes."""
        row = self._row(uid)
        return self.asked_once(
            lambda nonce: budget.request_increase(account=row, actor=self.actor, nonce=nonce)
        )

    @extend_schema(
        operation_id="accounts_refresh_token",
        parameters=ASKING,
        request=RefreshToken,
        responses=ASKING_ANSWERS,
    )
    def refresh_token(self, request: Request, slug: str, uid: str) -> Response:
        """Get a new account token for a refresh token; the change gives it out once. Not by token of ours."""
        row = self._row(uid)
        return self.asked_once(
            lambda nonce: services.refresh_token(
                account=row, actor=self.actor, nonce=nonce, **sent(RefreshToken, request)
            )
        )

    @extend_schema(operation_id="accounts_delete", parameters=ASKING, responses=ASKING_ANSWERS)
    def destroy(self, request: Request, slug: str, uid: str) -> Response:
        """Delete the account at its provider for good. Not by token: it asks for a fresh sign-in."""
        row = self._row(uid)
        return self.asked_once(
            lambda nonce: services.delete(account=row, actor=self.actor, nonce=nonce)
        )
