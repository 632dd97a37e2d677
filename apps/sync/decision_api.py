"""The API's way to decisions: on a change that nobody could tell about, on one that failed, on a batch."""

from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.organizations.api_once import IDEMPOTENCY_KEY, once
from apps.organizations.api_problems import answers
from apps.organizations.api_shapes import NewestFirst, Shape, sent, written
from apps.organizations.api_waiting import PREFER
from apps.sync.api import (
    ASKING_ANSWERS,
    AskingMixin,
    BatchSerializer,
    ChangeSerializer,
    ChangeViewSet,
)
from apps.sync.models import Batch
from apps.sync.outbox import batches, requests
from apps.sync.outbox.kinds import KINDS, kind_of


class Decision(Shape):
    """What a person says of a change that waits for one: `resend` it, `adopt` what was found, `abandon` it."""

    decision = serializers.ChoiceField(["resend", "adopt", "abandon"])
    candidate = serializers.CharField(
        required=False, default="", help_text="Adopting: the remote id, one of those found."
    )
    reason = serializers.CharField(
        required=False, default="", max_length=300, help_text="Abandoning: why."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Each decision with what it needs."""
        needs = {"adopt": "candidate", "abandon": "reason"}.get(attrs["decision"])
        if needs and not attrs[needs].strip():
            raise serializers.ValidationError({needs: [_("This is needed here.")]})
        return attrs


@extend_schema(tags=["changes"])
class DecisionViewSet(ChangeViewSet):
    """Decisions on a change."""

    actions: ClassVar[dict[str, str]] = {"*": "commands.decide"}

    @extend_schema(
        operation_id="changes_decide", request=Decision, responses=answers(ChangeSerializer)
    )
    def decide(self, request: Request, slug: str, uid: str) -> Response:
        """Decide on a change whose outcome nobody could tell (state `operator`). What is sent again as
        another change is that one."""
        command, given = self._command(uid), sent(Decision, request)
        decision = given["decision"]
        if decision == "resend":
            self._check_sign_in(request, kind_of(command).action)
            command = requests.resend(command=command, actor=self.actor)
        elif decision == "adopt":
            requests.adopt(command=command, candidate=given["candidate"], actor=self.actor)
        else:
            requests.abandon(command=command, actor=self.actor, reason=given["reason"])
        return self._shown(str(command.uid))

    @extend_schema(
        operation_id="changes_ask_again",
        parameters=[IDEMPOTENCY_KEY, PREFER],
        request=None,
        responses=ASKING_ANSWERS,
    )
    def again(self, request: Request, slug: str, uid: str) -> Response:
        """Ask anew for a change that has failed; the old one keeps its end."""
        command, this = self._command(uid), once(request)
        self._check_sign_in(request, kind_of(command).action)
        asked = self.earlier(this) or requests.ask_again(
            command=command, actor=self.actor, nonce=this.nonce
        )
        return self.answer(asked)


@extend_schema(tags=["changes"])
class BatchViewSet(AskingMixin, viewsets.GenericViewSet[Batch]):
    """Batches: under review, on their way, settled."""

    actions: ClassVar[dict[str, str]] = {
        "list": "activity.read",
        "retrieve": "activity.read",
        "confirm": "commands.decide",
        "destroy": "commands.decide",
    }
    serializer_class = BatchSerializer
    pagination_class = NewestFirst
    lookup_field = "uid"

    def get_queryset(self) -> Any:
        """Those of the organization."""
        found = Batch.objects.visible_to(self.request.user).filter(organization=self.organization)
        return found.select_related("organization", "actor")

    @extend_schema(operation_id="batches_list")
    def list(self, request: Request, slug: str) -> Response:
        """Batches, the newest first; `confirmed_at` null is one that is still reviewed on the pages."""
        page = self.paginate_queryset(self.get_queryset()) or []
        counts = Batch.counts_of(page)
        for one in page:
            one.counts = counts[one.pk]  # for the serializer: one query for all
        return self.get_paginated_response(written(BatchSerializer, page, request=request))

    @extend_schema(operation_id="batches_retrieve")
    def retrieve(self, request: Request, slug: str, uid: str) -> Response:
        """How far a batch is, and what of it cannot be done."""
        batch = get_object_or_404(self.get_queryset(), uid=uid)
        return Response(BatchSerializer(batch, context={"request": request}).data)

    @extend_schema(
        operation_id="batches_confirm", request=None, responses=answers(BatchSerializer, 202)
    )
    def confirm(self, request: Request, slug: str, uid: str) -> Response:
        """Send a reviewed batch on its way; twice is once."""
        batch = get_object_or_404(self.get_queryset(), uid=uid)
        kinds = batch.commands.order_by().values_list("kind", flat=True).distinct()
        for name in kinds:
            self._check_sign_in(request, KINDS[name].action)
        return self.answer(batches.confirm_batch(batch=batch, actor=self.actor))

    @extend_schema(operation_id="batches_discard", responses=answers(None, 204))
    def destroy(self, request: Request, slug: str, uid: str) -> Response:
        """Drop a batch that is still reviewed."""
        batch = get_object_or_404(self.get_queryset(), uid=uid)
        batches.discard_batch(batch=batch, actor=self.actor)
        return Response(status=204)
