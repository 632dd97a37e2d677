from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="invites_counted",
            field=models.BigIntegerField(blank=True, null=True),
        ),
    ]
