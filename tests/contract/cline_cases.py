"""Calls of the Cline Enterprise API beyond people and invites: one line each."""

import json
from typing import Any

from tests.contract.case import ORG, Case, World
from tests.sandbox_server import call

SECURE = json.dumps({"version": "v1", "yoloModeAllowed": True})


def me(world: World, role: str = "owner") -> str:
    found: str = world.sandbox.cline("GET", "/users/me", role=role)[2]["data"]["id"]
    return found


def ask(method: str, path: str, body: Any = None, role: str = "owner") -> Any:
    """A call; ``{me}`` in the path stands for the caller's own user id."""

    def send(world: World) -> Any:
        filled = path.replace("{me}", me(world, role)) if "{me}" in path else path
        return world.cline(method, filled, body, role)

    return send


def twice(method: str, path: str, body: Any = None, role: str = "owner") -> Any:
    once = ask(method, path, body, role)
    return lambda world: once(world) and once(world)


def after(*steps: Any) -> Any:
    """The last of several calls."""
    return lambda world: [step(world) for step in steps][-1]


def as_new(method: str, path: str, body: Any = None) -> Any:
    """As somebody who belongs to no organization yet."""

    def send(world: World) -> Any:
        key = world.control.new_key(email="newcomer@northgate.example")
        filled = path.replace("{me}", key["user_id"])
        headers = {"authorization": f"Bearer {key['api_key']}"}
        return call(world.sandbox.base_url, method, f"/api/v1{filled}", body, headers)

    return send


def refresh(wanted: Any = None) -> Any:
    def send(world: World) -> Any:
        token = wanted or world.control.new_key(email="newcomer@northgate.example")["refresh_token"]
        body = {"refreshToken": token, "grantType": "refresh_token"}
        return call(world.sandbox.base_url, "POST", "/api/v1/auth/refresh", body, {})

    return send


def first_key(world: World) -> str:
    found: str = world.sandbox.cline("GET", "/api-keys")[2]["data"]["items"][0]["id"]
    return found


def payment_of(root: str, path: str) -> Any:
    """A call about the newest payment."""

    def send(world: World) -> Any:
        where = root.replace("{me}", me(world))
        listed = world.sandbox.cline("GET", f"{where}/payments")[2]["data"]["paymentTransactions"]
        return world.cline("GET", where + path.format(listed[0]["id"]))

    return send


