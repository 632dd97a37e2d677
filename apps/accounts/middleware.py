"""What every page needs to know of its reader, and what is needed when the reader must sign in."""

from collections.abc import Callable
from urllib.parse import urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy
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


class SignInMiddleware:
    """Lead those whose session has ended to a sign-in from which they come back to the page that was open.

    htmx gets the whole page led there, not a piece of it. What was posted is lost, which the sign-in says;
    its own address may be none that can be opened. What was posted before a fresh sign-in goes on, so
    those addresses keep their own ``next``.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code != 302:
            return response
        htmx: HtmxDetails | None = getattr(request, "htmx", None)
        target = response["Location"]
        address = urlsplit(target)
        if address.path == resolve_url(settings.LOGIN_URL):
            # Without a "next" it is where signing out leads.
            lost = request.method == "POST" and "next=" in address.query
            if lost:
                messages.warning(request, _LOST)
            page = _open_page(request, htmx)
            return _sign_in_again(request, htmx, page) if htmx or (lost and page) else response
        if htmx and address.path.startswith(reverse("account_login").removesuffix("login/")):
            return HttpResponseClientRedirect(target)
        return response


_LOST = gettext_lazy(
    "You were signed out meanwhile: what you sent was not kept, and nothing was changed. Sign in and "
    "send it once more."
)


def _open_page(request: HttpRequest, htmx: HtmxDetails | None) -> str:
    """The page that the reader sees; "" where the browser does not say it."""
    if htmx:
        return htmx.current_url_abs_path or ""
    page = urlsplit(request.headers.get("Referer", ""))
    if page.netloc != request.get_host():
        return ""
    return urlunsplit(("", "", page.path, page.query, ""))


def _sign_in_again(request: HttpRequest, htmx: HtmxDetails | None, page: str) -> HttpResponse:
    if not url_has_allowed_host_and_scheme(page, allowed_hosts={request.get_host()}):
        page = "/"
    target = f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': page})}"
    return HttpResponseClientRedirect(target) if htmx else HttpResponseRedirect(target)
