"""Bytes on the wire: a connection pool that keeps the whole call's deadline and checks addresses.

A timeout per read is not a deadline: a server that drips a byte now and then outlives it. Here each
read, write and connect gets what is left of the call. It also notes whether a byte of the request
has left, which is what tells "not sent" from "unclear".
"""

import errno
import functools
import ipaddress
import re
import socket
import ssl
import time
import typing
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass

import httpcore2
import httpx2
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.providers.hosts import is_named_loopback, is_public
from apps.providers.protocol import Words


@dataclass(slots=True)
class CallState:
    """One request under way: when it must have ended (monotonic seconds), and whether a byte has left."""

    ends_at: float
    sent: bool = False

    def left(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self.ends_at - time.monotonic())


current_call: ContextVar[CallState | None] = ContextVar("orgdesk_remote_call", default=None)


@functools.lru_cache(maxsize=1)
def tls() -> ssl.SSLContext:
    """The machine's trusted authorities (SSL_CERT_FILE is heeded); loading them takes 20 ms, so once."""
    return httpx2.create_ssl_context()


def _seconds(timeout: float | None, exceeded: type[Exception]) -> float | None:
    call = current_call.get()
    if call is None:
        return timeout
    left = call.left()
    if left <= 0:
        raise exceeded(_("the call's deadline has passed"))
    return left if timeout is None else min(left, timeout)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _seconds(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        timeout = _seconds(timeout, httpcore2.WriteTimeout)
        call = current_call.get()
        if buffer and call is not None:
            call.sent = True
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        timeout = _seconds(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> typing.Any:
        return self._inner.get_extra_info(info)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class _Backend(httpcore2.NetworkBackend):
    """Connects within the deadline, and a name only to public addresses.

    A name on the allow-list that suddenly resolves into the private network is somebody's trick; an
    address, or localhost, was written there on purpose: unless it was ``typed`` in by somebody whom
    nobody has checked. What the deadline cannot cut short is the name server: its own time limits
    hold there.
    """

    def __init__(self, private_addresses: bool, typed: bool) -> None:
        self._inner = httpcore2.SyncBackend()
        self._private_addresses = private_addresses
        self._typed = typed

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        failure: Exception = httpcore2.ConnectError(_("no address"))
        for address in self._addresses(host, port):
            seconds = _seconds(timeout, httpcore2.ConnectTimeout)
            try:
                return _Stream(
                    self._inner.connect_tcp(address, port, seconds, local_address, socket_options)
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    def _addresses(self, host: str, port: int) -> list[str]:
        if _is_address(host):
            if self._typed and not is_public(host):
                raise httpcore2.ConnectError(_("it is a private address"))
            return [host]
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore2.ConnectError(_("the host's name was not found")) from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if is_named_loopback(host) and not self._typed:
            return [one for one in addresses if ipaddress.ip_address(one).is_loopback]
        private = [one for one in addresses if not is_public(one)]
        if private and not self._private_addresses:
            raise httpcore2.ConnectError(_("the host's name leads to a private address"))
        return addresses

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Wire(httpx2.BaseTransport):
    """The transport of real calls; ``CallState.sent`` tells whether a byte of the request has left.

    ``typed``: the host was typed in by a user and stands on no list, so not even an address written
    out may be a private one.
    """

    def __init__(self, *, private_addresses: bool = False, typed: bool = False) -> None:
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls(),
            max_connections=4,
            # Shorter than what servers keep: a connection closed under a write's feet is "unclear".
            keepalive_expiry=4.0,
            network_backend=_Backend(private_addresses, typed),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; the answer's body is still to be read from its stream."""
        url = request.url
        outgoing = httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=typing.cast("Iterable[bytes]", request.stream),
            extensions=request.extensions,
        )
        answer = self._pool.handle_request(outgoing)
        return httpx2.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(typing.cast("Iterable[bytes]", answer.stream)),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


class _Body(httpx2.SyncByteStream):
    def __init__(self, inner: Iterable[bytes]) -> None:
        self._inner = inner

    def __iter__(self) -> typing.Iterator[bytes]:
        yield from self._inner

    def close(self) -> None:
        close = getattr(self._inner, "close", None)
        if close is not None:
            close()


# What the operating system says, as people say it.
PLAIN: dict[int, Words] = {
    errno.ECONNRESET: gettext_lazy("the other side broke it off"),
    errno.EPIPE: gettext_lazy("the other side broke it off"),
    errno.ECONNREFUSED: gettext_lazy("nobody answers at its address"),
    errno.ETIMEDOUT: gettext_lazy("there was no answer in time"),
    errno.EHOSTUNREACH: gettext_lazy("there is no way to it from here"),
    errno.ENETUNREACH: gettext_lazy("there is no way to it from here"),
}
_ERRNO = re.compile(r"^\[Errno (\d+)\] ")


def in_words(error: Exception) -> str:
    """An exception of the network in a few words. These never quote headers or bodies."""
    said = (str(error) or type(error).__name__)[:200]
    number = _ERRNO.match(said)
    if number is None:
        return said
    technical = said[number.end() :]
    plain = PLAIN.get(int(number[1]))
    return f"{plain} ({technical})" if plain else technical
