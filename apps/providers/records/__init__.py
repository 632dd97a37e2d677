"""What adapters give back: the same few shapes for every provider.

Times are aware and UTC. ``raw`` is the row's own JSON text as the provider sent it (secrets masked),
so that a mirror loses nothing that the records leave out. Enumerations are plain text: an unknown
value is kept and shown as it is. Texts fit the mirrors: an id has at most 120 characters, an address
254 (a row with longer ones is unreadable), a name 200, a role 60, a status 40 (longer ones are cut).

``missing`` names the fields that the contract promises and the row did not have, or had in a form that
nobody understands; what the record says of them is then a default, not the provider's word.

Rows that come by the thousand are msgspec structs: making 1,000 frozen dataclasses takes 2 ms, which
is twice what reading their whole page takes.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

Row = TypeVar("Row")


class Record(msgspec.Struct, frozen=True, gc=False):
    """What every row's record has."""

    remote_id: str


class MemberRecord(Record, frozen=True, gc=False):
    """A membership. ``role`` is the strongest where there are several; ``roles`` has them all."""

    email: str  # as the provider spells it
    name: str
    role: str
    roles: tuple[str, ...]
    remote_user_id: str  # "" where the membership id is the user id
    joined_at: datetime | None
    raw: bytes
    missing: tuple[str, ...] = ()


class InviteRecord(Record, frozen=True, gc=False):
    """An invite. ``status`` is the provider's own word ("pending", "accepted", "expired", …)."""

    email: str
    role: str
    status: str
    invited_at: datetime | None
    expires_at: datetime | None
    raw: bytes
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that does not have what we cannot do without; the rest of its page is still good."""

    remote_id: str  # "" if even that is missing
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a walk. ``next_cursor`` is None on the last page, and only there.

    ``total``: rows in all pages, where the provider says so. A complete walk has at least that many.
    """

    rows: list[Row]
    next_cursor: str | None
    unreadable: list[Unreadable] = field(default_factory=list)
    requests: int = 1
    total: int | None = None


@dataclass(frozen=True, slots=True)
class RemoteOrganization:
    """A remote organization that a credential can reach; ``roles`` are the credential's own there."""

    remote_id: str
    name: str
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ability:
    """Whether a connection can do something, and if not, why, in plain words."""

    ok: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What a probe found behind a credential.

    ``organizations`` has one entry, or several to choose from (then ``abilities`` is empty until one
    is chosen). ``abilities`` is by capability ("members.read", "costs.read", …: the ``NEEDS`` of the
    provider's adapter); one that the provider does not have at all is not there. ``assignable_roles``
    is what the provider says may be assigned, empty if it does not say.
    """

    account: str  # whose credential it is, in words
    organizations: tuple[RemoteOrganization, ...]
    abilities: dict[str, Ability] = field(default_factory=dict)
    assignable_roles: tuple[str, ...] = ()
