"""The changes at the two providers: how each is asked for, and what it must come to at the remote.

Those of workspaces and of the roles in them stand in ``places``, those of keys in ``key_changes``,
those of persons' own accounts in ``own_account_changes``, those of money in ``billing_changes``.

Everything is read at the sandbox itself, past the adapters: what they get wrong must show.
"""

import itertools
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.invites import services as invites
from apps.invites.models import Invite
from apps.invites.services import Guest
from apps.members import services as members
from apps.members.models import Member
from apps.organizations.models import Connection
from apps.sync.models import Command
from tests.desk import Desk
from tests.factories import InviteFactory, MemberFactory, PersonFactory

CHANGE_ROLE, REMOVE = "members.change_role", "members.remove"
INVITE, WITHDRAW, RESEND = "invites.invite", "invites.withdraw", "invites.resend"
RENAME, ARCHIVE = "workspaces.rename", "workspaces.archive"
CHANGE_RESIDENCY = "workspaces.change_residency"
ADD_MEMBER, REMOVE_MEMBER = "workspaces.add_member", "workspaces.remove_member"
CHANGE_MEMBER_ROLE = "workspaces.change_member_role"
RENAME_KEY, ARCHIVE_KEY, DELETE_KEY = "keys.rename", "keys.archive", "keys.delete"
DEACTIVATE_KEY, ACTIVATE_KEY = "keys.deactivate", "keys.activate"
RENAME_ORGANIZATION, CHANGE_SETTINGS = "configuration.rename", "configuration.change"
UPDATE_PROFILE, SET_ACTIVE = "personal.update_profile", "personal.set_active"
ACCEPT_TERMS, ACCEPT_INVITE = "personal.accept_terms", "personal.accept_invite"
TOP_UP, OWN_TOP_UP = "billing.top_up", "billing.own_top_up"
# (kind, provider) → the operationIds of its steps
OPERATIONS = {
    (CHANGE_ROLE, "anthropic"): ("updateUser",),
    (CHANGE_ROLE, "cline"): ("set_member_role",),
    (REMOVE, "anthropic"): ("removeUser",),
    (REMOVE, "cline"): ("remove_members",),
    (INVITE, "anthropic"): ("createInvite",),
    (INVITE, "cline"): ("create_invites",),
    (WITHDRAW, "anthropic"): ("deleteInvite",),
    (WITHDRAW, "cline"): ("revoke_invite",),
    (RESEND, "anthropic"): ("deleteInvite", "createInvite"),
    (RESEND, "cline"): ("revoke_invite", "create_invites"),
    (RENAME_KEY, "anthropic"): ("updateApiKey",),
    (DEACTIVATE_KEY, "anthropic"): ("updateApiKey",),
    (ACTIVATE_KEY, "anthropic"): ("updateApiKey",),
    (ARCHIVE_KEY, "anthropic"): ("updateApiKey",),
    (DELETE_KEY, "cline"): ("delete_api_key",),
    (RENAME, "anthropic"): ("updateWorkspace",),
    (CHANGE_RESIDENCY, "anthropic"): ("updateWorkspace",),
    (ARCHIVE, "anthropic"): ("archiveWorkspace",),
    (ADD_MEMBER, "anthropic"): ("createWorkspaceMember",),
    (CHANGE_MEMBER_ROLE, "anthropic"): ("updateWorkspaceMember",),
    (REMOVE_MEMBER, "anthropic"): ("deleteWorkspaceMember",),
    (RENAME_ORGANIZATION, "cline"): ("update_organization",),
    (CHANGE_SETTINGS, "cline"): ("update_organization",),
    (TOP_UP, "cline"): ("set_organization_auto_top_up",),
    (OWN_TOP_UP, "cline_personal"): ("set_user_auto_top_up",),
    (UPDATE_PROFILE, "cline_personal"): ("update_current_user",),
    (SET_ACTIVE, "cline_personal"): ("set_active_account",),
    (ACCEPT_TERMS, "cline_personal"): ("accept_terms",),
    (ACCEPT_INVITE, "cline_personal"): ("accept_invite",),
}
# (kind, provider) → the operationId that its outcome is read back with
READS = {
    **{(kind, "anthropic"): "getUser" for kind in (CHANGE_ROLE, REMOVE)},
    **{(kind, "cline"): "list_members" for kind in (CHANGE_ROLE, REMOVE)},
    **{(kind, "anthropic"): "listInvites" for kind in (INVITE, RESEND)},
    (WITHDRAW, "anthropic"): "getInvite",
    **{(kind, "cline"): "list_invites" for kind in (INVITE, WITHDRAW, RESEND)},
    **{(kind, "anthropic"): "getWorkspace" for kind in (RENAME, CHANGE_RESIDENCY, ARCHIVE)},
    **{
        (kind, "anthropic"): "getWorkspaceMember"
        for kind in (ADD_MEMBER, CHANGE_MEMBER_ROLE, REMOVE_MEMBER)
    },
    **{
        (kind, "anthropic"): "getApiKey"
        for kind in (RENAME_KEY, DEACTIVATE_KEY, ACTIVATE_KEY, ARCHIVE_KEY)
    },
    (DELETE_KEY, "cline"): "list_api_keys",
    (TOP_UP, "cline"): "get_organization_auto_top_up",
    (OWN_TOP_UP, "cline_personal"): "get_user_auto_top_up",
    **{
        (kind, "cline_personal"): "get_current_user"
        for kind in (UPDATE_PROFILE, SET_ACTIVE, ACCEPT_TERMS, ACCEPT_INVITE)
    },
    **{(kind, "cline"): "get_organization" for kind in (RENAME_ORGANIZATION, CHANGE_SETTINGS)},
}
# Reads that come before the change itself, by kind: what it is sent with, what must still be there.
READS_BEFORE = {CHANGE_RESIDENCY: 1, CHANGE_SETTINGS: 2, ACCEPT_INVITE: 1}
ROLES = {"anthropic": ("user", "developer"), "cline": ("member", "admin")}  # before, after
MEMBERS = "/organizations/{org}/members"
_numbers = itertools.count(1)


