"""One remote request: allowed, budgeted, timed, bounded, logged, and its outcome told plainly.

Both adapters speak through a ``Channel``. Its transport refuses every request that did not come
through ``Channel.call``, so no client of ours can be used around it.
"""

import itertools
import logging
import time
import zlib
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import cast

import httpcore2
import httpx2
import stamina
import structlog
from django.utils.translation import gettext as _

from apps.providers.errors import (
    BudgetSpent,
    CallNotAllowed,
    Forbidden,
    NotFound,
    NotSent,
    ProviderError,
    RateLimited,
    Refused,
    TooLarge,
    Unauthorized,
    Unclear,
)
from apps.providers.guard import check_allowed, register_guard, unregister_guard, worker_scope
from apps.providers.hosts import is_named_loopback
from apps.providers.masking import MASK, mask_text
from apps.providers.records.keys import fits
from apps.providers.wire import CallState, Wire, current_call, in_words

__all__ = [
    "Answer",
    "Channel",
    "ErrorWords",
    "check_allowed",
    "failure_of",
    "register_guard",
    "unregister_guard",
    "worker_scope",
]

USER_AGENT = b"Orgdesk/0.1"
READ_ATTEMPTS = 3
READ_WAIT = 0.15  # seconds before the second attempt, and as much jitter
LONGEST_WAIT = 3600.0  # seconds: a Retry-After beyond that is a mistake
LONGEST_WORDS, LONGEST_CODE, LONGEST_REQUEST_ID = 500, 80, 120  # characters, as the outbox keeps
NEVER_LEFT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpcore2.ConnectError,
    httpcore2.ConnectTimeout,
    httpcore2.PoolTimeout,
    httpcore2.UnsupportedProtocol,
)

log = structlog.get_logger("apps.providers")

