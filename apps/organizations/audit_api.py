"""The API's way to the audit log: its lines, and whether they are as they were written."""

from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import User
from apps.audit import verification
from apps.audit.models import Entry
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_problems import answers
from apps.organizations.api_shapes import Moment, NewestFirst, Shape, asked_of_list, written
from apps.organizations.audit_list import SOURCES
from apps.organizations.models import Connection, Organization


class EntrySerializer(serializers.Serializer[Entry]):
    """A line of the log: who did what, when, on what, through what."""

    sequence = serializers.IntegerField(help_text="Its number in this organization's log.")
    at = Moment()
    actor = serializers.CharField(help_text="As they were called then.")
    verb = serializers.CharField(help_text="invites.invite, connections.pause, …")
    target_type = serializers.CharField()
    target_id = serializers.CharField()
    target = serializers.CharField(help_text="As it was called then.")
    source = serializers.CharField(  # type: ignore[assignment]  # a field of that name
        help_text="web, api, directory, worker, admin, command line"
    )
    details = serializers.JSONField(help_text="What was before and after, as a rule.")
    address = serializers.IPAddressField(allow_null=True)
    request_id = serializers.CharField()
    previous_hash = serializers.CharField()
    hash = serializers.CharField(help_text="SHA-256 over the line before and this one.")


class EntriesAsked(Shape):
    """What the log can be narrowed by."""

    q = serializers.CharField(
        required=False, max_length=200, help_text="A part of who, what it was done to, or its id."
    )
    verb = serializers.CharField(required=False, help_text="How it begins: invites, invites.resend")
    actor = serializers.EmailField(
        required=False, help_text="Whoever did it, also if they have left."
    )
    connection = serializers.UUIDField(required=False)
    source = serializers.ChoiceField(  # type: ignore[assignment]  # a field of that name
        SOURCES, required=False
    )
    since = serializers.DateTimeField(required=False, help_text="Included.")
    before = serializers.DateTimeField(required=False, help_text="Not included.")


def _narrowed(
    rows: QuerySet[Entry], asked: dict[str, Any], connections: QuerySet[Connection]
) -> QuerySet[Entry]:
    if words := asked.get("q"):
        fields = ("actor", "target", "target_id", "verb", "request_id")
        rows = rows.filter(
            Q(*((f"{field}__icontains", words) for field in fields), _connector=Q.OR)
        )
    if "connection" in asked:
        rows = rows.filter(
            connection_id__in=connections.filter(uid=asked["connection"]).values("pk")
        )
    if "actor" in asked:
        # Whoever it was, also if they hold no role here any more: the lines are the organization's.
        found = User.objects.filter(email__iexact=asked["actor"])
        rows = rows.filter(actor_id__in=found.values("pk"))
    lookups = {"verb": "verb__startswith", "source": "source", "since": "at__gte"}
    lookups["before"] = "at__lt"
    return rows.filter(**{lookups[name]: asked[name] for name in lookups if name in asked})


@extend_schema(tags=["audit"])
class EntryViewSet(DeskAPIMixin, viewsets.GenericViewSet[Entry]):
    """Lines of the log."""

    actions: ClassVar[dict[str, str]] = {"*": "audit.read"}
    serializer_class = EntrySerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[Entry]:
        """The organization's: they hang on its id alone, so that they outlive it."""
        mine = Organization.objects.visible_to(self.request.user).values("pk")
        return Entry.objects.filter(organization_id__in=mine, organization_id=self.organization.pk)

    @extend_schema(operation_id="audit_list", parameters=[EntriesAsked])
    def list(self, request: Request, slug: str) -> Response:
        """What was done here, the newest first."""
        connections = Connection.objects.visible_to(request.user)
        rows = _narrowed(
            self.get_queryset(),
            asked_of_list(EntriesAsked, request),
            connections.filter(organization=self.organization),
        )
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(written(EntrySerializer, page))

    @extend_schema(operation_id="audit_retrieve")
    def retrieve(self, request: Request, slug: str, sequence: int) -> Response:
        """One line."""
        return Response(
            EntrySerializer(get_object_or_404(self.get_queryset(), sequence=sequence)).data
        )


class VerificationSerializer(serializers.Serializer[verification.State]):
    """How far a verification is, or what the last one found."""

    running = serializers.BooleanField()
    done = serializers.IntegerField(help_text="Lines.")
    of = serializers.IntegerField()
    whole = serializers.BooleanField(help_text="It ended, and every line is as it was written.")
    broken_at = serializers.IntegerField(help_text="The first line that does not fit; 0: none.")
    reason = serializers.CharField()
    head = serializers.CharField(help_text="The newest line's hash, to be kept elsewhere.")
    at = serializers.CharField(help_text="When it ended; empty: it has not.")


class VerificationView(DeskAPIMixin):
    """Whether the log is as it was written."""

    actions: ClassVar[dict[str, str]] = {"get": "audit.read", "post": "audit.read"}
    serializer_class = VerificationSerializer

    @extend_schema(
        operation_id="audit_verification", tags=["audit"], responses=VerificationSerializer
    )
    def get(self, request: Request, slug: str) -> Response:
        """The verification under way, or what the last one of a day found."""
        state = verification.last(self.organization.pk)
        return self._shown(state or verification.State(running=False, done=0, of=0))

    @extend_schema(
        operation_id="audit_verify",
        tags=["audit"],
        request=None,
        responses=answers(VerificationSerializer),
    )
    def post(self, request: Request, slug: str) -> Response:
        """Have every line verified; a long log takes a worker some seconds, and GET tells how far it is."""
        return self._shown(verification.ask(self.organization.pk))

    @staticmethod
    def _shown(state: verification.State) -> Response:
        told = VerificationSerializer(state).data
        # Nothing was verified: that is no verdict.
        return Response(told | {"whole": state.whole and bool(state.at)})
