"""What lists whose rows belong to connections have in common."""

from functools import cached_property
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.organizations.models import Connection
from apps.ui.filters import ChoiceFilter
from apps.ui.listing import Column, Empty, ListPage, Row
from apps.ui.prepared import Prepared

# What a list shows of a connection; there is much more to one.
SHOWN = ("provider", "name", "state", "offers", "organization_id", "uid")
_connections = Prepared(
    lambda organizations: (
        Connection.objects.filter(organization__in=organizations).confirmed().only(*SHOWN)
    )
)


class ListByConnection(ListPage[Row]):
    """A list whose rows each belong to one of the organization's connections."""

    @cached_property
    def connections(self) -> dict[int, Connection]:
        """The organization's confirmed connections, the disconnected too, by id: what lists show of them."""
        return {one.pk: one for one in _connections(organizations=[self.organization.pk])}

    @cached_property
    def live(self) -> list[Connection]:
        """Those that are not disconnected."""
        return [
            one for one in self.connections.values() if one.state != Connection.State.DISCONNECTED
        ]

    def not_connected(self, text: str) -> Empty:
        """In place of rows where no account is connected. ``text``: what appears here once one is."""
        place = {"slug": self.organization.slug}
        may_connect = self.request.may("connections.connect")
        return Empty(
            icon="plug-connected",
            title=_("No account is connected yet"),
            text=text,
            url=reverse("organizations:connect", kwargs=place) if may_connect else "",
            label=_("Connect an account"),
        )


def connection_column() -> Column:
    """The connection of a row, with its provider's colour; its name in exports."""
    return Column(
        key="connection",
        label=gettext_lazy("Connection"),
        cell="organizations/cells.html:connection",
        export="connection.name",
        css="cell-connection",
    )


def connection_filter(
    lookup: str | None = "connection", *, live_alone: bool = False
) -> ChoiceFilter:
    """The filter by connection of a ``ListByConnection``; ``lookup`` as ChoiceFilter has it."""

    def options(page: Any) -> list[tuple[str, str]]:
        offered = page.live if live_alone else page.connections.values()
        return [(str(one.pk), one.name) for one in offered]

    return ChoiceFilter(
        key="connection", label=gettext_lazy("Connection"), options=options, lookup=lookup
    )
