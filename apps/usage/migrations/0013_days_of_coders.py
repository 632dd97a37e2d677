"""A coder's days are found by the coder and the day."""

import django.db.models.deletion
from django.db import migrations, models

TABLES = {"codingday": "days", "codingmodel": "models", "codingtool": "tools"}
INDEXES = {
    "codingday": "coding_day_by_coder",
    "codingmodel": "coding_model_by_coder",
    "codingtool": "coding_tool_by_coder",
}


class Migration(migrations.Migration):
    dependencies = [("usage", "0012_rosters")]

    operations = [
        *(
            migrations.AlterField(
                model_name=name,
                name="coder",
                field=models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name=related,
                    to="usage.coder",
                ),
            )
            for name, related in TABLES.items()
        ),
        *(
            migrations.AddIndex(
                model_name=name, index=models.Index(fields=["coder", "day"], name=index)
            )
            for name, index in INDEXES.items()
        ),
    ]
