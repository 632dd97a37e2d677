"""The API's way to let changes go on after a restore: what is being checked, and the word that they may."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_problems import RefusingMixin, answers
from apps.organizations.api_shapes import Moment
from apps.organizations.models import Connection
from apps.organizations.services import Refused, resume_sending
from apps.sync.outbox.restored import standing


class BehindSerializer(serializers.Serializer[Connection]):
    """A connection that was not synced since: what is known of it may be as old as the backup."""

    id = serializers.UUIDField(source="uid")
    name = serializers.CharField()


class StopSerializer(serializers.Serializer[dict[str, Any]]):
    """Whether changes are stopped since the database was put back from a backup, and what is open."""

    stopped_at = Moment(allow_null=True, help_text="Null: they are not stopped.")
    put_back_at = Moment(allow_null=True, help_text="When a restore was noticed last; null: never.")
    checking = serializers.IntegerField(help_text="Changes that are checked at their providers.")
    waiting = serializers.IntegerField(help_text="Changes that wait to be sent.")
    undecided = serializers.IntegerField(help_text="Changes that need a decision.")
    behind = BehindSerializer(many=True)


class StopView(RefusingMixin, DeskAPIMixin):
    """Changes after a restore."""

    actions: ClassVar[dict[str, str]] = {
        "get": "activity.read",
        "delete": "organization.resume_sending",
    }
    serializer_class = StopSerializer
    refusals = (Refused,)

    def _shown(self) -> Response:
        told = standing(self.organization)
        return Response(
            StopSerializer(
                {
                    "stopped_at": self.organization.sending_stopped_at,
                    "put_back_at": self.organization.put_back_at,
                    "checking": told.checking,
                    "waiting": told.waiting,
                    "undecided": told.undecided,
                    "behind": told.behind,
                }
            ).data
        )

    @extend_schema(operation_id="stop_retrieve", tags=["changes"], responses=StopSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """Whether changes are stopped after a restore, and what to look at before they go on."""
        return self._shown()

    @extend_schema(operation_id="stop_end", tags=["changes"], responses=answers(StopSerializer))
    def delete(self, request: Request, slug: str) -> Response:
        """Let changes go on that were stopped after a restore. Not by token: it asks for a fresh sign-in."""
        resume_sending(organization=self.organization, actor=self.actor)
        self.organization.refresh_from_db()
        return self._shown()
