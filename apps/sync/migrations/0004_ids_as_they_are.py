"""On PostgreSQL the ids of a walk are kept as they are: they live for seconds, and compressing them takes longer."""

from django.db import migrations


def store(way):
    def on_postgresql(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"ALTER TABLE sync_runids ALTER COLUMN ids SET STORAGE {way}")

    return on_postgresql


class Migration(migrations.Migration):
    dependencies = [("sync", "0003_secrets")]

    operations = [migrations.RunPython(store("EXTERNAL"), store("EXTENDED"))]
