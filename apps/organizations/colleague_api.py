"""The API's way to colleagues and their invitations. Who changes them has just signed in: no token does."""

from typing import Any, ClassVar

from django.conf import settings
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.organizations import services
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_once import IDEMPOTENCY_KEY, answered_once
from apps.organizations.api_problems import RefusingMixin, answers
from apps.organizations.api_shapes import Moment, Shape, sent
from apps.organizations.forms import ROLE_MEANINGS
from apps.organizations.mail import send_invitation
from apps.organizations.models import ColleagueInvitation, Grant, Role

GIVEN = [(role.value, role.label) for role in ROLE_MEANINGS]  # those that one person gives another


class ColleagueSerializer(serializers.Serializer[Grant]):
    """Somebody who may act for the organization."""

    id = serializers.IntegerField()
    name = serializers.CharField(source="user.name")
    email = serializers.EmailField(source="user.email")
    role = serializers.ChoiceField(Role.choices)
    created_at = Moment()


class InvitationSerializer(serializers.Serializer[ColleagueInvitation]):
    """An invitation to the portal that nobody has accepted yet. Its link is in no answer."""

    id = serializers.IntegerField()
    email = serializers.EmailField()
    role = serializers.ChoiceField(Role.choices)
    invited_by = serializers.EmailField(
        source="invited_by.email", read_only=True, default=None, allow_null=True
    )
    created_at = Moment()
    expires_at = Moment()


class MailedInvitationSerializer(InvitationSerializer):
    """The same, when its letter was to leave."""

    mailed = serializers.BooleanField(
        help_text="False: the mail server did not take the letter. The invitation is kept: send it again."
    )


class ColleaguesSerializer(serializers.Serializer[dict[str, Any]]):
    """Who may act for the organization, and who was invited to."""

    colleagues = ColleagueSerializer(many=True)
    invitations = InvitationSerializer(many=True)


class ColleagueChange(Shape):
    """What a colleague is to be."""

    role = serializers.ChoiceField(GIVEN)


class NewColleague(ColleagueChange):
    """Whom to invite, and as what."""

    email = serializers.EmailField(max_length=254)


class ColleaguesView(DeskAPIMixin):
    """Colleagues."""

    actions: ClassVar[dict[str, str]] = {"get": "grants.read"}
    serializer_class = ColleaguesSerializer

    @extend_schema(
        operation_id="colleagues_list", tags=["colleagues"], responses=ColleaguesSerializer
    )
    def get(self, request: Request, slug: str) -> Response:
        """Colleagues and open invitations."""
        mine: Any = {"organization": self.organization}
        held = Grant.objects.filter(**mine).select_related("user").order_by("pk")
        invited = ColleagueInvitation.objects.filter(**mine, accepted_at__isnull=True)
        told = {
            "colleagues": held,
            "invitations": invited.select_related("invited_by").order_by("pk"),
        }
        return Response(ColleaguesSerializer(told).data)


@extend_schema(tags=["colleagues"])
class ColleagueViewSet(RefusingMixin, DeskAPIMixin, viewsets.GenericViewSet[Grant]):
    """One colleague. Not by token: it asks for a fresh sign-in."""

    actions: ClassVar[dict[str, str]] = {"*": "grants.change"}
    serializer_class = ColleagueSerializer
    refusals = (services.Refused,)

    def _row(self, pk: int) -> Grant:
        held = Grant.objects.select_related("user")
        return get_object_or_404(held, pk=pk, organization=self.organization)

    @extend_schema(
        operation_id="colleagues_change",
        request=ColleagueChange,
        responses=answers(ColleagueSerializer),
    )
    def partial_update(self, request: Request, slug: str, pk: int) -> Response:
        """Give a colleague another role. Whoever may do less afterwards is signed out everywhere."""
        role = Role(sent(ColleagueChange, request)["role"])
        changed = services.change_grant(grant=self._row(pk), role=role, actor=self.actor)
        return Response(ColleagueSerializer(changed).data)

    @extend_schema(operation_id="colleagues_remove", responses={204: None})
    def destroy(self, request: Request, slug: str, pk: int) -> Response:
        """Take a colleague off the organization and sign them out everywhere."""
        services.remove_grant(grant=self._row(pk), actor=self.actor)
        return Response(status=204)


@extend_schema(tags=["colleagues"])
class InvitationViewSet(RefusingMixin, DeskAPIMixin, viewsets.GenericViewSet[ColleagueInvitation]):
    """Invitations to the portal. Not by token: it asks for a fresh sign-in."""

    actions: ClassVar[dict[str, str]] = {"*": "grants.change"}
    serializer_class = MailedInvitationSerializer
    refusals = (services.Refused,)

    def _row(self, pk: int) -> ColleagueInvitation:
        mine = ColleagueInvitation.objects.filter(organization=self.organization)
        return get_object_or_404(mine.select_related("organization", "invited_by"), pk=pk)

    def _mailed(self, pk: int, token: str, status: int) -> Response:
        row = self._row(pk)
        path = reverse("accept_invitation", kwargs={"token": token})
        row.mailed = send_invitation(row, settings.PORTAL_URL + path)  # type: ignore[attr-defined]  # for the serializer
        return Response(MailedInvitationSerializer(row).data, status)

    @extend_schema(
        operation_id="invitations_create",
        parameters=[IDEMPOTENCY_KEY],
        request=NewColleague,
        responses=answers(MailedInvitationSerializer, 201),
    )
    @answered_once
    def create(self, request: Request, slug: str) -> Response:
        """Invite somebody to the portal. The link leaves by mail alone."""
        given = sent(NewColleague, request)
        invitation, token = services.invite_colleague(
            organization=self.organization,
            email=given["email"],
            role=Role(given["role"]),
            actor=self.actor,
        )
        return self._mailed(invitation.pk, token, 201)

    @extend_schema(
        operation_id="invitations_resend",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses=answers(MailedInvitationSerializer),
    )
    @answered_once
    def resend(self, request: Request, slug: str, pk: int) -> Response:
        """Send it again with a new link, for seven more days."""
        token = services.resend_invitation(invitation=self._row(pk), actor=self.actor)
        return self._mailed(pk, token, 200)

    @extend_schema(operation_id="invitations_withdraw", responses={204: None})
    def destroy(self, request: Request, slug: str, pk: int) -> Response:
        """Take it back: its link stops working."""
        services.withdraw_invitation(invitation=self._row(pk), actor=self.actor)
        return Response(status=204)
