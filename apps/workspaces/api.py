"""The API's way to workspaces and the roles in them."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.members.api import ASKING
from apps.members.models import Member
from apps.organizations.api_once import once
from apps.organizations.api_shapes import Cursors, Moment, Shape, asked_of_list, written
from apps.organizations.models import Connection
from apps.sync.api import ASKING_ANSWERS, AskingMixin, BatchSerializer
from apps.sync.models import Batch, Command
from apps.sync.outbox.batches import confirm_batch
from apps.workspaces import member_services, services
from apps.workspaces.member_services import RoleWish
from apps.workspaces.models import Workspace, WorkspaceMember
from apps.workspaces.residency import ANYWHERE
from apps.workspaces.roles import OUT, hold_of, rules_of, why_none

MOST_AT_ONCE = 1000


# --- Shapes --------------------------------------------------------------------------------------


class WorkspaceSerializer(serializers.Serializer[Workspace]):
    """A workspace at one provider. The default workspace is not listed."""

    id = serializers.IntegerField()
    connection = serializers.UUIDField(source="connection.uid")
    remote_id = serializers.CharField(
        allow_null=True, help_text="The provider's own id of it; null while it is being created."
    )
    name = serializers.CharField()
    colour = serializers.CharField(help_text="As #RRGGBB; empty where it is not known.")
    state = serializers.ChoiceField(Workspace.State.choices)
    created_at = Moment(allow_null=True)
    archived_at = Moment(allow_null=True)
    allowed_geos = serializers.SerializerMethodField(
        help_text="Where requests may run; null where there is no limit."
    )
    default_geo = serializers.CharField(help_text="Where requests run that do not say.")
    storage_geo = serializers.CharField(help_text="Where data is kept; fixed for good.")
    error = serializers.CharField(help_text="Why it was refused, in the provider's own words.")

    def get_allowed_geos(self, row: Workspace) -> list[str] | None:
        """One by one."""
        return row.allowed_geos.split(",") if row.allowed_geos else None


class RoleInWorkspaceSerializer(serializers.Serializer[Any]):
    """A member's role in one workspace."""

    member = serializers.IntegerField()
    email = serializers.EmailField()
    remote_id = serializers.CharField(help_text="The user's id at the provider.")
    role = serializers.CharField(help_text="The provider's own word.")
    inherited = serializers.BooleanField(
        help_text="Whether it follows from the role in the organization."
    )
    choices = serializers.ListField(
        child=serializers.CharField(allow_blank=True),
        help_text="Roles that may be given in its place; an empty one takes the person out.",
    )
    why = serializers.CharField(help_text="Why there are fewer choices than for others, or none.")


class WorkspacesAsked(Shape):
    """What the list of workspaces can be narrowed by."""

    q = serializers.CharField(required=False, max_length=200, help_text="A part of the name.")
    state = serializers.ChoiceField(Workspace.State.choices, required=False)
    connection = serializers.UUIDField(required=False)


_GEOS = "null, or nothing: no limit."


class NewWorkspace(Shape):
    """A workspace to be made."""

    connection = serializers.UUIDField()
    name = serializers.CharField(max_length=200)
    allowed_geos = serializers.ListField(
        child=serializers.CharField(max_length=40), required=False, allow_null=True, help_text=_GEOS
    )
    default_geo = serializers.CharField(required=False, max_length=40)
    storage_geo = serializers.CharField(required=False, max_length=40)


class WorkspaceChange(Shape):
    """Another name, or another residency: one of them at a time."""

    name = serializers.CharField(max_length=200, required=False)
    allowed_geos = serializers.ListField(
        child=serializers.CharField(max_length=40), required=False, allow_null=True, help_text=_GEOS
    )
    default_geo = serializers.CharField(required=False, max_length=40)

    def validate(self, attrs: Any) -> Any:
        """Each is a change of its own at the provider."""
        if "name" in attrs and len(attrs) > 1:
            raise serializers.ValidationError(
                _("Send the name and the residency one after the other.")
            )
        if not attrs:
            raise serializers.ValidationError(_("Say what shall be otherwise."))
        return attrs


