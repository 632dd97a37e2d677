"""The list of workspaces, declared."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.organizations.lists import ListByConnection, connection_column, connection_filter
from apps.organizations.models import Connection
from apps.providers.protocol import Words
from apps.sync.models import Command
from apps.sync.outbox.requests import busy_targets
from apps.sync.schedule import freshness
from apps.ui.filters import ChoiceFilter, Filter, SearchFilter
from apps.ui.listing import Column, Empty
from apps.workspaces.models import Workspace, WorkspaceMember
from apps.workspaces.residency import in_short, in_words
from apps.workspaces.roles import why_none

State = Workspace.State
TONES = {
    State.MAKING: "info",
    State.REFUSED: "danger",
    State.LIVE: "success",
    State.ARCHIVED: "muted",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of each workspace that a higher shelf knows: its keys, its cost.

    ``of`` gets the workspaces of a page, with their connections, and gives the numbers by primary
    key, in a fixed number of queries; what is missing is drawn as "–".
    """

    key: str
    label: Words
    of: Callable[[Sequence[Workspace]], Mapping[int, Any]]
    cell: str = "number"


_figures: list[Figure] = []


def add_figure(figure: Figure) -> None:
    """Show one more number of each workspace; for a shelf's ``ready()``."""
    if all(figure.key != known.key for known in _figures):
        _figures.append(figure)
        columns = WorkspaceList.columns
        after_people = next(at for at, one in enumerate(columns) if one.key == "residency")
        columns.insert(after_people, _column(figure))


def _column(figure: Figure) -> Column:
    return Column(
        key=figure.key,
        label=figure.label,
        value=lambda row: row.figures.get(figure.key),
        cell=figure.cell,
        numeric=True,
    )


def by_workspace(
    workspaces: Sequence[Workspace], rows: QuerySet[Any], column: str
) -> dict[int, int]:
    """How many of ``rows``, which name their workspace by remote id in ``column``, each has; none where
    its connection has no such row at all. One query."""
    counts = rows.order_by().values_list("connection_id", column).annotate(n=Count("pk"))
    found = {(connection, workspace): n for connection, workspace, n in counts}
    known = {connection for connection, _workspace in found}
    return {
        one.pk: found.get((one.connection_id, one.remote_id), 0)
        for one in workspaces
        if one.connection_id in known
    }


def people_in(workspaces: Sequence[Workspace]) -> dict[int, int]:
    """How many have a role in each, inherited ones too, by primary key. One query."""
    rows = WorkspaceMember.objects.filter(
        connection__in={one.connection_id for one in workspaces},
        workspace_remote_id__in={one.remote_id for one in workspaces if one.remote_id},
        gone_at__isnull=True,
    ).order_by()
    counts = {
        (connection, remote_id): n
        for connection, remote_id, n in rows.values_list(
            "connection_id", "workspace_remote_id"
        ).annotate(n=Count("pk"))
    }
    return {one.pk: counts.get((one.connection_id, str(one.remote_id)), 0) for one in workspaces}


