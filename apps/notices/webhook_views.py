"""Pages of webhooks and of the log of deliveries."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.notices import endpoints
from apps.notices.forms import EndpointForm
from apps.notices.lists import DeliveryList, delivery_state
from apps.notices.models import Delivery, Endpoint
from apps.notices.topics import TOPICS
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.sealing import Secret
from apps.organizations.services import Refused

LATELY = 20


@require_safe
@desk_view("notices.deliveries")
def webhooks(request: DeskRequest) -> HttpResponse:
    """The organization's webhooks."""
    mine = Endpoint.objects.visible_to(request.user).filter(organization=request.organization)
    failed = Delivery.objects.filter(organization=request.organization, state="failed")
    context = {
        "title": _("Webhooks"),
        "endpoints": [(one, _topic_words(one)) for one in mine],
        "failed": failed.count(),
    }
    return render(request, "notices/webhooks.html", context)


def _topic_words(endpoint: Endpoint) -> str:
    if not endpoint.topics:
        return _("Every notice")
    return ", ".join(str(TOPICS[one].label) for one in endpoint.topics if one in TOPICS)


def _endpoint(request: DeskRequest, pk: int) -> Endpoint:
    mine = Endpoint.objects.visible_to(request.user).filter(organization=request.organization)
    return get_object_or_404(mine.select_related("organization"), pk=pk)


def _while_there(
    view: Callable[[DeskRequest, int], HttpResponse],
) -> Callable[[DeskRequest, int], HttpResponse]:
    """Say on the list that a webhook was deleted in another tab meanwhile."""

    @wraps(view)
    def tried(request: DeskRequest, pk: int) -> HttpResponse:
        try:
            return view(request, pk)
        except Refused as refused:
            messages.warning(request, str(refused))
            return redirect("notices:webhooks", slug=request.organization.slug)

    return tried