class NewRoleInWorkspace(Shape):
    """Whom to put into the workspace, and as what."""

    member = serializers.IntegerField(help_text="The id of the membership of the organization.")
    role = serializers.CharField(max_length=60, help_text="The provider's own word.")


class OtherRoleInWorkspace(Shape):
    """Another role."""

    role = serializers.CharField(max_length=60, help_text="The provider's own word.")


class RoleAnywhere(Shape):
    """A role in one workspace for one member; null takes them out."""

    workspace = serializers.IntegerField()
    member = serializers.IntegerField(help_text="The id of the membership of the organization.")
    role = serializers.CharField(max_length=60, allow_null=True)


def _joined(geos: Sequence[str] | None) -> str:
    return ",".join(geos) if geos else ANYWHERE


# --- Views ---------------------------------------------------------------------------------------


class _OfWorkspaces(AskingMixin):
    """What the views below share."""

    def workspaces(self) -> QuerySet[Workspace]:
        """Those of the organization."""
        found = Workspace.objects.visible_to(self.request.user).filter(
            connection__organization=self.organization
        )
        return found.select_related("connection__organization")

    def workspace(self, pk: int) -> Workspace:
        """One of them, or a 404."""
        return get_object_or_404(self.workspaces(), pk=pk)

    def members(self) -> QuerySet[Member]:
        """The organization's members."""
        found = Member.objects.visible_to(self.request.user).filter(
            connection__organization=self.organization
        )
        return found.select_related("connection__organization")


@extend_schema(tags=["workspaces"])
class WorkspaceViewSet(_OfWorkspaces, viewsets.GenericViewSet[Workspace]):
    """Workspaces of an organization."""

    actions: ClassVar[dict[str, str]] = {
        "list": "workspaces.read",
        "retrieve": "workspaces.read",
        "create": "workspaces.create",
        "partial_update": "workspaces.change",
        "archive": "workspaces.archive",
    }
    serializer_class = WorkspaceSerializer
    pagination_class = Cursors

    def get_queryset(self) -> QuerySet[Any]:
        """Those of the organization."""
        return self.workspaces()

    @extend_schema(operation_id="workspaces_list", parameters=[WorkspacesAsked])
    def list(self, request: Request, slug: str) -> Response:
        """Workspaces, the archived too."""
        lookups = {"q": "name__icontains", "state": "state", "connection": "connection__uid"}
        asked = asked_of_list(WorkspacesAsked, request)
        found = self.workspaces().filter(**{lookups[name]: asked[name] for name in asked})
        page = self.paginate_queryset(found)
        return self.get_paginated_response(written(WorkspaceSerializer, page))

    @extend_schema(operation_id="workspaces_retrieve")
    def retrieve(self, request: Request, slug: str, pk: int) -> Response:
        """One workspace."""
        return Response(WorkspaceSerializer(self.workspace(pk)).data)

    @extend_schema(
        operation_id="workspaces_create",
        parameters=ASKING,
        request=NewWorkspace,
        responses=ASKING_ANSWERS,
    )
    def create(self, request: Request, slug: str) -> Response:
        """Ask the provider for a new workspace; without a residency with the provider's defaults."""
        this = once(request)
        return self.answer(self.earlier(this) or self._create(request, this.nonce))

    def _create(self, request: Request, nonce: str) -> Command:
        wanted = NewWorkspace(data=request.data)
        wanted.is_valid(raise_exception=True)
        data = wanted.validated_data
        visible = Connection.objects.visible_to(self.request.user).select_related("organization")
        connection = (
            visible.filter(organization=self.organization, uid=data["connection"])
            .confirmed()
            .first()
        )
        if connection is None:
            raise serializers.ValidationError(
                {"connection": [_("There is no such connection here.")]}
            )
        if why := why_none(connection):
            raise serializers.ValidationError({"connection": [str(why)]})
        rules = rules_of(connection.provider)
        return services.create_workspace(
            connection=connection,
            name=data["name"],
            allowed_geos=_joined(data.get("allowed_geos")),
            default_geo=data.get("default_geo", rules.default_geo),
            storage_geo=data.get("storage_geo", rules.storage_geos[0].value),
            actor=self.actor,
            nonce=nonce,
        )

    @extend_schema(
        operation_id="workspaces_change",
        parameters=ASKING,
        request=WorkspaceChange,
        responses=ASKING_ANSWERS,
    )
    def partial_update(self, request: Request, slug: str, pk: int) -> Response:
        """Ask the provider for another name, or for another residency."""
        row, this = self.workspace(pk), once(request)
        return self.answer(self.earlier(this) or self._change(request, row, this.nonce))

    def _change(self, request: Request, row: Workspace, nonce: str) -> Command:
        wanted = WorkspaceChange(data=request.data)
        wanted.is_valid(raise_exception=True)
        data = wanted.validated_data
        if "name" in data:
            return services.rename_workspace(
                workspace=row, name=data["name"], actor=self.actor, nonce=nonce
            )
        geos = _joined(data["allowed_geos"]) if "allowed_geos" in data else row.allowed_geos
        return services.change_residency(
            workspace=row,
            allowed_geos=geos,
            default_geo=data.get("default_geo", row.default_geo),
            actor=self.actor,
            nonce=nonce,
        )

    @extend_schema(
        operation_id="workspaces_archive", parameters=ASKING, request=None, responses=ASKING_ANSWERS
    )
    def archive(self, request: Request, slug: str, pk: int) -> Response:
        """Archive it for good, with every key in it. Not by token: it asks for a fresh sign-in."""
        row, this = self.workspace(pk), once(request)
        asked = self.earlier(this) or services.archive_workspace(
            workspace=row, actor=self.actor, nonce=this.nonce
        )
        return self.answer(asked)


