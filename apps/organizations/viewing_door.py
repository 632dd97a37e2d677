"""The door of every request while support looks through somebody's eyes: looking, and nothing else."""

import re
from collections.abc import Callable
from typing import Any

import structlog
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from django.views.defaults import permission_denied
from django_htmx.http import HttpResponseClientRedirect

from apps.accounts.models import User
from apps.organizations.access import closed_to_viewers
from apps.organizations.models import Viewing
from apps.organizations.viewing import KEY, end, why_over

GetResponse = Callable[[HttpRequest], HttpResponse]

SAFE = ("GET", "HEAD", "OPTIONS")
OPEN = ("home",)  # besides what belongs to an organization
# Statements that only look, and what holds a transaction around them.
LOOKS = re.compile(
    r"\s*\(?\s*(SELECT|WITH|VALUES|EXPLAIN|BEGIN|SAVEPOINT|RELEASE|ROLLBACK)\b", re.I
)
WRITES = re.compile(
    r"\b(INSERT\s+INTO|UPDATE\s+(ONLY\s+)?\S+(\s+(AS\s+)?\S+)?\s+SET|DELETE\s+FROM|MERGE\s+INTO)\b",
    re.I,
)


class WouldWrite(PermissionDenied):
    """A page wanted to write into the database while somebody looks through another's eyes."""


class ViewingMiddleware:
    """Show a supporter the pages of the colleague whose eyes they look through.

    The session is the supporter's and stays so: whatever this door does not open is theirs, and closed.
    Stands behind everything that is about whoever really sits there: the note of when a session was
    seen, their time zone, the demand of a second factor.

    Open are the pages and the API of the one organization, by methods that only read; sign out; end it. A
    page that writes all the same is stopped at the database, and a file does not leave.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        pk = request.session.get(KEY) if hasattr(request, "session") else None
        if pk is None:
            return self.get_response(request)
        supporter = request.user
        if not isinstance(supporter, User):
            # Locked out meanwhile; the session that is left is nobody's.
            begun = Viewing.objects.select_related("supporter", "user").filter(pk=pk).first()
            return self._over(request, begun, Viewing.Ending.WITHDRAWN)
        viewing = _viewing(pk, supporter)
        ending = why_over(viewing) if viewing else None
        if viewing is None or ending:
            return self._over(request, viewing, ending)
        request.viewing = viewing  # type: ignore[attr-defined]  # read by the shell, and by its end
        if request.method == "POST" and request.path in (
            reverse("viewing_end"),
            reverse("account_logout"),
        ):
            return self.get_response(request)  # as themselves
        # The log of requests names who really sits there; on the way out it asks the request for that.
        structlog.contextvars.bind_contextvars(viewing=viewing.pk)
        request.user = viewing.user
        try:
            response = self._looked(request)
        finally:
            request.user = supporter
        add_never_cache_headers(response)
        if not getattr(request, "htmx", False) and _is_page(response):
            # When the time is over the page that is left open says so by itself.
            left = (viewing.ends_at - timezone.now()).total_seconds()
            response["Refresh"] = str(max(1, int(left) + 1))
        return response

    def _looked(self, request: HttpRequest) -> HttpResponse:
        if request.method not in SAFE:
            return _refused(request)
        database = connections["default"]
        with database.execute_wrapper(_only_look):
            response = self.get_response(request)
        leaves_as_file = "attachment" in response.get("Content-Disposition", "")
        if getattr(response, "streaming", False) or leaves_as_file:
            return _refused(request)
        return response

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """Close every address that is neither an organization's nor named in ``OPEN``."""
        if getattr(request.user, "viewed_on", None) is None:
            return None
        match = request.resolver_match
        of_organization = hasattr(view, "access") or getattr(
            getattr(view, "cls", None), "of_organization", False
        )
        if of_organization or (match and match.view_name in OPEN):
            return None
        return _refused(request)

    def _over(
        self, request: HttpRequest, viewing: Viewing | None, ending: Viewing.Ending | None
    ) -> HttpResponse:
        """Take the session back to its owner, and say why."""
        del request.session[KEY]
        if viewing and ending:
            end(viewing=viewing, ending=ending)
        if request.path.startswith("/api/"):
            return _problem(_("You are not viewing as somebody else any more."))
        if viewing:
            messages.info(request, over_in_words(viewing))
        back = reverse("admin:index")
        return HttpResponseClientRedirect(back) if request.htmx else HttpResponseRedirect(back)  # type: ignore[attr-defined]  # django-htmx adds it


def over_in_words(viewing: Viewing) -> str:
    """That a viewing is over, and why."""
    ending = Viewing.Ending(viewing.ending) if viewing.ending else Viewing.Ending.ENDED
    return _("You no longer view as %(user)s. %(why)s.") % {
        "user": viewing.user,
        "why": ending.label,
    }


def _viewing(pk: int, supporter: User) -> Viewing | None:
    """The viewing with the copy of its user that pages get."""
    rows = Viewing.objects.select_related("user", "organization")
    viewing = rows.filter(pk=pk, supporter=supporter).first()
    if viewing is not None:
        viewing.supporter = supporter
        viewing.user.viewed_on = viewing.organization_id
    return viewing


def _only_look(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    if not LOOKS.match(str(sql)) or WRITES.search(str(sql)):
        raise WouldWrite(closed_to_viewers())
    return execute(sql, params, many, context)


def _is_page(response: HttpResponse) -> bool:
    return response.status_code == 200 and response.get("Content-Type", "").startswith("text/html")


def _refused(request: HttpRequest) -> HttpResponse:
    if request.path.startswith("/api/"):
        return _problem(closed_to_viewers())
    if getattr(request, "htmx", False):
        return HttpResponse(closed_to_viewers(), status=403, content_type="text/plain")
    response: HttpResponse = permission_denied(request, PermissionDenied(closed_to_viewers()))
    return response


def _problem(detail: str) -> JsonResponse:
    body = {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": detail}
    return JsonResponse(body, status=403, content_type="application/problem+json")
