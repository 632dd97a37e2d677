"""The API's way through the wizard: a key is pasted into a draft, a worker asks the provider about it, and
once somebody has seen what was found, the draft becomes a connection. Same services as the pages.

Pasting, choosing and confirming ask for a fresh sign-in: no token does. No key is in any answer.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.organizations import connections
from apps.organizations.adapters import allowed_base_urls
from apps.organizations.api import CapabilitySerializer, ConnectionSerializer
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_once import IDEMPOTENCY_KEY, answered_once
from apps.organizations.api_probing import (
    CheckSerializer,
    PastedKey,
    ProbingMixin,
    check_of,
    probing_answers,
    secret_of,
)
from apps.organizations.api_problems import RefusingMixin, answers
from apps.organizations.api_shapes import Cursors, Moment, Shape, address, sent, written
from apps.organizations.api_waiting import PREFER
from apps.organizations.health import with_freshness
from apps.organizations.models import Connection, ConnectionQuerySet
from apps.organizations.services import Refused
from apps.providers.catalogue import PROVIDERS
from apps.providers.protocol import Provider

# --- Which provider ------------------------------------------------------------------------------


class ProviderSerializer(serializers.Serializer[Provider]):
    """A provider whose accounts can be connected here."""

    provider = serializers.CharField(source="key", help_text="anthropic, cline, …")
    name = serializers.CharField(source="label")
    key_name = serializers.CharField(source="credential_label", help_text="What its key is called.")
    key_help = serializers.CharField(
        source="credential_help", help_text="Where such a key is made."
    )
    base_urls = serializers.SerializerMethodField(
        help_text="Where its API may be reached, the usual address first."
    )

    def get_base_urls(self, row: Provider) -> list[str]:
        """Those on the portal's list."""
        return allowed_base_urls(row.key)


class ProvidersView(DeskAPIMixin):
    """Providers."""

    actions: ClassVar[dict[str, str]] = {"get": "connections.change"}
    serializer_class = ProviderSerializer

    @extend_schema(
        operation_id="providers_list", tags=["connections"], responses=ProviderSerializer(many=True)
    )
    def get(self, request: Request, slug: str) -> Response:
        """Providers whose accounts can be connected here, and which key each wants."""
        return Response(written(ProviderSerializer, connections.offered(self.organization)))


# --- Drafts --------------------------------------------------------------------------------------


class ReachedSerializer(serializers.Serializer[dict[str, Any]]):
    """An organization at the provider that a key reaches."""

    id = serializers.CharField(help_text="The provider's own id of it.")
    name = serializers.CharField(allow_blank=True)
    roles = serializers.ListField(
        child=serializers.CharField(), help_text="The key's holder there."
    )


