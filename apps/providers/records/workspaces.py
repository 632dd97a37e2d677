"""Workspaces, roles in them, and rate limits."""

from datetime import datetime

import msgspec

from apps.providers.records import Record


class Residency(msgspec.Struct, frozen=True, gc=False):
    """Where a workspace's requests may run and where its data lies.

    ``allowed_geos``: None means that every geo is allowed. ``default_geo``: for requests that name
    none; one of the allowed ones. ``storage_geo``: fixed when the workspace is made.
    """

    allowed_geos: tuple[str, ...] | None = None
    default_geo: str = "global"
    storage_geo: str = "us"


class WorkspaceRecord(Record, frozen=True, gc=False):
    """A workspace. ``residency`` is None where the provider did not say."""

    name: str
    colour: str  # as #RRGGBB
    created_at: datetime | None
    archived_at: datetime | None
    residency: Residency | None
    raw: bytes
    missing: tuple[str, ...] = ()


class WorkspaceMemberRecord(Record, frozen=True, gc=False):
    """A role in a workspace. It has no id of its own: ``remote_id`` is the user's."""

    workspace_id: str
    role: str
    raw: bytes
    missing: tuple[str, ...] = ()


class Limit(msgspec.Struct, frozen=True, gc=False):
    """One limiter: "requests_per_minute", "input_tokens_per_minute", …; its unit is in its name.

    ``organization_value``: None for a limit of the organization itself, or where it has none.
    """

    kind: str
    value: int
    organization_value: int | None = None

    @property
    def effective(self) -> int:
        """What applies: the lower of the workspace's and the organization's."""
        known = self.organization_value
        return self.value if known is None else min(self.value, known)


class RateLimitRecord(Record, frozen=True, gc=False):
    """The limits of a group of models, or of one surface of the API.

    ``models``: None where the group is no group of models. ``remote_id``: the provider's where it has
    one, else the group's kind and first model. In a workspace, what is not among ``limits`` is
    inherited, not unlimited.
    """

    group: str  # "model_group", "batch", "files", …
    models: tuple[str, ...] | None
    limits: tuple[Limit, ...]
    raw: bytes
    missing: tuple[str, ...] = ()


class LimiterRecord(Record, frozen=True, gc=False):
    """One limit of one group: the organization's (``workspace_id`` ""), or what a workspace has instead.

    ``organization_value``: the organization's own beside a workspace's, None where it has none.
    """

    workspace_id: str
    workspace_name: str
    group: str
    models: tuple[str, ...] | None
    kind: str
    value: int
    organization_value: int | None
    raw: bytes
    missing: tuple[str, ...] = ()
