"""The API's way to invites: those that are pending and were, and new ones, one or many."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import (
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.invites import services
from apps.invites.lists import STATES, state_now, still_open
from apps.invites.models import Invite
from apps.invites.services import Guest
from apps.members.api import ASKING, PersonPart, add_part
from apps.members.models import Person
from apps.organizations.api_once import Once, once
from apps.organizations.api_shapes import Moment, NewestFirst, Shape, asked_of_list, written
from apps.organizations.models import Connection
from apps.sync.api import ASKING_ANSWERS, AskingMixin, BatchSerializer, ChangeSerializer
from apps.sync.models import Batch, Command
from apps.sync.outbox.batches import confirm_batch

MOST_AT_ONCE = 1000


# --- Shapes --------------------------------------------------------------------------------------


class InviteSerializer(serializers.Serializer[Invite]):
    """An invite at one provider."""

    id = serializers.IntegerField()
    connection = serializers.UUIDField(source="connection.uid")
    provider = serializers.CharField(source="connection.provider")
    remote_id = serializers.CharField(
        allow_null=True, help_text="The provider's own id of it; null while it is being sent."
    )
    person = serializers.IntegerField(source="person_id")
    email = serializers.EmailField()
    role = serializers.CharField(help_text="The provider's own word.")
    state = serializers.SerializerMethodField(
        help_text="As it is this minute: a pending one whose date is past is expired."
    )
    invited_at = Moment(allow_null=True)
    expires_at = Moment(allow_null=True, help_text="Null where invites do not lapse.")
    error = serializers.CharField(help_text="Why it was refused, in the provider's own words.")

    @extend_schema_field(serializers.ChoiceField(Invite.State.choices))
    def get_state(self, row: Invite) -> str:
        """The page's own."""
        return str(state_now(row))


class InvitesAsked(Shape):
    """What the list of invites can be narrowed by."""

    q = serializers.CharField(required=False, max_length=200, help_text="A part of the address.")
    email = serializers.CharField(required=False, help_text="The address, in full.")
    provider = serializers.CharField(required=False)
    connection = serializers.UUIDField(required=False)
    role = serializers.CharField(required=False)
    state = serializers.ChoiceField(
        Invite.State.choices,
        required=False,
        help_text="pending: without those of disconnected accounts, of which nobody hears any more.",
    )
    expires_before = serializers.DateTimeField(required=False)


class NewInvite(Shape):
    """Whom to invite where, and as what."""

    connection = serializers.UUIDField()
    email = serializers.EmailField(max_length=254)
    role = serializers.CharField(
        max_length=60, help_text="One of those that the connection offers."
    )


_LOOKUPS = {
    "q": "person__email__contains",
    "email": "person__email",
    "provider": "connection__provider",
    "connection": "connection__uid",
    "role": "role",
    "expires_before": "expires_at__lt",
}
_LOWER = {"q", "email"}


# --- What a person's answer shows of invites -----------------------------------------------------


def _pending_of(people: Sequence[Person]) -> Mapping[int, Sequence[Invite]]:
    """Invites of these people that can be accepted. One query."""
    found: defaultdict[int, list[Invite]] = defaultdict(list)
    pending: QuerySet[Any] = Invite.objects.filter(still_open(), person__in=people)
    for row in pending.select_related("connection").order_by("pk"):
        found[row.person_id].append(row)
    return found


add_part(PersonPart("pending_invites", InviteSerializer, _pending_of))


# --- Views ---------------------------------------------------------------------------------------


