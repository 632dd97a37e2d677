"""One id for each request: on its log lines and audit lines, in its answer, and on its error page.

A proxy that is believed about HTTPS is believed about the id as well, where it is one.
"""

import re
import uuid
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")  # as long as the audit log keeps
HEADER, IN_META = "X-Request-ID", "HTTP_X_REQUEST_ID"


def id_of(request: HttpRequest) -> str:
    """The request's id; "" where none was given yet."""
    return str(getattr(request, "request_id", ""))


class RequestIdMiddleware:
    """Stands before django-structlog's, which takes the id from the request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        claimed = request.META.get(IN_META, "")
        believed = settings.SECURE_PROXY_SSL_HEADER is not None and ID.fullmatch(claimed)
        known = claimed if believed else uuid.uuid4().hex
        request.META[IN_META] = known
        request.request_id = known  # type: ignore[attr-defined]  # read by id_of alone
        response = self.get_response(request)
        response[HEADER] = known
        return response
