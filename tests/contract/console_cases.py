"""Calls of the Anthropic Admin API beyond people and invites."""

from datetime import UTC, datetime
from typing import Any

from tests.contract.case import Case, World

WORKSPACE = {"name": "Checkout production"}
NOBODY, NOWHERE = "user_01nobody", "wrkspc_01nowhere"


def workspace(world: World, **wanted: Any) -> str:
    found: str = world.one("/workspaces?include_archived=true", **wanted)["id"]
    return found


def live(world: World) -> str:
    return workspace(world, archived_at=None, name="Support assistant production")


def archived(world: World) -> str:
    return workspace(world, name="Hackathon, team 1")


def default(world: World) -> str:
    organization = world.sandbox.state.world.organizations[world.sandbox.anthropic_organization]
    (row,) = organization.tables["default_workspaces"]
    found: str = row.id
    return found


def geos(allowed: Any, default: str, **more: Any) -> dict[str, Any]:
    return {
        "name": "Pinned",
        "data_residency": {
            "allowed_inference_geos": allowed,
            "default_inference_geo": default,
            **more,
        },
    }


def with_settings(world: World, **settings: Any) -> World:
    world.control.settings(world.sandbox.anthropic_organization, **settings)
    return world


def stranger(world: World) -> str:
    """A developer who is not in the live workspace."""
    inside = world.sandbox.anthropic("GET", f"/workspaces/{live(world)}/members?limit=1000")[2]
    known = {one["user_id"] for one in inside["data"]}
    users = world.sandbox.anthropic("GET", "/users?limit=1000")[2]["data"]
    return str(
        next(one["id"] for one in users if one["role"] == "developer" and one["id"] not in known)
    )


def joined(world: World) -> str:
    """One whose membership in the live workspace is explicit."""
    user = stranger(world)
    body = {"user_id": user, "workspace_role": "workspace_developer"}
    world.anthropic("POST", f"/workspaces/{live(world)}/members", body)
    return user


def member(world: World, user: str = "") -> str:
    return f"/workspaces/{live(world)}/members/{user or joined(world)}"


def role(name: str) -> dict[str, str]:
    return {"workspace_role": f"workspace_{name}"}


def adding(user: str, name: str = "developer") -> dict[str, str]:
    return {"user_id": user, **role(name)}