def _form(request: DeskRequest, endpoint: Endpoint | None = None) -> EndpointForm:
    initial: dict[str, Any] = {}
    if endpoint is not None:
        initial = {name: getattr(endpoint, name) for name in ("name", "speaks", "url", "topics")}
    return EndpointForm(
        request.POST if request.method == "POST" else None,
        initial=initial,
        organization=request.organization,
        role=request.role,
        pk=endpoint.pk if endpoint else 0,
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("notices.webhooks")
def new(request: DeskRequest) -> HttpResponse:
    """Set a webhook up; the answer shows its secret, and nothing shows it again."""
    form = _form(request)
    if request.method == "POST" and form.is_valid():
        try:
            endpoint, secret = endpoints.create_endpoint(
                organization=request.organization, actor=request.user, **form.cleaned_data
            )
        except endpoints.NameTaken as taken:
            form.add_error(taken.field, str(taken))
        else:
            if endpoint.is_signed:
                return _shown(request, endpoint, secret)
            messages.success(request, _("It is set up. Send a test to see whether it arrives."))
            return redirect("notices:webhook", slug=request.organization.slug, pk=endpoint.pk)
    context = {
        "title": _("New webhook"),
        "form": form,
        "is_new": True,
        "submit": _("Set it up"),
        "cancel_url": reverse("notices:webhooks", kwargs={"slug": request.organization.slug}),
    }
    return render(request, "notices/webhook_form.html", context)


def _shown(request: DeskRequest, endpoint: Endpoint, secret: Secret) -> HttpResponse:
    context = {
        "title": endpoint.name,
        "endpoint": endpoint,
        "secret": secret.reveal(),
    }
    response = render(request, "notices/webhook_secret.html", context)
    response["Cache-Control"] = "no-store"
    return response


@require_safe
@desk_view("notices.deliveries")
def webhook(request: DeskRequest, pk: int) -> HttpResponse:
    """One webhook, and what was sent there lately; polled while something is on its way."""
    endpoint = _endpoint(request, pk)
    lately = list(endpoint.deliveries.select_related("endpoint", "user")[:LATELY])
    context = {
        "title": endpoint.name,
        "endpoint": endpoint,
        "topics": _topic_words(endpoint),
        "lately": [(one, delivery_state(one)) for one in lately],
        "under_way": any(one.is_under_way for one in lately),
        "may_change": request.may("notices.webhooks"),
    }
    fragment = "#log" if request.headers.get("HX-Target") == "log" else ""
    return render(request, f"notices/webhook.html{fragment}", context)


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("notices.webhooks")
@_while_there
def change(request: DeskRequest, pk: int) -> HttpResponse:
    """Another name, address or choice of topics."""
    endpoint = _endpoint(request, pk)
    form = _form(request, endpoint)
    page = reverse("notices:webhook", kwargs={"slug": request.organization.slug, "pk": pk})
    if request.method == "POST" and form.is_valid():
        was_signed = endpoint.is_signed
        try:
            endpoint = endpoints.change_endpoint(
                endpoint=endpoint, actor=request.user, **form.cleaned_data
            )
        except endpoints.NameTaken as taken:
            form.add_error(taken.field, str(taken))
        else:
            if endpoint.is_signed and not was_signed:
                messages.info(
                    request, _("What is sent there is signed now. Replace its secret to see it.")
                )
            return redirect(page)
    context = {
        "title": _("Change this webhook"),
        "form": form,
        "submit": _("Save"),
        "cancel_url": page,
    }
    return render(request, "notices/webhook_form.html", context)


def _asking(request: DeskRequest, endpoint: Endpoint, **words: Any) -> HttpResponse:
    page = reverse("notices:webhook", kwargs={"slug": request.organization.slug, "pk": endpoint.pk})
    return render(request, "notices/webhook_confirm.html", {"cancel_url": page} | words)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("notices.webhooks")
@_while_there
def renew_secret(request: DeskRequest, pk: int) -> HttpResponse:
    """Ask, then replace the secret and show the new one, once."""
    endpoint = _endpoint(request, pk)
    if request.method == "POST":
        secret = endpoints.renew_secret(endpoint=endpoint, actor=request.user)
        return _shown(request, endpoint, secret)
    return _asking(
        request,
        endpoint,
        title=_("Give it a new secret?"),
        question=_(
            "Everything that is sent from then on is signed with the new one. Until the receiver "
            "knows it, it will refuse what it gets; that is tried again for some 15 hours."
        ),
        submit=_("Make a new secret"),
    )


@require_POST
@desk_view("notices.webhooks")
@_while_there
def pause(request: DeskRequest, pk: int) -> HttpResponse:
    """Send nothing there for the time being, or send again."""
    endpoint = _endpoint(request, pk)
    paused = request.POST.get("paused") == "1"  # as the button said: the page may be an old one
    endpoints.pause_endpoint(endpoint=endpoint, actor=request.user, paused=paused)
    messages.success(
        request,
        _("Paused: nothing is sent there, and nothing new is kept for it.")
        if paused
        else _("It goes on: what waited is sent now."),
    )
    return redirect("notices:webhook", slug=request.organization.slug, pk=pk)


@require_POST
@desk_view("notices.send_again")
@_while_there
def test(request: DeskRequest, pk: int) -> HttpResponse:
    """Send a test there; the log on the page shows what comes of it."""
    endpoint = _endpoint(request, pk)
    if endpoint.paused_at:
        messages.error(request, _("It is paused. Let it go on first."))
    else:
        endpoints.try_endpoint(endpoint=endpoint, actor=request.user)
        messages.info(request, _("A test is on its way. The log below shows what comes of it."))
    return redirect("notices:webhook", slug=request.organization.slug, pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("notices.webhooks")
@_while_there
def delete(request: DeskRequest, pk: int) -> HttpResponse:
    """Ask, then end a webhook."""
    endpoint = _endpoint(request, pk)
    if request.method == "POST":
        endpoints.delete_endpoint(endpoint=endpoint, actor=request.user)
        messages.success(request, _("“%(name)s” is deleted.") % {"name": endpoint.name})
        return redirect("notices:webhooks", slug=request.organization.slug)
    return _asking(
        request,
        endpoint,
        title=_("Delete the webhook “%(name)s”?") % {"name": endpoint.name},
        question=_(
            "Nothing is sent to %(url)s any more, and the log of what was sent there goes with it."
        )
        % {"url": endpoint.url},
        submit=_("Delete it"),
        danger=True,
    )


# --- The log --------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("notices.deliveries")
def deliveries(request: DeskRequest) -> HttpResponseBase:
    """Everything that was sent; a POST keeps, changes or deletes a saved view of it."""
    return DeliveryList.respond(request)


def _delivery(request: DeskRequest, pk: int) -> Delivery:
    mine = Delivery.objects.visible_to(request.user).filter(organization=request.organization)
    return get_object_or_404(mine.select_related("organization", "user", "endpoint"), pk=pk)


@require_safe
@desk_view("notices.deliveries")
def delivery(request: DeskRequest, pk: int) -> HttpResponse:
    """One delivery with each of its attempts."""
    row = _delivery(request, pk)
    context = {
        "title": row.label or _("Delivery"),
        "delivery": row,
        "state": delivery_state(row),
        "tries": list(row.tries.all()),
        "may_send_again": request.may("notices.send_again") and row.state == row.State.FAILED,
    }
    return render(request, "notices/delivery.html", context)


@require_POST
@desk_view("notices.send_again")
def send_again(request: DeskRequest, pk: int) -> HttpResponse:
    """Have a delivery that failed tried anew."""
    row = _delivery(request, pk)
    if endpoints.send_again(delivery=row, actor=request.user):
        messages.success(request, _("It is tried again now."))
    else:
        messages.info(request, _("It has not failed, so there is nothing to send again."))
    return redirect("notices:delivery", slug=request.organization.slug, pk=pk)
