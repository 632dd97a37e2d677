"""What the support desk finds of workspaces, over all organizations in reach."""

from django.utils.translation import gettext_lazy as _

from apps.organizations.finding import Finder, add, by_remote_id
from apps.workspaces.models import Workspace


def register() -> None:
    """Make this shelf's known."""
    add(
        Finder(
            "workspaces",
            _("Workspaces"),
            "workspaces.read",
            lambda text, reach: by_remote_id(Workspace.objects, text, reach),
            lambda row: f"{row.connection.name} · {row.remote_id}",
        )
    )
