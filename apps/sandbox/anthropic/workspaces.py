"""Workspaces and their life cycle."""

from typing import Any

import msgspec

from ..app import Answer, Call, json_body, operation
from ..ids import base58_id, digest
from ..world import Change, Organization, Put, micros_stamp
from .console import Console, invalid, listing, missing, page
from .keys import turned
from .rows import COLOURS, DEFAULTS, Residency, Workspace

GEOS = ("global", "us")
STORAGE_GEOS = ("us",)


def name_in(body: dict[str, Any]) -> str:
    name = body.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= 40:
        raise invalid("name: must be a string of 1 to 40 characters")
    return name


def residency_in(body: dict[str, Any], known: Residency, *, new: bool) -> Residency:
    """The settings asked for, over those ``known``; null and absent leave one alone."""
    wanted = body.get("data_residency")
    if wanted is None:
        return known
    if not isinstance(wanted, dict):
        raise invalid("data_residency: must be an object")
    if "workspace_geo" in wanted and not new:
        raise invalid("data_residency.workspace_geo: cannot be changed after creation")
    given = {name: value for name, value in wanted.items() if value is not None}
    allowed = _allowed(given.get("allowed_inference_geos", known.allowed_inference_geos))
    default = given.get("default_inference_geo", known.default_inference_geo)
    storage = given.get("workspace_geo", known.workspace_geo)
    if default not in GEOS:
        raise invalid(f"data_residency.default_inference_geo: must be one of {', '.join(GEOS)}")
    if storage not in STORAGE_GEOS:
        raise invalid(f"data_residency.workspace_geo: must be one of {', '.join(STORAGE_GEOS)}")
    if allowed != "unrestricted" and default not in allowed:
        raise invalid("data_residency.default_inference_geo: must be an allowed inference geo")
    return Residency(allowed, default, storage)


def _allowed(geos: Any) -> tuple[str, ...] | str:
    if geos == "unrestricted":
        return "unrestricted"
    if not isinstance(geos, list | tuple) or not geos or any(geo not in GEOS for geo in geos):
        raise invalid(
            "data_residency.allowed_inference_geos: must be `unrestricted` or a list of "
            + ", ".join(GEOS)
        )
    return tuple(geos)


class Workspaces(Console):
    """Tag "Workspaces" of the contract."""

    def workspace(self, call: Call, *, writable: bool = False) -> Workspace:
        """The workspace that the path names; ``writable`` refuses the default and archived ones."""
        tables, wanted = self.organization(call).tables, call.params["workspace_id"]
        found: Workspace | None = tables["workspaces"].get(wanted)
        default: Workspace | None = tables["default_workspaces"].get(wanted)
        if writable and default is not None:
            raise invalid("The default workspace cannot be changed.")
        if writable and found is not None and found.archived_at is not None:
            raise invalid("An archived workspace cannot be changed.")
        if found is None and default is None:
            raise missing()
        return found or default  # type: ignore[return-value]  # one of them is there

    def _check_policy(self, organization: Organization, residency: Residency) -> None:
        policy = organization.settings["allowed_geos"]
        if policy is None:
            return
        wanted = residency.allowed_inference_geos
        if wanted == "unrestricted" or not set(wanted) <= set(policy):
            raise invalid(
                "The organization's workspace policy allows these inference geos only: "
                f"{', '.join(policy)}.",
                "workspace_policy_violation",
            )

    @operation("POST", "/v1/organizations/workspaces", "createWorkspace")
    def create_workspace(self, call: Call) -> Answer:
        body, organization = json_body(call, invalid), self.organization(call)
        name, residency = name_in(body), residency_in(body, DEFAULTS, new=True)
        self._check_policy(organization, residency)
        live = sum(one.archived_at is None for one in organization.tables["workspaces"])
        if live >= organization.settings["workspace_limit"]:
            raise invalid(
                "The organization has reached its limit of workspaces; archive one first."
            )
        source = digest(call.state.seed, "new workspace", len(call.state.journal) + 1, size=23)
        workspace = Workspace(
            base58_id("wrkspc_01", source[:22]),
            None,
            micros_stamp(call.now),
            residency,
            COLOURS[source[22] % len(COLOURS)],
            name,
        )
        put = Put(organization.id, "workspaces", workspace)
        return Answer(workspace, target=workspace.id, changes=[put])

    @operation("GET", "/v1/organizations/workspaces", "listWorkspaces")
    def list_workspaces(self, call: Call) -> Answer:
        archived_too = call.query.get("include_archived", "false")
        if archived_too not in ("true", "false"):
            raise invalid("include_archived: must be true or false")
        rows, has_more = page(
            self.organization(call).tables["workspaces"],
            call,
            keep=None if archived_too == "true" else lambda one: one.archived_at is None,
        )
        return listing(rows, has_more)

    @operation("GET", "/v1/organizations/workspaces/{workspace_id}", "getWorkspace")
    def get_workspace(self, call: Call) -> Answer:
        return Answer(self.workspace(call))

    @operation("POST", "/v1/organizations/workspaces/{workspace_id}", "updateWorkspace")
    def update_workspace(self, call: Call) -> Answer:
        workspace, organization = self.workspace(call, writable=True), self.organization(call)
        body = json_body(call, invalid)
        name, residency = name_in(body), residency_in(body, workspace.data_residency, new=False)
        if residency != workspace.data_residency:
            self._check_policy(organization, residency)
        changed = msgspec.structs.replace(workspace, name=name, data_residency=residency)
        put = Put(organization.id, "workspaces", changed)
        return Answer(changed, target=workspace.id, changes=[put])

    @operation("POST", "/v1/organizations/workspaces/{workspace_id}/archive", "archiveWorkspace")
    def archive_workspace(self, call: Call) -> Answer:
        workspace, organization = self.workspace(call), self.organization(call)
        if workspace.id in organization.tables["default_workspaces"]:
            raise invalid("The default workspace cannot be archived.")
        if workspace.archived_at is not None:
            return Answer(workspace, target=workspace.id)
        archived = msgspec.structs.replace(workspace, archived_at=micros_stamp(call.now))
        changes: list[Change] = [Put(organization.id, "workspaces", archived)]
        for key in organization.tables["api_keys"]:
            if key.workspace_id == workspace.id and key.status != "archived":
                revoked = msgspec.structs.replace(key, status="archived")
                changes += turned(organization, revoked, call.now)
        return Answer(archived, target=workspace.id, changes=changes)
