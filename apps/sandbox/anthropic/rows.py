"""Further rows of a Claude Console organization, laid out as the wire shows them."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ..ids import base58_id, digest
from ..world import Invite, Organization, Table, User

CLAUDE_CODE = "Claude Code"  # the one workspace whose keys stop with their makers
MEMBERSHIPS = "memberships/"  # the table of a workspace's explicit members is named after it


class Residency(msgspec.Struct, frozen=True, gc=False):
    """``DataResidency`` of the contract."""

    allowed_inference_geos: tuple[str, ...] | str
    default_inference_geo: str
    workspace_geo: str


DEFAULTS = Residency("unrestricted", "global", "us")
COLOURS = ("#2F6FDE", "#B4531A", "#1F8A5B", "#8A3FA0", "#C2255C", "#0B7285", "#5F3DC4", "#846358")


class Workspace(msgspec.Struct, frozen=True, gc=False):
    """``Workspace`` of the contract."""

    id: str
    archived_at: str | None
    created_at: str
    data_residency: Residency
    display_color: str
    name: str
    type: str = "workspace"


class Membership(msgspec.Struct, frozen=True, gc=False):
    """An explicit membership in a workspace (``WorkspaceMember``); inherited ones are never stored."""

    user_id: str
    workspace_id: str
    workspace_role: str
    type: str = "workspace_member"


class Creator(msgspec.Struct, frozen=True, gc=False):
    """``APIKeyCreator`` of the contract."""

    id: str
    type: str


class ApiKey(msgspec.Struct, frozen=True, gc=False):
    """``APIKey`` of the contract. ``active`` or ``inactive`` past its date reads as ``expired``."""

    id: str
    created_at: str
    created_by: Creator | None
    expires_at: str | None
    name: str
    partial_key_hint: str | None
    status: str
    workspace_id: str | None  # None: the default workspace
    type: str = "api_key"


class Limit(msgspec.Struct, frozen=True, gc=False):
    """``OrganizationRateLimitValue`` of the contract."""

    type: str
    value: int


class RateLimit(msgspec.Struct, frozen=True, gc=False):
    """A group of models, or one surface of the API, with the organization's limits."""

    id: str
    group_type: str
    models: tuple[str, ...] | None
    limits: tuple[Limit, ...]


class Override(msgspec.Struct, frozen=True, gc=False):
    """What a workspace has of its own for one group; ``id`` is "workspace/group"."""

    id: str
    limits: tuple[Limit, ...]


class Switch(msgspec.Struct, frozen=True, gc=False):
    """When a key was off, seconds since 1970: from and until, None where it still is. Of ours alone."""

    id: str
    off: tuple[tuple[float, float | None], ...]


class Coder(msgspec.Struct, frozen=True, gc=False):
    """A person who uses Claude Code; the record outlives the membership. Of ours alone.

    ``plan``: "api" is paid by use, "subscription" by seat.
    """

    id: str
    email: str
    since: float
    until: float | None
    plan: str


def console_tables() -> dict[str, Table[Any]]:
    """The empty tables of an organization."""
    return {
        "users": Table(User),
        "invites": Table(Invite),
        "withdrawn": Table(Invite),
        "workspaces": Table(Workspace),
        "default_workspaces": Table(Workspace),  # the one that no list shows
        "api_keys": Table(ApiKey),
        "switches": Table(Switch),
        "coders": Table(Coder),
        "rate_limits": Table(RateLimit),
        "overrides": Table(Override),
    }


def console_families() -> dict[str, Callable[[], Table[Any]]]:
    """Makers of the tables that there is one of for each workspace."""
    return {"memberships": lambda: Table(Membership, "user_id")}


def console_settings(member_limit: int) -> dict[str, Any]:
    """What ``/_control/world`` can set; None is no limit, no policy."""
    return {
        "member_limit": member_limit,
        "allowed_domains": None,
        "workspace_limit": 100,
        "workspace_member_limit": None,
        "allowed_geos": None,  # the organization's workspace policy
        "active_key_limit": None,
        "workspace_active_key_limit": None,
        "runaway_key": None,  # the id of the key that a loop once used without end
    }


def memberships_in(organization: Organization, workspace_id: str) -> Table[Membership]:
    """The explicit members of a workspace."""
    return organization.table(MEMBERSHIPS + workspace_id)


def memberships_of(organization: Organization, user_id: str) -> Iterator[Membership]:
    """The explicit memberships of a user."""
    for name, table in organization.tables.items():
        if name.startswith(MEMBERSHIPS) and (found := table.get(user_id)):
            yield found


def coding_workspace(organization: Organization) -> Workspace | None:
    """The workspace that people's Claude Code runs in."""
    named = (one for one in organization.tables["workspaces"] if one.name == CLAUDE_CODE)
    return next(named, None)


def service_account(organization: Organization, number: int) -> str:
    """The id of one of an organization's service accounts."""
    return base58_id("svac_01", digest(organization.id, "service account", number, size=22))
