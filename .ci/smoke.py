"""What a newcomer does: clone, `make demo`, sign in, Ctrl-C. And that this leaves nothing behind."""

import http.cookiejar
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 300
STOP_SECONDS = 30


def say(text: str) -> None:
    """Print one line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def first_page(address: str, demo: subprocess.Popen[bytes]) -> None:
    """Wait until the sign-in page comes."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and demo.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/accounts/login/", timeout=10).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise SystemExit("The first page did not come.")


def all_up(log: Path, demo: subprocess.Popen[bytes]) -> None:
    """Wait until the demo says that it runs, and both workers that they are ready."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and demo.poll() is None:
        text = log.read_text()
        if "Ctrl-C stops everything" in text and text.count(" ready.") == 2:
            return
        time.sleep(0.1)
    raise SystemExit("Not everything came up.")


def sign_in(address: str) -> None:
    """Sign in as the owner with the password that the demo shows."""
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = browser.open(f"{address}/accounts/login/", timeout=60).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    if token is None:
        raise SystemExit("The sign-in page has no form.")
    form = {
        "csrfmiddlewaretoken": token[1],
        "login": "owner@northgate.example",
        "password": "northgate-demo",
    }
    answer = browser.open(
        f"{address}/accounts/login/", urllib.parse.urlencode(form).encode(), timeout=60
    )
    if answer.url.endswith("/login/"):
        raise SystemExit("The demo's owner cannot sign in.")
    say(f"signed in, led to {answer.url}")


def run_demo(clone: Path, what: str) -> None:
    """Start the demo, sign in, stop it as Ctrl-C on a terminal does, look for what is left."""
    port, sandbox_port = free_port(), free_port()
    address = f"http://localhost:{port}"
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DATABASE_URL", "REDIS_URL", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL")
    }
    began = time.monotonic()
    with (clone / "demo.log").open("wb") as log:
        demo = subprocess.Popen(
            ["make", "demo", f"PORT={port}", f"SANDBOX_PORT={sandbox_port}"],
            cwd=clone,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        family: list[psutil.Process] = []
        try:
            first_page(address, demo)
            say(f"{what}: first page after {time.monotonic() - began:.1f} s")
            sign_in(address)
            all_up(clone / "demo.log", demo)
            family = psutil.Process(demo.pid).children(recursive=True)
        finally:
            os.killpg(demo.pid, signal.SIGINT)
            try:
                demo.wait(STOP_SECONDS)
            finally:
                left = psutil.wait_procs(family, timeout=STOP_SECONDS)[1]
                for process in left:
                    process.kill()
                if left:
                    raise SystemExit(f"Ctrl-C left behind: {left}")
    say(f"{what}: Ctrl-C left none of {len(family)} processes")


def main() -> None:
    """Clone what is committed and run it twice."""
    with tempfile.TemporaryDirectory(prefix="orgdesk-smoke-") as folder:
        clone = Path(folder) / "orgdesk"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        try:
            run_demo(clone, "first start")
            run_demo(clone, "second start")
        except BaseException:
            say((clone / "demo.log").read_text()[-6000:])
            raise


if __name__ == "__main__":
    main()
