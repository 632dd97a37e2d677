"""The list of rate limits, declared: the organization's, beside what workspaces have instead."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.organizations.lists import SHOWN, ListByConnection, connection_column, connection_filter
from apps.organizations.models import Connection
from apps.sync.schedule import freshness
from apps.ui.filters import ChoiceFilter, Filter, SearchFilter
from apps.ui.listing import Column, Empty
from apps.ui.prepared import Prepared
from apps.workspaces.limits import GROUPS, LIMITS, group_in_words, in_words
from apps.workspaces.models import RateLimit, Workspace

_connections = Prepared(
    lambda organizations: (
        Connection.objects.filter(organization__in=organizations)
        .confirmed()
        .only(*SHOWN, "capabilities")
    )
)
# What a higher shelf knows of limits (how much of each is used, say): a column, and what fetches it for
# all rows of a page at once.
Preparer = Callable[["LimitList", list[RateLimit]], None]
_columns: dict[str, tuple[Column, Preparer]] = {}


def add_column(column: Column, prepare: Preparer) -> None:
    """Show one more column, headroom say; for a shelf's ``ready()``."""
    _columns[column.key] = (column, prepare)


@dataclass(frozen=True, slots=True)
class Override:
    """What one workspace has instead of the organization's limit.

    ``effective``: what counts, for a workspace cannot have more than its organization.
    """

    workspace: str
    remote_id: str
    url: str
    value: int
    effective: int

    @property
    def is_capped(self) -> bool:
        """Whether the organization's own limit is reached first."""
        return self.effective < self.value


def _workspaces(page: Any) -> list[tuple[str, str]]:
    several = len(page.able) > 1
    return [
        (
            str(one.pk),
            f"{one.name} · {page.connections[one.connection_id]}" if several else one.name,
        )
        for one in page.workspaces.values()
    ]


def _of_workspace(value: str, page: Any) -> Q:
    workspace = page.workspace
    own = Q(workspace_remote_id__in=["", workspace.remote_id])
    return own & Q(connection=workspace.connection_id)


