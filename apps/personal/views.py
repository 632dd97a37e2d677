"""Pages of a person's own account at a provider."""

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from apps.accounts.models import User
from apps.configuration.models import RemoteConfiguration
from apps.configuration.views import say
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.organizations.services import open_personal_desk, personal_desk_of
from apps.personal import services
from apps.personal.forms import AcceptInviteForm, DeleteForm, ProfileForm, RefreshForm
from apps.personal.models import Account
from apps.providers.catalogue import PROVIDERS
from apps.sync.asking import heard, nonce_of
from apps.sync.models import Command
from apps.sync.outbox.kinds import KINDS
from apps.sync.outbox.requests import RequestRefused, busy_targets, why_not
from apps.sync.schedule import freshness

METHODS = ["GET", "HEAD", "POST"]
DOES = (
    "personal.update_profile",
    "personal.accept_terms",
    "personal.accept_invite",
    "personal.set_active",
    "personal.refresh_token",
    "personal.delete_account",
)


# --- The way in ----------------------------------------------------------------------------------


@login_required
@require_http_methods(METHODS)
def own_account(request: HttpRequest) -> HttpResponse:
    """From the profile menu: to one's own desk; to the page that opens it where there is none yet."""
    assert isinstance(request.user, User)  # noqa: S101 - login_required
    if request.method == "POST":
        desk = open_personal_desk(request.user)
        return redirect("organizations:connect", desk.slug)
    desk_there = personal_desk_of(request.user)
    if desk_there:
        return redirect("personal:account", desk_there.slug)
    return render(request, "personal/enter.html", {"title": _("Own Cline account")})


def _visible(request: DeskRequest) -> QuerySet[Connection]:
    found = Connection.objects.visible_to(request.user).live()
    return found.filter(organization=request.organization)


@desk_view("account.read")
@require_GET
def account(request: DeskRequest) -> HttpResponse:
    """The person's accounts; the only one there is, at once."""
    connections = list(_visible(request).order_by("name", "pk"))
    if len(connections) == 1:
        return redirect("personal:detail", request.organization.slug, connections[0].uid)
    rows = Account.objects.filter(connection__in=connections)
    known = {row.connection_id: row for row in rows}
    context = {
        "title": _("Own account"),
        "lines": [(one, known.get(one.pk)) for one in connections],
    }
    return render(request, "personal/list.html", context)


# --- One account ---------------------------------------------------------------------------------


def connection_of(request: DeskRequest, uid: Any) -> Connection:
    """One of the person's connections here; 404 for any other."""
    found = Connection.objects.visible_to(request.user).confirmed()
    mine = found.filter(organization=request.organization).select_related("organization")
    return get_object_or_404(mine, uid=uid)


def present_account(request: DeskRequest, uid: Any) -> Account:
    """The account behind one, as long as it is there; 404 for any other."""
    connection = connection_of(request, uid)
    row = Account.objects.present().filter(connection=connection).first()
    if row is None:
        raise Http404
    row.connection = connection
    return row


@desk_view("account.read")
@require_GET
@never_cache
def detail(request: DeskRequest, uid: Any) -> HttpResponse:
    """Profile, organizations, what applies to the person, and what can be done. Seven queries."""
    connection = connection_of(request, uid)
    row = Account.objects.filter(connection=connection).first()
    settings = RemoteConfiguration.objects.present().filter(connection=connection).first()
    flights = busy_targets([connection.pk], [row.target] if row else [])
    waiting = request.headers.get("HX-Target") == "flights"
    if waiting and row and not flights:
        return HttpResponse(headers={"HX-Refresh": "true"})
    context = {
        "title": str(row or connection),
        "connection": connection,
        "provider": PROVIDERS.get(connection.provider),
        "row": row,
        "settings": settings,
        "flights": list(flights.values()),
        "polls": bool(flights) or (row is None and connection.state == Connection.State.ACTIVE),
        "can": {
            name.partition(".")[2]: not why_not(KINDS[name], connection)
            and bool(row and not row.gone_at)
            for name in DOES
        },
        "freshness": [
            one
            for one in freshness(request.organization, "account", "remote_config")
            if one.connection.pk == connection.pk
        ],
    }
    fragment = "#flights" if waiting else ""
    return render(request, f"personal/account.html{fragment}", context)


# --- Asking --------------------------------------------------------------------------------------


