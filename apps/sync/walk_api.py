"""The API's way to walks: how far they are, a sudden loss to decide about, rows that could not be read,
and what somebody changed at the provider."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_problems import Conflict, RefusingMixin, answers
from apps.organizations.api_shapes import (
    Moment,
    NewestFirst,
    Shape,
    asked_of_list,
    sent,
    written,
)
from apps.organizations.models import Connection
from apps.providers.masking import mask
from apps.sync import losses, mirrors, reconcile, schedule
from apps.sync.models import QuarantinedRow, RemoteChange, Resource, SyncRun
from apps.sync.views import SHOWN_LOSSES, Listing, listings_of

# --- Shapes --------------------------------------------------------------------------------------


class WalkSerializer(serializers.Serializer[SyncRun]):
    """One walk over a listing."""

    state = serializers.ChoiceField(SyncRun.State.choices)
    cause = serializers.ChoiceField(SyncRun.Cause.choices)
    started_at = Moment()
    finished_at = Moment(allow_null=True)
    seen = serializers.IntegerField(help_text="Rows.")
    expected = serializers.IntegerField(allow_null=True)
    added = serializers.IntegerField()
    changed = serializers.IntegerField()
    gone = serializers.IntegerField()
    returned = serializers.IntegerField()
    would_remove = serializers.IntegerField(help_text="What a person is asked about.")
    error = serializers.CharField()


class ListingSerializer(serializers.Serializer[Listing]):
    """A listing of a connection, and its newest walk."""

    name = serializers.CharField(source="resource.name")
    title = serializers.CharField(source="label")
    running = serializers.BooleanField()
    waiting = serializers.BooleanField(help_text="A walk is about to begin.")
    percent = serializers.IntegerField(allow_null=True, help_text="Null: nobody knows.")
    rows = serializers.IntegerField(source="resource.rows")
    unreadable = serializers.IntegerField(help_text="Rows that could not be read.")
    completed_at = Moment(source="resource.completed_at", allow_null=True)
    due_at = Moment(source="resource.due_at", allow_null=True)
    error = serializers.CharField(source="resource.error")
    walk = WalkSerializer(source="run", allow_null=True)


class MissingSerializer(serializers.Serializer[dict[str, str]]):
    """A row that a walk did not find any more."""

    remote_id = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field of that name


class LossSerializer(serializers.Serializer[dict[str, Any]]):
    """A walk that missed suspiciously many rows."""

    walk = serializers.IntegerField(help_text="To be sent with the decision.")
    before = serializers.IntegerField(help_text="Rows before it.")
    would_remove = serializers.IntegerField()
    missing = MissingSerializer(many=True, help_text=f"The first {SHOWN_LOSSES} of them.")


class LossDecision(Shape):
    """What a person says to it."""

    walk = serializers.IntegerField()
    decision = serializers.ChoiceField(
        [("accept", "They are gone"), ("dismiss", "They are not gone")]
    )


class UnreadableSerializer(serializers.Serializer[QuarantinedRow]):
    """A row that could not be read. What looks like a secret is masked."""

    remote_id = serializers.CharField()
    reason = serializers.CharField()
    raw = serializers.SerializerMethodField()
    first_seen_at = Moment()
    last_seen_at = Moment()

    def get_raw(self, row: QuarantinedRow) -> dict[str, Any]:
        """As the provider sent it."""
        return dict(mask(row.raw)) if isinstance(row.raw, dict) else {"row": mask(row.raw)}


class RemoteChangeSerializer(serializers.Serializer[RemoteChange]):
    """Something that somebody changed at the provider."""

    id = serializers.IntegerField()
    connection = serializers.UUIDField(source="connection.uid")
    listing = serializers.CharField(source="resource")
    remote_id = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field of that name
    what = serializers.ChoiceField(RemoteChange.What.choices)
    difference = serializers.DictField(
        child=serializers.ListField(), help_text="Field → before and after."
    )
    at = Moment(help_text="When a walk noticed it.")


class RemoteChangesAsked(Shape):
    """What changes at the provider can be narrowed by."""

    connection = serializers.UUIDField(required=False)
    what = serializers.ChoiceField(RemoteChange.What.choices, required=False)
    label = serializers.CharField(  # type: ignore[assignment]  # a field of that name
        required=False, help_text="The address, in full."
    )
    since = serializers.DateTimeField(required=False, help_text="Included.")


# --- Views ---------------------------------------------------------------------------------------


class _OfConnection(RefusingMixin, DeskAPIMixin):
    refusals = (schedule.WalkRefused,)

    def _connection(self, uid: str) -> Connection:
        visible = Connection.objects.visible_to(self.request.user).live()
        return get_object_or_404(
            visible.select_related("organization"), uid=uid, organization=self.organization
        )

    def _resource(self, uid: str, listing: str) -> Resource:
        rows = Resource.objects.select_related("connection__organization")
        return get_object_or_404(rows, connection=self._connection(uid), name=listing)


@extend_schema(tags=["connections"])
class ListingViewSet(_OfConnection, viewsets.GenericViewSet[Any]):
    """Listings of a connection and their walks."""

    actions: ClassVar[dict[str, str]] = {"list": "connections.read", "create": "sync.start"}
    serializer_class = ListingSerializer
    pagination_class = None

    @extend_schema(operation_id="listings_list", responses=ListingSerializer(many=True))
    def list(self, request: Request, slug: str, uid: str) -> Response:
        """What is read of a connection, and how far each walk is."""
        return Response(written(ListingSerializer, listings_of(self._connection(uid))))

    @extend_schema(
        operation_id="listings_walk",
        request=None,
        responses=answers(ListingSerializer(many=True), 202),
    )
    def create(self, request: Request, slug: str, uid: str) -> Response:
        """Have every listing walked now. Sent again while a walk is due, it changes nothing."""
        connection = self._connection(uid)
        schedule.ask_for_walk(connection=connection, actor=self.actor)
        return Response(written(ListingSerializer, listings_of(connection)), 202)


@extend_schema(tags=["connections"])
class LossViewSet(_OfConnection, viewsets.GenericViewSet[Any]):
    """A sudden loss."""

    actions: ClassVar[dict[str, str]] = {"retrieve": "connections.read", "update": "sync.decide"}
    serializer_class = LossSerializer

    @extend_schema(operation_id="listings_loss")
    def retrieve(self, request: Request, slug: str, uid: str, listing: str) -> Response:
        """What a walk missed, and waits for a decision about; 404 where nothing waits."""
        resource = self._resource(uid, listing)
        run, mirror = losses.question(resource), mirrors.get(listing)
        if run is None or not isinstance(mirror, mirrors.Mirror):
            raise Http404
        missing = mirror.model._default_manager.filter(
            connection=resource.connection,
            remote_id__in=sorted(reconcile.missing(run))[:SHOWN_LOSSES],
            gone_at__isnull=True,
        ).order_by(mirror.label_column)
        rows = missing.values_list("remote_id", mirror.label_column)
        told = {
            "walk": run.pk,
            "before": resource.rows + run.would_remove,
            "would_remove": run.would_remove,
            "missing": [{"remote_id": one, "label": label} for one, label in rows],
        }
        return Response(LossSerializer(told).data)

    @extend_schema(
        operation_id="listings_decide_loss",
        request=LossDecision,
        responses=answers(ListingSerializer),
    )
    def update(self, request: Request, slug: str, uid: str, listing: str) -> Response:
        """Say whether those are gone. A fresh walk carries it out."""
        resource = self._resource(uid, listing)
        given = sent(LossDecision, request)
        run = losses.question(resource)
        decide = losses.accept_loss if given["decision"] == "accept" else losses.dismiss_loss
        try:
            if run is None or run.pk != given["walk"]:
                raise losses.AlreadyDecided
            decide(run=run, actor=self.actor)
        except losses.AlreadyDecided:
            raise Conflict(
                _("A newer sync has changed what there is to decide. Look again.")
            ) from None
        now = {one.resource.name: one for one in listings_of(resource.connection)}
        return Response(ListingSerializer(now[listing]).data)


@extend_schema(tags=["connections"])
class UnreadableViewSet(_OfConnection, viewsets.GenericViewSet[QuarantinedRow]):
    """Rows that could not be read."""

    actions: ClassVar[dict[str, str]] = {"list": "connections.read"}
    serializer_class = UnreadableSerializer
    pagination_class = NewestFirst
    queryset = QuarantinedRow.objects.none()  # for the description alone

    @extend_schema(operation_id="listings_unreadable")
    def list(self, request: Request, slug: str, uid: str, listing: str) -> Response:
        """Rows of a listing that could not be read, while the rest of its walks went on."""
        rows = QuarantinedRow.objects.filter(resource=self._resource(uid, listing))
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(written(UnreadableSerializer, page))


@extend_schema(tags=["changes"])
class RemoteChangeViewSet(DeskAPIMixin, viewsets.GenericViewSet[RemoteChange]):
    """Changes that nobody asked for here."""

    actions: ClassVar[dict[str, str]] = {"list": "activity.read"}
    serializer_class = RemoteChangeSerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[RemoteChange]:
        """Those of the organization."""
        rows = RemoteChange.objects.visible_to(self.request.user)
        return rows.filter(organization=self.organization).select_related("connection")

    @extend_schema(operation_id="remote_changes_list", parameters=[RemoteChangesAsked])
    def list(self, request: Request, slug: str) -> Response:
        """What somebody changed at a provider, not through here; the newest first."""
        lookups = {"connection": "connection__uid", "since": "at__gte"}
        asked = asked_of_list(RemoteChangesAsked, request)
        rows = self.get_queryset().filter(
            **{lookups.get(name, name): value for name, value in asked.items()}
        )
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(written(RemoteChangeSerializer, page))
