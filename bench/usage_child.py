"""The process that reads usage and is measured: ``python -m bench.usage_child <report server> <what>``.

``ingest``: a million rows against the floor. ``dashboards``: reads over ten million.
"""

import gc
import http.client
import json
import logging
import os
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import django
import msgspec
import psycopg

from bench.sync_child import clicking, resident, timed

MEASURED = ("ms", "whole_ms", "processor_ms")  # as ``_in_database`` gives them
DAYS = 30  # of ingest
FACT_DAYS = 90  # of dashboards
HOURLY = 4_700  # facts an hour there
GROUPS = (
    "workspace_id",
    "api_key_id",
    "model",
    "account_id",
    "service_tier",
    "context_window",
    "inference_geo",
    "service_account_id",
)


class Creation(msgspec.Struct, gc=False):
    ephemeral_1h_input_tokens: int
    ephemeral_5m_input_tokens: int


class Tools(msgspec.Struct, gc=False):
    web_search_requests: int


class Row(msgspec.Struct, gc=False):
    """What the floor reads of a row."""

    uncached_input_tokens: int
    cache_creation: Creation
    cache_read_input_tokens: int
    output_tokens: int
    server_tool_use: Tools
    api_key_id: str | None
    workspace_id: str | None
    model: str | None
    service_tier: str | None
    context_window: str | None
    inference_geo: str | None
    account_id: str | None
    service_account_id: str | None


class Bucket(msgspec.Struct, gc=False):
    starting_at: datetime
    results: list[Row]


class Pages(msgspec.Struct, gc=False):
    data: list[Bucket]


