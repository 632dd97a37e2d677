"""Pages that belong to no shelf."""

from http import HTTPStatus

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from django.views.defaults import page_not_found

from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from portal.request_ids import id_of


def nothing_here(request: HttpRequest, **kwargs: object) -> HttpResponse:
    """404: an address that a library brings and that the portal does not use."""
    raise Http404


def absent(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """404: at no address."""
    if _is_api(request):
        return _problem(
            request, 404, _("There is nothing here. See /api/v1/docs/ for what there is.")
        )
    return page_not_found(request, exception)


def unusable(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """400: what no page ever sends."""
    if _is_api(request):
        return _problem(request, 400, _("This request cannot be used."))
    return _without_asking(request, "400.html", 400)


def _without_asking(request: HttpRequest, template: str, status: int) -> HttpResponse:
    """A page of its words and the request's id: no context processors, so nothing of the database."""
    return HttpResponse(render_to_string(template, {"request_id": id_of(request)}), status=status)


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _problem(request: HttpRequest, status: int, detail: str) -> HttpResponse:
    """As the API's own errors, without REST framework."""
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": id_of(request),
    }
    return JsonResponse(problem, status=status, content_type="application/problem+json")


def broken(request: HttpRequest) -> HttpResponse:
    """500: an error of our own, with the id by which the log knows it. Asks nothing of the database."""
    if _is_api(request):
        return _problem(request, 500, "The portal met an error of its own.")
    return _without_asking(request, "500.html", 500)


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
