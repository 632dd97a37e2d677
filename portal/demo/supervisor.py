"""Runs several programs in one foreground command: prefixed logs, and nothing left at the end.

One thread, one ``select``: lines of the children, signals and the deaths of children all wake it.
Every child leads a process group of its own, so that its own children can be ended with it, and
asks the kernel to end it when this process dies, however it dies.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO

from portal.embedded_redis import die_with_parent

STOP_SECONDS = 6.0  # then what still runs is killed; the outbox is built to survive that
LOOK_SECONDS = 0.05  # how often a condition is looked at when nothing else wakes us
COLOURS = (36, 32, 33, 35, 34, 96, 92, 93)


class StopAsked(Exception):
    """Somebody pressed Ctrl-C or sent a signal to end."""


class ChildDiedError(Exception):
    """A program that everything else needs has ended."""


class TooSlowError(Exception):
    """A program did not get ready in time."""


@dataclass
class Child:
    """One running program. ``daemon`` is false for those whose end is their success."""

    name: str
    process: subprocess.Popen[bytes]
    colour: int
    daemon: bool
    on_line: Callable[[str], bool] | None = None
    rest: bytes = b""
    last_lines: list[str] = field(default_factory=list)

    @property
    def output(self) -> IO[bytes]:
        if self.process.stdout is None:  # Popen was told to make it
            raise RuntimeError(self.name)
        return self.process.stdout


class Supervisor:
    """Starts, listens to and ends children. Make one in the main thread: it takes the signals."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._children: list[Child] = []
        self._asked = 0
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._selector = selectors.DefaultSelector()
        self._woken, self._wake = os.pipe()
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Under nohup the end of the terminal is no reason to end.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def _on_signal(self, number: int, frame: object) -> None:
        self._asked += 1

    def start(
        self,
        name: str,
        argv: list[str],
        env: Mapping[str, str],
        *,
        daemon: bool = True,
        on_line: Callable[[str], bool] | None = None,
    ) -> Child:
        """Start a program. ``on_line`` sees each line first and keeps it from the log by returning true."""
        process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
            argv,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )
        colour = COLOURS[len(self._children) % len(COLOURS)]
        child = Child(name, process, colour, daemon, on_line)
        os.set_blocking(child.output.fileno(), False)
        self._selector.register(child.output, selectors.EVENT_READ, child)
        self._children.append(child)
        return child

    def say(self, text: str, name: str = "orgdesk", colour: int = 0) -> None:
        """Print one line with its prefix."""
        prefix = f"{name:<{self._width}} │ "
        if self._colours and colour:
            prefix = f"\033[{colour}m{prefix}\033[0m"
        try:
            print(prefix + text, flush=True)  # noqa: T201 - the supervisor's output is this
        except (
            BrokenPipeError
        ):  # whoever read us has gone: end as if asked to, and say nothing more
            self._asked += 1
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for the rest of this process

    def wait_for(self, ready: Callable[[], bool], what: str, seconds: float) -> None:
        """Relay lines until ``ready()``.

        Raises StopAsked, ChildDiedError (a daemon ended) or TooSlowError after ``seconds``.
        """
        deadline = time.monotonic() + seconds
        while True:
            self._relay(LOOK_SECONDS)
            self._look()
            if ready():
                return
            if time.monotonic() > deadline:
                raise TooSlowError(f"{what} was not ready after {seconds:.0f} seconds.")

    def wait_for_ever(self) -> None:
        """Relay lines until somebody asks to stop or a daemon ends; raises as ``wait_for`` does."""
        while True:
            self._relay(None)
            self._look()

    def _look(self) -> None:
        if self._asked:
            raise StopAsked
        for child in self._children:
            if child.daemon and child.process.poll() is not None:
                raise ChildDiedError(child.name)

    def _relay(self, timeout: float | None) -> None:
        for key, _events in self._selector.select(timeout):
            if key.data is None:
                os.read(self._woken, 4096)
            else:
                self._read(key.data)

    def _read(self, child: Child) -> None:
        try:
            chunk = os.read(child.output.fileno(), 65536)
        except BlockingIOError:
            return
        if not chunk:
            self._selector.unregister(child.output)
            chunk = b"\n" if child.rest else b""
        *lines, child.rest = (child.rest + chunk).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip()
            if child.on_line and child.on_line(text):
                continue
            self.say(text, child.name, child.colour)

    def stop(self) -> None:
        """End every child, the first started last; a second signal ends them without waiting."""
        asked = self._asked
        first, others = self._children[:1], self._children[1:]
        for group in (others, first):
            for child in group:
                if child.process.poll() is None:
                    child.process.terminate()
            deadline = time.monotonic() + STOP_SECONDS
            while any(child.process.poll() is None for child in group):
                if time.monotonic() > deadline or self._asked > asked:
                    break
                self._relay(LOOK_SECONDS)
            for child in group:
                self._end(child)
        self._children.clear()

    def _end(self, child: Child) -> None:
        # Its group outlives it where it left children of its own; where not, there is no group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()
