"""A million rows of usage as a file: ``python -m bench.export_child``. How long, and how much memory."""

import json
import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import django

from bench.sync_child import resident
from bench.usage_child import connection_to

KEYS, DAYS = 2_800, 360  # a day and key a row: a million


def fill(connection: Any, today: int) -> None:
    """The days of many keys, as a walk would have left them."""
    from django.db import transaction
    from django.utils import timezone

    from apps.usage import bulk, ledger, rollups
    from apps.usage.dimensions import Dimensions
    from apps.usage.models import Report, Rollup
    from apps.usage.tuples import COLUMNS, COUNTS, CUBES, KEY_GRAIN, NOT_ASKED

    told = {"currency": "USD", "workspace": "wrkspc_1"}
    tuples = [
        tuple({**told, "key": f"apikey_{number:024}"}.get(name, NOT_ASKED) for name in COLUMNS)
        for number in range(KEYS)
    ]
    grain = next(cube for cube in CUBES if cube.id == KEY_GRAIN)
    ids = sorted(Dimensions(connection.pk).ids(map(grain.project, tuples), grain).values())
    report = Report.objects.create(
        connection=connection, name="usage", hourly=True, backfill_to=today - DAYS
    )
    counts = [1000] * (len(COUNTS) - 1)
    for day in range(today - DAYS, today):
        rows = [
            (connection.pk, KEY_GRAIN, day, one, *counts, None, 12, one, 12, one, None, None)
            for one in ids
        ]
        with transaction.atomic(durable=True):
            bulk.insert(Rollup, rollups.COLUMNS, rows)
            ledger.mark(report, day, timezone.now(), rows=0, unreadable=0, dropped=())


def consumed(form: str, connection: Any, days: int) -> tuple[int, float, float]:
    """Read a file of the last ``days`` to its end as a browser does: its lines, seconds, and the most
    memory of its own that the process had meanwhile (SQLite's file, which it maps, is not)."""
    from django.http import QueryDict

    from apps.usage import downloads
    from apps.usage.asking import Asking

    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=days - 1)
    params = QueryDict(f"from={first}&to={last}&by=day&group=key&show=tokens")
    question = Asking(params, kept_from=first, connections=[connection]).question
    began = time.perf_counter()
    response: Any = downloads.respond(form, question, [connection], connection.organization)
    lines, most = 0, 0.0
    for number, chunk in enumerate(response):
        lines += chunk.count(b"\r\n")
        if number % 20 == 0:
            most = max(most, resident("RssAnon"))
    return lines, time.perf_counter() - began, most


def main() -> None:
    """Measure, and print what was found as lines of JSON."""
    from django.core.management import call_command

    from apps.usage.days import day_of

    call_command("migrate", verbosity=0)
    connection = connection_to("http://127.0.0.1:1")
    fill(connection, day_of(datetime.now(UTC)))
    consumed("csv", connection, 14)  # what a process that has served one before holds
    idle = resident("RssAnon")
    lines, seconds, most = consumed("csv", connection, DAYS)
    assert lines == KEYS * DAYS + 1, lines
    print(json.dumps({"export": lines - 1, "seconds": seconds, "memory": most - idle}), flush=True)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    django.setup()
    main()
