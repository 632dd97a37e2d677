"""Tells the audit log which request a line was written in, and the log where that came from."""

import ipaddress
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from apps.audit.context import Origin, coming_from


class AuditOriginMiddleware:
    """Note source, request id and address for the audit lines of this request.

    Stands after django-structlog's, which names the request.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = structlog.contextvars.get_contextvars().get("request_id", "")
        address = _address(request)
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


def _address(request: HttpRequest) -> str | None:
    claimed = request.META.get("REMOTE_ADDR", "")
    if getattr(settings, "SECURE_PROXY_SSL_HEADER", None):
        # Behind our own proxy only the hop that it added itself is to be believed: the last one.
        claimed = request.META.get("HTTP_X_FORWARDED_FOR", claimed).rsplit(",", 1)[-1]
    try:
        address = ipaddress.ip_address(claimed.strip())
    except ValueError:
        return None  # a unix socket has none
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
