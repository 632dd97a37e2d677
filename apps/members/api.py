"""The API's way to people and their memberships."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.members import services
from apps.members.models import Member, Person
from apps.members.people import in_state, state_options
from apps.members.search import containing
from apps.organizations.api_access import DeskAPIMixin
from apps.organizations.api_once import IDEMPOTENCY_KEY, once
from apps.organizations.api_shapes import Cursors, Moment, Shape, address, asked_of_list, written
from apps.organizations.api_waiting import PREFER
from apps.organizations.models import Connection, Organization
from apps.providers.protocol import RoleOption
from apps.sync.api import ASKING_ANSWERS, AskingMixin

ASKING = [IDEMPOTENCY_KEY, PREFER]
MANY = 10_000  # hits of a search from which on reading through in order is quicker


# --- What higher shelves add to a person ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PersonPart:
    """A list that a higher shelf adds to each person's answer, under ``name``.

    ``of`` gives what ``shape`` shows, by the person's id, for all people of a page in a fixed number
    of queries.
    """

    name: str
    shape: type[serializers.Serializer[Any]]
    of: Callable[[Sequence[Person]], Mapping[int, Sequence[Any]]]


_parts: dict[str, PersonPart] = {}


def add_part(part: PersonPart) -> None:
    """Make a part known; for a shelf's ``api.py``, so that only who serves the API loads any."""
    _parts[part.name] = part


# --- Shapes --------------------------------------------------------------------------------------


class MemberSerializer(serializers.Serializer[Member]):
    """A person's membership of one remote organization."""

    id = serializers.IntegerField()
    connection = serializers.UUIDField(source="connection.uid")
    provider = serializers.CharField(source="connection.provider")
    remote_id = serializers.CharField(help_text="The provider's own id of it.")
    person = serializers.IntegerField(source="person_id")
    email = serializers.EmailField()
    name = serializers.CharField()
    role = serializers.CharField(help_text="The provider's own word.")
    joined_at = Moment(allow_null=True)
    gone_at = Moment(
        allow_null=True, help_text="When the provider was found not to list it any more."
    )


class MemberDetailSerializer(MemberSerializer):
    """The same, with what can be done about it."""

    locked = serializers.SerializerMethodField(
        help_text="Why it can be neither changed nor removed from here; empty if it can."
    )

    def get_locked(self, row: Member) -> str:
        """In plain words."""
        return services.why_not(row)


class PersonSerializer(serializers.Serializer[Person]):
    """One human across an organization's connections."""

    id = serializers.IntegerField()
    url = serializers.SerializerMethodField()
    email = serializers.EmailField()
    name = serializers.CharField()
    memberships = MemberSerializer(many=True, source="members.all")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Those above and the parts of higher shelves."""
        fields = super().get_fields()
        for part in _parts.values():
            fields[part.name] = part.shape(many=True)
        return fields

    @extend_schema_field(serializers.URLField())
    def get_url(self, row: Person) -> str:
        """Where to look at this person."""
        slug = self.context["view"].organization.slug
        return address(self.context["request"], "person", slug, pk=row.pk)


class PeopleAsked(Shape):
    """What the list of people can be narrowed by. Connection, provider and role mean one membership."""

    q = serializers.CharField(
        required=False, max_length=200, help_text="A part of the name or the address."
    )
    email = serializers.CharField(required=False, help_text="The address, in full.")
    provider = serializers.CharField(required=False)
    connection = serializers.UUIDField(required=False)
    role = serializers.CharField(required=False)
    state = serializers.CharField(required=False)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """States of higher shelves are among those to choose from."""
        fields = super().get_fields()
        fields["state"] = serializers.ChoiceField(state_options(), required=False)
        return fields


class NewRole(Shape):
    """What can be changed about a membership."""

    role = serializers.CharField(
        max_length=60, help_text="One of those that the connection offers."
    )


class RoleSerializer(serializers.Serializer[RoleOption]):
    """A role that may be given."""

    value = serializers.CharField(help_text="The provider's own word: what to send.")
    label = serializers.CharField()  # type: ignore[assignment]  # a field of that name
    meaning = serializers.CharField(allow_blank=True)


# --- Views ---------------------------------------------------------------------------------------


def _narrowed(
    people: QuerySet[Person],
    asked: Mapping[str, Any],
    organization: Organization,
    connections: Sequence[Connection],
) -> QuerySet[Person]:
    """Those that were asked for, as the pages' list of people has it; ``connections`` are the live ones."""
    if "q" in asked:
        hits = containing(asked["q"], organization)
        people = hits.narrow(people, hits.count(MANY), MANY)
    if "email" in asked:
        people = people.filter(email=asked["email"].lower())
    if "state" in asked:
        hits = in_state(asked["state"], [one.pk for one in connections])
        people = people.filter(hits.walk(**hits.values))
    if asked.keys() & {"provider", "connection", "role"}:
        of_these = [
            one.pk
            for one in connections
            if asked.get("provider", one.provider) == one.provider
            and asked.get("connection", one.uid) == one.uid
        ]
        members = Member.objects.filter(
            person=OuterRef("pk"), connection__in=of_these, gone_at__isnull=True
        )
        if "role" in asked:
            members = members.filter(role=asked["role"])
        people = people.filter(Exists(members))
    return people