WORKSPACE_CASES = [
    Case("createWorkspace", 200, "made", lambda w: w.anthropic("POST", "/workspaces", WORKSPACE)),
    Case(
        "createWorkspace",
        200,
        "pinned",
        lambda w: w.anthropic("POST", "/workspaces", geos(["us"], "us", workspace_geo="us")),
    ),
    Case(
        "createWorkspace",
        200,
        "residency of nulls",
        lambda w: w.anthropic("POST", "/workspaces", geos(None, None, workspace_geo=None)),
    ),
    Case(
        "createWorkspace",
        400,
        "default geo not allowed",
        lambda w: w.anthropic("POST", "/workspaces", geos(["us"], "global")),
    ),
    Case(
        "createWorkspace",
        400,
        "unknown geo",
        lambda w: w.anthropic("POST", "/workspaces", geos(["mars"], "mars")),
    ),
    Case(
        "createWorkspace",
        400,
        "no geos",
        lambda w: w.anthropic("POST", "/workspaces", geos([], "us")),
    ),
    Case("createWorkspace", 400, "no name", lambda w: w.anthropic("POST", "/workspaces", {})),
    Case(
        "createWorkspace",
        400,
        "long name",
        lambda w: w.anthropic("POST", "/workspaces", {"name": "x" * 41}),
    ),
    Case(
        "createWorkspace",
        400,
        "cap",
        lambda w: with_settings(w, workspace_limit=3).anthropic("POST", "/workspaces", WORKSPACE),
    ),
    Case(
        "createWorkspace",
        400,
        "policy",
        lambda w: with_settings(w, allowed_geos=["us"]).anthropic("POST", "/workspaces", WORKSPACE),
    ),
    Case("listWorkspaces", 200, "live", lambda w: w.anthropic("GET", "/workspaces")),
    Case(
        "listWorkspaces",
        200,
        "archived too",
        lambda w: w.anthropic("GET", f"/workspaces?include_archived=true&after_id={archived(w)}"),
    ),
    Case(
        "listWorkspaces",
        400,
        "not a boolean",
        lambda w: w.anthropic("GET", "/workspaces?include_archived=1"),
    ),
    Case("getWorkspace", 200, "found", lambda w: w.anthropic("GET", f"/workspaces/{live(w)}")),
    Case(
        "getWorkspace", 200, "archived", lambda w: w.anthropic("GET", f"/workspaces/{archived(w)}")
    ),
    Case("getWorkspace", 200, "default", lambda w: w.anthropic("GET", f"/workspaces/{default(w)}")),
    Case("getWorkspace", 404, "unknown", lambda w: w.anthropic("GET", f"/workspaces/{NOWHERE}")),
    Case(
        "updateWorkspace",
        200,
        "renamed",
        lambda w: w.anthropic("POST", f"/workspaces/{live(w)}", {"name": "Renamed"}),
    ),
    Case(
        "updateWorkspace",
        200,
        "opened up",
        lambda w: w.anthropic("POST", f"/workspaces/{live(w)}", geos("unrestricted", "global")),
    ),
    Case(
        "updateWorkspace",
        400,
        "storage is fixed",
        lambda w: w.anthropic(
            "POST", f"/workspaces/{live(w)}", geos(["us"], "us", workspace_geo="us")
        ),
    ),
    Case(
        "updateWorkspace",
        400,
        "no name",
        lambda w: w.anthropic("POST", f"/workspaces/{live(w)}", {"data_residency": None}),
    ),
    Case(
        "updateWorkspace",
        400,
        "default",
        lambda w: w.anthropic("POST", f"/workspaces/{default(w)}", WORKSPACE),
    ),
    Case(
        "updateWorkspace",
        400,
        "archived",
        lambda w: w.anthropic("POST", f"/workspaces/{archived(w)}", WORKSPACE),
    ),
    Case(
        "updateWorkspace",
        404,
        "unknown",
        lambda w: w.anthropic("POST", f"/workspaces/{NOWHERE}", WORKSPACE),
    ),
    Case(
        "archiveWorkspace",
        200,
        "archived",
        lambda w: w.anthropic("POST", f"/workspaces/{live(w)}/archive"),
    ),
    Case(
        "archiveWorkspace",
        200,
        "again",
        lambda w: w.anthropic("POST", f"/workspaces/{archived(w)}/archive"),
    ),
    Case(
        "archiveWorkspace",
        400,
        "default",
        lambda w: w.anthropic("POST", f"/workspaces/{default(w)}/archive"),
    ),
    Case(
        "archiveWorkspace",
        404,
        "unknown",
        lambda w: w.anthropic("POST", f"/workspaces/{NOWHERE}/archive"),
    ),
]

