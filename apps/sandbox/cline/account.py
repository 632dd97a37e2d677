"""The caller's own account: profile, terms, which account is billed, invites, account tokens.

Where the contract is silent: the only owner of an organization cannot delete their account (409); terms
are accepted once (409); a budget may be asked for once in five minutes (409).
"""

from typing import Any

import msgspec

from ..app import Answer, Call, Refusal, json_body, operation
from ..ids import account_token, refresh_token
from ..world import (
    Account,
    Change,
    Drop,
    Key,
    Member,
    Organization,
    Put,
    micros_stamp,
    seconds_stamp,
)
from .access import Access, check_kinds, malformed, membership, owners, success

TOKEN_SECONDS = 3600.0
BUDGET_SECONDS = 300.0


def memberships(call: Call, account: Account) -> list[tuple[Organization, Member]]:
    """The caller's place in each organization that still stands."""
    found = [(one, membership(one, account)) for one in call.state.world.of("cline")]
    return [(one, member) for one, member in found if member and not one.settings.get("deleted_at")]


def active_id(call: Call, account: Account) -> str:
    """The organization that use is billed to, "" for the person: the first one unless they chose."""
    ids = [one.id for one, _ in memberships(call, account)]
    if account.active is None:
        return ids[0] if ids else ""
    return account.active if account.active in ids else ""


def organization_entry(
    organization: Organization, member: Member, active: bool = False
) -> dict[str, Any]:
    return {
        "memberId": member.member_id,
        "organizationId": organization.id,
        "name": organization.name,
        "roles": member.roles,
        "active": active,
    }


def profile(call: Call, account: Account) -> dict[str, Any]:
    active = active_id(call, account)
    data = {
        "id": account.id,
        "email": account.email,
        "displayName": account.display_name,
        "clineBenchConsent": account.bench_consent,
        "organizations": [
            organization_entry(one, member, one.id == active)
            for one, member in memberships(call, account)
        ],
        "createdAt": account.created_at,
        "updatedAt": account.updated_at or account.created_at,
    }
    if account.terms_accepted_at:
        data["termsAcceptedAt"] = account.terms_accepted_at
    return data


class Accounts(Access):
    """What a person may do with their own account."""

    def __init__(self, fast_pages: int = 25) -> None:
        super().__init__(fast_pages)
        self.asked: dict[str, float] = {}  # user id -> when they last asked for a budget

    def forget_rates(self) -> None:
        super().forget_rates()
        self.asked.clear()

    @operation("GET", "/api/v1/users/me", "get_current_user")
    def get_current_user(self, call: Call) -> Answer:
        return success(profile(call, self._account(call)))

    @operation("PATCH", "/api/v1/users/me", "update_current_user")
    def update_current_user(self, call: Call) -> Answer:
        body = json_body(call, malformed)
        if not {"displayName", "clineBenchConsent"} & body.keys():
            raise malformed()
        check_kinds(body, displayName=str, clineBenchConsent=bool)
        name, consent = body.get("displayName"), body.get("clineBenchConsent")
        if name is not None and not name.strip():
            raise Refusal(422, "displayName must not be empty")
        account = self._account(call)
        changed = msgspec.structs.replace(
            account,
            display_name=account.display_name if name is None else name,
            bench_consent=account.bench_consent if consent is None else consent,
            updated_at=micros_stamp(call.now),
        )
        return self._changed(call, changed)

    def _changed(self, call: Call, account: Account) -> Answer:
        """The account as it is from now on; its memberships carry its name."""
        changes: list[Change] = [Put("", "accounts", account)]
        for organization, member in memberships(call, account):
            if member.display_name != account.display_name:
                renamed = msgspec.structs.replace(member, display_name=account.display_name)
                changes.append(Put(organization.id, "members", renamed))
        return success(profile(call, account), target=account.id, changes=changes)

    @operation("DELETE", "/api/v1/users/me", "delete_current_user")
    def delete_current_user(self, call: Call) -> Answer:
        account = self._account(call)
        changes: list[Change] = []
        for organization, member in memberships(call, account):
            if not owners(organization, besides={member.member_id}):
                raise Refusal(409, f"you are the only owner of {organization.name}")
            changes += self.leaving(call, organization, member)
        held = [key for key in call.state.world.keys if key.account == account.id]
        changes += [Drop("", "keys", key.id) for key in held]
        changes.append(Drop("", "accounts", account.id))
        return Answer(status=204, target=account.id, changes=changes)

    @operation("POST", "/api/v1/users/me/accept-terms", "accept_terms")
    def accept_terms(self, call: Call) -> Answer:
        account = self._account(call)
        if account.terms_accepted_at:
            raise Refusal(409, "terms already accepted")
        stamp = micros_stamp(call.now)
        return self._changed(
            call, msgspec.structs.replace(account, terms_accepted_at=stamp, updated_at=stamp)
        )

    @operation("PUT", "/api/v1/users/active-account", "set_active_account")
    def set_active_account(self, call: Call) -> Answer:
        body, account = json_body(call, malformed), self._account(call)
        wanted = body.get("organizationId", 0)
        if not isinstance(wanted, str | None):
            raise malformed()
        if wanted and wanted not in {one.id for one, _ in memberships(call, account)}:
            raise Refusal(404, "organization not found")
        changed = msgspec.structs.replace(account, active=wanted or "")
        put: list[Change] = [Put("", "accounts", changed)]
        # Both forms occur at the vendor: a text, and no content.
        if wanted:
            return success("Account switched", target=wanted, changes=put)
        return Answer(status=204, target=account.id, changes=put)

    @operation("POST", "/api/v1/users/me/budget/request", "request_budget_increase")
    def request_budget_increase(self, call: Call) -> Answer:
        account = self._account(call)
        if not memberships(call, account):
            raise Refusal(404, "no spend limit applies")
        if call.now - self.asked.get(account.id, -BUDGET_SECONDS) < BUDGET_SECONDS:
            raise Refusal(409, "a request is pending")
        self.asked[account.id] = call.now
        return Answer(status=204, target=account.id)

    @operation("POST", "/api/v1/auth/refresh", "refresh_account_token")
    def refresh_account_token(self, call: Call) -> Answer:
        body = json_body(call, malformed)
        token = body.get("refreshToken")
        if not isinstance(token, str) or body.get("grantType") != "refresh_token":
            raise malformed()
        world, seed = call.state.world, call.state.seed
        old = world.keys.get(token)
        account = world.accounts.get(old.account) if old and old.api == "cline refresh" else None
        if account is None:
            raise Refusal(401, "Authentication failed")
        ordinal = len(call.state.journal) + 1
        fresh = account_token(seed, account.id, ordinal)
        following = refresh_token(seed, account.id, ordinal)
        expires = call.now + TOKEN_SECONDS
        data = {
            "accessToken": fresh.removeprefix("workos:"),
            "refreshToken": following,
            "tokenType": "Bearer",
            "expiresAt": seconds_stamp(expires),
            "userInfo": {
                "subject": None,
                "email": account.email,
                "name": account.display_name,
                "clineUserId": account.id,
                "accounts": None,
            },
        }
        changes: list[Change] = [
            Drop("", "keys", token),
            Put("", "keys", Key(fresh, "cline", account=account.id, expires_at=expires)),
            Put("", "keys", Key(following, "cline refresh", account=account.id)),
        ]
        return success(data, target=account.id, changes=changes)
