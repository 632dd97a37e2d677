"""What every operation of the Anthropic Admin API shares: who calls, its limits, errors, id cursors."""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any

from ..app import Answer, Call, Operation, Refusal, Window, operation, operations_of, request_token
from ..world import Keep, Organization, Table, seconds_stamp

VERSION = "2023-06-01"
ASSIGNABLE = ("user", "developer", "billing", "claude_code_user")

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_body(status: int, message: str, request_id: str, code: str = "") -> dict[str, Any]:
    """The envelope of every Anthropic error."""
    error: dict[str, Any] = {
        "type": _KINDS.get(status, "api_error"),
        "message": message,
    }
    if code:
        error["details"] = {"error_code": code}
    return {"type": "error", "error": error, "request_id": request_id}


def invalid(message: str, code: str = "") -> Refusal:
    return Refusal(400, message, code=code)


def missing() -> Refusal:
    return Refusal(404, "The requested resource could not be found.")


def role_in(body: dict[str, Any], deed: str) -> str:
    role = body.get("role")
    if role == "admin":
        raise invalid(f"role: `admin` cannot be {deed} through the API")
    if role not in ASSIGNABLE:
        raise invalid(f"role: must be one of {', '.join(ASSIGNABLE)}")
    return str(role)


def page(table: Table[Any], call: Call, keep: Keep[Any] = None) -> tuple[list[Any], bool]:
    """The rows an id cursor asks for, newest first, and whether there are more that way."""
    after, before, limit = _asked(call, table.knows)
    if before:
        return table.newer(before, limit, call.overlap, keep)
    return table.older(after, limit, call.overlap, keep)


def asked_page(ids: list[str], call: Call, known: Callable[[str], bool]) -> tuple[list[str], bool]:
    """The like for ids in their own order, which need no place to be remembered."""
    after, before, limit = _asked(call, known)
    if before:
        end = bisect_left(ids, before) + call.overlap
        return ids[max(0, end - limit) : end], end > limit
    start = bisect_right(ids, after) - call.overlap if after else 0
    return ids[start : start + limit], start + limit < len(ids)


def _asked(call: Call, known: Callable[[str], bool]) -> tuple[str | None, str | None, int]:
    """``after_id``, ``before_id`` and ``limit`` of a call."""
    after, before = call.query.get("after_id"), call.query.get("before_id")
    limit = limit_in(call, 20, 1000)
    if after and before:
        raise invalid("after_id, before_id: only one of them may be given")
    for name, cursor in (("after_id", after), ("before_id", before)):
        if cursor and not known(cursor):
            raise invalid(f"{name}: no such object")
    return after or None, before or None, limit


def limit_in(call: Call, default: int, most: int) -> int:
    """How many rows a page shall have."""
    text = call.query.get("limit", str(default))
    limit = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0
    if not 1 <= limit <= most:
        raise invalid(f"limit: must be between 1 and {most}")
    return limit


def listing(rows: list[Any], has_more: bool) -> Answer:
    return Answer(
        {
            "data": rows,
            "first_id": rows[0].id if rows else None,
            "has_more": has_more,
            "last_id": rows[-1].id if rows else None,
        }
    )


class Console:
    """``requests_per_minute`` and ``invites_per_hour`` are per organization; 0 means no limit."""

    name = "anthropic"

    def __init__(self, requests_per_minute: int = 100, invites_per_hour: int = 1200) -> None:
        self.requests = Window(requests_per_minute, 60)
        self.invites = Window(invites_per_hour, 3600)
        self.operations: list[Operation] = operations_of(self)

    def forget_rates(self) -> None:
        self.requests.clear()
        self.invites.clear()

    def new_request_id(self) -> str:
        return "req_011C" + request_token()

    def error(self, refusal: Refusal, request_id: str) -> dict[str, Any]:
        message = refusal.message
        if refusal.kind == "unknown_route" and refusal.status == 404:
            message = missing().message
        return error_body(refusal.status, message, request_id, refusal.code)

    def headers(self, call: Call | None, request_id: str) -> list[tuple[str, str]]:
        headers = [("request-id", request_id)]
        if call is None or call.organization is None:
            return headers
        headers.append(("anthropic-organization-id", call.organization.id))
        if self.requests.limit:
            wait = self.requests.wait(call.organization.id)
            headers += [
                ("anthropic-ratelimit-requests-limit", str(self.requests.limit)),
                (
                    "anthropic-ratelimit-requests-remaining",
                    str(self.requests.left(call.organization.id)),
                ),
                (
                    "anthropic-ratelimit-requests-reset",
                    seconds_stamp(call.now + math.ceil(wait)),
                ),
            ]
        return headers

    def admit(self, call: Call) -> None:
        sent = call.request.headers
        scheme, _, bearer = sent.get("authorization", "").partition(" ")
        secret = sent.get("x-api-key") or (bearer.strip() if scheme.lower() == "bearer" else "")
        if not secret:
            raise Refusal(401, "x-api-key header is required")
        if secret.startswith("sk-ant-api"):
            raise Refusal(403, "This credential may not use the Admin API.")
        key = call.state.world.keys.get(secret)
        if key is None or key.api != self.name:
            raise Refusal(401, "invalid x-api-key")
        call.organization = call.state.world.organizations[key.organization]
        version = sent.get("anthropic-version")
        if not version:
            raise invalid("anthropic-version: header is required")
        if version != VERSION:
            raise invalid(f'anthropic-version: "{version}" is not a valid version')
        wait = self.requests.wait(call.organization.id)
        if wait:
            raise self.too_many(wait, "This organization has exceeded its request rate.")
        self.requests.count(call.organization.id)

    def too_many(self, wait: float, message: str) -> Refusal:
        return Refusal(429, message, headers={"retry-after": str(math.ceil(wait))})

    def organization(self, call: Call) -> Organization:
        if call.organization is None:
            raise Refusal(401, "invalid x-api-key")
        return call.organization

    @operation("GET", "/v1/organizations/me", "getCurrentOrganization")
    def get_current_organization(self, call: Call) -> Answer:
        organization = self.organization(call)
        return Answer({"id": organization.id, "name": organization.name, "type": "organization"})
