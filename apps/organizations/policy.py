"""Who may do what: the one table. Views, services, API and tests ask here and nowhere else."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from apps.accounts.models import StaffRole
from apps.organizations.models import Grant, Organization, Role
from apps.ui.prepared import Prepared

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from apps.accounts.models import ActingToken, User

OWNER, ADMIN, BILLING, VIEWER = Role.OWNER, Role.ADMIN, Role.BILLING, Role.VIEWER
EVERYONE = frozenset({OWNER, ADMIN, BILLING, VIEWER})
ADMINS = frozenset({OWNER, ADMIN})
OWNERS = frozenset({OWNER})
SPENDERS = frozenset({OWNER, BILLING})
# A person on their own desk: their account is theirs alone, so they may do what there is to do.
SELF = frozenset({Role.SELF})


@dataclass(frozen=True, slots=True)
class Rule:
    """Roles that may do it; whether it writes; whether it wants a sign-in of the last five minutes.

    ``support``: staff may do it too, in Django admin and without a Grant, on organizations that let
    support look at them; ``least`` is the staff role that it takes.
    """

    roles: frozenset[Role]
    writes: bool = False
    fresh: bool = False
    # May be made to wait for a second person (Organization.demand_second_person).
    irreversible: bool = False
    support: bool = False
    least: StaffRole = StaffRole.SUPPORT


POLICY: dict[str, Rule] = {
    "organization.read": Rule(EVERYONE, support=True),
    "people.read": Rule(EVERYONE, support=True),
    "invites.read": Rule(EVERYONE, support=True),
    "activity.read": Rule(EVERYONE | SELF, support=True),
    "audit.read": Rule(EVERYONE | SELF, support=True),
    "connections.read": Rule(EVERYONE | SELF, support=True),
    "people.change_role": Rule(ADMINS, writes=True),
    "people.remove": Rule(ADMINS, writes=True, irreversible=True),
    "invites.invite": Rule(ADMINS, writes=True),
    "invites.withdraw": Rule(ADMINS, writes=True),
    "invites.resend": Rule(ADMINS, writes=True),
    "workspaces.read": Rule(EVERYONE, support=True),
    "workspaces.create": Rule(ADMINS, writes=True),
    "workspaces.change": Rule(ADMINS, writes=True),  # name, residency
    "workspaces.change_members": Rule(ADMINS, writes=True),
    "workspaces.archive": Rule(ADMINS, writes=True, fresh=True, irreversible=True),
    "limits.read": Rule(EVERYONE, support=True),
    # The organization as its provider knows it, and what it hands to its members.
    "configuration.read": Rule(EVERYONE | SELF, support=True),
    "configuration.rename": Rule(ADMINS, writes=True),
    "configuration.change": Rule(ADMINS, writes=True),
    "configuration.create_organization": Rule(ADMINS, writes=True),
    "configuration.delete_organization": Rule(OWNERS, writes=True, fresh=True, irreversible=True),
    "keys.read": Rule(EVERYONE, support=True),
    "keys.change": Rule(ADMINS, writes=True),  # rename, switch off and on
    # A new key acts at the provider as the person whose credential makes it.
    "keys.create": Rule(ADMINS, writes=True, fresh=True),
    "keys.archive": Rule(ADMINS, writes=True, fresh=True, irreversible=True),
    "keys.delete": Rule(ADMINS, writes=True, fresh=True, irreversible=True),
    # A person's own account at a provider: nobody else's business.
    "account.read": Rule(SELF),
    "account.change": Rule(SELF, writes=True),  # profile, terms, invites, which account is billed
    "account.token": Rule(SELF, writes=True, fresh=True),
    "account.delete": Rule(SELF, writes=True, fresh=True),
    # Their own money. Nobody else is there, so none of it can wait for a second person.
    "account.money": Rule(SELF),
    "account.buy": Rule(SELF, writes=True, fresh=True),
    "account.top_up": Rule(SELF, writes=True, fresh=True),
    "account.card": Rule(SELF, writes=True, fresh=True),
    "usage.read": Rule(EVERYONE, support=True),  # tokens, costs, Claude Code
    "usage.backfill": Rule(ADMINS, writes=True),  # pause the reading of the past, let it go on
    # Notices: to read those that one's role may hear of; to say for everybody that one has seen to it.
    "notices.read": Rule(EVERYONE | SELF, support=True),
    "notices.acknowledge": Rule(ADMINS | {BILLING} | SELF),
    "notices.own": Rule(EVERYONE | SELF),  # what one hears of oneself
    "notices.deliveries": Rule(ADMINS, support=True),  # what was sent where, and what came of it
    # A webhook takes what happens here to another machine.
    "notices.webhooks": Rule(ADMINS, writes=True, fresh=True),
    "notices.send_again": Rule(
        ADMINS, writes=True
    ),  # try a webhook, have a failed delivery repeated
    # Reports run with what their maker may see; whoever sees a page may have it sent.
    "reports.read": Rule(EVERYONE, support=True),
    "reports.own": Rule(EVERYONE),
    "reports.change": Rule(ADMINS, writes=True),  # those of colleagues
    # What is far off its usual: acknowledge, resolve, mute. Whoever answers for the bill may.
    "incidents.read": Rule(EVERYONE, support=True),
    "incidents.change": Rule(frozenset({OWNER, ADMIN, BILLING}), writes=True),
    "budgets.read": Rule(EVERYONE, support=True),
    "budgets.change": Rule(ADMINS | SPENDERS, writes=True),
    # Who pays for what: centres, their rules, statements. A month that is closed stays so.
    "centres.read": Rule(EVERYONE, support=True),
    "centres.change": Rule(frozenset({OWNER, ADMIN, BILLING}), writes=True),
    "centres.close": Rule(frozenset({OWNER, ADMIN, BILLING}), writes=True),
    # Credit, payments, plans, seats, promotions, the card.
    "billing.read": Rule(EVERYONE, support=True),
    "billing.buy": Rule(SPENDERS, writes=True, fresh=True, irreversible=True),
    # What is bought automatically, without anybody being asked each time.
    "billing.top_up": Rule(SPENDERS, writes=True, fresh=True, irreversible=True),
    "billing.card": Rule(SPENDERS, writes=True, fresh=True),  # have another card stored
    # Subscribe to a plan, change its seats, cancel it.
    "billing.plan": Rule(SPENDERS, writes=True, fresh=True, irreversible=True),
    # Of a change, whoever may ask for it: cancel, send again; a stuck one: adopt, abandon; approve.
    "commands.decide": Rule(ADMINS | SPENDERS | SELF, writes=True),
    "commands.close": Rule(
        ADMINS | SPENDERS | SELF, writes=True, support=True, least=StaffRole.LEAD
    ),
    "commands.approve": Rule(ADMINS | SPENDERS, writes=True, fresh=True),
    # Of support alone, two of them: one asks that a stuck change be sent again, another lets it be.
    "commands.ask_resend": Rule(frozenset(), writes=True, fresh=True, support=True),
    "commands.confirm_resend": Rule(
        frozenset(), writes=True, fresh=True, support=True, least=StaffRole.LEAD
    ),
    "sync.start": Rule(ADMINS | SELF, writes=True, support=True),
    "sync.decide": Rule(ADMINS | SELF, writes=True),  # a sudden loss: accept or dismiss
    "connections.connect": Rule(ADMINS | SELF, writes=True, fresh=True),
    "connections.change": Rule(ADMINS | SELF, writes=True),  # rename, have the key checked
    "connections.pause": Rule(ADMINS | SELF, writes=True, support=True),  # and resume
    "connections.rotate": Rule(ADMINS | SELF, writes=True, fresh=True),
    "connections.disconnect": Rule(ADMINS | SELF, writes=True, fresh=True),
    "grants.read": Rule(EVERYONE, support=True),
    "grants.change": Rule(OWNERS, writes=True, fresh=True),
    "organization.change": Rule(OWNERS, writes=True),
    # Changes are stopped since the database was put back from a backup: let them go on.
    "organization.resume_sending": Rule(
        OWNERS | SELF, writes=True, fresh=True, support=True, least=StaffRole.LEAD
    ),
    # Of staff alone: to look through somebody's eyes, where the organization allows that besides; to say
    # who is staff, and as what.
    "support.view_as": Rule(frozenset(), fresh=True, support=True, least=StaffRole.LEAD),
    "staff.change": Rule(
        frozenset(), writes=True, fresh=True, support=True, least=StaffRole.SUPERUSER
    ),
    "tokens.own": Rule(EVERYONE | SELF),  # list and end one's own API tokens
    "tokens.create": Rule(
        EVERYONE | SELF, fresh=True
    ),  # a token may do what its holder may, and no more
    # Those of the organization: they outlive no maker's power to make them.
    "tokens.service": Rule(ADMINS),  # see them
    "tokens.make_service": Rule(ADMINS, writes=True, fresh=True),
    "tokens.end_service": Rule(ADMINS, writes=True),  # and rename
}


# Whoever holds one of these can change something: a second factor may be demanded of them.
WRITING_ROLES = frozenset(role for rule in POLICY.values() if rule.writes for role in rule.roles)


def is_demotion(before: Role, after: Role) -> bool:
    """Whether something that ``before`` may do is more than ``after`` may do."""
    return any(before in rule.roles and after not in rule.roles for rule in POLICY.values())


# What each role may do; roles by how much that is, the largest first.
_RIGHTS = {
    role: frozenset(action for action, rule in POLICY.items() if role in rule.roles)
    for role in Role
}
_BY_SIZE = sorted(Role, key=lambda role: len(_RIGHTS[role]), reverse=True)


def at_most(held: Role, ceiling: Role) -> Role | None:
    """The largest role that may do nothing which ``held`` or ``ceiling`` may not, None if there is none.

    An admin's token that is held to billing is a viewer: neither may do all that the other may.
    """
    both = _RIGHTS[held] & _RIGHTS[ceiling]
    return next((role for role in _BY_SIZE if _RIGHTS[role] <= both), None)


def role_by_token(token: "ActingToken", held: Role) -> Role | None:
    """What a token of somebody who holds ``held`` may do now, None if it may do nothing (any more)."""
    if token.is_service and not role_may(held, "tokens.make_service"):
        return None
    return at_most(held, Role(token.role))


_held = Prepared(
    lambda users, organizations: Grant.objects.filter(
        user__in=users, organization__in=organizations
    ).values_list("role")
)


def held_by(user: "User | AnonymousUser", organization: Organization) -> Role | None:
    """The role of ``user``'s Grant on ``organization``, None if there is none. One query."""
    if not user.is_authenticated or not user.is_active:
        return None
    if getattr(user, "viewed_on", None) not in (None, organization.pk):
        return None
    held = _held(users=[user.pk], organizations=[organization.pk])
    return Role(held[0][0]) if held else None


