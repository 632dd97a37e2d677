"""Accounts behind credentials, and the credentials themselves.

Times are aware and UTC. ``missing`` names what the provider should have said and did not, in the
contract's spelling. ``raw`` is the provider's JSON, masked.
"""

from dataclasses import dataclass, field
from datetime import datetime

from apps.providers.records import Record


@dataclass(frozen=True, slots=True)
class Membership:
    """An account's place in one organization. ``active``: whether use is billed to it now."""

    organization_id: str
    organization_name: str
    member_id: str
    roles: tuple[str, ...]
    active: bool | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """The account that owns a credential.

    ``active_organization_id``: the organization that use is billed to; "" means the personal account,
    None that the provider did not say.
    """

    remote_id: str
    email: str
    name: str
    memberships: tuple[Membership, ...]
    active_organization_id: str | None
    terms_accepted_at: datetime | None
    takes_part_in_benchmarks: bool | None
    created_at: datetime | None
    updated_at: datetime | None
    raw: bytes = b"{}"
    missing: tuple[str, ...] = ()


class PersonalKeyRecord(Record, frozen=True, gc=False):
    """A person's own API key, without its secret. ``prefix``: its first characters, "" if unsaid."""

    name: str
    prefix: str
    created_at: datetime | None
    last_used_at: datetime | None
    raw: bytes = b"{}"
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key that was just made. ``secret`` is shown by the provider this once."""

    key: PersonalKeyRecord
    secret: str = field(repr=False)
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountTokens:
    """A fresh account token. ``refresh_token`` is "" where the old one stays in use."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime | None
    missing: tuple[str, ...] = ()
