"""``/_control``: what tests and demonstrations do to the sandbox behind the APIs' backs.

The shapes are written down at the top of ``faults.py``.
"""

import math
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from .anthropic import invites as anthropic_invites
from .anthropic.rows import ApiKey, Creator, console_settings
from .anthropic.users import departure
from .app import App, Refusal, Request, Response
from .cline import backoffice
from .cline import people as cline
from .cline.money import Money, listed
from .faults import KINDS, Fault
from .ids import (
    account_token,
    anthropic_key,
    base58_id,
    cline_key,
    digest,
    invite_token,
    refresh_token,
    ulid,
)
from .state import State
from .world import (
    Account,
    Change,
    Drop,
    Key,
    Member,
    Organization,
    Put,
    Set,
    User,
    micros_stamp,
    seconds_stamp,
)

SETTINGS = {
    "anthropic": tuple(console_settings(0)),
    "cline": ("seats", "plan", "verified_domains", "remote_config_enabled"),
}


class ControlError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Control:
    """``door`` is asked to refuse connections for a while; without one nothing listens anyway."""

    def __init__(self, stop_accepting: Callable[[float], None] | None = None) -> None:
        self.stop_accepting = stop_accepting

    def handle(self, app: App, request: Request) -> Response:
        try:
            with app.lock:
                status, payload = _Visit(self, app, request).answer()
        except (ControlError, Refusal) as error:
            status, payload = error.status, {"error": error.message}
        except ValueError as error:
            status, payload = 400, {"error": str(error)}
        body = b"" if status == 204 else msgspec.json.encode(payload)
        return Response(status, body)


