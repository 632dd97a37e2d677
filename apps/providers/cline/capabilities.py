"""What a Cline key can do in its organization: which read stands for which capability."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from apps.providers.abilities import Needs, Reads, first_refusal, look
from apps.providers.cline.people import strongest
from apps.providers.records import Ability
from apps.providers.records.account import Membership

if TYPE_CHECKING:
    from apps.providers.cline.adapter import ClineAdapter

_PEOPLE = ("list_members", "list_available_roles", "list_invites")
_CARD = "get_organization_default_payment_method"

# Writes are not tried. The provider's words on who may do what with money contradict each other, so
# what may be read there may be written, until a 403 says otherwise.
NEEDS: Needs = {
    "members.read": ("list_members",),
    "members.change_role": _PEOPLE,
    "members.remove": _PEOPLE,
    "invites.read": ("list_invites",),
    "invites.create": _PEOPLE,
    "invites.withdraw": _PEOPLE,
    "keys.read": ("list_api_keys",),
    "keys.create": ("list_api_keys",),
    "keys.delete": ("list_api_keys",),
    "settings.read": ("get_organization",),
    "settings.change": ("get_organization",),
    "config.read": ("get_organization_remote_config",),
    "config.change": ("get_organization", "get_organization_remote_config"),
    "organization.create": ("get_organization",),
    "organization.delete": ("get_organization",),
    "shared_keys.read": ("get_organization_provider_keys",),
    "usage.read": ("get_organization_usage",),
    "usage.summary": ("get_organization_metrics",),
    "usage.calls": ("list_members", "list_member_usages"),
    "costs.read": ("get_organization_usage",),
    "credit.read": ("get_organization_balance",),
    "credit.buy": ("list_organization_payments", _CARD),
    "payments.read": ("list_organization_payments",),
    "card.read": (_CARD,),
    "card.change": (_CARD,),
    "top_up.read": ("get_organization_auto_top_up",),
    "top_up.change": ("get_organization_auto_top_up", _CARD),
    "promotions.read": ("list_organization_promotions",),
    "plans.read": ("list_plans",),
    "plan.read": ("get_organization_plan",),
    "plan.history": ("list_organization_plan_history",),
    "plan.change": ("list_plans", "get_organization_plan"),
}
# These a plain member may not do, as the provider documents it.
NOT_FOR_MEMBERS = (
    "members.change_role",
    "members.remove",
    "invites.create",
    "invites.withdraw",
    "settings.change",
    "config.change",
)
# And this nobody but an owner (inferred).
FOR_OWNERS = ("organization.delete",)


@dataclass(slots=True)
class Surroundings:
    """What the reads brought to light."""

    abilities: dict[str, Ability]
    name: str = ""  # the organization's own; "" where it is not told
    assignable_roles: tuple[str, ...] = ()


def look_around(adapter: "ClineAdapter", own: Membership) -> Surroundings:
    """Ask once for each thing that ``own`` may be able to do in the adapter's organization."""
    found = Surroundings({})
    found.abilities = look(NEEDS, _reads(adapter, own, found))
    if strongest(list(own.roles)) == "member":
        for name in NOT_FOR_MEMBERS:
            found.abilities[name] = first_refusal([found.abilities[name], _members_may_not()])
    if strongest(list(own.roles)) != "owner":
        for name in FOR_OWNERS:
            found.abilities[name] = first_refusal([found.abilities[name], _owners_alone()])
    return found


def _owners_alone() -> Ability:
    return Ability(False, _("The key belongs to nobody who owns the organization."))


def _members_may_not() -> Ability:
    return Ability(
        False,
        _(
            "The key belongs to a member of the organization; only owners and admins may change "
            "people, invites and settings."
        ),
    )


def _reads(adapter: "ClineAdapter", own: Membership, found: Surroundings) -> Reads:
    """The reads by operationId, as small as they come; some put what they tell into ``found``."""
    today = datetime.now(UTC).date()
    somebody = own.member_id

    def members() -> None:
        nonlocal somebody
        ids = [one.remote_id for one in adapter.list_members(limit=2).rows]
        # Whoever may see their own calls may not see those of others.
        somebody = next((one for one in ids if one != own.member_id), somebody)

    def roles() -> None:
        found.assignable_roles = adapter.list_available_roles()

    def organization() -> None:
        found.name = adapter.get_organization().name

    named: dict[str, Callable[[], object]] = {
        "get_organization": organization,
        "list_members": members,
        "list_available_roles": roles,
        "get_organization_usage": lambda: adapter.get_organization_usage(today, today, limit=1),
        "get_organization_metrics": lambda: adapter.get_organization_metrics(today, today),
        "list_member_usages": lambda: adapter.list_member_usages(somebody, limit=1),
    }
    asked = dict.fromkeys(operation for needed in NEEDS.values() for operation in needed)
    return {name: named.get(name) or getattr(adapter, name) for name in asked}
