"""Who calls, what they may, how answers and errors are spelled, how fast pages may follow."""

import time
from typing import Any

import msgspec

from ..app import Answer, Call, Operation, Refusal, operations_of, request_token
from ..world import (
    Account,
    Change,
    ClineInvite,
    Drop,
    Member,
    Organization,
    Put,
    Table,
    micros_stamp,
)

MAX_PAGE = 200
REFRESH = "/api/v1/auth/refresh"
RANKS = {"member": 0, "admin": 1, "owner": 2}


def rank(member: Member) -> int:
    """A membership holds a list of roles; the strongest counts."""
    return max(RANKS[role] for role in member.roles)


def error_body(status: int, message: str) -> dict[str, Any]:
    """The application's failure shape; 400, 401 and unknown routes come from the gateway."""
    if status in (400, 401, 405):
        return {"error": message}
    return {"success": False, "error": message}


def malformed(message: str = "Invalid request format") -> Refusal:
    return Refusal(400, message)


def check_kinds(body: dict[str, Any], **kinds: type) -> None:
    """Refuse a field that was sent and is not of its kind; null is none, where leaving it out is."""
    if any(name in body and not isinstance(body[name], kind) for name, kind in kinds.items()):
        raise malformed()


class PageBucket:
    """Lets ``burst`` pages of one person through fast, then ``per_second``; 0 switches it off."""

    def __init__(self, burst: int, per_second: float = 5.0) -> None:
        self.burst, self.per_second = burst, per_second
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> bool:
        if not self.burst:
            return True
        now = time.monotonic()
        level, since = self._levels.get(key, (float(self.burst), now))
        level = min(self.burst, level + (now - since) * self.per_second)
        enough = level >= 1
        self._levels[key] = (level - 1 if enough else level, now)
        return enough

    def clear(self) -> None:
        self._levels.clear()


class Access:
    """``fast_pages``: how many pages in a row draw no 429 (0: any number)."""

    name = "cline"

    def __init__(self, fast_pages: int = 25) -> None:
        self.pages = PageBucket(fast_pages)
        self.operations: list[Operation] = operations_of(self)
        self.last_used: dict[str, float] = {}  # key id -> when it last opened the door

    def forget_rates(self) -> None:
        self.pages.clear()

    def new_request_id(self) -> str:
        return "req-" + request_token()

    def error(self, refusal: Refusal, request_id: str) -> dict[str, Any]:
        if refusal.kind == "unknown_route":
            return {"error": refusal.message}
        return error_body(refusal.status, refusal.message)

    def headers(self, call: Call | None, request_id: str) -> list[tuple[str, str]]:
        return [("X-Request-Id", request_id)]

    def admit(self, call: Call) -> None:
        scheme, _, secret = call.request.headers.get("authorization", "").partition(" ")
        key = call.state.world.keys.get(secret.strip()) if scheme.lower() == "bearer" else None
        account = call.state.world.accounts.get(key.account) if key else None
        if key is not None and (key.api != self.name or 0 < key.expires_at <= call.now):
            account = None
        if account is None or key is None:
            if call.request.path == REFRESH:
                return  # it is what a caller without a valid token does
            raise Refusal(401, "Unauthorized")
        call.account = account
        self.last_used[key.key_id] = call.now

    def leaving(self, call: Call, organization: Organization, member: Member) -> list[Change]:
        """A member goes; what they used stays, with when they left."""
        left = msgspec.structs.replace(member, updated_at=micros_stamp(call.now))
        return [
            Drop(organization.id, "members", member.member_id),
            Put(organization.id, "left", left),
        ]

    def _account(self, call: Call) -> Account:
        if call.account is None:
            raise Refusal(401, "Unauthorized")
        return call.account

    def _own(self, call: Call) -> Account:
        """The caller, if the user id in the path is theirs."""
        account, wanted = self._account(call), call.params["id"]
        if not wanted.startswith("usr-"):
            raise malformed("invalid user id")
        if wanted != account.id:
            raise Refusal(403, "can only access own resources")
        return account

    def _enter(self, call: Call, weakest: str, name: str = "orgId") -> tuple[Organization, Member]:
        """The organization in the path and the caller's membership of at least that rank."""
        organization = call.state.world.organizations.get(call.params[name])
        gone = organization is None or organization.settings.get("deleted_at")
        if organization is None or gone or organization.api != self.name:
            raise Refusal(404, "organization not found")
        call.organization = organization
        member = membership(organization, self._account(call))
        if member is None:
            raise Refusal(403, "can only access own resources")
        if rank(member) < RANKS[weakest]:
            raise Refusal(403, f"this needs the role {weakest} or a stronger one")
        return organization, member


def success(data: Any, *, status: int = 200, **more: Any) -> Answer:
    """The envelope of every success."""
    return Answer({"data": data, "success": True}, status, **more)


def membership(organization: Organization, account: Account) -> Member | None:
    rows = organization.tables["members"].with_email(account.email)
    return next((row for row in rows if row.user_id == account.id), None)


def owners(organization: Organization, besides: set[str]) -> bool:
    """Whether an owner is left when these members are not counted."""
    members: Table[Member] = organization.tables["members"]
    return any("owner" in one.roles and one.member_id not in besides for one in members)


def pending_invites(organization: Organization, now: float) -> list[ClineInvite]:
    stamp = micros_stamp(now)
    invites: Table[ClineInvite] = organization.tables["invites"]
    return [one for one in invites if one.status == "pending" and one.expires_at > stamp]


def plan_in_force(owner: Organization, now: float) -> dict[str, Any] | None:
    """The plan of an organization or a person that runs now."""
    held: dict[str, Any] | None = owner.settings.get("plan")
    return None if held is None or 0 < held["cancel_at"] <= now else held


def seats_of(organization: Organization, now: float) -> int | None:
    """Seats there are: none once the plan has run out; None where there is no limit."""
    if organization.settings.get("plan") and not plan_in_force(organization, now):
        return 0
    seats: int | None = organization.settings["seats"]
    return seats
