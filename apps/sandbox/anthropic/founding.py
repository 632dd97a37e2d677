"""The seeded part of an organization beyond its people: workspaces, who is in them, API keys."""

from datetime import datetime
from random import Random
from typing import NamedTuple

from ..ids import base58_id, digest
from ..world import DAY, Organization, User, micros_stamp, seconds_stamp
from .rhythm import HISTORY
from .rows import (
    CLAUDE_CODE,
    COLOURS,
    DEFAULTS,
    ApiKey,
    Coder,
    Creator,
    Limit,
    Membership,
    Override,
    RateLimit,
    Residency,
    Switch,
    Workspace,
    memberships_in,
    service_account,
)

PROJECTS = (
    "Checkout",
    "Support assistant",
    "Fleet telemetry",
    "Document intake",
    "Search",
    "Pricing",
    "Translation",
    "Maintenance",
    "Vision",
    "Onboarding",
    "Data platform",
    "Routing",
    "Field service",
    "Safety",
    "Billing",
    "Inventory",
    "Legal",
    "Recruiting",
    "Marketing",
    "Research",
)
PURPOSES = (
    "checkout-api",
    "legacy-batch",
    "ci-runner",
    "claude-code",
    "search-indexer",
    "nightly-evaluation",
    "support-agent",
    "prototype",
    "document-intake",
    "translation-worker",
    "data-pipeline",
    "fleet-reports",
    "release-notes",
)
RPM, INPUT, OUTPUT = (
    "requests_per_minute",
    "input_tokens_per_minute",
    "output_tokens_per_minute",
)
# group -> kind, models, limits of an organization of usual size
GROUPS: dict[str, tuple[str, tuple[str, ...] | None, dict[str, int]]] = {
    "opus": (
        "model_group",
        ("claude-opus-4-1", "claude-opus-4-5", "claude-opus-4-6"),
        {RPM: 4000, INPUT: 2_000_000, OUTPUT: 400_000},
    ),
    "sonnet": (
        "model_group",
        ("claude-sonnet-4-5", "claude-sonnet-4-6"),
        {RPM: 4000, INPUT: 2_000_000, OUTPUT: 400_000},
    ),
    # Limited by what comes in alone: an override of its output has nothing beside it.
    "haiku": (
        "model_group",
        ("claude-haiku-3-5", "claude-haiku-4-5"),
        {RPM: 4000, INPUT: 4_000_000},
    ),
    "batch": ("batch", None, {RPM: 4000, "enqueued_batch_requests": 500_000}),
    "token_count": ("token_count", None, {RPM: 8000}),
    "files": ("files", None, {RPM: 500}),
    "skills": ("skills", None, {RPM: 200}),
    "web_search": ("web_search", None, {RPM: 600}),
}
STAGES = ("production", "staging", "evaluation", "batch", "development")
ROLES = (
    (0.70, "workspace_developer"),
    (0.85, "workspace_user"),
    (0.93, "workspace_restricted_developer"),
    (1.00, "workspace_admin"),
)
US_ONLY = Residency(("us",), "us", "us")
US_FIRST = Residency(("global", "us"), "us", "us")


class Plan(NamedTuple):
    """How much of everything an organization has."""

    workspaces: int
    archived: int
    keys: int
    coders: float  # share of the people who use Claude Code


PLANS = {
    "small": Plan(workspaces=7, archived=1, keys=28, coders=0.45),
    "medium": Plan(workspaces=26, archived=3, keys=640, coders=0.2),
    "large": Plan(workspaces=100, archived=6, keys=10_000, coders=0.02),
    "lab": Plan(workspaces=3, archived=0, keys=12, coders=0.1),
}


