"""``make demo`` starts everything with one command, explains itself when it cannot, and leaves nothing."""

import fcntl
import http.cookiejar
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from django.conf import settings as project_settings

from portal.demo.signins import OWNER, PASSWORD
from portal.embedded_redis import free_port, listens

START_SECONDS = 120.0
STOP_SECONDS = 30.0


class RunningDemo:
    """A demo in a process of its own, and what it has printed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.sandbox_port = folder, free_port(), free_port()
        self.printed = folder.parent / "printed"
        with self.printed.open("w") as out:
            self.process = subprocess.Popen(
                demo_command(self.port, self.sandbox_port),
                cwd=project_settings.BASE_DIR,
                env=demo_environment(folder),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self.family = [psutil.Process(self.process.pid)]

    @property
    def log(self) -> str:
        return self.printed.read_text()

    def wait_until_it_runs(self) -> None:
        wait(lambda: "Ctrl-C stops everything" in self.log, START_SECONDS, lambda: self.log)
        wait(lambda: "walks@" in self.log, START_SECONDS, lambda: self.log)
        self.family += self.family[0].children(recursive=True)

    def child(self, words: str) -> psutil.Process:
        return next(one for one in self.family if words in " ".join(one.cmdline()))

    def end(self, number: int) -> int:
        """Send a signal; return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def survivors(self) -> list[str]:
        return [str(one) for one in psutil.wait_procs(self.family, timeout=STOP_SECONDS)[1]]


def demo_command(port: int | str, sandbox_port: int | str) -> list[str]:
    ports = ["--port", str(port), "--sandbox-port", str(sandbox_port)]
    return [sys.executable, "-m", "portal.demo", "start", *ports]


