"""What this shelf draws into a connection's page and into Settings."""

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from apps.organizations.models import Connection


def button(request: HttpRequest, *, connection: Connection) -> SafeString:
    """The way from a connection to what its provider knows of the organization."""
    return render_to_string("configuration/_button.html", {"connection": connection}, request)


def tab(request: HttpRequest, *, tab: str) -> SafeString:
    """The tab of Settings that lists the organizations at the providers."""
    return render_to_string("configuration/_tab.html", {"tab": tab}, request)
