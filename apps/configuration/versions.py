"""The history of the settings: a version whenever what the mirror holds is another than before."""

from datetime import datetime

from apps.configuration.models import RemoteConfiguration, Version
from apps.organizations.models import Connection
from apps.sync.models import Command


def keep_version(connection: Connection, now: datetime, command: Command | None = None) -> None:
    """Note the settings as the mirror has them, if they differ. Inside the caller's transaction.

    A walk and a Command that end at once come here one after the other: the row is locked.
    """
    row = (
        RemoteConfiguration.objects.select_for_update()
        .filter(connection=connection, gone_at__isnull=True)
        .first()
    )
    if row is None:
        return
    last = Version.objects.filter(connection=connection).order_by("-number").first()
    if last and (last.content, last.enabled) == (row.content, row.enabled):
        return
    Version.objects.create(
        connection=connection,
        number=last.number + 1 if last else 1,
        document=row.document,
        enabled=row.enabled,
        content=row.content,
        seen_at=now,
        command=command,
    )
