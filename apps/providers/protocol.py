"""The one protocol that every adapter speaks, and what is known of a provider without asking it.

Web pages import this module and ``catalogue`` alone: neither pulls in a provider's SDK.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from django.utils.functional import Promise

from apps.providers.records import (
    Ability,
    Found,
    InviteRecord,
    MemberRecord,
    Page,
    RemoteOrganization,
)
from apps.providers.records.account import AccountRecord, AccountTokens, Membership
from apps.providers.records.billing import (
    Allowance,
    AutoTopUp,
    Balance,
    HostedSession,
    PaymentMethod,
    PaymentRecord,
    PaymentStatus,
    Plan,
    PlanPeriod,
    ProcessorPayment,
    Promotion,
    Subscription,
)
from apps.providers.records.configuration import OrganizationRecord, RemoteConfig
from apps.providers.records.keys import KeyRecord, NewKey, SharedKeyRecord
from apps.providers.records.reports import CodingDayRecord, CostBucket, UsageBucket
from apps.providers.records.usage import UsageRecord, UsageSummary
from apps.providers.records.workspaces import (
    LimiterRecord,
    Residency,
    WorkspaceMemberRecord,
    WorkspaceRecord,
)
from apps.providers.settings import Configuration

Words = str | Promise


@dataclass(frozen=True, slots=True)
class RoleOption:
    """A role as the provider calls it, with what it means in plain words."""

    value: str
    label: Words
    meaning: Words


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What an organization role gives in every workspace, and why it cannot be taken away there.

    ``raised_to``: roles that may be given by hand all the same; giving ``role`` undoes it.
    """

    role: str
    why: Words
    raised_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkspaceRules:
    """What a provider's workspaces obey, before anything is sent.

    ``inherited`` is by organization role. ``geos``: where requests may run, with ``default_geo`` to
    begin with; ``storage_geos``: where data may lie, fixed when a workspace is made. ``archive_ends``:
    what archiving the workspace of that name ends beyond itself. A name has 1 to ``longest_name``
    characters; ``most_live`` workspaces may be live unless the provider raised it.
    """

    roles: tuple[RoleOption, ...]
    assignable: tuple[str, ...]
    inherited: dict[str, Inheritance]
    geos: tuple[RoleOption, ...]
    default_geo: str
    storage_geos: tuple[RoleOption, ...]
    longest_name: int
    most_live: int
    removal_leaves: Words
    archive_ends: dict[str, Words] = field(default_factory=dict)

    def role_label(self, value: str) -> Words:
        """A role in words; one that is not known here is shown as the provider spells it."""
        return next((role.label for role in self.roles if role.value == value), value)

    def geo_label(self, value: str) -> Words:
        """A place in words."""
        known = (*self.geos, *self.storage_geos)
        return next((one.label for one in known if one.value == value), value)


