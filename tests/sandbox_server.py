"""The sandbox for tests: in a thread of this process, or as a process that can be killed.

    with SandboxServer() as sandbox:
        sandbox.base_url, sandbox.anthropic_key, sandbox.cline_key("owner")
        sandbox.control.fault("createInvite", "reset_after")
        sandbox.control.journal(operation="createInvite", effect=True)

The shapes of what the control path takes and answers stand in ``apps/sandbox/faults.py``.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

from apps.sandbox.server import Door, build_app, first_line
from apps.sandbox.state import State

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0  # seconds; a machine that runs other tests may stand still for a while


def call(
    base_url: str,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    timeout: float = PATIENCE,
) -> tuple[int, dict[str, str], bytes]:
    """One request over its own connection: status, headers (lower case), body."""
    parts = urlsplit(base_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, data, headers or {})
        response = connection.getresponse()
        answered = {name.lower(): value for name, value in response.getheaders()}
        return response.status, answered, response.read()
    finally:
        connection.close()


class Control:
    """The control path, one method a deed. Refusals raise AssertionError with the answer."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    def _do(self, method: str, path: str, body: Any = None) -> Any:
        status, _, answer = call(self.base_url, method, f"/_control/{path}", body)
        if status >= 400:
            raise AssertionError(f"{method} /_control/{path}: {status} {answer!r}")
        return json.loads(answer) if answer else None

    def fault(self, operation: str, kind: str, **options: Any) -> dict[str, Any]:
        """Set a fault; hits one request unless ``count`` says otherwise (None: all)."""
        answer: dict[str, Any] = self._do(
            "POST", "faults", {"operation": operation, "kind": kind, **options}
        )
        return answer

    def faults(self) -> list[dict[str, Any]]:
        faults: list[dict[str, Any]] = self._do("GET", "faults")["faults"]
        return faults

    def clear_faults(self) -> None:
        self._do("DELETE", "faults")

    def journal(
        self,
        operation: str | None = None,
        *,
        effect: bool | None = None,
        after: int = 0,
        target: str | None = None,
    ) -> list[dict[str, Any]]:
        """Calls that meant to change something, oldest first."""
        query: dict[str, Any] = {"after": after}
        if operation is not None:
            query["operation"] = operation
        if effect is not None:
            query["effect"] = "true" if effect else "false"
        if target is not None:
            query["target"] = target
        entries: list[dict[str, Any]] = self._do("GET", f"journal?{urlencode(query)}")["entries"]
        return entries

    def journal_end(self) -> int:
        """The sequence of the newest entry, for ``journal(after=…)``."""
        last: int = self._do("GET", "journal?limit=0")["last"]
        return last

    def counters(self) -> dict[str, int]:
        """Requests by operationId since the start or the last ``clear()``."""
        requests: dict[str, int] = self._do("GET", "counters")["requests"]
        return requests

    def statuses(self) -> dict[str, int]:
        """Answers by "operationId status"."""
        statuses: dict[str, int] = self._do("GET", "counters")["statuses"]
        return statuses

    def clear(self) -> None:
        """No faults, counters at zero, rate windows empty; world and journal stay."""
        self._do("DELETE", "faults")
        self._do("DELETE", "counters")

    def accept_invite(self, invite_id: str = "", **wanted: Any) -> dict[str, Any]:
        """By id, or ``email=`` (and ``organization=``): the person accepts and is a member."""
        body = {"invite_id": invite_id} if invite_id else wanted
        answer: dict[str, Any] = self._do("POST", "accept_invite", body)
        return answer

    def member(self, organization: str, email: str, **wanted: Any) -> dict[str, Any]:
        """Add or change a member in the vendor's own console (``name``, ``role``)."""
        body = {"organization": organization, "email": email, **wanted}
        member: dict[str, Any] = self._do("POST", "members", body)["member"]
        return member

    def remove_member(self, organization: str, email: str) -> None:
        self._do("DELETE", "members", {"organization": organization, "email": email})

    def refund(self, payment_id: str) -> dict[str, Any]:
        """The vendor gives a completed payment back."""
        payment: dict[str, Any] = self._do("POST", "refunds", {"payment_id": payment_id})["payment"]
        return payment

    def promotion(self, owner: str, credits_cents: int, **wanted: Any) -> dict[str, Any]:
        """The vendor gives an organization or a person credit (``name``, ``days``)."""
        body = {"owner": owner, "credits_cents": credits_cents, **wanted}
        promotion: dict[str, Any] = self._do("POST", "promotions", body)["promotion"]
        return promotion

    def invite_token(self, invite_id: str) -> str:
        token: str = self._do("GET", f"invites/{quote(invite_id)}/token")["token"]
        return token

    def new_key(self, **wanted: Any) -> dict[str, str]:
        """A further key of an Anthropic ``organization=``, or of the Cline person at ``email=``."""
        answer: dict[str, str] = self._do("POST", "keys", wanted)
        return answer

    def api_key(self, organization: str, name: str, **wanted: Any) -> dict[str, Any]:
        """Make a key for models in the vendor's own console; ``wanted`` as the API spells it."""
        body = {"organization": organization, "name": name, **wanted}
        made: dict[str, Any] = self._do("POST", "api_keys", body)["api_key"]
        return made

    def revoke_key(self, api_key: str) -> None:
        self._do("DELETE", "keys", {"api_key": api_key})

    def shift_clock(self, seconds: float) -> None:
        self._do("POST", "clock", {"shift_seconds": seconds})

    def reset_clock(self) -> None:
        self._do("POST", "clock", {"reset": True})

    def clock(self) -> dict[str, Any]:
        answer: dict[str, Any] = self._do("GET", "clock")
        return answer

    def world(self) -> dict[str, Any]:
        answer: dict[str, Any] = self._do("GET", "world")
        return answer

    def settings(self, organization: str, **settings: Any) -> None:
        """Caps and policies by name, as ``/_control/world`` shows them."""
        self._do("POST", "world", {"organization": organization, "settings": settings})

    def stop_accepting(self, seconds: float) -> None:
        self._do("POST", "stop_accepting", {"seconds": seconds})

    def reset(self) -> None:
        """The world as it was, no faults, no journal."""
        self._do("POST", "reset")


