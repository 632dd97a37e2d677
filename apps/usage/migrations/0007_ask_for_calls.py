"""Connections from before the portal read summaries and calls: the end of a probe begins what was never read.

Of two rows of a Cline day that had all but their numbers in common one was left out: such days are read anew.
"""

from typing import Any

from django.db import migrations
from django.utils import timezone


def ask_again(apps: Any, schema_editor: Any) -> None:
    """The tidying task finds them and wakes a worker."""
    connections = apps.get_model("organizations", "Connection").objects
    connections.filter(
        provider__startswith="cline",
        state__in=["active", "paused"],
        frozen_at__isnull=True,
        next_credential="",
    ).exclude(probe__in=["waiting", "running"]).update(
        probe="waiting", probe_asked_at=timezone.now()
    )
    days = apps.get_model("usage", "ReadDay").objects
    days.filter(connection__provider="cline", report="usage").delete()


class Migration(migrations.Migration):
    dependencies = [("usage", "0006_calls_and_summaries"), ("organizations", "0005_own_desks")]
    operations = [migrations.RunPython(ask_again, migrations.RunPython.noop, elidable=True)]
