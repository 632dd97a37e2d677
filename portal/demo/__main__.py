"""``python -m portal.demo start`` and ``reset``: what `make demo` and `make reset` run.

Stands outside Django, which reads its settings once: here is where those settings come from.
"""

import argparse
import base64
import fcntl
import http.client
import json
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from portal.demo import CLINE_REQUESTS_A_MINUTE
from portal.demo.signins import PASSWORD, SIGN_INS, STAFF
from portal.demo.supervisor import ChildDiedError, StopAsked, Supervisor, TooSlowError
from portal.embedded_redis import (
    NoRedisError,
    find_server,
    free_port,
    listens,
    write_configuration,
)

ROOT = Path(__file__).resolve().parent.parent.parent
VAR = Path(os.environ.get("ORGDESK_VAR") or ROOT / "var").resolve()
DATABASE = VAR / "orgdesk.sqlite3"
MAIL = VAR / "mail"  # the demo sends none: each is a file here
# What the demo leaves in its folder, and what `reset` takes away.
LEAVINGS = (
    "orgdesk.sqlite3*",
    "sandbox*",
    "beat-schedule*",
    "redis.*",
    "mail/*.log",
    "demo.env",
    "secret-*",
    "sent-*",
)
# Meant for a production portal: the demo must not write into its database or mail its users.
NOT_FOR_DEMO = (
    "ALLOWED_HOSTS",
    "CREDENTIAL_KEYS",
    "DATABASE_URL",
    "EMAIL_URL",
    "OIDC_SERVER_URL",
    "PORTAL_URL",
    "SANDBOX_URL",
    "SECRET_KEY",
)
START_SECONDS = 120.0  # a busy machine, a first start
PYTHON = (sys.executable, "-m")


class Refusal(Exception):
    """The demo cannot start or be reset; the message says why and what to do."""


def say(text: str) -> None:
    """Print one line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def open_folder() -> None:
    """Make the folder of everything the demo keeps, readable by its owner alone."""
    os.umask(0o077)  # of this process and all that it starts
    try:
        VAR.mkdir(mode=0o700, parents=True, exist_ok=True)
        VAR.chmod(0o700)
    except OSError as error:
        raise Refusal(
            f"The demo keeps its data in {VAR} and cannot use that folder ({error.strerror}). "
            "Make it yours, or choose another one: ORGDESK_VAR=/path make demo"
        ) from error


def lock() -> IO[str]:
    """Hold the folder for this process; two demos over one database would undo each other."""
    held = open(VAR / "demo.lock", "a+")  # noqa: SIM115 - held until the process ends
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.seek(0)
        whose = held.read().strip() or "another process"
        raise Refusal(
            f"The demo already runs from {VAR} ({whose}). Stop it there with Ctrl-C first, or use "
            "another folder and ports: ORGDESK_VAR=/path make demo PORT=8001 SANDBOX_PORT=9101"
        ) from None
    return held


def check_ports(web: int, sandbox: int) -> None:
    """Refuse ports that cannot be had, naming each."""
    if web == sandbox:
        raise Refusal(f"PORT and SANDBOX_PORT are both {web}. Give them different numbers.")
    for variable, port in (("PORT", web), ("SANDBOX_PORT", sandbox)):
        if not 1024 <= port <= 65535:
            raise Refusal(f"{variable}={port} cannot be used: choose one from 1024 to 65535.")
        if listens(port):
            raise Refusal(
                f"Port {port} is taken by another program. Stop that one, or choose another: "
                f"make demo {variable}={port + 1}"
            )


def check_redis(url: str) -> None:
    """Refuse a Redis address behind which nobody answers. A unix socket's is believed."""
    parts = urlsplit(url)
    if parts.hostname and not listens(parts.port or 6379, parts.hostname):
        raise Refusal(
            f"REDIS_URL is set, and nothing answers at {parts.hostname}:{parts.port or 6379}. Start "
            "that server, or unset REDIS_URL and the demo brings its own."
        )


def keep_secret(name: str, make: Callable[[], str]) -> Path:
    """Return the file that holds a secret, mode 600; made on the first start and kept after that."""
    path = VAR / f"secret-{name}"
    if not path.is_file() or not path.read_text().strip():
        begun = path.with_suffix(".new")  # renamed when whole: an interrupted start leaves no half
        begun.unlink(missing_ok=True)
        descriptor = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(make())
        begun.rename(path)
    path.chmod(0o600)
    return path