class _Visit:
    """One control request."""

    def __init__(self, control: Control, app: App, request: Request) -> None:
        self.control, self.app, self.request = control, app, request
        self.state: State = app.state
        self.query = dict(parse_qsl(request.query))
        self.body: dict[str, Any] = {}
        if request.body:
            try:
                self.body = msgspec.json.decode(request.body, type=dict)
            except msgspec.DecodeError as error:
                raise ControlError(400, f"The body is no JSON object: {error}") from None

    def answer(self) -> tuple[int, Any]:
        parts = self.request.path.strip("/").split("/")[1:]
        name = f"{self.request.method.lower()}_{'_'.join(parts[:1])}"
        handler: Callable[..., tuple[int, Any]] | None = getattr(self, name, None)
        if handler is None or (len(parts) > 1 and parts[0] not in ("faults", "invites")):
            raise ControlError(404, "There is no such control path; see apps/sandbox/faults.py.")
        return handler(*parts[1:])

    def _enter(
        self,
        deed: str,
        organization: Organization | None,
        changes: list[Change],
        target: str = "",
    ) -> None:
        self.state.enter(
            f"_control.{deed}",
            api=organization.api if organization else "",
            organization=organization.id if organization else "",
            target=target,
            arguments=self.body,
            status=200,
            changes=changes,
        )

    def _organization(self) -> Organization:
        found = self.state.world.organizations.get(str(self.body.get("organization")))
        if found is None:
            raise ControlError(404, "organization: no such organization")
        return found

    # faults

    def get_faults(self) -> tuple[int, Any]:
        return 200, {"faults": self.app.faults.faults}

    def post_faults(self) -> tuple[int, Any]:
        try:
            fault = msgspec.convert(self.body, Fault)
        except msgspec.ValidationError as error:
            raise ControlError(400, str(error)) from None
        known = {one.operation_id for api in self.app.apis for one in api.operations}
        if fault.kind not in KINDS:
            raise ControlError(400, f"kind: one of {', '.join(KINDS)}")
        if fault.operation != "*" and fault.operation not in known:
            raise ControlError(400, f"operation: * or one of {', '.join(sorted(known))}")
        return 201, self.app.faults.add(fault)

    def delete_faults(self, fault_id: str = "") -> tuple[int, Any]:
        if fault_id and not fault_id.isdigit():
            raise ControlError(404, "no such fault")
        if not self.app.faults.clear(int(fault_id) if fault_id else None) and fault_id:
            raise ControlError(404, "no such fault")
        return 204, None

    # what happened

    def get_journal(self) -> tuple[int, Any]:
        wanted = self.query
        after = int(wanted.get("after", "0"))
        entries = [
            entry
            for entry in self.state.journal[after:]
            if wanted.get("operation") in (None, entry.operation_id)
            and wanted.get("effect") in (None, "true" if entry.effect else "false")
            and wanted.get("target") in (None, entry.target)
        ]
        limit = int(wanted.get("limit", len(entries)))
        return 200, {"entries": entries[:limit], "last": len(self.state.journal)}

    def get_counters(self) -> tuple[int, Any]:
        requests = self.app.requests
        return 200, {
            "requests": dict(requests),
            "statuses": dict(self.app.statuses),
            "total": requests.total(),
        }

    def delete_counters(self) -> tuple[int, Any]:
        self.app.requests.clear()
        self.app.statuses.clear()
        for api in self.app.apis:
            api.forget_rates()
        return 204, None

    # what people do elsewhere

    def post_accept_invite(self) -> tuple[int, Any]:
        organization, invite = self._pending_invite()
        if organization.api == "anthropic":
            member: Any = self._new_user(organization, invite.email, role=invite.role)
            joins = Put(organization.id, "users", member)
        else:
            account, account_changes = self._account(invite.email)
            member = cline.joined(organization, invite, account, self.state.now())
            joins = Put(organization.id, "members", member)
        accepted = msgspec.structs.replace(invite, status="accepted")
        changes: list[Change] = [Put(organization.id, "invites", accepted), joins]
        if organization.api == "cline":
            changes += account_changes
        self._enter("accept_invite", organization, changes, invite.id)
        return 200, {"invite": accepted, "member": member}

    def _pending_invite(self) -> tuple[Organization, Any]:
        wanted, email = self.body.get("invite_id"), self.body.get("email")
        only = self.body.get("organization")
        if not wanted and not isinstance(email, str):
            raise ControlError(400, "invite_id or email is needed")
        for organization in self.state.world.organizations.values():
            if only not in (None, organization.id):
                continue
            table = organization.tables["invites"]
            found = [table.get(wanted)] if wanted else table.with_email(str(email))
            for invite in filter(None, found):
                as_of = anthropic_invites.as_of if organization.api == "anthropic" else cline.as_of
                now = as_of(invite, self.state.now())
                if now.status == "pending":
                    return organization, invite
                if wanted:
                    raise ControlError(409, f"that invite is {now.status}")
        raise ControlError(404, "no such pending invite")

    def post_members(self) -> tuple[int, Any]:
        organization, email = self._organization(), str(self.body.get("email"))
        if not all(isinstance(value, str) for value in self.body.values()):
            raise ControlError(400, "organization, email, name and role are strings")
        more: list[Change] = []
        row: User | Member
        if organization.api == "anthropic":
            table, row = "users", self._console_user(organization, email)
        else:
            table = "members"
            row, more = self._console_member(organization, email)
        put = Put(organization.id, table, row)
        self._enter("members", organization, [put, *more], email)
        return 200, {"member": row}

    def _console_user(self, organization: Organization, email: str) -> User:
        wanted = {name: self.body[name] for name in ("name", "role") if name in self.body}
        known: list[User] = organization.tables["users"].with_email(email)
        if known:
            return msgspec.structs.replace(known[0], **wanted)
        return self._new_user(organization, email, **wanted)

    def _console_member(
        self, organization: Organization, email: str
    ) -> tuple[Member, list[Change]]:
        wanted: dict[str, Any] = {"updated_at": micros_stamp(self.state.now())}
        if "name" in self.body:
            wanted["display_name"] = self.body["name"]
        if "role" in self.body:
            wanted["roles"] = (self.body["role"],)
        known = organization.tables["members"].with_email(email)
        if known:
            return msgspec.structs.replace(known[0], **wanted), []
        account, changes = self._account(email)
        return self._new_member(organization, account, wanted), changes

    def delete_members(self) -> tuple[int, Any]:
        organization, email = self._organization(), str(self.body.get("email"))
        table = "users" if organization.api == "anthropic" else "members"
        known = organization.tables[table].with_email(email)
        if not known:
            raise ControlError(404, "email: no such member")
        changes: list[Change] = []
        for row in known:
            if organization.api == "anthropic":
                changes += departure(organization, row.id, self.state.now())
            else:
                left = msgspec.structs.replace(row, updated_at=micros_stamp(self.state.now()))
                changes.append(Drop(organization.id, table, row.member_id))
                changes.append(Put(organization.id, "left", left))
        self._enter("remove_members", organization, changes, email)
        return 204, None

    def post_refunds(self) -> tuple[int, Any]:
        owner, payment = backoffice.given_back(self._cline(), self.state.world, self.body)
        self._enter("refunds", owner, [Put(owner.id, "payments", payment)], payment.id)
        return 200, {"payment": listed(payment)}

    def post_promotions(self) -> tuple[int, Any]:
        owner = backoffice.owner_in(self.state.world, self.body)
        now = self.state.now()
        granted = backoffice.promotion(self.state.seed, self._ordinal(), self.body, now)
        held = [*owner.settings.get("promotions", ()), granted]
        self._enter("promotions", owner, [Set(owner.id, "promotions", held)], granted["id"])
        return 201, {"promotion": granted}

    def _cline(self) -> Money:
        return next(one for one in self.app.apis if isinstance(one, Money))

    def _ordinal(self) -> int:
        return len(self.state.journal) + 1

    def _new_user(
        self, organization: Organization, email: str, name: str = "", role: str = "user"
    ) -> User:
        source = digest(self.state.seed, "joined user", organization.id, self._ordinal(), size=22)
        return User(
            base58_id("user_01", source),
            seconds_stamp(self.state.now()),
            email,
            name or name_from(email),
            role,
        )

    def _new_member(
        self, organization: Organization, account: Account, wanted: dict[str, Any]
    ) -> Member:
        source = digest(organization.id, "joined member", self._ordinal(), size=16)
        made = Member(
            ulid("mbr", 1_000_000, source),
            account.id,
            organization.id,
            account.email,
            account.display_name,
            ("member",),
            micros_stamp(self.state.now()),
            micros_stamp(self.state.now()),
        )
        return msgspec.structs.replace(made, **wanted)

    def _account(self, email: str) -> tuple[Account, list[Change]]:
        """The Cline person behind an address, and the changes that make them known."""
        known = self.state.world.accounts.with_email(email)
        if known:
            return known[0], []
        account = self._member_account(email)
        if account is None:
            source = digest(self.state.seed, "account", email.casefold(), size=16)
            account = Account(
                ulid("usr", 1_000_000, source),
                email,
                name_from(email),
                micros_stamp(self.state.now()),
            )
        return account, [Put("", "accounts", account)]

    def _member_account(self, email: str) -> Account | None:
        for organization in self.state.world.of("cline"):
            for member in organization.tables["members"].with_email(email):
                return Account(member.user_id, member.email, member.display_name, member.created_at)
        return None

    def get_invites(self, invite_id: str = "", what: str = "") -> tuple[int, Any]:
        if what != "token":
            raise ControlError(404, "There is no such control path; see apps/sandbox/faults.py.")
        return 200, {"token": invite_token(self.state.seed, invite_id)}

    # credentials, clock, world

    def get_keys(self) -> tuple[int, Any]:
        return 200, self.state.world.first_keys

    def post_keys(self) -> tuple[int, Any]:
        if "organization" in self.body:
            organization = self._organization()
            if organization.api != "anthropic":
                raise ControlError(400, "a Cline key belongs to a person: give an email")
            secret = anthropic_key(self.state.seed, organization.id, self._ordinal())
            key = Key(secret, "anthropic", organization=organization.id)
            self._enter("keys", organization, [Put("", "keys", key)])
            return 201, {"api_key": secret}
        if not isinstance(self.body.get("email"), str):
            raise ControlError(400, "organization or email is needed")
        account, changes = self._account(self.body["email"])
        seed, ordinal = self.state.seed, self._ordinal()
        secret, token = cline_key(seed, account.id, ordinal), account_token(seed, account.id)
        refresh = refresh_token(seed, account.id)
        key = Key(
            secret,
            "cline",
            account=account.id,
            key_id=ulid("key", ordinal, digest(seed, "key id", ordinal, size=16)),
            name=f"Key {ordinal}",
            created_at=micros_stamp(self.state.now()),
        )
        tokens = [(token, "cline"), (refresh, "cline refresh")]
        changes.append(Put("", "keys", key))
        changes += [Put("", "keys", Key(one, api, account=account.id)) for one, api in tokens]
        self._enter("keys", None, changes)
        return 201, {
            "api_key": secret,
            "account_token": token,
            "refresh_token": refresh,
            "user_id": account.id,
        }

    def post_api_keys(self) -> tuple[int, Any]:
        """A key for models, made in the vendor's own console."""
        organization, maker = self._organization(), self.body.get("created_by")
        row = ApiKey(
            base58_id("apikey_01", digest(self.state.seed, "api key", self._ordinal(), size=22)),
            seconds_stamp(self.state.now()),
            Creator(maker, "user") if maker else None,
            self.body.get("expires_at"),
            str(self.body.get("name")),
            self.body.get("partial_key_hint"),
            str(self.body.get("status", "active")),
            self.body.get("workspace_id"),
        )
        self._enter("api_keys", organization, [Put(organization.id, "api_keys", row)], row.id)
        return 201, {"api_key": row}

    def delete_keys(self) -> tuple[int, Any]:
        secret = str(self.body.get("api_key"))
        if self.state.world.keys.get(secret) is None:
            raise ControlError(404, "api_key: no such key")
        self._enter("revoke_key", None, [Drop("", "keys", secret)])
        return 204, None

    def get_clock(self) -> tuple[int, Any]:
        shift = self.state.world.settings["clock_shift"]
        return 200, {"now": micros_stamp(self.state.now()), "shift_seconds": shift}

    def post_clock(self) -> tuple[int, Any]:
        shift = float(self.state.world.settings["clock_shift"])
        more = self.body.get("shift_seconds", 0)
        if not isinstance(more, (int, float)) or not math.isfinite(more):
            raise ControlError(400, "shift_seconds must be a number")
        shift = 0.0 if self.body.get("reset") else shift + more
        self._enter("clock", None, [Set("", "clock_shift", shift)])
        return self.get_clock()

    def get_world(self) -> tuple[int, Any]:
        world = self.state.world
        return 200, {
            "size": world.size,
            "seed": world.seed,
            "epoch": seconds_stamp(world.epoch),
            "organizations": [
                {
                    "api": one.api,
                    "id": one.id,
                    "name": one.name,
                    "rows": {
                        name: len(table) for name, table in one.tables.items() if "/" not in name
                    },
                    "settings": {name: one.settings.get(name) for name in SETTINGS[one.api]},
                }
                for one in world.organizations.values()
            ],
        }

    def post_world(self) -> tuple[int, Any]:
        organization, wanted = self._organization(), self.body.get("settings")
        if not isinstance(wanted, dict) or set(wanted) - set(SETTINGS[organization.api]):
            raise ControlError(400, f"settings: {', '.join(SETTINGS[organization.api])}")
        changes: list[Change] = [
            Set(organization.id, name, value) for name, value in wanted.items()
        ]
        self._enter("world", organization, changes)
        return self.get_world()

    def post_stop_accepting(self) -> tuple[int, Any]:
        seconds = self.body.get("seconds", 3)
        if not isinstance(seconds, (int, float)) or not 0 < seconds <= 3600:
            raise ControlError(400, "seconds: more than 0, at most 3600")
        if self.control.stop_accepting:
            self.control.stop_accepting(float(seconds))
        return 200, {"until": micros_stamp(time.time() + seconds)}

    def post_reset(self) -> tuple[int, Any]:
        self.state.reset()
        self.app.faults.clear()
        self.delete_counters()
        return 200, self.state.world.first_keys


def name_from(email: str) -> str:
    """What a person might be called, going by their address."""
    words = re.split(r"[._+-]+", email.partition("@")[0])
    return " ".join(word.capitalize() for word in words if word)
