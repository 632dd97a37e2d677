from typing import Any

from django.db import migrations, models


def staff_keep_what_they_could(apps: Any, schema_editor: Any) -> None:
    """Staff there are may close stuck changes, which takes a lead from now on."""
    User = apps.get_model("accounts", "User")
    User.objects.filter(is_staff=True).update(leads_support=True)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_session_epoch_and_access_version")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="leads_support",
            field=models.BooleanField(default=False, verbose_name="leads support"),
        ),
        migrations.RunPython(staff_keep_what_they_could, migrations.RunPython.noop),
    ]
