"""The page of Claude Code over twelve months of a thousand people: ``python -m bench.coding_child``."""

import json
import logging
import random
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import django

from bench.usage_child import MEASURED, _in_database, connection_to

PEOPLE = 1_000
MONTHS = 13
FIGURES = ("people", "sessions", "estimate", "acceptance")


def fill(connection: Any, today: date) -> int:
    """Their days, as a walk would have left them; how many days of people."""
    from django.db import transaction
    from django.utils import timezone

    from apps.usage import bulk, coding_rollups, ledger
    from apps.usage.days import day_of
    from apps.usage.models import Coder, CodingDay, CodingModel, CodingTool, Report

    dice = random.Random(13)
    Coder.objects.bulk_create(
        Coder(connection=connection, email=f"person{number}@bench.example")
        for number in range(PEOPLE)
    )
    coders = list(Coder.objects.filter(connection=connection).values_list("pk", flat=True))
    last = day_of(today)
    first = last - 31 * MONTHS
    report = Report.objects.create(
        connection=connection, name="coding", backfill_to=first, backfilled_at=timezone.now()
    )
    total = 0
    for day in range(first, last + 1):
        at = date(1970, 1, 1) + timedelta(days=day)
        active = dice.sample(coders, PEOPLE // (10 if at.weekday() > 4 else 2))
        total += len(active)
        own = (connection.pk, day)
        days = [
            (*own, one, terminal, "api", "", dice.randrange(1, 9), 200, 40, 3, 1)
            for one in active
            for terminal in dice.sample(("vscode", "iTerm.app", "tmux"), dice.randrange(1, 3))
        ]
        used = [
            (*own, one, f"claude-{name}", "USD", 9000, 800, 70_000, 4000, 1_234_567, 890_000_000)
            for one in active
            for name in ("opus", "sonnet")
        ]
        tools = [
            (*own, one, f"{tool}_tool", dice.randrange(20), dice.randrange(5))
            for one in active
            for tool in ("edit", "write")
        ]
        with transaction.atomic(durable=True):
            for model, rows in ((CodingDay, days), (CodingModel, used), (CodingTool, tools)):
                fields = [field.attname for field in model._meta.concrete_fields][1:]
                bulk.insert(model, fields, rows)
            coding_rollups.exchange(connection.pk, day, {})
            ledger.mark(report, day, timezone.now(), rows=0, unreadable=0, dropped=())
    return total


def measure() -> None:
    """Each figure's page over the last twelve months, fifteen times; the quickest counts."""
    from django.db import connection as database
    from django.http import QueryDict

    from apps.usage import coding_page

    connection = connection_to("http://127.0.0.1:1")
    today = datetime.now(UTC).date()
    rows = fill(connection, today)
    with database.cursor() as cursor:
        cursor.execute("ANALYZE")
    for preset in ("12m", "90d"):
        for figure in FIGURES:
            params = QueryDict(f"range={preset}&show={figure}")
            asking = coding_page.CodingAsking(params, kept_from=None, connections=[connection])
            ask = partial(
                coding_page.answer, asking.question, [connection], connection.organization
            )
            assert ask().people > PEOPLE / 2
            found = [_in_database(ask) for _ in range(15)]
            least = [min(one) for one in zip(*found, strict=True)]
            said = {"name": f"coding.{preset}.{figure}", "rows": rows}
            print(json.dumps(said | dict(zip(MEASURED, least, strict=True))), flush=True)


def main() -> None:
    """Measure, and print what was found as lines of JSON."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    measure()


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    django.setup()
    main()