def role_of(user: "User | AnonymousUser", organization: Organization) -> Role | None:
    """The same; where a program acts for the user, what its token leaves of that. One query.

    On another organization than its own a token leaves nothing.
    """
    held = held_by(user, organization)
    token = user.acting if user.is_authenticated else None
    if held is None or token is None:
        return held
    return role_by_token(token, held) if token.organization_id == organization.pk else None


def is_of_one(action: str) -> bool:
    """Whether ``action`` exists on a person's own desk alone: elsewhere there is no such page."""
    return POLICY[action].roles == SELF


def role_may(role: Role | None, action: str) -> bool:
    """Whether a holder of ``role`` may do ``action``; an action that the table lacks is a KeyError."""
    return role in POLICY[action].roles


def support_may(
    user: "User | AnonymousUser", action: str, organization: Organization | None = None
) -> bool:
    """Whether ``user`` may do ``action`` as support; without an organization: on any at all.

    A token is of no use to support: it may do what a Grant gives, whoever made it.
    """
    if getattr(user, "acting", None) is not None:
        return False
    role, rule = getattr(user, "staff_role", None), POLICY[action]
    if role is None or not rule.support or not role.reaches(rule.least):
        return False
    if organization is None:
        return True
    if action == "support.view_as" and not organization.support_may_view_as:
        return False
    return organization.support_may_read


def shown_to_viewers(action: str) -> bool:
    """Whether support may see a page of ``action`` through somebody's eyes: what support may look at anyway."""
    rule = POLICY[action]
    return rule.support and not rule.writes and bool(rule.roles)


def may(user: "User | AnonymousUser", action: str, organization: Organization) -> bool:
    """Whether ``user`` may do ``action`` on ``organization``: by a Grant, or as support.

    The portal's pages and the API go by Grants alone (``role_of``): support works in Django admin.
    """
    return support_may(user, action, organization) or role_may(role_of(user, organization), action)


def must(actor: "User", action: str, organization: Organization) -> None:
    """PermissionDenied unless they may: asked again inside the transaction, for the page was a moment ago."""
    if not may(actor, action, organization):
        raise PermissionDenied(_("Your role here does not allow this any more."))
