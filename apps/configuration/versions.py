"""The history of the settings: a version whenever what the mirror holds is another than before."""

from collections.abc import Mapping
from datetime import datetime

from apps.configuration.models import RemoteConfiguration, Version
from apps.organizations.models import Connection
from apps.sync.models import Command

Hidden = Mapping[str, Mapping[str, str]]


def comparable(before: Hidden, after: Hidden) -> tuple[Mapping[str, str], Mapping[str, str]] | None:
    """The fingerprints of both by place, made with the same key; None where they have none in common."""
    common = set(before) & set(after)
    if not common:
        return None
    key = max(common, key=int)
    return before[key], after[key]


def keep_version(
    connection: Connection,
    now: datetime,
    command: Command | None = None,
    *,
    new_secrets: bool = False,
) -> None:
    """Note the settings as the mirror has them, if they differ. Inside the caller's transaction.

    ``new_secrets``: ``command`` has set hidden ones; what tells them apart comes with the next walk.
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
    if last and not new_secrets and (last.content, last.enabled) == (row.content, row.enabled):
        both = comparable(last.hidden, row.hidden)
        if both is None or both[0] == both[1]:
            _fill_in(last, row)
            return
    Version.objects.create(
        connection=connection,
        number=last.number + 1 if last else 1,
        document=row.document,
        enabled=row.enabled,
        content=row.content,
        hidden=row.hidden,
        seen_at=now,
        command=command,
    )


def _fill_in(last: Version, row: RemoteConfiguration) -> None:
    """A version that was made before its hidden values were seen, or before the keyring had a new key."""
    if row.hidden and last.hidden != row.hidden:
        last.hidden = row.hidden
        last.save(update_fields=["hidden"])
