"""The portal as real processes, any of which may be killed: Redis, the sandbox, workers, beat, web.

Everything lives in one folder and one environment, as a demo's. Each process writes its log there.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from portal.embedded_redis import EmbeddedRedis, die_with_parent, free_port
from tests.sandbox_server import SandboxProcess

ROOT = Path(__file__).parents[1]
NO_LIMITS = ("--requests-per-minute", "0", "--invites-per-hour", "0", "--fast-pages", "0")
START_SECONDS = 120.0  # on a busy machine
LAST_WORDS = 6000  # characters of a log, for a failing test


_logs: dict[int, Path] = {}


class Plant:
    """``environ`` is what the settings read; ``size`` is the sandbox's world, ``limits`` its options."""

    def __init__(
        self,
        folder: Path,
        environ: dict[str, str],
        size: str = "small",
        limits: tuple[str, ...] = NO_LIMITS,
    ) -> None:
        self.folder = folder
        self.redis = EmbeddedRedis()
        self.sandbox = SandboxProcess(folder, "--size", size, *limits)
        self._environ = environ
        self._stack = ExitStack()
        self._running: list[subprocess.Popen[bytes]] = []
        self._number = 0

    def __enter__(self) -> Self:
        self._stack.enter_context(self.redis)
        self._stack.enter_context(self.sandbox)
        self._stack.callback(self._end_all)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def environ(self) -> dict[str, str]:
        """What a process of the portal is started with."""
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "ORGDESK_DEMO": "1",
            "ORGDESK_VAR": str(self.folder),
            "REDIS_URL": self.redis.url,
            "SANDBOX_URL": self.sandbox.base_url,
            **self._environ,
        }

    # --- Processes ------------------------------------------------------------------------------

    def worker(self, *, pool: str = "threads", concurrency: int = 4) -> subprocess.Popen[bytes]:
        """A Celery worker for changes and walks; it takes what there is as soon as it is up."""
        self._number += 1
        options = f"--pool {pool} --concurrency {concurrency} --hostname w{self._number}@%h"
        return self._start("worker", "portal.worker", "actions,walks", *options.split())

    def beat(self) -> subprocess.Popen[bytes]:
        """What sends the sweep every second."""
        return self._start("beat", "celery", "--app", "portal", "beat", "--pidfile=")

    def web(self, threads: int = 4) -> tuple[subprocess.Popen[bytes], str]:
        """The web server and its address, once it answers."""
        port = free_port()
        options = f"--interface wsgi --port {port} --workers 1 --blocking-threads {threads}"
        process = self._start("web", "granian", *options.split(), "portal.wsgi:application")

        def answers() -> bool:
            connection = HTTPConnection("127.0.0.1", port, timeout=2)
            try:
                connection.request("GET", "/readyz")
                return connection.getresponse().status == 200
            except OSError:
                return False
            finally:
                connection.close()

        wait_for(answers, "the web server", process)
        return process, f"http://127.0.0.1:{port}"

    def ready(self, worker: subprocess.Popen[bytes]) -> None:
        """Wait until a worker takes tasks."""
        log = self.log_of(worker)
        wait_for(lambda: b" ready." in log.read_bytes(), "a worker", worker)

    def log_of(self, process: subprocess.Popen[bytes]) -> Path:
        """Where a process writes what it has to say."""
        return self.folder / f"{process.pid}.log"

    def freeze(self, process: subprocess.Popen[bytes]) -> None:
        """Have a process stand still where it is."""
        process.send_signal(signal.SIGSTOP)

    def thaw(self, process: subprocess.Popen[bytes]) -> None:
        """Have it go on."""
        process.send_signal(signal.SIGCONT)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL to a process and all that it has started."""
        for one in descendants(process):
            _kill(one.pid)
        process.kill()
        process.wait()
        if process in self._running:
            self._running.remove(process)

    def _start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT,
                env=self.environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
        log.rename(self.folder / f"{process.pid}.log")
        self._running.append(process)
        _logs[process.pid] = self.log_of(process)
        return process

    def _end_all(self) -> None:
        for process in list(self._running):
            self.kill(process)


def descendants(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The processes that ``process`` has started, and theirs."""
    try:
        found: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it was faster


def wait_for(
    done: Callable[[], object],
    what: str,
    process: "subprocess.Popen[bytes] | None" = None,
    seconds: float = START_SECONDS,
) -> None:
    """Poll until ``done``; AssertionError when ``process`` has ended or the time is over."""
    until = time.monotonic() + seconds
    while not done():
        running = process is None or process.poll() is None
        assert running, f"{what}: the process has ended\n{last_words(process)}"
        assert time.monotonic() < until, f"{what} took over {seconds} s\n{last_words(process)}"
        time.sleep(0.02)


def last_words(process: "subprocess.Popen[bytes] | None") -> str:
    """The end of what a process of a plant has written."""
    log = _logs.get(process.pid) if process else None
    return log.read_text(errors="replace")[-LAST_WORDS:] if log else ""
