"""What this shelf draws into a connection's page."""

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS


def button(request: HttpRequest, *, connection: Connection) -> SafeString | str:
    """The way from a connection to the person's account behind it."""
    provider = PROVIDERS.get(connection.provider)
    if provider is None or not provider.is_personal:
        return ""
    return render_to_string("personal/_button.html", {"connection": connection}, request)
