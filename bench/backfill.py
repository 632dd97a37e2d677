"""``make backfill``: thirteen months of usage read from a sandbox that says 429 to a third of what is asked,
by workers that are killed; and every day held against the sandbox's own totals.

Prints a table for each database and ends with an error if a day is missing or a token or a femtodollar
differs. ``SIZE`` of the sandbox (medium), ``KILLS`` of workers (6), ``SEED`` for the dice; PostgreSQL takes
part where ``surroundings.server()`` knows of one, and ``ONLY`` names one database.
"""

import base64
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from bench import surroundings
from tests.plant import Plant

if TYPE_CHECKING:
    from apps.organizations.models import Connection
    from tests.desk import Desk

SIZE = os.environ.get("SIZE", "medium")
KILLS = int(os.environ.get("KILLS", "6"))
SEED = os.environ.get("SEED", "")
ONLY = os.environ.get("ONLY", "")
DAYS = int(os.environ.get("DAYS", "396"))
MOST_SECONDS = 3600
# A killed worker's walk is taken over after seconds, and waiting for a rate limit is short.
QUICK = {
    "USAGE_BACKFILL_DAYS": DAYS,
    "USAGE_SLICE_SECONDS": 20.0,
    "SYNC_LEASE_SECONDS": 20.0,
    "SYNC_RETRY_BASE_SECONDS": 0.05,
    "SYNC_INTERVAL_SECONDS": 5,
    "BREAKER_SECONDS": 0.3,
    "BREAKER_CAP_SECONDS": 1.0,
}
BUSY = 0.3  # of all requests for reports
OPERATIONS = (
    "getMessagesUsageReport",
    "getCostReport",
    "getClaudeCodeUsageReport",
)
REPORTS = {"anthropic": ("usage", "costs", "coding"), "cline": ("usage",)}
UNSETTLED = 2  # days at the end that may still change
TOKENS = ("uncached_input", "cache_write_5m", "cache_write_1h", "cache_read", "output")
Sums = dict[Any, list[int]]


# --- What the sandbox says ------------------------------------------------------------------------------


