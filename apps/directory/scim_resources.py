"""People and groups over SCIM."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from scim2_models import Context, NotFoundException

from apps.directory import filters, scim, services
from apps.directory.models import DirectoryGroup, DirectoryMembership, DirectoryUser
from apps.directory.scim_views import ScimView
from apps.organizations.models import Organization


class _Resources(ScimView):
    """Below the door: the organization is known."""

    @property
    def here(self) -> Organization:
        """The organization."""
        if self.organization is None:
            raise NotFoundException
        return self.organization


# --- People --------------------------------------------------------------------------------------


class _People(_Resources):
    def people(self) -> QuerySet[DirectoryUser]:
        """Those of this directory."""
        visible = DirectoryUser.objects.visible_to(self.request.user)
        return visible.filter(organization=self.here)

    def bodies(self, people: Sequence[DirectoryUser]) -> list[dict[str, Any]]:
        """With their groups. One query."""
        groups: defaultdict[int, list[tuple[uuid.UUID, str]]] = defaultdict(list)
        held = DirectoryMembership.objects.filter(member__in=people).order_by("group_id")
        for pk, uid, name in held.values_list("member_id", "group__uid", "group__name"):
            groups[pk].append((uid, name))
        return [scim.person_body(one, groups[one.pk], self.base) for one in people]

    def body(self, person: DirectoryUser) -> dict[str, Any]:
        """The same for one."""
        return self.bodies([person])[0]


class Users(_People):
    """People: look for them, add one."""

    def get(self, request: Request, **kwargs: Any) -> Response:
        """A page of those that the filter leaves. Four queries, however many there are."""
        rows = self.people()
        rows = filters.narrowed(rows, request.query_params.get("filter", ""), filters.PEOPLE)
        people, total, start = self.paged(rows)
        return self.listed(self.bodies(people), total, start)

    def post(self, request: Request, **kwargs: Any) -> Response:
        """Add a person; 409 where the user name is taken."""
        person = services.create_person(
            organization=self.here,
            given=scim.given_person(request.data, active=True),
            actor=self.actor,
        )
        return self.answer(self.body(person), 201)


class OneUser(_People):
    """A person."""

    def get(self, request: Request, uid: uuid.UUID, **kwargs: Any) -> Response:
        """As they are."""
        person = self.people().filter(uid=uid).first()
        if person is None:
            raise services.Absent
        return self.answer(self.body(person))

    def put(self, request: Request, uid: uuid.UUID, **kwargs: Any) -> Response:
        """As they are to be; who is not said to be active stays what they are."""
        return self._changed(
            uid, lambda person: scim.given_person(request.data, active=person.active)
        )

    def patch(self, request: Request, uid: uuid.UUID, **kwargs: Any) -> Response:
        """One attribute and another."""
        operations = scim.operations_of(request.data, scim.ScimUser)
        return self._changed(uid, lambda person: scim.patched_person(person, operations))

    def _changed(self, uid: uuid.UUID, change: Any) -> Response:
        person = services.change_person(
            organization=self.here,
            uid=uid,
            change=change,
            actor=self.actor,
            version=self.version(),
        )
        return self.answer(self.body(person))

    def delete(self, request: Request, uid: uuid.UUID, **kwargs: Any) -> Response:
        """Forget them."""
        services.delete_person(
            organization=self.here, uid=uid, actor=self.actor, version=self.version()
        )
        return Response(status=204)


# --- Groups --------------------------------------------------------------------------------------


class _Groups(_Resources):
    def groups(self) -> QuerySet[DirectoryGroup]:
        """Those of this directory."""
        visible = DirectoryGroup.objects.visible_to(self.request.user)
        return visible.filter(organization=self.here)

    def bodies(self, groups: Sequence[DirectoryGroup]) -> list[dict[str, Any]]:
        """With their members, unless nobody wants them. At most one query."""
        members: defaultdict[int, list[tuple[uuid.UUID, str]]] = defaultdict(list)
        wanted = self.names("attributes")
        if "members" not in self.names("excludedAttributes") and (
            not wanted or "members" in wanted
        ):
            held = DirectoryMembership.objects.filter(group__in=groups).order_by("member_id")
            for pk, uid, name in held.values_list("group_id", "member__uid", "member__user_name"):
                members[pk].append((uid, name))
        return [scim.group_body(one, members[one.pk], self.base) for one in groups]

    def body(self, group: DirectoryGroup) -> dict[str, Any]:
        """The same for one."""
        return self.bodies([group])[0]


class Groups(_Groups):
    """Groups: look for them, add one."""

    def get(self, request: Request, **kwargs: Any) -> Response:
        """A page of those that the filter leaves. Four queries, however many there are."""
        rows = self.groups()
        rows = filters.narrowed(rows, request.query_params.get("filter", ""), filters.GROUPS)
        groups, total, start = self.paged(rows)
        return self.listed(self.bodies(groups), total, start)

    def post(self, request: Request, **kwargs: Any) -> Response:
        """Add a group, which gives nobody anything yet."""
        group = services.create_group(
            organization=self.here, given=scim.given_group(request.data), actor=self.actor
        )
        return self.answer(self.body(group), 201)


class OneGroup(_Groups):
    """A group."""

    def get(self, request: Request, uid: uuid.UUID, **kwargs: Any) -> Response:
        """As it is."""
        group = self.groups().filter(uid=uid).first()
        if group is None:
            raise services.Absent
        return self.answer(self.body(group))

    def put(self, request: Request, uid: uuid.UUID, **kwargs: Any) -> Response:
        """As it is to be."""
        group = self._changed(uid, scim.given_group(request.data))
        return self.answer(self.body(group))

    def patch(self, request: Request, uid: uuid.UUID, **kwargs: Any) -> Response:
        """Rename it, let members come and go; says nothing back, for there may be ten thousand of them."""
        operations = scim.operations_of(request.data, scim.ScimGroup)
        group = self._changed(uid, scim.patched_group(operations))
        return Response(status=204, headers={"ETag": scim.version_of(group)})

    def _changed(self, uid: uuid.UUID, change: services.GroupChange) -> DirectoryGroup:
        return services.change_group(
            organization=self.here,
            uid=uid,
            change=change,
            actor=self.actor,
            version=self.version(),
        )

    def delete(self, request: Request, uid: uuid.UUID, **kwargs: Any) -> Response:
        """Forget it, and with it what it gave."""
        services.delete_group(
            organization=self.here, uid=uid, actor=self.actor, version=self.version()
        )
        return Response(status=204)


# --- The service ---------------------------------------------------------------------------------


class ServiceProviderConfig(ScimView):
    """What is offered."""

    def get(self, request: Request, **kwargs: Any) -> Response:
        """The whole of it."""
        body = scim.configuration().model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
        body["meta"] = {
            "resourceType": "ServiceProviderConfig",
            "location": f"{self.base}/ServiceProviderConfig",
        }
        return Response(body)


class ResourceTypes(ScimView):
    """People and groups."""

    def get(self, request: Request, name: str = "", **kwargs: Any) -> Response:
        """All, or one by its name."""
        bodies = [
            one.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
            | {
                "meta": {
                    "resourceType": "ResourceType",
                    "location": f"{self.base}/ResourceTypes/{one.name}",
                }
            }
            for one in scim.resource_types()
        ]
        return _one_or_all(self, bodies, "name", name)


class Schemas(ScimView):
    """The attributes of both."""

    def get(self, request: Request, name: str = "", **kwargs: Any) -> Response:
        """All, or one by its URN."""
        bodies = [
            one.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
            | {"meta": {"resourceType": "Schema", "location": f"{self.base}/Schemas/{one.id}"}}
            for one in scim.schemas()
        ]
        return _one_or_all(self, bodies, "id", name)


def _one_or_all(view: ScimView, bodies: list[dict[str, Any]], key: str, name: str) -> Response:
    if not name:
        return view.listed(bodies, len(bodies))
    for body in bodies:
        if body[key] == name:
            return Response(body)
    raise NotFoundException


class Nothing(ScimView):
    """What is at no address of the service."""

    def get(self, request: Request, **kwargs: Any) -> Response:
        """Whatever the method."""
        raise NotFoundException

    post = put = patch = delete = get
