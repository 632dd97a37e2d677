"""How memberships are mirrored."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from apps.kicks import kick_after_commit
from apps.members.models import Member, Person
from apps.organizations.models import Connection
from apps.providers.protocol import Adapter
from apps.providers.records import MemberRecord, Page
from apps.sync.mirrors import Mirror, Parent


def _fetch(adapter: Adapter, cursor: str | None) -> Page[MemberRecord]:
    return adapter.members(cursor)


def _values(record: MemberRecord, now: datetime) -> tuple[Any, ...]:
    return record.email, record.name, record.role, record.remote_user_id, record.joined_at


def _person(record: MemberRecord) -> tuple[Any, ...]:
    return record.email.lower(), record.name[:200], record.joined_at


PERSON = Parent(
    model=Person,
    column="person_id",
    key_column="email",
    values=_person,
    fill=("name",),
    earliest=("joined_at",),
)

MEMBERS = Mirror(
    name="members",
    label=_("Members"),
    capability="members.read",
    model=Member,
    fetch=_fetch,
    columns=("email", "name", "role", "remote_user_id", "joined_at"),
    values=_values,
    label_column="email",
    target_column="remote_id",
    watched=("role", "email"),
    parent=PERSON,
    ends=frozenset({"members.remove"}),
)


def make_findable(connection: Connection, now: datetime) -> None:
    """After a whole walk: have whom it brought put into the search index."""
    if Person.objects.filter(organization=connection.organization_id, searchable=False).exists():
        # A lost kick is made good by the next walk.
        kick_after_commit("walks.index_people")
