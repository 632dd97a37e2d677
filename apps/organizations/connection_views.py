"""Pages of connections: the list, the wizard, one connection and what can be done with it.

The wizard's state is the draft in the database, so that every step has its address and survives a
closed tab. While a worker asks the provider, the page polls ``wizard`` or ``detail``; without
JavaScript a link loads it again.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.forms import Form
from django.http import Http404, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from apps.organizations import connections as services
from apps.organizations.abilities import abilities_of, lost_by
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.connection_forms import (
    ChooseOrganizationForm,
    DisconnectForm,
    NameForm,
    NewKeyForm,
    PasteKeyForm,
)
from apps.organizations.health import LABELS, SERIES, health_of, with_freshness
from apps.organizations.models import Connection
from apps.organizations.services import Refused
from apps.providers.catalogue import PROVIDERS
from apps.providers.protocol import Provider

Probe, State = Connection.Probe, Connection.State
# The listings whose numbers a connection is known by, in reading order.
AT_A_GLANCE = ("members", "account", "invites", "workspaces", "keys")
SLOW_SECONDS = 20  # after that the page says that no worker seems to be running


# --- Finding -------------------------------------------------------------------------------------


def _visible(request: DeskRequest) -> QuerySet[Connection]:
    return Connection.objects.visible_to(request.user).filter(organization=request.organization)


def _standing(request: DeskRequest, uid: UUID) -> Connection:
    """One that is confirmed and not disconnected, with its freshness."""
    found = with_freshness(Connection.objects.live())
    return get_object_or_404(found, uid=uid, organization=request.organization)


def _draft(request: DeskRequest, uid: UUID) -> Connection:
    return get_object_or_404(_visible(request), uid=uid, state=State.DRAFT)


def _known(request: DeskRequest, key: str) -> Provider:
    found = next((one for one in services.offered(request.organization) if one.key == key), None)
    if found is None:
        raise Http404
    return found


def _to(request: DeskRequest, name: str, *args: Any) -> HttpResponseRedirect:
    return redirect(f"organizations:{name}", request.organization.slug, *args)


def _probe_facts(connection: Connection) -> dict[str, Any]:
    """What a page says while a worker asks the provider, and when it has failed."""
    asking = connection.probe in (Probe.WAITING, Probe.RUNNING)
    asked_at = connection.probe_asked_at
    waited = (timezone.now() - asked_at).total_seconds() if asking and asked_at else 0
    return {
        "asking": asking,
        "slow": connection.probe == Probe.WAITING and waited > SLOW_SECONDS,
        "error": connection.probe_result.get("error") if connection.probe == Probe.FAILED else None,
    }


# --- List and detail -----------------------------------------------------------------------------


@desk_view("connections.read")
@require_http_methods(["GET", "HEAD"])
def listing(request: DeskRequest) -> HttpResponse:
    """Every connection with its provider, its condition and how many people it brings."""
    shown = with_freshness(_visible(request).exclude(state=State.DRAFT))  # type: ignore[arg-type]  # a filtered ConnectionQuerySet
    cards = [
        {
            "connection": connection,
            "provider": PROVIDERS.get(connection.provider),
            "health": None if connection.state == State.DISCONNECTED else health_of(connection),
            "resources": [one for one in _listings(connection) if one["name"] in AT_A_GLANCE],
        }
        for connection in shown.prefetch_related("resources")
    ]
    drafts: list[Connection] = []
    if request.may("connections.connect"):
        drafts = list(_visible(request).filter(state=State.DRAFT))
    context = {
        "cards": [card for card in cards if card["health"]],
        "disconnected": [card for card in cards if not card["health"]],
        "drafts": drafts,
        "may_connect": request.may("connections.connect"),
    }
    return render(request, "organizations/connections/list.html", context)


def _listings(connection: Connection) -> list[dict[str, Any]]:
    """What is mirrored row by row, first what a card shows; what grows with time has no number of rows."""
    found = [
        {
            "name": one.name,
            "label": str(LABELS.get(one.name, one.name)),
            "rows": one.rows if one.completed_at else None,
        }
        for one in connection.resources.all()
        if one.name not in SERIES
    ]
    return sorted(found, key=_reading_order)


def _reading_order(listing: dict[str, Any]) -> tuple[int, str]:
    known = listing["name"] in AT_A_GLANCE
    return AT_A_GLANCE.index(listing["name"]) if known else len(AT_A_GLANCE), listing["label"]


@desk_view("connections.read")
@require_http_methods(["GET", "HEAD"])
@never_cache
def detail(request: DeskRequest, uid: UUID) -> HttpResponse:
    """One connection: condition, what it can do, its key (never shown), and what can be done."""
    shown = with_freshness(_visible(request).exclude(state=State.DRAFT))  # type: ignore[arg-type]  # a filtered ConnectionQuerySet
    connection = get_object_or_404(shown.select_related("created_by"), uid=uid)
    context = {
        "connection": connection,
        "provider": PROVIDERS.get(connection.provider),
        "health": None if connection.state == State.DISCONNECTED else health_of(connection),
        "resources": _listings(connection),
        "abilities": abilities_of(connection),
        "lost": lost_by(connection),
        "rotating": bool(connection.next_credential),
        "may": {
            name: request.may(f"connections.{name}") for name in ("change", "rotate", "disconnect")
        },
        **_probe_facts(connection),
    }
    template = "organizations/connections/detail.html"
    return render(request, f"{template}#probe" if request.htmx else template, context)  # type: ignore[attr-defined]  # set by HtmxMiddleware


# --- Wizard --------------------------------------------------------------------------------------


@desk_view("connections.connect")
@require_http_methods(["GET", "HEAD"])
def pick(request: DeskRequest) -> HttpResponse:
    """First step: which provider."""
    return render(
        request,
        "organizations/connections/pick.html",
        {"providers": services.offered(request.organization)},
    )


@desk_view("connections.connect", posts_secret=True)
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters()
@never_cache
def paste(request: DeskRequest, provider: str) -> HttpResponse:
    """Second step: the key."""
    known = _known(request, provider)
    form = PasteKeyForm(request.POST or None, provider=known)
    draft = _accepted(
        form,
        lambda: services.begin(
            organization=request.organization,
            actor=request.user,
            provider=known.key,
            base_url=form.base_url,
            credential=form.credential,
        ),
    )
    if draft:
        return _to(request, "connect_wizard", draft.uid)
    return _paste_page(request, form, known)


def _accepted(form: Form, act: Callable[[], Connection]) -> Connection | None:
    """Do it if what was sent is valid. A refusal is an error of the form."""
    if not form.is_valid():  # a form that was not sent is not valid either
        return None
    try:
        return act()
    except Refused as refused:
        form.add_error(None, str(refused))
        return None


def _paste_page(
    request: DeskRequest, form: PasteKeyForm, known: Provider, draft: Connection | None = None
) -> HttpResponse:
    status = 422 if form.is_bound else 200
    context = {"form": form, "provider": known, "draft": draft}
    return render(request, "organizations/connections/paste.html", context, status=status)


@desk_view("connections.connect", posts_secret=True)
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters()
@never_cache
def paste_again(request: DeskRequest, uid: UUID) -> HttpResponse:
    """Second step once more: the provider refused the first key."""
    draft = _draft(request, uid)
    known = _known(request, draft.provider)
    form = PasteKeyForm(request.POST or None, provider=known, initial={"base_url": draft.base_url})
    if _accepted(
        form,
        lambda: services.paste_again(
            connection=draft,
            actor=request.user,
            base_url=form.base_url,
            credential=form.credential,
        ),
    ):
        return _to(request, "connect_wizard", draft.uid)
    return _paste_page(request, form, known, draft)


@desk_view("connections.change", changes="connections.connect")
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def wizard(request: DeskRequest, uid: UUID) -> HttpResponse:
    """Third step: waiting for the provider, then what was found; confirming makes it active."""
    draft = get_object_or_404(_visible(request), uid=uid)
    if draft.state != State.DRAFT:
        return _away(request, draft)
    form = _name_form(request, draft)
    if _accepted(
        form,
        lambda: services.connect(
            connection=draft,
            actor=request.user,
            name=form.cleaned_data["name"],
            seen=request.POST.get("seen"),
        ),
    ):
        return _after_connecting(request, draft)
    return _wizard_page(request, draft, name_form=form)


def _name_form(request: DeskRequest, connection: Connection, *, asked: bool = True) -> NameForm:
    return NameForm(
        (request.POST or None) if asked else None,
        initial={"name": connection.name},
        personal=request.organization.is_personal,
    )


def _away(request: DeskRequest, connection: Connection) -> HttpResponse:
    """The draft has become a connection in another tab."""
    answer = _to(request, "connection", connection.uid)
    if request.htmx:  # type: ignore[attr-defined]  # set by HtmxMiddleware
        return HttpResponse(headers={"HX-Redirect": answer.url})
    return answer


def _after_connecting(request: DeskRequest, connection: Connection) -> HttpResponse:
    """On to the progress of the first sync, a page of the shelf above."""
    messages.success(request, _("Connected. The first sync has begun."))
    try:
        return redirect("sync:progress", request.organization.slug, connection.uid)
    except NoReverseMatch:
        return _to(request, "connection", connection.uid)


def _wizard_page(
    request: DeskRequest,
    draft: Connection,
    name_form: NameForm | None = None,
    choose_form: ChooseOrganizationForm | None = None,
) -> HttpResponse:
    provider = PROVIDERS.get(draft.provider)
    several = len(draft.probe_result.get("organizations", [])) > 1
    facts = _probe_facts(draft)
    form = choose_form or ChooseOrganizationForm(connection=draft)
    bound = form.is_bound or bool(name_form and name_form.is_bound)
    chosen = bool(draft.remote_organization_id)
    context = {
        "connection": draft,
        "provider": provider,
        "abilities": abilities_of(draft),
        "readable": draft.can(provider.needs) if provider else False,
        "several": several,
        "chosen": chosen,
        "refusal": _unshown(name_form, choose_form, chosen=chosen, settled=not any(facts.values())),
        "choose_form": form if several else None,
        "name_form": name_form or _name_form(request, draft, asked=False),
        **facts,
    }
    template = "organizations/connections/wizard.html"
    partial = request.htmx and not bound  # type: ignore[attr-defined]  # set by HtmxMiddleware
    name = f"{template}#state" if partial else template
    return render(request, name, context, status=422 if bound else 200)


def _unshown(
    name_form: NameForm | None,
    choose_form: ChooseOrganizationForm | None,
    *,
    chosen: bool,
    settled: bool,
) -> str:
    """Why what was sent was refused, where the page no longer draws the form that would say so."""
    if choose_form and choose_form.is_bound and not settled:
        return _("Another key was pasted meanwhile. Look first at what is found with it.")
    if name_form and name_form.is_bound and not (chosen and settled):
        return " ".join(str(why) for why in name_form.non_field_errors())
    return ""


@desk_view("connections.connect")
@require_POST
def choose(request: DeskRequest, uid: UUID) -> HttpResponse:
    """Third step, where a key reaches several organizations: which one."""
    draft = _draft(request, uid)
    form = ChooseOrganizationForm(request.POST, connection=draft)
    if _accepted(
        form,
        lambda: services.choose_organization(
            connection=draft,
            actor=request.user,
            remote_organization_id=form.cleaned_data["remote_organization_id"],
        ),
    ):
        return _to(request, "connect_wizard", draft.uid)
    return _wizard_page(request, draft, choose_form=form)


@desk_view("connections.connect")
@require_POST
def discard(request: DeskRequest, uid: UUID) -> HttpResponse:
    """Leave the wizard; the draft and its key go."""
    _try(request, lambda: services.discard(connection=_draft(request, uid), actor=request.user))
    return _to(request, "connections")


# --- What can be done with one -------------------------------------------------------------------


def _try(request: DeskRequest, act: Callable[[], Any], done: str = "") -> None:
    """Do it; say that it was done, or why not."""
    try:
        act()
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        if done:
            messages.success(request, done)


@desk_view("connections.change")
@require_POST
def ask_again(request: DeskRequest, uid: UUID) -> HttpResponse:
    """Probe once more with the key that is there."""
    connection = get_object_or_404(_visible(request), uid=uid)
    _try(request, lambda: services.ask_again(connection=connection, actor=request.user))
    page = "connect_wizard" if connection.state == State.DRAFT else "connection"
    return _to(request, page, uid)


@desk_view("connections.change")
@require_http_methods(["GET", "HEAD", "POST"])
def rename(request: DeskRequest, uid: UUID) -> HttpResponse:
    """Give it another name."""
    connection = _standing(request, uid)
    form = _name_form(request, connection)
    if _accepted(
        form,
        lambda: services.rename(
            connection=connection, actor=request.user, name=form.cleaned_data["name"]
        ),
    ):
        messages.success(request, _("Renamed."))
        return _to(request, "connection", uid)
    return _form_page(request, "rename", connection, form)


@desk_view("connections.rotate", posts_secret=True)
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters()
@never_cache
def rotate(request: DeskRequest, uid: UUID) -> HttpResponse:
    """Replace the key: the new one is tried first."""
    connection = _standing(request, uid)
    form = NewKeyForm(request.POST or None, provider=_known(request, connection.provider))
    if _accepted(
        form,
        lambda: services.rotate(
            connection=connection, actor=request.user, credential=form.credential
        ),
    ):
        return _to(request, "connection", uid)
    return _form_page(request, "rotate", connection, form)


def _act(
    permission: str, service: Callable[..., Connection], done: Promise
) -> Callable[..., HttpResponseBase]:
    """A view that does one thing with a standing connection, says so, and shows it again."""

    @desk_view(permission)
    @require_POST
    def view(request: DeskRequest, uid: UUID) -> HttpResponse:
        connection = _standing(request, uid)
        _try(request, lambda: service(connection=connection, actor=request.user), str(done))
        return _to(request, "connection", uid)

    return view


drop_new_key = _act(
    "connections.rotate", services.drop_new_key, gettext_lazy("The key in use stays.")
)
pause = _act(
    "connections.pause",
    services.pause,
    gettext_lazy("Paused. Nothing is synced or sent until you resume it."),
)
resume = _act("connections.pause", services.resume, gettext_lazy("Resumed. A sync has begun."))


@desk_view("connections.disconnect")
@require_http_methods(["GET", "HEAD", "POST"])
def disconnect(request: DeskRequest, uid: UUID) -> HttpResponse:
    """Say what stays and what goes, and disconnect once the name was typed."""
    connection = _standing(request, uid)
    form = DisconnectForm(request.POST or None, name=connection.name)
    if _accepted(form, lambda: services.disconnect(connection=connection, actor=request.user)):
        messages.success(request, _("Disconnected. The key was wiped."))
        return _to(request, "connections")
    return _form_page(request, "disconnect", connection, form)


def _form_page(request: DeskRequest, name: str, connection: Connection, form: Any) -> HttpResponse:
    context = {
        "connection": connection,
        "provider": PROVIDERS.get(connection.provider),
        "form": form,
        "danger": name == "disconnect",
        "cancel_url": reverse(
            "organizations:connection", args=[request.organization.slug, connection.uid]
        ),
    }
    status = 422 if form.is_bound else 200
    return render(request, f"organizations/connections/{name}.html", context, status=status)
