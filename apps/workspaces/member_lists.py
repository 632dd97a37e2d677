"""Lists of members of one workspace, and of those who could join it, declared."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.members.models import Member
from apps.members.standing import role_label
from apps.organizations.lists import ListByConnection
from apps.sync.models import OPEN_STATES, Command
from apps.ui.filters import ChoiceFilter, Filter, SearchFilter
from apps.ui.listing import BulkAction, Column, Empty
from apps.workspaces.models import Workspace, WorkspaceMember
from apps.workspaces.roles import OUT, Hold, hold_of, role_word, rules_of


def open_changes(workspaces: Sequence[Workspace]) -> dict[str, Command]:
    """Open Commands on roles in these workspaces, which share a connection, by "workspace:user".

    One query.
    """
    prefix = "workspace_members:"
    named = Q()
    for one in workspaces:
        named |= Q(target__startswith=f"{prefix}{one.remote_id}:")
    if not named:
        return {}
    found = Command.objects.filter(
        named, connection=workspaces[0].connection_id, state__in=OPEN_STATES
    )
    return {command.target.removeprefix(prefix): command for command in found}


class _OfWorkspace(ListByConnection[Member]):
    """Members of the organization, seen from one workspace: ``request.workspace``."""

    columns_name = [
        Column(
            key="name",
            label=gettext_lazy("Name"),
            value=lambda row: row.person.name or row.email,
            cell="link",
            sort="person__sort_name",
            css="cell-main",
        ),
        Column(key="email", label=gettext_lazy("Email"), sort="email", css="cell-email"),
        Column(
            key="organization_role",
            label=gettext_lazy("Role in the organization"),
            value=lambda row: role_label(row.connection.provider, row.role),
            export="role",
        ),
    ]
    default_sort = "name"

    @property
    def workspace(self) -> Workspace:
        """The one at hand."""
        found: Workspace = self.request.workspace
        return found

    @property
    def listed(self) -> "QuerySet[WorkspaceMember]":
        """The roles in it, of the member at hand."""
        return WorkspaceMember.objects.filter(
            connection=self.workspace.connection_id,
            workspace_remote_id=self.workspace.remote_id,
            user_remote_id=OuterRef("remote_id"),
            gone_at__isnull=True,
        )

    @property
    def everywhere(self) -> Q:
        """Members who are in every workspace, listed or not."""
        return Q(role__in=rules_of(self.workspace.connection.provider).inherited)

    @cached_property
    def flights(self) -> dict[str, Command]:
        """Open Commands on roles in it."""
        return open_changes([self.workspace])

    @property
    def everybody(self) -> QuerySet[Member]:
        """The organization's present members at the workspace's connection."""
        found = Member.objects.visible_to(self.request.user).filter(
            connection=self.workspace.connection_id, gone_at__isnull=True
        )
        return found.select_related("person").defer("raw", "person__search_text")

    def prepare(self, rows: list[Member]) -> None:
        """What each holds. Two queries."""
        roles = dict(
            WorkspaceMember.objects.filter(
                connection=self.workspace.connection_id,
                workspace_remote_id=self.workspace.remote_id,
                user_remote_id__in=[row.remote_id for row in rows],
                gone_at__isnull=True,
            ).values_list("user_remote_id", "role")
        )
        provider = self.workspace.connection.provider
        for row in rows:
            row.connection = self.workspace.connection
            listed = roles.get(str(row.remote_id), OUT)
            row.hold = hold_of(provider, row.role, listed)  # type: ignore[attr-defined]  # read by the columns

    def flight(self, row: Member) -> Command | None:
        """The open Command on the member's role here."""
        return self.flights.get(f"{self.workspace.remote_id}:{row.remote_id}")

    def in_flight(self, row: Member) -> bool:
        """Whether that goes on by itself."""
        return self.flight(row) is not None

    def hold(self, row: Any) -> Hold:
        """What the member holds here."""
        found: Hold = row.hold
        return found

    def role_word(self, role: str) -> Any:
        """A role in words."""
        return role_word(self.workspace.connection.provider, role)

    def row_url(self, row: Member) -> str:
        """The person."""
        return f"/o/{self.organization.slug}/people/{row.person_id}/"

    def row_label(self, row: Member) -> str:
        """The address."""
        return row.email

    def counted(self, count: int) -> str:
        """ "1,204 people"."""
        return ngettext("%(n)s person", "%(n)s people", count) % {"n": self.number(count)}

    @cached_property
    def actions(self) -> list[tuple[BulkAction, str]]:
        """Bulk actions on a workspace that can be changed, with the workspace in their addresses."""
        where = {"slug": self.organization.slug, "pk": self.workspace.pk}
        if not self.workspace.is_live:
            return []
        return [
            (one, reverse(one.url_name, kwargs=where))
            for one in self.bulk_actions
            if self.request.may(one.action)
        ]

    def waiting_url(self, rows: Sequence[Member]) -> str:
        """Where rows in flight are asked for again: within this workspace."""
        ids = [str(row.pk) for row in rows if self.in_flight(row)]
        if not ids:
            return ""
        where = {"slug": self.organization.slug, "pk": self.workspace.pk}
        return f"{reverse('workspaces:member_rows', kwargs=where)}?" + "&".join(
            f"id={one}" for one in ids
        )


