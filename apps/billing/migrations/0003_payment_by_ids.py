from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0002_invites_counted"),
        ("organizations", "0007_second_person_above"),
        ("sync", "0004_ids_as_they_are"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(fields=["connection", "awaited_id"], name="payment_by_awaited"),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(fields=["connection", "processor_id"], name="payment_by_processor"),
        ),
    ]
