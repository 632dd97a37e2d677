"""The API's way to changes: asking for one, waiting for its outcome, looking at it, deciding on it."""

from collections.abc import Callable
from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_once import Once, once
from apps.organizations.api_problems import PROBLEM, PROBLEMS, Conflict
from apps.organizations.api_shapes import (
    Moment,
    NewestFirst,
    Shape,
    address,
    asked_of_list,
    written,
)
from apps.organizations.api_waiting import Patience
from apps.organizations.policy import role_may, role_of
from apps.providers.masking import mask
from apps.sync.models import OPEN_STATES, Batch, Command, CommandEvent, CommandState
from apps.sync.outbox import requests, secrets
from apps.sync.outbox.kinds import kind_of, page_opened_by
from apps.sync.outbox.requests import RequestRefused, TargetBusy
from apps.sync.outbox.word import await_word

# --- Shapes --------------------------------------------------------------------------------------


class CommandEventSerializer(serializers.Serializer[CommandEvent]):
    """One line of a change's timeline."""

    at = Moment()
    state = serializers.ChoiceField(CommandState.choices)
    note = serializers.CharField()
    remote_request_id = serializers.CharField()


class ChangeSerializer(serializers.Serializer[Command]):
    """A change on its way to a provider, or settled."""

    id = serializers.UUIDField(source="uid")
    url = serializers.SerializerMethodField()
    kind = serializers.CharField(help_text="invites.invite, members.change_role, …")
    # A field of that name, not the serializer's own.
    label = serializers.CharField(  # type: ignore[assignment]  # see above
        help_text="Whom or what it is about: the address, as a rule."
    )
    summary = serializers.SerializerMethodField(help_text="What it does, in a sentence.")
    connection = serializers.UUIDField(source="connection.uid")
    batch = serializers.UUIDField(source="batch.uid", read_only=True, default=None, allow_null=True)
    state = serializers.ChoiceField(CommandState.choices)
    settled = serializers.SerializerMethodField(help_text="Whether its outcome is known for good.")
    arguments = serializers.SerializerMethodField(help_text="What was asked for.")
    before = serializers.SerializerMethodField(help_text="What it was when it was asked for.")
    error = serializers.CharField(help_text="Why not, in the provider's own words if it gave some.")
    error_code = serializers.CharField()
    remote_id = serializers.CharField(allow_null=True, help_text="What it made at the provider.")
    remote_request_id = serializers.CharField()
    attempts = serializers.IntegerField(help_text="Times that it may have reached the provider.")
    asked_by = serializers.EmailField(
        source="actor.email", read_only=True, default=None, allow_null=True
    )
    by_token = serializers.CharField(
        help_text="The organization's own token that asked for it, by its name then; "
        "`asked_by` made it. Empty where a person did, or a token of theirs."
    )
    approved_by = serializers.EmailField(
        source="approved_by.email", read_only=True, default=None, allow_null=True
    )
    created_at = Moment()
    settled_at = Moment(allow_null=True)

    @extend_schema_field(OpenApiTypes.URI)
    def get_url(self, row: Command) -> str:
        """Where to look at it."""
        return address(self.context["request"], "change", row.organization.slug, uid=row.uid)

    def get_summary(self, row: Command) -> str:
        """As its kind puts it."""
        return kind_of(row).describe(row)

    def get_settled(self, row: Command) -> bool:
        """Whether it is over."""
        return not row.is_open

    def get_arguments(self, row: Command) -> dict[str, Any]:
        """Without what looks like a secret."""
        return cast("dict[str, Any]", mask(row.arguments))

    def get_before(self, row: Command) -> dict[str, Any]:
        """Without what looks like a secret."""
        return cast("dict[str, Any]", mask(row.before))


class ChangeDetailSerializer(ChangeSerializer):
    """The same, with its timeline."""

    events = CommandEventSerializer(many=True)
    candidates = serializers.SerializerMethodField(
        help_text="What was found at the provider that it may have made; `id` is what to adopt."
    )

    page = serializers.SerializerMethodField(
        help_text="The provider's page that it has opened, to pay or to store a card there, for whoever "
        "may ask for such a change. Empty: none, or not yet."
    )

    def get_page(self, row: Command) -> str:
        """Never to be logged: whoever has it may pay there."""
        page = page_opened_by(row)
        if not page:
            return ""
        role = role_of(self.context["request"].user, row.organization)
        return page if role_may(role, kind_of(row).action) else ""

    @extend_schema_field(serializers.ListField(child=serializers.DictField()))
    def get_candidates(self, row: Command) -> list[dict[str, Any]]:
        """Without what looks like a secret."""
        return [cast("dict[str, Any]", mask(one)) for one in row.candidates]


