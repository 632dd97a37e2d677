"""People and groups in SCIM's shape (RFC 7643), and what requests say in ours."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

from django.utils.translation import gettext as _
from scim2_models import (
    AuthenticationScheme,
    Bulk,
    ChangePassword,
    ComplexAttribute,
    Context,
    ETag,
    Filter,
    Group,
    GroupMember,
    GroupMembership,
    InvalidPathException,
    InvalidSyntaxException,
    InvalidValueException,
    Mutability,
    Name,
    Patch,
    PatchOp,
    PatchOperation,
    Path,
    Required,
    Resource,
    ResourceType,
    Schema,
    ScimPolicy,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
    User,
)
from scim2_models.path import CompareOperator, Comparison, FilterNode, LogicalExpr, LogicalOperator

from apps.directory.models import DirectoryGroup, DirectoryUser
from apps.directory.services import Given, GroupChange, Members, storable

USER, GROUP = str(User.__schema__), str(Group.__schema__)
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PAGE = 200  # resources of one answer, at most

# Entra ID removes members by a value beside the path, writes to an address that is not there yet, and both it
# and Okta send attributes that nobody asked for.
TOLERANT = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)


class ScimEmail(ComplexAttribute):
    """An address, whatever it looks like: directories hold names of networks that nobody can write to."""

    value: str | None = None
    type: str | None = None
    primary: bool | None = None


class ScimUser(Resource[Any]):
    """The attributes of a person that are kept here. No password: that is its holder's alone."""

    __schema__ = User.__schema__

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    name: Name | None = None
    display_name: str | None = None
    active: bool | None = None
    emails: list[ScimEmail] | None = None
    groups: Annotated[list[GroupMembership] | None, Mutability.read_only] = None


class ScimGroup(Resource[Any]):
    """A group and its members, who are people."""

    __schema__ = Group.__schema__

    display_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    members: list[GroupMember] | None = None


# --- What is told of the service -----------------------------------------------------------------


def configuration() -> ServiceProviderConfig:
    """What is offered and what is not."""
    return ServiceProviderConfig(
        patch=Patch(supported=True),
        bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
        filter=Filter(supported=True, max_results=PAGE),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=False),
        etag=ETag(supported=True),
        authentication_schemes=[
            AuthenticationScheme(
                type=AuthenticationScheme.Type.oauthbearertoken,
                name="Bearer token",
                description="A token of the organization for its directory, made in Settings.",
                primary=True,
            )
        ],
    )


def resource_types() -> list[ResourceType]:
    """People and groups."""
    return [
        ResourceType.model_validate(
            {"id": name, "name": name, "endpoint": f"/{name}s", "schema": schema}
        )
        for name, schema in (("User", USER), ("Group", GROUP))
    ]


def schemas() -> list[Schema]:
    """The attributes of both."""
    people, groups = ScimUser.to_schema(), ScimGroup.to_schema()
    people.name, people.description = "User", "A person of the directory"
    groups.name, groups.description = "Group", "A group of the directory"
    return [people, groups]


# --- Ours to SCIM's ------------------------------------------------------------------------------


def _meta(row: DirectoryUser | DirectoryGroup, kind: str, base: str) -> dict[str, Any]:
    return {
        "resourceType": kind,
        "created": row.created_at.isoformat(),
        "lastModified": row.changed_at.isoformat(),
        "location": f"{base}/{kind}s/{row.uid}",
        "version": version_of(row),
    }


def version_of(row: DirectoryUser | DirectoryGroup) -> str:
    """Its ETag."""
    return f'W/"{row.version}"'


