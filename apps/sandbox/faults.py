"""Faults, and the shapes of the control path ``/_control`` (JSON; loopback only; never in the
contracts; the portal never uses it).

``POST /_control/faults`` sets one fault and answers it with its ``id``::

    {"operation": "createInvite",     an operationId, or "*"
     "kind": "reset_after",           see KINDS
     "count": 1,                      how many requests it hits; null: until it is cleared
     "probability": 1.0,              of hitting a request that matches
     "skip": 0,                       matching requests let through first
     "match": {"method": "", "path": "", "query": "", "body": ""},  substrings, all optional
     "effect": null,                  true/false: does the change happen; null: the kind's own
     "seconds": 5.0,                  for delay, timeout, late and drip
     "retry_after": null,             seconds, for 429 and 503; null: no such header
     "field": null, "value": null,    for the kinds that spoil a row
     "rows": "first"}                 "first" or "all" rows of the answer

A ``field`` with a dot lies within another: ``results.model`` in a bucket's rows.

The first fault that matches a request is the one it gets.

==================  ======  =====================================================================
kind                effect  what the caller sees
==================  ======  =====================================================================
reset_before        no      connection reset (RST), no byte; nothing happened
reset_after         yes     connection reset (RST), no byte; it happened
timeout             yes     nothing for ``seconds``, then the connection closes
late                yes     as timeout, but it happens when the operation is next called, before that
delay               yes     the true answer, ``seconds`` late
drip                yes     the true answer, a few bytes at a time over ``seconds``
cut                 yes     headers promise the whole body, half of it comes, then it closes
400 401 403 404 409 no      that refusal in the API's own form
408 429 500 502 503 no      likewise; 429 and 503 with ``retry_after`` if given
504 529             no      likewise
conflict            no      409 ``concurrent_membership_change`` (Cline: a plain 409)
html_error          no      502 with an HTML page
garbage             yes     200, JSON by its header, bytes that are none
truncated_json      yes     200, the first half of the true JSON as a complete answer
success_false       no      200 with ``success: false`` (Anthropic: an error body with 200)
empty_body          yes     the true status, no body
wrong_type          yes     ``field`` of a row holds ``value`` (default: the number 12345)
unknown_enum        yes     ``field`` (default: role, roles or status) holds ``value``
missing_field       yes     ``field`` (default: name or displayName) is gone
new_field           yes     ``field`` (default: shiny_new_field) is there, holding an object
null_field          yes     ``field`` (default: name or displayName) is null
duplicate_rows      yes     a page begins with the last row of the page before
lost_cursor         yes     the cursor sent is ignored: page one again
no_cursor           yes     more is promised but the cursor to it is missing
==================  ======  =====================================================================

``GET /_control/faults``            ``{"faults": [fault + "id", "hits"]}``
``DELETE /_control/faults[/{id}]``  clears one or all: 204
``GET /_control/journal``           ``?operation=&effect=true|false&after=N&target=&limit=N`` answers
    ``{"entries": [{sequence, at, operation_id, api, organization, target, arguments, effect,
    status, fault, request_id}], "last": N}``: every call that meant to change something, with what
    the remote decided (``status``) before any fault spoiled the answer. What happens through the
    control path is there too, as ``_control.*``
``GET /_control/counters``          ``{"requests": {operationId: n}, "statuses": {"operationId
    200": n}, "total": n}``; ``DELETE`` sets them to zero, and the rate windows with them
``POST /_control/accept_invite``    ``{"invite_id"}``, or ``{"email", "organization"?}``; the person
    accepts and is a member: ``{"invite", "member"}``
``POST /_control/members``          ``{"organization", "email", "name"?, "role"?}``: a member is
    added or changed in the vendor's own console, where admins too can be made: ``{"member"}``
``DELETE /_control/members``        ``{"organization", "email"}``: removed there, admins included
``POST /_control/refunds``          ``{"payment_id"}``: a completed payment of Cline is given back and
    its credit is gone: ``{"payment"}``
``POST /_control/promotions``       ``{"owner", "credits_cents", "name"?, "days"?}``: a Cline
    organization, or a person who has a key, is given credit for so long (90 days): ``{"promotion"}``
``GET /_control/invites/{id}/token`` ``{"token"}``: what the mail's link carries (Cline)
``POST /_control/keys``             ``{"organization"}`` (an Anthropic one) or ``{"email"}`` (a Cline
    person, made if unknown) answers ``{"api_key", "account_token"?, "refresh_token"?,
    "user_id"?}``
``POST /_control/api_keys``         ``{"organization", "name", "status"?, "workspace_id"?,
    "created_by"?, "expires_at"?, "partial_key_hint"?}``: a key for models, made in the vendor's own
    console (Anthropic): ``{"api_key"}``
``DELETE /_control/keys``           ``{"api_key"}``: it is refused from now on
``GET /_control/clock``             ``{"now", "shift_seconds"}``; ``POST {"shift_seconds": 86400}``
    moves it on by so much, ``POST {"reset": true}`` puts it right
``GET /_control/world``             size, seed, epoch and each organization's counts and settings;
    ``POST {"organization", "settings": {"seats" | "member_limit" | "workspace_limit": …}}`` sets some
    of them (for Anthropic those of ``anthropic/rows.py``)
``GET /_control/keys``              the first line of standard output once more
``POST /_control/stop_accepting``   ``{"seconds": 3}``: connections are refused for so long
``POST /_control/reset``            the world begins anew, faults, journal and counters empty

A control request that cannot be read or obeyed answers 400, 404 or 409 with ``{"error"}``.
"""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from .app import Call, Request, Response