TWENTY = {"amountCents": 2000}
TOP_UP = {"enabled": True, "thresholdCents": 5000, "amountCents": 20_000}
LAB = {"name": "Orgdesk Lab"}
WEEK = "startDate=2026-07-06&endDate=2026-07-12"
TEAMS = "pln-01KBXERXZ26XM0DT8JJDBPE879"
FIVE_HUNDRED = {"planId": TEAMS, "seats": 500}
CLINE_CASES = [
    Case(*row)
    for row in [
        ("update_current_user", 200, "name", ask("PATCH", "/users/me", {"displayName": "A"})),
        ("update_current_user", 400, "nothing", ask("PATCH", "/users/me", {})),
        ("update_current_user", 422, "empty", ask("PATCH", "/users/me", {"displayName": " "})),
        ("delete_current_user", 204, "gone", ask("DELETE", "/users/me", None, "member")),
        ("delete_current_user", 409, "only owner", ask("DELETE", "/users/me")),
        ("accept_terms", 200, "accepted", as_new("POST", "/users/me/accept-terms")),
        ("accept_terms", 409, "twice", ask("POST", "/users/me/accept-terms")),
        (
            "set_active_account",
            200,
            "organization",
            lambda w: w.cline(
                "PUT", "/users/active-account", {"organizationId": w.sandbox.cline_organization}
            ),
        ),
        (
            "set_active_account",
            204,
            "person",
            ask("PUT", "/users/active-account", {"organizationId": None}),
        ),
        ("set_active_account", 400, "no id", ask("PUT", "/users/active-account", {})),
        (
            "set_active_account",
            404,
            "unknown",
            ask("PUT", "/users/active-account", {"organizationId": "org-none"}),
        ),
        ("request_budget_increase", 204, "asked", ask("POST", "/users/me/budget/request")),
        ("request_budget_increase", 404, "alone", as_new("POST", "/users/me/budget/request")),
        ("request_budget_increase", 409, "twice", twice("POST", "/users/me/budget/request")),
        ("refresh_account_token", 200, "fresh", refresh()),
        ("refresh_account_token", 401, "unknown", refresh("rt_none")),
        ("get_current_user_remote_config", 200, "one", ask("GET", "/users/me/remote-config")),
        ("get_current_user_remote_config", 200, "none", as_new("GET", "/users/me/remote-config")),
        ("list_api_keys", 200, "own", ask("GET", "/api-keys")),
        ("create_api_key", 201, "made", ask("POST", "/api-keys", {"name": "nightly"})),
        ("create_api_key", 400, "no name", ask("POST", "/api-keys", {})),
        ("create_api_key", 409, "twice", twice("POST", "/api-keys", {"name": "nightly"})),
        (
            "delete_api_key",
            204,
            "gone",
            lambda w: w.cline("DELETE", f"/api-keys/{first_key(w)}"),
        ),
        ("delete_api_key", 404, "unknown", ask("DELETE", "/api-keys/key-none")),
        ("create_organization", 201, "made", ask("POST", "/organizations", LAB)),
        ("create_organization", 400, "no name", ask("POST", "/organizations", {})),
        ("create_organization", 409, "twice", twice("POST", "/organizations", LAB)),
        ("update_organization", 200, "name", ask("PUT", ORG, {"name": "North"})),
        ("update_organization", 200, "config", ask("PUT", ORG, {"defaultRemoteConfig": SECURE})),
        ("update_organization", 400, "nothing", ask("PUT", ORG, {})),
        ("update_organization", 403, "member", ask("PUT", ORG, {"name": "N"}, "member")),
        (
            "update_organization",
            403,
            "security by admin",
            ask("PUT", ORG, {"defaultRemoteConfig": SECURE}, "admin"),
        ),
        (
            "update_organization",
            422,
            "no version",
            ask("PUT", ORG, {"defaultRemoteConfig": "{}"}),
        ),
        ("delete_organization", 204, "new one", lambda w: opened_and(w, "DELETE", "")),
        ("delete_organization", 403, "admin", ask("DELETE", ORG, None, "admin")),
        ("get_organization_provider_keys", 200, "member", ask("GET", f"{ORG}/api-keys")),
        ("get_organization_remote_config", 200, "one", ask("GET", f"{ORG}/remote-config")),
        (
            "get_organization_remote_config",
            200,
            "none",
            lambda w: opened_and(w, "GET", "/remote-config"),
        ),
        ("list_plans", 200, "all", ask("GET", "/plans", None, "member")),
        ("list_plans", 200, "teams", ask("GET", "/plans?type=teams")),
        ("list_plans", 400, "unknown type", ask("GET", "/plans?type=x")),
        ("get_organization_plan", 200, "one", ask("GET", f"{ORG}/plan")),
        ("get_organization_plan", 403, "admin", ask("GET", f"{ORG}/plan", None, "admin")),
        ("get_organization_plan", 404, "none", lambda w: opened_and(w, "GET", "/plan")),
        ("subscribe_organization_plan", 201, "again", lambda w: lapsed_and(w, FIVE_HUNDRED)),
        ("subscribe_organization_plan", 409, "in force", ask("POST", f"{ORG}/plan", FIVE_HUNDRED)),
        ("subscribe_organization_plan", 400, "no seats", ask("POST", f"{ORG}/plan", {})),
        (
            "subscribe_organization_plan",
            402,
            "no card",
            lambda w: opened_and(w, "POST", "/plan", FIVE_HUNDRED),
        ),
        (
            "subscribe_organization_plan",
            422,
            "too many",
            lambda w: opened_and(w, "POST", "/plan", {**FIVE_HUNDRED, "seats": 501}),
        ),
        (
            "subscribe_organization_plan",
            404,
            "unknown",
            lambda w: opened_and(w, "POST", "/plan", {"planId": "pln-none", "seats": 5}),
        ),
        ("list_organization_plan_history", 200, "all", ask("GET", f"{ORG}/plan/history")),
        ("get_organization_plan_details", 200, "one", ask("GET", f"{ORG}/plan/{TEAMS}")),
        ("get_organization_plan_details", 404, "unknown", ask("GET", f"{ORG}/plan/pln-none")),
        ("cancel_organization_plan", 200, "cancelled", ask("DELETE", f"{ORG}/plan/{TEAMS}")),
        ("cancel_organization_plan", 404, "another", ask("DELETE", f"{ORG}/plan/pln-none")),
        ("cancel_organization_plan", 409, "twice", twice("DELETE", f"{ORG}/plan/{TEAMS}")),
        (
            "set_organization_plan_seats",
            200,
            "more",
            ask("PUT", f"{ORG}/plan/seats", {"seats": 300}),
        ),
        ("set_organization_plan_seats", 400, "none", ask("PUT", f"{ORG}/plan/seats", {"seats": 0})),
        (
            "set_organization_plan_seats",
            409,
            "in use",
            ask("PUT", f"{ORG}/plan/seats", {"seats": 3}),
        ),
        (
            "set_organization_plan_seats",
            422,
            "most",
            ask("PUT", f"{ORG}/plan/seats", {"seats": 999}),
        ),
        ("get_current_user_plan", 200, "pass", ask("GET", "/users/me/plan")),
        ("get_current_user_plan", 404, "none", ask("GET", "/users/me/plan", None, "member")),
        (
            "get_current_user_plan_usage_limits",
            200,
            "pass",
            ask("GET", "/users/me/plan/usage-limits"),
        ),
        (
            "get_current_user_plan_usage_limits",
            404,
            "none",
            as_new("GET", "/users/me/plan/usage-limits"),
        ),
        ("list_user_usages", 200, "own", ask("GET", "/users/{me}/usages?limit=3")),
        ("list_user_usages", 400, "me", ask("GET", "/users/me/usages")),
        ("list_user_usages", 403, "another's", ask("GET", "/users/usr-other/usages")),
        ("list_user_usages", 400, "cursor", ask("GET", "/users/{me}/usages?cursor=x")),
        ("list_user_daily_usages", 200, "own", ask("GET", f"/users/{{me}}/usages/daily?{WEEK}")),
        ("list_user_daily_usages", 400, "no dates", ask("GET", "/users/{me}/usages/daily")),
        (
            "list_user_daily_usages",
            400,
            "too long",
            ask("GET", "/users/{me}/usages/daily?startDate=2026-01-01&endDate=2026-02-01"),
        ),
        ("list_member_usages", 200, "one", lambda w: ledger_of(w, w.member())),
        ("list_member_usages", 403, "member", lambda w: ledger_of(w, w.member("owner"), "member")),
        ("list_member_usages", 404, "unknown", lambda w: ledger_of(w, "mbr-none")),
        ("get_organization_usage", 200, "month", ask("GET", f"{ORG}/usages?limit=5")),
        ("get_organization_usage", 400, "no date", ask("GET", f"{ORG}/usages?startDate=x")),
        ("get_organization_usage", 403, "member", ask("GET", f"{ORG}/usages", None, "member")),
        ("get_organization_metrics", 200, "month", ask("GET", f"{ORG}/metrics")),
        (
            "get_organization_metrics",
            400,
            "backwards",
            ask("GET", f"{ORG}/metrics?startDate=2026-02-01&endDate=2026-01-01"),
        ),
        *(
            (name.replace("?", kind), status, what, ask(method, path, body))
            for kind, root, checkout in (
                ("organization", ORG, f"{ORG}/credits/checkout"),
                ("user", "/users/{me}", "/users/credits/checkout"),
            )
            for name, status, what, method, path, body in (
                ("get_?_balance", 200, "left", "GET", f"{root}/balance", None),
                ("list_?_payments", 200, "all", "GET", f"{root}/payments", None),
                ("get_?_payment", 404, "unknown", "GET", f"{root}/payments/pay-none", None),
                (
                    "get_?_provider_payment",
                    404,
                    "unknown",
                    "GET",
                    f"{root}/payments/provider/pay-none",
                    None,
                ),
                ("create_?_credit_checkout", 201, "page", "POST", checkout, TWENTY),
                ("create_?_credit_checkout", 400, "none", "POST", checkout, {"amountCents": 0}),
                ("create_?_credit_checkout", 422, "little", "POST", checkout, {"amountCents": 1}),
                ("purchase_?_credits", 201, "paid", "POST", f"{root}/credits/purchase", TWENTY),
                ("purchase_?_credits", 400, "none", "POST", f"{root}/credits/purchase", {}),
                ("get_?_auto_top_up", 200, "set", "GET", f"{root}/auto-top-up", None),
                ("set_?_auto_top_up", 200, "on", "PUT", f"{root}/auto-top-up", TOP_UP),
                ("set_?_auto_top_up", 200, "off", "PUT", f"{root}/auto-top-up", {"enabled": False}),
                ("set_?_auto_top_up", 400, "half", "PUT", f"{root}/auto-top-up", {"enabled": True}),
                (
                    "get_?_default_payment_method",
                    200,
                    "card",
                    "GET",
                    f"{root}/payment-method/default",
                    None,
                ),
                (
                    "create_?_payment_method_setup_session",
                    201,
                    "page",
                    "POST",
                    f"{root}/payment-method/setup-session",
                    {},
                ),
                ("list_?_promotions", 200, "all", "GET", f"{root}/promotions", None),
            )
        ),
        *(
            (name.replace("?", kind), 200, "one", payment_of(root, path))
            for kind, root in (("organization", ORG), ("user", "/users/{me}"))
            for name, path in (
                ("get_?_payment", "/payments/{0}"),
                ("get_?_payment_status", "/payments/{0}/status"),
                ("get_?_provider_payment", "/payments/provider/{0}"),
            )
        ),
        ("list_organization_payments", 403, "admin", ask("GET", f"{ORG}/payments", None, "admin")),
        ("get_organization_balance", 200, "member", ask("GET", f"{ORG}/balance", None, "member")),
        ("get_user_balance", 403, "another's", ask("GET", "/users/usr-other/balance")),
        (
            "get_organization_default_payment_method",
            200,
            "none",
            lambda w: opened_and(w, "GET", "/payment-method/default"),
        ),
        (
            "purchase_organization_credits",
            402,
            "no card",
            lambda w: opened_and(w, "POST", "/credits/purchase", TWENTY),
        ),
        (
            "set_organization_auto_top_up",
            409,
            "no card",
            lambda w: opened_and(w, "PUT", "/auto-top-up", TOP_UP),
        ),
    ]
]


def ledger_of(world: World, member: str, role: str = "owner") -> Any:
    return world.cline("GET", f"{ORG}/members/{member}/usages?limit=5", None, role)


def lapsed_and(world: World, body: Any) -> Any:
    """A subscription where the plan before has run out."""
    world.cline("DELETE", f"{ORG}/plan/{TEAMS}")
    world.control.shift_clock(32 * 86_400)
    return world.cline("POST", f"{ORG}/plan", body)


def opened_and(world: World, method: str, path: str, body: Any = None) -> Any:
    """A call below an organization that was just opened."""
    made = world.sandbox.cline("POST", "/organizations", LAB)[2]["data"]["id"]
    return world.cline(method, f"/organizations/{made}{path}", body)
