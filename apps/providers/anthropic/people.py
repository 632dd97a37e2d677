"""Organization, users and invites."""

from datetime import datetime
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from apps.providers.anthropic.client import PAGE_LIMIT, Client, confirm, fields_of
from apps.providers.decoding import (
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
from apps.providers.http import garbled
from apps.providers.records import InviteRecord, MemberRecord, Page, RemoteOrganization


class UserRow(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``User`` of the contract."""

    id: Id
    email: Email
    name: Name
    role: Role
    added_at: datetime | None
    type: msgspec.Raw = NOT_READ


class InviteRow(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``Invite`` of the contract."""

    id: Id
    email: Email
    role: Role
    status: Status
    invited_at: datetime | None
    expires_at: datetime | None
    type: msgspec.Raw = NOT_READ
    accepted_at: msgspec.Raw = NOT_READ
    rbac_group_ids: msgspec.Raw = NOT_READ


def _member(row: UserRow, raw: bytes) -> MemberRecord:
    role = row.role or ""
    at = in_utc(row.added_at)
    return MemberRecord(
        row.id,
        row.email,
        row.name or "",
        role,
        (role,) if role else (),
        "",
        at,
        raw,
    )


def _lenient_user(fields: Fields) -> UserRow:
    return UserRow(
        id=needed(fields, "id"),
        email=address(fields),
        name=text(fields.get("name"))[:LONGEST_NAME],
        role=text(fields.get("role"))[:LONGEST_ROLE],
        added_at=moment(fields.get("added_at")),
    )


def _invite(row: InviteRow, raw: bytes) -> InviteRecord:
    return InviteRecord(
        row.id,
        row.email,
        row.role or "",
        row.status or "",
        in_utc(row.invited_at),
        in_utc(row.expires_at),
        raw,
    )


def _lenient_invite(fields: Fields) -> InviteRow:
    return InviteRow(
        id=needed(fields, "id"),
        email=address(fields),
        role=text(fields.get("role"))[:LONGEST_ROLE],
        status=text(fields.get("status"))[:LONGEST_STATUS],
        invited_at=moment(fields.get("invited_at")),
        expires_at=moment(fields.get("expires_at")),
    )


USERS = RowReader(UserRow, _member, _lenient_user, ("id",))
INVITES = RowReader(InviteRow, _invite, _lenient_invite, ("id",))


class People(Client):
    """Tags "Organization", "Users" and "Invites" of the contract."""

    def get_current_organization(self) -> RemoteOrganization:
        """getCurrentOrganization: whose key it is. Cheap, and changes nothing."""
        raw = self._sdk.organization.with_raw_response
        answer = self.read("GET /v1/organizations/me", lambda: raw.retrieve())
        fields = fields_of(answer)
        remote_id = text(fields.get("id"))
        if not remote_id:
            raise garbled(answer, _("the organization has no id"))
        return RemoteOrganization(remote_id, text(fields.get("name")) or remote_id)

    def list_users(
        self, *, after_id: str | None = None, email: str | None = None, limit: int = PAGE_LIMIT
    ) -> Page[MemberRecord]:
        """listUsers: one page; ``email`` matches loosely, so compare what comes."""
        raw = self._sdk.organization.users.with_raw_response
        return self.page(
            "GET /v1/organizations/users",
            raw.list,
            USERS,
            cursor=("after_id", after_id),
            email=email,
            limit=limit,
        )

    def get_user(self, user_id: str) -> MemberRecord:
        """getUser. NotFound if there is no such member."""
        raw = self._sdk.organization.users.with_raw_response
        answer = self.read("GET /v1/organizations/users/{user_id}", lambda: raw.retrieve(user_id))
        return USERS.read_one(answer.body, answer)

    def update_user(self, user_id: str, role: str) -> MemberRecord:
        """updateUser: role is all that can be changed. Refused for admins, and for "admin"."""
        raw = self._sdk.organization.users.with_raw_response
        # The SDK's own list of roles is narrower than what a newer server may take.
        wanted: Any = role
        answer = self.write(
            "POST /v1/organizations/users/{user_id}", lambda: raw.update(user_id, role=wanted)
        )
        return USERS.read_one(answer.body, answer)

    def remove_user(self, user_id: str) -> None:
        """removeUser. Busy where another membership change is under way; Refused for admins."""
        raw = self._sdk.organization.users.with_raw_response
        answer = self.write("DELETE /v1/organizations/users/{user_id}", lambda: raw.remove(user_id))
        confirm(answer, id=user_id)

    def list_invites(
        self, *, after_id: str | None = None, limit: int = PAGE_LIMIT
    ) -> Page[InviteRecord]:
        """listInvites: pending, accepted and expired ones; withdrawn ones are not listed."""
        raw = self._sdk.organization.invites.with_raw_response
        return self.page(
            "GET /v1/organizations/invites",
            raw.list,
            INVITES,
            cursor=("after_id", after_id),
            limit=limit,
        )

    def get_invite(self, invite_id: str) -> InviteRecord:
        """getInvite: a withdrawn one can still be read and says "deleted"."""
        raw = self._sdk.organization.invites.with_raw_response
        answer = self.read(
            "GET /v1/organizations/invites/{invite_id}", lambda: raw.retrieve(invite_id)
        )
        return INVITES.read_one(answer.body, answer)

    def create_invite(self, email: str, role: str) -> InviteRecord:
        """createInvite. Refused with a code: already_member, invite_already_exists, …"""
        raw = self._sdk.organization.invites.with_raw_response
        wanted: Any = role
        answer = self.write(
            "POST /v1/organizations/invites", lambda: raw.create(email=email, role=wanted)
        )
        return INVITES.read_one(answer.body, answer)

    def delete_invite(self, invite_id: str) -> None:
        """deleteInvite: withdraws a pending one; Refused for any other."""
        raw = self._sdk.organization.invites.with_raw_response
        answer = self.write(
            "DELETE /v1/organizations/invites/{invite_id}", lambda: raw.delete(invite_id)
        )
        confirm(answer, id=invite_id)
