"""The page of rate limits."""

from django.http import HttpResponseBase
from django.views.decorators.http import require_http_methods

from apps.organizations.access import DeskRequest, desk_view
from apps.workspaces.limit_lists import LimitList


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("limits.read")
def limits(request: DeskRequest) -> HttpResponseBase:
    """The list; a POST keeps, changes or deletes a saved view of it."""
    return LimitList.respond(request)
