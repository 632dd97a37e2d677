"""What a budget is for: a whole organization, a connection, a workspace, a cost centre; as a choice, as
filters, in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.urls import reverse
from django.utils.translation import gettext as _

from apps.budgets.models import Budget, Scope
from apps.centres.models import CostCentre
from apps.centres.sums import CENTRE
from apps.organizations.models import Connection, Organization
from apps.usage import reads
from apps.usage.models import Dimension
from apps.usage.names import Name, Names
from apps.usage.question import utc_today
from apps.usage.tuples import MARKS, NONE, grain_for
from apps.workspaces.models import Workspace

LATELY = timedelta(days=396)


@dataclass(frozen=True, slots=True)
class Place:
    """One thing that a budget can be for. ``workspace``: the provider's id, NONE the default one."""

    scope: Scope
    connection: Connection | None = None
    workspace: str = ""
    centre: CostCentre | None = None

    @property
    def key(self) -> str:
        """How a form's choice names it: "workspace:17:wrkspc_1"."""
        parts = [str(self.scope.value)]
        parts += [str(one.pk) for one in (self.connection, self.centre) if one]
        return ":".join([*parts, self.workspace] if self.workspace else parts)

    @property
    def filters(self) -> Mapping[str, Sequence[str]]:
        """What of its connections' usage is counted."""
        if self.centre:
            return {CENTRE: [str(self.centre.pk)]}
        return {"workspace": [self.workspace]} if self.workspace else {}

    def among(self, connections: Iterable[Connection]) -> list[Connection]:
        """Those of the organization's ``connections`` whose usage is counted."""
        mine = self.connection
        return [one for one in connections if mine is None or one.pk == mine.pk]


WHOLE = Place(Scope.ORGANIZATION)


def connections_of(organization: Organization) -> list[Connection]:
    """All that were ever confirmed, the disconnected too: what they used stays. One query."""
    return list(Connection.objects.filter(organization=organization).confirmed())


def place_of(budget: Budget) -> Place:
    """What ``budget`` is for."""
    return Place(Scope(budget.scope), budget.connection, budget.workspace, budget.centre)


def places(
    organization: Organization, connections: Sequence[Connection]
) -> list[tuple[Place, str]]:
    """Everything that a new budget can be for, each with its name, widest first. Two queries."""
    live = [one for one in connections if one.state != Connection.State.DISCONNECTED]
    found = [(WHOLE, str(Scope.ORGANIZATION.label))]
    found += [(Place(Scope.CONNECTION, one), one.name) for one in live]
    rows = Workspace.objects.filter(
        connection__in=live, state=Workspace.State.LIVE, remote_id__isnull=False
    )
    by_connection: dict[int, list[tuple[str, str]]] = {}
    for row in rows.order_by("name", "pk").only("name", "remote_id", "connection_id"):
        by_connection.setdefault(row.connection_id, []).append((str(row.remote_id), row.name))
    for one in live:
        if not one.can("workspaces.read"):
            continue
        inside = [(NONE, _("Default workspace")), *by_connection.get(one.pk, [])]
        found += [
            (Place(Scope.WORKSPACE, one, remote_id), f"{one.name}: {name}")
            for remote_id, name in inside
        ]
    centres = CostCentre.objects.current().filter(organization=organization)
    found += [(Place(Scope.CENTRE, centre=one), str(one)) for one in centres]
    return found


def currencies(place: Place, connections: Sequence[Connection]) -> list[str]:
    """The currencies that anything was ever told in of what ``place`` counts (of a cost centre: lately).
    Two queries at most."""
    if place.centre:
        today = utc_today()
        rows = reads.sums(connections, today - LATELY, today, (), place.filters)
        return sorted({row.currency for row in rows if row.cost or row.billed})
    grain = grain_for(["workspace"] if place.workspace else [])
    told = Dimension.objects.filter(connection__in=place.among(connections), grain=grain.id)
    if place.workspace:
        told = told.filter(workspace=place.workspace)
    known = told.exclude(currency__in=MARKS).order_by().values_list("currency", flat=True)
    return sorted(set(known.distinct()))


class Called:
    """What budgets of one organization are for, in words; two queries, whatever their number."""

    def __init__(
        self,
        organization: Organization,
        connections: Sequence[Connection],
        budgets: Iterable[Budget],
    ) -> None:
        self.connections = {one.pk: one for one in connections}
        self.organization = organization
        named = [(one.workspace, one.connection_id or 0) for one in budgets if one.workspace]
        names = Names(organization, connections)
        self._workspaces = names.of("workspace", list(dict.fromkeys(named))) if named else {}

    def of(self, budget: Budget) -> Name:
        """The name of what ``budget`` is for, with where that is."""
        slug = self.organization.slug
        if budget.centre:
            address = reverse("centres:one", args=[slug, budget.centre_id])
            return Name(str(budget.centre), str(Scope.CENTRE.label), address)
        if budget.connection_id is None:
            return Name(str(Scope.ORGANIZATION.label), url=reverse("usage:usage", args=[slug]))
        connection = self.connections[budget.connection_id]
        if budget.scope == Scope.CONNECTION:
            address = reverse("organizations:connection", args=[slug, connection.uid])
            return Name(connection.name, str(Scope.CONNECTION.label), address)
        name = self._workspaces[budget.workspace, budget.connection_id]
        return Name(name.text, connection.name, name.url)
