"""Pages that belong to no shelf."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection


def nothing_here(request: HttpRequest, **kwargs: object) -> HttpResponse:
    """404: an address that a library brings and that the portal does not use."""
    raise Http404


@desk_view("organization.read")
@require_safe
def overview(request: DeskRequest) -> HttpResponse:
    """The first page of an organization. What stands on it is drawn by the shelves, into its slots.

    It lives here because it belongs to all of them: none could own it without knowing those above.
    """
    connected = Connection.objects.live().filter(organization=request.organization).exists()
    context = {
        "title": _("Overview"),
        "connected": connected,
        "may_connect": request.may("connections.connect"),
        "may_grant": request.may("grants.change"),
    }
    return render(request, "overview.html", context)
