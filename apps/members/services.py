"""What people may ask for memberships. Each function checks, then hands a Command to the outbox."""

from collections.abc import Iterable

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.members.models import Member
from apps.organizations.models import Connection, Organization
from apps.providers.catalogue import PROVIDERS
from apps.providers.protocol import RoleOption
from apps.sync.models import Batch, Command
from apps.sync.outbox.batches import draft_batch
from apps.sync.outbox.requests import Refusal, Wish, ask


def assignable_roles(connection: Connection) -> list[RoleOption]:
    """Roles that may be given on this connection: what the provider offers, else what is known."""
    provider = PROVIDERS[connection.provider]
    offered = connection.offers.get("roles") or []
    known = [role for role in provider.roles if role.value not in provider.locked_roles]
    if not offered:
        return known
    # In the order of what they allow, the least first: what a form suggests must not be the most.
    unknown = [value for value in offered if value not in {role.value for role in provider.roles}]
    return [
        *(role for role in provider.roles if role.value in offered),
        *(RoleOption(value, value, "") for value in unknown),
    ]


def why_not(member: Member) -> str:
    """Why this membership can be neither changed nor removed from here; "" if it can."""
    if member.gone_at:
        return _("This membership is gone.")
    return str(PROVIDERS[member.connection.provider].locked_roles.get(member.role, ""))


def _wish(kind: str, member: Member, why: str, **arguments: str) -> Wish | Refusal:
    if why:
        return Refusal(member.email, member.connection.name, why)
    return Wish(
        kind=kind,
        connection=member.connection,
        target=member.target,
        label=member.email,
        arguments={"remote_id": member.remote_id, **arguments},
        before={"role": member.role},
        row_id=member.pk,
    )


def _role_wish(member: Member, role: str) -> Wish | Refusal:
    return _wish("members.change_role", member, _why_not_as(member, role), role=role)


def _why_not_as(member: Member, role: str) -> str:
    """Why this member cannot be given ``role``; "" if they can."""
    if why := why_not(member):
        return why
    provider = PROVIDERS[member.connection.provider]
    if role == member.role:
        return _("Already %(role)s.") % {"role": provider.role_label(role)}
    if role not in {option.value for option in assignable_roles(member.connection)}:
        return _("%(provider)s does not let %(role)s be given.") % {
            "provider": provider.label,
            "role": provider.role_label(role),
        }
    return ""


def _removal_wish(member: Member) -> Wish | Refusal:
    return _wish("members.remove", member, why_not(member))


def change_role(*, member: Member, role: str, actor: User, nonce: str) -> Command:
    """Ask for another role. Raises RequestRefused with the reason."""
    return ask(_role_wish(member, role), actor=actor, nonce=nonce)


def remove_member(*, member: Member, actor: User, nonce: str) -> Command:
    """Ask for a removal. Raises RequestRefused with the reason."""
    return ask(_removal_wish(member), actor=actor, nonce=nonce)


def draft_role_change(
    *,
    organization: Organization,
    members: QuerySet[Member],
    roles: dict[int, str],
    actor: User,
    nonce: str,
) -> Batch:
    """A batch for review that gives each of ``members`` the role that ``roles`` has for its connection."""
    return draft_batch(
        (_role_wish(member, roles[member.connection_id]) for member in _whole(members)),
        action="people.change_role",
        organization=organization,
        actor=actor,
        title=_("Change role"),
        nonce=nonce,
    )


def draft_removal(
    *,
    organization: Organization,
    members: QuerySet[Member],
    actor: User,
    nonce: str,
    besides: Iterable[Wish | Refusal] = (),
    title: str = "",
) -> Batch:
    """A batch for review that removes every one of ``members``, and before does what is wanted ``besides``.

    Before, because a removal may end by itself what is then no longer there to be changed.
    """
    return draft_batch(
        [*besides, *(_removal_wish(member) for member in _whole(members))],
        action="people.remove",
        organization=organization,
        actor=actor,
        title=title or _("Remove people"),
        nonce=nonce,
    )


def _whole(members: QuerySet[Member]) -> QuerySet[Member]:
    return members.select_related("connection", "connection__organization").order_by("email", "pk")
