"""The door: HTTP/1.1 over plain sockets, one thread a connection, one write an answer.

Also the command line that ``manage.py sandbox`` and ``python -m apps.sandbox`` share.
"""

import argparse
import contextlib
import ipaddress
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import msgspec

from .anthropic.api import Anthropic
from .app import MAX_BODY, Api, App, Request, Response
from .cline import checkout
from .cline.api import Cline
from .control import Control
from .people import SIZES
from .state import State, StateError

DRIPS = 20
GLANCE = 1.0  # seconds: so late is a signal heeded that comes just before a wait for callers


class Door:
    """Listens and passes every request to the App. ``serve`` blocks; ``stop`` ends it."""

    def __init__(self, app: App, host: str = "127.0.0.1", port: int = 0) -> None:
        self.app = app
        self.host = host
        self.stopping = threading.Event()
        self._open = threading.Event()
        self._connections: dict[socket.socket, int] = {}  # and the thread that talks over it
        self._lock = threading.RLock()  # a signal may call stop() from inside serve()
        # Holds the port while ``stop_accepting`` refuses connections, or somebody else might be given it.
        self._holder = self._bound(port)
        self.port: int = self._holder.getsockname()[1]
        self._listener = self._listen()
        self.base_url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        if app.control is not None:
            app.control.stop_accepting = self.stop_accepting

    def _bound(self, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            # Several may be bound to one port as long as none of the others listens.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((self.host, port))
        except OSError:
            bound.close()
            raise
        return bound

    def _listen(self) -> socket.socket:
        listener = self._bound(self.port)
        listener.settimeout(GLANCE)
        listener.listen(256)
        self._open.set()
        return listener

    def serve(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, address = self._listener.accept()
            except OSError:
                # Nobody called for a while; or the listener was shut: for good, or until
                # ``stop_accepting`` opens it again.
                self._open.wait(timeout=GLANCE)
                continue
            threading.Thread(target=self._talk, args=(connection, address), daemon=True).start()

    @property
    def is_open(self) -> bool:
        """Whether connections are taken."""
        return self._open.is_set()

    def _talk(self, connection: socket.socket, address: Any) -> None:
        with self._lock:
            if not self.is_open:  # shut between taking it and here
                connection.close()
                return
            self._connections[connection] = threading.get_ident()
        with contextlib.suppress(OSError):  # the other side may leave at any time
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _Conversation(connection, address, self)  # type: ignore[arg-type] # no socketserver here
        with self._lock:
            self._connections.pop(connection, None)
        with contextlib.suppress(OSError):
            connection.close()

    def _shut(self) -> None:
        with self._lock:
            self._open.clear()
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            for connection, thread in self._connections.items():
                if thread == threading.get_ident():
                    continue  # it ends by itself as soon as its answer is out
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def refuse(self) -> None:
        """Refuse connections until ``accept``, on the same port; open ones are closed."""
        self._shut()

    def accept(self) -> None:
        """Take connections again."""
        if not self.stopping.is_set() and not self.is_open:
            self._listener = self._listen()

    def stop_accepting(self, seconds: float) -> None:
        """Refuse connections for so long."""
        self.refuse()
        accept = threading.Timer(seconds, self.accept)
        accept.daemon = True
        accept.start()

    def stop(self) -> None:
        self.stopping.set()
        self._shut()
        self._open.set()  # nothing is left to wait for
        self._holder.close()


class _Conversation(BaseHTTPRequestHandler):
    """One connection, request after request."""

    protocol_version = "HTTP/1.1"
    server: Any  # the Door

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65_537)
        if not self.raw_requestline or len(self.raw_requestline) > 65_536:
            self.close_connection = True
            return
        if not self.parse_request():
            return  # parse_request has answered
        request = self._request()
        if request is not None:
            self._send(self.server.app.handle(request))
        if not self.server.is_open:  # this very request may have shut the door
            self.close_connection = True

    def _request(self) -> Request | None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        length = headers.get("content-length", "0")
        path, _, query = self.path.partition("?")
        if "transfer-encoding" in headers or not length.isdecimal():
            self.close_connection = True
            self._send(Response(411))
            return None
        if int(length) > MAX_BODY:
            # Read on for a while: closing on unread bytes would reset the answer away.
            self.rfile.read(min(int(length), 16 * MAX_BODY))
            self.close_connection = True
            self._send(self.server.app.refuse_size(path))
            return None
        if path.startswith("/_control") and not self._is_local():
            path = "/v1/unknown"
        return Request(self.command, path, query, headers, self.rfile.read(int(length)))

    def _is_local(self) -> bool:
        return ipaddress.ip_address(self.client_address[0].partition("%")[0]).is_loopback

    def _send(self, response: Response) -> None:
        door: Door = self.server
        if response.delay and response.wire != "drip":
            door.stopping.wait(response.delay)
        if response.wire == "reset":
            # Lingering for no time turns the close into a reset.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if response.wire in ("reset", "silence"):
            self.close_connection = True
            return
        wire = self._bytes(response)
        if response.wire == "cut":
            self.close_connection = True
            wire = wire[: len(wire) - max(1, len(response.body) // 2)]
        elif response.wire == "drip":
            self._drip(wire, response.delay)
            return
        self.connection.sendall(wire)

    def _bytes(self, response: Response) -> bytes:
        phrases = {status.value: status.phrase for status in HTTPStatus} | {529: "Overloaded"}
        lines = [f"HTTP/1.1 {response.status} {phrases.get(response.status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in response.headers]
        if response.status != 204:
            if not any(name == "Content-Type" for name, _ in response.headers):
                lines.append("Content-Type: application/json")
            lines.append(f"Content-Length: {len(response.body)}")
        if self.close_connection:
            lines.append("Connection: close")
        body = b"" if self.command == "HEAD" else response.body
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body

    def _drip(self, wire: bytes, seconds: float) -> None:
        step = max(1, -(-len(wire) // DRIPS))
        for start in range(0, len(wire), step):
            self.connection.sendall(wire[start : start + step])
            if self.server.stopping.wait(seconds / DRIPS):
                return

    def log_message(self, _format: str, *args: Any) -> None:
        """Silent: the journal and the counters are the record."""


def build_app(
    state: State,
    requests_per_minute: int = 100,
    invites_per_hour: int = 1200,
    fast_pages: int = 25,
) -> App:
    """Both APIs over one state; 0 switches the limit in question off."""
    apis: list[Api] = [Anthropic(requests_per_minute, invites_per_hour), Cline(fast_pages)]
    app = App(state, apis, Control())
    app.pages = checkout.answer
    return app


def first_line(door: Door) -> str:
    """One line of JSON: where the sandbox is and the keys it accepts."""
    keys = door.app.state.world.first_keys
    return msgspec.json.encode({"base_url": door.base_url, **keys}).decode()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=9100, help="0 takes any free one")
    parser.add_argument("--host", default="127.0.0.1", help="loopback unless you say otherwise")
    parser.add_argument("--size", choices=list(SIZES), default="small")
    parser.add_argument("--seed", default="orgdesk", help="the same seed makes the same world")
    parser.add_argument("--reset", action="store_true", help="begin the world anew")
    parser.add_argument(
        "--requests-per-minute",
        type=int,
        default=100,
        help="Anthropic's limit per organization; 0 for none",
    )
    parser.add_argument(
        "--invites-per-hour",
        type=int,
        default=1200,
        help="likewise for invites; 0 for none",
    )
    parser.add_argument(
        "--fast-pages",
        type=int,
        default=25,
        help="pages Cline serves in a row; 0 for any number",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until a signal; returns the exit status."""
    folder = Path(os.environ.get("ORGDESK_VAR") or Path(__file__).parents[2] / "var")
    try:
        state = State(options.size, options.seed, folder, options.reset)
        app = build_app(
            state,
            options.requests_per_minute,
            options.invites_per_hour,
            options.fast_pages,
        )
        door = Door(app, options.host, options.port)
    except StateError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(
            f"The sandbox cannot listen on {options.host}:{options.port} ({error.strerror}). "
            "Is another program using the port? Choose one with --port.\n"
        )
        return 1
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: door.stop())
    sys.stdout.write(first_line(door) + "\n")
    sys.stdout.flush()
    door.serve()
    with app.lock:  # a request that is being carried out gets into the log
        state.close()
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="sandbox", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(arguments))