class _Sandbox:
    """What both ways of running it have in common."""

    base_url: str
    keys: dict[str, Any]

    @property
    def control(self) -> Control:
        return Control(self.base_url)

    @property
    def anthropic_key(self) -> str:
        key: str = self.keys["anthropic"][0]["api_key"]
        return key

    @property
    def anthropic_organization(self) -> str:
        organization: str = self.keys["anthropic"][0]["organization"]
        return organization

    @property
    def cline_organization(self) -> str:
        organization: str = self.keys["cline"][0]["organization_id"]
        return organization

    def cline_key(self, role: str = "owner") -> str:
        key: str = next(one["api_key"] for one in self.keys["cline"] if one["role"] == role)
        return key

    def anthropic(
        self, method: str, path: str, body: Any = None, **options: Any
    ) -> tuple[int, dict[str, str], Any]:
        """A call below /v1/organizations with the admin key: status, headers, decoded body."""
        headers = {"x-api-key": self.anthropic_key, "anthropic-version": "2023-06-01"}
        return self._json(method, f"/v1/organizations{path}", body, headers, **options)

    def cline(
        self,
        method: str,
        path: str,
        body: Any = None,
        role: str = "owner",
        key: str = "",
        **options: Any,
    ) -> tuple[int, dict[str, str], Any]:
        """A call below /api/v1; ``{org}`` in the path stands for the first organization."""
        headers = {"authorization": f"Bearer {key or self.cline_key(role)}"}
        path = path.replace("{org}", self.cline_organization)
        return self._json(method, f"/api/v1{path}", body, headers, **options)

    def _json(
        self, method: str, path: str, body: Any, headers: dict[str, str], timeout: float = PATIENCE
    ) -> tuple[int, dict[str, str], Any]:
        status, answered, data = call(self.base_url, method, path, body, headers, timeout)
        return status, answered, json.loads(data) if data else None


class SandboxServer(_Sandbox):
    """In a thread of this process, on a free port; limits are off unless asked for.

    ``folder``: where its state lasts; None keeps it in memory.
    """

    def __init__(
        self,
        size: str = "small",
        seed: str = "tests",
        folder: Path | None = None,
        requests_per_minute: int = 0,
        invites_per_hour: int = 0,
        fast_pages: int = 0,
    ) -> None:
        self.state = State(size, seed, folder)
        self.app = build_app(self.state, requests_per_minute, invites_per_hour, fast_pages)
        self.door = Door(self.app)
        self.keys: dict[str, Any] = json.loads(first_line(self.door))
        self.base_url: str = self.keys.pop("base_url")
        self._thread = threading.Thread(target=self.door.serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.door.stop()
        self._thread.join(timeout=5)
        self.state.close()


class SandboxProcess(_Sandbox):
    """As a process of its own, which can be stopped, killed and started again on the same port."""

    def __init__(self, folder: Path, *arguments: str, port: int = 0) -> None:
        self.folder, self.arguments = folder, arguments
        # Bound but not listening: the port stays ours while the process is down.
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if port == 0:
            self._holder.bind(("127.0.0.1", 0))
        self.port: int = port or self._holder.getsockname()[1]
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._holder.close()

    def start(self) -> None:
        """Start it, again on the same port if it ran before, and wait for its first line."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "apps.sandbox", "--port", str(self.port), *self.arguments],
            cwd=ROOT,
            env=os.environ | {"ORGDESK_VAR": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            _, complaint = self.process.communicate(timeout=PATIENCE)
            raise AssertionError(f"The sandbox did not start: {complaint}")
        self.keys = json.loads(line)
        self.base_url = self.keys.pop("base_url")
        self.port = urlsplit(self.base_url).port or 0

    def stop(self) -> int:
        """End it with SIGTERM; returns its exit status."""
        return self._end("terminate")

    def kill(self) -> int:
        """End it with SIGKILL, in the middle of whatever it does."""
        return self._end("kill")

    def _end(self, how: str) -> int:
        if self.process is None:
            return 0
        getattr(self.process, how)()
        self.process.communicate(timeout=PATIENCE)
        status, self.process = self.process.returncode, None
        return status