class SecretSerializer(serializers.Serializer[dict[str, str]]):
    """What the provider showed this once."""

    secret = serializers.CharField()


class CountsSerializer(serializers.Serializer[dict[str, int]]):
    """How far the changes of a batch are."""

    total = serializers.IntegerField()
    waiting = serializers.IntegerField(help_text="Go on by themselves.")
    needs_person = serializers.IntegerField(help_text="Wait for an approval or a decision.")
    done = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    settled = serializers.IntegerField(help_text="Done, failed or cancelled.")


class RefusalSerializer(serializers.Serializer[dict[str, str]]):
    """Something in the list that cannot be done, and was not asked of any provider."""

    label = serializers.CharField()  # type: ignore[assignment]  # a field of that name
    connection = serializers.CharField(help_text="The connection's name.")
    reason = serializers.CharField()


class BatchSerializer(serializers.Serializer[Batch]):
    """Changes that were asked for in one go."""

    id = serializers.UUIDField(source="uid")
    url = serializers.SerializerMethodField()
    changes_url = serializers.SerializerMethodField(help_text="The list of its changes.")
    title = serializers.CharField()
    counts = CountsSerializer()
    refusals = RefusalSerializer(many=True)
    asked_by = serializers.EmailField(
        source="actor.email", read_only=True, default=None, allow_null=True
    )
    created_at = Moment()
    confirmed_at = Moment(allow_null=True)

    @extend_schema_field(OpenApiTypes.URI)
    def get_url(self, row: Batch) -> str:
        """Where to look at it."""
        return address(self.context["request"], "batch", row.organization.slug, uid=row.uid)

    @extend_schema_field(OpenApiTypes.URI)
    def get_changes_url(self, row: Batch) -> str:
        """Where its changes are listed."""
        changes = address(self.context["request"], "changes", row.organization.slug)
        return f"{changes}?batch={row.uid}"


ASKING_ANSWERS: dict[Any, Any] = {
    200: OpenApiResponse(ChangeSerializer, description="It was settled while you waited."),
    202: OpenApiResponse(ChangeSerializer, description="It is on its way; look at its address."),
    **PROBLEMS,
}
DECIDING_ANSWERS: dict[Any, Any] = {200: ChangeDetailSerializer} | {
    (code, PROBLEM): PROBLEMS[code, PROBLEM] for code in (403, 404, 409)
}


# --- Asking --------------------------------------------------------------------------------------


class AskingMixin(DeskAPIMixin):
    """For views that hand changes to the outbox."""

    def handle_exception(self, exc: Exception) -> Response:
        """What the portal refuses is a 409 in its own words."""
        if isinstance(exc, RequestRefused):
            more = {}
            if isinstance(exc, TargetBusy):
                more["change"] = self._address_of(exc.command)
            exc = Conflict(str(exc), more)
        return super().handle_exception(exc)

    def _address_of(self, command: Command) -> str:
        return address(self.request, "change", self.organization.slug, uid=command.uid)

    def earlier(self, this: Once) -> Command | Batch | None:
        """What this very request asked for before. Two queries."""
        commands = Command.objects.filter(organization=self.organization)
        batches = Batch.objects.filter(organization=self.organization)
        found: Command | Batch | None = this.earlier(commands) or this.earlier(batches)
        return found

    def asked_once(self, ask: Callable[[str], Command | Batch]) -> Response:
        """Hand over what the request asks for; ``ask`` gets its nonce. Sent again, it is what it was before."""
        this = once(self.request)
        return self.answer(self.earlier(this) or ask(this.nonce))

    def answer(self, asked: Command | Batch) -> Response:
        """202 with where to look; 200 if a change was settled while the caller waited."""
        if isinstance(asked, Batch):
            body = BatchSerializer(asked, context={"request": self.request}).data
            return Response(body, 202, headers={"Location": body["url"]})
        patience = Patience(self.request)
        command = await_word(asked, patience.seconds)
        body = ChangeSerializer(command, context={"request": self.request}).data
        headers = {"Location": body["url"], **patience.heeded(settled=not command.is_open)}
        return Response(body, 202 if command.is_open else 200, headers=headers)


# --- Changes -------------------------------------------------------------------------------------