class DraftSerializer(serializers.Serializer[Connection]):
    """An account that is being connected, and what was found with its key. The key is in no answer."""

    id = serializers.UUIDField(source="uid", help_text="The connection keeps it.")
    url = serializers.SerializerMethodField()
    provider = serializers.CharField()
    name = serializers.CharField(help_text="What it will be called if nothing else is said.")
    base_url = serializers.CharField()
    check = serializers.SerializerMethodField()
    key_kept = serializers.SerializerMethodField(
        help_text="False: the provider has refused the key, and it was wiped. Paste another one."
    )
    account = serializers.SerializerMethodField(help_text="Whose the key is, once found.")
    organizations = serializers.SerializerMethodField(
        help_text="What the key reaches, once found. Of several one is to be chosen."
    )
    remote_organization_id = serializers.CharField(
        allow_blank=True, help_text="The one that is meant; empty until it is known."
    )
    remote_organization_name = serializers.CharField(allow_blank=True)
    capabilities = serializers.DictField(
        child=CapabilitySerializer(), help_text="What can be done with the key, once found."
    )
    obstacle = serializers.SerializerMethodField(
        help_text="Why it cannot be confirmed (yet). Empty: it can."
    )
    created_by = serializers.EmailField(
        source="created_by.email", read_only=True, default=None, allow_null=True
    )
    created_at = Moment()
    expires_at = serializers.SerializerMethodField(
        help_text="Unless it is confirmed until then, it is discarded with its key."
    )

    @extend_schema_field(OpenApiTypes.URI)
    def get_url(self, row: Connection) -> str:
        """Where to look at it."""
        slug = self.context["slug"]
        return address(self.context["request"], "connection_draft", slug, uid=row.uid)

    @extend_schema_field(CheckSerializer)
    def get_check(self, row: Connection) -> dict[str, Any]:
        """How far the worker is."""
        return check_of(row)

    def get_key_kept(self, row: Connection) -> bool:
        """Whether it can be tried again without pasting it."""
        return bool(row.credential)

    def get_account(self, row: Connection) -> str:
        """As the provider calls it."""
        return str(row.probe_result.get("account") or "")

    @extend_schema_field(ReachedSerializer(many=True))
    def get_organizations(self, row: Connection) -> list[Any]:
        """Each with the roles that the key's holder has there."""
        return written(ReachedSerializer, row.probe_result.get("organizations", []))

    def get_obstacle(self, row: Connection) -> str:
        """As the service says it."""
        return connections.why_not_yet(row)

    def get_expires_at(self, row: Connection) -> datetime:
        """UTC."""
        return row.created_at + timedelta(hours=connections.DRAFT_HOURS)


class DraftKey(PastedKey):
    """A key, and where it is to be used."""

    base_url = serializers.CharField(
        required=False,
        max_length=200,
        help_text="One of the provider's; unless said, the usual one, or the one it had.",
    )


class NewDraft(DraftKey):
    """An account to connect."""

    provider = serializers.CharField(max_length=20)


class ChosenOrganization(Shape):
    """Which of the organizations that the key reaches is meant."""

    remote_organization_id = serializers.CharField(max_length=120)


class Confirmation(Shape):
    """What the connection is to be called here."""

    name = serializers.CharField(
        max_length=80, required=False, help_text="Unless said, as the draft has it."
    )
    remote_organization_id = serializers.CharField(
        max_length=120,
        required=False,
        help_text="Which organization is meant: refused where a key that was pasted meanwhile leads to another.",
    )


