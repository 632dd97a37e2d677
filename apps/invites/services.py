"""What people may ask for invites. Each function checks, then hands a Command to the outbox."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.invites.models import Invite
from apps.members.models import Member
from apps.members.services import assignable_roles
from apps.organizations.models import Connection, Organization
from apps.providers.catalogue import PROVIDERS
from apps.sync.models import Batch, Command
from apps.sync.outbox.batches import draft_batch
from apps.sync.outbox.requests import Refusal, Wish, ask


@dataclass(frozen=True, slots=True)
class Guest:
    """Whom to invite where, and as what (the provider's own word for the role)."""

    connection: Connection
    email: str
    role: str


def target_of(email: str) -> str:
    """What a Command on an invite names as its target: the address, so that two cannot race."""
    return f"invites:{email.lower()}"


def invite(*, guest: Guest, actor: User, nonce: str) -> Command:
    """Ask to invite one address on one connection. Raises RequestRefused with the reason."""
    (wish,) = _invitations([guest])
    return ask(wish, actor=actor, nonce=nonce)


def draft_invites(
    *,
    organization: Organization,
    guests: Iterable[Guest],
    actor: User,
    nonce: str,
    refusals: Iterable[Refusal] = (),
    source: dict[str, Any] | None = None,
) -> Batch:
    """A batch for review; guests that cannot be invited join its ``refusals`` with the reason."""
    return draft_batch(
        [*refusals, *_invitations(list(guests))],
        action="invites.invite",
        organization=organization,
        actor=actor,
        title=_("Invite people"),
        nonce=nonce,
        source=source,
    )


def _invitations(guests: list[Guest]) -> list[Wish | Refusal]:
    """What to ask for each of ``guests``, in their order; a fixed number of queries."""
    reasons = _why_not(guests)
    return [
        Refusal(guest.email, guest.connection.name, why)
        if (why := reasons.get((guest.connection.pk, guest.email.lower())))
        else _invite_wish(guest)
        for guest in guests
    ]


def _invite_wish(guest: Guest) -> Wish:
    return Wish(
        kind="invites.invite",
        connection=guest.connection,
        target=target_of(guest.email),
        label=guest.email,
        arguments={"email": guest.email, "role": guest.role},
    )


def _why_not(guests: list[Guest]) -> dict[tuple[int, str], str]:
    """Why some guests cannot be invited, by (connection, address); a fixed number of queries."""
    emails = {guest.email.lower() for guest in guests}
    connections = {guest.connection.pk: guest.connection for guest in guests}
    members = _addresses(Member.objects.filter(gone_at__isnull=True), connections, emails)
    pending = _addresses(Invite.objects.filter(state=Invite.State.PENDING), connections, emails)
    roles = {pk: {o.value for o in assignable_roles(c)} for pk, c in connections.items()}
    reasons = {}
    for guest in guests:
        key = (guest.connection.pk, guest.email.lower())
        provider = PROVIDERS[guest.connection.provider]
        if key in members:
            reasons[key] = _("Is already a member there.")
        elif key in pending:
            reasons[key] = _("Has a pending invite there already. Resend it instead.")
        elif guest.role in provider.locked_roles:
            reasons[key] = str(provider.locked_roles[guest.role])
        elif guest.role not in roles[guest.connection.pk]:
            reasons[key] = _("%(provider)s does not let %(role)s be given.") % {
                "provider": provider.label,
                "role": provider.role_label(guest.role),
            }
    return reasons


def _addresses(
    rows: QuerySet[Any], connections: Iterable[int], emails: Iterable[str]
) -> set[tuple[int, str]]:
    # Mirrored addresses are compared through their Person, whose address is in lower case.
    found = rows.filter(connection_id__in=list(connections), person__email__in=list(emails))
    return set(found.values_list("connection_id", "person__email"))


def _wish_on_pending(kind: str, row: Invite) -> Wish | Refusal:
    if row.state != Invite.State.PENDING or row.remote_id is None:
        why = _("Only a pending invite can be withdrawn.")
        return Refusal(row.email, row.connection.name, why)
    return Wish(
        kind=kind,
        connection=row.connection,
        target=target_of(row.email),
        label=row.email,
        arguments={"email": row.email, "role": row.role, "remote_id": row.remote_id},
        before={"state": row.state},
        row_id=row.pk,
    )


def withdraw(*, row: Invite, actor: User, nonce: str) -> Command:
    """Ask to withdraw a pending invite. Raises RequestRefused with the reason."""
    return ask(_wish_on_pending("invites.withdraw", row), actor=actor, nonce=nonce)


def resend(*, row: Invite, actor: User, nonce: str) -> Command:
    """Ask to send an invite again: a pending one is withdrawn first, any other is invited anew."""
    wish = _wish_on_pending("invites.resend", row)
    if isinstance(wish, Wish):
        return ask(wish, actor=actor, nonce=nonce)
    return invite(guest=Guest(row.connection, row.email, row.role), actor=actor, nonce=nonce)


def draft_withdrawal(
    *, organization: Organization, rows: QuerySet[Invite], actor: User, nonce: str
) -> Batch:
    """A batch for review that withdraws every one of ``rows`` that is pending."""
    return draft_batch(
        (_wish_on_pending("invites.withdraw", row) for row in _whole(rows)),
        action="invites.withdraw",
        organization=organization,
        actor=actor,
        title=_("Withdraw invites"),
        nonce=nonce,
    )


def draft_resend(
    *, organization: Organization, rows: QuerySet[Invite], actor: User, nonce: str
) -> Batch:
    """A batch for review that sends every one of ``rows`` again, as ``resend`` does."""
    whole = list(_whole(rows))
    lapsed = [
        Guest(row.connection, row.email, row.role)
        for row in whole
        if row.state != Invite.State.PENDING
    ]
    pending = (_wish_on_pending("invites.resend", row) for row in whole)
    return draft_batch(
        [*_invitations(lapsed), *(wish for wish in pending if isinstance(wish, Wish))],
        action="invites.resend",
        organization=organization,
        actor=actor,
        title=_("Resend invites"),
        nonce=nonce,
    )


def _whole(rows: QuerySet[Invite]) -> QuerySet[Invite]:
    return rows.select_related("connection", "connection__organization").order_by("email", "pk")
