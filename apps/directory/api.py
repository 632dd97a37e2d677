"""The API's way to what a directory has sent, and what it gives. SCIM writes it, and owners decide."""

from typing import Any, ClassVar

from django.db.models import Count, Q, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.directory import services
from apps.directory.lists import STATES, in_state, standing, with_roles
from apps.directory.models import DirectoryGroup, DirectoryUser
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_problems import RefusingMixin, answers
from apps.organizations.api_shapes import (
    Cursors,
    Moment,
    Shape,
    asked_of_list,
    sent,
    written,
)
from apps.organizations.colleague_api import GIVEN
from apps.organizations.models import Role
from apps.organizations.services import Refused


class DirectoryGroupSerializer(serializers.Serializer[DirectoryGroup]):
    """A group of the directory, and what an owner has made of it."""

    id = serializers.UUIDField(source="uid", help_text="As in SCIM.")
    name = serializers.CharField()
    external_id = serializers.CharField()
    role = serializers.ChoiceField(
        Role.choices, allow_blank=True, help_text="What it gives its members. Empty: nothing."
    )
    members = serializers.IntegerField(source="size", help_text="How many.")
    changed_at = Moment()


class DirectoryPersonSerializer(serializers.Serializer[DirectoryUser]):
    """A person as the directory knows them, and where that leaves them here."""

    id = serializers.UUIDField(source="uid", help_text="As in SCIM.")
    user_name = serializers.CharField()
    external_id = serializers.CharField()
    name = serializers.CharField(source="called", help_text="What the directory calls them.")
    email = serializers.CharField(help_text="The address that counts. Empty: none of them is one.")
    active = serializers.BooleanField()
    role = serializers.ChoiceField(
        Role.choices, source="held_role", allow_null=True, help_text="Null: none."
    )
    by_directory = serializers.BooleanField(
        source="is_given", allow_null=True, help_text="False: the role was given by hand."
    )
    standing = serializers.SerializerMethodField(help_text="The same in words.")
    kept_out_at = Moment(allow_null=True, help_text="When an owner took them off by hand.")
    changed_at = Moment()

    def get_standing(self, row: DirectoryUser) -> str:
        """As the page says it."""
        return standing(row)[1]


class DirectoryGroupChange(Shape):
    """What a group gives."""

    role = serializers.ChoiceField(GIVEN, allow_blank=True, help_text="Empty: nothing.")


class DirectoryPeopleAsked(Shape):
    """What the list of people can be narrowed by, as the page's."""

    state = serializers.ChoiceField(STATES, required=False)
    group = serializers.UUIDField(required=False)
    email = serializers.CharField(required=False, help_text="The address, in full.")


@extend_schema(tags=["directory"])
class DirectoryGroupViewSet(RefusingMixin, DeskAPIMixin, viewsets.GenericViewSet[DirectoryGroup]):
    """Groups of the directory."""

    actions: ClassVar[dict[str, str]] = {"*": "grants.read", "partial_update": "grants.change"}
    refusals = (Refused,)
    serializer_class = DirectoryGroupSerializer
    pagination_class = Cursors

    def get_queryset(self) -> QuerySet[Any]:
        """The organization's."""
        visible = DirectoryGroup.objects.visible_to(self.request.user)
        return visible.filter(organization=self.organization).annotate(size=Count("memberships"))

    @extend_schema(operation_id="directory_groups_list")
    def list(self, request: Request, slug: str) -> Response:
        """Groups, and what role each gives."""
        asked_of_list(Shape, request)
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(written(DirectoryGroupSerializer, page))

    def _row(self, uid: str) -> Any:
        return get_object_or_404(self.get_queryset(), uid=uid)

    @extend_schema(operation_id="directory_groups_retrieve")
    def retrieve(self, request: Request, slug: str, uid: str) -> Response:
        """One group."""
        return Response(DirectoryGroupSerializer(self._row(uid)).data)

    @extend_schema(
        operation_id="directory_groups_change",
        request=DirectoryGroupChange,
        responses=answers(DirectoryGroupSerializer),
    )
    def partial_update(self, request: Request, slug: str, uid: str) -> Response:
        """Say what a group's members may do here. Not by token: it asks for a fresh sign-in."""
        role = sent(DirectoryGroupChange, request)["role"]
        group = self._row(uid)
        services.map_group(group=group, role=Role(role) if role else None, actor=self.actor)
        return Response(DirectoryGroupSerializer(self._row(uid)).data)


@extend_schema(tags=["directory"])
class DirectoryPersonViewSet(RefusingMixin, DeskAPIMixin, viewsets.GenericViewSet[DirectoryUser]):
    """People of the directory."""

    actions: ClassVar[dict[str, str]] = {"*": "grants.read", "hand_over": "grants.change"}
    refusals = (Refused,)
    serializer_class = DirectoryPersonSerializer
    pagination_class = Cursors

    def get_queryset(self) -> QuerySet[Any]:
        """The organization's."""
        visible = DirectoryUser.objects.visible_to(self.request.user)
        return with_roles(visible.filter(organization=self.organization))

    @extend_schema(operation_id="directory_people_list", parameters=[DirectoryPeopleAsked])
    def list(self, request: Request, slug: str) -> Response:
        """Everybody whom the directory speaks of, and where that leaves them here."""
        asked = asked_of_list(DirectoryPeopleAsked, request)
        narrowed = Q(in_state(asked["state"])) if "state" in asked else Q()
        if "group" in asked:
            narrowed &= Q(memberships__group__uid=asked["group"])
        if "email" in asked:
            narrowed &= Q(email=asked["email"].lower())
        page = self.paginate_queryset(self.get_queryset().filter(narrowed))
        return self.get_paginated_response(written(DirectoryPersonSerializer, page))

    @extend_schema(operation_id="directory_people_retrieve")
    def retrieve(self, request: Request, slug: str, uid: str) -> Response:
        """One of its people."""
        return self._shown(uid)

    def _row(self, uid: str) -> Any:
        return get_object_or_404(self.get_queryset(), uid=uid)

    def _shown(self, uid: str) -> Response:
        return Response(DirectoryPersonSerializer(self._row(uid)).data)

    @extend_schema(
        operation_id="directory_people_hand_over",
        request=None,
        responses=answers(DirectoryPersonSerializer),
    )
    def hand_over(self, request: Request, slug: str, uid: str) -> Response:
        """Let the directory decide about somebody again. Not by token: it asks for a fresh sign-in."""
        services.hand_over(person=self._row(uid), actor=self.actor)
        return self._shown(uid)
