"""The credential turns up nowhere but in the request, whatever fails."""

import io
import logging
import socket
import traceback
from collections.abc import Callable, Iterator

import httpx2
import pytest
import structlog

from apps.providers import errors
from apps.providers.adapters import open_adapter
from tests.providers.canary import CANARY
from tests.providers.conftest import over_memory
from tests.providers.test_http import served
from tests.providers.test_reading import every_call

BOTH = pytest.mark.parametrize("provider", ["anthropic", "cline"])


def raises(error: Exception) -> Callable[[httpx2.Request], httpx2.Response]:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise error

    return handler


def echoes(status: int) -> Callable[[httpx2.Request], httpx2.Response]:
    """A provider that quotes the credential back, in its words and in its headers."""

    def handler(request: httpx2.Request) -> httpx2.Response:
        quoted = request.headers.get("x-api-key") or request.headers["authorization"]
        words = f"invalid key {quoted} " + "x" * 480 + quoted
        body = {
            "type": "error",
            "success": False,
            "error": {"type": quoted, "message": words, "code": quoted},
        }
        return httpx2.Response(status, json=body, headers={"x-request-id": quoted})

    return handler


FAILURES: list[Callable[[httpx2.Request], httpx2.Response]] = [
    *(echoes(status) for status in (200, 302, 400, 401, 403, 404, 408, 409, 429, 500, 529)),
    raises(httpx2.ConnectError("refused")),
    raises(httpx2.ReadTimeout("slow")),
    raises(httpx2.RemoteProtocolError("nonsense")),
    raises(ValueError("a bug of the client's")),
    lambda _: httpx2.Response(200, content=b"<<garbage>>"),
    lambda _: httpx2.Response(200, content=b"{}"),
]


@pytest.fixture
def everything_logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """All that any logger says, down to DEBUG, and all that structlog is told."""
    # A logger keeps the set-up of its first line; an earlier test may have set structlog up anew.
    monkeypatch.setattr("apps.providers.http.log", structlog.get_logger("apps.providers"))
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    with structlog.testing.capture_logs() as lines:
        yield said
        said.write(repr(lines))
    root.removeHandler(handler)
    root.setLevel(level)


def told(error: BaseException) -> str:
    """Everything that a report of the error could show, local variables of all its frames included."""
    parts = [repr(error), str(error), repr(vars(error))]
    seen: BaseException | None = error
    while seen is not None:
        frames = seen.__traceback__
        if seen is error and frames is not None:
            frames = frames.tb_next  # the test's own frame may speak of canaries
        trace = traceback.TracebackException(
            type(seen), seen, frames, capture_locals=True, compact=False
        )
        parts += trace.format()
        seen = seen.__cause__ or seen.__context__
    return "\n".join(parts)


@BOTH
@pytest.mark.parametrize("failure", range(len(FAILURES)))
def test_no_failure_tells_the_credential(
    worker: None, everything_logged: io.StringIO, provider: str, failure: int
) -> None:
    adapter = over_memory(provider, FAILURES[failure], deadline=0.05)
    failed = list(filter(None, map(failure_of, every_call(adapter))))
    assert failed
    for error in failed:
        assert "canary" not in told(error)
    assert "canary" not in repr(adapter)
    assert "canary" not in everything_logged.getvalue()


def failure_of(call: Callable[[], object]) -> errors.ProviderError | None:
    try:
        call()
    except errors.ProviderError as error:
        return error
    return None


@BOTH
def test_no_failure_of_a_real_connection_tells_the_credential(
    worker: None, everything_logged: io.StringIO, provider: str
) -> None:
    def reset(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")

    with served(reset) as base_url:
        adapter = open_adapter(
            provider,
            base_url=base_url,
            credential=CANARY[provider],
            remote_organization_id="org-1",
            deadline=0.5,
            answer_limit=1000,
        )
        for call in every_call(adapter):
            error = failure_of(call)
            assert error is not None
            assert "canary" not in told(error)
        adapter.close()
    assert "canary" not in everything_logged.getvalue()


@BOTH
@pytest.mark.parametrize("spoiled", ["{}\n", "{}\r\nX-More: 1", "{}ü", "{} x", "\x00{}", ""])
def test_a_credential_that_cannot_be_sent_is_refused_without_quoting_it(
    worker: None, provider: str, spoiled: str
) -> None:
    wanted = spoiled.format("canary-and-more")
    if wanted.strip() == "canary-and-more":
        over_memory(provider, FAILURES[0], credential=wanted).close()
        return
    with pytest.raises(errors.Unauthorized) as caught:
        over_memory(provider, FAILURES[0], credential=wanted)
    assert "canary" not in repr(caught.value)


@BOTH
def test_a_request_id_or_code_that_quotes_the_credential_is_masked(
    worker: None, provider: str
) -> None:
    adapter = over_memory(provider, echoes(400))
    with pytest.raises(errors.Refused) as caught:
        adapter.remove_member("m-1")
    assert "•••" in caught.value.message
    assert "canary" not in caught.value.code + caught.value.request_id


@BOTH
def test_what_a_provider_says_is_cut_to_what_is_kept(worker: None, provider: str) -> None:
    words = {"message": "m" * 5000, "code": "c" * 5000, "details": {"error_code": "c" * 5000}}
    answer = httpx2.Response(
        400, json={"type": "error", "error": words}, headers={"request-id": "r" * 5000}
    )
    with pytest.raises(errors.Refused) as caught:
        over_memory(provider, lambda _: answer).remove_member("m-1")
    error = caught.value
    assert (len(error.message), len(error.code), len(error.request_id)) == (500, 80, 120)
