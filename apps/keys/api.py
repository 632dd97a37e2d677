"""The API's way to keys: those there are, what is wrong with them, and changes of them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.keys import findings, services
from apps.keys.models import Key
from apps.members.api import ASKING, PersonPart, add_part
from apps.members.models import Member, Person
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_once import once
from apps.organizations.api_shapes import Moment, NewestFirst, Shape, asked_of_list, written
from apps.organizations.models import Connection
from apps.sync.api import ASKING_ANSWERS, AskingMixin
from apps.sync.models import Command

STATUSES = ("active", "inactive", "expired", "archived", "gone")


# --- Shapes --------------------------------------------------------------------------------------


class KeySerializer(serializers.Serializer[Key]):
    """An API key at one provider; never its secret."""

    id = serializers.IntegerField()
    connection = serializers.UUIDField(source="connection.uid")
    provider = serializers.CharField(source="connection.provider")
    remote_id = serializers.CharField(help_text="The provider's own id of it.")
    name = serializers.CharField()
    hint = serializers.CharField(help_text="A redacted rendering of the secret.")
    status = serializers.CharField(
        source="state",
        help_text="active, inactive, expired, archived, gone; or another word of the provider's.",
    )
    workspace = serializers.CharField(
        allow_null=True,
        help_text='The provider\'s id; "" is the default workspace, null where there are none.',
    )
    creator = serializers.CharField(
        help_text="The remote id of the member who made it; empty where nobody knows."
    )
    creator_kind = serializers.CharField(help_text="user, service_account, …")
    own = serializers.BooleanField(
        source="is_own", help_text="It looks like the key that the connection itself uses."
    )
    created_at = Moment(allow_null=True)
    expires_at = Moment(allow_null=True, help_text="Null: never, where the provider knows of it.")
    last_used_at = Moment(allow_null=True, help_text="Where the provider says so.")


class KeysAsked(Shape):
    """What the list of keys can be narrowed by."""

    q = serializers.CharField(required=False, max_length=200, help_text="A part of the name.")
    connection = serializers.UUIDField(required=False)
    provider = serializers.CharField(required=False)
    status = serializers.ChoiceField(STATUSES, required=False)
    workspace = serializers.CharField(
        required=False, allow_blank=True, help_text="Empty: the default workspace."
    )
    creator = serializers.CharField(required=False)
    finding = serializers.ChoiceField(
        [(one.key, one.title) for one in findings.FINDINGS.values()], required=False
    )
    expires_before = serializers.DateTimeField(required=False)


class NewKey(Shape):
    """Where to make a key, and what to call it."""

    connection = serializers.UUIDField()
    name = serializers.CharField(max_length=200)


class KeyChange(Shape):
    """What can be changed about a key: its name, or whether it works."""

    name = serializers.CharField(required=False, max_length=200)
    status = serializers.ChoiceField(["active", "inactive"], required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the two: each is a change of its own."""
        if len(attrs) != 1:
            raise serializers.ValidationError(_("Give either a name or a status."))
        return attrs


class FindingSerializer(serializers.Serializer[Any]):
    """Something worth a look among the keys."""

    key = serializers.CharField(help_text="What the list of keys takes as `finding`.")
    severity = serializers.ChoiceField(["high", "medium", "low"])
    title = serializers.CharField()
    why = serializers.CharField()
    count = serializers.IntegerField(help_text="Keys that it holds for.")


def _gone(gone: bool) -> Q:
    return Q(gone_at__isnull=not gone)


def _narrowed(keys: QuerySet[Any], asked: Mapping[str, Any]) -> QuerySet[Any]:
    """Those that were asked for, as the page's list has it."""
    lookups = {
        "q": "name__icontains",
        "connection": "connection__uid",
        "provider": "connection__provider",
        "workspace": "workspace",
        "creator": "creator",
        "expires_before": "expires_at__lt",
    }
    keys = keys.filter(_gone(asked.get("status") == "gone"))
    keys = keys.filter(**{lookups[name]: asked[name] for name in lookups if name in asked})
    if "finding" in asked:
        keys = keys.filter(findings.FINDINGS[asked["finding"]].condition())
    match asked.get("status"):
        case "active":
            keys = keys.filter(findings.usable())
        case "expired":
            keys = keys.filter(findings.expired())
        case "inactive" | "archived" as status:
            keys = keys.filter(Q(status=status) & ~findings.expired())
    return keys


# --- What a person's answer shows of keys --------------------------------------------------------


def _made_by(people: Sequence[Person]) -> Mapping[int, Sequence[Key]]:
    """The keys that these people made and that are still listed. Two queries."""
    members = Member.objects.filter(person__in=people)
    makers = {
        (connection, remote_id): person
        for connection, remote_id, person in members.values_list(
            "connection_id", "remote_id", "person_id"
        )
    }
    rows = Key.objects.filter(
        connection__in={connection for connection, _remote_id in makers},
        creator__in={remote_id for _connection, remote_id in makers},
        gone_at__isnull=True,
    )
    found: defaultdict[int, list[Key]] = defaultdict(list)
    for row in rows.select_related("connection").order_by("pk"):
        if person := makers.get((row.connection_id, row.creator)):
            found[person].append(row)
    return found