class Floor:
    """The same pages, read and written once into a narrow table."""

    def __init__(self, base_url: str) -> None:
        self.parts = urlsplit(base_url)
        self.decode = msgspec.json.Decoder(Pages).decode

    def pages(self) -> Iterator[list[Any]]:
        """The rows of a day at a time: hour, dimension, counts."""
        line = http.client.HTTPConnection(self.parts.hostname or "", self.parts.port)
        key = attrgetter(*GROUPS)
        ids: dict[Any, int] = {}
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        for back in range(DAYS, 0, -1):
            start = midnight - timedelta(days=back)
            query = {
                "starting_at": start.isoformat(),
                "ending_at": (start + timedelta(days=1)).isoformat(),
            }
            line.request("GET", f"/v1/organizations/usage_report/messages?{urlencode(query)}")
            page = self.decode(line.getresponse().read())
            rows = []
            for bucket in page.data:
                hour = int(bucket.starting_at.timestamp()) // 3600
                for row in bucket.results:
                    one = ids.setdefault(key(row), len(ids))
                    cache = row.cache_creation
                    rows.append(
                        (
                            hour,
                            one,
                            row.uncached_input_tokens,
                            cache.ephemeral_5m_input_tokens,
                            cache.ephemeral_1h_input_tokens,
                            row.cache_read_input_tokens,
                            row.output_tokens,
                            row.server_tool_use.web_search_requests,
                        )
                    )
            yield rows
        line.close()

    def sqlite(self, path: Path) -> None:
        """Into an empty table with executemany, a transaction a page."""
        path.unlink(missing_ok=True)
        database = sqlite3.connect(path, isolation_level=None)
        database.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            "CREATE TABLE usage (hour INT, one INT, a INT, b INT, c INT, d INT, e INT, f INT,"
            " PRIMARY KEY (hour, one)) WITHOUT ROWID"
        )
        for rows in self.pages():
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT INTO usage VALUES (?,?,?,?,?,?,?,?)", rows)
            database.execute("COMMIT")
        database.close()

    def postgresql(self, url: str) -> None:
        """Into an empty table with COPY, a transaction a page."""
        with psycopg.connect(url, autocommit=True) as database:
            database.execute("DROP TABLE IF EXISTS floor_usage")
            database.execute(
                "CREATE TABLE floor_usage (hour int, one int, a bigint, b bigint, c bigint, d bigint,"
                " e bigint, f bigint, PRIMARY KEY (hour, one))"
            )
            for rows in self.pages():
                with database.cursor().copy("COPY floor_usage FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)


def connection_to(base_url: str) -> Any:
    """A connection whose usage is read from there."""
    from apps.organizations.credentials import seal_for
    from apps.organizations.models import Connection, Organization
    from apps.organizations.sealing import Secret

    connection = Connection(
        organization=Organization.objects.create(name="Bench", slug="bench"),
        provider="anthropic",
        name="Reports",
        base_url=base_url,
        state=Connection.State.ACTIVE,
        capabilities={"usage.read": {"ok": True, "reason": ""}},
        requests_per_minute=10_000_000,
    )
    connection.credential = seal_for(connection, "credential", Secret("sk-ant-admin01-bench"))
    connection.save()
    return connection


def walk(resource: Any) -> Any:
    """One whole walk."""
    from apps.providers.guard import worker_scope
    from apps.sync.models import SyncRun
    from apps.sync.walk import walk as walk_now

    with worker_scope():
        run = walk_now(resource.pk)
    assert run is not None, "no walk"
    assert run.state == SyncRun.State.COMPLETE, run.error
    return run


def empty() -> None:
    """Forget what was read."""
    from django.db import connection as database

    tables = ["usage_fact", "usage_rollup", "usage_readday", "usage_correction"]
    tables += ["usage_block", "usage_blockrollup", "usage_hourrollup"]
    with database.cursor() as cursor:
        if database.vendor == "postgresql":
            cursor.execute(f"TRUNCATE {', '.join(tables)}")
        else:
            for table in tables:
                cursor.execute(f"DELETE FROM {table}")  # noqa: S608  # our own names
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def ingest(base_url: str, rounds: int = 3) -> None:
    """A million rows, and the trailing days again."""
    from django.conf import settings
    from django.db import connection as database

    from apps.sync.models import Resource
    from apps.usage.models import ReadDay

    settings.USAGE_BACKFILL_DAYS, settings.USAGE_SLICE_SECONDS = DAYS, 3600.0
    floor = Floor(base_url)
    if database.vendor == "postgresql":
        write_floor = partial(floor.postgresql, os.environ["DATABASE_URL"])
    else:
        write_floor = partial(floor.sqlite, Path(os.environ["ORGDESK_VAR"]) / "floor")

    import anthropic  # noqa: F401  # a worker that has walked before has it

    gc.collect()
    gc.freeze()  # as a worker does
    connection = connection_to(base_url)
    resource = Resource.objects.create(connection=connection, name="usage")
    idle = resident("VmRSS")
    walk(resource)
    memory = resident("VmHWM") - idle
    rows = sum(row.rows for row in ReadDay.objects.all())
    floors, ours = [], []
    for _ in range(rounds):
        floors.append(timed(write_floor))
        empty()
        ours.append(timed(lambda: walk(resource)))
    ReadDay.objects.filter(settled=False).update(replacing=True)
    again = timed(lambda: walk(resource))
    empty()
    with clicking() as waits:
        walk(resource)
    found = {
        "rows": rows,
        "ingest": min(ours),
        "floor": min(floors),
        "again": again,
        "memory": memory,
        "clicks_p95": statistics.quantiles(waits, n=20)[-1],
    }
    print(json.dumps(found), flush=True)


def fill(connection: Any) -> int:
    """Ten million facts by SQL, and their rollups as a walk would have made them; how many."""
    from django.db import connection as database
    from django.db import transaction
    from django.utils import timezone

    from apps.usage import arrays, blocks, bulk, hours, ledger, packing, retention, rollups
    from apps.usage.days import HOURS, day_of
    from apps.usage.dimensions import Dimensions
    from apps.usage.facts import Buckets
    from apps.usage.models import Fact, Report
    from bench.usage_server import tuples

    known = [tuple(one[name] for name in GROUPS) for one in tuples()]
    known += [(*one[:-1], "svac_1") for one in known[: HOURLY - len(known)]]
    dimensions = Dimensions(connection.pk)
    buckets = Buckets(dimensions, (*GROUPS, "speed"), GROUPS)
    ids = sorted(dimensions.ids([buckets._tuple(one) for one in known]).values())
    dimensions.cubes(ids)
    today = day_of(timezone.now())
    report = Report.objects.create(
        connection=connection, name="usage", hourly=True, backfill_to=today - FACT_DAYS
    )
    first, last = min(ids), max(ids)
    facts = [
        {one: (1000 + one * 7, 10 + at, at, 5000 + one, 0, 900 + one, 1, None) for one in ids}
        for at in range(HOURS)
    ]
    told = packing.day_of([arrays.counted(ids, [counts[one] for one in ids]) for counts in facts])
    by_hour = told.rows(packing.members_of(told.sums.ids, dimensions.cubes(ids)))
    assert by_hour is not None
    for day in range(today - FACT_DAYS, today):
        retention.make_room(day)
        sql = (
            "INSERT INTO usage_fact (connection_id, hour, dimension_id, uncached_input, cache_write_5m,"  # numbers of our own
            " cache_write_1h, cache_read, unsplit_input, output, web_searches)"
            f" SELECT {connection.pk}, {day * HOURS} + h, id, 1000 + id * 7, 10 + h, h, 5000 + id, 0, 900 + id, 1"
        )
        clock = "(WITH RECURSIVE n(h) AS (SELECT 0 UNION ALL SELECT h + 1 FROM n WHERE h < 23) SELECT h FROM n) AS hours"
        sql += f" FROM {clock}, usage_dimension WHERE id BETWEEN {first} AND {last} AND grain = 0 ORDER BY h, id"
        with transaction.atomic(durable=True):
            with database.cursor() as cursor:
                cursor.execute(sql)
            rolled = rollups.DayOfRollups(dimensions, day)
            rolled.write(rolled.sums(told.sums, {}))
            hours.exchange(connection.pk, day, by_hour)
            ledger.mark(report, day, timezone.now(), rows=0, unreadable=0, dropped=())
    blocks.make_due(connection.pk, lambda: None)
    with database.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute(f"SELECT COUNT(*) FROM {bulk.table_of(Fact)}")  # noqa: S608  # our own name
        return int(cursor.fetchone()[0])


def dashboards(base_url: str) -> None:
    """What pages ask for, each fifteen times; the quickest counts, because a shared machine only ever adds."""
    from apps.usage import reads

    connection = connection_to(base_url)
    rows = fill(connection)
    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=FACT_DAYS - 1)
    key, person, workspace = f"apikey_{7:024}", f"user_{7:024}", f"wrkspc_{7:022}"
    two_days, fortnight = last - timedelta(days=1), last - timedelta(days=13)
    questions: dict[str, Callable[[], Any]] = {
        "day": partial(_ask, connection, first, last, ("day",)),
        "day_model": partial(_ask, connection, first, last, ("day", "model")),
        "day_workspace": partial(_ask, connection, first, last, ("day", "workspace")),
        "model": partial(_ask, connection, first, last, ("model",)),
        "workspace_model": partial(_ask, connection, first, last, ("workspace", "model")),
        "key": partial(_ask, connection, first, last, ("key",)),
        "account": partial(_ask, connection, first, last, ("account",)),
        "key_by_day": partial(_ask, connection, first, last, ("day",), {"key": [key]}),
        "person_by_day": partial(_ask, connection, first, last, ("day",), {"account": [person]}),
        "workspace_by_model": partial(
            _ask, connection, first, last, ("day", "model"), {"workspace": [workspace]}
        ),
        "keys_of_model": partial(
            _ask, connection, first, last, ("key",), {"model": ["claude-model-3"]}
        ),
        "month_key": partial(_ask, connection, first, last, ("month", "key")),
        "week_key": partial(_ask, connection, first, last, ("week", "key")),
        "two_days_by_hour": partial(_ask, connection, two_days, last, ("hour",)),
        "fortnight_by_hour_and_model": partial(
            _ask, connection, fortnight, last, ("hour", "model")
        ),
        "fortnight_by_hour_and_tier": partial(
            _ask, connection, fortnight, last, ("hour", "service_tier")
        ),
        "fortnight_of_key_by_hour": partial(
            _ask, connection, fortnight, last, ("hour",), {"key": [key]}
        ),
        "fortnight_of_key_by_hour_and_model": partial(
            _ask, connection, fortnight, last, ("hour", "model"), {"key": [key]}
        ),
    }
    for name, ask in questions.items():
        assert reads.totals([connection], first, last).rows
        ask()
        found = [_in_database(ask) for _ in range(15)]
        least = [min(one) for one in zip(*found, strict=True)]
        said = {"name": name, "rows": rows, **dict(zip(MEASURED, least, strict=True))}
        print(json.dumps(said), flush=True)