def person_body(
    person: DirectoryUser, groups: Iterable[tuple[uuid.UUID, str]], base: str
) -> dict[str, Any]:
    """A person; ``groups``: (id, name) of those that they are in. ``base``: the address of the service."""
    name = {
        "formatted": person.formatted_name,
        "givenName": person.given_name,
        "familyName": person.family_name,
    }
    body: dict[str, Any] = {
        "schemas": [USER],
        "id": str(person.uid),
        "externalId": person.external_id,
        "userName": person.user_name,
        "name": {key: value for key, value in name.items() if value},
        "displayName": person.display_name,
        "active": person.active,
        "emails": person.emails,
        "groups": [
            {"value": str(uid), "display": called, "$ref": f"{base}/Groups/{uid}"}
            for uid, called in groups
        ],
        "meta": _meta(person, "User", base),
    }
    return {key: value for key, value in body.items() if value not in ("", [], {})}


def group_body(
    group: DirectoryGroup, members: Iterable[tuple[uuid.UUID, str]], base: str
) -> dict[str, Any]:
    """A group; ``members``: (id, user name) of its people."""
    body: dict[str, Any] = {
        "schemas": [GROUP],
        "id": str(group.uid),
        "externalId": group.external_id,
        "displayName": group.name,
        "members": [
            {"value": str(uid), "display": called, "type": "User", "$ref": f"{base}/Users/{uid}"}
            for uid, called in members
        ],
        "meta": _meta(group, "Group", base),
    }
    return {key: value for key, value in body.items() if value != ""}


def narrowed(body: dict[str, Any], wanted: set[str], unwanted: set[str]) -> dict[str, Any]:
    """Of a resource what ``attributes`` and ``excludedAttributes`` (lower case) leave of it."""
    kept = {"schemas", "id"}
    return {
        key: value
        for key, value in body.items()
        if key in kept or ((not wanted or key.lower() in wanted) and key.lower() not in unwanted)
    }


# --- SCIM's to ours ------------------------------------------------------------------------------


def given_person(body: Any, *, active: bool) -> Given:
    """What a POST or PUT says of a person; ``active`` where it does not say whether they are."""
    with TOLERANT:
        said = ScimUser.model_validate(_object(body), scim_ctx=Context.RESOURCE_CREATION_REQUEST)
    if said.active is None:
        said.active = active
    return _given(said)


def patched_person(person: DirectoryUser, operations: PatchOp[ScimUser]) -> Given:
    """What a PATCH makes of a person."""
    resource = ScimUser(
        id=str(person.uid),
        external_id=person.external_id or None,
        user_name=person.user_name,
        name=Name(
            formatted=person.formatted_name or None,
            given_name=person.given_name or None,
            family_name=person.family_name or None,
        ),
        display_name=person.display_name or None,
        active=person.active,
        emails=[ScimEmail(**one) for one in person.emails] or None,
    )
    with TOLERANT:
        operations.patch(resource)
    if resource.active is None:  # it was removed: somebody of whom nothing is said is not let in
        resource.active = False
    return _given(resource)


def _given(said: ScimUser) -> Given:
    name = said.name or Name()
    emails = [
        {
            "value": _short(one.value, "emails.value"),
            **({"type": _short(one.type, "emails.type")} if one.type else {}),
            **({} if one.primary is None else {"primary": one.primary}),
        }
        for one in said.emails or []
        if one.value
    ]
    return Given(
        user_name=_short(said.user_name, "userName", needed=True),
        external_id=_short(said.external_id, "externalId"),
        display_name=_short(said.display_name, "displayName"),
        formatted_name=_short(name.formatted, "name.formatted"),
        given_name=_short(name.given_name, "name.givenName"),
        family_name=_short(name.family_name, "name.familyName"),
        emails=emails[:20],
        active=bool(said.active),
    )


def _short(value: str | None, name: str, *, needed: bool = False) -> str:
    text = storable(value or "").strip()
    if needed and not text:
        raise InvalidValueException(detail=_("%(name)s must not be empty.") % {"name": name})
    if len(text) > 254:
        raise InvalidValueException(
            detail=_("%(name)s is longer than 254 characters.") % {"name": name}
        )
    return text


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise InvalidSyntaxException(detail=_("The body must be a JSON object."))
    return body