@extend_schema(tags=["people"])
class PersonViewSet(DeskAPIMixin, viewsets.GenericViewSet[Person]):
    """People of an organization."""

    actions: ClassVar[dict[str, str]] = {"list": "people.read", "retrieve": "people.read"}
    serializer_class = PersonSerializer
    pagination_class = Cursors

    def get_queryset(self) -> QuerySet[Person]:
        """Those of the organization, with all their memberships."""
        members = Member.objects.select_related("connection").order_by("pk")
        found = Person.objects.visible_to(self.request.user).filter(organization=self.organization)
        return found.prefetch_related(Prefetch("members", members))

    @extend_schema(operation_id="people_list", parameters=[PeopleAsked])
    def list(self, request: Request, slug: str) -> Response:
        """People, one each, with their memberships and pending invites."""
        live = list(Connection.objects.filter(organization=self.organization).live())
        asked = asked_of_list(PeopleAsked, request)
        found = _narrowed(self.get_queryset(), asked, self.organization, live)
        return self.get_paginated_response(self._shown(self.paginate_queryset(found) or []))

    @extend_schema(operation_id="people_retrieve")
    def retrieve(self, request: Request, slug: str, pk: int) -> Response:
        """One person."""
        return Response(self._shown([get_object_or_404(self.get_queryset(), pk=pk)])[0])

    def _shown(self, people: Sequence[Person]) -> Sequence[Any]:
        for part in _parts.values():
            found = part.of(people)
            for person in people:
                setattr(person, part.name, found.get(person.pk, ()))
        return written(PersonSerializer, people, request=self.request, view=self)


@extend_schema(tags=["people"])
class MemberViewSet(AskingMixin, viewsets.GenericViewSet[Member]):
    """Memberships: another role, or an end."""

    actions: ClassVar[dict[str, str]] = {
        "retrieve": "people.read",
        "partial_update": "people.change_role",
        "destroy": "people.remove",
    }
    serializer_class = MemberDetailSerializer

    def get_queryset(self) -> QuerySet[Any]:
        """Those of the organization."""
        found = Member.objects.visible_to(self.request.user)
        return found.filter(connection__organization=self.organization).select_related(
            "connection__organization"
        )

    def _member(self, pk: int) -> Member:
        found: Member = get_object_or_404(self.get_queryset(), pk=pk)
        return found

    @extend_schema(operation_id="members_retrieve")
    def retrieve(self, request: Request, slug: str, pk: int) -> Response:
        """One membership."""
        return Response(MemberDetailSerializer(self._member(pk)).data)

    @extend_schema(
        operation_id="members_change_role",
        parameters=ASKING,
        request=NewRole,
        responses=ASKING_ANSWERS,
    )
    def partial_update(self, request: Request, slug: str, pk: int) -> Response:
        """Ask the provider for another role."""
        member, this = self._member(pk), once(request)
        asked = self.earlier(this)
        if asked is None:
            wanted = NewRole(data=request.data)
            wanted.is_valid(raise_exception=True)
            asked = services.change_role(
                member=member,
                role=wanted.validated_data["role"],
                actor=self.actor,
                nonce=this.nonce,
            )
        return self.answer(asked)

    @extend_schema(
        operation_id="members_remove", parameters=ASKING, request=None, responses=ASKING_ANSWERS
    )
    def destroy(self, request: Request, slug: str, pk: int) -> Response:
        """Ask the provider to remove the person from that organization. API keys may live on there."""
        member, this = self._member(pk), once(request)
        asked = self.earlier(this) or services.remove_member(
            member=member, actor=self.actor, nonce=this.nonce
        )
        return self.answer(asked)


@extend_schema(tags=["connections"])
class RoleViewSet(DeskAPIMixin, viewsets.GenericViewSet[Any]):
    """What may be given at a connection."""

    actions: ClassVar[dict[str, str]] = {"list": "people.read"}
    serializer_class = RoleSerializer
    pagination_class = None

    @extend_schema(operation_id="connections_roles", responses=RoleSerializer(many=True))
    def list(self, request: Request, slug: str, uid: str) -> Response:
        """Roles that may be given there, to members and with invites."""
        found = Connection.objects.visible_to(request.user).filter(organization=self.organization)
        roles = services.assignable_roles(get_object_or_404(found.confirmed(), uid=uid))
        return Response(written(RoleSerializer, roles))
