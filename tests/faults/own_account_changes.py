"""Changes of a person's own account: how each is asked for, and what it must come to at the remote."""

from collections.abc import Callable
from typing import Any

from apps.organizations.credentials import seal_for, unseal_from
from apps.organizations.models import Connection
from apps.organizations.sealing import Secret
from apps.personal import services
from apps.personal.models import Account
from tests.desk import UNLIMITED, Desk
from tests.factories import AccountFactory, ConnectionFactory, own_desk, with_account
from tests.faults.changes import (
    ACCEPT_INVITE,
    ACCEPT_TERMS,
    SET_ACTIVE,
    UPDATE_PROFILE,
    Change,
)

ME = "/users/me"


class OwnChange(Change):
    """``email`` is the person's; ``before`` and ``after`` are what ``remote`` and ``mirrored`` tell."""

    def assert_mirrored(self) -> None:
        """It has happened, and the mirror shows what the remote has."""
        self.desk.sandbox.control.clear_faults()
        assert self.remote() == self.after
        assert self.mirrored() == self.after
        assert not self.command.arguments.get("secret")

    def assert_untouched(self, why: str) -> None:
        """Nothing has happened, and the mirror shows what was before."""
        self.desk.sandbox.control.clear_faults()
        assert self.effects() == {}
        assert self.remote() == self.before
        assert self.mirrored() == self.before
        assert not self.command.arguments.get("secret")

    def _is_about_us(self, entry: dict[str, Any]) -> bool:
        # The person's own id, the organization that is switched to, or the invite that is accepted.
        return bool(entry["target"]) and entry["target"] in self.old_id.split()

    def remote(self) -> str:
        """What the remote has."""
        me = profile_of(self.desk, key_of(self.command.connection))
        if self.kind == UPDATE_PROFILE:
            return str(me["displayName"])
        if self.kind == ACCEPT_TERMS:
            return str("termsAcceptedAt" in me)
        if self.kind == ACCEPT_INVITE:
            return " ".join(one["organizationId"] for one in me["organizations"])
        return next((one["organizationId"] for one in me["organizations"] if one["active"]), "")

    def mirrored(self) -> str:
        """What the mirror has."""
        row = Account.objects.get(connection=self.command.connection)
        if self.kind == UPDATE_PROFILE:
            return row.name
        if self.kind == ACCEPT_TERMS:
            return str(row.terms_accepted_at is not None)
        if self.kind == ACCEPT_INVITE:
            assert row.organizations == ", ".join(place.name for place in row.places)
            return " ".join(place.remote_id for place in row.places)
        return str(row.active_organization_id)


def key_of(connection: Connection) -> str:
    """The clear key; tests alone may have it."""
    return unseal_from(connection, "credential").reveal()


def profile_of(desk: Desk, key: str) -> dict[str, Any]:
    """The account as the sandbox has it."""
    _, _, answer = desk.sandbox.cline("GET", ME, key=key)
    found: dict[str, Any] = answer["data"]
    return found


def own_account(desk: Desk, email: str, *, joined: bool = True) -> Account:
    """Somebody with an account and a key of their own at the sandbox, on a desk of their own here."""
    control, organization = desk.sandbox.control, desk.sandbox.cline_organization
    key = control.new_key(email=email)["api_key"]
    if joined:
        control.member(organization, email)
    there = profile_of(desk, key)
    connection = with_account(
        ConnectionFactory.build(
            organization=own_desk(),
            base_url=desk.sandbox.base_url,
            remote_organization_id=there["id"],
            requests_per_minute=UNLIMITED,
        )
    )
    connection.credential = seal_for(connection, "credential", Secret(key))
    connection.save()
    memberships = [
        {"id": one["organizationId"], "name": one["name"], "roles": one["roles"]}
        for one in there["organizations"]
    ]
    row: Account = AccountFactory.create(
        connection=connection,
        name=there["displayName"],
        email=there["email"],
        terms_accepted_at=there.get("termsAcceptedAt"),
        memberships=memberships,
        organizations=", ".join(sorted(one["name"] for one in memberships)),
        active_organization_id=next(
            (one["organizationId"] for one in there["organizations"] if one["active"]), ""
        ),
    )
    return row


def invite_token(desk: Desk, email: str) -> tuple[str, str]:
    """The id and token of a pending invite to ``email``."""
    wanted = {"invites": [{"email": email, "role": "member"}]}
    status, _, answer = desk.sandbox.cline("POST", "/organizations/{org}/invites", wanted)
    assert status < 300, answer
    invite = answer["data"]["items"][0]["id"]
    return invite, desk.sandbox.control.invite_token(invite)


def prepare_own(desk: Desk, kind: str, provider: str, email: str) -> Callable[[], Change]:
    """Somebody's own account as it is now; what is returned asks for its change."""
    row = own_account(desk, email, joined=kind != ACCEPT_INVITE)
    user = row.connection.organization.personal_of
    assert user is not None
    about, token = str(row.remote_id), ""
    if kind == ACCEPT_INVITE:
        about, token = invite_token(desk, email)
    started = desk.sandbox.control.journal_end()

    def made(command: Any, before: str, after: str) -> Change:
        return OwnChange(desk, kind, provider, command, email, started, about, before, after)

    def ask() -> Change:
        asking: dict[str, Any] = {"account": row, "actor": user, "nonce": email}
        if kind == UPDATE_PROFILE:
            command = services.update_profile(
                name="Ada anew", takes_part_in_benchmarks=None, **asking
            )
            return made(command, row.name, "Ada anew")
        if kind == ACCEPT_TERMS:
            return made(services.accept_terms(**asking), "False", "True")
        if kind == SET_ACTIVE:
            before = str(row.active_organization_id)
            return made(services.set_active(organization_id="", **asking), before, "")
        command = services.accept_invite(token=token, **asking)
        return made(command, "", desk.sandbox.cline_organization)

    return ask
