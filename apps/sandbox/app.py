"""``App.handle(Request) -> Response``: routing, faults and the journal, without a socket in sight."""

import os
import re
import sys
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

import msgspec

from .faults import ErrorBody, Fault, FaultBoard, spoil
from .ids import base58_id
from .state import State
from .world import Account, Change, Organization

MAX_BODY = 1_048_576
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+\Z")


@dataclass(slots=True)
class Request:
    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""


@dataclass(slots=True)
class Response:
    """``wire`` says how the door sends it: plain, drip, cut (half, then closed), reset (RST, no
    byte), silence (nothing for ``delay`` seconds, then closed). ``delay`` is in seconds."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    wire: str = "plain"
    delay: float = 0.0


@dataclass(slots=True)
class Call:
    """One request on its way through an operation."""

    state: State
    request: Request
    params: dict[str, str]
    query: dict[str, str]
    now: float
    overlap: int = 0  # rows of the page before that a fault makes the server repeat
    organization: Organization | None = None
    account: Account | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """Every value of a query parameter that may be repeated."""
        pairs = parse_qsl(self.request.query, keep_blank_values=True)
        return [value for key, value in pairs if key == name]


@dataclass(slots=True)
class Answer:
    """What an operation returns; ``changes`` happen once they are in the log.

    ``later`` makes the payload of a read once the lock is given back: of what it took hold of, alone.
    """

    payload: Any = None
    status: int = 200
    target: str = ""
    changes: list[Change] = field(default_factory=list)
    later: Callable[[], Any] | None = None


class Refusal(Exception):
    """The API says no. ``kind`` is the API's own error type, ``code`` its machine code if any."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "",
        code: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.code = status, message, kind, code
        self.headers = headers or {}


Handler = Callable[[Any, Call], Answer]


@dataclass(slots=True)
class Operation:
    method: str
    template: str
    operation_id: str
    handler: Callable[[Call], Answer]
    pattern: re.Pattern[str]


def operation(method: str, template: str, operation_id: str) -> Callable[[Handler], Handler]:
    """Mark a method of an API as the answer to one operation of its contract."""

    def mark(handler: Handler) -> Handler:
        handler.operation = (method, template, operation_id)  # type: ignore[attr-defined]  # a function carries what it is for
        return handler

    return mark


def operations_of(api: object) -> list[Operation]:
    """The marked methods, literal paths before those with ids in the same place."""
    found = []
    for name in dir(type(api)):
        marked = getattr(getattr(type(api), name), "operation", None)
        if marked:
            method, template, operation_id = marked
            pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template) + r"\Z")
            found.append(Operation(method, template, operation_id, getattr(api, name), pattern))
    return sorted(found, key=lambda one: ["{" in part for part in one.template.split("/")])


class Api(Protocol):
    """One of the two remote APIs."""

    name: str
    operations: list[Operation]

    def admit(self, call: Call) -> None:
        """Who calls, and may they at all; raises ``Refusal``."""

    def error(self, refusal: Refusal, request_id: str) -> Any:
        """The body of an error."""

    def headers(self, call: Call | None, request_id: str) -> list[tuple[str, str]]: ...

    def new_request_id(self) -> str: ...

    def forget_rates(self) -> None:
        """Every limit starts afresh."""


class Controls(Protocol):
    """Answers ``/_control``."""

    stop_accepting: Callable[[float], None] | None

    def handle(self, app: "App", request: Request) -> Response: ...


class Window:
    """At most ``limit`` events in any ``seconds``; 0 switches it off. Per key."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit, self.seconds = limit, seconds
        self._seen: dict[str, deque[float]] = {}

    def _current(self, key: str) -> deque[float]:
        seen = self._seen.setdefault(key, deque())
        horizon = time.monotonic() - self.seconds
        while seen and seen[0] <= horizon:
            seen.popleft()
        return seen

    def wait(self, key: str) -> float:
        """Seconds until there is room for one more; 0 when there is."""
        seen = self._current(key)
        if not self.limit or len(seen) < self.limit:
            return 0.0
        return max(0.001, seen[0] + self.seconds - time.monotonic())

    def count(self, key: str) -> None:
        if self.limit:
            self._current(key).append(time.monotonic())

    def left(self, key: str) -> int:
        return max(0, self.limit - len(self._current(key)))

    def clear(self) -> None:
        self._seen.clear()


def request_token(length: int = 20) -> str:
    return base58_id("", os.urandom(length))


def error_form(api: Api, request_id: str) -> ErrorBody:
    """How this API writes down an error that no operation raised."""

    def write(status: int, message: str, code: str) -> Any:
        return api.error(Refusal(status, message, code=code), request_id)

    return write


def refused_as(
    api: Api, refusal: Refusal, headers: list[tuple[str, str]], request_id: str
) -> Response:
    """The refusal as this API answers it."""
    body = msgspec.json.encode(api.error(refusal, request_id))
    return Response(refusal.status, body, [*headers, *refusal.headers.items()])


def own_fault() -> Refusal:
    """A fault of the sandbox itself, which must answer as a server's would; its trace goes to stderr."""
    traceback.print_exc(file=sys.stderr)
    return Refusal(500, "Internal server error.", kind="api_error")