add_part(PersonPart("keys", KeySerializer, _made_by))


# --- Views ---------------------------------------------------------------------------------------


@extend_schema(tags=["keys"])
class KeyViewSet(AskingMixin, viewsets.GenericViewSet[Key]):
    """API keys of an organization."""

    actions: ClassVar[dict[str, str]] = {
        "list": "keys.read",
        "retrieve": "keys.read",
        "create": "keys.create",
        "partial_update": "keys.change",
        "archive": "keys.archive",
        "destroy": "keys.delete",
    }
    serializer_class = KeySerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[Any]:
        """Those of the organization."""
        found = Key.objects.visible_to(self.request.user)
        return found.filter(connection__organization=self.organization).select_related(
            "connection__organization"
        )

    def _key(self, pk: int) -> Key:
        found: Key = get_object_or_404(self.get_queryset(), pk=pk)
        return found

    @extend_schema(operation_id="keys_list", parameters=[KeysAsked])
    def list(self, request: Request, slug: str) -> Response:
        """Keys, the newest first; those that the provider no longer lists under status=gone."""
        asked = asked_of_list(KeysAsked, request)
        page = self.paginate_queryset(_narrowed(self.get_queryset(), asked))
        return self.get_paginated_response(written(KeySerializer, page))

    @extend_schema(operation_id="keys_retrieve")
    def retrieve(self, request: Request, slug: str, pk: int) -> Response:
        """One key."""
        return Response(KeySerializer(self._key(pk)).data)

    @extend_schema(
        operation_id="keys_create", parameters=ASKING, request=NewKey, responses=ASKING_ANSWERS
    )
    def create(self, request: Request, slug: str) -> Response:
        """Make a key where the provider can. Its secret is fetched once from the change itself."""
        this = once(request)
        return self.answer(self.earlier(this) or self._create(request, this.nonce))

    def _create(self, request: Request, nonce: str) -> Command:
        wanted = NewKey(data=request.data)
        wanted.is_valid(raise_exception=True)
        visible = Connection.objects.visible_to(request.user).select_related("organization")
        connection = (
            visible.confirmed()
            .filter(organization=self.organization, uid=wanted.validated_data["connection"])
            .first()
        )
        if connection is None:
            raise serializers.ValidationError(
                {"connection": [_("There is no such connection here.")]}
            )
        name = wanted.validated_data["name"]
        return services.create(connection=connection, name=name, actor=self.actor, nonce=nonce)

    @extend_schema(
        operation_id="keys_change", parameters=ASKING, request=KeyChange, responses=ASKING_ANSWERS
    )
    def partial_update(self, request: Request, slug: str, pk: int) -> Response:
        """Ask the provider for another name, or to switch the key off or on."""
        key, this = self._key(pk), once(request)
        asked = self.earlier(this)
        if asked is None:
            wanted = KeyChange(data=request.data)
            wanted.is_valid(raise_exception=True)
            asked = self._change(key, wanted.validated_data, this.nonce)
        return self.answer(asked)

    def _change(self, key: Key, wanted: Mapping[str, str], nonce: str) -> Command:
        if "name" in wanted:
            return services.rename(key=key, name=wanted["name"], actor=self.actor, nonce=nonce)
        kind = "keys.activate" if wanted["status"] == "active" else "keys.deactivate"
        return services.change(kind=kind, key=key, actor=self.actor, nonce=nonce)

    def _end(self, request: Request, pk: int, kind: str) -> Response:
        key, this = self._key(pk), once(request)
        asked = self.earlier(this) or services.change(
            kind=kind, key=key, actor=self.actor, nonce=this.nonce
        )
        return self.answer(asked)

    @extend_schema(
        operation_id="keys_archive", parameters=ASKING, request=None, responses=ASKING_ANSWERS
    )
    def archive(self, request: Request, slug: str, pk: int) -> Response:
        """Ask the provider to archive the key, for good."""
        return self._end(request, pk, "keys.archive")

    @extend_schema(
        operation_id="keys_delete", parameters=ASKING, request=None, responses=ASKING_ANSWERS
    )
    def destroy(self, request: Request, slug: str, pk: int) -> Response:
        """Ask the provider to delete the key, for good."""
        return self._end(request, pk, "keys.delete")


@extend_schema(tags=["keys"])
class FindingViewSet(DeskAPIMixin, viewsets.GenericViewSet[Any]):
    """The hygiene report."""

    actions: ClassVar[dict[str, str]] = {"list": "keys.read"}
    serializer_class = FindingSerializer
    pagination_class = None

    @extend_schema(operation_id="keys_findings", responses=FindingSerializer(many=True))
    def list(self, request: Request, slug: str) -> Response:
        """What is worth a look among the keys, and how many each holds for."""
        keys = Key.objects.visible_to(request.user)
        counts = findings.counted(keys.filter(connection__organization=self.organization))
        rows = [
            {
                "key": one.key,
                "severity": one.severity,
                "title": str(one.title),
                "why": str(one.why),
                "count": counts[one.key],
            }
            for one in findings.FINDINGS.values()
        ]
        return Response(rows)