def ask_first(
    request: DeskRequest,
    row: Account,
    form: Form | None,
    ask: Callable[[str], Command],
    template: str,
    *,
    field: str | None = None,
    **more: Any,
) -> HttpResponse:
    """Show what it means; once that is confirmed, ask for the change. A refusal stands beside ``field``."""
    slug, connection = request.organization.slug, row.connection
    context: dict[str, Any] = {
        "connection": connection,
        "provider": PROVIDERS.get(connection.provider),
        "row": row,
        "form": form,
        "nonce": uuid.uuid4().hex,
        "cancel_url": reverse("personal:detail", args=[slug, connection.uid]),
        **more,
    }
    if request.method != "POST":
        return render(request, template, context)
    if form is not None and not form.is_valid():
        return render(request, template, context, status=422)
    try:
        command = heard(ask(nonce_of(request)))
    except RequestRefused as refused:
        if form is not None:
            form.add_error(field, str(refused))
        context |= {"nonce": uuid.uuid4().hex, "refusal": str(refused)}
        return render(request, template, context, status=422)
    say(request, command)
    if KINDS[command.kind].action == "account.token":
        return redirect("sync:command", slug, command.uid)
    return redirect(context["cancel_url"])


@desk_view("account.change")
@require_http_methods(METHODS)
def profile(request: DeskRequest, uid: Any) -> HttpResponse:
    """Change one's name, and whether one takes part in benchmarks."""
    row = present_account(request, uid)
    form = ProfileForm(row, request.POST or None)

    def ask(nonce: str) -> Command:
        return services.update_profile(
            account=row,
            name=form.cleaned_data["name"],
            takes_part_in_benchmarks=form.cleaned_data.get("takes_part_in_benchmarks"),
            actor=request.user,
            nonce=nonce,
        )

    title = _("Change your profile")
    return ask_first(request, row, form, ask, "personal/profile.html", field="name", title=title)


@desk_view("account.change")
@require_http_methods(METHODS)
def terms(request: DeskRequest, uid: Any) -> HttpResponse:
    """Accept the provider's terms of service."""
    row = present_account(request, uid)

    def ask(nonce: str) -> Command:
        return services.accept_terms(account=row, actor=request.user, nonce=nonce)

    title = _("Accept the terms of service")
    return ask_first(request, row, None, ask, "personal/terms.html", title=title)


@desk_view("account.change")
@require_http_methods(METHODS)
@sensitive_post_parameters("token")
@never_cache
def join(request: DeskRequest, uid: Any) -> HttpResponse:
    """Accept an invite to an organization by its link or token."""
    row = present_account(request, uid)
    form = AcceptInviteForm(request.POST or None)

    def ask(nonce: str) -> Command:
        token = form.cleaned_data["token"]
        return services.accept_invite(account=row, token=token, actor=request.user, nonce=nonce)

    title = _("Accept an invite")
    return ask_first(request, row, form, ask, "personal/join.html", field="token", title=title)


@desk_view("account.change")
@require_http_methods(METHODS)
def activate(request: DeskRequest, uid: Any) -> HttpResponse:
    """Have use billed to another account: ``?to=`` is an organization's id, "" the person's own."""
    row = present_account(request, uid)
    to = request.GET.get("to", "")
    place = row.place(to)
    if to and place is None:
        raise Http404

    def ask(nonce: str) -> Command:
        return services.set_active(account=row, organization_id=to, actor=request.user, nonce=nonce)

    more: dict[str, Any] = {"title": _("Switch the active account"), "place": place}
    return ask_first(request, row, None, ask, "personal/activate.html", **more)


@desk_view("account.token", posts_secret=True)
@require_http_methods(METHODS)
@sensitive_post_parameters("token")
@never_cache
def refresh(request: DeskRequest, uid: Any) -> HttpResponse:
    """Get a new account token for a refresh token; it is shown once, on the change's own page."""
    row = present_account(request, uid)
    form = RefreshForm(request.POST or None)

    def ask(nonce: str) -> Command:
        token = form.cleaned_data["token"]
        return services.refresh_token(account=row, token=token, actor=request.user, nonce=nonce)

    title = _("Get a new account token")
    return ask_first(request, row, form, ask, "personal/refresh.html", field="token", title=title)


@desk_view("account.delete")
@require_http_methods(METHODS)
def delete(request: DeskRequest, uid: Any) -> HttpResponse:
    """Delete the account at its provider for good, once its address was typed."""
    row = present_account(request, uid)
    form = DeleteForm(row, request.POST or None)

    def ask(nonce: str) -> Command:
        return services.delete(account=row, actor=request.user, nonce=nonce)

    more: dict[str, Any] = {
        "title": _("Delete your account for good?"),
        "danger": True,
    }
    return ask_first(request, row, form, ask, "personal/delete.html", **more)