@extend_schema(tags=["connections"])
class DraftViewSet(RefusingMixin, ProbingMixin, viewsets.GenericViewSet[Connection]):
    """Accounts that are being connected."""

    actions: ClassVar[dict[str, str]] = {
        "list": "connections.change",
        "retrieve": "connections.change",
        "check": "connections.change",
        "*": "connections.connect",
    }
    serializer_class = DraftSerializer
    pagination_class = Cursors
    lookup_field = "uid"
    refusals = (Refused,)
    place = "connection_draft"

    def _visible(self) -> ConnectionQuerySet:
        found = Connection.objects.visible_to(self.request.user)
        return found.filter(organization=self.organization)

    def get_queryset(self) -> QuerySet[Connection]:
        """Those that are not confirmed, whoever began them."""
        drafts = self._visible().filter(state=Connection.State.DRAFT)
        return drafts.select_related("created_by")

    def _draft(self, uid: object) -> Connection:
        return get_object_or_404(self.get_queryset(), uid=uid)

    def _written(self, rows: Any) -> list[Any]:
        return written(DraftSerializer, rows, request=self.request, slug=self.organization.slug)

    def shown(self, uid: object) -> Response:
        """The draft as it is now."""
        return Response(self._written([self._draft(uid)])[0])

    @extend_schema(operation_id="connection_drafts_list")
    def list(self, request: Request, slug: str) -> Response:
        """Accounts that are being connected."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self._written(page))

    @extend_schema(
        operation_id="connection_drafts_create",
        parameters=[IDEMPOTENCY_KEY, PREFER],
        request=NewDraft,
        responses=probing_answers(DraftSerializer),
    )
    @answered_once
    def create(self, request: Request, slug: str) -> Response:
        """Paste a key: a worker asks the provider what is behind it. Not by token."""
        given = sent(NewDraft, request)
        offered = {one.key: one for one in connections.offered(self.organization)}
        provider = offered.get(given["provider"])
        if provider is None:
            told = _("There is no such provider here. There are: %(known)s.")
            raise serializers.ValidationError(
                {"provider": [told % {"known": ", ".join(offered) or "–"}]}
            )
        usual = next(iter(allowed_base_urls(provider.key)), "")
        draft = connections.begin(
            organization=self.organization,
            actor=self.actor,
            provider=provider.key,
            base_url=_base_url(given, provider, usual),
            credential=secret_of(given, provider),
        )
        return self.asked(draft)

    @extend_schema(operation_id="connection_drafts_retrieve")
    def retrieve(self, request: Request, slug: str, uid: str) -> Response:
        """How far the worker is, what it has found, and what stands in the way."""
        return self.shown(uid)

    @extend_schema(operation_id="connection_drafts_discard", responses={204: None})
    def destroy(self, request: Request, slug: str, uid: str) -> Response:
        """Throw it away, its key with it. Not by token."""
        connections.discard(connection=self._draft(uid), actor=self.actor)
        return Response(status=204)

    @extend_schema(
        operation_id="connection_drafts_paste",
        parameters=[PREFER],
        request=DraftKey,
        responses=probing_answers(DraftSerializer),
    )
    def paste(self, request: Request, slug: str, uid: str) -> Response:
        """Try it with another key, or at another base URL. Not by token."""
        draft, given = self._draft(uid), sent(DraftKey, request)
        provider = PROVIDERS[draft.provider]
        connections.paste_again(
            connection=draft,
            actor=self.actor,
            base_url=_base_url(given, provider, draft.base_url),
            credential=secret_of(given, provider),
        )
        return self.asked(draft)

    @extend_schema(
        operation_id="connection_drafts_choose",
        parameters=[PREFER],
        request=ChosenOrganization,
        responses=probing_answers(DraftSerializer),
    )
    def choose(self, request: Request, slug: str, uid: str) -> Response:
        """Say which of the organizations that the key reaches is meant. Not by token."""
        draft = self._draft(uid)
        connections.choose_organization(
            connection=draft, actor=self.actor, **sent(ChosenOrganization, request)
        )
        return self.asked(draft)

    @extend_schema(
        operation_id="connection_drafts_check",
        parameters=[PREFER],
        request=None,
        responses=probing_answers(DraftSerializer),
    )
    def check(self, request: Request, slug: str, uid: str) -> Response:
        """Ask the provider again with the key that is kept."""
        draft = self._draft(uid)
        connections.ask_again(connection=draft, actor=self.actor)
        return self.asked(draft)

    @extend_schema(
        operation_id="connection_drafts_confirm",
        request=Confirmation,
        responses=answers(ConnectionSerializer),
    )
    def confirm(self, request: Request, slug: str, uid: str) -> Response:
        """Connect it, once what was found is what was meant; its first sync begins. Not by token.

        What is connected already stays as it is.
        """
        given = sent(Confirmation, request)
        found = get_object_or_404(self._visible(), uid=uid)
        if found.state == Connection.State.DRAFT:
            name, seen = given.get("name", found.name), given.get("remote_organization_id")
            try:
                connections.connect(connection=found, actor=self.actor, name=name, seen=seen)
            except Refused:  # perhaps because another request was faster
                if not self._visible().confirmed().filter(uid=uid).exists():
                    raise
        connected = with_freshness(self._visible()).get(uid=uid)
        place = address(request, "connection", slug, uid=uid)
        return Response(ConnectionSerializer(connected).data, headers={"Location": place})


def _base_url(given: Mapping[str, Any], provider: Provider, otherwise: str) -> str:
    """The one that was sent, or ``otherwise``; a 400 for what is not on the portal's list."""
    url: str = given.get("base_url", otherwise)
    if url not in allowed_base_urls(provider.key):
        raise serializers.ValidationError(
            {"base_url": [_("That base URL is not on this portal's list.")]}
        )
    return url
