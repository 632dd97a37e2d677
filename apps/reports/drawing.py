"""What this shelf draws into pages that can be sent, and into the form of a saved view."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apps.organizations.policy import role_may
from apps.reports.lists import ReportList
from apps.reports.models import Schedule
from apps.ui.icons import icon
from apps.ui.models import SavedView


def send_regularly(
    request: HttpRequest,
    *,
    path: str,
    kept_as: str,
    query: str,
    view: SavedView | None,
    called: str = "",
    **_more: Any,
) -> SafeString | str:
    """The way from a page to having it sent, for whoever may; it takes the filters along."""
    if kept_as == ReportList.name or not role_may(getattr(request, "role", None), "reports.own"):
        return ""  # a report of what is reported says nothing of the organization
    slug = request.organization.slug  # type: ignore[attr-defined]  # set by desk_view
    asked = {"page": f"{path}?{query}" if query else path, "list": kept_as}
    if view is not None:
        asked["view"] = str(view.pk)
    elif called:
        asked["name"] = called
    url = f"{reverse('reports:new', kwargs={'slug': slug})}?{urlencode(asked)}"
    return format_html(
        '<a class="btn btn-sm btn-ghost" href="{}">{} {}</a>',
        url,
        icon("send"),
        _("Send regularly"),
    )


def sent_by(request: HttpRequest, *, view: SavedView) -> SafeString | str:
    """Which reports send a view: they stop when it is deleted."""
    found = list(Schedule.objects.filter(view=view))
    if not found:
        return ""
    return render_to_string("reports/_sent_by.html", {"schedules": found}, request)