def _in_database(ask: Callable[[], Any]) -> tuple[float, float, float]:
    """Milliseconds that a reading spends in its queries, all in all, and of the processor: this thread's and
    that of PostgreSQL's process, which other work on the machine adds little to."""
    from django.db import connection as database

    spent = 0.0

    def measure(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal spent
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            spent += time.perf_counter() - began

    serving = _served_by()
    gc.collect()
    before, began, at = serving(), time.thread_time(), time.perf_counter()
    with database.execute_wrapper(measure):
        ask()
    whole = time.perf_counter() - at
    worked = time.thread_time() - began + serving() - before
    return spent * 1000, whole * 1000, worked * 1000


def _served_by() -> Callable[[], float]:
    """Seconds of the processor that PostgreSQL's process for this connection has had so far; 0 where
    there is none, or none on this machine."""
    from django.db import connection as database

    if database.vendor != "postgresql":
        return lambda: 0.0
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        schedule = Path(f"/proc/{cursor.fetchone()[0]}/schedstat")
    if not schedule.exists():
        return lambda: 0.0
    return lambda: int(schedule.read_text().split()[0]) / 1e9


def _ask(
    connection: Any,
    first: date,
    last: date,
    group_by: tuple[str, ...],
    filters: dict[str, list[str]] | None = None,
) -> Any:
    from apps.usage import reads

    return reads.totals([connection], first, last, group_by, filters).rows


def main(base_url: str, what: str) -> None:
    """Measure, and print what was found as lines of JSON."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    began = time.perf_counter()
    {"ingest": ingest, "dashboards": dashboards}[what](base_url)
    print(f"{what} took {time.perf_counter() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    django.setup()
    main(*sys.argv[1:3])
