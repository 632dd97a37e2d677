"""What this shelf draws into a connection's page and into Settings."""

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from apps.organizations.models import Connection
from apps.sync.models import Command, CommandState


def button(request: HttpRequest, *, connection: Connection) -> SafeString:
    """The way from a connection to what its provider knows of the organization."""
    return render_to_string("configuration/_button.html", {"connection": connection}, request)


def tab(request: HttpRequest, *, tab: str) -> SafeString:
    """The tab of Settings that lists the organizations at the providers."""
    return render_to_string("configuration/_tab.html", {"tab": tab}, request)


def next_step(request: HttpRequest, *, command: Command) -> SafeString | str:
    """Slot "sync:command": an organization that was just opened can be connected at once."""
    opened = (
        command.kind == "configuration.create_organization"
        and command.state == CommandState.SUCCEEDED
        and command.remote_id
    )
    if not opened:
        return ""
    there = {
        "provider": command.connection.provider,
        "base_url": command.connection.base_url,
        "remote_organization_id": command.remote_id,
    }
    live = Connection.objects.visible_to(request.user).live()
    context = {
        "command": command,
        "known": live.filter(organization=command.organization_id, **there).first(),
        "may_connect": request.may("connections.connect"),  # type: ignore[attr-defined]  # set by desk_view
        "organization": request.organization,  # type: ignore[attr-defined]  # likewise
    }
    return render_to_string("configuration/_connect_new.html", context, request)
