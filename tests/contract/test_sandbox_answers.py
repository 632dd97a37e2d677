"""Every answer of the sandbox, success and error, held against the contracts."""

from typing import Any

import pytest

from tests.contract import openapi
from tests.contract.case import NEW, ORG, Case, World
from tests.contract.cline_cases import CLINE_CASES
from tests.contract.console_cases import CONSOLE_CASES
from tests.sandbox_server import SandboxServer, call


def withdrawn(world: World) -> str:
    invite = world.invite()
    world.anthropic("DELETE", f"/invites/{invite}")
    return invite


def revoked(world: World) -> str:
    invite = world.cline_invite()
    world.cline("DELETE", f"{ORG}/invites/{invite}")
    return invite


def accepted(world: World) -> str:
    invite = world.cline_invite()
    world.control.accept_invite(invite)
    return invite


def lapsed(world: World) -> str:
    invite = world.cline_invite()
    world.control.shift_clock(8 * 86_400)
    return invite


def with_settings(world: World, organization: str, **settings: Any) -> World:
    world.control.settings(organization, **settings)
    return world


def limited(world: World, **settings: Any) -> World:
    return with_settings(world, world.sandbox.anthropic_organization, **settings)


def seated(world: World, **settings: Any) -> World:
    return with_settings(world, world.sandbox.cline_organization, **settings)


def alone(world: World) -> str:
    """The only member left, who is no admin."""
    users = world.sandbox.anthropic("GET", "/users?limit=1000")[2]["data"]
    last = next(one for one in users if one["role"] == "developer")
    for user in users:
        if user["id"] != last["id"]:
            world.control.remove_member(world.sandbox.anthropic_organization, user["email"])
    user_id: str = last["id"]
    return user_id


INVITE = {"email": NEW, "role": "developer"}
ONE = {"invites": [{"email": NEW, "role": "member"}]}


def invite_as(role: str, email: str = NEW) -> dict[str, Any]:
    return {"invites": [{"email": email, "role": role}]}