class LimitList(ListByConnection[RateLimit]):
    """One row for each limit of an organization; where it has none, for each workspace's own."""

    name = "limits"
    title = gettext_lazy("Limits")
    all_label = gettext_lazy("All limits")
    template = "workspaces/limits.html"
    default_sort = "group"
    columns: ClassVar[Sequence[Column]] = [
        Column(
            key="group",
            label=gettext_lazy("Applies to"),
            cell="workspaces/limit_cells.html:group",
            sort="label",
            export=lambda row: row.model_names or group_in_words(row.group),
            css="cell-main",
        ),
        Column(
            key="group_type",
            label=gettext_lazy("Group"),
            value=lambda row: group_in_words(row.group),
            shown=False,
        ),
        Column(
            key="kind",
            label=gettext_lazy("Limit"),
            value=lambda row: in_words(row.kind),
            sort="kind",
            css="text-nowrap",
        ),
        connection_column(),
        Column(
            key="organization",
            label=gettext_lazy("Organization"),
            value=lambda row: row.organizations,
            cell="workspaces/limit_cells.html:amount",
            numeric=True,
        ),
        Column(
            key="workspaces",
            label=gettext_lazy("In workspaces"),
            cell="workspaces/limit_cells.html:overrides",
            value=lambda row: row.overrides,
            export=lambda row: "; ".join(f"{one.workspace}: {one.value}" for one in row.overrides),
        ),
    ]
    filters: ClassVar[Sequence[Filter]] = [
        SearchFilter(
            label=gettext_lazy("Search limits"),
            placeholder=gettext_lazy("Model or limit"),
            fields=["label", "model_names"],
        ),
        ChoiceFilter(
            key="group",
            label=gettext_lazy("Group"),
            options=list(GROUPS.items()),
            lookup="group",
        ),
        ChoiceFilter(
            key="workspace",
            label=gettext_lazy("Workspace"),
            options=_workspaces,
            lookup=_of_workspace,
            any_label=gettext_lazy("All"),
        ),
        connection_filter(),
    ]

    def __init__(self, request: Any, params: Any = None) -> None:
        super().__init__(request, params)
        alone = len(self.able) < 2  # then every row would say the same
        columns = [
            replace(one, shown=False) if alone and one.key == "connection" else one
            for one in type(self).columns
        ]
        if self.workspace is not None:
            columns[-1:] = self._beside(self.workspace)
        more = [column for column, _prepare in _columns.values()]
        self.columns = [*columns, *more]  # type: ignore[misc]  # declared for the class, narrowed for this page

    def _beside(self, workspace: Workspace) -> list[Column]:
        """The columns that set one workspace against its organization."""
        return [
            Column(
                key="here",
                label=workspace.name,
                value=lambda row: row.here,
                cell="workspaces/limit_cells.html:here",
                export=lambda row: row.here[0],
                numeric=True,
            ),
            Column(
                key="inherited",
                label=_("Inherited"),
                value=lambda row: _("yes") if row.here[1] else _("no"),
                shown=False,
            ),
        ]

    @cached_property
    def connections(self) -> dict[int, Connection]:
        """As every list has them, with what each can do."""
        return {one.pk: one for one in _connections(organizations=[self.organization.pk])}

    @cached_property
    def able(self) -> list[Connection]:
        """The live ones whose key may read limits."""
        return [one for one in self.live if one.can(LIMITS.capability)]

    @cached_property
    def workspaces(self) -> dict[str, Workspace]:
        """The live workspaces of ``able``, by primary key as text, by name. One query."""
        rows = Workspace.objects.filter(
            connection__in=[one.pk for one in self.able],
            state=Workspace.State.LIVE,
            remote_id__isnull=False,
        )
        shown = rows.only("connection_id", "remote_id", "name", "state").order_by("name", "pk")
        return {str(one.pk): one for one in shown}

    @property
    def workspace(self) -> Workspace | None:
        """The one that the page sets against its organization."""
        return self.workspaces.get(self.values.get("workspace", ""))

    def rows(self) -> QuerySet[RateLimit]:
        """The organizations' limits, and those of workspaces that stand beside none."""
        alone: Any = Q(organization_value__isnull=True)
        if self.workspace is None:  # the first of those that stand beside each other speaks for all
            alone &= ~Exists(
                RateLimit.objects.present()
                .filter(
                    connection=OuterRef("connection"),
                    group=OuterRef("group"),
                    model_names=OuterRef("model_names"),
                    kind=OuterRef("kind"),
                    pk__lt=OuterRef("pk"),
                )
                .order_by()
            )
        return (
            RateLimit.objects.visible_to(self.request.user)
            .present()
            .filter(Q(workspace_remote_id="") | alone, connection__in=[one.pk for one in self.able])
            .defer("raw")
        )

    def prepare(self, rows: list[RateLimit]) -> None:
        """Give each row its connection, and what workspaces have instead. Two queries, and those of
        other shelves' columns."""
        beside = self._overrides(rows)
        counts: defaultdict[int, int] = defaultdict(int)
        for one in self.workspaces.values():
            counts[one.connection_id] += 1
        for row in rows:
            own = not row.workspace_remote_id
            key = (row.connection_id, row.group, row.model_names, row.kind)
            found = beside.get(key, [])
            row.connection = self.connections[row.connection_id]
            row.organizations = row.value if own else None  # type: ignore[attr-defined]  # for the cells
            row.overrides = [self._override(one, row) for one in found]  # type: ignore[attr-defined]  # likewise
            row.inheriting = counts[row.connection_id] - len(found) if own else 0  # type: ignore[attr-defined]  # likewise
            row.here = self._here(row, found)  # type: ignore[attr-defined]  # likewise
        for _column, prepare in _columns.values():
            prepare(self, rows)

    def _overrides(self, rows: list[RateLimit]) -> dict[tuple[Any, ...], list[RateLimit]]:
        """What live workspaces have beside these limits, in the order of their names. One query."""
        found = RateLimit.objects.present().filter(
            connection__in={row.connection_id for row in rows},
            workspace_remote_id__in={one.remote_id for one in self.workspaces.values()},
            kind__in={row.kind for row in rows},
            model_names__in={row.model_names for row in rows},
        )
        beside: defaultdict[tuple[Any, ...], list[RateLimit]] = defaultdict(list)
        for one in found.defer("raw"):
            beside[one.connection_id, one.group, one.model_names, one.kind].append(one)
        for several in beside.values():
            several.sort(key=lambda one: self._named(one)[0].lower())
        return beside

    def _named(self, override: RateLimit) -> tuple[str, str]:
        """Name and address of the workspace of an override."""
        place = (override.connection_id, override.workspace_remote_id)
        return self._places.get(place, (override.workspace_remote_id, ""))

    @cached_property
    def _places(self) -> dict[tuple[int, str], tuple[str, str]]:
        return {
            (one.connection_id, str(one.remote_id)): (one.name, self._workspace_url(one))
            for one in self.workspaces.values()
        }

    def _workspace_url(self, workspace: Workspace) -> str:
        try:
            kwargs = {"slug": self.organization.slug, "pk": workspace.pk}
            return reverse("workspaces:one", kwargs=kwargs)
        except NoReverseMatch:
            return ""

    def _override(self, one: RateLimit, row: RateLimit) -> Override:
        name, url = self._named(one)
        whole = row.value if not row.workspace_remote_id else one.organization_value
        effective = one.value if whole is None else min(one.value, whole)
        return Override(name, one.workspace_remote_id, url, one.value, effective)

    def _here(self, row: RateLimit, found: list[RateLimit]) -> tuple[int | None, bool, bool]:
        """In the chosen workspace: what counts, whether it is inherited, whether it is capped."""
        remote_id = self.workspace.remote_id if self.workspace else None
        mine = next((one for one in found if one.workspace_remote_id == remote_id), None)
        if mine is None:
            return row.value, True, False
        override = self._override(mine, row)
        return override.effective, False, override.is_capped

    def group_of(self, row: RateLimit) -> str:
        """What a limit of no models applies to."""
        return group_in_words(row.group)

    def context(self) -> dict[str, Any]:
        """How fresh the list is, and which connections tell of no limits."""
        return {
            "freshness": freshness(self.organization, LIMITS.name),
            "unable": [
                {"connection": one, "why": one.why_not(LIMITS.capability)}
                for one in self.live
                if one not in self.able
            ],
        }

    def counted(self, count: int) -> str:
        """ "24 limits"."""
        return ngettext("%(n)s limit", "%(n)s limits", count) % {"n": self.number(count)}

    def nothing_yet(self) -> Empty:
        """No connection, none that tells of limits, or nothing read yet."""
        if not self.live:
            return self.not_connected(
                _("Rate limits of a connected account appear here a moment later.")
            )
        if not self.able:
            return Empty(
                icon="adjustments",
                title=_("No connection tells of rate limits"),
                text=_("Below stands why."),
            )
        return Empty(icon="adjustments", title=_("No limits have been read yet"))
