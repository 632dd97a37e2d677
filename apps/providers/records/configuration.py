"""An organization's own document, and the configuration that it hands to its members.

Secrets are masked before they get here: a masked value reads "•••". Times are aware and UTC.
``missing`` names what the provider should have said and did not, in the contract's spelling.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class RemoteConfig:
    """Configuration for all members. ``document`` is None where there is none or it cannot be read.

    ``hidden``: keyed digests of what is masked, by key and place (``masking.fingerprints``).
    ``organization_id``: whose it is. ``sources``: id and name of each organization that hands one to
    the account that was asked for.
    """

    organization_id: str
    enabled: bool | None
    document: Mapping[str, Any] | None
    sources: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    hidden: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OrganizationRecord:
    """What an organization is. ``external_id``: its id at the identity broker."""

    remote_id: str
    name: str
    external_id: str
    member_count: int | None
    config: RemoteConfig
    created_at: datetime | None
    updated_at: datetime | None
    deleted_at: datetime | None
    raw: bytes = b"{}"
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SharedKeys:
    """The inference providers whose key the organization shares with its members. Names alone."""

    providers: tuple[str, ...]
    missing: tuple[str, ...] = ()
