"""The matrix, declared: the members of one connection, and their roles in its workspaces.

People are paged like any list's, workspaces a dozen at a time; exports have all that match.
"""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.members.models import Member
from apps.members.standing import role_label
from apps.organizations.lists import ListByConnection
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.sync.models import Batch, Command
from apps.sync.schedule import freshness
from apps.ui.filters import ChoiceFilter, Filter, SearchFilter
from apps.ui.icons import icon
from apps.ui.listing import Column, Empty
from apps.workspaces.cells import Carried, Cells
from apps.workspaces.member_lists import open_changes
from apps.workspaces.models import Workspace, WorkspaceMember
from apps.workspaces.roles import OUT, Hold, hold_of, why_none

ACROSS = 12  # workspaces side by side


def draft_behind(request: Any) -> Batch | None:
    """The batch under review that is being corrected: ``?from=`` names it."""
    try:
        uid = uuid.UUID(request.GET.get("from", ""))
    except ValueError:
        return None
    mine = Batch.objects.visible_to(request.user).filter(organization=request.organization)
    return mine.filter(uid=uid, confirmed_at__isnull=True).first()


def heading_of(workspace: Workspace, among: Sequence[Workspace]) -> str:
    """The workspace's name, with its id where another one has the same name."""
    alone = sum(one.name == workspace.name for one in among) == 1
    return workspace.name if alone else f"{workspace.name} ({workspace.remote_id})"


def _connections(page: Any) -> list[tuple[str, str]]:
    return [(str(one.pk), one.name) for one in page.able] if len(page.able) > 1 else []


def _roles(page: Any) -> list[tuple[str, Any]]:
    provider = PROVIDERS.get(page.connection.provider) if page.connection else None
    return [(one.value, one.label) for one in provider.roles] if provider else []


def _wanted(posted: QueryDict) -> QueryDict:
    if go := posted.get("go"):
        return QueryDict(urlsplit(go).query)
    params = QueryDict(mutable=True)
    for name in (*(one.key for one in Matrix.filters), "sort", "view"):
        if value := posted.get(name):
            params[name] = value
    return params


