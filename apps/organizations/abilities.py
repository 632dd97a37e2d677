"""Capabilities in plain words, in the groups in which a connection's page shows them."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.organizations.models import Connection

Words = str | Promise

GROUPS: tuple[tuple[Words, dict[str, Words]], ...] = (
    (
        _("People and invites"),
        {
            "members.read": _("See the people of the organization"),
            "members.change_role": _("Change people's roles"),
            "members.remove": _("Remove people"),
            "invites.read": _("See the invites"),
            "invites.create": _("Invite people"),
            "invites.withdraw": _("Withdraw invites"),
        },
    ),
    (
        _("Workspaces, keys and limits"),
        {
            "workspaces.read": _("See the workspaces and who is in them"),
            "workspaces.change": _("Make, change and archive workspaces, and say who is in them"),
            "keys.read": _("See the API keys"),
            "keys.change": _("Rename, switch off and archive API keys"),
            "keys.create": _("Make API keys for the key's owner"),
            "keys.delete": _("Delete API keys of the key's owner"),
            "shared_keys.read": _("See whose provider keys are shared with everybody"),
            "limits.read": _("See the rate limits"),
        },
    ),
    (
        _("Settings"),
        {
            "settings.read": _("See the organization's details"),
            "settings.change": _("Change the organization's details"),
            "organization.create": _("Open another organization"),
            "organization.delete": _("Delete the organization"),
            "config.read": _("See the remote configuration"),
            "config.change": _("Change the remote configuration"),
        },
    ),
    (
        _("Your own account"),
        {
            "account.read": _("See your profile and the organizations you are in"),
            "account.change": _("Change your profile, and which account is billed"),
            "account.terms": _("Accept the terms of service"),
            "account.join": _("Accept invites"),
            "account.token": _("Get a new account token for a refresh token"),
            "account.delete": _("Delete the account"),
        },
    ),
    (
        _("Usage and cost"),
        {
            "usage.read": _("See what is used, day by day"),
            "usage.summary": _("See the sums of a period"),
            "usage.calls": _("See the single calls of a person"),
            "usage.limits": _("See how much of the plan's allowance is used"),
            "budget.request": _("Ask the admins for a higher spend cap"),
            "costs.read": _("See what it costs"),
            "coding.read": _("See what is done with Claude Code"),
        },
    ),
    (
        _("Credit and plan"),
        {
            "credit.read": _("See the credit that is left"),
            "credit.buy": _("Buy credit"),
            "payments.read": _("See the payments"),
            "card.read": _("See which card is stored"),
            "card.change": _("Store another card"),
            "top_up.read": _("See the automatic purchases"),
            "top_up.change": _("Change the automatic purchases"),
            "promotions.read": _("See the promotions"),
            "plans.read": _("See the plans on offer"),
            "plan.read": _("See the plan and its seats"),
            "plan.history": _("See earlier plans"),
            "plan.change": _("Change the plan and its seats, or end it"),
        },
    ),
)


@dataclass(frozen=True, slots=True)
class Told:
    """One capability of a connection: in words, whether it is there, and if not, why."""

    label: Words
    ok: bool
    reason: str


def abilities_of(connection: Connection) -> list[tuple[Words, list[Told]]]:
    """What the last probe found, by group; what has no words here stands last, as it is called."""
    known = {name for _label, words in GROUPS for name in words}
    others = {name: name for name in sorted(set(connection.capabilities) - known)}
    told = [(label, _told(connection, words)) for label, words in (*GROUPS, (_("Other"), others))]
    return [(label, abilities) for label, abilities in told if abilities]


def lost_by(connection: Connection) -> list[Words]:
    """What the key before could do and the one that took its place cannot, in words."""
    words = {name: label for _group, known in GROUPS for name, label in known.items()}
    lost = connection.probe_result.get("lost") or []
    return [words.get(name, name) for name in lost if not connection.can(name)]


def _told(connection: Connection, words: dict[str, Words] | dict[str, str]) -> list[Told]:
    return [
        Told(label, connection.can(name), connection.why_not(name))
        for name, label in words.items()
        if name in connection.capabilities
    ]