def new_keyring() -> str:
    """A keyring of one random key of 32 bytes, version 1."""
    return "1:" + base64.b64encode(secrets.token_bytes(32)).decode()


def write_environment(redis_url: str, sandbox_url: str, portal_url: str) -> None:
    """Write ``demo.env``, which settings read when ORGDESK_DEMO is set: children and `make manage`."""
    values = {
        "SECRET_KEY_FILE": keep_secret("key", lambda: secrets.token_urlsafe(64)),
        "CREDENTIAL_KEYS_FILE": keep_secret("credential-keys", new_keyring),
        "DATABASE_URL": f"sqlite:///{DATABASE}",
        "REDIS_URL": redis_url,
        "SANDBOX_URL": sandbox_url,
        "PORTAL_URL": portal_url,
        "EMAIL_URL": f"filemail:///{MAIL}",
    }
    path = VAR / "demo.env"
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())


def children_environment() -> dict[str, str]:
    """The surroundings of every program of the demo."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.removesuffix("_FILE") not in NOT_FOR_DEMO
    }
    return kept | {
        "ORGDESK_DEMO": "1",
        "ORGDESK_VAR": str(VAR),
        "PYTHONUNBUFFERED": "1",
        # One heap for all threads of a process, which run one at a time anyway: 7 MB less of each.
        "MALLOC_ARENA_MAX": "1",
        # True of a demo, and no reason to worry anybody.
        "PYTHONWARNINGS": "ignore:You're running the worker with superuser,ignore:No directory at",
    }


class Demo:
    """One run of the demo."""

    def __init__(self, port: int, sandbox_port: int) -> None:
        self.port, self.sandbox_port = port, sandbox_port
        self.environment = children_environment()
        self.sandbox: dict[str, Any] = {}
        self.supervisor = Supervisor(width=len("worker-actions"))

    def run(self) -> None:
        """Start everything in the order in which one needs the other, then relay until the end."""
        relay = self.supervisor
        try:
            redis_url = self.start_redis()
            self.start_sandbox()
            sandbox_url = f"http://127.0.0.1:{self.sandbox_port}"
            write_environment(redis_url, sandbox_url, f"http://localhost:{self.port}")
            begun = DATABASE.exists()
            if begun:  # a second start prepares little: the web server need not wait for it
                self.start_web()
            self.prepare()
            if not begun:
                self.start_web()
            relay.wait_for(self.answers, "The web server", START_SECONDS)
            self.start_workers()
            self.say_welcome()
            relay.wait_for_ever()
        finally:
            relay.say("stopping everything")
            relay.stop()
            relay.say("nothing is left running")

    def start_redis(self) -> str:
        """Use REDIS_URL where it is set, else a server of our own; return its address."""
        given = self.environment.get("REDIS_URL", "")
        if given:
            check_redis(given)
            return given
        port, password = free_port(), secrets.token_urlsafe(16)
        configuration = VAR / "redis.conf"
        write_configuration(configuration, port=port, password=password)
        command = [str(find_server()), str(configuration)]
        self.supervisor.start("redis", command, self.environment)
        self.supervisor.wait_for(lambda: listens(port), "Redis", START_SECONDS)
        return f"redis://:{password}@127.0.0.1:{port}/0"

    def start_sandbox(self) -> None:
        """Start the providers' stand-in and keep the keys that its first line names."""
        self.supervisor.start(
            "sandbox",
            [
                *PYTHON,
                "apps.sandbox",
                *("--port", str(self.sandbox_port), "--size", "medium"),
                *("--fast-pages", str(CLINE_REQUESTS_A_MINUTE)),
            ],
            self.environment,
            on_line=self.take_keys,
        )
        self.supervisor.wait_for(lambda: bool(self.sandbox), "The sandbox", START_SECONDS)

    def take_keys(self, line: str) -> bool:
        """Read the first line of the sandbox; false leaves a line to the log."""
        if self.sandbox or not line.startswith("{"):
            return False
        self.sandbox = json.loads(line)
        (path := VAR / "sandbox-keys.json").touch(mode=0o600)
        path.write_text(line)
        return True

    def prepare(self) -> None:
        """Migrate the database and load what is missing of the demo's data."""
        child = self.supervisor.start(
            "prepare",
            [sys.executable, str(ROOT / "manage.py"), "load_demo"],
            self.environment,
            daemon=False,
        )
        self.supervisor.wait_for(
            lambda: child.process.poll() is not None, "The database", 5 * START_SECONDS
        )
        if child.process.returncode:
            raise ChildDiedError("prepare")

    def start_web(self) -> None:
        """Start the web server."""
        command = (
            f"granian --interface wsgi --port {self.port} --workers 1 "
            "--blocking-threads 4 --backpressure 64 --log-level error portal.wsgi:application"
        )
        self.supervisor.start("web", [*PYTHON, *command.split()], self.environment)

    def start_workers(self) -> None:
        """Start a worker for what people wait for, one for the background, and beat."""
        worker = "portal.worker --quiet"
        for name, command in (
            ("worker-actions", f"{worker} actions --concurrency 8 --hostname actions@%h"),
            ("worker-walks", f"{worker} walks --concurrency 2 --hostname walks@%h"),
            ("beat", "celery --quiet --app portal beat --loglevel warning --pidfile="),
        ):
            self.supervisor.start(name, [*PYTHON, *command.split()], self.environment)

    def answers(self) -> bool:
        """Whether the portal says that it is ready."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def say_welcome(self) -> None:
        """Print where to go and who to be."""
        address, sandbox = f"http://localhost:{self.port}", f"http://localhost:{self.sandbox_port}"
        say = self.supervisor.say
        anthropic, cline = self.sandbox["anthropic"][0], self.sandbox["cline"][0]
        say("═" * 78)
        say(f"Orgdesk runs: {address}")
        say("")
        say(f"Sign in with the password {PASSWORD} as")
        for person in SIGN_INS:
            say(f"  {person.email:<28}{person.says}")
        say(f"  {STAFF.email:<28}{STAFF.says}: {address}/admin/")
        say("")
        say(f"The providers' stand-in: {sandbox}. It shows each change that you make:")
        say(f"  curl -H 'x-api-key: {anthropic['api_key']}' -H 'anthropic-version: 2023-06-01' \\")
        say(f"    {sandbox}/v1/organizations/invites")
        say(f"  curl -H 'Authorization: Bearer {cline['api_key']}' \\")
        say(f"    {sandbox}/api/v1/organizations/{cline['organization_id']}/members")
        say("")
        say(f"Mail that the portal sends is kept in {MAIL}, a file each.")
        say("Ctrl-C stops everything and keeps the data; `make reset` forgets it.")
        say("═" * 78)


def start(port: int, sandbox_port: int) -> None:
    """Run the demo until somebody ends it. Raises Refusal when it cannot run."""
    open_folder()
    held = lock()
    check_ports(port, sandbox_port)
    held.seek(0)
    held.truncate()
    held.write(f"process {os.getpid()}, http://localhost:{port}")
    held.flush()
    unused = [name for name in NOT_FOR_DEMO if os.environ.get(name)]
    if unused:
        say(f"Not used by the demo: {', '.join(unused)}. It has its own under {VAR}.")
    try:
        Demo(port, sandbox_port).run()
    except StopAsked:
        return
    except ChildDiedError as death:
        raise Refusal(
            f"The demo stopped because its {death} ended; the reason stands in the lines above "
            f'that begin with "{death}". If the data is at fault, `make reset` starts over.'
        ) from death
    except (TooSlowError, NoRedisError) as reason:
        raise Refusal(str(reason)) from reason


def reset() -> None:
    """Forget the demo's data. Raises Refusal while a demo runs over it."""
    if not VAR.is_dir():
        say("There is no data of a demo here.")
        return
    held = lock()
    for pattern in LEAVINGS:
        for path in VAR.glob(pattern):
            path.unlink()
    held.truncate(0)
    say("The demo's data is gone; `make demo` begins anew.")


def main() -> int:
    """Read the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m portal.demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("start")
    starting.add_argument("--port", default="8000")
    starting.add_argument("--sandbox-port", default="9100")
    commands.add_parser("reset")
    options = parser.parse_args()
    try:
        if options.command == "reset":
            reset()
        else:
            start(as_port("PORT", options.port), as_port("SANDBOX_PORT", options.sandbox_port))
    except Refusal as refusal:
        sys.stderr.write(f"\n{refusal}\n")
        return 1
    return 0


def as_port(variable: str, value: str) -> int:
    """Read a port's number."""
    if not value.isdecimal():
        raise Refusal(f"{variable}={value} is no port number. Try {variable}=8000.")
    return int(value)


if __name__ == "__main__":
    sys.exit(main())