def months(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The range in stretches that one page of the reports holds."""
    while first <= last:
        end = min(first + timedelta(days=30), last)
        yield first, end
        first = end + timedelta(days=1)


def told(desk: "Desk", path: str, first: date, last: date, *group_by: str) -> Iterator[Any]:
    """Each day and row of a report, as the sandbox itself answers it."""
    for begin, end in months(first, last):
        query = [("starting_at", f"{begin}T00:00:00Z"), ("limit", "31")]
        query += [("ending_at", f"{end + timedelta(days=1)}T00:00:00Z")]
        query += [("group_by[]", name) for name in group_by]
        status, _, answer = desk.sandbox.anthropic(
            "GET", f"{path}?{urlencode(query)}", timeout=600.0
        )
        assert status == 200, answer
        assert not answer["has_more"]
        for bucket in answer["data"]:
            for row in bucket["results"]:
                yield bucket["starting_at"][:10], row


def expected(desk: "Desk", first: date, last: date) -> Sums:
    """Tokens, searches and femtodollars by day, workspace and model."""
    from apps.usage.money import in_femtos
    from apps.usage.tuples import NONE

    sums: Sums = defaultdict(lambda: [0] * (len(TOKENS) + 2))
    for day, row in told(desk, "/usage_report/messages", first, last, "workspace_id", "model"):
        cache = row["cache_creation"]
        counts = (
            row["uncached_input_tokens"],
            cache["ephemeral_5m_input_tokens"],
            cache["ephemeral_1h_input_tokens"],
            row["cache_read_input_tokens"],
            row["output_tokens"],
            row["server_tool_use"]["web_search_requests"],
        )
        held = sums[day, row["workspace_id"] or NONE, row["model"] or NONE]
        for at, count in enumerate(counts):
            held[at] += count
    for day, row in told(desk, "/cost_report", first, last, "workspace_id", "description"):
        held = sums[day, row["workspace_id"] or NONE, row["model"] or NONE]
        held[-1] += in_femtos(Decimal(row["amount"]) / 100)
    return {key: held for key, held in sums.items() if any(held)}


# --- What we have ----------------------------------------------------------------------------------------


def found(connection: "Connection", first: date, last: date) -> Sums:
    """The same as pages read it, day by day."""
    from apps.usage import reads
    from apps.usage.money import in_femtos

    return {
        (row.group["day"].isoformat(), row.group["workspace"], row.group["model"]): held
        for row in reads.sums([connection], first, last, ("day", "workspace", "model"))
        if any(held := [*_counts(row), in_femtos(row.billed)])
    }


def _counts(row: Any) -> list[int]:
    return [*(getattr(row, name) for name in TOKENS), row.web_searches]


def whole(connection: "Connection", first: date, last: date, *group_by: str) -> list[int]:
    """All of it in one, by way of another grouping: from weeks and months."""
    from apps.usage import reads
    from apps.usage.money import in_femtos

    rows = reads.sums([connection], first, last, group_by)
    sums = [sum(column) for column in zip(*map(_counts, rows), strict=True)]
    return [*sums, in_femtos(sum((row.cost for row in rows), Decimal(0)))]


# --- The storm ------------------------------------------------------------------------------------------


def read_everything(plant: Plant, desk: "Desk") -> dict[str, object]:
    """Let workers read until nothing is left, killing some; what there is to tell of it."""
    from apps.sync.models import Resource
    from apps.usage.models import ReadDay, Report
    from tests.usage.conftest import with_usage

    now = datetime.now(UTC)
    for provider, names in REPORTS.items():
        connection = with_usage(desk.connections[provider])
        for name in names:
            Resource.objects.create(connection=connection, name=name, due_at=now)
    wanted = sum(map(len, REPORTS.values()))
    for operation in OPERATIONS:
        for seconds in (0, 1):
            plant.sandbox.control.fault(
                operation, "429", count=None, probability=BUSY / 2, retry_after=seconds
            )
    plant.beat()
    worker = plant.worker()
    dice, began, killed, last_kill = random.Random(SEED or None), time.monotonic(), 0, 0.0
    while Report.objects.filter(backfilled_at__isnull=False).count() < wanted:
        passed = time.monotonic() - began
        assert passed < MOST_SECONDS, "not done in time"
        time.sleep(1)
        if killed < KILLS and passed - last_kill > dice.uniform(10, 25):
            plant.kill(worker)
            killed, last_kill, worker = killed + 1, passed, plant.worker()
            days = ReadDay.objects.count()
            print(f"{passed:.0f} s: {days} days read, {killed} kills", file=sys.stderr)
    seconds = round(time.monotonic() - began)
    plant.kill(worker)
    statuses = plant.sandbox.control.statuses()
    plant.sandbox.control.clear_faults()
    return {
        "days read, of all reports": ReadDay.objects.count(),
        "requests answered": sum(
            count for name, count in statuses.items() if name.endswith(" 200")
        ),
        "requests refused with 429": sum(
            count for name, count in statuses.items() if name.endswith(" 429")
        ),
        "workers killed": killed,
        "seconds": seconds,
    }


def judge(desk: "Desk") -> tuple[dict[str, object], list[str]]:
    """Hold every day against the sandbox; what there is to tell, and every difference."""
    from apps.usage import reads
    from apps.usage.models import Block, Fact

    connection = desk.connections["anthropic"]
    today = datetime.now(UTC).date()
    first, last = today - timedelta(days=DAYS), today - timedelta(days=UNSETTLED)
    theirs, ours = expected(desk, first, last), found(connection, first, last)
    wrong = [
        f"{' '.join(key)}: {ours.get(key)} instead of {theirs.get(key)}"
        for key in sorted({**theirs, **ours})
        if theirs.get(key) != ours.get(key)
    ]
    sums = [sum(column) for column in zip(*theirs.values(), strict=True)]
    for group_by in ((), ("key",), ("account",), ("month",), ("model", "service_tier")):
        other = whole(connection, first, last, *group_by)
        wrong += [f"by {group_by}: {other} instead of {sums}"] if other != sums else []
    coverage = reads.totals([connection], first, last).coverage
    wrong += [f"not read: {hole}" for hole in coverage.holes]
    return {
        "days compared": (last - first).days + 1,
        "sums by day, workspace and model": len(theirs),
        "tokens": sum(sums[: len(TOKENS)]),
        "dollars": str(Decimal(sums[-1]).scaleb(-15).normalize()),
        "hours kept": Fact.objects.count(),
        "weeks and months summed up": Block.objects.filter(made=True).count(),
        "DIFFERENT": len(wrong),
    }, wrong


def one_database(database: str, url: str) -> int:
    """All of it on one database, in this process; the exit status."""
    with tempfile.TemporaryDirectory(prefix="orgdesk-backfill-") as folder:
        at = Path(folder)
        environ = {
            "DATABASE_URL": url or f"sqlite:///{at / 'backfill.sqlite3'}",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "CREDENTIAL_KEYS": "1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
            **{name: str(value) for name, value in QUICK.items()},
        }
        with Plant(at, environ, SIZE) as plant:
            os.environ |= plant.environ
            import django

            django.setup()
            from django.core.management import call_command

            from tests.desk import open_desk

            call_command("migrate", verbosity=0)
            desk = open_desk(plant.sandbox)
            facts = read_everything(plant, desk)
            more, wrong = judge(desk)
            print(f"\n{database}: {DAYS} days of the {SIZE} sandbox")
            for name, value in {**facts, **more}.items():
                print(f"  {name:<40}{value!s:>24}")
            for line in wrong[:50]:
                print(f"  ! {line}")
            return int(bool(wrong))


def main(arguments: list[str]) -> int:
    """Each database in a process of its own, because settings are read once; the exit status."""
    if arguments:
        return one_database(*arguments)
    results = []
    for database in surroundings.databases():
        if ONLY in ("", database):
            if database == "sqlite":
                results.append(run_alone(database, ""))
            else:
                with surroundings.postgresql() as url:
                    results.append(run_alone(database, url))
    return int(any(results))


def run_alone(database: str, url: str) -> int:
    """This module again, for one database."""
    return subprocess.run(
        [sys.executable, "-m", "bench.backfill", database, url], check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
