"""What the demo's processes hold in memory, and how long its second start takes to the first page."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

from bench.figures import Figure, at_most
from portal.demo.signins import PASSWORD, SIGN_INS
from portal.embedded_redis import free_port

ROOT = Path(__file__).parents[1]
WEB_MB, WORKER_MB, START_SECONDS = 100, 140, 5.0  # GOALS
WORKER = "portal.worker"
THREADS = 4  # of the demo's web server
PAGES = ("", "people/", "people/?q=an", "invites/", "activity/", "connections/")
CLIENT = "pydantic_core"  # a library that the providers' clients alone bring
RESTING = 0.2  # seconds of work in one second: beat's sweep, but no imports
PATIENCE = 180.0  # seconds for a start on a busy machine


def run() -> Iterable[Figure]:
    """Two starts over one folder: the first makes the data, the second is measured.

    Memory is what is resident (RSS), shared libraries included, after every thread of the web server
    has drawn pages and the workers have imported the providers' clients. ``private`` is the part of it
    that nobody else has; what two processes share, ``resident`` counts twice. ``database`` is the part of
    it that is SQLite's own file, mapped: the system's cache of the disk, which grows with the file and
    which the system takes back when it needs it.
    """
    with tempfile.TemporaryDirectory(prefix="orgdesk-bench-") as folder:
        with _demo(folder):
            pass
        with _demo(folder) as (demo, port, seconds):
            yield at_most("processes.second_start", seconds, START_SECONDS, "s")
            base = f"http://localhost:{port}"
            visitor = _signed_in(base)
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(lambda _: _look_around(visitor, base), range(THREADS)))
            for name, program, most in (
                ("granian", "granian", WEB_MB),
                ("worker", WORKER, WORKER_MB),
            ):
                pids = [pid for pid in _children(demo.pid) if _is(pid, program)]
                if name == "worker":
                    for pid in pids:
                        _await_idle(pid)
                largest = max(pids, key=_resident)
                yield at_most(f"processes.{name}.resident", _resident(largest), most, "MB")
                yield Figure(f"processes.{name}.private", _private(largest), "MB")
                yield Figure(f"processes.{name}.database", _mapped(largest, ".sqlite3"), "MB")


def _signed_in(base: str) -> OpenerDirector:
    """A viewer, of whom no second factor is asked."""
    visitor = build_opener(HTTPCookieProcessor())
    form = visitor.open(f"{base}/accounts/login/").read().decode()
    given = {
        "csrfmiddlewaretoken": form.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0],
        "login": SIGN_INS[-1].email,
        "password": PASSWORD,
    }
    visitor.open(f"{base}/accounts/login/", urlencode(given).encode()).read()
    return visitor


def _look_around(visitor: OpenerDirector, base: str) -> None:
    """Look at the pages that people look at, twice."""
    for page in PAGES * 2:
        answer = visitor.open(f"{base}/o/northgate/{page}")
        answer.read()
        if not answer.url.startswith(f"{base}/o/northgate/{page}"):
            raise RuntimeError(f"{page} led to {answer.url}")


def _await_idle(pid: int) -> None:
    """Until a worker has imported the providers' clients, and rests."""
    give_up = time.monotonic() + PATIENCE
    used = -1.0
    while CLIENT not in Path(f"/proc/{pid}/maps").read_text() or _cpu(pid) - used > RESTING:
        if time.monotonic() > give_up:
            raise RuntimeError("a worker does not come to rest")
        used = _cpu(pid)
        time.sleep(1)


def _cpu(pid: int) -> float:
    """Seconds of work that a process has done."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def _demo(folder: str) -> Iterator[tuple[subprocess.Popen[bytes], int, float]]:
    """The demo, its port, and the seconds until its first page was there."""
    port, sandbox = free_port(), free_port()
    command = [sys.executable, "-m", "portal.demo", "start"]
    began = time.monotonic()
    demo = subprocess.Popen(
        [*command, "--port", str(port), "--sandbox-port", str(sandbox)],
        cwd=ROOT,
        env=os.environ | {"ORGDESK_VAR": folder},
        stdout=subprocess.DEVNULL,
    )
    try:
        while not _answers(port, "/accounts/login/"):
            if demo.poll() is not None or time.monotonic() - began > PATIENCE:
                raise RuntimeError("the demo did not start")
            time.sleep(0.02)
        seconds = time.monotonic() - began
        while not any(_is(pid, WORKER) for pid in _children(demo.pid)):
            time.sleep(0.1)
        yield demo, port, seconds
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(60)


def _answers(port: int, path: str) -> bool:
    line = http.client.HTTPConnection("localhost", port, timeout=10)
    try:
        line.request("GET", path)
        return line.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        line.close()


def _children(pid: int) -> list[int]:
    """All processes below one."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *_children(child)]
    return found


def _is(pid: int, name: str) -> bool:
    with contextlib.suppress(OSError):
        return name in Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return False


def _resident(pid: int) -> float:
    """Memory of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def _private(pid: int) -> float:
    """What of it nobody else has, in MB."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(
        int(rollup.split(f"Private_{kind}:")[1].split()[0]) / 1024 for kind in ("Clean", "Dirty")
    )


def _mapped(pid: int, ending: str) -> float:
    """What it holds of files whose names end so, in MB."""
    kilobytes, wanted = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if (
            "-" in line.split(" ", 1)[0]
        ):  # the first line of a mapping: its addresses, then its file
            wanted = line.endswith(ending)
        elif wanted and line.startswith("Rss:"):
            kilobytes += int(line.split()[1])
    return kilobytes / 1024
