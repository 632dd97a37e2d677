import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """The hours of a day by cube. A day that was read before has none: its hours are read from the facts."""

    dependencies = [("organizations", "0005_own_desks"), ("usage", "0010_who")]

    operations = [
        # Not clustered: rows are too long for SQLite to keep them within its index.
        migrations.CreateModel(
            name="HourRollup",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "connection_id",
                        "grain",
                        "day",
                        "dimension_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("grain", models.PositiveSmallIntegerField()),
                ("day", models.IntegerField()),
                ("told", models.PositiveSmallIntegerField()),
                ("counts", models.BinaryField()),
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
            options={"verbose_name": "hours of a day", "verbose_name_plural": "hours of days"},
        ),
    ]
