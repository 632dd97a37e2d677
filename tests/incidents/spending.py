"""Usage written as the ingest leaves it, many days at once; and a look at it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, timedelta
from decimal import Decimal

from django.utils import timezone

from apps.incidents.keeping import look_at
from apps.incidents.models import Incident
from apps.organizations.models import Connection
from apps.usage import money, tuples
from apps.usage.days import day_of
from apps.usage.models import Dimension, Rollup
from apps.usage.tuples import COLUMNS, NONE, NOT_ASKED, digest_of

DAYS = 62  # that are read
# What a look and the pages around it read: all of it would take the tests twice as long.
GRAINS = [grain for grain in tuples.GRAINS if grain.id in (0, 1, 3, 4, 5, 10)]

DEFAULTS = {
    **dict.fromkeys(COLUMNS, ""),
    "workspace": NONE,
    "key": NONE,
    "account": NONE,
    "service_account": NONE,
    "model": "claude-sonnet-4-6",
    "cost_type": NOT_ASKED,
    "token_type": NOT_ASKED,
    "description": NOT_ASKED,
    "currency": "USD",
}


def back(days: int) -> date:
    """The UTC day so many days ago."""
    return timezone.now().astimezone(UTC).date() - timedelta(days=days)


def spend(
    connection: Connection,
    dollars: Mapping[int, float | int],
    *,
    tokens: int = 1_000,
    cached: float = 0.5,
    grains: Sequence[tuples.Grain] = GRAINS,
    **columns: str,
) -> None:
    """Have ``dollars`` spent so many days ago (0: today), each with ``tokens`` input a dollar.

    Adds to what is there. Shared out, as by key and person; nothing is billed to a line.
    """
    row = tuple({**DEFAULTS, **columns}[name] for name in COLUMNS)
    for grain in grains:
        projected = grain.project(row)
        dimension, _ = Dimension.objects.get_or_create(
            connection=connection,
            grain=grain.id,
            digest=digest_of(projected),
            defaults=dict(zip(COLUMNS, projected, strict=True)),
        )
        where = {"connection_id": connection.pk, "grain": grain.id, "dimension_id": dimension.pk}
        held = {row.day: row for row in Rollup.objects.filter(**where)}
        for days, amount in dollars.items():
            day = day_of(back(days))
            one = held.setdefault(day, Rollup(**where, day=day))
            micros, femtos = money.split(Decimal(str(amount)))
            used = int(amount * tokens)
            one.shared_micros, one.shared_femtos = one.shared_micros + micros, femtos
            one.cache_read += int(used * cached)
            one.uncached_input += used - int(used * cached)
            one.output += used // 10
        days_of = [day_of(back(days)) for days in dollars]
        Rollup.objects.filter(**where, day__in=days_of).delete()
        Rollup.objects.bulk_create(held[day] for day in days_of)


def evenly(dollars: float, first: int = DAYS, last: int = 0) -> dict[int, float]:
    """The same on each of the days from ``first`` days ago to ``last`` days ago."""
    return dict.fromkeys(range(last, first + 1), dollars)


def look(connection: Connection, days_later: int = 0) -> list[Incident]:
    """Look now, or so many days later; what was touched."""
    return look_at(connection, timezone.now() + timedelta(days=days_later))