@dataclass(slots=True)
class Change:
    """One Command, asked for on behalf of the desk's owner, and what it is about."""

    desk: Desk
    kind: str
    provider: str
    command: Command
    email: str
    began: int  # the journal's end before it was asked for
    old_id: str = ""  # the membership or invite it acts on
    before: str = ""  # role at the remote before
    after: str = ""  # role wished for

    @property
    def operations(self) -> tuple[str, ...]:
        return OPERATIONS[self.kind, self.provider]

    # --- The remote, as the sandbox itself says -------------------------------------------------

    def effects(self, journal: list[dict[str, Any]] | None = None) -> Counter[str]:
        """How often each operation has changed something of this subject since the change was asked for.

        A call that was sent again although it had happened counts too, even if the remote was so kind
        as to refuse it. ``journal`` is the sandbox's own, if it has been read already.
        """
        if journal is None:
            journal = self.desk.sandbox.control.journal(after=self.began)
        found: Counter[str] = Counter()
        for entry in journal:
            operation = entry["operation_id"]
            if entry["sequence"] > self.began and self._is_about_us(entry):
                found[operation] += bool(entry["effect"] or found[operation])
        return +found

    def heard(self) -> bool:
        """Whether the remote has carried out or refused all that was sent of it.

        On a busy machine a call may come there after its deadline and quiet time are over.
        """
        journal = self.desk.sandbox.control.journal(after=self.began)
        calls = [entry for entry in journal if entry["operation_id"] in self.operations]
        return len(calls) >= self.command.attempts

    def _is_about_us(self, entry: dict[str, Any]) -> bool:
        acted_on = bool(self.old_id) and entry["target"] == self.old_id
        return acted_on or self.email in json.dumps(entry["arguments"])

    def remote_roles(self) -> list[str]:
        """The roles of the address's memberships at the remote."""
        return remote_roles(self.desk, self.provider, self.email)

    def remote_invites(self) -> dict[str, dict[str, Any]]:
        """The pending invites of the address at the remote, by id."""
        return remote_invites(self.desk, self.provider, self.email)

    # --- What must be so ------------------------------------------------------------------------

    def assert_done(self) -> None:
        """It has happened exactly once, and the mirror shows what the remote has."""
        assert self.effects() == dict.fromkeys(self.operations, 1), "lost, or doubled"
        self.assert_mirrored()

    def assert_mirrored(self) -> None:
        """It has happened, and the mirror shows what the remote has."""
        self.desk.sandbox.control.clear_faults()  # what is left of them must not spoil our own look
        if self.kind == CHANGE_ROLE:
            assert self.remote_roles() == [self.after]
            assert self._member().role == self.after
            assert self._member().gone_at is None
        elif self.kind == REMOVE:
            assert self.remote_roles() == []
            assert self._member().gone_at
        elif self.kind == WITHDRAW:
            assert self.remote_invites() == {}
            assert self._old_invite().state == Invite.State.WITHDRAWN
        else:
            self._assert_invited()

    def assert_untouched(self, why: str) -> None:
        """Nothing has happened, and the mirror shows what was before."""
        assert self.effects() == {}
        if self.kind in (CHANGE_ROLE, REMOVE):
            assert self.remote_roles() == [self.before]
            assert self._member().role == self.before
            assert self._member().gone_at is None
        elif self.kind == INVITE:
            assert self.remote_invites() == {}
            self._assert_refused_row(why)
        else:
            assert list(self.remote_invites()) == [self.old_id]
            assert self._old_invite().state == Invite.State.PENDING

    def assert_withdrawn_only(self, why: str) -> None:
        """A resend whose second step was refused: the old invite is gone, no new one came."""
        assert self.effects() == {self.operations[0]: 1}
        assert self.remote_invites() == {}
        assert self._old_invite().state == Invite.State.WITHDRAWN
        self._assert_refused_row(why)

    def _assert_invited(self) -> None:
        (remote_id, remote) = self._one_remote_invite()
        rows = Invite.objects.filter(connection=self._connection, email=self.email)
        pending = rows.get(state=Invite.State.PENDING)
        assert pending.remote_id == remote_id
        assert pending.role == remote["role"]
        assert pending.expires_at
        assert (
            pending.expires_at.isoformat()[:19]
            == (remote.get("expires_at") or remote["expiresAt"])[:19]
        )
        assert not rows.filter(state__in=[Invite.State.SENDING, Invite.State.REFUSED]).exists()
        self.command.refresh_from_db()
        assert self.command.remote_id == remote_id
        if self.kind == RESEND:
            assert remote_id != self.old_id
            assert self._old_invite().state == Invite.State.WITHDRAWN

    def _one_remote_invite(self) -> tuple[str, dict[str, Any]]:
        found = self.remote_invites()
        assert len(found) == 1
        return next(iter(found.items()))

    def _assert_refused_row(self, why: str) -> None:
        refused = Invite.objects.get(
            connection=self._connection, email=self.email, remote_id__isnull=True
        )
        assert refused.state == Invite.State.REFUSED
        assert why in refused.error

    @property
    def _connection(self) -> Connection:
        return self.desk.connections[self.provider]

    def _member(self) -> Member:
        return Member.objects.get(connection=self._connection, remote_id=self.old_id)

    def _old_invite(self) -> Invite:
        return Invite.objects.get(connection=self._connection, remote_id=self.old_id)