CASES = [
    *CONSOLE_CASES,
    *CLINE_CASES,
    Case("getCurrentOrganization", 200, "found", lambda w: w.anthropic("GET", "/me")),
    Case(
        "getCurrentOrganization",
        200,
        "key as bearer",
        lambda w: w.anthropic(
            "GET", "/me", x_api_key=None, authorization=f"Bearer {w.sandbox.anthropic_key}"
        ),
    ),
    Case(
        "getCurrentOrganization", 401, "no key", lambda w: w.anthropic("GET", "/me", x_api_key=None)
    ),
    Case(
        "getCurrentOrganization",
        401,
        "unknown key",
        lambda w: w.anthropic("GET", "/me", x_api_key="sk-ant-admin01-unknown"),
    ),
    Case(
        "getCurrentOrganization",
        403,
        "inference key",
        lambda w: w.anthropic("GET", "/me", x_api_key="sk-ant-api03-abc"),
    ),
    Case(
        "getCurrentOrganization",
        400,
        "no version",
        lambda w: w.anthropic("GET", "/me", anthropic_version=None),
    ),
    Case(
        "getCurrentOrganization",
        400,
        "later version",
        lambda w: w.anthropic("GET", "/me", anthropic_version="2026-10-21"),
    ),
    Case("listUsers", 200, "first page", lambda w: w.anthropic("GET", "/users")),
    Case("listUsers", 200, "largest page", lambda w: w.anthropic("GET", "/users?limit=1000")),
    Case(
        "listUsers",
        200,
        "after",
        lambda w: w.anthropic("GET", f"/users?limit=2&after_id={w.user()}"),
    ),
    Case(
        "listUsers",
        200,
        "before",
        lambda w: w.anthropic("GET", f"/users?limit=2&before_id={w.user()}"),
    ),
    Case("listUsers", 200, "empty", lambda w: w.anthropic("GET", "/users?email=nobody@x.example")),
    Case("listUsers", 400, "limit 0", lambda w: w.anthropic("GET", "/users?limit=0")),
    Case("listUsers", 400, "limit 1001", lambda w: w.anthropic("GET", "/users?limit=1001")),
    Case("listUsers", 400, "limit no number", lambda w: w.anthropic("GET", "/users?limit=x")),
    Case(
        "listUsers",
        400,
        "both cursors",
        lambda w: w.anthropic("GET", f"/users?after_id={w.user()}&before_id={w.user()}"),
    ),
    Case("listUsers", 400, "strange cursor", lambda w: w.anthropic("GET", "/users?after_id=user_")),
    Case("getUser", 200, "found", lambda w: w.anthropic("GET", f"/users/{w.user()}")),
    Case("getUser", 404, "unknown", lambda w: w.anthropic("GET", "/users/user_01nobody")),
    Case(
        "updateUser",
        200,
        "new role",
        lambda w: w.anthropic("POST", f"/users/{w.user()}", {"role": "billing"}),
    ),
    Case(
        "updateUser",
        400,
        "admin is not granted",
        lambda w: w.anthropic("POST", f"/users/{w.user()}", {"role": "admin"}),
    ),
    Case(
        "updateUser",
        400,
        "admin is not changed",
        lambda w: w.anthropic("POST", f"/users/{w.user('admin')}", {"role": "user"}),
    ),
    Case(
        "updateUser",
        400,
        "unknown role",
        lambda w: w.anthropic("POST", f"/users/{w.user()}", {"role": "king"}),
    ),
    Case("updateUser", 400, "no JSON", lambda w: w.anthropic("POST", f"/users/{w.user()}", b"{")),
    Case("updateUser", 400, "a list", lambda w: w.anthropic("POST", f"/users/{w.user()}", [])),
    Case(
        "updateUser",
        404,
        "unknown",
        lambda w: w.anthropic("POST", "/users/user_01nobody", {"role": "user"}),
    ),
    Case("removeUser", 200, "gone", lambda w: w.anthropic("DELETE", f"/users/{w.user()}")),
    Case(
        "removeUser",
        400,
        "admin is not removed",
        lambda w: w.anthropic("DELETE", f"/users/{w.user('admin')}"),
    ),
    Case("removeUser", 400, "the last", lambda w: w.anthropic("DELETE", f"/users/{alone(w)}")),
    Case("removeUser", 404, "unknown", lambda w: w.anthropic("DELETE", "/users/user_01nobody")),
    Case("createInvite", 200, "made", lambda w: w.anthropic("POST", "/invites", INVITE)),
    Case(
        "createInvite",
        400,
        "admin is not invited",
        lambda w: w.anthropic("POST", "/invites", {"email": NEW, "role": "admin"}),
    ),
    Case(
        "createInvite",
        400,
        "no address",
        lambda w: w.anthropic("POST", "/invites", {"email": "nobody", "role": "user"}),
    ),
    Case("createInvite", 400, "no role", lambda w: w.anthropic("POST", "/invites", {"email": NEW})),
    Case(
        "createInvite",
        400,
        "invited already",
        lambda w: (
            w.anthropic("POST", "/invites", INVITE) and w.anthropic("POST", "/invites", INVITE)
        ),
    ),
    Case(
        "createInvite",
        400,
        "over the cap",
        lambda w: limited(w, member_limit=3).anthropic("POST", "/invites", INVITE),
    ),
    Case(
        "createInvite",
        400,
        "other domain",
        lambda w: limited(w, allowed_domains=["x.example"]).anthropic("POST", "/invites", INVITE),
    ),
    Case("listInvites", 200, "first page", lambda w: w.anthropic("GET", "/invites")),
    Case(
        "listInvites",
        200,
        "every status",
        lambda w: w.anthropic("GET", "/invites?limit=1000"),
    ),
    Case("listInvites", 400, "limit 0", lambda w: w.anthropic("GET", "/invites?limit=0")),
    Case("getInvite", 200, "found", lambda w: w.anthropic("GET", f"/invites/{w.invite()}")),
    Case("getInvite", 200, "deleted", lambda w: w.anthropic("GET", f"/invites/{withdrawn(w)}")),
    Case("getInvite", 404, "unknown", lambda w: w.anthropic("GET", "/invites/invite_01none")),
    Case("deleteInvite", 200, "gone", lambda w: w.anthropic("DELETE", f"/invites/{w.invite()}")),
    Case(
        "deleteInvite",
        400,
        "accepted",
        lambda w: w.anthropic("DELETE", f"/invites/{w.invite_of_status('accepted')}"),
    ),
    Case(
        "deleteInvite",
        400,
        "expired",
        lambda w: w.anthropic("DELETE", f"/invites/{w.invite_of_status('expired')}"),
    ),
    Case("deleteInvite", 400, "twice", lambda w: w.anthropic("DELETE", f"/invites/{withdrawn(w)}")),
    Case("deleteInvite", 404, "unknown", lambda w: w.anthropic("DELETE", "/invites/invite_01none")),
    Case("get_current_user", 200, "owner", lambda w: w.cline("GET", "/users/me")),
    Case("get_current_user", 200, "member", lambda w: w.cline("GET", "/users/me", role="member")),
    Case(
        "get_current_user",
        401,
        "unknown key",
        lambda w: call(w.sandbox.base_url, "GET", "/api/v1/users/me", None, {}),
    ),
    Case("get_organization", 200, "found", lambda w: w.cline("GET", ORG, role="member")),
    Case("get_organization", 404, "unknown", lambda w: w.cline("GET", "/organizations/org-none")),
    Case(
        "get_organization",
        403,
        "not a member",
        lambda w: w.cline("GET", f"/organizations/{lab(w)}", role="member"),
    ),
    Case("list_members", 200, "all", lambda w: w.cline("GET", f"{ORG}/members")),
    Case("list_members", 200, "one", lambda w: w.cline("GET", f"{ORG}/members?limit=1")),
    Case(
        "list_members", 200, "more than most", lambda w: w.cline("GET", f"{ORG}/members?limit=9999")
    ),
    Case("list_members", 400, "limit 0", lambda w: w.cline("GET", f"{ORG}/members?limit=0")),
    Case(
        "list_members", 400, "strange cursor", lambda w: w.cline("GET", f"{ORG}/members?cursor=x")
    ),
    Case("list_members", 403, "member", lambda w: w.cline("GET", f"{ORG}/members", role="member")),
    Case(
        "remove_members",
        204,
        "gone",
        lambda w: w.cline("DELETE", f"{ORG}/members", {"memberIds": [w.member()]}),
    ),
    Case(
        "remove_members",
        400,
        "none named",
        lambda w: w.cline("DELETE", f"{ORG}/members", {"memberIds": []}),
    ),
    Case(
        "remove_members",
        400,
        "user id",
        lambda w: w.cline("DELETE", f"{ORG}/members", {"memberIds": ["usr-01"]}),
    ),
    Case(
        "remove_members",
        403,
        "admin by admin",
        lambda w: w.cline("DELETE", f"{ORG}/members", {"memberIds": [w.member("admin")]}, "admin"),
    ),
    Case(
        "remove_members",
        404,
        "unknown",
        lambda w: w.cline("DELETE", f"{ORG}/members", {"memberIds": ["mbr-none"]}),
    ),
    Case(
        "remove_members",
        409,
        "last owner",
        lambda w: w.cline("DELETE", f"{ORG}/members", {"memberIds": [w.member("owner")]}),
    ),
    Case(
        "list_available_roles",
        200,
        "owner",
        lambda w: w.cline("GET", f"{ORG}/members/available-roles"),
    ),
    Case(
        "list_available_roles",
        403,
        "member",
        lambda w: w.cline("GET", f"{ORG}/members/available-roles", role="member"),
    ),
    Case(
        "set_member_role",
        200,
        "changed",
        lambda w: w.cline("PUT", f"{ORG}/members/{w.member()}/role", {"role": "admin"}),
    ),
    Case(
        "set_member_role",
        400,
        "unknown role",
        lambda w: w.cline("PUT", f"{ORG}/members/{w.member()}/role", {"role": "king"}),
    ),
    Case(
        "set_member_role",
        403,
        "owner by admin",
        lambda w: w.cline(
            "PUT", f"{ORG}/members/{w.member('owner')}/role", {"role": "member"}, "admin"
        ),
    ),
    Case(
        "set_member_role",
        404,
        "unknown",
        lambda w: w.cline("PUT", f"{ORG}/members/mbr-none/role", {"role": "member"}),
    ),
    Case(
        "set_member_role",
        409,
        "last owner",
        lambda w: w.cline("PUT", f"{ORG}/members/{w.member('owner')}/role", {"role": "member"}),
    ),
    Case(
        "set_member_role",
        422,
        "owner granted by admin",
        lambda w: w.cline("PUT", f"{ORG}/members/{w.member()}/role", {"role": "owner"}, "admin"),
    ),
    Case("list_invites", 200, "pending", lambda w: w.cline("GET", f"{ORG}/invites")),
    Case("list_invites", 403, "member", lambda w: w.cline("GET", f"{ORG}/invites", role="member")),
    Case("count_invites", 200, "count", lambda w: w.cline("GET", f"{ORG}/invites/count")),
    Case("create_invites", 201, "made", lambda w: w.cline("POST", f"{ORG}/invites", ONE)),
    Case(
        "create_invites", 400, "none", lambda w: w.cline("POST", f"{ORG}/invites", {"invites": []})
    ),
    Case(
        "create_invites",
        400,
        "unknown role",
        lambda w: w.cline("POST", f"{ORG}/invites", invite_as("king")),
    ),
    Case(
        "create_invites", 403, "member", lambda w: w.cline("POST", f"{ORG}/invites", ONE, "member")
    ),
    Case(
        "create_invites",
        409,
        "invited already",
        lambda w: w.cline_invite() and w.cline("POST", f"{ORG}/invites", ONE),
    ),
    Case(
        "create_invites",
        409,
        "no seat",
        lambda w: seated(w, seats=1).cline("POST", f"{ORG}/invites", ONE),
    ),
    Case(
        "create_invites",
        422,
        "unverified domain",
        lambda w: w.cline("POST", f"{ORG}/invites", invite_as("member", "a@example-corp.com")),
    ),
    Case(
        "create_invites",
        422,
        "owner by admin",
        lambda w: w.cline("POST", f"{ORG}/invites", invite_as("owner"), "admin"),
    ),
    Case(
        "revoke_invite",
        204,
        "gone",
        lambda w: w.cline("DELETE", f"{ORG}/invites/{w.cline_invite()}"),
    ),
    Case("revoke_invite", 404, "unknown", lambda w: w.cline("DELETE", f"{ORG}/invites/inv-none")),
    Case("revoke_invite", 404, "twice", lambda w: w.cline("DELETE", f"{ORG}/invites/{revoked(w)}")),
    Case(
        "revoke_invite",
        409,
        "accepted",
        lambda w: w.cline("DELETE", f"{ORG}/invites/{accepted(w)}"),
    ),
    Case(
        "revoke_invite", 409, "expired", lambda w: w.cline("DELETE", f"{ORG}/invites/{lapsed(w)}")
    ),
    Case(
        "accept_invite",
        200,
        "joined",
        lambda w: w.as_invitee(w.control.invite_token(w.cline_invite())),
    ),
    Case("accept_invite", 400, "no token", lambda w: w.cline("POST", "/invites/accept", {})),
    Case(
        "accept_invite",
        403,
        "someone else",
        lambda w: w.as_invitee(w.control.invite_token(w.cline_invite()), "other@x.example"),
    ),
    Case("accept_invite", 404, "unknown", lambda w: w.as_invitee("inv-none.0")),
    Case(
        "accept_invite",
        409,
        "accepted already",
        lambda w: w.as_invitee(w.control.invite_token(accepted(w))),
    ),
    Case(
        "accept_invite", 410, "expired", lambda w: w.as_invitee(w.control.invite_token(lapsed(w)))
    ),
    Case(
        "accept_invite", 410, "revoked", lambda w: w.as_invitee(w.control.invite_token(revoked(w)))
    ),
]


