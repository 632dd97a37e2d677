"""Worker processes that are there to be killed: ``python -m tests.doomed``.

It reads jobs, one line of JSON each, from standard input, forks, and answers with one line of JSON. A
fork costs milliseconds where a new process would import everything anew.

    {"ids": [1, 2], "workers": 1, "die_at": "sending", "nth": 2}

Workers carry these Commands as Celery's would; the answer is how each of them ended: 0, or minus the
signal that killed it. ``die_at`` names a checkpoint of ``delivery``, or "calling": a tenth of a second
into the remote call; ``nth`` is which time it is reached; without ``die_at`` nobody dies.

    {"celery": ["worker", "--pool", "threads"], "log": "/path"}
    {"kill": 4711}

A real Celery worker, the answer is its process id; and its end. ``Nursery`` is the other end.
"""

import gc
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from portal.embedded_redis import die_with_parent

ROOT = Path(__file__).parents[1]
INTO_THE_CALL = 0.1  # seconds


# --- In the process of its own -------------------------------------------------------------------


def main() -> None:
    """Serve jobs until standard input ends."""
    import django

    django.setup()

    _warm()
    print("ready", flush=True)  # noqa: T201 - the protocol
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), flush=True)  # noqa: T201 - the protocol


def _warm() -> None:
    """Do once what each of some hundred children would do first, for half of its time."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: F401  # what opens keys
    from django.core.cache import cache
    from django.db import connections

    from apps.providers.adapters import preload
    from apps.providers.guard import worker_scope
    from apps.sync.outbox import delivery, tasks

    preload()
    from apps.providers import wire

    wire.tls()
    assert tasks.carry.name  # Celery puts its tasks together
    cache.get("nothing")
    with worker_scope():
        assert delivery.carry(0) is None
    for one in connections.all(initialized_only=True):  # each child opens its own
        one.close()
        if one.vendor == "postgresql":
            one.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's alone has one
    gc.freeze()  # or every child would copy what the collector only looks at


def _run(job: dict[str, Any]) -> list[int]:
    if "celery" in job:
        return [_fork(lambda: _work(job))]
    if "kill" in job:
        os.kill(job["kill"], signal.SIGKILL)
        return [_end_of(job["kill"])]
    children = [_fork(lambda: _carry(job)) for _ in range(job.get("workers", 1))]
    return [_end_of(child) for child in children]


def _end_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _fork(live: Callable[[], None]) -> int:
    ask_kernel = die_with_parent()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        ask_kernel()
        live()
        status = 0
    finally:
        os._exit(status)


def _work(job: dict[str, Any]) -> None:
    from portal.celery import app

    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    app.worker_main(job["celery"])


def _carry(job: dict[str, Any]) -> None:
    from apps.sync.outbox import delivery, tasks

    if job.get("die_at"):
        delivery.checkpoint_hooks.append(_death(job["die_at"], job.get("nth", 1)))
    ids = list(job["ids"])
    if job.get("workers", 1) > 1:
        random.shuffle(ids)
    for pk in ids:
        tasks.carry(pk)


def _death(die_at: str, nth: int) -> Callable[[str, Any], None]:
    reached = 0

    def hook(name: str, command: Any) -> None:
        nonlocal reached
        reached += name == ("sending" if die_at == "calling" else die_at)
        if reached < nth:
            return
        if die_at != "calling":
            os.kill(os.getpid(), signal.SIGKILL)
        threading.Timer(INTO_THE_CALL, os.kill, (os.getpid(), signal.SIGKILL)).start()

    return hook


# --- In the tests --------------------------------------------------------------------------------


class Nursery:
    """Starts the process above in ``environment`` and hands it jobs."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.doomed"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._ready = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=20)

    def carry(self, ids: Iterable[int], **job: Any) -> list[int]:
        """Have workers carry these Commands; how each of them ended."""
        return self._do({"ids": list(ids), **job})

    def start_worker(self, *arguments: str, log: Path) -> int:
        """A real Celery worker with these arguments; its process id."""
        return self._do({"celery": ["worker", *arguments], "log": str(log)})[0]

    def kill_worker(self, pid: int) -> None:
        """SIGKILL, and wait until it is gone."""
        self._do({"kill": pid})

    def _do(self, job: dict[str, Any]) -> list[int]:
        if not self._ready:
            assert self._line() == "ready"
            self._ready = True
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer: list[int] = json.loads(self._line())
        return answer

    def _line(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(("ready", "[")) and "remote_call" not in line:
                return str(line).strip()
        raise AssertionError("the nursery has ended")


if __name__ == "__main__":
    main()
