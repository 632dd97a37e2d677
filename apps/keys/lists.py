"""The list of keys, declared."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.keys import findings, services, use
from apps.keys.models import Key
from apps.keys.standing import STATES, standings, state_in_words
from apps.organizations.lists import SHOWN, ListByConnection, connection_filter
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.sync.models import Command
from apps.sync.outbox.requests import busy_targets
from apps.sync.schedule import freshness
from apps.ui.filters import ChoiceFilter, Filter, SearchFilter
from apps.ui.listing import BulkAction, Column, Empty
from apps.ui.prepared import Prepared
from apps.workspaces.models import Workspace

# What higher shelves know of keys (their use, their cost): a column, and what fetches it for all rows
# of a page at once.
Preparer = Callable[["KeyList", list[Key]], None]
_columns: dict[str, tuple[Column, Preparer]] = {}
# What a connection must be able to do for a bulk action to be offered.
CAPABILITIES = {
    "deactivate": "keys.change",
    "activate": "keys.change",
    "rename": "keys.change",
    "archive": "keys.change",
    "delete": "keys.delete",
}
_connections = Prepared(
    lambda organizations: (
        Connection.objects.filter(organization__in=organizations)
        .confirmed()
        .only(*SHOWN, "capabilities")
    )
)


def add_column(column: Column, prepare: Preparer) -> None:
    """Show one more column, between the times and the buttons; for a shelf's ``ready()``."""
    _columns[column.key] = (column, prepare)


def _in_state(value: str, page: Any) -> Q:
    if value == "gone":
        return Q()  # conditions() leaves out all others
    if value == "active":
        return findings.usable()
    if value == "expired":
        return Q(status="expired") | findings.expired()
    return Q(status=value) & ~findings.expired()


def _workspaces(page: Any) -> list[tuple[str, Any]]:
    rows = Workspace.objects.filter(connection__in=list(page.connections), remote_id__isnull=False)
    named = [(str(one.remote_id), one.name) for one in rows.order_by("name", "pk")]
    return [("default", _("Default workspace")), *named]


def _in_workspace(value: str, page: Any) -> Q:
    return Q(workspace="" if value == "default" else value)


LATELY = 30  # days
UNUSED_FOR = (30, 60, 90, 180)  # days


def _uses(page: Any) -> list[tuple[str, Any]]:
    return [
        ("lately", _("In the last %(n)s days") % {"n": LATELY}),
        *((str(days), _("Not for %(n)s days") % {"n": days}) for days in UNUSED_FOR),
        ("unknown", _("No use known")),
    ]


def _last_used(value: str, page: Any) -> Q:
    if value == "unknown":
        return Q(last_use__isnull=True)
    days = LATELY if value == "lately" else int(value)
    since = timezone.now() - timedelta(days=days)
    return Q(last_use__gte=since) if value == "lately" else Q(last_use__lt=since)