class ChangesAsked(Shape):
    """What a list of changes can be narrowed by."""

    state = serializers.ChoiceField(
        [choice for choice in CommandState.choices if choice[0] != CommandState.DRAFT],
        required=False,
    )
    open = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="Whether the outcome is to come."
    )
    kind = serializers.CharField(required=False)
    label = serializers.CharField(  # type: ignore[assignment]  # a field of that name
        required=False, help_text="The address, in full."
    )
    connection = serializers.UUIDField(required=False)
    batch = serializers.UUIDField(required=False)


@extend_schema(tags=["changes"])
class ChangeViewSet(AskingMixin, viewsets.GenericViewSet[Command]):
    """Changes on their way and settled."""

    actions: ClassVar[dict[str, str]] = {
        "list": "activity.read",
        "retrieve": "activity.read",
        "cancel": "commands.decide",
        "approve": "commands.approve",
        "refuse": "commands.approve",
        "secret": "activity.read",
    }
    serializer_class = ChangeSerializer
    shapes: ClassVar[dict[str, Any]] = {"retrieve": ChangeDetailSerializer}
    pagination_class = NewestFirst
    lookup_field = "uid"

    def get_queryset(self) -> QuerySet[Command]:
        """Those of the organization that somebody has asked for; drafts of batches are none."""
        found = Command.objects.visible_to(self.request.user)
        return (
            found.filter(organization=self.organization)
            .exclude(state=CommandState.DRAFT)
            .select_related("organization", "connection", "batch", "actor", "approved_by")
        )

    @extend_schema(operation_id="changes_list", parameters=[ChangesAsked])
    def list(self, request: Request, slug: str) -> Response:
        """Changes, the newest first."""
        found = self.get_queryset()
        for name, value in asked_of_list(ChangesAsked, request).items():
            if name == "open":
                if value is not None:
                    states = found.filter(state__in=OPEN_STATES)
                    found = states if value else found.exclude(state__in=OPEN_STATES)
            elif name in ("connection", "batch"):
                found = found.filter(**{f"{name}__uid": value})
            else:
                found = found.filter(**{name: value})
        page = self.paginate_queryset(found)
        return self.get_paginated_response(written(ChangeSerializer, page, request=request))

    @extend_schema(operation_id="changes_retrieve", responses=ChangeDetailSerializer)
    def retrieve(self, request: Request, slug: str, uid: str) -> Response:
        """One change with its timeline."""
        return self._shown(uid)

    @extend_schema(
        operation_id="changes_cancel",
        request=None,
        responses=DECIDING_ANSWERS,
    )
    def cancel(self, request: Request, slug: str, uid: str) -> Response:
        """Take back a change that has not been sent."""
        requests.cancel(command=self._command(uid), actor=self.actor)
        return self._shown(uid)

    @extend_schema(
        operation_id="changes_approve",
        request=None,
        responses=DECIDING_ANSWERS,
    )
    def approve(self, request: Request, slug: str, uid: str) -> Response:
        """Let a change go that waits for a second person. Not by token: it asks for a fresh sign-in."""
        requests.approve(command=self._command(uid), actor=self.actor)
        return self._shown(uid)

    @extend_schema(
        operation_id="changes_refuse",
        request=None,
        responses=DECIDING_ANSWERS,
    )
    def refuse(self, request: Request, slug: str, uid: str) -> Response:
        """Say no to a change that waits for a second person. Not by token either."""
        requests.refuse_approval(command=self._command(uid), actor=self.actor)
        return self._shown(uid)

    @extend_schema(
        operation_id="changes_secret",
        request=None,
        responses={200: SecretSerializer}
        | {(code, PROBLEM): PROBLEMS[code, PROBLEM] for code in (403, 404, 409)},
    )
    def secret(self, request: Request, slug: str, uid: str) -> Response:
        """What the provider showed once, a new key say: to who asked for it, once. Not by token."""
        command = self._command(uid)
        self._check_sign_in(request, kind_of(command).action)
        try:
            clear = secrets.reveal(command=command, actor=self.actor)
        except secrets.SecretGone as gone:
            raise Conflict(str(gone)) from None
        return Response({"secret": clear.reveal()}, headers={"Cache-Control": "no-store"})

    def _command(self, uid: str) -> Command:
        return get_object_or_404(self.get_queryset(), uid=uid)

    def _shown(self, uid: str) -> Response:
        command = get_object_or_404(self.get_queryset().prefetch_related("events"), uid=uid)
        return Response(ChangeDetailSerializer(command, context={"request": self.request}).data)
