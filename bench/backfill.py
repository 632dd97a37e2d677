"""``make backfill``: thirteen months of usage read from a sandbox that says 429 to a third of what is asked,
by workers that are killed; and every day held against the sandbox's own totals: Anthropic's tokens and
costs, Claude Code by whoever used it, Cline's tokens and charges by member, operation and model.

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
# Of all requests for reports: so many are refused without a word on how long to wait, and of the others
# so many with a second; a third in all.
BUSY = ((0, 0.25), (1, 1 / 9))
OPERATIONS = (
    "getMessagesUsageReport",
    "getCostReport",
    "getClaudeCodeUsageReport",
    "get_organization_usage",
)
REPORTS = {"anthropic": ("usage", "costs", "coding"), "cline": ("usage",)}
UNSETTLED = 2  # days at the end that may still change
TOKENS = ("uncached_input", "cache_write_5m", "cache_write_1h", "cache_read", "output")
Sums = dict[Any, list[int]]


# --- What the sandbox says ------------------------------------------------------------------------------


def stretches(first: date, last: date, days: int = 31) -> Iterator[tuple[date, date]]:
    """The range in stretches that one page of the reports holds."""
    while first <= last:
        end = min(first + timedelta(days=days - 1), last)
        yield first, end
        first = end + timedelta(days=1)


def told(desk: "Desk", path: str, first: date, last: date, *group_by: str) -> Iterator[Any]:
    """Each day and row of a report, as the sandbox itself answers it."""
    for begin, end in stretches(first, last):
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


def cline_told(desk: "Desk", first: date, last: date) -> Iterator[dict[str, Any]]:
    """Each row of the organization's usages at Cline."""
    for begin, end in stretches(first, last, 7):
        token = ""
        while True:
            query = urlencode({"startDate": begin, "endDate": end, "cursor": token})
            status, _, answer = desk.sandbox.cline("GET", f"/organizations/{{org}}/usages?{query}")
            assert status == 200, answer
            yield from answer["data"]["items"]
            if not (token := answer["data"]["nextToken"]):
                break


def coding_told(desk: "Desk", day: date) -> Iterator[dict[str, Any]]:
    """Each record of a day of Claude Code."""
    page = ""
    while True:
        query = {"starting_at": day.isoformat(), "limit": 1000} | ({"page": page} if page else {})
        path = f"/usage_report/claude_code?{urlencode(query)}"
        status, _, answer = desk.sandbox.anthropic("GET", path, timeout=600.0)
        assert status == 200, answer
        yield from answer["data"]
        if not answer["has_more"]:
            return
        page = answer["next_page"]


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


# --- Held against each other ----------------------------------------------------------------------------


def different(theirs: Sums, ours: Sums) -> list[str]:
    """Every difference, in words."""
    return [
        f"{' '.join(map(str, key))}: {ours.get(key)} instead of {theirs.get(key)}"
        for key in sorted({**theirs, **ours})
        if theirs.get(key) != ours.get(key)
    ]


