"""What a remote request may do, how long, how large, and what its outcome means."""

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpcore2
import httpx2
import pytest
import structlog

from apps.providers import errors
from apps.providers.adapters import open_adapter
from apps.providers.guard import register_guard, unregister_guard, worker_scope
from apps.providers.http import retry_after
from tests.providers.canary import CANARY

ANTHROPIC_ERROR = {
    "type": "error",
    "error": {"type": "some_error", "message": "the provider's own words"},
    "request_id": "req_1",
}
CLINE_ERROR = {"success": False, "error": "the provider's own words"}
BOTH = pytest.mark.parametrize("provider", ["anthropic", "cline"])


def error_body(provider: str) -> dict[str, Any]:
    return ANTHROPIC_ERROR if provider == "anthropic" else CLINE_ERROR


def outcome(call: Callable[[], object]) -> errors.ProviderError:
    with pytest.raises(errors.ProviderError) as caught:
        call()
    return caught.value


STATUSES: list[tuple[int, type[errors.ProviderError]]] = [
    (301, errors.Unclear),
    (307, errors.Unclear),
    (400, errors.Refused),
    (401, errors.Unauthorized),
    (402, errors.Refused),
    (403, errors.Forbidden),
    (404, errors.NotFound),
    (405, errors.Refused),
    (408, errors.Unclear),
    (409, errors.Refused),
    (410, errors.Refused),
    (413, errors.Refused),
    (422, errors.Refused),
    (429, errors.RateLimited),
    (500, errors.Unclear),
    (502, errors.Unclear),
    (503, errors.Unclear),
    (504, errors.Unclear),
    (529, errors.Unclear),
]


@BOTH
@pytest.mark.parametrize(("status", "kind"), STATUSES)
def test_every_status_means_what_the_outbox_takes_it_for(
    adapter_for: Callable[..., Any], provider: str, status: int, kind: type[errors.ProviderError]
) -> None:
    headers = {"request-id": "req_9", "location": "https://elsewhere.example/"}
    adapter = adapter_for(
        provider, lambda _: httpx2.Response(status, json=error_body(provider), headers=headers)
    )
    error = outcome(lambda: adapter.withdraw_invite("invite_1"))
    assert type(error) is kind
    assert error.message == "the provider's own words"
    assert (error.status, error.request_id) == (status, "req_9")


@BOTH
@pytest.mark.parametrize(
    ("thrown", "kind"),
    [
        (httpx2.ConnectError("refused"), errors.NotSent),
        (httpx2.ConnectTimeout("slow"), errors.NotSent),
        (httpx2.PoolTimeout("busy"), errors.NotSent),
        (httpx2.UnsupportedProtocol("gopher"), errors.NotSent),
        (httpx2.ReadTimeout("slow"), errors.Unclear),
        (httpx2.WriteTimeout("slow"), errors.Unclear),
        (httpx2.ReadError("reset"), errors.Unclear),
        (httpx2.WriteError("reset"), errors.Unclear),
        (httpx2.RemoteProtocolError("nonsense"), errors.Unclear),
        (httpcore2.ConnectError("refused"), errors.NotSent),
        (httpcore2.ReadError("reset"), errors.Unclear),
        (httpcore2.RemoteProtocolError("nonsense"), errors.Unclear),
    ],
)
def test_every_failure_of_the_network_says_whether_it_may_have_happened(
    adapter_for: Callable[..., Any],
    provider: str,
    thrown: Exception,
    kind: type[errors.ProviderError],
) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise thrown

    assert (
        type(outcome(lambda: adapter_for(provider, handler).invite("a@b.example", "user"))) is kind
    )


@BOTH
@pytest.mark.parametrize(
    "body", [b"", b"<html>Bad gateway</html>", b"{", b'"fine"', b"null", b"\xff\xfe", b"{}"]
)
def test_an_answer_that_cannot_be_read_is_unclear_for_an_invite(
    adapter_for: Callable[..., Any], provider: str, body: bytes
) -> None:
    adapter = adapter_for(provider, lambda _: httpx2.Response(200, content=body))
    assert type(outcome(lambda: adapter.invite("a@b.example", "user"))) is errors.Unclear
    assert type(outcome(adapter.members)) is errors.Unclear