class Matrix(ListByConnection[Member]):
    """One row for each member of a connection, one column for each workspace."""

    name = "workspace_matrix"
    title = gettext_lazy("Who is where")
    all_label = gettext_lazy("Everybody")
    template = "workspaces/matrix.html"
    form_template = "workspaces/matrix_end.html"
    default_sort = "name"
    per_page = 25
    base: ClassVar[list[Column]] = [
        Column(
            key="name",
            label=gettext_lazy("Name"),
            value=lambda row: row.person.name or row.email,
            cell="link",
            sort="person__sort_name",
            css="cell-main cell-stuck",
        ),
        Column(key="email", label=gettext_lazy("Email"), shown=False),
        Column(
            key="organization_role",
            label=gettext_lazy("Role in the organization"),
            value=lambda row: role_label(row.connection.provider, row.role),
            export="role",
        ),
    ]
    columns = base
    filters: ClassVar[Sequence[Filter]] = [
        SearchFilter(
            label=gettext_lazy("Search people"),
            placeholder=gettext_lazy("Name or email"),
            fields=["email", "person__name"],
        ),
        SearchFilter(
            key="workspace",
            label=gettext_lazy("Search workspaces"),
            placeholder=gettext_lazy("Workspace"),
        ),
        ChoiceFilter(
            key="role",
            label=gettext_lazy("Role"),
            options=_roles,
            lookup="role",
        ),
        ChoiceFilter(
            key="connection",
            label=gettext_lazy("Connection"),
            options=_connections,
            any_label=gettext_lazy("First"),
        ),
    ]

    def __init__(self, request: Any, params: QueryDict | None = None) -> None:
        draft = draft_behind(request) if params is None else None
        if draft is not None:
            params = QueryDict(draft.source.get("query", ""))
        super().__init__(request, params)
        self.edits: Mapping[str, str] = draft.source.get("edits", {}) if draft else {}
        self.columns = [*self.base, *(self._column(one) for one in self.workspaces)]  # type: ignore[misc]  # as many as there are workspaces

    @classmethod
    def go_on(cls, request: Any, edits: Mapping[str, str]) -> HttpResponse:
        """The page that the form asks for, with ``edits`` kept: at the address ``go``, one of its own, or
        as its filters say."""
        page = cls(request, _wanted(request.POST))
        page.path = reverse("workspaces:matrix", kwargs={"slug": page.organization.slug})
        page.edits = edits
        return page._fragment() if page._wants_fragment else page._whole()

    @property
    def paged_by(self) -> str:
        """Edits come along from page to page."""
        if not self.editable:
            return ""
        return reverse("workspaces:matrix_page", kwargs={"slug": self.organization.slug})

    def carried(self) -> Carried | None:
        """The edits of other pages, once the rows of this one are drawn."""
        return self.cells.left()

    # --- Which connection, which workspaces -----------------------------------------------------

    @cached_property
    def able(self) -> list[Connection]:
        """Connections whose workspaces can be seen."""
        return [one for one in self.live if not why_none(one)]

    @cached_property
    def connection(self) -> Connection | None:
        """The one at hand."""
        asked = self.params.get("connection", "")
        return next((one for one in self.able if str(one.pk) == asked), next(iter(self.able), None))

    @cached_property
    def workspaces(self) -> list[Workspace]:
        """Its live workspaces that are looked for, by name. One query."""
        if self.connection is None:
            return []
        found = Workspace.objects.filter(
            connection=self.connection, state=Workspace.State.LIVE, remote_id__isnull=False
        )
        if sought := self.params.get("workspace", "").replace("\x00", "").strip()[:200]:
            found = found.filter(name__icontains=sought)
        rows = list(found.defer("raw").order_by("name", "pk"))
        for row in rows:
            row.connection = self.connection
        return rows

    @cached_property
    def column_pages(self) -> int:
        """How many pages of workspaces there are."""
        return max(1, -(-len(self.workspaces) // ACROSS))

    @cached_property
    def column_page(self) -> int:
        """Which one is shown, from 1."""
        asked = self.params.get("columns", "")
        number = int(asked) if asked.isdecimal() and len(asked) < 6 else 1
        return min(max(1, number), self.column_pages)

    @cached_property
    def shown(self) -> list[Workspace]:
        """The workspaces side by side on this page."""
        start = (self.column_page - 1) * ACROSS
        return self.workspaces[start : start + ACROSS]

    @cached_property
    def exporting(self) -> bool:
        """Whether this is a file, which has every workspace."""
        return "export" in self.params

    @cached_property
    def asked(self) -> dict[str, str]:
        """Filters, sort, and which workspaces are shown."""
        found = dict(super().asked)
        if self.column_page > 1:
            found["columns"] = str(self.column_page)
        return found

    def columns_url(self, page: int) -> str:
        """This page of people, with other workspaces; "" where there are none."""
        if not 1 <= page <= self.column_pages:
            return ""
        return self.url(
            columns=str(page) if page > 1 else None,
            after=self.params.get("after"),
            before=self.params.get("before"),
        )

    @cached_property
    def shown_columns(self) -> list[Column]:
        """Name, organization role, and the workspaces of this page."""
        names = {f"w{one.pk}" for one in self.shown}
        own = [column for column in self.base if column.shown]
        return own + [column for column in self.columns if column.key in names]

    # --- Rows -----------------------------------------------------------------------------------

    def rows(self) -> QuerySet[Member]:
        """The connection's present members."""
        found = Member.objects.visible_to(self.request.user).filter(
            connection=self.connection, gone_at__isnull=True
        )
        return found.select_related("person").defer("raw", "person__search_text")

    def prepare(self, rows: list[Member]) -> None:
        """The roles of these people in the workspaces at hand, and what is on its way. Two queries."""
        across = self.workspaces if self.exporting else self.shown
        roles: defaultdict[str, dict[str, str]] = defaultdict(dict)
        listed = WorkspaceMember.objects.filter(
            connection=self.connection,
            user_remote_id__in=[row.remote_id for row in rows],
            gone_at__isnull=True,
        )
        if len(across) <= ACROSS:
            listed = listed.filter(workspace_remote_id__in=[one.remote_id for one in across])
        for user, workspace, role in listed.values_list(
            "user_remote_id", "workspace_remote_id", "role"
        ):
            roles[user][workspace] = role
        for row in rows:
            row.connection = self.connection  # type: ignore[assignment]  # there are rows, so there is one
            row.roles = roles[str(row.remote_id)]  # type: ignore[attr-defined]  # read by the columns
        self.flights: dict[str, Command] = {} if self.exporting else open_changes(across)

    def hold(self, row: Any, workspace: Workspace) -> Hold:
        """What a member holds in a workspace."""
        listed = row.roles.get(workspace.remote_id, OUT)
        return hold_of(row.connection.provider, row.role, listed)

    def in_flight(self, row: Member) -> bool:
        """Whether a change of one of the roles shown is open."""
        return any(f"{one.remote_id}:{row.remote_id}" in self.flights for one in self.shown)

    @cached_property
    def editable(self) -> bool:
        """Whether this reader may change roles here now."""
        able = self.connection is not None and self.connection.can("workspaces.change")
        return able and bool(self.request.may("workspaces.change_members"))

    @cached_property
    def cells(self) -> Cells:
        """What draws the cells."""
        assert self.connection is not None  # noqa: S101 - a cell is one of its workspaces'
        return Cells(self.connection.provider, self.edits)

    def _column(self, workspace: Workspace) -> Column:
        return Column(
            key=f"w{workspace.pk}",
            label=heading_of(workspace, self.workspaces),
            value=lambda row: row,
            cell=lambda value, row, page: self._cell(row, workspace),
            export=lambda row: self.hold(row, workspace).role,
        )

    def _cell(self, row: Member, workspace: Workspace) -> SafeString:
        flight = self.flights.get(f"{workspace.remote_id}:{row.remote_id}")
        hold = self.hold(row, workspace)
        if flight is None:
            return self.cells.draw(row, workspace, hold, editable=self.editable)
        wanted = self.cells.word(flight.arguments.get("role", OUT))
        return format_html(
            '<a class="badge tone-info" href="{}">{} {}</a>',
            reverse("sync:command", kwargs={"slug": self.organization.slug, "uid": flight.uid}),
            icon("loader-2", flight.get_state_display(), "spin icon-sm"),
            wanted,
        )

    def controls(self) -> list[dict[str, Any]]:
        """Each filter, but for one that has nothing to choose from."""
        return [
            one
            for one in super().controls()
            if one["choices"] or not isinstance(one["filter"], ChoiceFilter)
        ]

    # --- Words ----------------------------------------------------------------------------------

    def row_url(self, row: Member) -> str:
        """The person."""
        return f"/o/{self.organization.slug}/people/{row.person_id}/"

    def row_label(self, row: Member) -> str:
        """The address."""
        return row.email

    def counted(self, count: int) -> str:
        """ "1,204 people"."""
        return ngettext("%(n)s person", "%(n)s people", count) % {"n": self.number(count)}

    def context(self) -> dict[str, Any]:
        """How fresh it is, and what can be done with it."""
        fresh = freshness(self.organization, "workspaces", "workspace_members", "members")
        here = self.connection.pk if self.connection else None
        return {
            "freshness": [one for one in fresh if one.connection.pk == here],
            "editable": self.editable and bool(self.workspaces),
            "connection": self.connection,
        }

    def nothing_yet(self) -> Empty:
        """No workspaces, or nobody to put into them."""
        url = reverse("workspaces:list", kwargs={"slug": self.organization.slug})
        if self.connection is None:
            return Empty(
                icon="layout-grid",
                title=_("No connection here has workspaces"),
                text=_("The list of workspaces says why."),
                url=url,
                label=_("Workspaces"),
            )
        return Empty(
            icon="users",
            title=_("Nobody is known yet"),
            text=_("Members appear here a moment after the first sync."),
        )