# kind -> does the change happen, unless the fault says otherwise
KINDS = {
    "reset_before": False,
    "reset_after": True,
    "timeout": True,
    "late": True,
    "delay": True,
    "drip": True,
    "cut": True,
    "conflict": False,
    "html_error": False,
    "garbage": True,
    "truncated_json": True,
    "success_false": False,
    "empty_body": True,
    "wrong_type": True,
    "unknown_enum": True,
    "missing_field": True,
    "new_field": True,
    "null_field": True,
    "duplicate_rows": True,
    "lost_cursor": True,
    "no_cursor": True,
}
STATUS_KINDS = (
    "400",
    "401",
    "403",
    "404",
    "408",
    "409",
    "429",
    "500",
    "502",
    "503",
    "504",
    "529",
)
KINDS |= dict.fromkeys(STATUS_KINDS, False)

CURSORS = ("after_id", "before_id", "cursor", "page")
# kind -> how the door sends the answer
WIRES = {
    "reset_before": "reset",
    "reset_after": "reset",
    "timeout": "silence",
    "late": "silence",
    "delay": "plain",
    "drip": "drip",
    "cut": "cut",
}
NO_ANSWER = ("reset_before", "reset_after", "timeout", "late")

# (status, message, machine code or "") -> the body of an error in the API's own form
ErrorBody = Callable[[int, str, str], Any]


class Match(msgspec.Struct):
    method: str = ""
    path: str = ""
    query: str = ""
    body: str = ""


class Fault(msgspec.Struct):
    """One fault as it was asked for, with its id and how often it has hit."""

    operation: str
    kind: str
    count: int | None = 1
    probability: float = 1.0
    skip: int = 0
    match: Match = msgspec.field(default_factory=Match)
    effect: bool | None = None
    seconds: float = 5.0
    retry_after: int | None = None
    field: str | None = None
    value: Any = None
    rows: str = "first"
    id: int = 0
    hits: int = 0

    @property
    def has_effect(self) -> bool:
        return KINDS[self.kind] if self.effect is None else self.effect

    @property
    def status_shown(self) -> int:
        """The status the caller sees when nothing happens; 0 when no answer comes."""
        if self.kind in NO_ANSWER:
            return 0
        named = {"conflict": 409, "html_error": 502}
        return int(self.kind) if self.kind in STATUS_KINDS else named.get(self.kind, 200)

    def prepare(self, call: "Call") -> None:
        """What a fault of paging changes before the operation runs."""
        if self.kind == "duplicate_rows":
            call.overlap = 1
        elif self.kind == "lost_cursor":
            for name in CURSORS:
                call.query.pop(name, None)

    def suits(self, operation_id: str, request: "Request") -> bool:
        wanted = self.match
        return (
            self.operation in ("*", operation_id)
            and wanted.method in ("", request.method)
            and wanted.path in request.path
            and wanted.query in request.query
            and (not wanted.body or wanted.body.encode() in request.body)
        )


