"""A second factor is demanded of whoever may write."""

from collections.abc import Callable
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from apps.accounts.models import User
from apps.organizations.demand import factor_is_missing_in


class MFADemandMiddleware:
    """Send those who must have a second factor and have none to its set-up page.

    Open to them stay the pages of their own account (``/accounts/``, where the factor is set up),
    the demand itself, and files. The API answers 403.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.open = (
            reverse("account_login").removesuffix("login/"),
            reverse("second_factor"),
            f"/{settings.STATIC_URL.strip('/')}/",
        )

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if not isinstance(user, User) or request.path.startswith(self.open):
            return self.get_response(request)
        if not factor_is_missing_in(request, user):
            return self.get_response(request)
        return self._demand(request)

    def _demand(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/api/"):
            return second_factor_problem()
        here = request.get_full_path() if request.method == "GET" else "/"
        if request.htmx:  # type: ignore[attr-defined]  # django-htmx adds it
            page = request.htmx.current_url_abs_path or "/"  # type: ignore[attr-defined]  # likewise
            return HttpResponseClientRedirect(_page(page))
        return HttpResponseRedirect(_page(here))


def _page(following: str) -> str:
    return f"{reverse('second_factor')}?{urlencode({'next': following})}"


def second_factor_problem() -> JsonResponse:
    """What the API says to those who lack the factor."""
    return JsonResponse(
        {
            "type": "about:blank",
            "title": _("A second factor is missing"),
            "status": 403,
            "detail": _("Your role may change things here: sign in to the portal and set one up."),
        },
        status=403,
        content_type="application/problem+json",
    )
