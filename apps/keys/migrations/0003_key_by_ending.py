from django.db import migrations, models

import apps.keys.models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0002_ask_again"),
        ("organizations", "0007_second_person_above"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="key",
            index=models.Index(apps.keys.models.Ending("hint"), name="key_by_ending"),
        ),
    ]
