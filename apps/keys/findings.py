"""What is worth a look at among keys: each finding with why it matters and what can be done about it.

The list filters by them and the hygiene report counts them, so both always mean the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Concat
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.keys.models import Key
from apps.members.models import Member
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.sync.models import Resource
from apps.workspaces.models import WorkspaceMember

LIVE = [Connection.State.ACTIVE, Connection.State.PAUSED]
SOON = timedelta(days=30)
SEVERITIES: dict[str, tuple[str, Promise]] = {  # tone and word, the gravest first
    "high": ("danger", _("High")),
    "medium": ("warning", _("Medium")),
    "low": ("info", _("Low")),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One question that is asked of every key. ``holds`` is the condition; ``remedy`` a bulk action."""

    key: str
    severity: str
    title: Promise
    why: Promise
    holds: Callable[[], Q]
    remedy: str = ""
    elsewhere: Promise | None = None  # what can be done at the provider alone

    def condition(self) -> Q:
        """Whether it holds now; keys of what is disconnected are as they were, and no finding."""
        return Q(connection__state__in=LIVE) & self.holds()


def usable() -> Q:
    """Keys that open something now."""
    passed = Q(expires_at__lte=timezone.now())
    return Q(gone_at__isnull=True, status="active") & ~passed


def _walked(listing: str) -> Exists:
    """Only after a whole walk of it is absence from ``listing`` a fact."""
    return Exists(
        Resource.objects.filter(
            connection=OuterRef("connection"), name=listing, completed_at__isnull=False
        )
    )


def _creator() -> QuerySet[Member]:
    return Member.objects.filter(
        connection=OuterRef("connection"), remote_id=OuterRef("creator"), gone_at__isnull=True
    )


def _by_person() -> Q:
    return usable() & Q(creator_kind="user") & ~Q(creator="")


def creator_left() -> Q:
    """Usable keys of people who are no longer members."""
    return _by_person() & Q(_walked("members")) & ~Q(Exists(_creator()))


def creator_without_role() -> Q:
    """Usable keys in workspaces where their maker, still a member, has no role."""
    role = WorkspaceMember.objects.filter(
        connection=OuterRef("connection"),
        remote_id=Concat(OuterRef("workspace"), Value(":"), OuterRef("creator")),
        gone_at__isnull=True,
    )
    in_workspace = ~Q(workspace="") & Q(workspace__isnull=False)
    known = Q(_walked("workspace_members")) & Q(Exists(_creator()))
    return _by_person() & in_workspace & known & ~Q(Exists(role))


def never_expires() -> Q:
    """Usable keys without an end, where the provider knows of one."""
    tell = [one.key for one in PROVIDERS.values() if "expiry" in one.key_facts]
    return usable() & Q(expires_at__isnull=True, connection__provider__in=tell)


def expires_soon() -> Q:
    """Usable keys that expire within thirty days."""
    return usable() & Q(expires_at__lte=timezone.now() + SOON)


def expired() -> Q:
    """Keys past their date that nobody has put away."""
    passed = Q(expires_at__lte=timezone.now(), status__in=["active", "inactive"])
    return Q(gone_at__isnull=True) & (passed | Q(status="expired"))


def twins() -> Q:
    """Usable keys that share their name with another usable key of the connection."""
    others = Key.objects.filter(usable(), connection=OuterRef("connection"), name=OuterRef("name"))
    return usable() & Q(Exists(others.exclude(pk=OuterRef("pk"))))


def in_default_workspace() -> Q:
    """Usable keys in the default workspace."""
    return usable() & Q(workspace="")


FINDINGS = {
    one.key: one
    for one in (
        Finding(
            "creator_left",
            "high",
            _("Creator has left"),
            _(
                "Who made the key is no longer a member, but may still hold a copy of it, and it "
                "works. Nobody is left to ask what it is for."
            ),
            creator_left,
            remedy="deactivate",
        ),
        Finding(
            "no_role",
            "medium",
            _("Creator has no role in the workspace"),
            _(
                "Who made the key may not see its workspace any more, but may still hold a copy of it."
            ),
            creator_without_role,
            remedy="deactivate",
        ),
        Finding(
            "expiring",
            "medium",
            _("Expires within 30 days"),
            _("What uses the key stops then. An expiry cannot be put off."),
            expires_soon,
            elsewhere=_("Make its successor in the console, and put it in place."),
        ),
        Finding(
            "never_expires",
            "low",
            _("Never expires"),
            _(
                "If it leaks, it stays good until somebody notices. An expiry cannot be added later."
            ),
            never_expires,
            elsewhere=_(
                "Make a successor with an expiry in the console, then deactivate this one."
            ),
        ),
        Finding(
            "expired",
            "low",
            _("Expired, but not archived"),
            _("It opens nothing any more and only hides the keys that matter."),
            expired,
            remedy="archive",
        ),
        Finding(
            "twins",
            "low",
            _("Same name as another"),
            _("Whoever rotates or removes one of them may take the wrong one."),
            twins,
            remedy="rename",
        ),
        Finding(
            "default_workspace",
            "low",
            _("In the default workspace"),
            _(
                "The default workspace can have no limits of its own, and everybody's keys meet there."
            ),
            in_default_workspace,
            elsewhere=_(
                "A key cannot be moved: make its successor in a workspace, in the console."
            ),
        ),
    )
}


def add(finding: Finding) -> None:
    """Ask one more question of every key (whether it is used, say); for a higher shelf's ``ready()``."""
    FINDINGS[finding.key] = finding


def counted(keys: QuerySet[Key]) -> dict[str, int]:
    """How many of ``keys`` each finding holds for. One query."""
    wanted = {one.key: Count("pk", filter=one.condition()) for one in FINDINGS.values()}
    found: dict[str, int] = keys.order_by().aggregate(**wanted)
    return found
