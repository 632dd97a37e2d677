"""What rate limits draw into a workspace's page."""

from collections.abc import Sequence

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from apps.workspaces.limits import LIMITS, group_in_words, in_words
from apps.workspaces.lists import Figure, by_workspace
from apps.workspaces.models import RateLimit, Workspace


def of_workspace(request: HttpRequest, *, workspace: Workspace) -> SafeString | str:
    """What a workspace has instead of its organization's limits; "" where nothing is told of them."""
    if not workspace.is_live or not workspace.connection.can(LIMITS.capability):
        return ""
    rows = RateLimit.objects.present().filter(
        connection=workspace.connection_id, workspace_remote_id=str(workspace.remote_id)
    )
    organization = request.organization  # type: ignore[attr-defined]  # set by desk_view
    url = reverse("limits:list", kwargs={"slug": organization.slug})
    given = {
        "lines": [
            {
                "group": row.model_names or group_in_words(row.group),
                "kind": in_words(row.kind),
                "value": f"{row.value:,}",
                "organization": None
                if row.organization_value is None
                else f"{row.organization_value:,}",
            }
            for row in rows.defer("raw").order_by("label", "pk")
        ],
        "url": f"{url}?workspace={workspace.pk}",
    }
    return render_to_string("workspaces/_limits.html", given, request)


def overrides_of(workspaces: Sequence[Workspace]) -> dict[int, int]:
    """How many limits of its own each has, where limits are told at all. One query."""
    rows = RateLimit.objects.present().filter(
        connection__in={one.connection_id for one in workspaces}
    )
    return by_workspace(workspaces, rows, "workspace_remote_id")


OVERRIDES = Figure(key="overrides", label=_("Own limits"), of=overrides_of)