def remote_roles(desk: Desk, provider: str, email: str) -> list[str]:
    """The roles of the memberships of ``email``, as the sandbox says."""
    if provider == "anthropic":
        _, _, listed = desk.sandbox.anthropic("GET", f"/users?email={email}")
        return [row["role"] for row in listed["data"]]
    rows, cursor = [], ""
    while True:
        path = f"{MEMBERS}?cursor={cursor}" if cursor else MEMBERS
        _, _, listed = desk.sandbox.cline("GET", path)
        rows += listed["data"]["items"]
        cursor = listed["data"]["nextToken"]
        if not cursor:
            return [row["roles"][0] for row in rows if row["email"] == email]


def remote_invites(desk: Desk, provider: str, email: str) -> dict[str, dict[str, Any]]:
    """The pending invites of ``email``, as the sandbox says."""
    if provider == "anthropic":
        _, _, listed = desk.sandbox.anthropic("GET", "/invites?limit=1000")
        rows = [row for row in listed["data"] if row["status"] == "pending"]
    else:
        _, _, listed = desk.sandbox.cline("GET", "/organizations/{org}/invites")
        rows = listed["data"]["items"]
    return {row["id"]: row for row in rows if row["email"] == email}


# --- Asking -------------------------------------------------------------------------------------


def ask(desk: Desk, kind: str, provider: str) -> Change:
    """Put the subject of a change into the remote and the mirror, and ask for the change."""
    return prepare(desk, kind, provider)()


