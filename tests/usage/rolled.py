"""Usage as the ingest would have left it: rollups of every grain, and the ledger."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import F
from django.utils import timezone

from apps.organizations.models import Connection
from apps.usage import money
from apps.usage.days import HOURS, day_of
from apps.usage.models import Dimension, ReadDay, Report, ReportName, Rollup
from apps.usage.tuples import COLUMNS, GRAINS, NONE, NOT_ASKED, digest_of

FIELDS = ("uncached_input", "cache_read", "output", "requests")


def report(connection: Connection, back_to: date, *, hourly: bool = True) -> None:
    """The connection's reports, wanted back to a day, with nothing read."""
    for name in (ReportName.USAGE, ReportName.COSTS):
        Report.objects.update_or_create(
            connection=connection,
            name=name,
            defaults={"backfill_to": day_of(back_to), "hourly": hourly},
        )


def read(connection: Connection, *days: date) -> None:
    """Note in the ledger that whole days were read."""
    ReadDay.objects.bulk_create(
        ReadDay(
            connection=connection,
            report=name,
            day=day_of(day),
            through=(day_of(day) + 1) * HOURS,
            read_at=timezone.now(),
            settled=True,
        )
        for day in days
        for name in (ReportName.USAGE, ReportName.COSTS)
    )


def used(
    connection: Connection,
    day: date,
    *,
    cost: str | Decimal = "0",
    counts: Mapping[str, int] | None = None,
    **columns: str,
) -> None:
    """One dimension's use on one day. ``cost`` is billed at workspace and model, and shared by key and
    person; ``counts`` as ``tuples.COUNTS``."""
    told = {
        "workspace": NONE,
        "key": NONE,
        "account": NONE,
        "service_account": NONE,
        "model": "claude-sonnet-4-6",
        "service_tier": "standard",
        "context_window": "0-200k",
        "geo": "global",
        "speed": "standard",
        "operation": "",
        "cost_type": NOT_ASKED,
        "token_type": NOT_ASKED,
        "description": NOT_ASKED,
        "currency": "USD",
        **columns,
    }
    usage = tuple(told[name] for name in COLUMNS)
    line = {**told, "key": NOT_ASKED, "account": NOT_ASKED, "service_account": NOT_ASKED}
    line |= {"cost_type": "tokens", "token_type": "output", "description": f"{told['model']} usage"}
    billed = tuple(line[name] for name in COLUMNS)
    sums = money.split(Decimal(cost))
    for grain in GRAINS:
        _add(connection, day, grain, usage, dict(counts or {}), "shared", sums)
        _add(connection, day, grain, billed, {}, "billed", sums)


def _add(
    connection: Connection,
    day: date,
    grain: Any,
    row: tuple[str, ...],
    counts: dict[str, int],
    kind: str,
    sums: tuple[int, int],
) -> None:
    projected = grain.project(row)
    dimension, _ = Dimension.objects.get_or_create(
        connection=connection,
        grain=grain.id,
        digest=digest_of(projected),
        defaults=dict(zip(COLUMNS, projected, strict=True)),
    )
    held = {"connection_id": connection.pk, "grain": grain.id, "day": day_of(day)}
    found, _ = Rollup.objects.get_or_create(**held, dimension_id=dimension.pk)
    more: dict[str, Any] = {
        f"{kind}_{part}": sums[at] for at, part in enumerate(("micros", "femtos"))
    }
    if "requests" in counts and found.requests is None:
        Rollup.objects.filter(pk=found.pk).update(requests=0)
    more |= counts
    Rollup.objects.filter(pk=found.pk).update(
        **{name: F(name) + value for name, value in more.items()}
    )
