"""The vendor's own SDK, set up as the contract notes say, against the sandbox."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic
from anthropic.types import organization as types

from tests.sandbox_server import SandboxServer


@pytest.fixture
def client(sandbox: SandboxServer) -> Iterator[Anthropic]:
    key = sandbox.anthropic_key
    with Anthropic(
        api_key=key,
        base_url=sandbox.base_url,
        max_retries=0,
        default_headers={
            "anthropic-version": "2023-06-01",
            "X-Api-Key": key,
            "Authorization": anthropic.omit,  # type: ignore[dict-item] # as the SDK documents it
        },
    ) as made:
        yield made


@pytest.mark.usefixtures("contract_watch")
@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_users_are_walked_forward_without_gap_or_repeat(
    sandbox: SandboxServer, client: Anthropic, limit: int
) -> None:
    walked = [user.id for user in client.organization.users.list(limit=limit)]
    _, _, whole = sandbox.anthropic("GET", "/users?limit=1000")
    assert walked == [user["id"] for user in whole["data"]]
    assert len(walked) == 40


@pytest.mark.usefixtures("contract_watch")
@pytest.mark.parametrize("resource", ["users", "invites", "workspaces", "api_keys"])
def test_lists_are_walked_backward_too(
    sandbox: SandboxServer, client: Anthropic, resource: str
) -> None:
    _, _, whole = sandbox.anthropic("GET", f"/{resource}?limit=1000")
    ids = [row["id"] for row in whole["data"]]
    listing = getattr(client.organization, resource)
    page = listing.list(limit=5, before_id=ids[-1])
    walked: list[str] = []
    while True:
        walked = [row.id for row in page.data] + walked
        if not page.has_next_page():
            break
        page = page.get_next_page()
    assert walked == ids[:-1]


@pytest.mark.usefixtures("contract_watch")
def test_invites_are_walked_forward(sandbox: SandboxServer, client: Anthropic) -> None:
    invites = list(client.organization.invites.list(limit=3))
    assert {invite.status for invite in invites} == {"pending", "accepted", "expired"}
    assert [one.invited_at for one in invites] == sorted(
        (one.invited_at for one in invites), reverse=True
    )


@pytest.mark.usefixtures("contract_watch")
def test_every_call_the_sdk_has_for_people_and_invites(client: Anthropic) -> None:
    desk = client.organization
    assert desk.retrieve().name == "Northgate Robotics"
    made = desk.invites.create(email="sdk@northgate.example", role="developer")
    assert (made.status, made.role) == ("pending", "developer")
    assert made.expires_at - made.invited_at == timedelta(days=21)
    assert desk.invites.retrieve(made.id).email == "sdk@northgate.example"
    assert desk.invites.delete(made.id).type == "invite_deleted"
    assert desk.invites.retrieve(made.id).status == "deleted"
    assert made.id not in [one.id for one in desk.invites.list(limit=1000)]
    user = next(one for one in desk.users.list(limit=1000) if one.role == "user")
    assert desk.users.update(user.id, role="billing").role == "billing"
    assert desk.users.retrieve(user.id).role == "billing"
    found = desk.users.list(email=user.email.upper().replace("@", "+tag@"))
    assert [one.id for one in found] == [user.id]
    assert desk.users.remove(user.id).type == "user_deleted"
    with pytest.raises(anthropic.NotFoundError):
        desk.users.retrieve(user.id)


@pytest.mark.usefixtures("contract_watch")
def test_every_call_the_sdk_has_for_workspaces(client: Anthropic) -> None:
    workspaces = client.organization.workspaces
    made = workspaces.create(
        name="Ours",
        data_residency={"allowed_inference_geos": ["us"], "default_inference_geo": "us"},
    )
    assert made.data_residency.allowed_inference_geos == ["us"]
    assert workspaces.update(made.id, name="Theirs").name == "Theirs"
    assert workspaces.retrieve(made.id).name == "Theirs"
    person = next(one for one in client.organization.users.list(limit=1000) if one.role == "user")
    members = workspaces.members
    added = members.add(made.id, user_id=person.id, workspace_role="workspace_user")
    assert (added.user_id, added.workspace_role) == (person.id, "workspace_user")
    members.update(person.id, workspace_id=made.id, workspace_role="workspace_admin")
    read = members.retrieve(person.id, workspace_id=made.id)
    assert read.workspace_role == "workspace_admin"
    listed = [one.user_id for one in members.list(made.id, limit=2)]
    assert person.id in listed
    assert listed == [one.user_id for one in members.list(made.id, limit=1000)]
    gone = members.remove(person.id, workspace_id=made.id)
    assert (gone.type, gone.user_id) == ("workspace_member_deleted", person.id)
    archived = workspaces.archive(made.id)
    assert archived.archived_at is not None
    assert made.id not in [one.id for one in workspaces.list(limit=2)]
    assert made.id in [one.id for one in workspaces.list(limit=2, include_archived=True)]
    with pytest.raises(anthropic.BadRequestError):
        workspaces.update(made.id, name="Back")


@pytest.mark.usefixtures("contract_watch")
def test_every_call_the_sdk_has_for_keys(client: Anthropic) -> None:
    keys = client.organization.api_keys
    whole = list(keys.list(limit=1000))
    assert [one.id for one in keys.list(limit=5)] == [one.id for one in whole]
    off = next(one for one in whole if one.status == "inactive")
    assert keys.update(off.id, status="active", name="On again").status == "active"
    read = keys.retrieve(off.id)
    assert (read.status, read.name) == ("active", "On again")
    assert read.to_dict()["workspace_id"] == off.to_dict()["workspace_id"]
    assert keys.update(off.id, status="archived").status == "archived"
    with pytest.raises(anthropic.BadRequestError):
        keys.update(off.id, status="active")


@pytest.mark.usefixtures("contract_watch")
def test_every_call_the_sdk_has_for_rate_limits(client: Anthropic) -> None:
    desk = client.organization
    groups = list(desk.rate_limits.list())
    assert {one.to_dict()["group_type"] for one in groups} >= {"model_group", "batch"}
    (opus,) = desk.rate_limits.list(model="claude-opus-4-6", group_type="model_group")
    assert "claude-opus-4-5" in (opus.models or [])
    overrides = [
        override
        for workspace in desk.workspaces.list()
        for override in desk.workspaces.rate_limits.list(workspace.id, group_type="model_group")
    ]
    assert {one.limits[0].type for one in overrides} == {"requests_per_minute"}
    with pytest.raises(anthropic.NotFoundError):
        desk.rate_limits.list(model="claude-1")


def test_the_key_is_accepted_as_bearer_which_is_how_the_sdk_sends_it(
    sandbox: SandboxServer,
) -> None:
    with Anthropic(
        api_key=sandbox.anthropic_key,
        base_url=sandbox.base_url,
        max_retries=0,
        default_headers={"anthropic-version": "2023-06-01"},
    ) as client:
        assert client.organization.retrieve().id == sandbox.anthropic_organization


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("401", anthropic.AuthenticationError),
        ("403", anthropic.PermissionDeniedError),
        ("404", anthropic.NotFoundError),
        ("409", anthropic.ConflictError),
        ("429", anthropic.RateLimitError),
        ("500", anthropic.InternalServerError),
        ("529", anthropic.OverloadedError),
    ],
)
def test_errors_arrive_as_the_sdks_own_types_with_their_request_id(
    sandbox: SandboxServer,
    client: Anthropic,
    kind: str,
    error: type[anthropic.APIStatusError],
) -> None:
    sandbox.control.fault("removeUser", kind)
    with pytest.raises(error) as raised:
        client.organization.users.remove("user_01any")
    (entry,) = sandbox.control.journal()
    assert raised.value.request_id == entry["request_id"]
    assert raised.value.status_code == int(kind)


def raised_by(call: Any) -> anthropic.APIStatusError:
    with pytest.raises(anthropic.BadRequestError) as raised:
        call()
    return raised.value


def test_refusals_by_rule_arrive_as_the_sdks_own_types(
    sandbox: SandboxServer, client: Anthropic
) -> None:
    desk, members = client.organization, list(client.organization.users.list(limit=1000))
    desk.invites.create(email="twice@northgate.example", role="user")
    again = raised_by(lambda: desk.invites.create(email="Twice@Northgate.example", role="user"))
    assert isinstance(again, types.InviteAlreadyExistsError)
    member = raised_by(lambda: desk.invites.create(email=members[0].email, role="user"))
    assert isinstance(member, types.AlreadyMemberError)
    organization = sandbox.anthropic_organization
    sandbox.control.settings(organization, allowed_domains=["labs.northgate.example"])
    domain = raised_by(lambda: desk.invites.create(email="a@northgate.example", role="user"))
    assert isinstance(domain, types.EmailDomainNotAllowedError)
    sandbox.control.settings(organization, allowed_domains=None, member_limit=5)
    full = raised_by(lambda: desk.invites.create(email="b@northgate.example", role="user"))
    assert full.error_code == "org_member_limit_exceeded"
    sandbox.control.settings(organization, allowed_geos=["us"], workspace_member_limit=0)
    policy = raised_by(lambda: desk.workspaces.create(name="Anywhere"))
    assert isinstance(policy, types.WorkspacePolicyViolationError)
    workspace, person = next(iter(desk.workspaces.list())).id, members[-5].id
    crowd = raised_by(
        lambda: desk.workspaces.members.add(
            workspace, user_id=person, workspace_role="workspace_admin"
        )
    )
    assert isinstance(crowd, types.WorkspaceMemberLimitExceededError)
    off = next(one.id for one in desk.api_keys.list(status="inactive"))
    for kind, settings in (
        (types.OrgAPIKeyLimitExceededError, {"active_key_limit": 0}),
        (
            types.WorkspaceAPIKeyLimitExceededError,
            {"active_key_limit": None, "workspace_active_key_limit": 0},
        ),
    ):
        sandbox.control.settings(organization, **settings)
        assert isinstance(raised_by(lambda: desk.api_keys.update(off, status="active")), kind)


def test_a_key_of_another_kind_is_refused(sandbox: SandboxServer) -> None:
    with (
        Anthropic(
            api_key="sk-ant-api03-made-up", base_url=sandbox.base_url, max_retries=0
        ) as client,
        pytest.raises(anthropic.PermissionDeniedError),
    ):
        client.organization.retrieve()