def operations_of(body: Any, model: Any) -> "PatchOp[Any]":
    """A PATCH, every operation with its path: one without writes each of its value's attributes."""
    message = dict(_object(body))
    names = {name.lower(): name for name in message}
    operations = message.get(names.get("operations", "Operations"))
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise InvalidSyntaxException(detail=_("Operations must be a list of objects."))
    if not operations:
        raise InvalidValueException(detail=_("There is no operation in it."))
    written = [part for one in operations for part in _with_paths(one)]
    if not written:
        return PatchOp[model].model_construct(operations=[])
    with TOLERANT:
        found: PatchOp[Any] = PatchOp[model].model_validate(
            {"schemas": [str(PatchOp.__schema__)], "Operations": written},
            scim_ctx=Context.RESOURCE_PATCH_REQUEST,
        )
    return found


def _with_paths(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    value = operation.get("value")
    removes = str(operation.get("op")).lower() == "remove"
    if operation.get("path") or removes or not isinstance(value, dict):
        yield operation
        return
    for key, one in value.items():
        # Its own id, which Okta repeats, is no change.
        if key.lower() not in ("id", "schemas", "meta"):
            yield {"op": operation.get("op"), "path": key, "value": one}


def given_group(body: Any) -> GroupChange:
    """What a POST or PUT says of a group. One that says nothing of members leaves them as they are."""
    with TOLERANT:
        said = ScimGroup.model_validate(_object(body), scim_ctx=Context.RESOURCE_CREATION_REQUEST)
    change = GroupChange(
        name=_short(said.display_name, "displayName", needed=True),
        external_id=_short(said.external_id, "externalId"),
    )
    if said.members is not None:
        change.members.clear()
        change.members.add(_ids(one.value for one in said.members))
    return change


def patched_group(operations: PatchOp[ScimGroup]) -> GroupChange:
    """What a PATCH makes of a group; of its members none but those it names."""
    change = GroupChange()
    for operation in operations.operations or []:
        path = operation.path
        binding = path.resolve() if path else None
        gone = operation.op == PatchOperation.Op.remove
        match binding.field_name if binding else None:
            case "display_name":
                change.name = _short(_text(operation.value), "displayName", needed=True)
            case "external_id":
                change.external_id = "" if gone else _short(_text(operation.value), "externalId")
            case "members" if path is not None:
                _patch_members(change.members, operation, path)
    return change


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _patch_members(members: Members, operation: PatchOperation[Any], path: Path[Any]) -> None:
    chosen = path.value_filter
    if chosen is not None:
        if operation.op != PatchOperation.Op.remove or path.attr.lower() != "members":
            raise InvalidPathException(
                detail=_("Members come and go; nothing else of them changes.")
            )
        members.remove(_ids(_named(chosen)))
        return
    if operation.op == PatchOperation.Op.remove and operation.value is None:
        members.clear()
        return
    values = operation.value if isinstance(operation.value, list) else [operation.value]
    ids = _ids(one.get("value") if isinstance(one, dict) else one for one in values if one)
    if operation.op == PatchOperation.Op.remove:
        members.remove(ids)
        return
    if operation.op == PatchOperation.Op.replace_:
        members.clear()
    members.add(ids)


def _named(chosen: FilterNode) -> Iterator[Any]:
    """The ids of ``value eq "a" or value eq "b"``."""
    match chosen:
        case Comparison(op=CompareOperator.eq) if chosen.attr_path.attr.lower() == "value":
            yield chosen.value
        case LogicalExpr(op=LogicalOperator.or_):
            for term in chosen.terms:
                yield from _named(term)
        case _:
            raise InvalidPathException(detail=_("Members are named by their value."))


def _ids(values: Iterable[Any]) -> Sequence[str]:
    found = list(values)
    if not all(isinstance(one, str) and one for one in found):
        raise InvalidValueException(detail=_("Each member needs the id of a person as its value."))
    return found