def judge_cline(desk: "Desk", first: date, last: date) -> tuple[dict[str, object], list[str]]:
    """By day, member, operation and model: tokens, and what was charged and listed, in femtodollars. All of
    it once more against the organization's summary, which the sandbox adds up in another way."""
    from apps.usage import reads
    from apps.usage.money import in_femtos

    theirs: Sums = defaultdict(lambda: [0] * 4)
    for row in cline_told(desk, first, last):
        named = (row[name] for name in ("date", "memberId", "operation", "aiModelName"))
        counts = (row["promptTokens"], row["completionTokens"])
        money = (row["creditsUsed"] * 10**9, row["costUsd"] * 10**7)
        held = theirs[tuple(named)]
        for at, value in enumerate((*counts, *money)):
            held[at] += value
    connection = desk.connections["cline"]
    names = ("day", "account", "operation", "model")
    ours: Sums = {}
    for one in reads.sums([connection], first, last, names):
        day, *others = (one.group[name] for name in names)
        listed = in_femtos(one.listed) if one.listed is not None else 0
        ours[day.isoformat(), *others] = [
            one.unsplit_input,
            one.output,
            in_femtos(one.billed),
            listed,
        ]
    theirs = {key: held for key, held in theirs.items() if any(held)}
    wrong = different(theirs, {key: held for key, held in ours.items() if any(held)})
    query = urlencode({"startDate": first, "endDate": last})
    status, _, answer = desk.sandbox.cline("GET", f"/organizations/{{org}}/metrics?{query}")
    assert status == 200, answer
    data = answer["data"]
    summary = [
        data["promptTokens"],
        data["completionTokens"],
        data["creditsUsed"] * 10**9,
        data["costUsd"] * 10**7,
    ]
    sums = [sum(column) for column in zip(*ours.values(), strict=True)]
    wrong += [f"Cline in all: {sums} instead of {summary}"] if sums != summary else []
    return {
        "Cline: sums by day, member, operation and model": len(theirs),
        "Cline: tokens": sum(sums[:2]),
        "Cline: dollars charged": str(Decimal(sums[2]).scaleb(-15).normalize()),
    }, wrong


METRICS = ("sessions", "lines_added", "lines_removed", "commits", "pull_requests")
CODED = ("uncached_input", "cache_write", "cache_read", "output")


def judge_coding(desk: "Desk", first: date, last: date) -> tuple[dict[str, object], list[str]]:
    """By day and whoever used it: what was done, what was proposed, tokens, the estimate in femtodollars."""
    theirs: Sums = {}
    for ahead in range((last - first).days + 1):
        day = first + timedelta(days=ahead)
        for record in coding_told(desk, day):
            actor, core = record["actor"], record["core_metrics"]
            who = actor.get("email_address", "").lower() or actor.get("api_key_name", "")
            lines, tools = core["lines_of_code"], record["tool_actions"].values()
            models = record["model_breakdown"]
            found = [
                core["num_sessions"],
                lines["added"],
                lines["removed"],
                core["commits_by_claude_code"],
                core["pull_requests_by_claude_code"],
                *(sum(tool[name] for tool in tools) for name in ("accepted", "rejected")),
                *(
                    sum(one["tokens"][name] for one in models)
                    for name in ("input", "cache_creation", "cache_read", "output")
                ),
                sum(_femtos_of_cents(one["estimated_cost"]["amount"]) for one in models),
            ]
            held = theirs.setdefault((day.isoformat(), who), [0] * len(found))
            for at, value in enumerate(found):
                held[at] += value
    ours = coded(desk.connections["anthropic"], first, last)
    sums = [sum(column) for column in zip(*theirs.values(), strict=True)]
    return {
        "Claude Code: sums by day and whoever used it": len(theirs),
        "Claude Code: sessions": sums[0],
        "Claude Code: tokens": sum(sums[7:11]),
        "Claude Code: estimated dollars": str(Decimal(sums[-1]).scaleb(-15).normalize()),
    }, different(theirs, ours)


def _femtos_of_cents(amount: float) -> int:
    from apps.usage.money import in_femtos

    return in_femtos(Decimal(repr(amount)) / 100)


