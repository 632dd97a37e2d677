from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sync", "0006_support_resends"),
    ]

    operations = [
        migrations.AddField(
            model_name="command",
            name="unclear_since",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="command",
            name="refused",
            field=models.BooleanField(default=False),
        ),
    ]