MEMBER_CASES = [
    Case(
        "createWorkspaceMember",
        200,
        "added",
        lambda w: w.anthropic("POST", f"/workspaces/{live(w)}/members", adding(stranger(w))),
    ),
    Case(
        "createWorkspaceMember",
        200,
        "billing raised",
        lambda w: w.anthropic(
            "POST", f"/workspaces/{live(w)}/members", adding(w.user("billing"), "admin")
        ),
    ),
    Case(
        "createWorkspaceMember",
        400,
        "admin is in already",
        lambda w: w.anthropic("POST", f"/workspaces/{live(w)}/members", adding(w.user("admin"))),
    ),
    Case(
        "createWorkspaceMember",
        400,
        "billing role",
        lambda w: w.anthropic(
            "POST", f"/workspaces/{live(w)}/members", adding(stranger(w), "billing")
        ),
    ),
    Case(
        "createWorkspaceMember",
        400,
        "twice",
        lambda w: w.anthropic("POST", f"/workspaces/{live(w)}/members", adding(joined(w))),
    ),
    Case(
        "createWorkspaceMember",
        400,
        "no user",
        lambda w: w.anthropic("POST", f"/workspaces/{live(w)}/members", role("user")),
    ),
    Case(
        "createWorkspaceMember",
        400,
        "default",
        lambda w: w.anthropic("POST", f"/workspaces/{default(w)}/members", adding(stranger(w))),
    ),
    Case(
        "createWorkspaceMember",
        400,
        "archived",
        lambda w: w.anthropic("POST", f"/workspaces/{archived(w)}/members", adding(stranger(w))),
    ),
    Case(
        "createWorkspaceMember",
        400,
        "full",
        lambda w: with_settings(w, workspace_member_limit=0).anthropic(
            "POST", f"/workspaces/{live(w)}/members", adding(stranger(w))
        ),
    ),
    Case(
        "createWorkspaceMember",
        404,
        "unknown user",
        lambda w: w.anthropic("POST", f"/workspaces/{live(w)}/members", adding(NOBODY)),
    ),
    Case(
        "listWorkspaceMembers",
        200,
        "all",
        lambda w: w.anthropic("GET", f"/workspaces/{live(w)}/members"),
    ),
    Case(
        "listWorkspaceMembers",
        200,
        "default has none",
        lambda w: w.anthropic("GET", f"/workspaces/{default(w)}/members"),
    ),
    Case(
        "listWorkspaceMembers",
        400,
        "strange cursor",
        lambda w: w.anthropic("GET", f"/workspaces/{live(w)}/members?before_id=x"),
    ),
    Case(
        "listWorkspaceMembers",
        404,
        "unknown",
        lambda w: w.anthropic("GET", f"/workspaces/{NOWHERE}/members"),
    ),
    Case("getWorkspaceMember", 200, "explicit", lambda w: w.anthropic("GET", member(w))),
    Case(
        "getWorkspaceMember",
        200,
        "inherited",
        lambda w: w.anthropic("GET", member(w, w.user("billing"))),
    ),
    Case(
        "getWorkspaceMember",
        404,
        "not in it",
        lambda w: w.anthropic("GET", member(w, stranger(w))),
    ),
    Case("getWorkspaceMember", 404, "unknown", lambda w: w.anthropic("GET", member(w, NOBODY))),
    Case(
        "updateWorkspaceMember",
        200,
        "changed",
        lambda w: w.anthropic("POST", member(w), role("admin")),
    ),
    Case(
        "updateWorkspaceMember",
        200,
        "billing stays",
        lambda w: w.anthropic("POST", member(w, w.user("billing")), role("billing")),
    ),
    Case(
        "updateWorkspaceMember",
        400,
        "billing by hand",
        lambda w: w.anthropic("POST", member(w), role("billing")),
    ),
    Case(
        "updateWorkspaceMember",
        400,
        "billing lowered",
        lambda w: w.anthropic("POST", member(w, w.user("billing")), role("user")),
    ),
    Case(
        "updateWorkspaceMember",
        400,
        "admin is inherited",
        lambda w: w.anthropic("POST", member(w, w.user("admin")), role("user")),
    ),
    Case(
        "updateWorkspaceMember",
        404,
        "not in it",
        lambda w: w.anthropic("POST", member(w, stranger(w)), role("user")),
    ),
    Case("deleteWorkspaceMember", 200, "gone", lambda w: w.anthropic("DELETE", member(w))),
    Case(
        "deleteWorkspaceMember",
        400,
        "inherited",
        lambda w: w.anthropic("DELETE", member(w, w.user("admin"))),
    ),
    Case(
        "deleteWorkspaceMember",
        400,
        "default",
        lambda w: w.anthropic("DELETE", f"/workspaces/{default(w)}/members/{w.user('user')}"),
    ),
    Case(
        "deleteWorkspaceMember",
        404,
        "not in it",
        lambda w: w.anthropic("DELETE", member(w, stranger(w))),
    ),
]


def key(world: World, **wanted: Any) -> str:
    found: str = world.one("/api_keys", **(wanted or {"status": "active"}))["id"]
    return found


def update_key(world: World, body: dict[str, Any], **wanted: Any) -> Any:
    return world.anthropic("POST", f"/api_keys/{key(world, **wanted)}", body)