class Furnishing:
    """Fills the tables of one organization that has its users already."""

    def __init__(self, organization: Organization, plan: Plan, seed: str, epoch: int) -> None:
        self.organization, self.plan, self.epoch = organization, plan, epoch
        self.seed = f"{seed} {organization.id}"
        self.dice = Random(self.seed)
        self.users: list[User] = list(organization.tables["users"])
        self.live: list[Workspace] = []
        self.archived: list[Workspace] = []

    def furnish(self) -> None:
        """Everything, in the order in which one thing needs the other."""
        self._default_workspace()
        self._workspaces()
        self._memberships()
        self._keys()
        self._limits()
        self._coders()

    def _default_workspace(self) -> None:
        made = micros_stamp(self.epoch - 900 * DAY + 0.402113)
        source = digest(self.seed, "default workspace", size=22)
        self.organization.tables["default_workspaces"].put(
            Workspace(base58_id("wrkspc_01", source), None, made, DEFAULTS, "#6B7280", "Default")
        )

    def _workspaces(self) -> None:
        table = self.organization.tables["workspaces"]
        for place, name in enumerate(self._names()):
            source = digest(self.seed, "workspace", place, size=32)
            age = 640 * (1 - place / self.plan.workspaces) + source[30] / 99
            archived = 0 < place <= self.plan.archived
            workspace = Workspace(
                base58_id("wrkspc_01", source[:22]),
                micros_stamp(self.epoch - age * DAY / 4 + 0.530021) if archived else None,
                micros_stamp(self.epoch - age * DAY + source[31] / 997),
                (US_ONLY, US_FIRST, DEFAULTS, DEFAULTS)[source[29] % 4],
                COLOURS[source[28] % len(COLOURS)],
                name,
            )
            table.put(workspace)
            (self.archived if archived else self.live).append(workspace)

    def _names(self) -> list[str]:
        """The Claude Code workspace, then projects: those to be archived are experiments."""
        plan = self.plan
        experiments = [f"Hackathon, team {number}" for number in range(1, plan.archived + 1)]
        projects = [f"{project} {stage}" for stage in STAGES for project in PROJECTS]
        return [CLAUDE_CODE, *experiments, *projects][: plan.workspaces]

    def _memberships(self) -> None:
        projects = self.live[1:]
        for user in self.users:
            chance = self.dice.random()
            if user.role == "developer":
                wanted = 1 if chance < 0.8 else 2
            else:
                wanted = 1 if chance < 0.3 and user.role != "admin" else 0
            for _ in range(wanted):
                workspace = projects[int(self.dice.random() ** 1.6 * len(projects))]
                memberships_in(self.organization, workspace.id).put(
                    Membership(user.id, workspace.id, self._role())
                )

    def _role(self) -> str:
        chance = self.dice.random()
        return next(role for most, role in ROLES if chance <= most)

    def _keys(self) -> None:
        """Oldest first; every kind is among the first dozen, so that the smallest world has it."""
        table = self.organization.tables["api_keys"]
        makers = [one.id for one in self.users if one.role in ("developer", "admin")]
        gone = [
            base58_id("user_01", digest(self.seed, "somebody gone", n, size=22))
            for n in range(1 + self.plan.keys // 60)
        ]
        rows = []
        for place in range(self.plan.keys):
            source = digest(self.seed, "key", place, size=48)
            age = max(0.2, 700 * (1 - place / self.plan.keys) - source[30] / 300)
            workspace = self._home_of_key(place)
            made = seconds_stamp(self.epoch - age * DAY)
            rows.append(
                ApiKey(
                    base58_id("apikey_01", source[:22]),
                    max(made, workspace.created_at[:19] + "Z") if workspace else made,
                    self._maker(place, source, makers, gone),
                    self._expiry(place, age, source),
                    self._key_name(place, source),
                    None if place % 29 == 1 else key_hint(source[36:]),
                    self._key_status(place, workspace),
                    workspace.id if workspace else None,
                )
            )
        for row in sorted(rows, key=lambda one: one.created_at):
            table.put(row)
            if row.status != "active":
                self._switch_off(row)
        busy = next(one for one in rows if one.status == "active" and one.workspace_id)
        self.organization.settings["runaway_key"] = busy.id

    def _switch_off(self, key: ApiKey) -> None:
        """At some time of the last months, at the latest when its workspace was archived."""
        off = self.epoch - (4 + 110 * self.dice.random()) * DAY
        workspace = self.organization.tables["workspaces"].get(key.workspace_id or "")
        if workspace is not None and workspace.archived_at is not None:
            off = min(off, datetime.fromisoformat(workspace.archived_at).timestamp())
        self.organization.tables["switches"].put(Switch(key.id, ((off, None),)))

    def _coders(self) -> None:
        """People who came to use Claude Code one after the other; three of ten have a seat for it."""
        coding = self.live[0]
        for user in self.users:
            chance, when, plan = self.dice.random(), self.dice.random(), self.dice.random()
            if chance > self.plan.coders:
                continue
            joined = datetime.fromisoformat(user.added_at).timestamp()
            since = max(joined, self.epoch - HISTORY * DAY * (1 - when * when))
            paid = "subscription" if plan < 0.3 else "api"
            self.organization.tables["coders"].put(Coder(user.id, user.email, since, None, paid))
            if user.role not in ("admin", "billing"):
                memberships_in(self.organization, coding.id).put(
                    Membership(user.id, coding.id, "workspace_user")
                )

    def _home_of_key(self, place: int) -> Workspace | None:
        """Every eighth key is in the default workspace; the first projects have the most."""
        if place % 8 == 1:
            return None
        if place % 40 == 3:
            return self.live[0]
        if place % 50 == 6 and self.plan.archived:
            return self.archived[place // 50 % len(self.archived)]
        projects = self.live[1:]
        return projects[int(self.dice.random() ** 1.6 * len(projects))]

    def _maker(
        self, place: int, source: bytes, makers: list[str], gone: list[str]
    ) -> Creator | None:
        """A person still there mostly; one who has left, a service account, or nobody knows."""
        if place % 16 == 1:
            return None
        if place % 16 == 4:
            return Creator(gone[source[32] % len(gone)], "user")
        if place % 32 == 8:
            return Creator(service_account(self.organization, source[32] % 5), "service_account")
        return Creator(makers[int.from_bytes(source[33:36], "big") % len(makers)], "user")

    def _expiry(self, place: int, age: float, source: bytes) -> str | None:
        """A third expire after a year: some have, some will within days."""
        if place % 14 == 5:
            return seconds_stamp(self.epoch + (1 + source[31] % 12) * DAY)
        if place % 3 == 2:
            return seconds_stamp(self.epoch - age * DAY + 365 * DAY)
        return None

    def _key_name(self, place: int, source: bytes) -> str:
        purpose = PURPOSES[place % len(PURPOSES)]
        number = place // len(PURPOSES)
        return f"{purpose}-{number + 1}" if number else purpose

    def _key_status(self, place: int, workspace: Workspace | None) -> str:
        if workspace is not None and workspace.archived_at is not None:
            return "archived"
        if place % 11 == 7:
            return "inactive"
        return "archived" if place % 13 == 9 else "active"

    def _limits(self) -> None:
        """The organization's by group; every third workspace has some of its own."""
        scale = 10 if self.plan.keys > 5_000 else 1
        tables = self.organization.tables
        for group, (kind, models, limits) in GROUPS.items():
            own = tuple(Limit(name, value * scale) for name, value in limits.items())
            tables["rate_limits"].put(RateLimit(group, kind, models, own))
        for workspace in self.live[1::3]:
            for group, share in (("opus", 8), ("sonnet", 4), ("haiku", 2)):
                limits = {RPM: 4000 * scale // share, OUTPUT: 240_000 * scale // share}
                own = tuple(Limit(name, value) for name, value in limits.items())
                if self.dice.random() < 0.7 or group == "haiku":
                    tables["overrides"].put(Override(f"{workspace.id}/{group}", own))


def key_hint(source: bytes) -> str:
    """What is shown of a key's secret."""
    shown = base58_id("", source[:5])
    return f"sk-ant-api03-{shown[:3]}...{shown[3:]}AA"
