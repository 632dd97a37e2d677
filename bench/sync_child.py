"""The process that walks and is measured: ``python -m bench.sync_child <sandbox> <key>``.

With ``click`` as its only argument it is instead somebody who writes a little all the time, and
prints how long each write took.
"""

import gc
import http.client
import json
import logging
import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
import msgspec
import psycopg

ROUNDS = 3


class Row(msgspec.Struct):
    """What the floor reads of a member."""

    id: str
    email: str
    name: str
    role: str
    added_at: str


class Listing(msgspec.Struct):
    """One page."""

    data: list[Row]
    has_more: bool
    last_id: str | None


class Floor:
    """The same pages, read and written once."""

    def __init__(self, base_url: str, key: str) -> None:
        self.parts = urlsplit(base_url)
        self.headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
        self.decode = msgspec.json.Decoder(Listing).decode

    def pages(self) -> Iterator[list[Row]]:
        """All of them, over one connection."""
        line = http.client.HTTPConnection(self.parts.hostname or "", self.parts.port)
        after = ""
        while True:
            line.request("GET", f"/v1/organizations/users?limit=1000{after}", headers=self.headers)
            page = self.decode(line.getresponse().read())
            yield page.data
            if not page.has_more:
                line.close()
                return
            after = f"&after_id={page.last_id}"

    def sqlite(self, path: Path) -> None:
        """Into an empty table with executemany, a transaction a page."""
        path.unlink(missing_ok=True)
        database = sqlite3.connect(path, isolation_level=None)
        database.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            "CREATE TABLE member (id TEXT PRIMARY KEY, email TEXT, name TEXT, role TEXT, at TEXT)"
            " WITHOUT ROWID"
        )
        for rows in self.pages():
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "INSERT INTO member VALUES (?,?,?,?,?)",
                [(row.id, row.email, row.name, row.role, row.added_at) for row in rows],
            )
            database.execute("COMMIT")
        database.close()

    def postgresql(self, url: str) -> None:
        """Into an empty table with COPY, a transaction a page."""
        with psycopg.connect(url, autocommit=True) as database:
            database.execute("DROP TABLE IF EXISTS floor_member")
            database.execute(
                "CREATE TABLE floor_member"
                " (id text PRIMARY KEY, email text, name text, role text, at timestamptz)"
            )
            for rows in self.pages():
                with database.cursor().copy("COPY floor_member FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row((row.id, row.email, row.name, row.role, row.added_at))


def timed(work: Callable[[], Any]) -> float:
    """Seconds that ``work`` takes."""
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def resident(which: str) -> float:
    """This process's memory in MB: "VmRSS" now, "VmHWM" at most so far."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{which}:")[1].split()[0]) / 1024


class Bench:
    """One connection to the sandbox, walked over and over."""

    def __init__(self, base_url: str, key: str) -> None:
        from apps.organizations.credentials import seal_for
        from apps.organizations.models import Connection, Organization
        from apps.organizations.sealing import Secret
        from apps.sync.models import Resource

        organization = Organization.objects.create(name="Bench", slug="bench")
        self.connection = Connection(
            organization=organization,
            provider="anthropic",
            name="Sandbox",
            base_url=base_url,
            state=Connection.State.ACTIVE,
            capabilities={"members.read": {"ok": True, "reason": ""}},
            requests_per_minute=10_000_000,
        )
        self.connection.credential = seal_for(self.connection, "credential", Secret(key))
        self.connection.save()
        self.resource = Resource.objects.create(connection=self.connection, name="members")
        self.base_url = base_url
        self.turn = 0

    def walk(self) -> Any:
        """One whole walk; its run."""
        from apps.providers.guard import worker_scope
        from apps.sync.models import SyncRun
        from apps.sync.walk import walk

        with worker_scope():
            run = walk(self.resource.pk)
        assert run is not None, "no walk"
        assert run.state == SyncRun.State.COMPLETE, run.error
        return run

    def walk_and_find(self, changed: int) -> None:
        """One whole walk that must find so many changed rows."""
        run = self.walk()
        assert run.changed == changed, f"{run.changed} rows changed instead of {changed}"

    def empty(self) -> None:
        """Forget all rows, and that there ever was a walk."""
        from django.db import connection as database

        with database.cursor() as cursor:
            if database.vendor == "postgresql":
                cursor.execute("TRUNCATE members_member, members_person CASCADE")
            else:
                for table in ("members_member", "members_person"):
                    cursor.execute(f"DELETE FROM {table}")  # noqa: S608  # our own two names
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        type(self.resource).objects.update(completed_at=None, rows=0)

    def change_one_percent(self) -> int:
        """Rename every hundredth member at the remote, through the sandbox's control path."""
        from apps.members.models import Member

        self.turn += 1
        rows = Member.objects.order_by("pk").values_list("email", flat=True)
        emails = list(rows)[::100]
        parts = urlsplit(self.base_url)
        line = http.client.HTTPConnection(parts.hostname or "", parts.port)
        for email in emails:
            body = {
                "organization": self.organization,
                "email": email,
                "name": f"Renamed {self.turn} {email}",
            }
            line.request("POST", "/_control/members", json.dumps(body))
            answer = line.getresponse()
            said = answer.read()
            assert answer.status < 400, said
        line.close()
        return len(emails)

    organization = ""


@contextmanager
def clicking() -> Iterator[list[float]]:
    """Somebody else writes a little, over and over; their waits in milliseconds come at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.sync_child", "click"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    waits: list[float] = []
    assert process.stdout
    process.stdout.readline()  # it is ready
    try:
        yield waits
    finally:
        waits.extend(json.loads(process.communicate("")[0]))


def click() -> None:
    """Write one small row every 10 ms until standard input ends; print each write's milliseconds."""
    import select

    from django.db import transaction
    from django.utils import timezone

    from apps.organizations.models import Connection

    waits = []
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        began = time.perf_counter()
        with transaction.atomic(durable=True):
            Connection.objects.update(last_ok_at=timezone.now())
        waits.append((time.perf_counter() - began) * 1000)
    print(json.dumps(waits))


def main(base_url: str, key: str) -> None:
    """Measure, and print what was found as one line of JSON."""
    from django.core.management import call_command
    from django.db import connection as database

    call_command("migrate", verbosity=0)
    bench = Bench(base_url, key)
    bench.organization = sys.argv[3] if len(sys.argv) > 3 else _organization(base_url, key)
    floor = Floor(base_url, key)
    if database.vendor == "postgresql":
        write_floor = lambda: floor.postgresql(os.environ["DATABASE_URL"])  # noqa: E731
    else:
        write_floor = lambda: floor.sqlite(Path(os.environ["ORGDESK_VAR"]) / "floor")  # noqa: E731

    import anthropic  # noqa: F401  # a worker that has walked before has it

    idle = resident("VmRSS")
    run = bench.walk()
    memory = resident("VmHWM") - idle
    floor_first, first, floor_again, again = [], [], [], []
    for _ in range(ROUNDS):
        floor_first.append(timed(write_floor))
        bench.empty()
        first.append(timed(bench.walk))
    for _ in range(ROUNDS):
        changed = bench.change_one_percent()
        for _ in floor.pages():
            pass  # the sandbox renders what changed: neither side is to pay for that
        floor_again.append(timed(write_floor))
        again.append(timed(partial(bench.walk_and_find, changed)))
    bench.empty()
    with clicking() as waits:
        bench.walk()
    found = {
        "rows": run.seen,
        "requests": run.requests,
        "first": statistics.median(first),
        "floor_first": statistics.median(floor_first),
        "again": statistics.median(again),
        "floor_again": statistics.median(floor_again),
        "memory": memory,
        "clicks_p95": statistics.quantiles(waits, n=20)[-1],
    }
    print(json.dumps(found), flush=True)


def _organization(base_url: str, key: str) -> str:
    parts = urlsplit(base_url)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port)
    line.request("GET", "/v1/organizations/me", headers=Floor(base_url, key).headers)
    return str(json.loads(line.getresponse().read())["id"])


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    django.setup()
    if sys.argv[1] == "click":
        click()
    else:
        main(*sys.argv[1:3])
