"""What the portal calls: every operation of the contract, and the protocol made of them."""

from datetime import UTC, date, datetime, timedelta

from django.utils.translation import gettext as _

from apps.providers.catalogue import CLINE
from apps.providers.cline import capabilities
from apps.providers.cline.billing import PersonalBilling
from apps.providers.cline.keys import Keys
from apps.providers.cline.organizations import Organizations
from apps.providers.cline.people import People
from apps.providers.cline.purse import OrganizationPurse
from apps.providers.cline.usage import Usage
from apps.providers.decoding import search, search_by_email
from apps.providers.errors import NotFound
from apps.providers.records import (
    Found,
    InviteRecord,
    MemberRecord,
    Page,
    RemoteOrganization,
)
from apps.providers.records.reports import UsageBucket, UsageRow
from apps.providers.records.usage import UsageDay, UsageRecord, UsageSummary


class ClineAdapter(Keys, Organizations, People, PersonalBilling, OrganizationPurse, Usage):
    """One Cline organization, spoken to with the API key of one of its people.

    Every operation of the contract is a method under its operationId; each stands in the module of
    its resource. Below are the protocol's own.
    """

    NEEDS = capabilities.NEEDS

    def __repr__(self) -> str:
        return f"<ClineAdapter {self._organization or 'without an organization'}>"

    def probe(self) -> Found:
        """get_current_user; once an organization is chosen also one cheap read for each capability."""
        caller = self.get_current_user()
        account = caller.email or caller.name or caller.remote_id
        organizations = tuple(
            RemoteOrganization(one.organization_id, one.organization_name, one.roles)
            for one in caller.memberships
        )
        if not self._organization:
            return Found(account, organizations)
        own = next(
            (one for one in caller.memberships if one.organization_id == self._organization), None
        )
        if own is None:
            raise NotFound(_("The key's owner is not a member of that organization (any more)."))
        found = capabilities.look_around(self, own)
        chosen = RemoteOrganization(
            self._organization, found.name or own.organization_name, own.roles
        )
        abilities = found.abilities | CLINE.impossible
        return Found(account, (chosen,), abilities, found.assignable_roles)

    def members(self, cursor: str | None = None) -> Page[MemberRecord]:
        """list_members."""
        return self.list_members(cursor=cursor)

    def member(self, remote_id: str) -> MemberRecord:
        """list_members until it is found: there is no operation for a single one."""
        found = search(
            lambda cursor: self.list_members(cursor=cursor),
            lambda one: one.remote_id == remote_id,
            maybe=lambda row: row.remote_id in ("", remote_id),
            first=True,
        )
        if not found:
            raise NotFound(_("No such member in the organization."))
        return found[0]

    def members_by_email(self, email: str) -> list[MemberRecord]:
        """list_members, to its end: there is no filter by address."""
        return search_by_email(lambda cursor: self.list_members(cursor=cursor), email)

    def change_role(self, remote_id: str, role: str) -> MemberRecord | None:
        """set_member_role."""
        return self.set_member_role(remote_id, role)

    def remove_member(self, remote_id: str) -> None:
        """remove_members."""
        self.remove_members(remote_id)

    def invites(self, cursor: str | None = None) -> Page[InviteRecord]:
        """list_invites."""
        return self.list_invites(cursor=cursor)

    def pending_invites(self, email: str) -> list[InviteRecord]:
        """list_invites, to its end."""
        found = search_by_email(lambda cursor: self.list_invites(cursor=cursor), email)
        return [one for one in found if one.status == "pending"]

    def invite_now(self, remote_id: str, email: str) -> InviteRecord | None:
        """list_invites, to its end: there is no operation for a single one, and only pending ones are
        listed."""
        found = self.pending_invites(email)
        return next((one for one in found if one.remote_id == remote_id), None)

    def invite(self, email: str, role: str) -> InviteRecord:
        """create_invites."""
        return self.create_invites(email, role)

    def withdraw_invite(self, remote_id: str) -> None:
        """revoke_invite."""
        self.revoke_invite(remote_id)

    usage_hourly = False
    usage_dimensions: tuple[str, ...] = ("account_id", "model", "operation")
    usage_groupings: tuple[tuple[str, ...], ...] = (usage_dimensions,)
    usage_days = 7

    def usage(
        self, start: datetime, end: datetime, group_by: tuple[str, ...], cursor: str | None = None
    ) -> Page[UsageBucket]:
        """get_organization_usage: days come in any order, and the pages divide them anywhere."""
        last = (end - timedelta(days=1)).date()
        return by_day(self.get_organization_usage(start.date(), last, cursor=cursor))

    def summary(self, first: date, last: date) -> UsageSummary:
        """get_organization_metrics."""
        return self.get_organization_metrics(first, last)

    def calls(self, account: str, cursor: str | None = None) -> Page[UsageRecord]:
        """list_member_usages."""
        return self.list_member_usages(account, cursor=cursor)


def by_day(page: Page[UsageDay]) -> Page[UsageBucket]:
    """A page of sums by day as buckets of days."""
    days: dict[str, list[UsageRow]] = {}
    for one in page.rows:
        days.setdefault(one.day.isoformat(), []).append(_usage_row(one))
    return Page(
        [_bucket(day, tuple(rows)) for day, rows in days.items()],
        page.next_cursor,
        page.unreadable,
        page.requests,
    )


def _bucket(day: str, rows: tuple[UsageRow, ...]) -> UsageBucket:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return UsageBucket(day, start, start + timedelta(days=1), rows, whole=False)


def _usage_row(one: UsageDay) -> UsageRow:
    return UsageRow(
        0,
        0,
        0,
        0,
        one.completion_tokens or 0,
        0,
        model=one.model,
        account_id=one.member_id,
        missing=one.missing,
        unsplit_input=one.prompt_tokens or 0,
        operation=one.operation,
        charged=one.charged_usd,
        listed=one.list_cost_usd,
        # A row that two pages overlap in says the same twice; one of another number is another row.
        part=f"{one.model_family} {one.prompt_tokens} {one.completion_tokens} {one.list_cost_usd}",
    )
