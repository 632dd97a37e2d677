"""The adapter: every operation of the contract, and the protocol that every provider speaks."""

from datetime import UTC, date, datetime, timedelta
from typing import ClassVar

import msgspec

from apps.providers.abilities import Needs, look
from apps.providers.anthropic.coding import Coding
from apps.providers.anthropic.keys import Keys
from apps.providers.anthropic.limits import RateLimits
from apps.providers.anthropic.people import People
from apps.providers.anthropic.reports import COUNTS
from apps.providers.catalogue import ANTHROPIC
from apps.providers.decoding import search_by_email
from apps.providers.errors import NotFound
from apps.providers.records import Found, InviteRecord, MemberRecord, Page
from apps.providers.records.configuration import OrganizationRecord, RemoteConfig
from apps.providers.records.reports import (
    CodingDayRecord,
    CostBucket,
    CostQuery,
    UsageBucket,
    UsageQuery,
)

# What usage may be grouped by, the most needed first: the last ones are done without where all are too many.
DIMENSIONS = (
    "workspace_id",
    "api_key_id",
    "model",
    "account_id",
    "service_tier",
    "context_window",
    "inference_geo",
    "service_account_id",
    "speed",
)
CHARGED_FOR = {path: name for name, path in COUNTS.items()}
CHARGED_BY_KIND = {"web_search": "web_searches"}


class AnthropicAdapter(People, Keys, RateLimits, Coding):
    """One Anthropic organization, spoken to with an admin key."""

    # An admin key has no scopes: what may be read may be written.
    NEEDS: ClassVar[Needs] = {
        "members.read": ("listUsers",),
        "members.change_role": ("listUsers",),
        "members.remove": ("listUsers",),
        "invites.read": ("listInvites",),
        "invites.create": ("listInvites",),
        "invites.withdraw": ("listInvites",),
        "workspaces.read": ("listWorkspaces",),
        "workspaces.change": ("listWorkspaces",),
        "keys.read": ("listApiKeys",),
        "keys.change": ("listApiKeys",),
        "settings.read": (),  # whoever the key identifies
        "limits.read": ("listOrganizationRateLimits",),
        "usage.read": ("getMessagesUsageReport",),
        "costs.read": ("getCostReport",),
        "coding.read": ("getClaudeCodeUsageReport",),
    }

    def probe(self) -> Found:
        """getCurrentOrganization, then one cheap read for each capability."""
        organization = self.get_current_organization()
        now = datetime.now(UTC)
        yesterday = now - timedelta(days=1)
        reads = {
            "listUsers": lambda: self.list_users(limit=1),
            "listInvites": lambda: self.list_invites(limit=1),
            "listWorkspaces": lambda: self.list_workspaces(limit=1),
            "listApiKeys": lambda: self.list_api_keys(limit=1),
            "listOrganizationRateLimits": self.list_organization_rate_limits,
            "getMessagesUsageReport": lambda: self.get_messages_usage_report(
                UsageQuery(yesterday, now, buckets=1)
            ),
            "getCostReport": lambda: self.get_cost_report(CostQuery(yesterday, now, buckets=1)),
            "getClaudeCodeUsageReport": lambda: self.get_claude_code_usage_report(
                yesterday.date(), limit=1
            ),
        }
        return Found(
            account=organization.name,
            organizations=(organization,),
            abilities=look(self.NEEDS, reads) | ANTHROPIC.impossible,
        )

    def organization(self) -> OrganizationRecord:
        """getCurrentOrganization: an id and a name, and no more."""
        found = self.get_current_organization()
        raw = msgspec.json.encode({"id": found.remote_id, "name": found.name})
        nothing = RemoteConfig(found.remote_id, None, None)
        return OrganizationRecord(
            found.remote_id, found.name, "", None, nothing, None, None, None, raw
        )

    def members(self, cursor: str | None = None) -> Page[MemberRecord]:
        """listUsers."""
        return self.list_users(after_id=cursor)

    def member(self, remote_id: str) -> MemberRecord:
        """getUser."""
        return self.get_user(remote_id)

    def members_by_email(self, email: str) -> list[MemberRecord]:
        """listUsers with ``email``, which ignores case and plus-tags: only exact ones are given back."""
        return search_by_email(lambda cursor: self.list_users(email=email, after_id=cursor), email)

    def change_role(self, remote_id: str, role: str) -> MemberRecord | None:
        """updateUser."""
        return self.update_user(remote_id, role)

    def remove_member(self, remote_id: str) -> None:
        """removeUser."""
        self.remove_user(remote_id)

    def invites(self, cursor: str | None = None) -> Page[InviteRecord]:
        """listInvites."""
        return self.list_invites(after_id=cursor)

    def pending_invites(self, email: str) -> list[InviteRecord]:
        """listInvites, to its end: the contract has no filter by address."""
        found = search_by_email(lambda cursor: self.list_invites(after_id=cursor), email)
        return [one for one in found if one.status == "pending"]

    def invite_now(self, remote_id: str, email: str) -> InviteRecord | None:
        """getInvite, whatever has become of it."""
        try:
            return self.get_invite(remote_id)
        except NotFound:
            return None

    def invite(self, email: str, role: str) -> InviteRecord:
        """createInvite."""
        return self.create_invite(email, role)

    def withdraw_invite(self, remote_id: str) -> None:
        """deleteInvite."""
        self.delete_invite(remote_id)

    usage_hourly = True
    usage_dimensions = DIMENSIONS
    usage_groupings = tuple(DIMENSIONS[:count] for count in range(len(DIMENSIONS), -1, -1))
    usage_days = 7  # of 24 hours are the most that a page holds

    def usage(
        self, start: datetime, end: datetime, group_by: tuple[str, ...], cursor: str | None = None
    ) -> Page[UsageBucket]:
        """getMessagesUsageReport by the hour."""
        query = UsageQuery(start, end, "1h", group_by)
        return self.get_messages_usage_report(query, page=cursor)

    minute_groupings = (
        ("workspace_id", "model", "service_tier"),
        ("workspace_id", "model"),
        ("model",),
    )
    minutes_late = 5

    def usage_by_minute(
        self, start: datetime, end: datetime, group_by: tuple[str, ...], cursor: str | None = None
    ) -> Page[UsageBucket]:
        """getMessagesUsageReport by the minute; at most 1,440 of them are a page."""
        query = UsageQuery(start, end, "1m", group_by)
        return self.get_messages_usage_report(query, page=cursor)

    cost_groupings = (("workspace_id", "description"), ("workspace_id",), ())
    cost_days = 31

    def costs(
        self, start: datetime, end: datetime, group_by: tuple[str, ...], cursor: str | None = None
    ) -> Page[CostBucket]:
        """getCostReport."""
        page = self.get_cost_report(CostQuery(start, end, group_by), page=cursor)
        for bucket in page.rows:
            for row in bucket.rows:
                named = CHARGED_FOR.get(row.token_type or "")
                row.token_type = named or CHARGED_BY_KIND.get(row.cost_type or "", row.token_type)
        return page

    def coding_day(self, day: date, cursor: str | None = None) -> Page[CodingDayRecord]:
        """getClaudeCodeUsageReport."""
        return self.get_claude_code_usage_report(day, page=cursor)