def lab(world: World) -> str:
    """A Cline organization that the holder of the member key does not belong to."""
    found = (
        one["id"]
        for one in world.control.world()["organizations"]
        if one["api"] == "cline" and one["id"] != world.sandbox.cline_organization
    )
    return str(next(found))


def check(operation_id: str, answer: tuple[int, dict[str, str], bytes]) -> None:
    status, headers, body = answer
    openapi.contract_of(operation_id).check_answer(operation_id, status, headers, body)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_answer_is_what_the_contract_says(sandbox: SandboxServer, case: Case) -> None:
    answer = case.send(World(sandbox))
    assert answer[0] == case.status, answer[2]
    check(case.operation_id, answer)
    identified = (
        "request-id" if case.operation_id in openapi.anthropic().operations else "x-request-id"
    )
    assert answer[1][identified]


def first_cases() -> list[Case]:
    """One case of each operation, to be refused by a fault."""
    firsts: dict[str, Case] = {}
    for case in CASES:
        firsts.setdefault(case.operation_id, case)
    return list(firsts.values())


FAULT_STATUSES = [401, 403, 404, 409, 429, 500, 502, 503, 504, 529]


def listed(case: Case, status: int) -> bool:
    try:
        openapi.contract_of(case.operation_id).response_for(case.operation_id, status)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("case", first_cases(), ids=str)
