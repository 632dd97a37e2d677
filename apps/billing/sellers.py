"""Which connections there is money to show of, and why there is none of the others."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS

READS = ("credit.read", "payments.read", "plan.read", "plans.read", "top_up.read", "card.read")


@dataclass(frozen=True, slots=True)
class Silent:
    """A connection of which nothing of the kind is told: its name, and why."""

    connection: Connection
    why: str


class Sellers:
    """The confirmed connections of a page's organization, by whether they sell. One query."""

    def __init__(self, request: Any) -> None:
        visible = Connection.objects.visible_to(request.user)
        self._rows = visible.filter(organization=request.organization).confirmed()

    @cached_property
    def every(self) -> list[Connection]:
        """All of them, the disconnected too, by name."""
        return list(self._rows.order_by("name", "pk"))

    @cached_property
    def live(self) -> list[Connection]:
        """Those that are not disconnected."""
        return [one for one in self.every if one.state != Connection.State.DISCONNECTED]

    def with_any(self, capabilities: Iterable[str] = READS) -> list[Connection]:
        """The live ones whose provider sells and whose key may read any of ``capabilities``."""
        wanted = tuple(capabilities)
        return [one for one in self.live if sells(one) and any(one.can(name) for name in wanted)]

    def silent(self, capability: str) -> list[Silent]:
        """The live ones of which ``capability`` tells nothing, each with the reason."""
        return [
            Silent(one, why_not(one, capability))
            for one in self.live
            if not (sells(one) and one.can(capability))
        ]


def sells(connection: Connection) -> bool:
    """Whether its provider sells credit ahead of use: what is charged there is taken from it."""
    provider = PROVIDERS.get(connection.provider)
    return provider is not None and provider.sells_credit


def why_not(connection: Connection, capability: str) -> str:
    """Why ``connection`` tells nothing of it; "" where nobody knows."""
    provider = PROVIDERS.get(connection.provider)
    if provider is not None and not provider.sells_credit:
        return str(provider.cannot.get("credit.read", ""))
    return connection.why_not(capability)
