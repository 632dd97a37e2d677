"""What a role in a workspace is worth: explicit or inherited, and what may be made of it.

The organization role decides, and it may change by itself; so nothing of this is stored.
"""

from dataclasses import dataclass
from functools import lru_cache

from django.utils.translation import gettext_lazy as _

from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.providers.protocol import Words, WorkspaceRules

OUT = ""  # no role: not in the workspace


class NoWorkspaces(LookupError):
    """The provider has none."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A member's role in a workspace (OUT for none), and what may be given in its place.

    ``choices`` may hold OUT. ``why``: why there are no choices, or fewer than for others.
    """

    role: str
    inherited: bool
    choices: tuple[str, ...]
    why: Words = ""

    @property
    def locked(self) -> bool:
        """Whether nothing can be changed about it."""
        return not self.choices


def rules_of(provider: str) -> WorkspaceRules:
    """The rules of ``provider``'s workspaces. NoWorkspaces where it has none."""
    known = PROVIDERS.get(provider)
    if known is None or known.workspaces is None:
        raise NoWorkspaces(provider)
    return known.workspaces


def why_none(connection: Connection) -> Words:
    """Why nothing can be seen of workspaces on this connection; "" if it can."""
    if connection.can("workspaces.read"):
        return ""
    known = PROVIDERS.get(connection.provider)
    if known is not None and known.workspaces is None:
        return known.no_workspaces
    return connection.why_not("workspaces.read") or _(
        "It is not known yet whether its key may read workspaces. Have the connection checked."
    )


@lru_cache(maxsize=1024)
def hold_of(provider: str, organization_role: str, listed: str) -> Hold:
    """What a member of this organization role ("" if unknown) holds where ``listed`` is mirrored."""
    rules = rules_of(provider)
    inheritance = rules.inherited.get(organization_role)
    if inheritance is not None:
        role = listed if listed in inheritance.raised_to else inheritance.role
        raised = role != inheritance.role
        choices = (inheritance.role,) if raised else inheritance.raised_to
        return Hold(role, not raised, choices, inheritance.why)
    follows = next((one for one in rules.inherited.values() if one.role == listed), None)
    if follows is not None and listed not in rules.assignable:
        return Hold(listed, True, (), follows.why)
    choices = tuple(role for role in rules.assignable if role != listed)
    return Hold(listed, False, (*choices, OUT) if listed else choices)


def role_word(provider: str, role: str) -> Words:
    """A role in a workspace in words, "–" for none."""
    return rules_of(provider).role_label(role) if role else "–"