@BOTH
@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_answer_that_is_nested_too_deep_is_an_error_like_any_other(
    adapter_for: Callable[..., Any], provider: str, status: int
) -> None:
    body = b"[" * 100_000 + b"]" * 100_000
    for document in (body, b'{"data":' + body + b"}", b'{"error":' + body + b"}"):
        adapter = adapter_for(provider, lambda _, it=document: httpx2.Response(status, content=it))
        expected = errors.Refused if status == 400 else errors.Unclear
        assert type(outcome(lambda: adapter.invite("a@b.example", "user"))) is expected  # noqa: B023 called at once
        assert type(outcome(adapter.members)) is expected


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (ConnectionResetError(104, "Connection reset by peer"), "the other side broke it off"),
        (ConnectionRefusedError(111, "Connection refused"), "nobody answers at its address"),
        (OSError(5, "Input/output error"), "Input/output error"),
    ],
)
@BOTH
def test_what_the_system_says_of_the_network_reaches_readers_in_plain_words(
    adapter_for: Callable[..., Any], provider: str, said: OSError, words: str
) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadError(str(said)) from said

    message = outcome(lambda: adapter_for(provider, handler).invite("a@b.example", "user")).message
    assert message.startswith(f"The connection was lost: {words}")
    assert str(said.strerror) in message
    assert "Errno" not in message


@BOTH
def test_a_404_from_something_in_front_of_the_provider_does_not_mean_gone(
    adapter_for: Callable[..., Any], provider: str
) -> None:
    for answer in (
        httpx2.Response(404, text="<html>no such host</html>"),
        httpx2.Response(404, json={"error": "Not Found"}),
    ):
        adapter = adapter_for(provider, lambda _, answer=answer: answer)
        assert type(outcome(lambda: adapter.remove_member("m-1"))) is errors.Unclear  # noqa: B023 called at once


@BOTH
def test_writes_are_sent_once_whatever_happens(
    adapter_for: Callable[..., Any], provider: str
) -> None:
    seen: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.method)
        if len(seen) % 2:
            return httpx2.Response(500)
        raise httpx2.ReadTimeout("slow")

    adapter = adapter_for(provider, handler)
    writes = [
        lambda: adapter.invite("a@b.example", "user"),
        lambda: adapter.withdraw_invite("i-1"),
        lambda: adapter.change_role("m-1", "user"),
        lambda: adapter.remove_member("m-1"),
    ]
    for number, write in enumerate(writes, start=1):
        assert type(outcome(write)) is errors.Unclear
        assert len(seen) == number


@BOTH
def test_reads_are_repeated_after_a_passing_failure_and_each_is_budgeted(
    adapter_for: Callable[..., Any], provider: str
) -> None:
    answers = [httpx2.Response(502), httpx2.Response(200, json=empty_list(provider))]
    taken: list[bool] = []
    adapter = adapter_for(provider, lambda _: answers.pop(0), before_request=taken.append)
    assert adapter.members().rows == []
    assert taken == [False, False]


@BOTH
def test_reads_are_not_repeated_when_the_provider_asks_for_a_pause(
    adapter_for: Callable[..., Any], provider: str
) -> None:
    paused: list[float | None] = []
    answer = httpx2.Response(429, json=error_body(provider), headers={"Retry-After": "7"})
    adapter = adapter_for(provider, lambda _: answer, on_rate_limited=paused.append)
    error = outcome(adapter.members)
    assert (type(error), error.retry_after, paused) == (errors.RateLimited, 7.0, [7.0])


@BOTH
def test_nothing_is_sent_once_the_budget_is_spent(
    adapter_for: Callable[..., Any], provider: str
) -> None:
    seen: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.method)
        return httpx2.Response(500)

    def spent(write: bool) -> None:
        raise errors.BudgetSpent("later", retry_after=3.0)

    adapter = adapter_for(provider, handler, before_request=spent)
    assert type(outcome(adapter.members)) is errors.BudgetSpent
    assert type(outcome(lambda: adapter.remove_member("m-1"))) is errors.BudgetSpent
    assert seen == []


@BOTH
def test_redirects_are_not_followed(adapter_for: Callable[..., Any], provider: str) -> None:
    seen: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.url.host)
        return httpx2.Response(302, headers={"location": "https://elsewhere.example/"})

    error = outcome(adapter_for(provider, handler).probe)
    assert type(error) is errors.Unclear
    assert "redirect" in error.message
    assert set(seen) == {"remote.example"}


# --- Where a call may happen -----------------------------------------------------------------------


def test_an_adapter_cannot_be_opened_outside_a_worker() -> None:
    with pytest.raises(errors.CallNotAllowed):
        open_adapter(
            "cline",
            base_url="https://remote.example",
            credential=CANARY["cline"],
            deadline=1.0,
            answer_limit=1000,
        )


