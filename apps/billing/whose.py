"""Whose money it is: an organization's, or that of one person's own account at a provider.

What differs between them stands here: the actions of the policy, the names of the changes, where the
pages are. Everything else in this shelf is written once.
"""

from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.sync.schedule import Freshness, freshness


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort of account. ``buy``, ``top_up`` and ``card`` are actions of the policy; the names of its changes begin
    with ``kinds``; its pages have the same names in either ``namespace``, and ``tabs`` leads from one to
    the other.
    """

    buy: str
    top_up: str
    card: str
    kinds: str
    namespace: str
    tabs: str  # a template

    def kind(self, name: str) -> str:
        """What a change is called: "purchase", "checkout", "top_up", "card_page"."""
        return f"{self.kinds}{name}"


ORGANIZATION = Sort(
    buy="billing.buy",
    top_up="billing.top_up",
    card="billing.card",
    kinds="billing.",
    namespace="billing",
    tabs="billing/_tabs.html",
)
PERSON = Sort(
    buy="account.buy",
    top_up="account.top_up",
    card="account.card",
    kinds="billing.own_",
    namespace="own_billing",
    tabs="billing/_own_tabs.html",
)
SORTS = (ORGANIZATION, PERSON)


def sort_of(connection: Connection) -> Sort:
    """The sort of account that is behind a connection."""
    provider = PROVIDERS.get(connection.provider)
    return PERSON if provider is not None and provider.is_personal else ORGANIZATION


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of money to which one belongs: those of an organization, or of one ``account`` of a person."""

    sort: Sort
    slug: str
    account: Connection | None = None

    def url(self, name: str, *ids: Any) -> str:
        """The address of one of them."""
        own = [self.account.uid] if self.account else []
        return reverse(f"{self.sort.namespace}:{name}", args=[self.slug, *own, *ids])

    def url_of(self, name: str, connection: Connection) -> str:
        """The address of one that is about a connection."""
        return reverse(f"{self.sort.namespace}:{name}", args=[self.slug, connection.uid])


def pages_of(request: Any) -> Pages:
    """The pages of the request's organization."""
    return Pages(ORGANIZATION, request.organization.slug)


def pages_about(connection: Connection, slug: str) -> Pages:
    """The pages that show the money of ``connection``, which belongs to the organization ``slug``."""
    sort = sort_of(connection)
    return Pages(sort, slug, connection if sort is PERSON else None)


def fresh(request: Any, pages: Pages, *names: str) -> list[Freshness]:
    """How fresh what these pages show is."""
    found = freshness(request.organization, *names)
    account = pages.account
    return [one for one in found if account is None or one.connection.pk == account.pk]