@extend_schema(tags=["invites"])
class InviteViewSet(AskingMixin, viewsets.GenericViewSet[Invite]):
    """Invites of an organization."""

    actions: ClassVar[dict[str, str]] = {
        "list": "invites.read",
        "retrieve": "invites.read",
        "create": "invites.invite",
        "destroy": "invites.withdraw",
        "resend": "invites.resend",
    }
    serializer_class = InviteSerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[Any]:
        """Those of the organization."""
        found = Invite.objects.visible_to(self.request.user)
        return found.filter(connection__organization=self.organization).select_related(
            "connection__organization"
        )

    def _invite(self, pk: int) -> Invite:
        found: Invite = get_object_or_404(self.get_queryset(), pk=pk)
        return found

    @extend_schema(operation_id="invites_list", parameters=[InvitesAsked])
    def list(self, request: Request, slug: str) -> Response:
        """Invites, the newest first."""
        asked = asked_of_list(InvitesAsked, request)
        _label, in_state = STATES.get(asked.pop("state", ""), ("", Q))
        found = self.get_queryset().filter(
            in_state(),
            **{
                _LOOKUPS[name]: value.lower() if name in _LOWER else value
                for name, value in asked.items()
            },
        )
        page = self.paginate_queryset(found)
        return self.get_paginated_response(written(InviteSerializer, page))

    @extend_schema(operation_id="invites_retrieve")
    def retrieve(self, request: Request, slug: str, pk: int) -> Response:
        """One invite."""
        return Response(InviteSerializer(self._invite(pk)).data)

    @extend_schema(
        operation_id="invites_create",
        parameters=ASKING,
        request=PolymorphicProxySerializer(
            component_name="NewInviteOrMany",
            serializers=[NewInvite, NewInvite(many=True)],
            resource_type_field_name=None,
            many=False,
        ),
        responses={
            **ASKING_ANSWERS,
            202: OpenApiResponse(
                PolymorphicProxySerializer(
                    component_name="ChangeOrBatch",
                    serializers=[ChangeSerializer, BatchSerializer],
                    resource_type_field_name=None,
                ),
                description="One: the change. A list: the batch, with what of it cannot be done.",
            ),
        },
    )
    def create(self, request: Request, slug: str) -> Response:
        """Invite one address, or a list of them as one batch (at most 1,000, on any connections)."""
        this = once(request)
        return self.answer(self.earlier(this) or self._ask(request, this))

    def _ask(self, request: Request, this: Once) -> Command | Batch:
        many = isinstance(request.data, list)
        bounds: dict[str, Any] = (
            {"many": True, "allow_empty": False, "max_length": MOST_AT_ONCE} if many else {}
        )
        wanted: Any = NewInvite(data=request.data, **bounds)
        wanted.is_valid(raise_exception=True)
        guests = self._guests(wanted.validated_data if many else [wanted.validated_data], many)
        if not many:
            return services.invite(guest=guests[0], actor=self.actor, nonce=this.nonce)
        return services.draft_invites(
            organization=self.organization, guests=guests, actor=self.actor, nonce=this.nonce
        )

    def answer(self, asked: Command | Batch) -> Response:
        """A list was reviewed by who sent it: its batch is on its way at once."""
        if isinstance(asked, Batch) and asked.confirmed_at is None:
            asked = confirm_batch(batch=asked, actor=self.actor)
        return super().answer(asked)

    def _guests(self, wanted: Sequence[dict[str, Any]], many: bool) -> Sequence[Guest]:
        visible = Connection.objects.visible_to(self.request.user).select_related("organization")
        found = visible.filter(
            organization=self.organization, uid__in={one["connection"] for one in wanted}
        ).confirmed()
        known = {connection.uid: connection for connection in found}
        errors: dict[str, Any] = {
            str(number): {"connection": [_("There is no such connection here.")]}
            for number, one in enumerate(wanted)
            if one["connection"] not in known
        }
        if errors:
            raise serializers.ValidationError(errors if many else errors["0"])
        return [Guest(known[one["connection"]], one["email"], one["role"]) for one in wanted]

    @extend_schema(
        operation_id="invites_withdraw", parameters=ASKING, request=None, responses=ASKING_ANSWERS
    )
    def destroy(self, request: Request, slug: str, pk: int) -> Response:
        """Ask the provider to withdraw a pending invite."""
        row, this = self._invite(pk), once(request)
        asked = self.earlier(this) or services.withdraw(row=row, actor=self.actor, nonce=this.nonce)
        return self.answer(asked)

    @extend_schema(
        operation_id="invites_resend", parameters=ASKING, request=None, responses=ASKING_ANSWERS
    )
    def resend(self, request: Request, slug: str, pk: int) -> Response:
        """Send it again: a pending one is withdrawn first, any other is invited anew."""
        row, this = self._invite(pk), once(request)
        asked = self.earlier(this) or services.resend(row=row, actor=self.actor, nonce=this.nonce)
        return self.answer(asked)
