from typing import Any

from django.db import migrations, models
from django.db.models import Q
from django.utils import timezone


def due_now(apps: Any, schema_editor: Any) -> None:
    """What was due is due at once."""
    people = apps.get_model("directory", "DirectoryUser")
    people.objects.filter(letter_due=True).update(letter_due_at=timezone.now())


class Migration(migrations.Migration):
    dependencies = [("directory", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="directoryuser",
            name="letter_due_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.RunPython(due_now, migrations.RunPython.noop),
        migrations.RemoveField(model_name="directoryuser", name="letter_due"),
        migrations.AddIndex(
            model_name="directoryuser",
            index=models.Index(
                condition=Q(letter_due_at__isnull=False),
                fields=["letter_due_at"],
                name="directory_user_letter",
            ),
        ),
    ]
