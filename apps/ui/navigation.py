"""The side navigation of an organization, in its order. An entry appears once its shelf has a page."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the navigation; it is current on every page below its address."""

    label: Promise
    icon: str
    url_name: str
    exact: bool = False  # current on its own address alone
    apart: bool = False  # begins a new group
    also: tuple[str, ...] = ()  # further pages that it is current on, and below: its tabs


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as one page shows it."""

    label: Promise
    icon: str
    url: str
    current: bool
    apart: bool


ENTRIES = [
    Entry(_("Overview"), "layout-dashboard", "overview", exact=True),
    Entry(_("People"), "users", "members:list"),
    Entry(_("Invites"), "mail", "invites:list"),
    Entry(_("Workspaces"), "layout-grid", "workspaces:list"),
    Entry(_("Keys"), "key", "keys:list"),
    Entry(_("Limits"), "adjustments", "limits:list"),
    Entry(_("Spend"), "coin", "spend:glance", apart=True),
    Entry(_("Usage and cost"), "chart-bar", "usage:usage"),
    Entry(_("Claude Code"), "terminal-2", "usage:coding"),
    Entry(_("Incidents"), "alert-triangle", "incidents:list"),
    Entry(_("Budgets"), "hourglass", "budgets:list"),
    Entry(_("Cost centres"), "building-community", "centres:list"),
    Entry(_("Billing"), "credit-card", "billing:overview"),
    Entry(_("Reports"), "calendar", "reports:list"),
    Entry(_("Notices"), "bell", "notices:list", apart=True),
    Entry(_("Activity"), "activity", "sync:activity"),
    Entry(_("Audit log"), "shield-check", "audit:list"),
    Entry(_("Connections"), "plug-connected", "organizations:connections", apart=True),
    Entry(
        _("Settings"),
        "settings",
        "organizations:settings",
        also=(
            "organizations:grants",
            "organizations:tokens",
            "directory:directory",
            "notices:webhooks",
            "notices:deliveries",
        ),
    ),
]
# On a person's own desk.
OWN_ENTRIES = [
    Entry(_("Own account"), "user", "personal:account"),
    Entry(_("Activity"), "activity", "sync:activity"),
    Entry(_("Audit log"), "shield-check", "audit:list"),
    Entry(_("Connections"), "plug-connected", "organizations:connections", apart=True),
]


def links(request: HttpRequest, slug: str, *, own: bool = False) -> list[Link]:
    """The entries that have a page, as seen from ``request``; ``own``: on the reader's own desk.

    One of them is current: the one whose address says most of the page's.
    """
    found = []
    for entry in OWN_ENTRIES if own else ENTRIES:
        url = _address(entry.url_name, slug)
        if url:
            found.append((entry, url, _nearness(entry, url, request.path, slug)))
    nearest = max((near for _entry, _url, near in found), default=0)
    return [
        Link(entry.label, entry.icon, url, 0 < near == nearest, entry.apart)
        for entry, url, near in found
    ]


def _address(url_name: str, slug: str) -> str:
    """Where a page is; "" where no shelf has it."""
    try:
        return reverse(url_name, kwargs={"slug": slug})
    except NoReverseMatch:
        return ""


def _nearness(entry: Entry, url: str, path: str, slug: str) -> int:
    """How much of ``path`` the entry's own address says, or that of a tab of it; 0: it lies elsewhere."""
    if entry.exact:
        return len(url) if path == url else 0
    addresses = (url, *(_address(name, slug) for name in entry.also))
    return max((len(one) for one in addresses if one and path.startswith(one)), default=0)
