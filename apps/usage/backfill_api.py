"""The API's way to the reading of past usage: how far it is, pausing it, letting it go on."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_problems import answers
from apps.organizations.api_shapes import Moment, written
from apps.organizations.models import Connection
from apps.usage import services
from apps.usage.backfill_views import Backfill, backfill_of
from apps.usage.models import Report, ReportName


class BackfillSerializer(serializers.Serializer[Backfill]):
    """One report of a connection, and how many days of its past are read."""

    report = serializers.ChoiceField(ReportName.choices, source="report.name")
    since = serializers.DateField(help_text="The earliest UTC day wanted.")
    days_read = serializers.IntegerField(source="done")
    days_wanted = serializers.IntegerField(source="wanted")
    percent = serializers.IntegerField()
    paused_at = Moment(source="report.paused_at", allow_null=True)
    paused_by = serializers.EmailField(
        source="report.paused_by.email", read_only=True, default=None, allow_null=True
    )


@extend_schema(tags=["usage"])
class BackfillViewSet(DeskAPIMixin, viewsets.GenericViewSet[Any]):
    """The past of a connection's reports."""

    actions: ClassVar[dict[str, str]] = {
        "list": "usage.read",
        "pause": "usage.backfill",
        "resume": "usage.backfill",
    }
    serializer_class = BackfillSerializer
    pagination_class = None

    def _reports(self, uid: str) -> Any:
        visible = Connection.objects.visible_to(self.request.user).live()
        connection = get_object_or_404(visible, uid=uid, organization=self.organization)
        return Report.objects.filter(connection=connection).select_related("paused_by")

    def _act(self, uid: str, report: str, act: Callable[..., None]) -> Response:
        act(report=get_object_or_404(self._reports(uid), name=report), actor=self.actor)
        now = get_object_or_404(self._reports(uid), name=report)
        return Response(BackfillSerializer(backfill_of(now)).data)

    @extend_schema(operation_id="backfill_list", responses=BackfillSerializer(many=True))
    def list(self, request: Request, slug: str, uid: str) -> Response:
        """How far each report's past is read."""
        rows = [backfill_of(one) for one in self._reports(uid).order_by("pk")]
        return Response(written(BackfillSerializer, rows))

    @extend_schema(
        operation_id="backfill_pause", request=None, responses=answers(BackfillSerializer)
    )
    def pause(self, request: Request, slug: str, uid: str, report: str) -> Response:
        """Read nothing older for now. Twice is once."""
        return self._act(uid, report, services.pause_backfill)

    @extend_schema(operation_id="backfill_resume", responses=answers(BackfillSerializer))
    def resume(self, request: Request, slug: str, uid: str, report: str) -> Response:
        """Go on with the past."""
        return self._act(uid, report, services.resume_backfill)