KEY_CASES = [
    Case("listApiKeys", 200, "first page", lambda w: w.anthropic("GET", "/api_keys")),
    Case(
        "listApiKeys",
        200,
        "after",
        lambda w: w.anthropic("GET", f"/api_keys?limit=2&after_id={key(w)}"),
    ),
    Case(
        "listApiKeys",
        200,
        "filtered",
        lambda w: w.anthropic("GET", "/api_keys?limit=2&status=expired&created_by_user_id=x"),
    ),
    Case("listApiKeys", 200, "inactive", lambda w: w.anthropic("GET", "/api_keys?status=inactive")),
    Case("listApiKeys", 400, "status", lambda w: w.anthropic("GET", "/api_keys?status=lost")),
    Case("listApiKeys", 400, "limit", lambda w: w.anthropic("GET", "/api_keys?limit=5000")),
    Case("getApiKey", 200, "found", lambda w: w.anthropic("GET", f"/api_keys/{key(w)}")),
    Case(
        "getApiKey",
        200,
        "without a maker",
        lambda w: w.anthropic("GET", f"/api_keys/{key(w, created_by=None)}"),
    ),
    Case("getApiKey", 404, "unknown", lambda w: w.anthropic("GET", "/api_keys/apikey_01none")),
    Case("updateApiKey", 200, "no change", lambda w: update_key(w, {})),
    Case("updateApiKey", 200, "nulls", lambda w: update_key(w, {"name": None, "status": None})),
    Case("updateApiKey", 200, "renamed", lambda w: update_key(w, {"name": "x" * 500})),
    Case("updateApiKey", 200, "off", lambda w: update_key(w, {"status": "inactive"})),
    Case(
        "updateApiKey", 200, "on", lambda w: update_key(w, {"status": "active"}, status="inactive")
    ),
    Case("updateApiKey", 200, "archived", lambda w: update_key(w, {"status": "archived"})),
    Case(
        "updateApiKey",
        200,
        "expired is archived",
        lambda w: update_key(w, {"status": "archived"}, status="expired"),
    ),
    Case("updateApiKey", 400, "long name", lambda w: update_key(w, {"name": "x" * 501})),
    Case("updateApiKey", 400, "expiry by hand", lambda w: update_key(w, {"status": "expired"})),
    Case(
        "updateApiKey",
        400,
        "expired is final",
        lambda w: update_key(w, {"status": "active"}, status="expired"),
    ),
    Case(
        "updateApiKey",
        400,
        "archived is final",
        lambda w: update_key(w, {"status": "inactive"}, status="archived"),
    ),
    Case(
        "updateApiKey",
        400,
        "cap of the organization",
        lambda w: update_key(
            with_settings(w, active_key_limit=1), {"status": "active"}, status="inactive"
        ),
    ),
    Case(
        "updateApiKey",
        400,
        "cap of the workspace",
        lambda w: update_key(
            with_settings(w, workspace_active_key_limit=0), {"status": "active"}, status="inactive"
        ),
    ),
    Case(
        "updateApiKey",
        404,
        "unknown",
        lambda w: w.anthropic("POST", "/api_keys/apikey_01none", {}),
    ),
]


def overridden(world: World) -> str:
    """A workspace with rate limits of its own."""
    organization = world.sandbox.state.world.organizations[world.sandbox.anthropic_organization]
    override = next(iter(organization.tables["overrides"]))
    return f"/workspaces/{override.id.partition('/')[0]}/rate_limits"


LIMIT_CASES = [
    Case("listOrganizationRateLimits", 200, "all", lambda w: w.anthropic("GET", "/rate_limits")),
    Case(
        "listOrganizationRateLimits",
        200,
        "of a model",
        lambda w: w.anthropic("GET", "/rate_limits?model=claude-opus-4-6&group_type=model_group"),
    ),
    Case(
        "listOrganizationRateLimits",
        400,
        "kind",
        lambda w: w.anthropic("GET", "/rate_limits?group_type=x"),
    ),
    Case(
        "listOrganizationRateLimits",
        400,
        "page",
        lambda w: w.anthropic("GET", "/rate_limits?page=page_x"),
    ),
    Case(
        "listOrganizationRateLimits",
        404,
        "unknown model",
        lambda w: w.anthropic("GET", "/rate_limits?model=claude-1"),
    ),
    Case("listWorkspaceRateLimits", 200, "some", lambda w: w.anthropic("GET", overridden(w))),
    Case(
        "listWorkspaceRateLimits",
        200,
        "none",
        lambda w: w.anthropic("GET", f"{overridden(w)}?group_type=batch"),
    ),
    Case(
        "listWorkspaceRateLimits",
        404,
        "default",
        lambda w: w.anthropic("GET", f"/workspaces/{default(w)}/rate_limits"),
    ),
    Case(
        "listWorkspaceRateLimits",
        404,
        "unknown",
        lambda w: w.anthropic("GET", f"/workspaces/{NOWHERE}/rate_limits"),
    ),
]

FAST = "fast-mode-2026-02-01"
EVERY_DIMENSION = (
    "api_key_id",
    "workspace_id",
    "model",
    "service_tier",
    "context_window",
    "inference_geo",
    "account_id",
    "service_account_id",
)


