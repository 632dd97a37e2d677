"""Invitations by email."""

from typing import Any

import msgspec

from ..app import EMAIL, Answer, Call, json_body, operation
from ..ids import base58_id, digest
from ..world import DAY, INVITE_DAYS, Drop, Invite, Organization, Put, Table, seconds_stamp
from .console import Console, invalid, listing, missing, page, role_in


def as_of(invite: Invite, now: float) -> Invite:
    """The invite as it reads now: a pending one past its date has expired."""
    if invite.status == "pending" and invite.expires_at <= seconds_stamp(now):
        return with_status(invite, "expired")
    return invite


def with_status(invite: Invite, status: str) -> Invite:
    return msgspec.structs.replace(invite, status=status)


def email_in(body: dict[str, Any]) -> str:
    email = body.get("email")
    if not isinstance(email, str) or len(email) > 254 or not EMAIL.match(email):
        raise invalid("email: value is not a valid email address")
    return email


class Invites(Console):
    """Tag "Invites" of the contract."""

    def _invites(self, call: Call) -> Table[Invite]:
        return self.organization(call).tables["invites"]

    def _invite(self, call: Call) -> Invite:
        # A withdrawn invite is no longer listed, yet it can still be read.
        tables, wanted = self.organization(call).tables, call.params["invite_id"]
        invite = tables["invites"].get(wanted) or tables["withdrawn"].get(wanted)
        if invite is None:
            raise missing()
        return as_of(invite, call.now)

    @operation("POST", "/v1/organizations/invites", "createInvite")
    def create_invite(self, call: Call) -> Answer:
        body = json_body(call, invalid)
        email, role = email_in(body), role_in(body, "invited")
        organization = self.organization(call)
        self._may_invite(organization, email, call.now)
        if wait := self.invites.wait(organization.id):
            raise self.too_many(wait, "This organization has sent too many invites this hour.")
        self.invites.count(organization.id)
        ordinal = len(call.state.journal) + 1
        invite = Invite(
            base58_id("invite_01", digest(call.state.seed, "new invite", ordinal, size=22)),
            email,
            seconds_stamp(int(call.now) + INVITE_DAYS * DAY),
            seconds_stamp(call.now),
            role,
            "pending",
        )
        put = Put(organization.id, "invites", invite)
        return Answer(invite, target=invite.id, changes=[put])

    def _may_invite(self, organization: Organization, email: str, now: float) -> None:
        users, invites = organization.tables["users"], organization.tables["invites"]
        domains = organization.settings["allowed_domains"]
        if domains is not None and email.rpartition("@")[2].lower() not in domains:
            raise invalid(
                "The email domain is not on the organization's allow list.",
                "email_domain_not_allowed",
            )
        if members := users.with_email(email):
            raise invalid(
                f"This address already belongs to user {members[0].id}.",
                "already_member",
            )
        for invite in invites.with_email(email):
            if as_of(invite, now).status == "pending":
                raise invalid(
                    f"A pending invite already exists for this address: {invite.id}.",
                    "invite_already_exists",
                )
        stamp = seconds_stamp(now)
        pending = sum(one.status == "pending" and one.expires_at > stamp for one in invites)
        if len(users) + pending >= organization.settings["member_limit"]:
            raise invalid(
                "The organization has reached its member limit.",
                "org_member_limit_exceeded",
            )

    @operation("GET", "/v1/organizations/invites", "listInvites")
    def list_invites(self, call: Call) -> Answer:
        rows, has_more = page(self._invites(call), call)
        return listing([as_of(invite, call.now) for invite in rows], has_more)

    @operation("GET", "/v1/organizations/invites/{invite_id}", "getInvite")
    def get_invite(self, call: Call) -> Answer:
        return Answer(self._invite(call))

    @operation("DELETE", "/v1/organizations/invites/{invite_id}", "deleteInvite")
    def delete_invite(self, call: Call) -> Answer:
        invite = self._invite(call)
        if invite.status != "pending":
            raise invalid(f"Only a pending invite can be deleted; this one is {invite.status}.")
        organization = self.organization(call).id
        return Answer(
            {"id": invite.id, "type": "invite_deleted"},
            target=invite.id,
            changes=[
                Drop(organization, "invites", invite.id),
                Put(organization, "withdrawn", with_status(invite, "deleted")),
            ],
        )
