"""Roles inside a workspace: explicit ones, and those that follow from the organization role."""

from typing import Any

from ..app import Answer, Call, json_body, operation
from ..world import Change, Drop, Organization, Put, User
from .console import Console, asked_page, invalid, missing
from .keys import stopped_with
from .rows import MEMBERSHIPS, Membership, Workspace, memberships_in
from .workspaces import Workspaces

ASSIGNABLE = (
    "workspace_user",
    "workspace_developer",
    "workspace_restricted_developer",
    "workspace_admin",
)
INHERITED = {"admin": "workspace_admin", "billing": "workspace_billing"}


def effective(organization_role: str, explicit: str | None) -> str | None:
    """The role in a workspace: a billing member may be raised to admin, an admin is one."""
    inherited = INHERITED.get(organization_role)
    if inherited is None or explicit == "workspace_admin":
        return explicit
    return inherited


def role_in(body: dict[str, Any], known: tuple[str, ...]) -> str:
    role = body.get("workspace_role")
    if role not in known:
        raise invalid(f"workspace_role: must be one of {', '.join(known)}")
    return str(role)


class Memberships(Workspaces, Console):
    """Tag "Workspace members" of the contract."""

    def __init__(self, *limits: int) -> None:
        super().__init__(*limits)
        # organization -> version of its users, and those of them who are in every workspace
        self._everywhere: dict[str, tuple[int, dict[str, str]]] = {}

    def _inherited(self, organization: Organization) -> dict[str, str]:
        users = organization.tables["users"]
        version, found = self._everywhere.get(organization.id, (-1, {}))
        if version != users.version:
            found = {one.id: INHERITED[one.role] for one in users if one.role in INHERITED}
            self._everywhere[organization.id] = (users.version, found)
        return found

    def _roles(self, organization: Organization, workspace: Workspace) -> dict[str, str]:
        """Everybody in the workspace with the role that counts, ordered by user id."""
        if workspace.id in organization.tables["default_workspaces"]:
            return {}
        rows = memberships_in(organization, workspace.id)
        roles = {one.user_id: one.workspace_role for one in rows}
        for user_id, inherited in self._inherited(organization).items():
            if roles.get(user_id) != "workspace_admin":
                roles[user_id] = inherited
        return dict(sorted(roles.items()))

    def _member(self, call: Call) -> tuple[User, str]:
        """The user that the path names, with the role that counts. 404 if not in the workspace."""
        organization, workspace = self.organization(call), self.workspace(call)
        user: User | None = organization.tables["users"].get(call.params["user_id"])
        if user is None or workspace.id in organization.tables["default_workspaces"]:
            raise missing()
        explicit = memberships_in(organization, workspace.id).get(user.id)
        role = effective(user.role, explicit.workspace_role if explicit else None)
        if role is None:
            raise missing()
        return user, role

    def _answer(self, call: Call, user_id: str, role: str, changes: list[Change]) -> Answer:
        workspace = call.params["workspace_id"]
        return Answer(
            Membership(user_id, workspace, role), target=f"{workspace}/{user_id}", changes=changes
        )

    def _put(self, call: Call, user_id: str, role: str) -> list[Change]:
        workspace = call.params["workspace_id"]
        row = Membership(user_id, workspace, role)
        return [Put(self.organization(call).id, MEMBERSHIPS + workspace, row)]

    def _drop(self, call: Call, user_id: str) -> list[Change]:
        table = MEMBERSHIPS + call.params["workspace_id"]
        return [Drop(self.organization(call).id, table, user_id)]

    @operation(
        "POST", "/v1/organizations/workspaces/{workspace_id}/members", "createWorkspaceMember"
    )
    def create_workspace_member(self, call: Call) -> Answer:
        workspace, organization = self.workspace(call, writable=True), self.organization(call)
        body = json_body(call, invalid)
        user_id, role = body.get("user_id"), role_in(body, ASSIGNABLE)
        if not isinstance(user_id, str):
            raise invalid("user_id: must be a string")
        user = organization.tables["users"].get(user_id)
        if user is None:
            raise missing()
        members = memberships_in(organization, workspace.id)
        if members.get(user_id):
            raise invalid("This user is a member of the workspace already.")
        self._check_inheritance(user.role, role)
        limit = organization.settings["workspace_member_limit"]
        if limit is not None and len(members) >= limit:
            raise invalid(
                "The workspace has reached its member limit.", "workspace_member_limit_exceeded"
            )
        return self._answer(call, user_id, role, self._put(call, user_id, role))

    def _check_inheritance(self, organization_role: str, wanted: str) -> None:
        inherited = INHERITED.get(organization_role)
        if inherited is None or (organization_role, wanted) == ("billing", "workspace_admin"):
            return
        raise invalid(
            f"An organization {organization_role} member is {inherited} of every workspace. "
            "Change the organization role first."
        )

    @operation("GET", "/v1/organizations/workspaces/{workspace_id}/members", "listWorkspaceMembers")
    def list_workspace_members(self, call: Call) -> Answer:
        workspace, organization = self.workspace(call), self.organization(call)
        roles = self._roles(organization, workspace)
        # By user id, so a cursor still has its place when its member has gone.
        known = organization.tables["users"].knows
        ids, has_more = asked_page(list(roles), call, known)
        return Answer(
            {
                "data": [Membership(one, workspace.id, roles[one]) for one in ids],
                "first_id": ids[0] if ids else None,
                "has_more": has_more,
                "last_id": ids[-1] if ids else None,
            }
        )

    @operation(
        "GET",
        "/v1/organizations/workspaces/{workspace_id}/members/{user_id}",
        "getWorkspaceMember",
    )
    def get_workspace_member(self, call: Call) -> Answer:
        user, role = self._member(call)
        return self._answer(call, user.id, role, [])

    @operation(
        "POST",
        "/v1/organizations/workspaces/{workspace_id}/members/{user_id}",
        "updateWorkspaceMember",
    )
    def update_workspace_member(self, call: Call) -> Answer:
        self.workspace(call, writable=True)
        user, _ = self._member(call)
        role = role_in(json_body(call, invalid), (*ASSIGNABLE, "workspace_billing"))
        if (user.role, role) == ("billing", "workspace_billing"):
            return self._answer(call, user.id, role, self._drop(call, user.id))
        if role == "workspace_billing":
            raise invalid("workspace_role: `workspace_billing` follows from the organization role")
        self._check_inheritance(user.role, role)
        return self._answer(call, user.id, role, self._put(call, user.id, role))

    @operation(
        "DELETE",
        "/v1/organizations/workspaces/{workspace_id}/members/{user_id}",
        "deleteWorkspaceMember",
    )
    def delete_workspace_member(self, call: Call) -> Answer:
        workspace = self.workspace(call, writable=True)
        user, _ = self._member(call)
        if user.role in INHERITED:
            raise invalid(
                f"An organization {user.role} member is in every workspace. "
                "Change the organization role first."
            )
        gone = {
            "type": "workspace_member_deleted",
            "user_id": user.id,
            "workspace_id": workspace.id,
        }
        changes = self._drop(call, user.id)
        changes += stopped_with(self.organization(call), user.id, call.now, workspace.id)
        return Answer(gone, target=f"{workspace.id}/{user.id}", changes=changes)
