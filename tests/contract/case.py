"""One call of an operation, what must come of it, and the sandbox with what such calls need to find."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.sandbox_server import SandboxServer, call

NEW = "new.person@northgate.example"
ORG = "/organizations/{org}"


class World:
    """The sandbox with what the cases below need to find."""

    def __init__(self, sandbox: SandboxServer) -> None:
        self.sandbox = sandbox
        self.control = sandbox.control

    def user(self, role: str = "developer") -> str:
        users = self.sandbox.anthropic("GET", "/users?limit=1000")[2]["data"]
        return str(next(one["id"] for one in users if one["role"] == role))

    def invite(self, email: str = NEW) -> str:
        body = {"email": email, "role": "user"}
        made: str = self.sandbox.anthropic("POST", "/invites", body)[2]["id"]
        return made

    def invite_of_status(self, status: str) -> str:
        invites = self.sandbox.anthropic("GET", "/invites?limit=1000")[2]["data"]
        return str(next(one["id"] for one in invites if one["status"] == status))

    def member(self, role: str = "member") -> str:
        members = self.sandbox.cline("GET", f"{ORG}/members")[2]["data"]["items"]
        return str(next(one["memberId"] for one in members if one["roles"] == [role]))

    def cline_invite(self, email: str = NEW, role: str = "member") -> str:
        body = {"invites": [{"email": email, "role": role}]}
        made = self.sandbox.cline("POST", f"{ORG}/invites", body)[2]
        invite: str = made["data"]["items"][0]["id"]
        return invite

    def anthropic(self, method: str, path: str, body: Any = None, **headers: str | None) -> Any:
        sent = {"x-api-key": self.sandbox.anthropic_key, "anthropic-version": "2023-06-01"}
        return self._send(method, f"/v1/organizations{path}", body, sent, headers)

    def one(self, path: str, **wanted: Any) -> dict[str, Any]:
        """The first row of an Anthropic list whose fields are as wanted."""
        joined = "&" if "?" in path else "?"
        rows = self.sandbox.anthropic("GET", f"{path}{joined}limit=1000")[2]["data"]
        found = (row for row in rows if all(row[name] == one for name, one in wanted.items()))
        row: dict[str, Any] = next(found)
        return row

    def cline(self, method: str, path: str, body: Any = None, role: str = "owner") -> Any:
        path = path.replace("{org}", self.sandbox.cline_organization)
        sent = {"authorization": f"Bearer {self.sandbox.cline_key(role)}"}
        return self._send(method, f"/api/v1{path}", body, sent, {})

    def as_invitee(self, token: str, email: str = NEW) -> Any:
        key = self.control.new_key(email=email)["api_key"]
        sent = {"authorization": f"Bearer {key}"}
        return self._send("POST", "/api/v1/invites/accept", {"token": token}, sent, {})

    def _send(
        self,
        method: str,
        path: str,
        body: Any,
        sent: dict[str, str],
        changed: dict[str, str | None],
    ) -> Any:
        headers: dict[str, str | None] = {**sent}
        headers |= {name.replace("_", "-"): value for name, value in changed.items()}
        kept = {name: value for name, value in headers.items() if value is not None}
        return call(self.sandbox.base_url, method, path, body, kept)


@dataclass(frozen=True)
class Case:
    operation_id: str
    status: int
    what: str
    send: Callable[[World], Any]

    def __str__(self) -> str:
        return f"{self.operation_id}-{self.status}-{self.what}"
