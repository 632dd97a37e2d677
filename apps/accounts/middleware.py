"""What every page needs to know of its reader, and what htmx needs when the reader must sign in."""

from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from apps.accounts.access import note_seen
from apps.accounts.models import User

GetResponse = Callable[[HttpRequest], HttpResponse]


class ReaderMiddleware:
    """Show every time in the signed-in reader's own zone; remember when the session was last seen."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if isinstance(user, User):
            note_seen(request)
            with timezone.override(user.zone):
                return self.get_response(request)
        return self.get_response(request)


class HtmxSignInMiddleware:
    """Lead the whole page, not a piece of it, to a sign-in that an htmx request met.

    After signing in the reader comes back to the page that was open (``HX-Current-URL``); what was
    posted before a fresh sign-in goes on, so those addresses keep their own ``next``.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        htmx: HtmxDetails | None = getattr(request, "htmx", None)
        if not htmx or response.status_code != 302:
            return response
        target = response["Location"]
        path = urlsplit(target).path
        if path == resolve_url(settings.LOGIN_URL):
            return HttpResponseClientRedirect(_sign_in_again(request, htmx))
        if path.startswith(reverse("account_login").removesuffix("login/")):
            return HttpResponseClientRedirect(target)
        return response


def _sign_in_again(request: HttpRequest, htmx: HtmxDetails) -> str:
    page = htmx.current_url_abs_path or "/"
    if not url_has_allowed_host_and_scheme(page, allowed_hosts={request.get_host()}):
        page = "/"
    return f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': page})}"