@extend_schema(tags=["workspaces"])
class WorkspaceMemberViewSet(_OfWorkspaces, viewsets.GenericViewSet[Member]):
    """Roles in one workspace."""

    actions: ClassVar[dict[str, str]] = {
        "list": "workspaces.read",
        "create": "workspaces.change_members",
        "partial_update": "workspaces.change_members",
        "destroy": "workspaces.change_members",
    }
    serializer_class = RoleInWorkspaceSerializer
    pagination_class = Cursors

    def get_queryset(self) -> QuerySet[Any]:
        """The organization's members."""
        return self.members()

    @extend_schema(operation_id="workspace_members_list")
    def list(self, request: Request, slug: str, pk: int) -> Response:
        """Those whom the provider lists in it, inherited roles too."""
        place = self.workspace(pk)
        listed = WorkspaceMember.objects.filter(
            connection=place.connection_id,
            workspace_remote_id=place.remote_id or "",
            gone_at__isnull=True,
        )
        found = self.members().filter(
            connection=place.connection_id,
            remote_id__in=listed.values("user_remote_id"),
            gone_at__isnull=True,
        )
        page = self.paginate_queryset(found) or []
        roles = dict(
            listed.filter(user_remote_id__in=[row.remote_id for row in page]).values_list(
                "user_remote_id", "role"
            )
        )
        rows = [_shown(row, roles.get(str(row.remote_id), OUT)) for row in page]
        return self.get_paginated_response(written(RoleInWorkspaceSerializer, rows))

    @extend_schema(
        operation_id="workspace_members_add",
        parameters=ASKING,
        request=NewRoleInWorkspace,
        responses=ASKING_ANSWERS,
    )
    def create(self, request: Request, slug: str, pk: int) -> Response:
        """Ask the provider to put a member of the organization into it."""
        place, this = self.workspace(pk), once(request)
        asked = self.earlier(this)
        if asked is None:
            wanted = NewRoleInWorkspace(data=request.data)
            wanted.is_valid(raise_exception=True)
            member = self.members().filter(pk=wanted.validated_data["member"]).first()
            if member is None:
                raise serializers.ValidationError({"member": [_("There is no such member here.")]})
            wish = RoleWish(place, member, wanted.validated_data["role"], OUT)
            asked = member_services.set_role(wanted=wish, actor=self.actor, nonce=this.nonce)
        return self.answer(asked)

    @extend_schema(
        operation_id="workspace_members_change_role",
        parameters=ASKING,
        request=OtherRoleInWorkspace,
        responses=ASKING_ANSWERS,
    )
    def partial_update(self, request: Request, slug: str, pk: int, member: int) -> Response:
        """Ask the provider for another role in it."""
        place, this = self.workspace(pk), once(request)
        who = get_object_or_404(self.members(), pk=member)
        asked = self.earlier(this)
        if asked is None:
            wanted = OtherRoleInWorkspace(data=request.data)
            wanted.is_valid(raise_exception=True)
            wish = RoleWish(place, who, wanted.validated_data["role"])
            asked = member_services.set_role(wanted=wish, actor=self.actor, nonce=this.nonce)
        return self.answer(asked)

    @extend_schema(
        operation_id="workspace_members_remove",
        parameters=ASKING,
        request=None,
        responses=ASKING_ANSWERS,
    )
    def destroy(self, request: Request, slug: str, pk: int, member: int) -> Response:
        """Ask the provider to take the person out of it. Their API keys live on there."""
        place, this = self.workspace(pk), once(request)
        wish = RoleWish(place, get_object_or_404(self.members(), pk=member), OUT)
        asked = self.earlier(this) or member_services.set_role(
            wanted=wish, actor=self.actor, nonce=this.nonce
        )
        return self.answer(asked)


