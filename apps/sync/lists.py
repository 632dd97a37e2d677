"""The lists of the Activity page, declared: changes asked for here, and changes at the provider."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.accounts.models import User
from apps.organizations.lists import ListByConnection, connection_column, connection_filter
from apps.sync.models import OPEN_STATES, Command, CommandState, RemoteChange
from apps.sync.outbox.kinds import KINDS, kind_of
from apps.ui.filters import ChoiceFilter, DateRangeFilter, Filter, SearchFilter
from apps.ui.listing import Column, Empty

S = CommandState
GROUPS = {
    "open": (gettext_lazy("On their way"), Q(state__in=OPEN_STATES)),
    "person": (
        gettext_lazy("Waiting for a person"),
        Q(state__in=[S.OPERATOR, S.AWAITING_APPROVAL]),
    ),
    "done": (gettext_lazy("Done"), Q(state=S.SUCCEEDED)),
    "failed": (gettext_lazy("Refused or given up"), Q(state__in=[S.REJECTED, S.DEAD])),
    "cancelled": (gettext_lazy("Cancelled"), Q(state=S.CANCELLED)),
}
CHANGE_TONES = {
    RemoteChange.What.ADDED: "success",
    RemoteChange.What.CHANGED: "info",
    RemoteChange.What.GONE: "warning",
    RemoteChange.What.RETURNED: "success",
}


def _kinds(page: Any) -> list[tuple[str, Any]]:
    """One of each name: an organization's credit and a person's own are bought under the same."""
    kinds = list(KINDS.values())  # an organization's before a person's own
    order = kinds if page.organization.is_personal else reversed(kinds)
    shown = {str(kind.label): kind.name for kind in order}  # the last of a name stays
    return [(kind.name, kind.label) for kind in kinds if kind.name in shown.values()]


def _of_kind(value: str, page: Any) -> Q:
    label = KINDS[value].label
    return Q(kind__in=[kind.name for kind in KINDS.values() if kind.label == label])


def _actors(page: Any) -> list[tuple[str, Any]]:
    people = User.objects.filter(grants__organization=page.organization).order_by("name", "email")
    return [(str(user.pk), str(user)) for user in people]


class _ActivityList(ListByConnection[Any]):
    """What both lists of the Activity page share."""

    template = "sync/activity.html"

    def counted(self, count: int) -> str:
        """ "1,204 changes"."""
        return ngettext("%(n)s change", "%(n)s changes", count) % {"n": self.number(count)}


class CommandList(_ActivityList):
    """Every change that was asked for here."""

    name = "activity"
    title = gettext_lazy("Activity")
    all_label = gettext_lazy("All changes")
    rows_url_name = "sync:activity_rows"
    default_sort = "-asked"
    columns = [
        Column(
            key="what",
            label=gettext_lazy("Change"),
            value=lambda row: kind_of(row).label,
            cell="sync/cells.html:change",
            css="cell-main",
        ),
        Column(key="label", label=gettext_lazy("Of"), sort="label"),
        connection_column(),
        Column(
            key="state",
            label=gettext_lazy("State"),
            value=lambda row: row.get_state_display(),
            cell="sync/cells.html:state",
        ),
        Column(key="actor", label=gettext_lazy("Asked by"), value=lambda row: row.asked_by or "–"),
        Column(
            key="asked",
            label=gettext_lazy("Asked"),
            value="created_at",
            cell="when",
            sort="created_at",
        ),
        Column(
            key="settled",
            label=gettext_lazy("Settled"),
            value="settled_at",
            cell="when",
            shown=False,
        ),
        Column(key="error", label=gettext_lazy("Reason"), shown=False),
        Column(key="attempts", label=gettext_lazy("Times sent"), shown=False),
        Column(
            key="remote_request_id", label=gettext_lazy("Request id at the provider"), shown=False
        ),
    ]
    filters: ClassVar[Sequence[Filter]] = [
        SearchFilter(label=gettext_lazy("Search changes"), fields=["label"]),
        ChoiceFilter(
            key="state",
            label=gettext_lazy("State"),
            options=[(key, label) for key, (label, _condition) in GROUPS.items()],
            lookup=lambda value, page: GROUPS[value][1],
        ),
        ChoiceFilter(
            key="kind",
            label=gettext_lazy("Change"),
            options=_kinds,
            lookup=_of_kind,
        ),
        connection_filter(),
        ChoiceFilter(key="actor", label=gettext_lazy("Asked by"), options=_actors, lookup="actor"),
        DateRangeFilter(key="asked", label=gettext_lazy("Asked"), field="created_at"),
    ]

    def rows(self) -> QuerySet[Command]:
        """The organization's Commands; drafts have not been asked for yet."""
        found = Command.objects.visible_to(self.request.user).filter(organization=self.organization)
        return found.exclude(state=S.DRAFT).select_related("actor")

    def prepare(self, rows: list[Command]) -> None:
        """Give each row its connection, without a query of its own."""
        for row in rows:
            row.connection = self.connections[row.connection_id]

    def in_flight(self, row: Command) -> bool:
        """Whether it goes on by itself."""
        return row.is_open and row.state not in (S.OPERATOR, S.AWAITING_APPROVAL)

    def row_url(self, row: Command) -> str:
        """The change's own page."""
        slug = self.organization.slug
        return reverse("sync:command", kwargs={"slug": slug, "uid": row.uid})

    def context(self) -> dict[str, Any]:
        """Which of the two lists this is."""
        return {"here": "commands"}

    def nothing_yet(self) -> Empty:
        """Nothing was asked for yet."""
        return Empty(
            icon="activity",
            title=_("No changes yet"),
            text=_("Every change that is made here appears with what became of it."),
        )


