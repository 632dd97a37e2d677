"""What a bench runs in: a database of its own, a Redis, a sandbox, and children that know of them."""

import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from portal.embedded_redis import EmbeddedRedis

ROOT = Path(__file__).parents[1]
LOCAL_SERVER = "postgres://postgres@127.0.0.1:5432/postgres"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox that runs as a process of its own, without rate limits."""

    base_url: str
    keys: dict[str, Any]
    pid: int

    @property
    def anthropic_key(self) -> str:
        """The admin key of its first Anthropic organization."""
        return str(self.keys["anthropic"][0]["api_key"])


@contextmanager
def sandbox(size: str) -> Iterator[Sandbox]:
    """Start one of that size, and end it."""
    with tempfile.TemporaryDirectory(prefix="orgdesk-bench-") as folder:
        limits = ["--requests-per-minute", "0", "--invites-per-hour", "0", "--fast-pages", "0"]
        process = subprocess.Popen(
            [sys.executable, "-m", "apps.sandbox", "--port", "0", "--size", size, *limits],
            cwd=ROOT,
            env=os.environ | {"ORGDESK_VAR": folder},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise RuntimeError("the sandbox did not start")
            keys = json.loads(line)
            yield Sandbox(keys.pop("base_url"), keys, process.pid)
        finally:
            process.terminate()
            process.wait(10)


def server() -> str:
    """The PostgreSQL server to measure on: one that is named, or one that this machine has; else "".

    ``BENCH_DATABASE_URL`` names it, or ``DATABASE_URL``. Each bench makes a database of its own there.
    """
    for url in map(os.environ.get, ("BENCH_DATABASE_URL", "DATABASE_URL")):
        if url and url.startswith("postgres"):
            return url
    try:
        psycopg.connect(LOCAL_SERVER, connect_timeout=1).close()
    except psycopg.OperationalError:
        return ""
    return LOCAL_SERVER


def databases() -> Iterator[str]:
    """The databases to measure: SQLite, and PostgreSQL where there is a server."""
    yield "sqlite"
    if server():
        yield "postgresql"
    else:
        print(
            "PostgreSQL is not measured: DATABASE_URL names no server, and none was found here.",
            file=sys.stderr,
        )


@contextmanager
def environment(database: str, sandbox_url: str = "") -> Iterator[dict[str, str]]:
    """The environment of a child: settings of the demo, everything its own and thrown away after."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="orgdesk-bench-"))
        redis = stack.enter_context(EmbeddedRedis())
        url = f"sqlite:///{folder}/bench.sqlite3"
        if database == "postgresql":
            url = stack.enter_context(postgresql())
        yield os.environ | {
            "ORGDESK_DEMO": "1",
            "ORGDESK_VAR": folder,
            "DATABASE_URL": url,
            "REDIS_URL": redis.url,
            "SECRET_KEY": secrets.token_urlsafe(48),
            "CREDENTIAL_KEYS": "1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
            "SANDBOX_URL": sandbox_url,
            "DJANGO_SETTINGS_MODULE": "portal.settings",
        }


def child(module: str, environ: dict[str, str], *arguments: str) -> Iterator[str]:
    """Run ``python -m module`` and give what it prints, line by line; an error if it fails."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield from process.stdout or ()
        if process.wait():
            raise RuntimeError(f"{module} failed")
    finally:
        process.kill()
        process.wait()


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of a database of one's own on ``server()``."""
    url = server()
    name = f"orgdesk_bench_{os.getpid()}"
    identifier = sql.Identifier(name)
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))
