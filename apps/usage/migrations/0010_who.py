"""The cube of workspace, key, person and model, summed up of what has been read: nothing is read again."""

from hashlib import blake2b
from typing import Any

from django.db import migrations

FULL, WHO = 0, 10
ALL = "*"
COLUMNS = (
    "workspace",
    "key",
    "account",
    "service_account",
    "model",
    "service_tier",
    "context_window",
    "geo",
    "speed",
    "operation",
    "cost_type",
    "token_type",
    "description",
    "currency",
)
KEPT = ("workspace", "key", "account", "model", "currency")
COUNTS = (
    "uncached_input",
    "cache_write_5m",
    "cache_write_1h",
    "cache_read",
    "unsplit_input",
    "output",
    "web_searches",
    "requests",
)
MONEY = tuple(
    f"{kind}_{part}" for kind in ("billed", "shared", "listed") for part in ("micros", "femtos")
)
SUMS = (*COUNTS, *MONEY)
NAMES = ", ".join(SUMS)
SUMMED = ", ".join(f"CAST(SUM(r.{name}) AS bigint)" for name in SUMS)
MAP = "usage_who_of"  # a FULL dimension, and the WHO dimension that it is summed up to


def sum_up(apps: Any, schema_editor: Any) -> None:
    """As ``apps.usage.rollups`` and ``apps.usage.blocks`` have it."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM usage_dimension WHERE grain = %s", [FULL])
        if not cursor.fetchone()[0]:
            return
        cursor.execute(
            f"CREATE TEMPORARY TABLE {MAP} (dimension_id bigint PRIMARY KEY, who_id bigint)"
        )
        _map(apps, cursor)
        cursor.execute(
            f"INSERT INTO usage_rollup (connection_id, grain, day, dimension_id, {NAMES})"  # noqa: S608  # our own names
            f" SELECT r.connection_id, {WHO}, r.day, m.who_id, {SUMMED} FROM usage_rollup r"
            f" JOIN {MAP} m ON m.dimension_id = r.dimension_id WHERE r.grain = {FULL}"
            " GROUP BY r.connection_id, r.day, m.who_id"
        )
        cursor.execute(
            f"INSERT INTO usage_blockrollup (block_id, grain, dimension_id, {NAMES})"  # noqa: S608  # our own names
            f" SELECT b.id, {WHO}, r.dimension_id, {SUMMED} FROM usage_block b"
            " JOIN usage_rollup r ON r.connection_id = b.connection_id"
            f" AND r.grain = {WHO} AND r.day BETWEEN b.first AND b.last"
            " WHERE b.made GROUP BY b.id, r.dimension_id"
        )
        cursor.execute(f"DROP TABLE {MAP}")


def _map(apps: Any, cursor: Any) -> None:
    """Make the dimensions of the cube, and say which each one of the finest belongs to."""
    dimension = apps.get_model("usage", "Dimension")
    owners = dimension.objects.order_by().filter(grain=FULL).values_list("connection_id", flat=True)
    for connection in owners.distinct():
        finest = dimension.objects.filter(connection_id=connection, grain=FULL)
        digests: dict[int, str] = {}
        made: dict[str, Any] = {}
        for pk, *values in finest.values_list("pk", *KEPT).iterator():
            told = dict(zip(KEPT, values, strict=True))
            row = {name: told.get(name, ALL) for name in COLUMNS}
            digest = blake2b("\x1f".join(row.values()).encode(), digest_size=16).hexdigest()
            digests[pk] = digest
            if digest not in made:
                made[digest] = dimension(connection_id=connection, grain=WHO, digest=digest, **row)
        dimension.objects.bulk_create(made.values(), batch_size=500, ignore_conflicts=True)
        cubes = dimension.objects.filter(connection_id=connection, grain=WHO)
        ids = dict(cubes.values_list("digest", "pk"))
        cursor.executemany(
            f"INSERT INTO {MAP} (dimension_id, who_id) VALUES (%s, %s)",  # noqa: S608  # our own name
            [(pk, ids[digest]) for pk, digest in digests.items()],
        )


def forget(apps: Any, schema_editor: Any) -> None:
    """Back."""
    with schema_editor.connection.cursor() as cursor:
        for table in ("usage_rollup", "usage_blockrollup", "usage_dimension"):
            cursor.execute(f"DELETE FROM {table} WHERE grain = %s", [WHO])  # noqa: S608  # our own names


class Migration(migrations.Migration):
    dependencies = [("usage", "0009_rollup_of_account")]
    operations = [migrations.RunPython(sum_up, forget)]
