"""Workspaces and their members."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import msgspec
from django.utils.translation import gettext as _

from apps.providers.anthropic.client import PAGE_LIMIT, Client, confirm
from apps.providers.decoding import (
    LONGEST_NAME,
    LONGEST_ROLE,
    NOT_READ,
    Fields,
    Id,
    Missing,
    Name,
    Role,
    RowReader,
    in_utc,
    moment,
    needed,
    search,
    text,
)
from apps.providers.errors import Unclear
from apps.providers.records import Page, Unreadable
from apps.providers.records.workspaces import Residency, WorkspaceMemberRecord, WorkspaceRecord

UNRESTRICTED = "unrestricted"
LONGEST_COLOUR = 20
LIST = "GET /v1/organizations/workspaces"
ONE = "/v1/organizations/workspaces/{workspace_id}"
MEMBERS = f"{ONE}/members"
MEMBER = f"{MEMBERS}/{{user_id}}"

Colour = Annotated[str, msgspec.Meta(max_length=LONGEST_COLOUR)]


class ResidencyRow(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``DataResidency`` of the contract."""

    allowed_inference_geos: list[str] | str
    default_inference_geo: str
    workspace_geo: str


class WorkspaceRow(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``Workspace`` of the contract."""

    id: Id
    name: Name
    display_color: Colour
    created_at: datetime | None
    archived_at: datetime | None
    data_residency: ResidencyRow | None
    type: msgspec.Raw = NOT_READ


class WorkspaceMemberRow(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``WorkspaceMember`` of the contract."""

    user_id: Id
    workspace_id: Id
    workspace_role: Role
    type: msgspec.Raw = NOT_READ


def _workspace(row: WorkspaceRow, raw: bytes) -> WorkspaceRecord:
    return WorkspaceRecord(
        row.id,
        row.name,
        row.display_color,
        in_utc(row.created_at),
        in_utc(row.archived_at),
        _residency(row.data_residency) if row.data_residency else None,
        raw,
    )


def _residency(row: ResidencyRow) -> Residency:
    geos = row.allowed_inference_geos
    listed = (geos,) if isinstance(geos, str) else tuple(geos)
    allowed = None if geos == UNRESTRICTED else listed
    return Residency(allowed, row.default_inference_geo, row.workspace_geo)


def _lenient_workspace(fields: Fields) -> WorkspaceRow:
    return WorkspaceRow(
        id=needed(fields, "id"),
        name=text(fields.get("name"))[:LONGEST_NAME],
        display_color=text(fields.get("display_color"))[:LONGEST_COLOUR],
        created_at=moment(fields.get("created_at")),
        archived_at=moment(fields.get("archived_at")),
        data_residency=_lenient_residency(fields.get("data_residency")),
    )


def _lenient_residency(value: Any) -> ResidencyRow | None:
    """What is known of it; None without the one thing that matters, which geos are allowed."""
    if not isinstance(value, dict):
        return None
    geos = value.get("allowed_inference_geos")
    if isinstance(geos, list):
        geos = [geo for geo in map(text, geos) if geo]
    if not geos or not isinstance(geos, str | list):
        return None
    default = text(value.get("default_inference_geo"))
    return ResidencyRow(geos, default, text(value.get("workspace_geo")))


def _member(row: WorkspaceMemberRow, raw: bytes) -> WorkspaceMemberRecord:
    return WorkspaceMemberRecord(row.user_id, row.workspace_id, row.workspace_role, raw)


def _lenient_member(fields: Fields) -> WorkspaceMemberRow:
    if not isinstance(fields.get("user_id"), str):
        # A number's digits would be somebody else, and this one would look as if they had left.
        raise Missing(_("its user_id is no text"))
    return WorkspaceMemberRow(
        user_id=needed(fields, "user_id"),
        workspace_id=needed(fields, "workspace_id"),
        workspace_role=text(fields.get("workspace_role"))[:LONGEST_ROLE],
    )


WORKSPACES = RowReader(WorkspaceRow, _workspace, _lenient_workspace, ("id",))
WORKSPACE_MEMBERS = RowReader(WorkspaceMemberRow, _member, _lenient_member, ("user_id",))


def _settings(residency: Residency, *, new: bool) -> dict[str, Any]:
    """The residency as the wire has it; where data lies is said once, on creation."""
    geos = residency.allowed_geos
    wanted: dict[str, Any] = {
        "allowed_inference_geos": UNRESTRICTED if geos is None else list(geos),
        "default_inference_geo": residency.default_geo,
    }
    if new:
        wanted["workspace_geo"] = residency.storage_geo
    return wanted


def _is_user(row: Unreadable) -> bool:
    """Whether at least the id of a row that cannot be read is one."""
    return row.remote_id.startswith("user_")


def _in_workspace(workspace_id: str, page: Page[WorkspaceMemberRecord]) -> Page[Any]:
    """The page with ids that are unique in the organization, and a cursor that names the workspace."""
    place = None if page.next_cursor is None else f"{workspace_id}:{page.next_cursor}"
    return Page(
        [
            msgspec.structs.replace(row, remote_id=f"{workspace_id}:{row.remote_id}")
            for row in page.rows
        ],
        place,
        [
            replace(row, remote_id=f"{workspace_id}:{row.remote_id}" if _is_user(row) else "")
            for row in page.unreadable
        ],
        page.requests,
    )


def following(workspace_id: str, live: Iterable[str]) -> str | None:
    """The cursor of the first page of the workspace after this one; None after the last."""
    later = next((one for one in live if one > workspace_id), None)
    return None if later is None else f"{later}:"


class Workspaces(Client):
    """Tags "Workspaces" and "Workspace members" of the contract."""

    # Names of the workspaces that a walk through all of them visits, by id and in the ids' order.
    _live: dict[str, str] | None = None

    def workspaces(self, cursor: str | None = None) -> Page[WorkspaceRecord]:
        """listWorkspaces, the archived too."""
        return self.list_workspaces(after_id=cursor)

    def workspaces_named(self, name: str) -> list[WorkspaceRecord]:
        """listWorkspaces, to its end: the contract has no filter by name, and names may repeat."""
        return search(
            lambda cursor: self.list_workspaces(after_id=cursor),
            lambda one: one.name == name,
            maybe=lambda row: True,  # a row that cannot be read may have any name
        )

    def workspace_members(self, cursor: str | None = None) -> Page[WorkspaceMemberRecord]:
        """listWorkspaceMembers of one live workspace after another, in the order of their ids.

        A cursor is "workspace:after_id", so that a walk can be taken up in its middle. listWorkspaces
        is asked once a walk; a workspace made since then comes with the next one.
        """
        extra = 0
        if cursor is None or self._live is None:
            self._live, extra = self._live_workspaces()
        if cursor is None:
            if not self._live:
                return Page([], None, requests=extra)
            cursor = f"{next(iter(self._live))}:"
        workspace_id, _colon, after_id = cursor.partition(":")
        listed = self.list_workspace_members(workspace_id, after_id=after_id or None)
        page = _in_workspace(workspace_id, listed)
        page.next_cursor = page.next_cursor or following(workspace_id, self._live)
        page.requests += extra
        return page

    def _live_workspaces(self) -> tuple[dict[str, str], int]:
        """Their names by id, sorted, and how many requests it took."""
        names: dict[str, str] = {}
        cursor, requests = None, 0
        while requests == 0 or cursor is not None:
            page = self.list_workspaces(after_id=cursor, include_archived=False)
            if page.unreadable:
                # What belongs to the one that cannot be read would look as if it were gone.
                raise Unclear(_("A workspace cannot be read, so what is in it cannot be listed."))
            names |= {row.remote_id: row.name for row in page.rows}
            cursor, requests = page.next_cursor, requests + page.requests
        return dict(sorted(names.items())), requests

    def create_workspace(self, name: str, residency: Residency | None = None) -> WorkspaceRecord:
        """createWorkspace: ``name`` of 1 to 40 characters; without ``residency`` the server's own.

        Refused at the cap of live workspaces, and by the organization's policy
        (workspace_policy_violation).
        """
        raw = self._sdk.organization.workspaces.with_raw_response
        wanted: dict[str, Any] = {"name": name}
        if residency is not None:
            wanted["data_residency"] = _settings(residency, new=True)
        answer = self.write("POST /v1/organizations/workspaces", lambda: raw.create(**wanted))
        return WORKSPACES.read_one(answer.body, answer)

    def list_workspaces(
        self,
        *,
        after_id: str | None = None,
        include_archived: bool = True,
        limit: int = PAGE_LIMIT,
    ) -> Page[WorkspaceRecord]:
        """listWorkspaces: one page. The default workspace is never among them."""
        raw = self._sdk.organization.workspaces.with_raw_response
        return self.page(
            LIST,
            raw.list,
            WORKSPACES,
            cursor=("after_id", after_id),
            include_archived=include_archived,
            limit=limit,
        )

    def get_workspace(self, workspace_id: str) -> WorkspaceRecord:
        """getWorkspace: archived ones too, and the default one by its real id."""
        raw = self._sdk.organization.workspaces.with_raw_response
        answer = self.read(f"GET {ONE}", lambda: raw.retrieve(workspace_id))
        return WORKSPACES.read_one(answer.body, answer)

    def update_workspace(
        self, workspace_id: str, name: str, residency: Residency | None = None
    ) -> WorkspaceRecord:
        """updateWorkspace: the name is always sent; without ``residency`` it stays as it is.

        ``storage_geo`` is not sent, for it cannot change. Refused for the default workspace and for
        archived ones.
        """
        raw = self._sdk.organization.workspaces.with_raw_response
        wanted: dict[str, Any] = {"name": name}
        if residency is not None:
            wanted["data_residency"] = _settings(residency, new=False)
        answer = self.write(f"POST {ONE}", lambda: raw.update(workspace_id, **wanted))
        return WORKSPACES.read_one(answer.body, answer)

    def archive_workspace(self, workspace_id: str) -> WorkspaceRecord:
        """archiveWorkspace: for good, and every key in it stops at once. Twice is once."""
        raw = self._sdk.organization.workspaces.with_raw_response
        answer = self.write(f"POST {ONE}/archive", lambda: raw.archive(workspace_id))
        return WORKSPACES.read_one(answer.body, answer)

    def create_workspace_member(
        self, workspace_id: str, user_id: str, role: str
    ) -> WorkspaceMemberRecord:
        """createWorkspaceMember. NotFound for a stranger to the organization; Refused for members."""
        raw = self._sdk.organization.workspaces.members.with_raw_response
        wanted: Any = role
        answer = self.write(
            f"POST {MEMBERS}",
            lambda: raw.add(workspace_id, user_id=user_id, workspace_role=wanted),
        )
        return WORKSPACE_MEMBERS.read_one(answer.body, answer)

    def list_workspace_members(
        self, workspace_id: str, *, after_id: str | None = None, limit: int = PAGE_LIMIT
    ) -> Page[WorkspaceMemberRecord]:
        """listWorkspaceMembers: one page, those included whose organization role puts them there."""
        raw = self._sdk.organization.workspaces.members.with_raw_response
        return self.page(
            f"GET {MEMBERS}",
            raw.list,
            WORKSPACE_MEMBERS,
            workspace_id,
            cursor=("after_id", after_id),
            limit=limit,
        )

    def get_workspace_member(self, workspace_id: str, user_id: str) -> WorkspaceMemberRecord:
        """getWorkspaceMember. NotFound if the user is not in the workspace."""
        raw = self._sdk.organization.workspaces.members.with_raw_response
        answer = self.read(
            f"GET {MEMBER}", lambda: raw.retrieve(user_id, workspace_id=workspace_id)
        )
        return WORKSPACE_MEMBERS.read_one(answer.body, answer)

    def update_workspace_member(
        self, workspace_id: str, user_id: str, role: str
    ) -> WorkspaceMemberRecord:
        """updateWorkspaceMember. Refused where the organization role decides."""
        raw = self._sdk.organization.workspaces.members.with_raw_response
        wanted: Any = role
        answer = self.write(
            f"POST {MEMBER}",
            lambda: raw.update(user_id, workspace_id=workspace_id, workspace_role=wanted),
        )
        return WORKSPACE_MEMBERS.read_one(answer.body, answer)

    def delete_workspace_member(self, workspace_id: str, user_id: str) -> None:
        """deleteWorkspaceMember: an explicit membership. Refused where the organization role decides."""
        raw = self._sdk.organization.workspaces.members.with_raw_response
        answer = self.write(
            f"DELETE {MEMBER}", lambda: raw.remove(user_id, workspace_id=workspace_id)
        )
        confirm(answer, user_id=user_id, workspace_id=workspace_id)
