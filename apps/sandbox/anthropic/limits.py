"""Rate limits: the organization's by group, and what workspaces override of them. Read only."""

from typing import Any

from ..app import Answer, Call, operation
from .console import invalid, missing
from .rows import Override, RateLimit
from .workspaces import Workspaces

GROUP_TYPES = ("model_group", "batch", "token_count", "files", "skills", "web_search")


def override_as_shown(override: Override, group: RateLimit) -> dict[str, Any]:
    """``WorkspaceRateLimit`` of the contract: each value beside the organization's own."""
    known = {one.type: one.value for one in group.limits}
    return {
        "group_type": group.group_type,
        "limits": [
            {"org_limit": known.get(one.type), "type": one.type, "value": one.value}
            for one in override.limits
        ],
        "models": group.models,
        "type": "workspace_rate_limit",
    }


class Limits(Workspaces):
    """Tag "Rate limits" of the contract."""

    def _groups(self, call: Call) -> list[RateLimit]:
        """The groups that ``group_type`` asks for. All of them fit one page."""
        wanted = call.query.get("group_type")
        if wanted is not None and wanted not in GROUP_TYPES:
            raise invalid(f"group_type: must be one of {', '.join(GROUP_TYPES)}")
        if call.query.get("page"):
            raise invalid("page: no such page")
        groups = self.organization(call).tables["rate_limits"]
        return [one for one in groups if wanted in (None, one.group_type)]

    @operation("GET", "/v1/organizations/rate_limits", "listOrganizationRateLimits")
    def list_organization_rate_limits(self, call: Call) -> Answer:
        groups, model = self._groups(call), call.query.get("model")
        if model is not None:
            groups = [one for one in groups if model in (one.models or ())]
            if not groups:
                raise missing()
        shown = [
            {
                "group_type": one.group_type,
                "limits": one.limits,
                "models": one.models,
                "type": "rate_limit",
            }
            for one in groups
        ]
        return Answer({"data": shown, "next_page": None})

    @operation(
        "GET",
        "/v1/organizations/workspaces/{workspace_id}/rate_limits",
        "listWorkspaceRateLimits",
    )
    def list_workspace_rate_limits(self, call: Call) -> Answer:
        workspace, tables = self.workspace(call), self.organization(call).tables
        if workspace.id in tables["default_workspaces"]:
            raise missing()
        shown = [
            override_as_shown(found, group)
            for group in self._groups(call)
            if (found := tables["overrides"].get(f"{workspace.id}/{group.id}"))
        ]
        return Answer({"data": shown, "next_page": None})
