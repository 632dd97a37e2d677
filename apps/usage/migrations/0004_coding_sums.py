"""Claude Code summed up, by coder and month and by day; what was read before is summed up here."""

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Sum

from apps.usage.clustered import CreateClustered

EPOCH = date(1970, 1, 1)
METRICS = ["sessions", "lines_added", "lines_removed", "commits", "pull_requests"]
KINDS = {
    "terminal": ("CodingDay", "terminal", METRICS),
    "customer_type": ("CodingDay", "customer_type", METRICS),
    "tool": ("CodingTool", "tool", ["accepted", "rejected"]),
    "model": ("CodingModel", "model", ["estimate_micros", "estimate_femtos"]),
}


def sum_up(apps: Any, schema_editor: Any) -> None:
    """As ``apps.usage.coding_rollups`` has it."""
    coding_sum = apps.get_model("usage", "CodingSum")
    coder_month = apps.get_model("usage", "CoderMonth")
    for kind, (name, column, names) in KINDS.items():
        rows = apps.get_model("usage", name).objects.order_by()
        rows = rows.values_list("connection_id", "day", column).annotate(*map(Sum, names))
        coding_sum.objects.bulk_create(
            (
                coding_sum(
                    connection_id=connection,
                    kind=kind,
                    day=day,
                    value=value,
                    **dict(zip(names, sums, strict=True)),
                )
                for connection, day, value, *sums in rows.iterator()
            ),
            batch_size=500,
        )
    months: dict[tuple[int, int, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for kind in ("terminal", "tool", "model"):
        name, _, names = KINDS[kind]
        rows = apps.get_model("usage", name).objects.order_by()
        rows = rows.values_list("connection_id", "day", "coder_id").annotate(*map(Sum, names))
        for connection, day, coder, *sums in rows.iterator():
            month = ((EPOCH + timedelta(days=day)).replace(day=1) - EPOCH).days
            row = months[connection, month, coder]
            row["days"] |= 1 << (day - month)
            for place, value in zip(names, sums, strict=True):
                row[place] += int(value)
    coder_month.objects.bulk_create(
        (
            coder_month(
                connection_id=connection,
                month=month,
                coder_id=coder,
                first=month + (row["days"] & -row["days"]).bit_length() - 1,
                last=month + row["days"].bit_length() - 1,
                used=row["days"].bit_count(),
                **row,
            )
            for (connection, month, coder), row in months.items()
        ),
        batch_size=500,
    )


class Migration(migrations.Migration):
    dependencies = [("usage", "0003_blocks")]

    operations = [
        CreateClustered(
            name="CodingSum",
            fields=[
                ("sessions", models.BigIntegerField(default=0)),
                ("lines_added", models.BigIntegerField(default=0)),
                ("lines_removed", models.BigIntegerField(default=0)),
                ("commits", models.BigIntegerField(default=0)),
                ("pull_requests", models.BigIntegerField(default=0)),
                ("accepted", models.BigIntegerField(default=0)),
                ("rejected", models.BigIntegerField(default=0)),
                ("estimate_micros", models.BigIntegerField(default=0)),
                ("estimate_femtos", models.BigIntegerField(default=0)),
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "connection_id",
                        "kind",
                        "day",
                        "value",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("kind", models.CharField(max_length=20)),
                ("day", models.IntegerField()),
                ("value", models.CharField(blank=True, max_length=200)),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="organizations.connection",
                    ),
                ),
            ],
            options={
                "verbose_name": "sum of Claude Code",
                "verbose_name_plural": "sums of Claude Code",
            },
        ),
        CreateClustered(
            name="CoderMonth",
            fields=[
                ("sessions", models.BigIntegerField(default=0)),
                ("lines_added", models.BigIntegerField(default=0)),
                ("lines_removed", models.BigIntegerField(default=0)),
                ("commits", models.BigIntegerField(default=0)),
                ("pull_requests", models.BigIntegerField(default=0)),
                ("accepted", models.BigIntegerField(default=0)),
                ("rejected", models.BigIntegerField(default=0)),
                ("estimate_micros", models.BigIntegerField(default=0)),
                ("estimate_femtos", models.BigIntegerField(default=0)),
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "connection_id",
                        "month",
                        "coder_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("month", models.IntegerField()),
                ("days", models.BigIntegerField()),
                ("first", models.IntegerField()),
                ("last", models.IntegerField()),
                ("used", models.IntegerField()),
                (
                    "coder",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="usage.coder",
                    ),
                ),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="organizations.connection",
                    ),
                ),
            ],
            options={
                "verbose_name": "month of Claude Code",
                "verbose_name_plural": "months of Claude Code",
            },
        ),
        migrations.RunPython(sum_up, migrations.RunPython.noop, elidable=True),
    ]
