"""What the contracts' notes say in passing, asked of the sandbox as ``curl`` would: one line a sentence.

Rules with a story of their own (roles, archiving, seats, checkout, …) stand in ``tests/sandbox``.
"""

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from tests.contract.case import World
from tests.sandbox_server import SandboxServer, call

USAGE = "/usage_report/messages?starting_at={day}T13:45:00Z"
COST = "/cost_report?starting_at={day}T00:00:00Z"
CODE = "/usage_report/claude_code?starting_at={day}"
BY_SPEED = f"{USAGE}&group_by%5B%5D=speed"

Asked = Callable[[World], tuple[int, dict[str, str], bytes]]
Holds = Callable[[Any], bool]


def console(path: str, method: str = "GET", body: Any = None, **headers: str | None) -> Asked:
    return lambda world: world.anthropic(method, filled(world, path), body, **headers)


def cline(path: str, method: str = "GET", body: Any = None) -> Asked:
    return lambda world: world.cline(method, filled(world, path), body)


def bearer(path: str, spelled: Callable[[World], str]) -> Asked:
    def ask(world: World) -> tuple[int, dict[str, str], bytes]:
        sent = {"authorization": f"Bearer {spelled(world)}"}
        return call(world.sandbox.base_url, "GET", f"/api/v1{path}", None, sent)

    return ask


def filled(world: World, path: str) -> str:
    """The path with what this world calls its things."""
    names: dict[str, Callable[[], str]] = {
        "{me}": lambda: json.loads(world.cline("GET", "/users/me")[2])["data"]["id"],
        "{key}": lambda: world.one("/api_keys")["id"],
        "{workspace}": lambda: world.one("/workspaces")["id"],
        "{user}": world.user,
        "{day}": lambda: a_wednesday(world.control.clock()["now"]),
        "{email}": lambda: world.one("/users")["email"].upper().replace("@", "%2Btag@"),
    }
    for name, find in names.items():
        if name in path:
            path = path.replace(name, find())
    return path.replace("{org}", world.sandbox.cline_organization)


def a_wednesday(now: str) -> str:
    """Three to four weeks ago: people were at work."""
    day = date.fromisoformat(now[:10]) - timedelta(weeks=3)
    return (day - timedelta(days=(day.weekday() - 2) % 7)).isoformat()


def new_token(world: World) -> str:
    token: str = world.control.new_key(email="new.person@northgate.example")["account_token"]
    return token


def error_is(kind: str) -> Holds:
    return lambda answer: (
        answer["type"] == "error" and answer["error"]["type"] == kind and bool(answer["request_id"])
    )


def has(*names: str) -> Holds:
    return lambda answer: set(names) <= set(answer)


def inner(*names: str) -> Holds:
    return lambda answer: answer["success"] is True and set(names) <= set(answer["data"])


def of_gateway(answer: Any) -> bool:
    return set(answer) == {"error"} and isinstance(answer["error"], str)


def of_application(answer: Any) -> bool:
    return answer["success"] is False and isinstance(answer["error"], str)


def empty(answer: Any) -> bool:
    return answer is None


def anything(answer: Any) -> bool:
    return True


def amounts_are_strings(answer: Any) -> bool:
    rows = [row for bucket in answer["data"] for row in bucket["results"]]
    return bool(rows) and all(isinstance(row["amount"], str) for row in rows)


def estimates_are_numbers(answer: Any) -> bool:
    costs = [
        model["estimated_cost"]["amount"]
        for row in answer["data"]
        for model in row["model_breakdown"]
    ]
    return bool(costs) and all(isinstance(cost, int | float) for cost in costs)


