from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0006_time_zone"),
    ]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="second_person_cents",
            field=models.PositiveBigIntegerField(
                blank=True, null=True, verbose_name="second person above, in cents"
            ),
        ),
    ]
