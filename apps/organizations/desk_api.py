"""The API's way to an organization's own settings, and to views that are kept of lists."""

from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.forms import time_zone_choices
from apps.organizations import services
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_once import IDEMPOTENCY_KEY, answered_once
from apps.organizations.api_problems import answers, of_form
from apps.organizations.api_shapes import Cursors, Moment, Shape, asked_of_list, sent, written
from apps.organizations.models import Organization
from apps.ui.models import SavedView
from apps.ui.saved import KEPT, SavedViewForm, keep

# --- The organization ----------------------------------------------------------------------------


class SettingsSerializer(serializers.Serializer[Organization]):
    """An organization and what it demands."""

    slug = serializers.CharField()
    name = serializers.CharField()
    time_zone = serializers.CharField(help_text="IANA's name: Europe/Berlin")
    demand_mfa = serializers.BooleanField(help_text="Of whoever may change something.")
    demand_second_person = serializers.BooleanField(help_text="For what cannot be taken back.")
    second_person_cents = serializers.IntegerField(
        allow_null=True, help_text="What is paid above that waits for a second person."
    )
    support_may_read = serializers.BooleanField()
    support_may_view_as = serializers.BooleanField(
        help_text="Whether support may look through a colleague's eyes, for half an hour and reading alone."
    )
    sending_stopped_at = Moment(
        allow_null=True, help_text="Since when changes are stopped after a restored backup."
    )


class SettingsChange(Shape):
    """What is to be otherwise; the rest stays."""

    name = serializers.CharField(max_length=120, required=False)
    time_zone = serializers.CharField(max_length=60, required=False)
    demand_mfa = serializers.BooleanField(required=False)
    demand_second_person = serializers.BooleanField(required=False)
    second_person_cents = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, max_value=100_000_000
    )
    support_may_read = serializers.BooleanField(required=False)
    support_may_view_as = serializers.BooleanField(required=False)

    def validate_time_zone(self, value: str) -> str:
        """One that there is."""
        if value not in dict(time_zone_choices()):
            raise serializers.ValidationError(_("There is no such time zone."))
        return value


@extend_schema(tags=["organizations"])
class SettingsViewSet(DeskAPIMixin, viewsets.GenericViewSet[Organization]):
    """One organization."""

    actions: ClassVar[dict[str, str]] = {
        "retrieve": "organization.read",
        "partial_update": "organization.change",
    }
    serializer_class = SettingsSerializer

    @extend_schema(operation_id="organizations_retrieve")
    def retrieve(self, request: Request, slug: str) -> Response:
        """The organization and what it demands."""
        return Response(SettingsSerializer(self.organization).data)

    @extend_schema(
        operation_id="organizations_change",
        request=SettingsChange,
        responses=answers(SettingsSerializer),
    )
    def partial_update(self, request: Request, slug: str) -> Response:
        """Another name, time zone or demand."""
        wanted = sent(SettingsChange, request)
        changed = services.change_organization(
            organization=self.organization,
            actor=self.actor,
            **wanted,
        )
        return Response(SettingsSerializer(changed).data)


# --- Saved views ---------------------------------------------------------------------------------


class SavedViewSerializer(serializers.Serializer[SavedView]):
    """A list's filters and sort under a name."""

    id = serializers.IntegerField()
    list = serializers.CharField(source="list_name", help_text="people, invites, keys, …")
    name = serializers.CharField()
    query = serializers.CharField(help_text="As it stands in the address of the list's page.")
    shared = serializers.BooleanField(help_text="Everyone in the organization sees it.")
    opens_first = serializers.BooleanField(help_text="Its owner's list opens with it.")
    own = serializers.SerializerMethodField(help_text="Whether it is the caller's.")

    @extend_schema_field(serializers.BooleanField())
    def get_own(self, row: SavedView) -> bool:
        """Nobody changes another's."""
        return bool(row.owner_id == self.context["request"].user.pk)


class SavedViewsAsked(Shape):
    """Of which list."""

    list = serializers.CharField(required=False)


class _SavedViewWords(Shape):
    name = serializers.CharField(max_length=60, required=False)
    query = serializers.CharField(max_length=1000, required=False, allow_blank=True)
    shared = serializers.BooleanField(required=False)
    opens_first = serializers.BooleanField(required=False)


class SavedViewChange(_SavedViewWords):
    """What is to be otherwise; the rest stays."""


class NewSavedView(_SavedViewWords):
    """A view to keep."""

    list = serializers.CharField(max_length=40)
    name = serializers.CharField(max_length=60)


@extend_schema(tags=["organizations"])
class SavedViewViewSet(DeskAPIMixin, viewsets.GenericViewSet[SavedView]):
    """Views that are kept of lists."""

    actions: ClassVar[dict[str, str]] = {"*": "activity.read"}
    serializer_class = SavedViewSerializer
    pagination_class = Cursors

    def get_queryset(self) -> QuerySet[SavedView]:
        """The caller's own, and those that colleagues share."""
        seen = Q(owner=self.actor) | Q(shared=True)
        return SavedView.objects.filter(seen, organization=self.organization)

    def _own(self, pk: int) -> SavedView:
        return get_object_or_404(self.get_queryset(), pk=pk, owner=self.actor)

    def _shown(self, view: SavedView, status: int = 200) -> Response:
        return Response(SavedViewSerializer(view, context={"request": self.request}).data, status)

    def _kept(self, view: SavedView, given: dict[str, Any]) -> SavedView:
        """As the page keeps it."""
        view.query = given.pop("query", view.query)
        names = ("name", "shared", "opens_first")
        form = SavedViewForm({n: getattr(view, n) for n in names} | given, instance=view)
        if not keep(form):
            raise of_form(form)
        return view

    @extend_schema(operation_id="saved_views_list", parameters=[SavedViewsAsked])
    def list(self, request: Request, slug: str) -> Response:
        """Views of lists, one's own and those that colleagues share."""
        rows = self.get_queryset()
        if wanted := asked_of_list(SavedViewsAsked, request).get("list"):
            rows = rows.filter(list_name=wanted)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(written(SavedViewSerializer, page, request=request))

    @extend_schema(
        operation_id="saved_views_create",
        parameters=[IDEMPOTENCY_KEY],
        request=NewSavedView,
        responses=answers(SavedViewSerializer, 201),
    )
    @answered_once
    def create(self, request: Request, slug: str) -> Response:
        """Keep a view of a list. Of that list it is the caller's only one of its name."""
        given = sent(NewSavedView, request)
        name = given.pop("list")
        if name not in KEPT:
            raise serializers.ValidationError({"list": [_("There is no such list.")]})
        view = SavedView(organization=self.organization, owner=self.actor, list_name=name)
        return self._shown(self._kept(view, given), 201)

    @extend_schema(
        operation_id="saved_views_change",
        request=SavedViewChange,
        responses=answers(SavedViewSerializer),
    )
    def partial_update(self, request: Request, slug: str, pk: int) -> Response:
        """Another name, other filters, shared or not."""
        return self._shown(self._kept(self._own(pk), sent(SavedViewChange, request)))

    @extend_schema(operation_id="saved_views_delete", responses={204: None})
    def destroy(self, request: Request, slug: str, pk: int) -> Response:
        """Forget it."""
        self._own(pk).delete()
        return Response(status=204)
