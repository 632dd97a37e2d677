"""Members, their roles, and invites.

Where the contract is silent: a page of members holds 200 rows at most, as its ledgers do; only an
owner grants, changes or removes an owner; an expired invite cannot be withdrawn (409).
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import msgspec

from ..app import (
    EMAIL,
    Answer,
    Call,
    Refusal,
    json_body,
    operation,
)
from ..ids import digest, invite_token, ulid
from ..world import (
    CLINE_INVITE_DAYS,
    DAY,
    Account,
    ClineInvite,
    Member,
    Organization,
    Put,
    Table,
    micros_stamp,
)
from .access import (
    MAX_PAGE,
    RANKS,
    Access,
    malformed,
    membership,
    owners,
    pending_invites,
    rank,
    seats_of,
    success,
)
from .account import organization_entry


def as_of(invite: ClineInvite, now: float) -> ClineInvite:
    """The invite as it reads now: a pending one past its date has expired."""
    if invite.status == "pending" and invite.expires_at <= micros_stamp(now):
        return msgspec.structs.replace(invite, status="expired")
    return invite


def verified(organization: Organization, email: str) -> bool:
    """Whether the address is in a verified domain or below one."""
    domain = "." + email.rpartition("@")[2].lower()
    return any(domain.endswith("." + one) for one in organization.settings["verified_domains"])


class People(Access):
    """Who belongs to an organization, and who is asked to."""

    @operation("GET", "/api/v1/organizations/{orgId}/members", "list_members")
    def list_members(self, call: Call) -> Answer:
        organization, _ = self._enter(call, "admin")
        if not self.pages.take(f"{self._account(call).id} members"):
            raise Refusal(429, "rate limit exceeded", headers={"Retry-After": "1"})
        text = call.query.get("limit", str(MAX_PAGE))
        if not text.isascii() or not text.isdigit() or int(text) < 1:
            raise malformed()
        members: Table[Member] = organization.tables["members"]
        cursor = read_cursor(call.query.get("cursor", ""), members)
        rows, more = members.after(cursor, min(int(text), MAX_PAGE), call.overlap)
        data = {
            "items": rows,
            "nextToken": write_cursor(rows[-1].member_id) if more else "",
            "total": len(members),
        }
        return success(data)

    @operation("DELETE", "/api/v1/organizations/{orgId}/members", "remove_members")
    def remove_members(self, call: Call) -> Answer:
        organization, caller = self._enter(call, "admin")
        wanted = member_ids_in(json_body(call, malformed))
        members: Table[Member] = organization.tables["members"]
        leaving = [members.get(member_id) for member_id in wanted]
        found = [member for member in leaving if member is not None]
        if len(found) < len(leaving):
            raise Refusal(404, "member not found")
        if rank(caller) < RANKS["owner"] and any(rank(member) > 0 for member in found):
            raise Refusal(403, "only an owner may remove an administrator")
        if not owners(organization, besides=set(wanted)):
            raise Refusal(409, "the last owner cannot be removed")
        changes = [change for one in found for change in self.leaving(call, organization, one)]
        return Answer(status=204, target=",".join(wanted), changes=changes)

    @operation(
        "GET",
        "/api/v1/organizations/{orgId}/members/available-roles",
        "list_available_roles",
    )
    def list_available_roles(self, call: Call) -> Answer:
        _, caller = self._enter(call, "admin")
        return success(grantable(caller))

    @operation(
        "PUT",
        "/api/v1/organizations/{orgId}/members/{memberId}/role",
        "set_member_role",
    )
    def set_member_role(self, call: Call) -> Answer:
        organization, caller = self._enter(call, "admin")
        role = json_body(call, malformed).get("role")
        if role not in RANKS:
            raise malformed()
        member = organization.tables["members"].get(call.params["memberId"])
        if member is None:
            raise Refusal(404, "member not found")
        if rank(member) > rank(caller):
            raise Refusal(403, "only an owner may change an owner")
        if role not in grantable(caller):
            raise Refusal(422, f"you may not grant the role {role}")
        if role != "owner" and not owners(organization, besides={member.member_id}):
            raise Refusal(409, "the last owner cannot be demoted")
        changed = msgspec.structs.replace(member, roles=(role,), updated_at=micros_stamp(call.now))
        put = Put(organization.id, "members", changed)
        return success(changed, target=member.member_id, changes=[put])

    @operation("GET", "/api/v1/organizations/{orgId}/invites", "list_invites")
    def list_invites(self, call: Call) -> Answer:
        organization, _ = self._enter(call, "admin")
        return success({"items": pending_invites(organization, call.now)})

    @operation("GET", "/api/v1/organizations/{orgId}/invites/count", "count_invites")
    def count_invites(self, call: Call) -> Answer:
        organization, _ = self._enter(call, "admin")
        return success({"count": len(pending_invites(organization, call.now))})

    @operation("POST", "/api/v1/organizations/{orgId}/invites", "create_invites")
    def create_invites(self, call: Call) -> Answer:
        organization, caller = self._enter(call, "admin")
        wanted = invites_in(json_body(call, malformed))
        for email, role in wanted:
            if role not in grantable(caller):
                raise Refusal(422, f"you may not grant the role {role}")
            if not verified(organization, email):
                raise Refusal(422, "email domain is not verified")
        may_join(organization, [email for email, _ in wanted], call.now)
        rows = [
            new_invite(call, organization, place, email, role)
            for place, (email, role) in enumerate(wanted)
        ]
        return success(
            {"items": rows},
            status=201,
            target=",".join(row.id for row in rows),
            changes=[Put(organization.id, "invites", row) for row in rows],
        )

    @operation("DELETE", "/api/v1/organizations/{orgId}/invites/{inviteId}", "revoke_invite")
    def revoke_invite(self, call: Call) -> Answer:
        organization, _ = self._enter(call, "admin")
        kept = organization.tables["invites"].get(call.params["inviteId"])
        if kept is None or kept.status == "revoked":
            raise Refusal(404, "invite not found")
        invite = as_of(kept, call.now)
        if invite.status != "pending":
            raise Refusal(409, f"invite is already {invite.status}")
        revoked = msgspec.structs.replace(invite, status="revoked")
        return Answer(
            status=204,
            target=invite.id,
            changes=[Put(organization.id, "invites", revoked)],
        )

    @operation("POST", "/api/v1/invites/accept", "accept_invite")
    def accept_invite(self, call: Call) -> Answer:
        account = self._account(call)
        token = json_body(call, malformed).get("token")
        if not isinstance(token, str) or not token:
            raise malformed()
        organization, invite = self._invited(call, token)
        call.organization = organization
        if account.email.casefold() != invite.email.casefold():
            raise Refusal(403, "this invite was sent to another address")
        if not verified(organization, invite.email):
            raise Refusal(403, "email domain is not verified")
        if invite.status == "accepted" or membership(organization, account):
            raise Refusal(409, "invite was already accepted")
        if invite.status != "pending":
            raise Refusal(410, f"invite {invite.status}")
        member = joined(organization, invite, account, call.now)
        return success(
            organization_entry(organization, member),
            target=invite.id,
            changes=[
                Put(
                    organization.id,
                    "invites",
                    msgspec.structs.replace(invite, status="accepted"),
                ),
                Put(organization.id, "members", member),
            ],
        )

    def _invited(self, call: Call, token: str) -> tuple[Organization, ClineInvite]:
        for organization in call.state.world.of(self.name):
            invite = organization.tables["invites"].get(token.partition(".")[0])
            if invite and token == invite_token(call.state.seed, invite.id):
                return organization, as_of(invite, call.now)
        raise Refusal(404, "invite not found")


def grantable(caller: Member) -> list[str]:
    return [role for role in ("owner", "admin", "member") if RANKS[role] <= rank(caller)]


def member_ids_in(body: dict[str, Any]) -> list[str]:
    """The members to remove: at least one, none twice, and no id of another kind."""
    wanted = body.get("memberIds")
    if not isinstance(wanted, list) or not wanted:
        raise malformed()
    ids = [one for one in wanted if isinstance(one, str) and one.startswith("mbr-")]
    if len(set(ids)) != len(wanted):
        raise malformed()
    return ids


def invites_in(body: dict[str, Any]) -> list[tuple[str, str]]:
    """(address, role) of each wanted invite."""
    wanted = body.get("invites")
    if not isinstance(wanted, list) or not wanted:
        raise malformed()
    pairs = []
    for one in wanted:
        email, role = (one.get("email"), one.get("role")) if isinstance(one, dict) else (None, None)
        if not isinstance(email, str) or not EMAIL.match(email) or role not in RANKS:
            raise malformed()
        pairs.append((email, str(role)))
    return pairs


def may_join(organization: Organization, emails: list[str], now: float) -> None:
    """409 when one of them is a member or invited already, or when the seats run out."""
    members, invites = organization.tables["members"], organization.tables["invites"]
    if len({email.casefold() for email in emails}) < len(emails):
        raise Refusal(409, "an address is listed twice")
    for email in emails:
        if members.with_email(email):
            raise Refusal(409, f"{email} is already a member")
        if any(as_of(one, now).status == "pending" for one in invites.with_email(email)):
            raise Refusal(409, f"{email} is already invited")
    seats = seats_of(organization, now)
    taken = len(members) + len(pending_invites(organization, now))
    if seats is not None and taken + len(emails) > seats:
        raise Refusal(409, "no seats available")


def new_invite(
    call: Call, organization: Organization, place: int, email: str, role: str
) -> ClineInvite:
    ordinal = len(call.state.journal) + 1
    source = digest(call.state.seed, "new cline invite", ordinal, place, size=16)
    return ClineInvite(
        ulid("inv", 1_000_000 + ordinal, source),
        organization.id,
        email,
        role,
        "pending",
        call.account.id if call.account else "",
        micros_stamp(call.now),
        micros_stamp(call.now + CLINE_INVITE_DAYS * DAY),
    )


def joined(organization: Organization, invite: ClineInvite, account: Account, now: float) -> Member:
    """The membership that an accepted invite makes."""
    source = digest(organization.id, "joined", invite.id, size=16)
    return Member(
        ulid("mbr", 1_000_000, source),
        account.id,
        organization.id,
        account.email,
        account.display_name,
        (invite.role,),
        micros_stamp(now),
        micros_stamp(now),
    )


def write_cursor(member_id: str) -> str:
    return urlsafe_b64encode(msgspec.json.encode({"after": member_id})).rstrip(b"=").decode()


def read_cursor(text: str, members: Table[Member]) -> str | None:
    """The member a cursor stands after; None for the first page."""
    if not text:
        return None
    try:
        cursor = msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        member_id = cursor["after"]
        known = members.knows(member_id)
    except (ValueError, TypeError, KeyError):
        raise malformed("invalid cursor") from None
    if not known:
        raise malformed("invalid cursor")
    return str(member_id)
