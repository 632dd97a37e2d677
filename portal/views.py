"""Pages that belong to no shelf."""

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from portal.request_ids import id_of


def nothing_here(request: HttpRequest, **kwargs: object) -> HttpResponse:
    """404: an address that a library brings and that the portal does not use."""
    raise Http404


def broken(request: HttpRequest) -> HttpResponse:
    """500: an error of our own, with the id by which the log knows it. Asks nothing of the database."""
    if request.path.startswith("/api/"):
        problem = {
            "type": "about:blank",
            "title": "Internal Server Error",
            "status": 500,
            "detail": "The portal met an error of its own.",
            "request_id": id_of(request),
        }
        return JsonResponse(problem, status=500, content_type="application/problem+json")
    return HttpResponse(render_to_string("500.html", {"request_id": id_of(request)}), status=500)


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