@BOTH
def test_an_adapter_carried_out_of_its_worker_sends_nothing(provider: str) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise AssertionError("it was sent")

    with worker_scope():
        adapter = open_adapter(
            provider,
            base_url="https://remote.example",
            credential=CANARY[provider],
            deadline=1.0,
            answer_limit=1000,
            transport=httpx2.MockTransport(handler),
        )
    with pytest.raises(errors.CallNotAllowed):
        adapter.members()


@BOTH
def test_a_registered_guard_forbids_calls(adapter_for: Callable[..., Any], provider: str) -> None:
    def transaction_is_open() -> None:
        raise errors.CallNotAllowed("A transaction is open.")

    adapter = adapter_for(provider, lambda _: httpx2.Response(200, json=empty_list(provider)))
    register_guard(transaction_is_open)
    try:
        with pytest.raises(errors.CallNotAllowed):
            adapter.members()
    finally:
        unregister_guard(transaction_is_open)
    assert adapter.members().rows == []


@BOTH
def test_the_client_cannot_be_used_around_the_adapter(
    adapter_for: Callable[..., Any], provider: str
) -> None:
    adapter = adapter_for(provider, lambda _: httpx2.Response(200))
    with pytest.raises(errors.CallNotAllowed):
        adapter._channel.client.get("/")


# --- How long and how large ------------------------------------------------------------------------