@dataclass(frozen=True, slots=True)
class Provider:
    """What is known of a provider beforehand: names, limits, and what it refuses on principle.

    ``locked_roles``: memberships with such a role can be neither changed nor removed through the
    API, and the role cannot be granted; the text says why. ``removal_leaves``: what lives on when a
    person is removed. ``cannot``: capabilities that no credential has, with the reason and where
    it is done instead. ``key_facts``: what is told of a key beyond its name ("expiry", "last_use").
    """

    key: str
    label: str
    credential_label: Words
    credential_help: Words
    credential_pattern: str  # a full-match regular expression
    roles: tuple[RoleOption, ...]
    locked_roles: dict[str, Words]
    removal_leaves: Words
    invite_days: int | None  # None: the provider does not say
    requests_per_minute: int
    chooses_organization: bool  # one credential may reach several
    holds_seats: bool  # each member and each pending invite holds a seat
    console_url: str
    keys_url: str  # where keys are made in the provider's own console
    cannot: Mapping[str, Words]
    key_facts: frozenset[str]
    # None: there are none, and ``no_workspaces`` says what there is in their place.
    workspaces: WorkspaceRules | None = None
    no_workspaces: Words = ""
    # None: nothing of the kind is handed to members.
    configuration: Configuration | None = None
    # Reports that are read from it: "usage" (with its money, where that is no report of its own),
    # "costs", "coding", "summary" (sums of its own), "calls" (single ones, when somebody asks).
    reports: tuple[str, ...] = ("usage",)
    # Credit and seats are bought from it ahead of use.
    sells_credit: bool = False
    # What such a report leaves out, whoever asks.
    leaves_out: Mapping[str, Words] = field(default_factory=dict)
    # Whether its report of usage by day tells what was charged; else list prices alone.
    daily_charges: bool = True
    # Which of its reports each figure of usage comes from.
    sources: Words = ""
    # What ends with the organization, or with the person's account, that is deleted there.
    deletion_ends: Words = ""
    # The account of one person: only that person connects it, on a desk of their own.
    is_personal: bool = False
    # What a credential must be able to do for its account to be connected.
    needs: str = "members.read"
    # Whose base URLs it is reached under; "": its own.
    reached_as: str = ""

    @property
    def impossible(self) -> dict[str, Ability]:
        """What a probe says of ``cannot``, without asking."""
        return {name: Ability(False, str(why)) for name, why in self.cannot.items()}

    @property
    def grantable_roles(self) -> tuple[RoleOption, ...]:
        """The roles that may be granted on principle; the connection may offer fewer."""
        return tuple(role for role in self.roles if role.value not in self.locked_roles)

    def role_label(self, value: str) -> Words:
        """A role in words; one that is not known here is shown as the provider spells it."""
        return next((role.label for role in self.roles if role.value == value), value)


class KeyAdapter(Protocol):
    """What an adapter can do for API keys, or says why not (Refused: ``Provider.cannot``).

    What a connection's credential may do is said by its capabilities "keys.read", "keys.change",
    "keys.create", "keys.delete" and "shared_keys.read".
    """

    def keys(self, cursor: str | None = None) -> Page[KeyRecord]:
        """One page of the keys: the organization's, or those of the credential's owner."""

    def key(self, remote_id: str) -> KeyRecord:
        """One key as it is now. NotFound if it is gone."""

    def change_key(
        self, remote_id: str, *, name: str | None = None, status: str | None = None
    ) -> KeyRecord:
        """Rename, switch or archive a key; None leaves one as it is."""

    def create_key(self, name: str) -> NewKey:
        """Make a key. Two may have the same name."""

    def delete_key(self, remote_id: str, *, hint: str = "") -> None:
        """Delete a key for good. NotFound if it is gone; Refused if ``hint``, what is shown of it, fits
        the key that is used here."""

    def shared_keys(self, cursor: str | None = None) -> Page[SharedKeyRecord]:
        """The inference providers whose key the organization shares with its members."""


class Adapter(KeyAdapter, Protocol):
    """One connection's remote account, spoken to from a worker.

    Every method may raise any of ``errors.ProviderError`` and nothing else. Writes are sent once and
    never repeated here; reads may be repeated within the call's total deadline. Each names the
    contract's operationId that it uses in the adapter's own docstring.
    """

    def close(self) -> None:
        """Give back the network connections."""

    def probe(self) -> Found:
        """Find out who the credential is and what it can do. Changes nothing."""

    def members(self, cursor: str | None = None) -> Page[MemberRecord]:
        """One page of the members, as large as there is; ``cursor`` from the page before."""

    def member(self, remote_id: str) -> MemberRecord:
        """One membership as it is now. NotFound if it is gone."""

    def members_by_email(self, email: str) -> list[MemberRecord]:
        """Memberships whose address is exactly ``email`` (any case)."""

    def change_role(self, remote_id: str, role: str) -> MemberRecord | None:
        """Give a membership another role; the record if the provider answered with it."""

    def remove_member(self, remote_id: str) -> None:
        """Take a person out of the remote organization. NotFound if that has already happened."""

    def invites(self, cursor: str | None = None) -> Page[InviteRecord]:
        """One page of the invites that the provider still lists."""

    def pending_invites(self, email: str) -> list[InviteRecord]:
        """Pending invites to exactly ``email`` (any case)."""

    def invite_now(self, remote_id: str, email: str) -> InviteRecord | None:
        """The invite of that id, to ``email``, as it is now; None if the provider tells nothing of it
        (any more)."""

    def invite(self, email: str, role: str) -> InviteRecord:
        """Invite one address."""

    def withdraw_invite(self, remote_id: str) -> None:
        """Withdraw a pending invite. NotFound if there is no such one (any more)."""


