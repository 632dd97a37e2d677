"""On PostgreSQL, the facts in a partition for each UTC month: what is over is dropped and not deleted.

The rows that are there are copied once; ten million take about a minute, and usage waits that long.
"""

from datetime import date, timedelta
from typing import Any

from django.db import migrations

EPOCH = date(1970, 1, 1)
TABLE = "usage_fact"


def next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def into_partitions(apps: Any, schema_editor: Any) -> None:
    """As ``apps.usage.retention`` makes them."""
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {TABLE} RENAME TO {TABLE}_whole")
        cursor.execute(
            f"CREATE TABLE {TABLE} (LIKE {TABLE}_whole INCLUDING DEFAULTS) PARTITION BY RANGE (hour)"
        )
        cursor.execute(f"SELECT MIN(hour), MAX(hour) FROM {TABLE}_whole")  # noqa: S608  # our own name
        first, last = cursor.fetchone()
        if first is not None:
            month = (EPOCH + timedelta(hours=first)).replace(day=1)
            while (month - EPOCH).days * 24 <= last:
                after = next_month(month)
                begin, end = ((one - EPOCH).days * 24 for one in (month, after))
                cursor.execute(
                    f"CREATE TABLE {TABLE}_{month:%Y_%m} PARTITION OF {TABLE}"
                    f" FOR VALUES FROM ({begin}) TO ({end})"
                )
                month = after
        cursor.execute(f"INSERT INTO {TABLE} SELECT * FROM {TABLE}_whole")  # noqa: S608  # our own name
        cursor.execute(f"DROP TABLE {TABLE}_whole")
        cursor.execute(f"ALTER TABLE {TABLE} ADD PRIMARY KEY (connection_id, hour, dimension_id)")


def into_one(apps: Any, schema_editor: Any) -> None:
    """Back."""
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {TABLE}_whole (LIKE {TABLE} INCLUDING DEFAULTS)")
        cursor.execute(f"INSERT INTO {TABLE}_whole SELECT * FROM {TABLE}")  # noqa: S608  # our own name
        cursor.execute(f"DROP TABLE {TABLE}")
        cursor.execute(f"ALTER TABLE {TABLE}_whole RENAME TO {TABLE}")
        cursor.execute(f"ALTER TABLE {TABLE} ADD PRIMARY KEY (connection_id, hour, dimension_id)")


class Migration(migrations.Migration):
    dependencies = [("usage", "0004_coding_sums")]
    operations = [migrations.RunPython(into_partitions, into_one)]