class FaultBoard:
    """The faults that are set, first come first served. Used under the App's lock."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._late: dict[str, list[Callable[[], object]]] = {}
        self._ids = 0
        self._dice = random.Random(7)  # the same throws in every run

    def add(self, fault: Fault) -> Fault:
        self._ids += 1
        fault.id = self._ids
        self.faults.append(fault)
        return fault

    def clear(self, fault_id: int | None = None) -> bool:
        left = [one for one in self.faults if fault_id is not None and one.id != fault_id]
        found = len(left) < len(self.faults)
        self.faults = left
        if fault_id is None:
            self._late.clear()
        return found

    def put_off(self, operation_id: str, happen: Callable[[], object]) -> None:
        """Have it happen when the operation is next called; not at all once all faults are cleared."""
        self._late.setdefault(operation_id, []).append(happen)

    def catch_up(self, operation_id: str) -> None:
        """Let happen what was put off."""
        for happen in self._late.pop(operation_id, []):
            happen()

    def pick(self, operation_id: str, request: "Request") -> Fault | None:
        for fault in self.faults:
            if fault.count is not None and fault.hits >= fault.count:
                continue
            if not fault.suits(operation_id, request):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            if fault.probability < 1 and self._dice.random() >= fault.probability:
                continue
            fault.hits += 1
            return fault
        return None


def spoil(fault: Fault, error_body: ErrorBody, response: "Response", payload: Any) -> "Response":
    """The true answer turned into what the caller sees."""
    kind = fault.kind
    if kind in WIRES:
        response.wire = WIRES[kind]
        response.delay = fault.seconds if kind in ("timeout", "late", "delay", "drip") else 0
    elif kind in STATUS_KINDS or kind in ("conflict", "html_error", "success_false"):
        _refuse(fault, error_body, response)
    elif kind in ("garbage", "truncated_json", "empty_body"):
        _break_body(kind, response)
    elif response.status < 300 and response.body:
        response.body = msgspec.json.encode(_spoiled(fault, msgspec.to_builtins(payload)))
    return response


def _break_body(kind: str, response: "Response") -> None:
    if kind == "empty_body":
        response.body = b""
        return
    response.status = 200 if response.status == 204 else response.status
    half = response.body[: len(response.body) // 2] or b"{"
    response.body = half if kind == "truncated_json" else b'\x00\xff<<not json>> {"data": [\xfe'


MESSAGES = {
    "400": "Invalid request format",
    "401": "invalid x-api-key",
    "403": "This credential may not do this.",
    "404": "The requested resource could not be found.",
    "408": "The request timed out.",
    "409": "Another change is in progress.",
    "429": "Too many requests.",
    "500": "Internal server error.",
    "502": "Bad gateway.",
    "503": "Service unavailable.",
    "504": "The request timed out.",
    "529": "Overloaded",
    "conflict": "Another membership change is in progress.",
    "success_false": "The request could not be carried out.",
}
HTML = b"<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"


def _refuse(fault: Fault, error_body: ErrorBody, response: "Response") -> None:
    status = response.status = fault.status_shown
    if fault.kind == "html_error":
        response.body = HTML
        response.headers = [("Content-Type", "text/html; charset=utf-8")]
        return
    if fault.retry_after is not None and status in (429, 503):
        response.headers = [*response.headers, ("retry-after", str(fault.retry_after))]
    code = "concurrent_membership_change" if fault.kind == "conflict" else ""
    response.body = msgspec.json.encode(error_body(status, MESSAGES[fault.kind], code))


def _rows(payload: Any) -> list[dict[str, Any]]:
    """The rows an answer carries, whichever envelope it has."""
    data = payload.get("data", payload)
    if isinstance(data, dict):
        data = data.get("items", data.get("paymentTransactions", data))
    rows = data if isinstance(data, list) else [data]
    return [row for row in rows if isinstance(row, dict)]


def _first_of(row: dict[str, Any], *names: str) -> str:
    return next((name for name in names if name in row), next(iter(row), names[0]))


def _spoiled(fault: Fault, payload: Any) -> Any:
    if fault.kind == "no_cursor":
        return _without_cursor(payload)
    rows = _rows(payload)
    for row in rows if fault.rows == "all" else rows[:1]:
        _spoil_row(fault, row)
    return payload


def _spoil_row(fault: Fault, row: dict[str, Any]) -> None:
    outer, dot, field = (fault.field or "").partition(".")
    if dot:
        within = row.get(outer)
        rows = [one for one in _as_list(within) if isinstance(one, dict)]
        for one in rows if fault.rows == "all" else rows[:1]:
            _spoil_row(msgspec.structs.replace(fault, field=field), one)
    else:
        _spoil_field(fault, row)


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _spoil_field(fault: Fault, row: dict[str, Any]) -> None:
    if fault.kind == "wrong_type":
        name = fault.field or _first_of(row, "email", "id")
        row[name] = 12345 if fault.value is None else fault.value
    elif fault.kind == "unknown_enum":
        name = fault.field or _first_of(row, "role", "roles", "status", "type")
        value = fault.value or "astronaut"
        row[name] = [value] if isinstance(row.get(name), (list, tuple)) else value
    elif fault.kind == "missing_field":
        row.pop(fault.field or _first_of(row, "name", "displayName"), None)
    elif fault.kind == "null_field":
        row[fault.field or _first_of(row, "name", "displayName")] = None
    elif fault.kind == "new_field":
        row[fault.field or "shiny_new_field"] = fault.value or {"nested": [1, 2, {"deep": True}]}


def _without_cursor(payload: Any) -> Any:
    if "last_id" in payload:
        payload |= {"has_more": True, "last_id": None, "first_id": None}
    elif "next_page" in payload:
        payload |= {"has_more": True, "next_page": None}
    elif isinstance(payload.get("data"), dict):
        payload["data"].pop("nextToken", None)
    return payload