def _shown(member: Member, listed: str) -> dict[str, Any]:
    hold = hold_of(member.connection.provider, member.role, listed)
    return {
        "member": member.pk,
        "email": member.email,
        "remote_id": member.remote_id,
        "role": hold.role,
        "inherited": hold.inherited,
        "choices": hold.choices,
        "why": str(hold.why),
    }


@extend_schema(tags=["workspaces"])
class WorkspaceRolesViewSet(_OfWorkspaces, viewsets.GenericViewSet[Batch]):
    """Many roles in many workspaces as one batch."""

    actions: ClassVar[dict[str, str]] = {"create": "workspaces.change_members"}
    serializer_class = BatchSerializer

    def get_queryset(self) -> QuerySet[Any]:
        """The organization's batches."""
        return Batch.objects.visible_to(self.request.user).filter(organization=self.organization)

    @extend_schema(
        operation_id="workspaces_set_roles",
        parameters=ASKING,
        request=RoleAnywhere(many=True),
        responses={202: BatchSerializer},
    )
    def create(self, request: Request, slug: str) -> Response:
        """Ask for all of them, at most 1,000; those that cannot be done are named with the reason."""
        this = once(request)
        asked = self.earlier(this)
        if asked is None:
            bounds: dict[str, Any] = {
                "many": True,
                "allow_empty": False,
                "max_length": MOST_AT_ONCE,
            }
            wanted: Any = RoleAnywhere(data=request.data, **bounds)
            wanted.is_valid(raise_exception=True)
            asked = member_services.draft_roles(
                self._wishes(wanted.validated_data),
                organization=self.organization,
                actor=self.actor,
                title=_("Change roles in workspaces"),
                nonce=this.nonce,
            )
        if isinstance(asked, Batch) and asked.confirmed_at is None:
            asked = confirm_batch(batch=asked, actor=self.actor)
        return self.answer(asked)

    def _wishes(self, wanted: Sequence[dict[str, Any]]) -> list[RoleWish]:
        """Two queries. 400 for what is not the organization's."""
        places = self.workspaces().in_bulk({one["workspace"] for one in wanted})
        people = self.members().in_bulk({one["member"] for one in wanted})
        errors: dict[str, Any] = {}
        for number, one in enumerate(wanted):
            for name, known in (("workspace", places), ("member", people)):
                if one[name] not in known:
                    errors.setdefault(str(number), {})[name] = [_("There is no such one here.")]
        if errors:
            raise serializers.ValidationError(errors)
        return [
            RoleWish(places[one["workspace"]], people[one["member"]], one["role"] or OUT)
            for one in wanted
        ]
