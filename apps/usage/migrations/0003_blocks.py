"""Weeks and months whose days are summed up once more, and one index less on the days."""

import django.db.models.deletion
from django.db import migrations, models

from apps.usage.clustered import CreateClustered


class Migration(migrations.Migration):
    dependencies = [("organizations", "0005_own_desks"), ("usage", "0002_ask_again")]

    operations = [
        migrations.CreateModel(
            name="Block",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("first", models.IntegerField()),
                ("last", models.IntegerField()),
                ("version", models.IntegerField(default=0)),
                ("made", models.BooleanField(default=False)),
                (
                    "connection",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="organizations.connection",
                    ),
                ),
            ],
            options={
                "verbose_name": "week or month of usage",
                "verbose_name_plural": "weeks and months of usage",
                "constraints": [
                    models.UniqueConstraint(
                        fields=["connection", "first", "last"], name="block_once"
                    )
                ],
            },
        ),
        CreateClustered(
            name="BlockRollup",
            fields=[
                ("uncached_input", models.BigIntegerField(default=0)),
                ("cache_write_5m", models.BigIntegerField(default=0)),
                ("cache_write_1h", models.BigIntegerField(default=0)),
                ("cache_read", models.BigIntegerField(default=0)),
                ("unsplit_input", models.BigIntegerField(default=0)),
                ("output", models.BigIntegerField(default=0)),
                ("web_searches", models.BigIntegerField(default=0)),
                ("requests", models.BigIntegerField(default=None, null=True)),
                ("billed_micros", models.BigIntegerField(default=0)),
                ("billed_femtos", models.BigIntegerField(default=0)),
                ("shared_micros", models.BigIntegerField(default=0)),
                ("shared_femtos", models.BigIntegerField(default=0)),
                ("listed_micros", models.BigIntegerField(default=None, null=True)),
                ("listed_femtos", models.BigIntegerField(default=None, null=True)),
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "block_id",
                        "grain",
                        "dimension_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("grain", models.PositiveSmallIntegerField()),
                (
                    "block",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="usage.block",
                    ),
                ),
                (
                    "dimension",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="usage.dimension",
                    ),
                ),
            ],
            options={
                "verbose_name": "usage of a week or month",
                "verbose_name_plural": "usage of weeks and months",
            },
        ),
        migrations.RemoveIndex(model_name="rollup", name="rollup_by_dimension"),
        migrations.AddIndex(
            model_name="rollup",
            index=models.Index(
                fields=["dimension", "day"],
                name="rollup_of_key",
                condition=models.Q(grain=4),
            ),
        ),
    ]