def day(world: World, before: float = 0) -> str:
    """Midnight of a UTC day, so many days before the sandbox's own."""
    begin = world.sandbox.state.now() // 86_400 * 86_400 - before * 86_400
    return datetime.fromtimestamp(begin, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def usage(world: World, query: str = "", before: float = 3, **headers: str) -> Any:
    path = f"/usage_report/messages?starting_at={day(world, before)}{query}"
    return world.anthropic("GET", path, **headers)


def grouped(*names: str) -> str:
    return "".join(f"&group_by%5B%5D={name}" for name in names)


def costs(world: World, query: str = "", before: float = 3) -> Any:
    return world.anthropic("GET", f"/cost_report?starting_at={day(world, before)}{query}")


def coding(world: World, query: str = "", before: float = 2) -> Any:
    path = f"/usage_report/claude_code?starting_at={day(world, before)[:10]}{query}"
    return world.anthropic("GET", path)


REPORT_CASES = [
    Case("getMessagesUsageReport", 200, "plain", usage),
    Case(
        "getMessagesUsageReport",
        200,
        "seven dimensions",
        lambda w: usage(w, grouped(*EVERY_DIMENSION[:7])),
    ),
    Case(
        "getMessagesUsageReport",
        200,
        "by speed",
        lambda w: usage(w, grouped("speed", "model") + "&speeds%5B%5D=fast", anthropic_beta=FAST),
    ),
    Case(
        "getMessagesUsageReport",
        200,
        "hours",
        lambda w: usage(w, "&bucket_width=1h&limit=168" + grouped("account_id")),
    ),
    Case(
        "getMessagesUsageReport",
        200,
        "minutes",
        lambda w: usage(w, "&bucket_width=1m&models%5B%5D=claude-sonnet-4-6"),
    ),
    Case(
        "getMessagesUsageReport",
        200,
        "filtered away",
        lambda w: usage(w, "&workspace_ids%5B%5D=none&service_tiers%5B%5D=flex"),
    ),
    Case("getMessagesUsageReport", 400, "speed without beta", lambda w: usage(w, grouped("speed"))),
    Case("getMessagesUsageReport", 400, "too fine", lambda w: usage(w, grouped(*EVERY_DIMENSION))),
    Case("getMessagesUsageReport", 400, "dimension", lambda w: usage(w, grouped("colour"))),
    Case("getMessagesUsageReport", 400, "tier", lambda w: usage(w, "&service_tiers%5B%5D=best")),
    Case("getMessagesUsageReport", 400, "limit of days", lambda w: usage(w, "&limit=32")),
    Case(
        "getMessagesUsageReport",
        400,
        "limit of hours",
        lambda w: usage(w, "&bucket_width=1h&limit=169"),
    ),
    Case("getMessagesUsageReport", 400, "width", lambda w: usage(w, "&bucket_width=1w")),
    Case("getMessagesUsageReport", 400, "page", lambda w: usage(w, "&page=page_x")),
    Case(
        "getMessagesUsageReport", 400, "empty range", lambda w: usage(w, f"&ending_at={day(w, 4)}")
    ),
    Case("getMessagesUsageReport", 400, "future", lambda w: usage(w, before=-1)),
    Case(
        "getMessagesUsageReport",
        400,
        "no zone",
        lambda w: w.anthropic("GET", "/usage_report/messages?starting_at=2026-05-01T00:00:00"),
    ),
    Case(
        "getMessagesUsageReport",
        400,
        "no start",
        lambda w: w.anthropic("GET", "/usage_report/messages"),
    ),
    Case("getCostReport", 200, "plain", costs),
    Case(
        "getCostReport", 200, "grouped", lambda w: costs(w, grouped("workspace_id", "description"))
    ),
    Case("getCostReport", 200, "the past", lambda w: costs(w, "&limit=2", before=3000)),
    Case("getCostReport", 400, "today", lambda w: costs(w, before=0)),
    Case("getCostReport", 400, "hours", lambda w: costs(w, "&bucket_width=1h")),
    Case("getCostReport", 400, "dimension", lambda w: costs(w, grouped("model"))),
    Case("getCostReport", 400, "limit", lambda w: costs(w, "&limit=0")),
    Case("getClaudeCodeUsageReport", 200, "all", lambda w: coding(w, "&limit=1000")),
    Case("getClaudeCodeUsageReport", 200, "page", lambda w: coding(w, "&limit=1")),
    Case("getClaudeCodeUsageReport", 200, "tomorrow", lambda w: coding(w, before=-1)),
    Case("getClaudeCodeUsageReport", 400, "limit", lambda w: coding(w, "&limit=1001")),
    Case("getClaudeCodeUsageReport", 400, "page of nothing", lambda w: coding(w, "&page=page_")),
    Case(
        "getClaudeCodeUsageReport",
        400,
        "timestamp",
        lambda w: w.anthropic("GET", "/usage_report/claude_code?starting_at=2026-05-01T00:00:00Z"),
    ),
    Case(
        "getClaudeCodeUsageReport",
        400,
        "no day",
        lambda w: w.anthropic("GET", "/usage_report/claude_code?starting_at=2026-02-30"),
    ),
]

CONSOLE_CASES = [*WORKSPACE_CASES, *MEMBER_CASES, *KEY_CASES, *LIMIT_CASES, *REPORT_CASES]