def prepare(desk: Desk, kind: str, provider: str) -> Callable[[], Change]:
    """Put the subject into the remote and the mirror; what is returned asks for the change."""
    email = f"subject{next(_numbers)}@northgate.example"
    if kind.startswith("workspaces."):
        from tests.faults.places import prepare_place  # it takes Change from here

        return prepare_place(desk, kind, provider, email)
    if kind.startswith("configuration."):
        from tests.faults.organization_changes import prepare_organization  # likewise

        return prepare_organization(desk, kind, provider, email)
    if kind.startswith("billing."):
        from tests.faults.billing_changes import prepare_top_up  # likewise

        return prepare_top_up(desk, kind, provider, email)
    if kind.startswith("personal."):
        from tests.faults.own_account_changes import prepare_own  # likewise

        return prepare_own(desk, kind, provider, email)
    if kind.startswith("keys."):
        from tests.faults.key_changes import prepare_key  # likewise

        return prepare_key(desk, kind, provider, email)
    if kind in (CHANGE_ROLE, REMOVE):
        return _prepare_member(desk, kind, provider, email)
    return _prepare_invite(desk, kind, provider, email)


def _prepare_member(desk: Desk, kind: str, provider: str, email: str) -> Callable[[], Change]:
    before, after = ROLES[provider]
    row = mirrored_member(desk, provider, email, before)
    began = desk.sandbox.control.journal_end()

    def ask() -> Change:
        if kind == CHANGE_ROLE:
            command = members.change_role(member=row, role=after, actor=desk.owner, nonce=email)
        else:
            command = members.remove_member(member=row, actor=desk.owner, nonce=email)
        old_id = str(row.remote_id)
        return Change(desk, kind, provider, command, email, began, old_id, before, after)

    return ask


def _prepare_invite(desk: Desk, kind: str, provider: str, email: str) -> Callable[[], Change]:
    role = ROLES[provider][0]
    row = None if kind == INVITE else mirrored_invite(desk, provider, email, role)
    began = desk.sandbox.control.journal_end()

    def ask() -> Change:
        if row is None:
            guest = Guest(desk.connections[provider], email, role)
            command = invites.invite(guest=guest, actor=desk.owner, nonce=email)
        else:
            act = invites.withdraw if kind == WITHDRAW else invites.resend
            command = act(row=row, actor=desk.owner, nonce=email)
        old_id = str(row.remote_id) if row else ""
        return Change(desk, kind, provider, command, email, began, old_id, after=role)

    return ask


def mirrored_member(desk: Desk, provider: str, email: str, role: str) -> Member:
    """A membership that the remote has and the mirror shows."""
    connection = desk.connections[provider]
    made = desk.sandbox.control.member(connection.remote_organization_id, email, role=role)
    row: Member = MemberFactory.create(
        connection=connection,
        person=PersonFactory.create(organization=desk.organization, email=email),
        email=email,
        role=role,
        remote_id=made.get("memberId") or made["id"],
    )
    return row


def mirrored_invite(desk: Desk, provider: str, email: str, role: str) -> Invite:
    """A pending invite that the remote has and the mirror shows."""
    if provider == "anthropic":
        status, _, made = desk.sandbox.anthropic("POST", "/invites", {"email": email, "role": role})
    else:
        wanted = {"invites": [{"email": email, "role": role}]}
        status, _, answer = desk.sandbox.cline("POST", "/organizations/{org}/invites", wanted)
        made = answer["data"]["items"][0]
    assert status < 300
    row: Invite = InviteFactory.create(
        connection=desk.connections[provider],
        person=PersonFactory.create(organization=desk.organization, email=email),
        email=email,
        role=role,
        remote_id=made["id"],
    )
    return row
