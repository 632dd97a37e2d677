from django.db import migrations, models


class Migration(migrations.Migration):
    """When a person last used anything is looked up as it is for a key."""

    dependencies = [("usage", "0008_minutes")]

    operations = [
        migrations.AddIndex(
            model_name="rollup",
            index=models.Index(
                fields=["dimension", "day"],
                name="rollup_of_account",
                condition=models.Q(grain=5),
            ),
        ),
    ]