@runtime_checkable
class WorkspaceAdapter(Protocol):
    """What the adapter of a provider that has workspaces can do beyond ``Adapter``.

    Whether a connection's key may do it is said by its capabilities "workspaces.read" and
    "workspaces.change".
    """

    def workspaces(self, cursor: str | None = None) -> Page[WorkspaceRecord]:
        """One page of the workspaces, the archived too; the default one is never among them."""

    def workspace_members(self, cursor: str | None = None) -> Page[WorkspaceMemberRecord]:
        """One page of the memberships of all live workspaces, inherited ones too, one workspace
        after another. ``remote_id`` of its rows is "workspace:user"."""

    def workspaces_named(self, name: str) -> list[WorkspaceRecord]:
        """Workspaces of exactly that name, the archived too."""

    def get_workspace(self, workspace_id: str) -> WorkspaceRecord:
        """One workspace as it is now, archived or not. NotFound if there never was one."""

    def create_workspace(self, name: str, residency: Residency | None = None) -> WorkspaceRecord:
        """Make a workspace; without ``residency`` the provider's own defaults."""

    def update_workspace(
        self, workspace_id: str, name: str, residency: Residency | None = None
    ) -> WorkspaceRecord:
        """Give it this name and, if said, this residency."""

    def archive_workspace(self, workspace_id: str) -> WorkspaceRecord:
        """Archive it for good; its keys stop at once. Twice is once."""

    def get_workspace_member(self, workspace_id: str, user_id: str) -> WorkspaceMemberRecord:
        """The role that counts for one user in one workspace. NotFound if there is none."""

    def create_workspace_member(
        self, workspace_id: str, user_id: str, role: str
    ) -> WorkspaceMemberRecord:
        """Give a member of the organization a role in a workspace."""

    def update_workspace_member(
        self, workspace_id: str, user_id: str, role: str
    ) -> WorkspaceMemberRecord:
        """Replace a role in a workspace."""

    def delete_workspace_member(self, workspace_id: str, user_id: str) -> None:
        """End an explicit membership. NotFound if there is none (any more)."""


@runtime_checkable
class LimitAdapter(Protocol):
    """What the adapter of a provider that tells of rate limits can do beyond ``Adapter``.

    Whether a connection's key may read them is said by its capability "limits.read".
    """

    def rate_limits(self, cursor: str | None = None) -> Page[LimiterRecord]:
        """One page of the limits: the organization's first, then what each live workspace has instead."""


@runtime_checkable
class OrganizationAdapter(Protocol):
    """What every adapter tells of the organization itself: capability "settings.read"."""

    def organization(self) -> OrganizationRecord:
        """The organization as it is now. NotFound if it is gone."""


@runtime_checkable
class ConfigurationAdapter(OrganizationAdapter, Protocol):
    """What the adapter of a provider can do that lets an organization be changed.

    Whether a connection's key may do it is said by its capabilities "settings.change",
    "organization.create", "organization.delete", "config.read" and "config.change".
    Documents are masked; a masked value in one that is given means what the remote holds there.
    """

    @property
    def organization_id(self) -> str:
        """The provider's id of the organization."""

    def rename_organization(self, name: str) -> None:
        """Give the organization another name."""

    def organizations_of_caller(self) -> list[RemoteOrganization]:
        """Those that the credential's owner belongs to."""

    def new_organization(self, name: str) -> RemoteOrganization:
        """Open another one, which the credential's owner owns. Two may have the same name."""

    def delete_organization(self) -> None:
        """Close the organization for good. NotFound if it is gone."""

    def configuration(self) -> RemoteConfig | None:
        """What is handed to members; None if there is nothing."""

    def write_configuration(self, document: Mapping[str, Any] | None, enabled: bool) -> None:
        """Replace the whole document (None: it stays), and hand it out or not. Refused where a masked
        value has no counterpart at the remote."""

    def holds_configuration(self, document: Mapping[str, Any] | None, enabled: bool) -> bool:
        """Whether the remote holds exactly this document (None: no document), handed out or not."""