def test_a_refusal_set_by_a_fault_is_in_the_form_of_the_contract(
    sandbox: SandboxServer, case: Case
) -> None:
    world = World(sandbox)
    for status in FAULT_STATUSES:
        if listed(case, status):
            sandbox.control.reset()  # so that the case finds what it found the last time
            sandbox.control.fault(case.operation_id, str(status), retry_after=7)
            answer = case.send(world)
            assert answer[0] == status
            check(case.operation_id, answer)


def test_every_operation_served_has_a_success_among_the_cases(sandbox: SandboxServer) -> None:
    served = {one.operation_id for api in sandbox.app.apis for one in api.operations}
    assert {case.operation_id for case in CASES if case.status < 300} == served


def test_every_operation_served_stands_in_its_contract_with_method_and_path(
    sandbox: SandboxServer,
) -> None:
    for api in sandbox.app.apis:
        contract = openapi.anthropic() if api.name == "anthropic" else openapi.cline()
        for one in api.operations:
            written = contract.operations[one.operation_id]
            assert (one.method, one.template) == (written.method, written.path)


def test_an_unknown_path_is_the_404_of_its_api(sandbox: SandboxServer) -> None:
    status, headers, body = World(sandbox).anthropic("GET", "/nothing")
    assert (status, headers["request-id"][:4]) == (404, "req_")
    openapi.anthropic().check_answer("getUser", status, headers, body)
    status, _, body = World(sandbox).cline("GET", "/nothing")
    assert (status, body) == (404, b'{"error":"Not Found"}')


def test_a_wrong_method_says_which_are_right(sandbox: SandboxServer) -> None:
    status, headers, _ = World(sandbox).anthropic("PUT", "/users/user_01")
    assert (status, headers["allow"]) == (405, "DELETE, GET, POST")
