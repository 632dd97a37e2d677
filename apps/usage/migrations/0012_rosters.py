"""Who used Claude Code by day and by month; of what was read before, too."""

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from struct import Struct
from typing import Any

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Sum


def pack(apps: Any, schema_editor: Any) -> None:
    """As ``apps.usage.rosters`` has it."""
    roster = apps.get_model("usage", "CodingRoster")
    days = apps.get_model("usage", "CodingDay").objects.order_by("connection_id", "day")
    months = apps.get_model("usage", "CoderMonth").objects.order_by("connection_id", "month")
    sources = {
        "day": days.values_list("connection_id", "day", "coder_id").annotate(
            used=models.Value(1), n=Sum("sessions")
        ),
        "month": months.values_list("connection_id", "month", "coder_id", "days", "sessions"),
    }
    for width, rows in sources.items():
        of_period = groupby(rows.iterator(), key=itemgetter(0, 1))
        roster.objects.bulk_create(
            (
                roster(connection_id=connection, width=width, first=first, coders=_packed(told))
                for (connection, first), told in of_period
            ),
            batch_size=100,
        )


def _packed(rows: Iterable[tuple[int, ...]]) -> bytes:
    columns = [int(value) for column in [*zip(*rows, strict=True)][2:] for value in column]
    return Struct(f"<{len(columns)}q").pack(*columns)


class Migration(migrations.Migration):
    dependencies = [("organizations", "0005_own_desks"), ("usage", "0011_hours")]

    operations = [
        # Not clustered: rows are too long for SQLite to keep them within its index.
        migrations.CreateModel(
            name="CodingRoster",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "connection_id",
                        "width",
                        "first",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "width",
                    models.CharField(choices=[("day", "day"), ("month", "month")], max_length=5),
                ),
                ("first", models.IntegerField()),
                ("coders", models.BinaryField()),
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
                "verbose_name": "users of Claude Code in a period",
                "verbose_name_plural": "users of Claude Code by period",
            },
        ),
        migrations.RunPython(pack, migrations.RunPython.noop, elidable=True),
    ]
