"""Members, their roles, and invites (``Member`` and ``Invite`` of the contract, both inferred)."""

import contextlib
from datetime import datetime

import msgspec
from django.utils.translation import gettext as _

from apps.providers.cline.answers import data_of, rows_of, value_of
from apps.providers.cline.client import ORGANIZATION, PAGE_LIMIT, Client
from apps.providers.decoding import (
    LONGEST_ID,
    LONGEST_NAME,
    LONGEST_ROLE,
    LONGEST_STATUS,
    NOT_READ,
    Email,
    Fields,
    Id,
    Name,
    Role,
    RowReader,
    Status,
    address,
    in_utc,
    moment,
    needed,
    text,
)
from apps.providers.errors import Unclear
from apps.providers.http import Answer, garbled
from apps.providers.reading import Reading
from apps.providers.records import InviteRecord, MemberRecord, Page

STRENGTH = {"owner": 3, "admin": 2, "member": 1}


class MemberRow(msgspec.Struct, gc=False, rename="camel", forbid_unknown_fields=True):
    """``Member`` of the contract (inferred)."""

    member_id: Id
    email: Email
    user_id: Id | None = None
    display_name: Name | None = None
    roles: list[Role] | None = None
    created_at: datetime | None = None
    organization_id: msgspec.Raw = NOT_READ
    photo_url: msgspec.Raw = NOT_READ
    updated_at: msgspec.Raw = NOT_READ


class InviteRow(msgspec.Struct, gc=False, rename="camel", forbid_unknown_fields=True):
    """``Invite`` of the contract (inferred)."""

    id: Id
    email: Email
    role: Role | None = None
    status: Status | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    organization_id: msgspec.Raw = NOT_READ
    invited_by: msgspec.Raw = NOT_READ


def strongest(roles: list[str]) -> str:
    """The role that counts of a membership's list: owner, admin, member, then one not known here."""
    return max(roles, key=lambda role: STRENGTH.get(role, 0), default="")


def _member(row: MemberRow, raw: bytes) -> MemberRecord:
    roles = row.roles or []
    return MemberRecord(
        row.member_id,
        row.email,
        row.display_name or "",
        roles[0] if len(roles) == 1 else strongest(roles),
        tuple(roles),
        row.user_id or "",
        in_utc(row.created_at),
        raw,
    )


def _lenient_member(fields: Fields) -> MemberRow:
    roles = fields.get("roles", fields.get("role"))
    found = roles if isinstance(roles, list) else [roles]
    return MemberRow(
        member_id=needed(fields, "memberId", "id"),
        email=address(fields),
        user_id=text(fields.get("userId"))[:LONGEST_ID],
        display_name=(text(fields.get("displayName")) or text(fields.get("name")))[:LONGEST_NAME],
        roles=[role[:LONGEST_ROLE] for role in map(text, found) if role],
        created_at=moment(fields.get("createdAt")),
    )


def _invite(row: InviteRow, raw: bytes) -> InviteRecord:
    return InviteRecord(
        row.id,
        row.email,
        row.role or "",
        row.status or "pending",  # the operation lists pending ones
        in_utc(row.created_at),
        in_utc(row.expires_at),
        raw,
    )


def _lenient_invite(fields: Fields) -> InviteRow:
    roles = fields.get("roles")
    role = strongest([text(one) for one in roles]) if isinstance(roles, list) else ""
    return InviteRow(
        id=needed(fields, "id", "inviteId"),
        email=address(fields),
        role=(text(fields.get("role")) or role)[:LONGEST_ROLE],
        status=text(fields.get("status"))[:LONGEST_STATUS],
        created_at=moment(fields.get("createdAt")),
        expires_at=moment(fields.get("expiresAt")),
    )


MEMBERS = RowReader(MemberRow, _member, _lenient_member, ("memberId", "id"))
INVITES = RowReader(InviteRow, _invite, _lenient_invite, ("id", "inviteId"))


class People(Client):
    """Who belongs to the organization, and who is asked to."""

    def list_members(
        self, *, cursor: str | None = None, limit: int = PAGE_LIMIT
    ) -> Page[MemberRecord]:
        """list_members. ``cursor``: ``next_cursor`` of the page before; a server that does not page
        ignores both."""
        return self._page(MEMBERS, f"{ORGANIZATION}/members", cursor=cursor, limit=limit)

    def list_available_roles(self) -> tuple[str, ...]:
        """list_available_roles: what the caller may assign."""
        answer = self._list(f"{ORGANIZATION}/members/available-roles")
        data = value_of(answer)
        inner = data.values() if isinstance(data, dict) else [data]
        values = next((one for one in inner if isinstance(one, list)), None)
        if values is None:
            raise garbled(answer, _("it has no list"))
        named = (
            one.get("role", one.get("name")) if isinstance(one, dict) else one for one in values
        )
        return tuple(role for role in map(text, named) if role)

    def set_member_role(self, member_id: str, role: str) -> MemberRecord | None:
        """set_member_role: the member if the answer has one."""
        template = f"{ORGANIZATION}/members/{{memberId}}/role"
        answer = self._call("PUT", template, body={"role": role}, memberId=member_id)
        data = data_of(answer)
        if data is None:
            return None
        try:
            member: MemberRecord = MEMBERS.read_one(data, answer)
        except Unclear:
            return None  # a 2xx: it has happened, whatever else the answer says
        return member

    def remove_members(self, member_id: str) -> None:
        """remove_members, one at a time: the call is all or nothing."""
        self._call("DELETE", f"{ORGANIZATION}/members", body={"memberIds": [member_id]})

    def list_invites(self, *, cursor: str | None = None) -> Page[InviteRecord]:
        """list_invites: the pending ones. Not known to page; a token is followed if one comes."""
        return self._page(INVITES, f"{ORGANIZATION}/invites", cursor=cursor)

    def create_invites(self, email: str, role: str) -> InviteRecord:
        """create_invites for one address."""
        body = {"invites": [{"email": email, "role": role}]}
        return _created(self._call("POST", f"{ORGANIZATION}/invites", body=body), email)

    def count_invites(self) -> int:
        """count_invites: how many are pending."""
        answer = self._list(f"{ORGANIZATION}/invites/count")
        value = value_of(answer)
        told = Reading(value if isinstance(value, dict) else {"count": value})
        found = told.count("count")
        if found is None:
            raise garbled(answer, _("it has no count"))
        return found

    def revoke_invite(self, invite_id: str) -> None:
        """revoke_invite: withdraws a pending one; 409 once it was accepted."""
        self._call("DELETE", f"{ORGANIZATION}/invites/{{inviteId}}", inviteId=invite_id)


def _created(answer: Answer, email: str) -> InviteRecord:
    """The one new invite of an answer: a list of one, or the invite itself."""
    data = data_of(answer)
    if data is None:
        raise garbled(answer, _("it has no invite"))
    candidates = [msgspec.Raw(data)]
    with contextlib.suppress(Unclear):
        candidates += rows_of(answer).rows
    records, _unread = INVITES.read(candidates)
    mine = [one for one in records if one.email.lower() == email.lower()]
    if len(mine) != 1:
        raise garbled(answer, _("it does not name the new invite"))
    return mine[0]