def demo_environment(folder: Path, **more: str) -> dict[str, str]:
    """The surroundings of a demo: of the tests' own only what it must not use."""
    unwanted = ("REDIS_URL", "DJANGO_SETTINGS_MODULE", "PYTEST")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return (
        kept
        | {"ORGDESK_VAR": str(folder), "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}
        | more
    )


def wait(done: Callable[[], bool], seconds: float, say: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, say()
        time.sleep(0.1)


def try_to_start(folder: Path, port: int | str, sandbox_port: int | str, **environment: str) -> str:
    """Start a demo that must refuse; return what it says."""
    ended = subprocess.run(
        demo_command(port, sandbox_port),
        cwd=project_settings.BASE_DIR,
        env=demo_environment(folder, **environment),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert ended.returncode == 1, ended.stdout
    assert "Traceback" not in ended.stderr
    return ended.stderr.strip()


def sign_in(port: int) -> str:
    """Sign in as the owner; return the address that this leads to."""
    address = f"http://localhost:{port}/accounts/login/"
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = browser.open(address, timeout=30).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token
    form = {"csrfmiddlewaretoken": token[1], "login": OWNER.email, "password": PASSWORD}
    answer = browser.open(address, urllib.parse.urlencode(form).encode(), timeout=30)
    return str(urllib.parse.urlsplit(answer.url).path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def demos() -> Iterator[list[RunningDemo]]:
    """Demos to be ended whatever happens to the test."""
    started: list[RunningDemo] = []
    yield started
    for demo in started:
        for one in demo.family:
            if one.is_running():
                one.kill()


@pytest.mark.worker
def test_the_demo_runs_keeps_its_data_and_leaves_nothing(
    folder: Path, demos: list[RunningDemo]
) -> None:
    demo = RunningDemo(folder)
    demos.append(demo)
    demo.wait_until_it_runs()

    assert f"Orgdesk runs: http://localhost:{demo.port}" in demo.log
    assert "Not used by the demo: DATABASE_URL" in demo.log
    assert sign_in(demo.port) == "/second-factor/"
    for secret in ("secret-key", "secret-credential-keys", "demo.env", "redis.conf"):
        assert (folder / secret).stat().st_mode & 0o777 == 0o600, secret
        assert (folder / secret).stat().st_size
    assert folder.stat().st_mode & 0o777 == 0o700

    said = try_to_start(folder, free_port(), free_port())
    assert f"The demo already runs from {folder}" in said
    assert f"process {demo.process.pid}, http://localhost:{demo.port}" in said

    kept = (folder / "secret-key").read_text()
    assert demo.end(signal.SIGINT) == 0
    assert demo.survivors() == []
    assert not listens(demo.port)
    assert not listens(demo.sandbox_port)
    assert demo.log.rstrip().endswith("nothing is left running")

    again = RunningDemo(folder)
    demos.append(again)
    again.wait_until_it_runs()
    assert sign_in(again.port) == "/second-factor/"
    assert (folder / "secret-key").read_text() == kept

    again.child("portal.worker --quiet walks").kill()
    assert again.process.wait(STOP_SECONDS) == 1
    assert again.survivors() == []
    assert "The demo stopped because its worker-walks ended" in again.log


def test_a_taken_port_is_named(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        assert try_to_start(folder, port, free_port()) == (
            f"Port {port} is taken by another program. Stop that one, or choose another: "
            f"make demo PORT={port + 1}"
        )
        assert f"make demo SANDBOX_PORT={port + 1}" in try_to_start(folder, free_port(), port)


@pytest.mark.parametrize(
    ("port", "sandbox_port", "says"),
    [
        ("8000", "8000", "PORT and SANDBOX_PORT are both 8000."),
        ("80", "9100", "PORT=80 cannot be used: choose one from 1024 to 65535."),
        ("http", "9100", "PORT=http is no port number."),
        ("8000", "", "SANDBOX_PORT= is no port number."),
    ],
)
def test_a_port_that_cannot_be_is_explained(
    folder: Path, port: str, sandbox_port: str, says: str
) -> None:
    assert says in try_to_start(folder, port, sandbox_port)


def test_a_redis_that_does_not_answer_is_named(folder: Path) -> None:
    port = free_port()

    said = try_to_start(
        folder, free_port(), free_port(), REDIS_URL=f"redis://:secret@127.0.0.1:{port}/0"
    )

    assert f"REDIS_URL is set, and nothing answers at 127.0.0.1:{port}." in said
    assert "secret" not in said


def test_a_folder_that_cannot_be_used_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    said = try_to_start(tmp_path / "file" / "var", free_port(), free_port())

    assert "cannot use that folder" in said
    assert "ORGDESK_VAR=/path make demo" in said


def reset(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "portal.demo", "reset"],
        cwd=project_settings.BASE_DIR,
        env=demo_environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_reset_takes_the_demos_files_and_no_other(folder: Path) -> None:
    folder.mkdir()
    ours = ["orgdesk.sqlite3", "orgdesk.sqlite3-wal", "secret-key", "sandbox-medium-x.jsonl"]
    for name in (*ours, "letter.txt"):
        (folder / name).touch()

    assert reset(folder).returncode == 0

    assert sorted(path.name for path in folder.iterdir()) == ["demo.lock", "letter.txt"]


def test_reset_waits_for_the_demo_to_end(folder: Path) -> None:
    folder.mkdir()
    (folder / "orgdesk.sqlite3").touch()
    with (folder / "demo.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        ended = reset(folder)

    assert ended.returncode == 1
    assert "The demo already runs" in ended.stderr
    assert (folder / "orgdesk.sqlite3").exists()


SUPERVISED = """
import os, sys
from portal.demo.supervisor import Supervisor
relay = Supervisor(8)
sleeper = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); print('up', flush=True); {then}"
for name, then in (("good", "time.sleep(600)"), ("deaf", "import signal; signal.signal(15, signal.SIG_IGN); time.sleep(600)")):
    relay.start(name, [sys.executable, "-c", sleeper.replace("{then}", then)], os.environ)
try:
    relay.wait_for_ever()
finally:
    relay.stop()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_programs_that_do_not_listen_and_their_own_children_are_ended_too(number: int) -> None:
    with Supervised() as (supervisor, family):
        supervisor.send_signal(number)

        assert psutil.wait_procs(family, timeout=STOP_SECONDS)[1] == []


def test_a_killed_supervisor_takes_its_programs_along() -> None:
    with Supervised() as (supervisor, family):
        listening = [one for one in family if "SIG_IGN" not in " ".join(one.cmdline())]
        direct = [one for one in listening if "subprocess" in " ".join(one.cmdline())]
        supervisor.kill()

        assert direct
        assert psutil.wait_procs(direct, timeout=STOP_SECONDS)[1] == []


class Supervised:
    """A supervisor with a well-behaved and a deaf program, each of which has a child of its own."""

    def __enter__(self) -> tuple[psutil.Process, list[psutil.Process]]:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISED],
            cwd=project_settings.BASE_DIR,
            # Tests may run under nohup, whose deafness to SIGHUP would be inherited.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout
        for _ in range(2):
            assert "up" in self.process.stdout.readline()
        supervisor = psutil.Process(self.process.pid)
        self.family = supervisor.children(recursive=True)
        assert len(self.family) == 4
        return supervisor, self.family

    def __exit__(self, *error: object) -> None:
        for one in self.family:
            if one.is_running():
                one.kill()
        self.process.kill()
        self.process.communicate()