@contextmanager
def served(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server on loopback that reads one request per connection and then does what it is told."""
    listener = socket.create_server(("127.0.0.1", 0))
    stopped = threading.Event()

    def run() -> None:
        while not stopped.is_set():
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.recv(65536)
                try:
                    behave(peer)
                except OSError:
                    continue

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stopped.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def drip(*, after: bytes) -> Callable[[socket.socket], None]:
    """Sends ``after``, then a byte every 50 ms for 10 seconds: no read ever times out."""

    def behave(peer: socket.socket) -> None:
        peer.sendall(after)
        for _ in range(200):
            peer.sendall(b" ")
            time.sleep(0.05)

    return behave


@BOTH
@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"],
    ids=["headers", "body"],
)
def test_a_server_that_drips_does_not_outlive_the_deadline(
    worker: None, provider: str, start: bytes
) -> None:
    with served(drip(after=start)) as base_url:
        adapter = real(provider, base_url, deadline=0.5)
        began = time.monotonic()
        error = outcome(lambda: adapter.remove_member("m-1"))
        took = time.monotonic() - began
        adapter.close()
    assert type(error) is errors.Unclear
    assert 0.4 < took < 3.0


def real(provider: str, base_url: str, **options: Any) -> Any:
    chosen: dict[str, Any] = {"deadline": 5.0, "answer_limit": 1 << 20, **options}
    return open_adapter(
        provider,
        base_url=base_url,
        credential=CANARY[provider],
        remote_organization_id="org-1",
        **chosen,
    )


@BOTH
def test_a_refused_connection_was_not_sent(worker: None, provider: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    adapter = real(provider, f"http://127.0.0.1:{port}")
    assert type(outcome(lambda: adapter.invite("a@b.example", "user"))) is errors.NotSent
    adapter.close()


@BOTH
@pytest.mark.parametrize(
    "behave",
    [
        lambda peer: None,
        lambda peer: peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
    ],
    ids=["before the answer", "within the answer"],
)
def test_a_connection_that_ends_early_is_unclear(
    worker: None, provider: str, behave: Callable[[socket.socket], None]
) -> None:
    with served(behave) as base_url:
        adapter = real(provider, base_url)
        assert type(outcome(lambda: adapter.invite("a@b.example", "user"))) is errors.Unclear
        adapter.close()


@BOTH
@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_beyond_the_limit_is_dropped(
    adapter_for: Callable[..., Any], provider: str, packed: bool
) -> None:
    body = b'{"data": "' + b"x" * 5_000_000 + b'"}'
    headers = {"content-encoding": "gzip"} if packed else {}
    answer = httpx2.Response(
        200, stream=httpx2.ByteStream(gzip.compress(body) if packed else body), headers=headers
    )
    adapter = adapter_for(provider, lambda _: answer, answer_limit=1_000_000)
    error = outcome(lambda: adapter.change_role("m-1", "user"))
    assert type(error) is errors.TooLarge
    assert isinstance(error, errors.Unclear)  # for a write: it may have happened
    assert "larger" in error.message
    asked: list[int] = []

    def count(_: httpx2.Request) -> httpx2.Response:
        asked.append(1)
        return httpx2.Response(200, stream=httpx2.ByteStream(body))

    adapter = adapter_for(provider, count, answer_limit=1_000_000)
    assert type(outcome(adapter.members)) is errors.TooLarge
    assert len(asked) == 1  # it would be as large again


@BOTH
def test_a_packed_answer_is_unpacked(adapter_for: Callable[..., Any], provider: str) -> None:
    body = httpx2.Response(200, json=empty_list(provider)).content
    answer = httpx2.Response(
        200,
        stream=httpx2.ByteStream(gzip.compress(body)),
        headers={"content-encoding": "gzip"},
    )
    assert adapter_for(provider, lambda _: answer).members().rows == []


def test_only_https_and_loopback_are_spoken_to(worker: None) -> None:
    for base_url in (
        "http://remote.example",
        "ftp://127.0.0.1",
        "http://10.0.0.1",
        "remote.example",
    ):
        with pytest.raises(errors.NotSent):
            real("cline", base_url)


def test_a_name_that_leads_into_the_private_network_is_not_spoken_to(
    worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lookup(*_: object, **__: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    adapter = real("cline", "https://api.example")
    error = outcome(lambda: adapter.remove_member("m-1"))
    adapter.close()
    assert type(error) is errors.NotSent
    assert "private" in error.message


def test_a_private_gateway_is_spoken_to_where_the_operator_says_so(
    worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []

    def lookup(host: str, *_: object, **__: object) -> list[Any]:
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    adapter = real("cline", "https://gateway.example", private_addresses=True)
    error = outcome(lambda: adapter.remove_member("m-1"))
    adapter.close()
    assert looked_up[0] == "gateway.example"
    assert type(error) is errors.NotSent
    assert "private" not in error.message  # it was tried, and nobody listens there


# --- What is told, and what is not ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"retry-after": "12"}, 12.0, 12.0),
        ({"retry-after": "0.5"}, 0.5, 0.5),
        ({"retry-after": "-3"}, 0.0, 0.0),
        ({"retry-after": "inf"}, 3600.0, 3600.0),
    ],
)
def test_the_pause_that_a_provider_asks_for_is_read(
    headers: dict[str, str], low: float, high: float
) -> None:
    seconds = retry_after(httpx2.Headers(headers))
    assert seconds is not None
    assert low <= seconds <= high


def test_a_pause_until_a_date_is_read() -> None:
    until = datetime.now(UTC) + timedelta(seconds=90)
    for headers in (
        {"retry-after": format_datetime(until)},
        {"anthropic-ratelimit-requests-reset": until.isoformat()},
        {"retry-after": "soon", "anthropic-ratelimit-requests-reset": f"{until:%FT%TZ}"},
    ):
        seconds = retry_after(httpx2.Headers(headers))
        assert seconds is not None
        assert 60.0 < seconds <= 90.0


@pytest.mark.parametrize("said", [{}, {"retry-after": "soon"}, {"retry-after": "nan"}])
def test_an_unsaid_pause_is_none(said: dict[str, str]) -> None:
    assert retry_after(httpx2.Headers(said)) is None


@BOTH
def test_a_request_carries_the_credential_our_name_and_nothing_of_the_machine(
    adapter_for: Callable[..., Any], provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-from-the-environment")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://elsewhere.example")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    seen: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json=empty_list(provider))

    adapter_for(provider, handler).members()
    headers = seen[0].headers
    assert seen[0].url.host == "remote.example"
    assert headers["user-agent"].startswith("Orgdesk/")
    assert not [name for name in headers if name.startswith("x-stainless")]
    if provider == "anthropic":
        assert headers["x-api-key"] == CANARY[provider]
        assert headers["anthropic-version"] == "2023-06-01"
        assert "authorization" not in headers
    else:
        assert headers["authorization"] == f"Bearer {CANARY[provider]}"


@BOTH
def test_the_log_names_the_operation_and_never_the_query(
    adapter_for: Callable[..., Any], provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A logger keeps the set-up of its first line; an earlier test may have set structlog up anew.
    monkeypatch.setattr("apps.providers.http.log", structlog.get_logger("apps.providers"))
    answer = httpx2.Response(
        200, json=empty_list(provider), headers={"x-request-id": "req_7", "set-cookie": "c=1"}
    )
    adapter = adapter_for(provider, lambda _: answer)
    with structlog.testing.capture_logs() as lines:
        adapter.members_by_email("someone@b.example")
    assert [line["event"] for line in lines] == ["remote_call"]
    assert lines[0]["status"] == 200
    assert lines[0]["remote_request_id"] == "req_7"
    assert lines[0]["operation"].startswith("GET /")
    assert "someone" not in repr(lines)


def empty_list(provider: str) -> dict[str, Any]:
    if provider == "anthropic":
        return {"data": [], "first_id": None, "has_more": False, "last_id": None}
    return {"data": {"items": [], "nextToken": ""}, "success": True}
