"""API tokens: one's own, and those of the organization."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from apps.organizations import token_services
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.demand import factor_is_missing
from apps.organizations.forms import TokenForm, TokenNameForm
from apps.organizations.models import ApiToken

METHODS = ["GET", "HEAD", "POST"]


def _mine(request: DeskRequest) -> QuerySet[ApiToken]:
    return _those(request).filter(user=request.user, kind=ApiToken.Kind.PERSONAL)


def _services(request: DeskRequest) -> QuerySet[ApiToken]:
    return _those(request).filter(kind=ApiToken.Kind.SERVICE)


def _those(request: DeskRequest) -> QuerySet[ApiToken]:
    found: QuerySet[ApiToken] = ApiToken.objects.select_related("user")
    return found.filter(organization=request.organization)


@desk_view("tokens.own", changes="tokens.create")
@require_http_methods(METHODS)
def tokens(request: DeskRequest) -> HttpResponse:
    """One's own tokens; a new one is shown once, in the answer that made it and nowhere else."""
    return _listed(request, _mine(request), service=False)


@desk_view("tokens.service", changes="tokens.make_service")
@require_http_methods(METHODS)
def service_tokens(request: DeskRequest) -> HttpResponse:
    """The organization's tokens, whoever made them; a new one is shown once, likewise."""
    return _listed(request, _services(request), service=True)


def _listed(request: DeskRequest, found: QuerySet[ApiToken], *, service: bool) -> HttpResponse:
    form = TokenForm(request.POST or None, held=request.role, service=service)
    shown: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        token, secret = token_services.create_token(
            organization=request.organization, user=request.user, **form.wanted()
        )
        shown = {"secret": secret, "new": token}
        form = TokenForm(held=request.role, service=service)
    context = {
        "form": form,
        "tokens": found,
        "service": service,
        "sees_service": request.may("tokens.service"),
        "factor_missing": factor_is_missing(request.user),
        "now": timezone.now(),
        **shown,
    }
    response = render(request, "organizations/tokens.html", context)
    response["Cache-Control"] = "no-store"
    return response


@desk_view("tokens.own")
@require_http_methods(METHODS)
def token_end(request: DeskRequest, key: str) -> HttpResponse:
    """End one of one's own tokens, after asking."""
    return _end(request, get_object_or_404(_mine(request), token_key=key))


@desk_view("tokens.end_service")
@require_http_methods(METHODS)
def service_token_end(request: DeskRequest, key: str) -> HttpResponse:
    """End a token of the organization, after asking."""
    return _end(request, get_object_or_404(_services(request), token_key=key))


def _end(request: DeskRequest, token: ApiToken) -> HttpResponse:
    if request.method == "POST":
        token_services.revoke_token(token=token, actor=request.user)
        messages.success(request, _("“%(name)s” no longer works.") % {"name": token.name})
        return redirect(_list_of(request, token))
    context = {"token": token, "danger": True, "cancel_url": _list_of(request, token)}
    return render(request, "organizations/token_end.html", context)


@desk_view("tokens.own")
@require_http_methods(METHODS)
def end_all(request: DeskRequest) -> HttpResponse:
    """End all of one's own tokens here, after asking."""
    here = reverse("organizations:tokens", kwargs={"slug": request.organization.slug})
    if request.method == "POST":
        ended = token_services.revoke_all(organization=request.organization, actor=request.user)
        said = ngettext("%(n)d token has ended.", "%(n)d tokens have ended.", ended)
        messages.success(request, said % {"n": ended})
        return redirect(here)
    context = {"tokens": _mine(request), "danger": True, "cancel_url": here}
    return render(request, "organizations/token_end.html", context)


@desk_view("tokens.own")
@require_http_methods(METHODS)
def token_rename(request: DeskRequest, key: str) -> HttpResponse:
    """Call one of one's own tokens something else."""
    return _rename(request, get_object_or_404(_mine(request), token_key=key))


@desk_view("tokens.end_service")
@require_http_methods(METHODS)
def service_token_rename(request: DeskRequest, key: str) -> HttpResponse:
    """Call a token of the organization something else."""
    return _rename(request, get_object_or_404(_services(request), token_key=key))


def _rename(request: DeskRequest, token: ApiToken) -> HttpResponse:
    form = TokenNameForm(request.POST or None, initial={"name": token.name})
    if request.method == "POST" and form.is_valid():
        token_services.rename_token(token=token, actor=request.user, **form.cleaned_data)
        return redirect(_list_of(request, token))
    context = {"token": token, "form": form, "cancel_url": _list_of(request, token)}
    return render(request, "organizations/token_rename.html", context)


def _list_of(request: DeskRequest, token: ApiToken) -> str:
    name = "organizations:service_tokens" if token.is_service else "organizations:tokens"
    return reverse(name, kwargs={"slug": request.organization.slug})