def json_body(call: Call, refuse: Callable[[str], Refusal]) -> dict[str, Any]:
    """The request's JSON object, or the refusal that the API makes of its absence."""
    try:
        body = msgspec.json.decode(call.request.body)
    except msgspec.DecodeError:
        raise refuse("The request body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise refuse("The request body must be a JSON object.")
    return body


class App:
    """Both APIs and the control path over one state. Safe to call from many threads."""

    def __init__(self, state: State, apis: list[Api], control: "Controls | None" = None) -> None:
        self.state = state
        self.apis = apis
        self.control = control
        self.pages: Callable[[App, Request], Response] | None = None  # /checkout/…, for browsers
        self.faults = FaultBoard()
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        # Told of every answered call that no fault touched: operationId, request, response.
        self.watchers: list[Callable[[str, Request, Response], None]] = []
        self.lock = threading.RLock()

    def handle(self, request: Request) -> Response:
        if self.pages and request.path.startswith("/checkout/"):
            return self.pages(self, request)
        if request.path == "/_control" or request.path.startswith("/_control/"):
            return self.control.handle(self, request) if self.control else Response(404, b"{}")
        api = self.apis[1] if request.path.startswith("/api") else self.apis[0]
        request_id = api.new_request_id()
        matched = self._match(api, request)
        if isinstance(matched, Refusal):
            return refused_as(api, matched, api.headers(None, request_id), request_id)
        found, params = matched
        with self.lock:
            fault = self.faults.pick(found.operation_id, request)
            self.requests[found.operation_id] += 1
            self.faults.catch_up(found.operation_id)
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        call = Call(self.state, request, params, query, self.state.now())
        if fault:
            fault.prepare(call)
        if fault and not fault.has_effect:
            response, payload = self._untouched(api, found, call, fault, request_id)
        elif fault and fault.kind == "late":
            response, payload = self._put_off(api, found, call, fault, request_id)
        else:
            response, payload = self._serve(api, found, call, fault, request_id)
        if fault:
            response = spoil(fault, error_form(api, request_id), response, payload)
        else:
            for watch in self.watchers:
                watch(found.operation_id, request, response)
        with self.lock:
            self.statuses[f"{found.operation_id} {response.status}"] += 1
        return response

    def refuse_size(self, path: str) -> Response:
        """413, as the edge before either API says it: no operation was reached."""
        api = self.apis[1] if path.startswith("/api") else self.apis[0]
        refusal = Refusal(413, "Request exceeds the maximum size.")
        request_id = api.new_request_id()
        return refused_as(api, refusal, api.headers(None, request_id), request_id)

    def _match(self, api: Api, request: Request) -> tuple[Operation, dict[str, str]] | Refusal:
        allowed = set()
        for one in api.operations:
            if match := one.pattern.match(request.path):
                if one.method == request.method:
                    return one, {name: unquote(id_) for name, id_ in match.groupdict().items()}
                allowed.add(one.method)
        if allowed:
            allow = {"Allow": ", ".join(sorted(allowed))}
            return Refusal(405, "Method Not Allowed", kind="unknown_route", headers=allow)
        return Refusal(404, "Not Found", kind="unknown_route")

    def _serve(
        self,
        api: Api,
        found: Operation,
        call: Call,
        fault: Fault | None,
        request_id: str,
    ) -> tuple[Response, Any]:
        answer = Answer()
        refusal: Refusal | None = None
        with self.lock:
            try:
                api.admit(call)
                answer = found.handler(call)
            except Refusal as refused:
                refusal = refused
            except Exception:  # noqa: BLE001 - whatever went wrong here, the caller gets a 500
                refusal = own_fault()
            if found.method != "GET":
                self._journal(api, found, call, answer, refusal, fault, request_id)
            headers = api.headers(call, request_id)
        if answer.later and not refusal:
            try:
                answer.payload = answer.later()
            except Exception:  # noqa: BLE001 - likewise
                refusal = own_fault()
        if refusal:
            return refused_as(api, refusal, headers, request_id), api.error(refusal, request_id)
        body = b"" if answer.status == 204 else msgspec.json.encode(answer.payload)
        return Response(answer.status, body, headers), answer.payload

    def _put_off(
        self, api: Api, found: Operation, call: Call, fault: Fault, request_id: str
    ) -> tuple[Response, Any]:
        with self.lock:
            self.faults.put_off(
                found.operation_id, lambda: self._serve(api, found, call, fault, request_id)
            )
        return Response(200), {}

    def _journal(
        self,
        api: Api,
        found: Operation,
        call: Call,
        answer: Answer,
        refusal: Refusal | None,
        fault: Fault | None,
        request_id: str,
    ) -> None:
        try:
            arguments = msgspec.json.decode(call.request.body) if call.request.body else {}
        except msgspec.DecodeError:
            arguments = {"unreadable": True}
        self.state.enter(
            found.operation_id,
            api=api.name,
            organization=call.organization.id if call.organization else "",
            target=answer.target or "/".join(call.params.values()),
            arguments=arguments,
            status=refusal.status if refusal else answer.status,
            changes=answer.changes,
            fault=fault.kind if fault else None,
            request_id=request_id,
        )

    def _untouched(
        self, api: Api, found: Operation, call: Call, fault: Fault, request_id: str
    ) -> tuple[Response, Any]:
        if found.method != "GET":
            refusal = Refusal(fault.status_shown, "")
            with self.lock:
                self._journal(api, found, call, Answer(), refusal, fault, request_id)
        return Response(200, b"{}", api.headers(call, request_id)), {}
