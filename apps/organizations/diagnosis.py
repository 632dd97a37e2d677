"""What is wrong, in plain words: each answer with what it rests on and what to do next.

A question ("join", "key", "stale", "payment") is asked of one row. Shelves add checks to it in
``AppConfig.ready()``: each looks at what is mirrored, at what providers have said and at the contracts,
and gives answers. One that cannot know says so; none guesses.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.organizations.models import Grant, Organization, Role
from apps.organizations.policy import POLICY

Words = str | Promise
# What an answer is, with its word; the gravest first.
CAUSE, UNKNOWN, FINE = "cause", "unknown", "fine"
LEVELS: dict[str, Words] = {
    CAUSE: _("This is in the way"),
    UNKNOWN: _("Nobody here can know"),
    FINE: _("This is in order"),
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact: what it is, who says so, as of when (None: not told), and the row that has it."""

    fact: Words
    source: Words
    at: datetime | None = None
    row: Any = None


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next.

    ``url`` leads to a page of Django admin. With ``needs`` it is a page of the portal, for somebody of
    the organization who may do that action: the page gives the whole address, and whom to send it to.
    """

    label: Words
    url: str
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a check has found; ``level`` is one of ``LEVELS``."""

    level: str
    words: Words
    evidence: Sequence[Evidence] = ()
    steps: Sequence[Step] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked about: a row of the question's model and, of who wants to join, the address; of what
    may be stale, one connection's id, 0 for all of them."""

    row: Any
    organization: Organization
    email: str = ""
    connection_id: int = 0


Check = Callable[[Subject], Iterable[Answer]]


@dataclass(frozen=True, slots=True)
class Question:
    """``model`` is the list of Django admin whose rows it is asked of, ``reads`` an action of the policy."""

    name: str
    title: Words
    model: str
    reads: str
    checks: dict[str, tuple[int, Check]] = field(default_factory=dict)

    def answers(self, subject: Subject) -> list[Answer]:
        """All of them: what is in the way first, else in the order of the checks."""
        checks = sorted(self.checks.values(), key=lambda one: one[0])
        found = [answer for _order, check in checks for answer in check(subject)]
        return sorted(found, key=lambda one: list(LEVELS).index(one.level))


QUESTIONS = {
    one.name: one
    for one in (
        Question("join", _("Why can they not join?"), "organizations.organization", "invites.read"),
        Question("key", _("Why does this key fail?"), "keys.key", "keys.read"),
        Question("stale", _("Is it up to date?"), "organizations.organization", "connections.read"),
        Question("change", _("What about this change?"), "sync.command", "activity.read"),
        Question("payment", _("Where is this payment?"), "billing.payment", "billing.read"),
    )
}


def check(question: str, look: Check, order: int = 50) -> None:
    """Have ``look`` asked too; for a shelf's ``ready()``."""
    QUESTIONS[question].checks[f"{look.__module__}.{look.__qualname__}"] = (order, look)


def admin_page(row: Any) -> str:
    """The address of a row in Django admin."""
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(name, args=[row.pk])


def act_page(row: Any, act: str) -> str:
    """The address of the page that asks before it does ``act``."""
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_act"
    return reverse(name, args=[row.pk, act])


def those_who_may(organization: Organization, needs: Iterable[str]) -> dict[str, list[Grant]]:
    """Who of the organization may do each of these actions. One query."""
    wanted = set(needs)
    if not wanted:
        return {}
    grants = list(
        Grant.objects.filter(organization=organization, user__is_active=True)
        .select_related("user")
        .order_by("pk")
    )
    return {
        action: [one for one in grants if Role(one.role) in POLICY[action].roles]
        for action in wanted
    }
