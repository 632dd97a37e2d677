"""Changes of workspaces and of roles in them: how each is asked for, and what it must come to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.members.models import Member
from apps.sync.models import Command
from apps.workspaces import member_services, services
from apps.workspaces.member_services import RoleWish
from apps.workspaces.models import Workspace, WorkspaceMember
from tests.desk import Desk
from tests.factories import WorkspaceFactory, WorkspaceMemberFactory
from tests.faults.changes import (
    ADD_MEMBER,
    ARCHIVE,
    CHANGE_MEMBER_ROLE,
    CHANGE_RESIDENCY,
    REMOVE_MEMBER,
    RENAME,
    Change,
    mirrored_member,
)

ROLE, OTHER_ROLE = "workspace_user", "workspace_admin"


@dataclass(slots=True)
class PlaceChange(Change):
    """A change of a workspace, or of a role in it."""

    workspace: str = ""
    user: str = ""

    def remote(self) -> dict[str, Any]:
        """The workspace, as the sandbox itself says."""
        return remote_workspace(self.desk, self.workspace)

    def remote_role(self) -> str:
        """The role in it, "" for none."""
        path = f"/workspaces/{self.workspace}/members/{self.user}"
        status, _, answer = self.desk.sandbox.anthropic("GET", path)
        return str(answer["workspace_role"]) if status == 200 else ""

    def assert_mirrored(self) -> None:
        """It has happened, and the mirror shows what the remote has."""
        self.desk.sandbox.control.clear_faults()
        if self.user:
            wished = {ADD_MEMBER: ROLE, CHANGE_MEMBER_ROLE: OTHER_ROLE, REMOVE_MEMBER: ""}
            self._assert_role(wished[self.kind])
            return
        remote, row = self.remote(), self._row()
        assert row.name == remote["name"]
        if self.kind == RENAME:
            assert row.name == self.after
        elif self.kind == CHANGE_RESIDENCY:
            assert remote["data_residency"]["allowed_inference_geos"] == ["us"]
            assert remote["data_residency"]["default_inference_geo"] == "us"
            assert (row.allowed_geos, row.default_geo) == ("us", "us")
        else:
            assert remote["archived_at"]
            assert row.state == Workspace.State.ARCHIVED
            assert row.archived_at
            assert row.archived_at.isoformat()[:19] == remote["archived_at"][:19]

    def assert_untouched(self, why: str) -> None:
        """Nothing has happened, and the mirror shows what was before."""
        assert self.effects() == {}
        if self.user:
            self._assert_role("" if self.kind == ADD_MEMBER else ROLE)
            return
        remote, row = self.remote(), self._row()
        assert remote["archived_at"] is None
        assert (remote["name"], row.name) == (self.before, self.before)
        assert row.state == Workspace.State.LIVE
        assert row.default_geo == remote["data_residency"]["default_inference_geo"] == "global"

    def _assert_role(self, role: str) -> None:
        assert self.remote_role() == role
        rows = WorkspaceMember.objects.filter(
            connection=self.desk.connections["anthropic"], remote_id=self.old_id.replace("/", ":")
        )
        assert list(rows.present().values_list("role", flat=True)) == [role] * bool(role)

    def _row(self) -> Workspace:
        return Workspace.objects.get(
            connection=self.desk.connections["anthropic"], remote_id=self.workspace
        )


def remote_workspace(desk: Desk, workspace: str) -> dict[str, Any]:
    """A workspace, as the sandbox says."""
    status, _, answer = desk.sandbox.anthropic("GET", f"/workspaces/{workspace}")
    assert status == 200
    found: dict[str, Any] = answer
    return found


def prepare_place(desk: Desk, kind: str, provider: str, email: str) -> Callable[[], Change]:
    """Put a workspace, and perhaps a member, into the remote and the mirror; then ask."""
    name = email.partition("@")[0]
    row = mirrored_workspace(desk, name)
    if kind in (RENAME, CHANGE_RESIDENCY, ARCHIVE):
        began = desk.sandbox.control.journal_end()

        def ask() -> Change:
            command = _ask_of_workspace(desk, kind, row, f"{name} anew", email)
            return PlaceChange(
                desk,
                kind,
                provider,
                command,
                email,
                began,
                old_id=str(row.remote_id),
                before=name,
                after=f"{name} anew",
                workspace=str(row.remote_id),
            )

        return ask
    member = mirrored_member(desk, provider, email, "user")
    if kind != ADD_MEMBER:
        mirrored_role(desk, row, member)
    began = desk.sandbox.control.journal_end()
    role = {ADD_MEMBER: ROLE, CHANGE_MEMBER_ROLE: OTHER_ROLE, REMOVE_MEMBER: ""}[kind]

    def ask_for_role() -> Change:
        wanted = RoleWish(row, member, role)
        command = member_services.set_role(wanted=wanted, actor=desk.owner, nonce=email)
        assert command.kind == kind
        return PlaceChange(
            desk,
            kind,
            provider,
            command,
            email,
            began,
            old_id=f"{row.remote_id}/{member.remote_id}",
            workspace=str(row.remote_id),
            user=str(member.remote_id),
        )

    return ask_for_role


def _ask_of_workspace(desk: Desk, kind: str, row: Workspace, name: str, nonce: str) -> Command:
    if kind == RENAME:
        return services.rename_workspace(workspace=row, name=name, actor=desk.owner, nonce=nonce)
    if kind == CHANGE_RESIDENCY:
        return services.change_residency(
            workspace=row, allowed_geos="us", default_geo="us", actor=desk.owner, nonce=nonce
        )
    return services.archive_workspace(workspace=row, actor=desk.owner, nonce=nonce)


def mirrored_workspace(desk: Desk, name: str) -> Workspace:
    """A workspace that the remote has and the mirror shows."""
    connection = desk.connections["anthropic"]
    desk.sandbox.control.settings(connection.remote_organization_id, workspace_limit=1_000_000)
    status, _, made = desk.sandbox.anthropic("POST", "/workspaces", {"name": name})
    assert status == 200
    row: Workspace = WorkspaceFactory.create(connection=connection, remote_id=made["id"], name=name)
    return row


def mirrored_role(desk: Desk, workspace: Workspace, member: Member) -> WorkspaceMember:
    """A role that the remote has and the mirror shows."""
    wanted = {"user_id": member.remote_id, "workspace_role": ROLE}
    path = f"/workspaces/{workspace.remote_id}/members"
    status, _, _ = desk.sandbox.anthropic("POST", path, wanted)
    assert status == 200
    row: WorkspaceMember = WorkspaceMemberFactory.create(
        workspace=workspace, member=member, role=ROLE
    )
    return row
