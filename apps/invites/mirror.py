"""How invites are mirrored, and what becomes of those that a provider no longer lists."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from apps.invites.models import Invite
from apps.members.models import Member, Person
from apps.organizations.models import Connection
from apps.providers.protocol import Adapter
from apps.providers.records import InviteRecord, Page
from apps.sync.mirrors import Difference, Mirror, Parent

State = Invite.State

# The providers' words for what has become of an invite. Any other word is kept and shown as it is.
WORDS = {
    "pending": State.PENDING,
    "accepted": State.ACCEPTED,
    "expired": State.EXPIRED,
    "deleted": State.WITHDRAWN,
    "revoked": State.WITHDRAWN,
    "withdrawn": State.WITHDRAWN,
}
# Where the provider does not say when somebody joined, how late we may have noticed.
NOTICED_WITHIN = timedelta(days=1)


def _fetch(adapter: Adapter, cursor: str | None) -> Page[InviteRecord]:
    return adapter.invites(cursor)


def state_of(status: str, expires_at: datetime | None, now: datetime) -> State:
    """Our word for the provider's; a pending invite past its date has expired, whatever it says."""
    state = WORDS.get(status.lower(), State.UNKNOWN)
    overdue = state == State.PENDING and expires_at is not None and expires_at <= now
    return State.EXPIRED if overdue else state


def _values(record: InviteRecord, now: datetime) -> tuple[Any, ...]:
    state = state_of(record.status, record.expires_at, now)
    return (
        record.email,
        record.role,
        str(state.value),
        record.status,
        record.invited_at,
        record.expires_at,
    )


def _person(record: InviteRecord) -> tuple[str, ...]:
    return record.email.lower(), ""  # an invite knows no name; a new person begins without one


def _joined(*, by: Any) -> Exists:
    """Whether the invite's address became a member of its connection between sending and ``by``."""
    members = Member.objects.filter(
        connection=OuterRef("connection"), person=OuterRef("person"), gone_at__isnull=True
    ).annotate(since=Coalesce("joined_at", "first_seen_at"))
    return Exists(
        members.filter(
            since__gte=Coalesce(OuterRef("invited_at"), OuterRef("first_seen_at"))
        ).filter(Q(since__lte=by) | Q(joined_at__isnull=True, since__lte=by + NOTICED_WITHIN))
    )


def _on_gone(connection_id: int, remote_ids: Sequence[str], now: datetime) -> dict[str, Difference]:
    """Say what became of invites that are no longer listed, as far as it can be known.

    Those that we withdrew say so already: their Command did it.
    """
    invites = Invite.objects.filter(
        connection_id=connection_id,
        remote_id__in=remote_ids,
        state__in=[State.PENDING, State.UNKNOWN],
    )
    before = dict(invites.values_list("remote_id", "state"))
    invites.update(
        state=Case(
            When(_joined(by=Value(now)), then=Value(State.ACCEPTED)),
            When(expires_at__lte=now, then=Value(State.EXPIRED)),
            default=Value(State.UNKNOWN),
        )
    )
    after = Invite.objects.filter(connection_id=connection_id, remote_id__in=before)
    return {
        str(remote_id): {"state": [before[remote_id], state]}
        for remote_id, state in after.values_list("remote_id", "state")
        if remote_id in before
    }


def _ours(connection: Connection) -> "QuerySet[Invite]":
    return Invite.objects.filter(connection=connection, remote_id__isnull=False)


def reconsider(connection: Connection, now: datetime) -> None:
    """After a walk of either listing: who has joined by now had accepted; dates pass by themselves."""
    gone = _ours(connection).filter(gone_at__isnull=False, state__in=[State.UNKNOWN, State.EXPIRED])
    gone.filter(_joined(by=OuterRef("gone_at"))).update(state=State.ACCEPTED, changed_at=now)
    overdue = _ours(connection).filter(state=State.PENDING, expires_at__lte=now)
    overdue.update(state=State.EXPIRED, changed_at=now)


INVITES = Mirror(
    name="invites",
    label=_("Invites"),
    capability="invites.read",
    model=Invite,
    fetch=_fetch,
    columns=("email", "role", "state", "remote_status", "invited_at", "expires_at"),
    values=_values,
    label_column="email",
    target_column="email",
    watched=("role", "state"),
    parent=Parent(
        model=Person, column="person_id", key_column="email", fill=("name",), values=_person
    ),
    ends=frozenset({"invites.withdraw", "invites.resend"}),
    begins=frozenset({"invites.invite", "invites.resend"}),
    on_gone=_on_gone,
)