class WorkspaceList(ListByConnection[Workspace]):
    """One row for each workspace; the archived ones on request."""

    name = "workspaces"
    title = gettext_lazy("Workspaces")
    all_label = gettext_lazy("All workspaces")
    template = "workspaces/list.html"
    rows_url_name = "workspaces:rows"
    default_sort = "name"
    columns: ClassVar[list[Column]] = [
        Column(
            key="name",
            label=gettext_lazy("Name"),
            cell="workspaces/cells.html:name",
            sort="name",
            css="cell-main",
        ),
        connection_column(),
        Column(
            key="people",
            label=gettext_lazy("People"),
            value=lambda row: row.figures.get("people"),
            cell="number",
            numeric=True,
        ),
        Column(
            key="residency",
            label=gettext_lazy("Residency"),
            value=lambda row: in_short(row.connection.provider, row.allowed_geos, row.default_geo),
            export=lambda row: in_words(row.connection.provider, row.allowed_geos, row.default_geo),
        ),
        Column(
            key="created",
            label=gettext_lazy("Created"),
            value="created_at",
            cell="when",
            sort="created_at",
            nullable=True,
        ),
        Column(
            key="state",
            label=gettext_lazy("State"),
            cell="workspaces/cells.html:state",
            export=lambda row: row.get_state_display(),
        ),
        Column(
            key="archived",
            label=gettext_lazy("Archived"),
            value="archived_at",
            cell="when",
            shown=False,
        ),
        Column(key="remote_id", label=gettext_lazy("Provider's id"), shown=False),
    ]
    filters: ClassVar[Sequence[Filter]] = [
        SearchFilter(label=gettext_lazy("Search workspaces"), fields=["name"]),
        ChoiceFilter(
            key="state",
            label=gettext_lazy("State"),
            any_label=gettext_lazy("Not archived"),
            options=[
                ("archived", gettext_lazy("Archived")),
                ("all", gettext_lazy("Archived too")),
            ],
            lookup=None,
        ),
        connection_filter(),
    ]

    def rows(self) -> QuerySet[Workspace]:
        """The organization's workspaces."""
        return Workspace.objects.visible_to(self.request.user).filter(
            connection__in=list(self.connections)
        )

    def conditions(self) -> Iterator[Any]:
        """Archived ones only if they are asked for."""
        yield from super().conditions()
        asked = self.values.get("state")
        if asked == "archived":
            yield Q(state=State.ARCHIVED)
        elif asked is None:
            yield ~Q(state=State.ARCHIVED)

    def prepare(self, rows: list[Workspace]) -> None:
        """Connections, figures and open Commands. Two queries, and what the figures of others take."""
        for row in rows:
            row.connection = self.connections[row.connection_id]
        figures = {"people": people_in(rows), **{one.key: one.of(rows) for one in _figures}}
        for row in rows:
            row.figures = {  # type: ignore[attr-defined]  # read by the columns
                key: found[row.pk] for key, found in figures.items() if row.pk in found
            }
        self.flights: dict[tuple[int, str], Command] = busy_targets(
            {row.connection_id for row in rows}, {row.target for row in rows}
        )

    def flight(self, row: Workspace) -> Command | None:
        """The open Command on it."""
        return self.flights.get((row.connection_id, row.target))

    def in_flight(self, row: Workspace) -> bool:
        """Whether a Command on it is open."""
        return self.flight(row) is not None

    def state_of(self, row: Workspace) -> tuple[str, str, str]:
        """Tone, word and reason."""
        return TONES[State(row.state)], row.get_state_display(), row.error

    def row_url(self, row: Workspace) -> str:
        """Its own page."""
        return reverse("workspaces:one", kwargs={"slug": self.organization.slug, "pk": row.pk})

    def row_label(self, row: Workspace) -> str:
        """Its name."""
        return row.name

    @property
    def able(self) -> list[Connection]:
        """Connections whose workspaces can be seen."""
        return [one for one in self.live if not why_none(one)]

    def context(self) -> dict[str, Any]:
        """How fresh the list is, who has none and why, and what the page offers."""
        return {
            "freshness": [
                one
                for one in freshness(self.organization, "workspaces", "workspace_members")
                if one.connection.can("workspaces.read")
            ],
            "without": [(one, why) for one in self.live if (why := why_none(one))],
            "may_create": self.request.may("workspaces.create") and bool(self.able),
            "has_matrix": bool(self.able),
        }

    def counted(self, count: int) -> str:
        """ "26 workspaces"."""
        return ngettext("%(n)s workspace", "%(n)s workspaces", count) % {"n": self.number(count)}

    def nothing_yet(self) -> Empty:
        """No connection, none with workspaces, or none made yet."""
        if not self.live:
            return self.not_connected(
                _(
                    "Connect your organization at a provider: its workspaces appear here a moment later."
                )
            )
        if not self.able:
            return Empty(
                icon="layout-grid",
                title=_("No connection here has workspaces"),
                text=" ".join(f"{one.name}: {why_none(one)}" for one in self.live),
            )
        return Empty(
            icon="layout-grid",
            title=_("No workspaces yet"),
            text=_(
                "A workspace groups people, API keys and limits. Everything outside one belongs to the "
                "provider's default workspace, which is not listed."
            ),
            url=reverse("workspaces:new", kwargs={"slug": self.organization.slug})
            if self.request.may("workspaces.create")
            else "",
            label=_("Create a workspace"),
        )
