"""Tags of the pages about one's own account: ``{% account_pages as pages %}``, ``browser``."""

from typing import Any, NamedTuple

from django import template
from django.template.context import Context
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

register = template.Library()

PAGES = [
    (gettext_lazy("Profile"), "accounts:profile"),
    (gettext_lazy("Email address"), "account_email"),
    (gettext_lazy("Password"), "account_change_password"),
    (gettext_lazy("Second factor"), "mfa_index"),
    (gettext_lazy("Sessions"), "usersessions_list"),
]
# Where two pages stand one below the other's address, the longest match is the current one.
BESIDES = {"account_change_password": ["account_set_password"]}


class AccountPage(NamedTuple):
    """One line of the list."""

    label: Promise
    url: str
    current: bool


# In this order: each of those below calls itself by the names of the ones after it.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


@register.filter
def browser(user_agent: str) -> str:
    """``{{ session.user_agent|browser }}``: "Firefox on Windows"; what is not known is shown as it is."""
    name = next((name for mark, name in BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in SYSTEMS if mark in user_agent), "")
    if name and system:
        return _("%(browser)s on %(system)s") % {"browser": name, "system": system}
    return name or user_agent or _("Unknown browser")


@register.simple_tag(takes_context=True)
def account_pages(context: Context) -> list[AccountPage]:
    """Every page, the one at hand marked."""
    here: str = context["request"].path
    found: list[Any] = []
    for label, name in PAGES:
        url = reverse(name)
        addresses = [url, *(reverse(other) for other in BESIDES.get(name, []))]
        found.append(AccountPage(label, url, any(here.startswith(one) for one in addresses)))
    return found
