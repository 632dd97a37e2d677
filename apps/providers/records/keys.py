"""API keys as their provider tells of them: never the secret."""

from dataclasses import dataclass, field
from datetime import datetime

from apps.providers.records import Record


class KeyRecord(Record, frozen=True, gc=False):
    """An API key. ``status`` is the provider's own word ("active", "inactive", "archived", …).

    ``workspace_id``: "" is the default workspace, unless ``missing`` names it; None where there are no
    workspaces. ``creator_id``: the id under which the provider lists its maker as a member, "" where
    nobody knows; ``creator_kind``: "user", "service_account". ``expires_at``: None is never.
    ``own``: whether what is shown of it fits the very key that the connection uses.
    """

    name: str
    status: str
    hint: str  # a redacted rendering of the secret, "" where there is none
    workspace_id: str | None
    creator_id: str
    creator_kind: str
    created_at: datetime | None
    expires_at: datetime | None
    raw: bytes
    missing: tuple[str, ...] = ()
    last_used_at: datetime | None = None
    own: bool = False


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made. ``secret`` is shown by the provider this once."""

    key: KeyRecord
    secret: str = field(repr=False)


class SharedKeyRecord(Record, frozen=True, gc=False):
    """That an organization shares a key of an inference provider, named by ``remote_id``. No more."""

    raw: bytes = b"{}"


def fits(hint: str, secret: str) -> bool:
    """Whether ``hint`` ("sk-ant-api03-h7K...x2AA", or a beginning alone) may be that of ``secret``."""
    begin, _dots, end = hint.partition("...")
    return bool(begin) and secret.startswith(begin) and secret.endswith(end)
