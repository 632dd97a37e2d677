"""Tells the audit log which request a line was written in, and the log where that came from."""

from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from apps.accounts.access import client_address
from apps.audit.context import Origin, coming_from


class AuditOriginMiddleware:
    """Note source, request id and address for the audit lines of this request.

    Stands after django-structlog's, which names the request.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = structlog.contextvars.get_contextvars().get("request_id", "")
        address = client_address(request) or None
        structlog.contextvars.bind_contextvars(ip=address)
        known = Origin(_source(request.path), str(request_id)[:64], address)
        with coming_from(known):
            return self.get_response(request)


def _source(path: str) -> str:
    if path.startswith("/api/"):
        return "api"
    if path.startswith("/scim/"):
        return "directory"
    return "admin" if path.startswith("/admin/") else "web"
