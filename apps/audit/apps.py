from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate

from apps.audit import triggers


def keep_triggers(*, using: str, **kwargs: Any) -> None:
    """See that the triggers outlive a migration that rebuilds the table, as SQLite's do."""
    connection = connections[using]
    if triggers.TABLE in connection.introspection.table_names():
        triggers.install(connection)


class AuditConfig(AppConfig):
    name = "apps.audit"

    def ready(self) -> None:
        """Keep the log's triggers in place after every migration."""
        post_migrate.connect(keep_triggers, sender=self)