KEY_OR_TOKEN = "/users/me"
LOOSE = {"anthropic_beta": "fast-mode-2026-02-01"}
NOTES: list[tuple[str, Asked, int, Holds]] = [
    # --- Anthropic ---
    ("the key goes in its own header", console("/me"), 200, has("id", "name", "type")),
    (
        "or as a bearer",
        lambda world: world.anthropic(
            "GET", "/me", x_api_key=None, authorization=f"Bearer {world.sandbox.anthropic_key}"
        ),
        200,
        has("id"),
    ),
    (
        "an inference key is refused",
        console("/me", x_api_key="sk-ant-api03-abc"),
        403,
        error_is("permission_error"),
    ),
    (
        "a page of ids has 1 to 1000 rows",
        console("/users?limit=1000"),
        200,
        has("data", "first_id", "last_id", "has_more"),
    ),
    ("and not none", console("/users?limit=0"), 400, error_is("invalid_request_error")),
    ("and not more", console("/users?limit=1001"), 400, error_is("invalid_request_error")),
    ("without a limit it has 20", console("/users"), 200, lambda page: len(page["data"]) == 20),
    (
        "the members' cursor is the user id",
        console("/workspaces/{workspace}/members?limit=1"),
        200,
        lambda page: page["last_id"] == page["data"][0]["user_id"],
    ),
    ("rate limits have an opaque page", console("/rate_limits"), 200, has("data", "next_page")),
    ("reports say whether there is more", console(USAGE), 200, has("next_page", "has_more")),
    (
        "arrays travel with brackets",
        console(f"{USAGE}&models%5B%5D=claude-sonnet-4-6&models%5B%5D=other"),
        200,
        has("data"),
    ),
    (
        "a start snaps down",
        console(USAGE),
        200,
        lambda page: page["data"][0]["starting_at"].endswith("T00:00:00Z"),
    ),
    ("a day's report has 7 buckets", console(USAGE), 200, lambda page: len(page["data"]) == 7),
    ("at most 31", console(f"{USAGE}&limit=32"), 400, error_is("invalid_request_error")),
    (
        "an hour's 24",
        console(f"{USAGE}&bucket_width=1h"),
        200,
        lambda page: len(page["data"]) == 24,
    ),
    (
        "at most 168",
        console(f"{USAGE}&bucket_width=1h&limit=169"),
        400,
        error_is("invalid_request_error"),
    ),
    (
        "a minute's 60",
        console(f"{USAGE}&bucket_width=1m"),
        200,
        lambda page: len(page["data"]) == 60,
    ),
    (
        "at most 1440",
        console(f"{USAGE}&bucket_width=1m&limit=1441"),
        400,
        error_is("invalid_request_error"),
    ),
    ("cost has no hours", console(f"{COST}&bucket_width=1h"), 400, anything),
    ("its amounts are decimal strings", console(COST), 200, amounts_are_strings),
    ("Claude Code's are numbers", console(CODE), 200, estimates_are_numbers),
    ("at most 1000 records", console(f"{CODE}&limit=1001"), 400, anything),
    ("speed needs its beta", console(BY_SPEED), 400, error_is("invalid_request_error")),
    ("and has it with it", console(BY_SPEED, **LOOSE), 200, has("data")),
    (
        "a start that has not come is a wrong range",
        console("/cost_report?starting_at=2096-01-01T00:00:00Z"),
        400,
        lambda answer: "ending date must be after starting date" in answer["error"]["message"],
    ),
    ("an unknown model has no limits", console("/rate_limits?model=none"), 404, anything),
    (
        "filters by address are loose",
        console("/users?email={email}"),
        200,
        lambda page: len(page["data"]) == 1,
    ),
    (
        "the default workspace is not listed",
        console("/workspaces?limit=1000"),
        200,
        lambda page: "Default" not in {one["name"] for one in page["data"]},
    ),
    (
        "and is null on keys",
        console("/api_keys?limit=1000"),
        200,
        lambda page: None in {one["workspace_id"] for one in page["data"]},
    ),
    ("a key's name is not empty", console("/api_keys/{key}", "POST", {"name": ""}), 400, anything),
    (
        "nor over 500 long",
        console("/api_keys/{key}", "POST", {"name": "x" * 501}),
        400,
        anything,
    ),
    (
        "a workspace's not over 40",
        console("/workspaces", "POST", {"name": "x" * 41}),
        400,
        anything,
    ),
    (
        "residency needs the name",
        console("/workspaces/{workspace}", "POST", {"data_residency": {}}),
        400,
        anything,
    ),
    ("a deletion names it", console("/users/{user}", "DELETE"), 200, has("id", "type")),
    ("an unknown address is an error too", console("/none"), 404, error_is("not_found_error")),
    # --- Cline ---
    (
        "an API key as it is",
        bearer(KEY_OR_TOKEN, lambda w: w.sandbox.cline_key()),
        200,
        inner("id"),
    ),
    (
        "not in the token's form",
        bearer(KEY_OR_TOKEN, lambda w: f"workos:{w.sandbox.cline_key()}"),
        401,
        of_gateway,
    ),
    ("an account token with its prefix", bearer(KEY_OR_TOKEN, new_token), 200, inner("id")),
    (
        "and not without",
        bearer(KEY_OR_TOKEN, lambda w: new_token(w).removeprefix("workos:")),
        401,
        of_gateway,
    ),
    (
        "a refresh is spelled in camel case",
        cline("/auth/refresh", "POST", {"refresh_token": "rt_a", "grant_type": "refresh_token"}),
        400,
        of_gateway,
    ),
    (
        "another's account is forbidden",
        cline("/users/usr-01JDZR8P00YCQ3JFHWXYSDC7WX/balance"),
        403,
        of_application,
    ),
    ("me is no id", cline("/users/me/balance"), 400, of_gateway),
    ("an unknown address has no success", cline("/none"), 404, of_gateway),
    (
        "no config is null",
        bearer("/users/me/remote-config", new_token),
        200,
        lambda a: not a["data"],
    ),
    (
        "a config is text with a version",
        cline("/organizations/{org}/remote-config"),
        200,
        lambda answer: json.loads(answer["data"]["value"])["version"] == "v1",
    ),
    (
        "an account is switched to with a text",
        cline("/users/active-account", "PUT", {"organizationId": None}),
        204,
        empty,
    ),
    ("a ledger's page is capped", cline("/users/{me}/usages?limit=999"), 200, inner("nextToken")),
    (
        "at 200 rows",
        cline("/users/{me}/usages?limit=999"),
        200,
        lambda answer: len(answer["data"]["items"]) <= 200,
    ),
    (
        "a daily report has 31 days",
        cline("/users/{me}/usages/daily?startDate=2026-05-01&endDate=2026-06-01"),
        400,
        of_gateway,
    ),
    (
        "payments have their own wrapper",
        cline("/organizations/{org}/payments"),
        200,
        inner("paymentTransactions"),
    ),
    ("plans are a bare array", cline("/plans"), 200, lambda a: isinstance(a["data"], list)),
    ("members an object", cline("/organizations/{org}/members"), 200, inner("items")),
    (
        "API keys are in snake case",
        cline("/api-keys"),
        200,
        lambda answer: has("key_prefix", "created_at")(answer["data"]["items"][0]),
    ),
    (
        "an organization's are those of providers",
        cline("/organizations/{org}/api-keys"),
        200,
        lambda answer: isinstance(answer["data"]["providerApiKeys"], str),
    ),
    ("a removal has a body", cline("/organizations/{org}/members", "DELETE"), 400, of_gateway),
    ("history is no plan", cline("/organizations/{org}/plan/history"), 200, inner("items")),
    (
        "provider is no payment",
        cline("/organizations/{org}/payments/provider/pay-none"),
        404,
        of_application,
    ),
    (
        "seats is no plan",
        cline("/organizations/{org}/plan/seats", "PUT", {"seats": 1}),
        409,
        anything,
    ),
    ("more may be asked for", cline("/users/me/budget/request", "POST"), 204, empty),
]


@pytest.mark.parametrize(
    ("sentence", "ask", "status", "holds"), NOTES, ids=[note[0] for note in NOTES]
)
def test_the_sandbox_does_as_the_notes_say(
    sandbox: SandboxServer, sentence: str, ask: Asked, status: int, holds: Holds
) -> None:
    answered, headers, body = ask(World(sandbox))
    assert answered == status, body
    assert headers.get("request-id") or headers.get("x-request-id")
    assert holds(json.loads(body) if body else None), body


def test_a_next_token_goes_back_as_cursor_alone(sandbox: SandboxServer) -> None:
    world = World(sandbox)
    ledger = cline("/users/{me}/usages?limit=2")
    first = json.loads(ledger(world)[2])["data"]
    token = first["nextToken"]
    same = cline(f"/users/{{me}}/usages?limit=2&nextToken={token}")
    second = cline(f"/users/{{me}}/usages?limit=2&cursor={token}")
    assert json.loads(same(world)[2])["data"]["items"] == first["items"]
    assert json.loads(second(world)[2])["data"]["items"] != first["items"]