def _role_options(page: Any) -> list[tuple[str, Any]]:
    rules = rules_of(page.workspace.connection.provider)
    return [(role.value, role.label) for role in rules.roles]


def _in_role(value: str, page: Any) -> Any:
    provider = page.workspace.connection.provider
    condition = Q(Exists(page.listed.filter(role=value)))
    for role, inheritance in rules_of(provider).inherited.items():
        if inheritance.role == value:
            condition |= Q(role=role) & ~Q(Exists(page.listed.exclude(role=value)))
    return condition


class WorkspaceMemberList(_OfWorkspace):
    """Who has which role in a workspace, and whether it is inherited."""

    name = "workspace_members"
    title = gettext_lazy("People")
    all_label = gettext_lazy("Everybody in it")
    template = "workspaces/workspace.html"
    columns = [
        *_OfWorkspace.columns_name,
        Column(
            key="role",
            label=gettext_lazy("Role here"),
            cell="workspaces/cells.html:role",
            value=lambda row: None,
            export=lambda row: row.hold.role,
        ),
        Column(
            key="inherited",
            label=gettext_lazy("Inherited"),
            value=lambda row: row.hold.inherited,
            shown=False,
        ),
    ]
    filters: ClassVar[Sequence[Filter]] = [
        SearchFilter(label=gettext_lazy("Search people"), fields=["email", "person__name"]),
        ChoiceFilter(
            key="role", label=gettext_lazy("Role here"), options=_role_options, lookup=_in_role
        ),
    ]
    bulk_actions = [
        BulkAction(
            name="role",
            label=gettext_lazy("Change role"),
            icon="user-cog",
            action="workspaces.change_members",
            url_name="workspaces:change_members",
        ),
        BulkAction(
            name="out",
            label=gettext_lazy("Take out"),
            icon="user-minus",
            action="workspaces.change_members",
            url_name="workspaces:remove_members",
            danger=True,
        ),
    ]

    def rows(self) -> QuerySet[Member]:
        """Those who are in it, or on their way into it."""
        coming = [name.partition(":")[2] for name in self.flights]
        inside = Q(Exists(self.listed)) | Q(remote_id__in=coming)
        if self.workspace.is_live:
            inside |= self.everywhere
        return self.everybody.filter(inside)

    def nothing_yet(self) -> Empty:
        """Nobody."""
        if self.workspace.state == Workspace.State.ARCHIVED:
            return Empty(
                icon="users",
                title=_("Nobody is in it any more"),
                text=_("Roles ended when the workspace was archived."),
            )
        return Empty(
            icon="users",
            title=_("Nobody is in it yet"),
            text=_("As far as the last sync knows."),
        )


class CandidateList(_OfWorkspace):
    """Members of the organization who are not in the workspace."""

    name = "workspace_candidates"
    title = gettext_lazy("Add people")
    all_label = gettext_lazy("Everybody else")
    template = "workspaces/add_members.html"
    columns = _OfWorkspace.columns_name
    filters: ClassVar[Sequence[Filter]] = [
        SearchFilter(label=gettext_lazy("Search people"), fields=["email", "person__name"]),
    ]

    def rows(self) -> QuerySet[Member]:
        """Those who are not in it."""
        return self.everybody.filter(~Exists(self.listed)).exclude(self.everywhere)

    @cached_property
    def actions(self) -> list[tuple[BulkAction, str]]:
        """One for each role that can be given."""
        rules = rules_of(self.workspace.connection.provider)
        where = {"slug": self.organization.slug, "pk": self.workspace.pk}
        url = reverse("workspaces:add_members", kwargs=where)
        return [
            (
                BulkAction(
                    name=role,
                    label=_("Add as %(role)s") % {"role": rules.role_label(role)},
                    icon="user-plus",
                    action="workspaces.change_members",
                    url_name="workspaces:add_members",
                ),
                url,
            )
            for role in rules.assignable
        ]

    def nothing_yet(self) -> Empty:
        """Everybody is in it."""
        return Empty(
            icon="users",
            title=_("Nobody is left to add"),
            text=_(
                "Every member of the organization is in this workspace, or none is known yet. Whoever "
                "is not a member of the organization must be invited to it first."
            ),
        )