# The clients' own debug logs print request headers, the key among them. Ours say what is needed.
for _name in ("httpx2", "httpcore2", "anthropic"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer: its status, headers, whole body and the provider's id of the request."""

    status: int
    headers: httpx2.Headers
    body: bytes = field(repr=False)  # may hold what no traceback should show
    request_id: str


@dataclass(frozen=True, slots=True)
class ErrorWords:
    """What an error body says: ``genuine`` is false where it is no error of the application itself
    (a proxy's page, an unknown route), so that its 404 says nothing of the object."""

    message: str = ""
    code: str = ""
    genuine: bool = False


class _Guarded(httpx2.BaseTransport):
    """Lets through what ``Channel.call`` sends, reads the whole answer within deadline and limit."""

    def __init__(self, inner: httpx2.BaseTransport, answer_limit: int) -> None:
        self._inner = inner
        self._answer_limit = answer_limit

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        check_allowed()
        call = current_call.get()
        if call is None:
            raise CallNotAllowed("A remote request around the adapter.")
        answer = self._inner.handle_request(_as_sent(request))
        with closing(answer):
            body = self._read(answer, call)
        headers = [
            (name, value)
            for name, value in answer.headers.raw
            if name.lower() not in (b"content-encoding", b"content-length", b"transfer-encoding")
        ]
        return httpx2.Response(answer.status_code, headers=headers, content=body)

    def _read(self, answer: httpx2.Response, call: CallState) -> bytes:
        unpack = _unpacker(answer.headers.get("content-encoding", ""))
        parts: list[bytes] = []
        room = self._answer_limit
        stream = cast("Iterable[bytes]", answer.stream)
        for part in itertools.chain(stream, [b""]):
            if call.left() <= 0:
                raise Unclear(_("The answer did not arrive in time."), status=answer.status_code)
            for piece in unpack(part):
                room -= len(piece)
                if room < 0:
                    raise TooLarge(
                        _("The answer is larger than %(limit)s bytes.")
                        % {"limit": self._answer_limit},
                        status=answer.status_code,
                    )
                parts.append(piece)
        return b"".join(parts)

    def close(self) -> None:
        self._inner.close()


def _as_sent(request: httpx2.Request) -> httpx2.Request:
    """The request under our own name, without what the SDK tells of the machine it runs on."""
    headers = [
        (name, value)
        for name, value in request.headers.raw
        if not name.lower().startswith((b"x-stainless-", b"user-agent", b"accept-encoding"))
    ]
    headers += [(b"User-Agent", USER_AGENT), (b"Accept-Encoding", b"gzip")]
    return httpx2.Request(
        request.method,
        request.url,
        headers=headers,
        stream=request.stream,
        extensions=request.extensions,
    )


def _unpacker(encoding: str) -> Callable[[bytes], Iterable[bytes]]:
    """Undo the content encoding in bounded pieces, so that the limit holds for what comes out.

    An empty part ends the body.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return lambda part: (part,)
    if encoding not in ("gzip", "x-gzip"):
        raise Unclear(_("The answer is packed in a way that was not asked for."))
    machine = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def unpack(part: bytes) -> Iterable[bytes]:
        if not part:
            yield machine.flush()
        while part:
            yield machine.decompress(part, 1 << 20)
            part = machine.unconsumed_tail

    return unpack


class Channel:
    """The way to one remote account.

    ``client`` is for the SDK or a thin client to send with, inside ``call`` alone. ``deadline`` is
    in seconds and covers one call with its repetitions; ``answer_limit`` is in bytes, unpacked.
    ``secret`` is the credential, to mask it should an answer quote it; the client sends it.
    ``before_request(write)`` is called before every request and may raise BudgetSpent;
    ``on_rate_limited(seconds)`` after every 429, ``on_outcome("ok" or the error's name)`` after every
    request.
    """

    def __init__(
        self,
        *,
        base_url: str,
        secret: str,
        deadline: float,
        answer_limit: int,
        before_request: Callable[[bool], None] | None = None,
        on_rate_limited: Callable[[float | None], None] | None = None,
        on_outcome: Callable[[str], None] | None = None,
        private_addresses: bool = False,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        url = httpx2.URL(base_url)
        if url.scheme != "https" and not (url.scheme == "http" and is_named_loopback(url.host)):
            raise NotSent(_("The base URL must begin with https://."))
        wire = transport or Wire(private_addresses=private_addresses)
        self._secret = secret
        self._deadline = deadline
        self._before_request = before_request
        self._on_rate_limited = on_rate_limited
        self._on_outcome = on_outcome
        self.client = httpx2.Client(
            base_url=base_url,
            transport=_Guarded(wire, answer_limit),
            follow_redirects=False,
            trust_env=False,  # no proxies, no netrc: the environment must not redirect a credential
            timeout=deadline,
        )

    def close(self) -> None:
        """Give back the connections."""
        self.client.close()

    def uses(self, hint: str) -> bool:
        """Whether ``hint``, what is shown of a key, fits the one that is sent here."""
        return fits(hint, self._secret)

    def call(
        self,
        operation: str,
        send: Callable[[], httpx2.Response],
        *,
        write: bool,
        read_words: Callable[[httpx2.Response], ErrorWords],
    ) -> Answer:
        """Send one request and return its 2xx answer, or raise one of ``errors``.

        ``operation`` is the contract's method and path template, for the log. Reads are repeated up
        to twice after Unclear or NotSent while time is left; writes are sent once.
        """
        check_allowed()
        self._budget(write)  # waiting for our own share is not the provider's time
        ends_at = time.monotonic() + self._deadline
        attempts = 1 if write else READ_ATTEMPTS
        for attempt in stamina.retry_context(
            on=lambda error: _worth_repeating(error) and time.monotonic() < ends_at,
            attempts=attempts,
            timeout=self._deadline,
            wait_initial=READ_WAIT,
            wait_jitter=READ_WAIT,
            wait_max=1.0,
        ):
            with attempt:
                if attempt.num > 1:
                    self._budget(write)
                return self._attempt(operation, send, ends_at, read_words)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _budget(self, write: bool) -> None:
        if self._before_request is not None:
            self._before_request(write)

    def _attempt(
        self,
        operation: str,
        send: Callable[[], httpx2.Response],
        ends_at: float,
        read_words: Callable[[httpx2.Response], ErrorWords],
    ) -> Answer:
        call = CallState(ends_at)
        token = current_call.set(call)
        began = time.monotonic()
        try:
            response, failure = _sent(send, call)
        finally:
            current_call.reset(token)
        if response is not None:
            failure = failure_of(response, read_words)
        request_id = "" if response is None else request_id_of(response)
        request_id = self._without_secret(request_id, LONGEST_REQUEST_ID)
        status = None if response is None else response.status_code
        outcome = type(failure).__name__ if failure is not None else "ok"
        _note(operation, status, request_id, outcome, time.monotonic() - began)
        if self._on_outcome:
            self._on_outcome(outcome)
        if response is not None and failure is None:
            body = response.content
            if b"\\" in body:  # one byte is looked for many times as fast as six
                body = body.replace(b"\\u0000", b"\\ufffd")  # PostgreSQL stores no NUL
            return Answer(response.status_code, response.headers, body, request_id)
        failure = self._mask(failure or Unclear(_("There was no answer.")))
        if isinstance(failure, RateLimited) and failure.status == 429 and self._on_rate_limited:
            self._on_rate_limited(failure.retry_after)
        raise failure

    def _without_secret(self, words: str, longest: int) -> str:
        """The provider's words, without the credential should they quote it."""
        return mask_text(words.replace(self._secret, MASK))[:longest]

    def _mask(self, failure: ProviderError) -> ProviderError:
        failure.message = self._without_secret(failure.message, LONGEST_WORDS)
        failure.code = self._without_secret(failure.code, LONGEST_CODE)
        failure.request_id = self._without_secret(failure.request_id, LONGEST_REQUEST_ID)
        failure.args = (failure.message,)
        return failure


def _worth_repeating(error: Exception) -> bool:
    # A 404 of something in front of the provider (an unknown route) is the same the next time.
    if isinstance(error, Unclear):
        return error.status != 404 and not isinstance(error, TooLarge)
    return isinstance(error, NotSent)


def _sent(
    send: Callable[[], httpx2.Response], call: CallState
) -> tuple[httpx2.Response | None, ProviderError | None]:
    """Send; failures are returned, not raised, so that no traceback of ours holds the request."""
    try:
        return send(), None
    except (BudgetSpent, CallNotAllowed):
        raise
    except ProviderError as error:
        return None, error.with_traceback(None)
    except NEVER_LEFT as error:
        if not call.sent:
            return None, NotSent(
                _("The provider could not be reached: %(why)s") % {"why": in_words(error)}
            )
        return None, Unclear(_("The connection was lost: %(why)s") % {"why": in_words(error)})
    except (httpx2.TimeoutException, httpcore2.TimeoutException):
        return None, Unclear(_("The provider did not answer in time."))
    except (httpx2.HTTPError, httpcore2.NetworkError, httpcore2.ProtocolError) as error:
        return None, Unclear(_("The connection was lost: %(why)s") % {"why": in_words(error)})
    except zlib.error:
        return None, Unclear(_("The answer cannot be unpacked."))
    except Exception as error:  # noqa: BLE001 a client's own fault: its frames hold the key, so it goes no further
        kind = Unclear if call.sent else NotSent
        return None, kind(_("The client failed: %(why)s") % {"why": type(error).__name__})


def failure_of(
    response: httpx2.Response, read_words: Callable[[httpx2.Response], ErrorWords]
) -> ProviderError | None:
    """What an answer's status and body mean; None for a success."""
    status = response.status_code
    words = read_words(response)
    if 200 <= status < 300 and not words.message and not words.code:
        return None
    kind = _kind_of(status, words)
    message = words.message or _own_words(status)
    return kind(
        message,
        status=status,
        code=words.code,
        request_id=request_id_of(response),
        retry_after=retry_after(response.headers) if status in (429, 503) else None,
    )


def _kind_of(status: int, words: ErrorWords) -> type[ProviderError]:
    if status == 404 and not words.genuine:
        return Unclear  # a proxy or an unknown route speaks: nothing is said of the object itself
    by_status: dict[int, type[ProviderError]] = {
        401: Unauthorized,
        403: Forbidden,
        404: NotFound,
        408: Unclear,
        429: Refused if words.code == "SPEND_LIMIT_EXCEEDED" else RateLimited,
    }
    if status in by_status:
        return by_status[status]
    return Refused if 200 <= status < 300 or 400 <= status < 500 else Unclear


def _own_words(status: int) -> str:
    if 300 <= status < 400:
        return _("The provider answered with a redirect (%(status)s), which is not followed.") % {
            "status": status
        }
    if status == 429:
        return _("The provider asks for a pause (429).")
    return _("The provider answered %(status)s without saying why.") % {"status": status}


def request_id_of(response: httpx2.Response) -> str:
    """The provider's id of the request, for its support; "" if it sent none."""
    headers = response.headers
    return str(headers.get("request-id") or headers.get("x-request-id") or "")


def retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds to wait, from Retry-After (seconds or date) or Anthropic's reset time; None if unsaid."""
    said = headers.get("retry-after", "").strip()
    seconds = _as_seconds(said)
    if seconds is None and said:
        seconds = _until(_http_date(said))
    if seconds is None:
        seconds = _until(_rfc3339(headers.get("anthropic-ratelimit-requests-reset", "")))
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_WAIT)


def _as_seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return None if seconds != seconds else seconds


def _http_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None


def _rfc3339(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _until(moment: datetime | None) -> float | None:
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - datetime.now(UTC)).total_seconds()


def _note(
    operation: str,
    status: int | None,
    request_id: str,
    outcome: str,
    seconds: float,
) -> None:
    """One log line a request: never headers, never bodies, never the query (addresses stand there)."""
    log.info(
        "remote_call",
        operation=operation,
        status=status,
        remote_request_id=request_id,
        outcome=outcome,
        ms=round(seconds * 1000, 1),
    )


def garbled(answer: Answer, what: str) -> Unclear:
    """What a 2xx answer that makes no sense is: for a write, it may or may not have happened."""
    error = Unclear(
        _("The provider's answer cannot be read: %(what)s") % {"what": what},
        status=answer.status,
        request_id=answer.request_id,
    )
    error.garbled = True
    return error