def coded(connection: "Connection", first: date, last: date) -> Sums:
    """The same as we have it."""
    from apps.usage.days import date_of, day_of
    from apps.usage.models import CodingDay, CodingModel, CodingTool
    from apps.usage.money import MICRO

    found: Sums = defaultdict(lambda: [0] * (len(METRICS) + 2 + len(CODED) + 1))
    who = ("day", "coder__email", "coder__key_name")

    def add(model: Any, names: tuple[str, ...], place: int) -> None:
        rows = model.objects.filter(connection=connection, day__range=(day_of(first), day_of(last)))
        for day, email, key, *values in rows.values_list(*who, *names).iterator():
            held = found[date_of(day).isoformat(), email or key]
            for at, value in enumerate(values, place):
                held[at] += value

    add(CodingDay, METRICS, 0)
    add(CodingTool, ("accepted", "rejected"), len(METRICS))
    add(CodingModel, (*CODED, "estimate_femtos"), len(METRICS) + 2)
    rows = CodingModel.objects.filter(
        connection=connection, day__range=(day_of(first), day_of(last))
    )
    for day, email, key, micros in rows.values_list(*who, "estimate_micros").iterator():
        found[date_of(day).isoformat(), email or key][-1] += micros * MICRO
    return dict(found)


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
        for seconds, probability in BUSY:
            plant.sandbox.control.fault(
                operation, "429", count=None, probability=probability, retry_after=seconds
            )
    plant.beat()
    worker = plant.worker()
    dice, began, killed, last_kill = random.Random(SEED or None), time.monotonic(), 0, 0.0
    read = 0  # days, at the last kill
    while Report.objects.filter(backfilled_at__isnull=False).count() < wanted:
        passed = time.monotonic() - began
        assert passed < MOST_SECONDS, "not done in time"
        time.sleep(1)
        if killed < KILLS and passed - last_kill > dice.uniform(10, 25):
            days = ReadDay.objects.count()
            if days == read:  # one that has read nothing yet would be killed to no purpose
                continue
            plant.kill(worker)
            killed, last_kill, read, worker = killed + 1, passed, days, plant.worker()
            print(f"{passed:.0f} s: {days} days read, {killed} kills", file=sys.stderr)
    seconds = round(time.monotonic() - began)
    plant.kill(worker)
    statuses = plant.sandbox.control.statuses()
    plant.sandbox.control.clear_faults()
    return {
        "days read, of all reports": ReadDay.objects.count(),
        **_refused(statuses),
        "workers killed": killed,
        "seconds": seconds,
    }


def _refused(statuses: dict[str, int]) -> dict[str, object]:
    """Of the requests for each report, how many there were, and how many of them were refused."""
    found: dict[str, object] = {}
    for operation in OPERATIONS:
        refused, answered = (statuses.get(f"{operation} {status}", 0) for status in (429, 200))
        share = refused / max(refused + answered, 1)
        found[f"{operation}: requests, refused with 429"] = (
            f"{refused + answered:,}, {refused:,} ({share:.0%})"
        )
    return found


def judge(desk: "Desk") -> tuple[dict[str, object], list[str]]:
    """Hold every day against the sandbox; what there is to tell, and every difference."""
    from apps.usage import reads
    from apps.usage.coverage import coverage_of
    from apps.usage.models import Block, Fact

    connection = desk.connections["anthropic"]
    today = datetime.now(UTC).date()
    first, last = today - timedelta(days=DAYS), today - timedelta(days=UNSETTLED)
    theirs, ours = expected(desk, first, last), found(connection, first, last)
    wrong = different(theirs, ours)
    sums = [sum(column) for column in zip(*theirs.values(), strict=True)]
    for group_by in ((), ("key",), ("account",), ("month",), ("model", "service_tier")):
        other = whole(connection, first, last, *group_by)
        wrong += [f"by {group_by}: {other} instead of {sums}"] if other != sums else []
    everybody = list(desk.connections.values())
    coverage = reads.totals(everybody, first, last).coverage
    coding = coverage_of([connection], first, last, ("coding",))
    wrong += [f"not read: {hole}" for hole in (*coverage.holes, *coding.holes)]
    of_cline, wrong_of_cline = judge_cline(desk, first, last)
    of_coding, wrong_of_coding = judge_coding(desk, first, last)
    wrong += [*wrong_of_cline, *wrong_of_coding]
    return {
        "days compared": (last - first).days + 1,
        "sums by day, workspace and model": len(theirs),
        "tokens": sum(sums[: len(TOKENS)]),
        "dollars": str(Decimal(sums[-1]).scaleb(-15).normalize()),
        **of_cline,
        **of_coding,
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
                print(f"  {name:<64}{value!s:>26}")
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