@runtime_checkable
class AccountAdapter(Protocol):
    """What the adapter of one person's own account can do: capabilities "account.…".

    A change may answer with None: it has happened, and the answer does not tell what has become of it.
    """

    def get_current_user(self) -> AccountRecord:
        """The account as it is now."""

    def update_current_user(
        self, *, name: str | None = None, takes_part_in_benchmarks: bool | None = None
    ) -> AccountRecord | None:
        """Change the profile; what is not given stays."""

    def accept_terms(self) -> AccountRecord | None:
        """Accept the terms of service. Refused where that has happened."""

    def accept_invite(self, token: str) -> Membership | None:
        """Join an organization. Forbidden for an invite to another address; Refused for one that was
        used, has expired or was withdrawn."""

    def set_active_account(self, organization_id: str | None) -> str:
        """Have use billed to an organization, or (None) to the person. The provider's words."""

    def delete_current_user(self) -> None:
        """Delete the account for good, and with it the credential."""

    def get_current_user_plan_usage_limits(self) -> tuple[Allowance, ...]:
        """How much of each window of the personal plan is used; () without a plan in force."""

    def request_budget_increase(self) -> None:
        """Ask the admins of the organization that is billed for a higher spend cap. Nothing tells of it
        afterwards."""

    def refresh_account_token(self, refresh_token: str) -> AccountTokens:
        """A new account token for a refresh token, which is used up by it."""


@runtime_checkable
class UsageAdapter(Protocol):
    """What an adapter tells of tokens: capability "usage.read".

    ``usage_dimensions``: fields of ``UsageRow`` that the provider knows of; ``usage_groupings``: what to
    group by, the finest first, each for when the one before was refused.
    """

    usage_hourly: bool  # buckets are hours, else UTC days
    usage_dimensions: tuple[str, ...]
    usage_groupings: tuple[tuple[str, ...], ...]
    usage_days: int  # that one reading may span

    def usage(
        self, start: datetime, end: datetime, group_by: tuple[str, ...], cursor: str | None = None
    ) -> Page[UsageBucket]:
        """One page of the buckets from ``start`` to ``end`` (exclusive; both on a bucket's border).
        Buckets without use may be left out. Refused for a grouping that is too fine."""


@runtime_checkable
class MinuteAdapter(Protocol):
    """What an adapter tells of tokens by the minute, for the last hours: capability "usage.read".

    ``minute_groupings``: what to group by, the finest first, each for when the one before was refused.
    ``minutes_late``: so long, in minutes, use may take to show.
    """

    minute_groupings: tuple[tuple[str, ...], ...]
    minutes_late: int

    def usage_by_minute(
        self, start: datetime, end: datetime, group_by: tuple[str, ...], cursor: str | None = None
    ) -> Page[UsageBucket]:
        """One page of the minutes from ``start`` to ``end`` (exclusive). Refused for a grouping that is
        too fine."""


@runtime_checkable
class CostAdapter(Protocol):
    """What an adapter tells of money in a report of its own: capability "costs.read".

    A row's ``token_type`` is the name of the count of ``UsageRow`` that was charged, where it is one.
    """

    cost_groupings: tuple[tuple[str, ...], ...]
    cost_days: int

    def costs(
        self, start: datetime, end: datetime, group_by: tuple[str, ...], cursor: str | None = None
    ) -> Page[CostBucket]:
        """One page of the UTC days from ``start`` to ``end`` (exclusive)."""


