"""What machines ask of the portal, answered before everything that is meant for people.

A load balancer asks by address, not by a name of ALLOWED_HOSTS, over plain HTTP, every few seconds: the
rest of the middleware would refuse, redirect or log it, and might ask a database that is away.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import path

from portal import health


def metrics(request: HttpRequest) -> HttpResponse:
    """``/metrics``, imported by the first who asks: it reads what only workers do otherwise."""
    from portal.metrics import metrics as figures

    return figures(request)


VIEWS: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "healthz": health.alive,
    "readyz": health.ready,
    "metrics": metrics,
}
# So that the addresses have names; requests do not come this far.
urlpatterns = [path(name, view, name=name) for name, view in VIEWS.items()]


class ProbesMiddleware:
    """Stands first."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = VIEWS.get(request.path_info[1:])
        return view(request) if view else self.get_response(request)