class KeyList(ListByConnection[Key]):
    """One row for each key at each connection."""

    name = "keys"
    title = gettext_lazy("Keys")
    all_label = gettext_lazy("All keys")
    template = "keys/list.html"
    rows_url_name = "keys:rows"
    default_sort = "name"
    columns = [
        Column(
            key="name",
            label=gettext_lazy("Name"),
            cell="keys/cells.html:name",
            sort="name",
            css="cell-main",
        ),
        Column(
            key="state",
            label=gettext_lazy("Status"),
            cell="keys/cells.html:state",
            sort="status",
            export=lambda row: state_in_words(row)[1],
        ),
        Column(
            key="connection",
            label=gettext_lazy("Connection"),
            value="connection.name",
            cell="keys/cells.html:place",
            css="cell-lines",
        ),
        Column(
            key="workspace",
            label=gettext_lazy("Workspace"),
            value="standing.workspace",
            shown=False,
        ),
        Column(
            key="creator",
            label=gettext_lazy("Creator"),
            value="standing.creator",
            shown=False,
        ),
        Column(
            key="created",
            label=gettext_lazy("Created"),
            value="created_at",
            cell="keys/cells.html:created",
            sort="created_at",
            nullable=True,
            moment=True,
            css="cell-lines",
        ),
        Column(
            key="expires",
            label=gettext_lazy("Expires"),
            value="expires_at",
            cell="keys/cells.html:expires",
            moment=True,
            sort="expires_at",
            nullable=True,
        ),
        Column(
            key="last_used",
            label=gettext_lazy("Last used"),
            value=lambda row: row.used,
            cell="keys/cells.html:last_used",
            sort="last_use",
            nullable=True,
            export=lambda row: row.used.exact,
            moment=True,
        ),
        Column(
            key="last_used_by",
            label=gettext_lazy("Last use known from"),
            value=lambda row: row.used.source,
            shown=False,
        ),
        Column(key="hint", label=gettext_lazy("Looks like"), shown=False),
        Column(key="remote_id", label=gettext_lazy("Id at the provider"), shown=False),
        Column(
            key="creator_left",
            label=gettext_lazy("Creator has left"),
            value="standing.left",
            shown=False,
        ),
        Column(
            key="actions",
            label=gettext_lazy("Actions"),
            cell="keys/cells.html:actions",
            buttons=True,
            css="cell-actions",
        ),
    ]
    filters: ClassVar[Sequence[Filter]] = [
        SearchFilter(
            label=gettext_lazy("Search keys"),
            placeholder=gettext_lazy("Name, id or last characters"),
            fields=["name", "hint", "remote_id"],
        ),
        ChoiceFilter(
            key="finding",
            label=gettext_lazy("Finding"),
            options=lambda page: [(one.key, one.title) for one in findings.FINDINGS.values()],
            lookup=lambda value, page: findings.FINDINGS[value].condition(),
        ),
        ChoiceFilter(
            key="status",
            label=gettext_lazy("Status"),
            options=[(key, word) for key, (_tone, word) in STATES.items()],
            lookup=_in_state,
        ),
        ChoiceFilter(
            key="workspace",
            label=gettext_lazy("Workspace"),
            options=_workspaces,
            lookup=_in_workspace,
        ),
        ChoiceFilter(
            key="used",
            label=gettext_lazy("Last used"),
            options=_uses,
            lookup=_last_used,
        ),
        connection_filter(),
    ]
    bulk_actions = [
        BulkAction(
            name="deactivate",
            label=gettext_lazy("Deactivate"),
            icon="player-pause",
            action="keys.change",
            url_name="keys:bulk_deactivate",
        ),
        BulkAction(
            name="activate",
            label=gettext_lazy("Activate"),
            icon="player-play",
            action="keys.change",
            url_name="keys:bulk_activate",
        ),
        BulkAction(
            name="rename",
            label=gettext_lazy("Rename"),
            icon="pencil",
            action="keys.change",
            url_name="keys:bulk_rename",
        ),
        BulkAction(
            name="archive",
            label=gettext_lazy("Archive"),
            icon="lock",
            action="keys.archive",
            url_name="keys:bulk_archive",
            danger=True,
        ),
        BulkAction(
            name="delete",
            label=gettext_lazy("Delete"),
            icon="trash",
            action="keys.delete",
            url_name="keys:bulk_delete",
            danger=True,
        ),
    ]

    def __init__(self, request: Any, params: Any = None) -> None:
        super().__init__(request, params)
        more = [column for column, _prepare in _columns.values()]
        self.columns = [  # type: ignore[misc]  # declared for the class, narrowed for this page
            column
            for column in (*type(self).columns[:-1], *more, type(self).columns[-1])
            if not column.key.startswith("last_used") or self.tells_use
        ]
        self.filters = [  # type: ignore[misc]  # likewise
            one for one in type(self).filters if one.key != "used" or self.tells_use
        ]

    @cached_property
    def connections(self) -> dict[int, Connection]:
        """As every list has them, with what each can do."""
        return {one.pk: one for one in _connections(organizations=[self.organization.pk])}

    @cached_property
    def tells_use(self) -> bool:
        """Whether anything tells when a key was last used. At most one query."""
        return use.is_told(self.live)

    @cached_property
    def stamp(self) -> str:
        """Makes the nonces of this page's own buttons: pressed twice, they ask once."""
        return uuid.uuid4().hex

    def rows(self) -> QuerySet[Key]:
        """The organization's keys, the gone ones too: a row must be able to show that it went."""
        found = Key.objects.visible_to(self.request.user)
        found = found.filter(connection__in=list(self.connections))
        asked = self.order.column == "last_use" or "used" in self.values
        return use.with_last_use(found) if asked else found

    def conditions(self) -> Iterator[Any]:
        """Gone keys are shown to those who ask for them."""
        yield from super().conditions()
        yield Q(gone_at__isnull=self.values.get("status") != "gone")

    @cached_property
    def actions(self) -> list[tuple[BulkAction, str]]:
        """Those that at least one connection can do."""
        possible = {
            name for name, what in CAPABILITIES.items() if any(one.can(what) for one in self.live)
        }
        return [(one, url) for one, url in super().actions if one.name in possible]

    def prepare(self, rows: list[Key]) -> None:
        """Give each row its connection, its Standing and its open Command. Four queries."""
        for row in rows:
            row.connection = self.connections[row.connection_id]
        for row, standing in zip(rows, standings(rows), strict=True):
            row.standing = standing  # type: ignore[attr-defined]  # for the cells
        use.prepare(rows)
        self.flights: dict[tuple[int, str], Command] = busy_targets(
            {row.connection_id for row in rows}, {row.target for row in rows}
        )
        for _column, prepare in _columns.values():
            prepare(self, rows)

    def told(self, row: Key) -> list[tuple[str, str]]:
        """What a list has no room for, after ``prepare``: its last use if that is known, and what other
        shelves tell of it. Name and safe HTML of each."""
        found: list[tuple[str, str]] = [
            (str(column.label), SafeString(column.draw(value, row, self)))
            for column, _prepare in _columns.values()
            if (value := column.read(row)) is not None
        ]
        used: use.LastUse = row.used  # type: ignore[attr-defined]  # given by prepare()
        return [(_("Last used"), used.html(self.clock)), *found] if used.is_known else found

    def last_use(self, row: Key) -> SafeString | None:
        """When one key was last used, after ``prepare``; None where nothing tells of any."""
        used: use.LastUse = row.used  # type: ignore[attr-defined]  # given by prepare()
        return used.html(self.clock) if used.is_known or self.tells_use else None

    def flight(self, row: Key) -> Command | None:
        """The open Command on it."""
        return self.flights.get((row.connection_id, row.target))

    def in_flight(self, row: Key) -> bool:
        """Whether a Command on it is open."""
        return self.flight(row) is not None

    def state_of(self, row: Key) -> tuple[str, str]:
        """Tone and word."""
        return state_in_words(row)

    def tells_expiry(self, row: Key) -> bool:
        """Whether a key without an end is known to have none."""
        return "expiry" in _facts(row.connection)

    def can(self, kind: str, row: Key) -> bool:
        """Whether a change of ``kind`` can be asked for from here."""
        from_here = row.connection.state == Connection.State.ACTIVE
        action, capability = DOES[kind]
        able = from_here and row.connection.can(capability)
        return able and bool(self.request.may(action)) and not services.why_not(kind, row)

    def row_url(self, row: Key) -> str:
        """The key's own page."""
        return f"/o/{self.organization.slug}/keys/{row.pk}/"

    def person_url(self, row: Key) -> str:
        """Who made it."""
        return f"/o/{self.organization.slug}/people/{row.standing.person_id}/"  # type: ignore[attr-defined]  # given by prepare()

    def row_label(self, row: Key) -> str:
        """Name, and what is shown of it: names are not unique."""
        return f"{row} {row.hint}".strip()

    def context(self) -> dict[str, Any]:
        """How fresh the list is, and what of keys is done elsewhere."""
        makers = [one for one in self.live if one.can("keys.create")]
        return {
            "freshness": freshness(self.organization, "keys"),
            "may_create": self.request.may("keys.create") and bool(makers),
            "elsewhere": elsewhere(self.live, *WRITES),
        }

    def counted(self, count: int) -> str:
        """ "1,204 keys"."""
        return ngettext("%(n)s key", "%(n)s keys", count) % {"n": self.number(count)}

    def nothing_yet(self) -> Empty:
        """No connection, none that may read keys, or no key."""
        if not self.live:
            return self.not_connected(
                _(
                    "Connect your organization at Anthropic or Cline: its keys appear here a moment later."
                )
            )
        if not any(one.can("keys.read") for one in self.live):
            reasons = {one.why_not("keys.read") for one in self.live} - {""}
            return Empty(
                icon="key",
                title=_("No connection may read keys"),
                text=" ".join(sorted(reasons))
                or _("Have the connections checked again: they may be able to by now."),
                url=reverse("organizations:connections", kwargs={"slug": self.organization.slug}),
                label=_("See the connections"),
            )
        return Empty(icon="key", title=_("There are no keys yet"))


WRITES = ("keys.create", "keys.delete", "keys.change")
DOES = {  # kind → action of the policy, capability
    "keys.rename": ("keys.change", "keys.change"),
    "keys.deactivate": ("keys.change", "keys.change"),
    "keys.activate": ("keys.change", "keys.change"),
    "keys.archive": ("keys.archive", "keys.change"),
    "keys.delete": ("keys.delete", "keys.delete"),
}


def _facts(connection: Connection) -> frozenset[str]:
    provider = PROVIDERS.get(connection.provider)
    return provider.key_facts if provider else frozenset()


def elsewhere(connections: Sequence[Connection], *capabilities: str) -> list[dict[str, Any]]:
    """Which of ``capabilities`` no key of a provider has, by provider, and where it is done."""
    found = []
    for key in dict.fromkeys(one.provider for one in connections):
        provider = PROVIDERS.get(key)
        if provider is None:
            continue
        reasons = [str(provider.cannot[one]) for one in capabilities if one in provider.cannot]
        if reasons:
            found.append({"label": provider.label, "reasons": reasons, "url": provider.keys_url})
    return found