class RemoteChangeList(_ActivityList):
    """Every change that somebody made at the provider."""

    name = "remote_changes"
    title = gettext_lazy("Activity")
    all_label = gettext_lazy("All changes")
    default_sort = "-at"
    columns = [
        Column(key="label", label=gettext_lazy("Of"), sort="label", css="cell-main"),
        Column(
            key="what",
            label=gettext_lazy("Change"),
            value=lambda row: (CHANGE_TONES[row.what], row.get_what_display()),
            cell="badge",
            export=lambda row: row.get_what_display(),
        ),
        Column(
            key="difference",
            label=gettext_lazy("What changed"),
            value="in_words",
        ),
        Column(key="resource", label=gettext_lazy("In"), shown=False),
        connection_column(),
        Column(key="at", label=gettext_lazy("Noticed"), cell="when", sort="at"),
    ]
    filters: ClassVar[Sequence[Filter]] = [
        SearchFilter(label=gettext_lazy("Search changes"), fields=["label"]),
        ChoiceFilter(
            key="what",
            label=gettext_lazy("Change"),
            options=RemoteChange.What.choices,
            lookup="what",
        ),
        connection_filter(),
        DateRangeFilter(key="noticed", label=gettext_lazy("Noticed"), field="at"),
    ]

    def rows(self) -> QuerySet[RemoteChange]:
        """The organization's changes at the provider."""
        return RemoteChange.objects.visible_to(self.request.user).filter(
            organization=self.organization
        )

    def prepare(self, rows: list[RemoteChange]) -> None:
        """Give each row its connection, without a query of its own."""
        for row in rows:
            row.connection = self.connections[row.connection_id]

    def context(self) -> dict[str, Any]:
        """Which of the two lists this is."""
        return {"here": "remote"}

    def nothing_yet(self) -> Empty:
        """Nobody changed anything there."""
        return Empty(
            icon="activity",
            title=_("No changes at the providers yet"),
            text=_(
                "What somebody changes in a provider's own console appears here after the next sync."
            ),
        )