@runtime_checkable
class SummaryAdapter(Protocol):
    """What an adapter sums up by itself: capability "usage.summary"."""

    def summary(self, first: date, last: date) -> UsageSummary:
        """The provider's own sums of UTC days ``first`` to ``last``, both included."""


@runtime_checkable
class CallAdapter(Protocol):
    """What an adapter tells of single calls: capability "usage.calls"."""

    def calls(self, account: str, cursor: str | None = None) -> Page[UsageRecord]:
        """One page of the calls of one account, the newest first: of a membership, or of the person
        whose credential it is. A row may come twice."""


@runtime_checkable
class CodingAdapter(Protocol):
    """What an adapter tells of Claude Code: capability "coding.read"."""

    def coding_day(self, day: date, cursor: str | None = None) -> Page[CodingDayRecord]:
        """One page of one UTC day."""


@runtime_checkable
class BillingAdapter(Protocol):
    """What the adapter of a provider can do that sells credit ahead of use, to an organization or a person.

    Whether a connection's key may do it is said by its capabilities "credit.…", "payments.read",
    "plans.read", "plan.…", "promotions.read", "top_up.…" and "card.…". Money is exact, in dollars.
    ``sells_seats``: a plan there is for several people. What is named after an organization is told of
    one alone.
    """

    sells_seats: bool

    @property
    def organization_id(self) -> str:
        """The provider's id of the organization, or of the person."""

    def balance(self) -> Balance:
        """The credit that is left."""

    def payments(self, *, cursor: str | None = None) -> Page[PaymentRecord]:
        """One page of the purchases of credit."""

    def payment(self, payment_id: str) -> PaymentRecord:
        """One purchase, in full. NotFound if there is none of that id."""

    def payment_status(self, payment_id: str) -> PaymentStatus:
        """How far one purchase has come. NotFound if there is none of that id."""

    def processor_payment(self, payment_id: str) -> ProcessorPayment:
        """One purchase as the card processor sees it. NotFound if there is none of that id."""

    def credit_checkout(self, amount_usd: Decimal, *, redirect_url: str = "") -> HostedSession:
        """A page where a person pays for credit, and comes back from. Nothing is charged by this."""

    def purchase_credits(self, amount_usd: Decimal) -> PaymentRecord:
        """Charge the stored card. Refused where it is declined, or there is none."""

    def auto_top_up(self) -> AutoTopUp:
        """The automatic purchases."""

    def set_auto_top_up(self, wanted: AutoTopUp) -> AutoTopUp:
        """Change the automatic purchases. Refused without a stored card."""

    def default_payment_method(self) -> PaymentMethod | None:
        """The stored card; None if there is none."""

    def payment_method_setup_session(self, *, redirect_url: str = "") -> HostedSession:
        """A page where a person stores a card, and comes back from. Nothing is charged by this."""

    def promotions(self, *, cursor: str | None = None) -> Page[Promotion]:
        """One page of the promotions in force."""

    def plan(self) -> Subscription | None:
        """The plan that is held; None if there never was one."""

    def list_plans(self, kind: str = "", *, cursor: str | None = None) -> Page[Plan]:
        """One page of the plans on offer; of one ``kind`` if given."""

    def list_organization_plan_history(self, *, cursor: str | None = None) -> Page[PlanPeriod]:
        """One page of the plans that it has had."""

    def get_organization_plan_details(self, plan_id: str) -> Plan:
        """One plan, also one that is not on offer any more. NotFound if there is none of that id."""

    def subscribe_organization_plan(self, plan_id: str, seats: int) -> Subscription:
        """Buy a plan with so many seats. Refused where one is in force or the card is declined."""

    def set_organization_plan_seats(self, seats: int) -> Subscription | None:
        """Set the total of seats. Refused below those in use. The plan, if the answer has it."""

    def cancel_organization_plan(self, plan_id: str) -> Subscription | None:
        """Have a plan end with what is paid for. Refused once it is. The plan, if the answer has it."""

    def count_invites(self) -> int:
        """How many invites are pending: each holds a seat."""
