"""Pages of the settings that an organization hands to its members: editor, versions, differences."""

import uuid
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from apps.configuration import services
from apps.configuration.forms import SettingsForm, as_text
from apps.configuration.models import RemoteConfiguration, Version
from apps.configuration.reading import by_section, differences
from apps.configuration.versions import comparable
from apps.configuration.views import connection_of, say
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.providers.masking import mask
from apps.sync.asking import heard, nonce_of
from apps.sync.outbox.kinds import KINDS
from apps.sync.outbox.requests import RequestRefused, why_not


def _settings(connection: Connection) -> RemoteConfiguration:
    row = RemoteConfiguration.objects.present().filter(connection=connection).first()
    if row is None:
        raise Http404
    row.connection = connection
    return row


def _url(request: DeskRequest, connection: Connection) -> str:
    return reverse("configuration:organization", args=[request.organization.slug, connection.uid])


@desk_view("configuration.change", posts_secret=True)
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("document")
@never_cache
def edit(request: DeskRequest, uid: Any) -> HttpResponse:
    """Edit the document, see what that changes, and send it: a POST shows the difference first."""
    connection = connection_of(request, uid)
    row = _settings(connection)
    first = {
        "enabled": row.enabled,
        "document": as_text(row.document),
        "seen": row.content,
    }
    form = SettingsForm(row, request.POST or None, initial=first)
    back = request.POST.get("step") == "back"
    if request.method == "POST" and not back and form.is_valid():
        return _review(request, row, form)
    return _editor(request, row, form)


def _editor(request: DeskRequest, row: RemoteConfiguration, form: SettingsForm) -> HttpResponse:
    connection = row.connection
    context = {
        "title": _("Edit the remote config"),
        "connection": connection,
        "provider": PROVIDERS.get(connection.provider),
        "form": form,
        "rules": services.rules_of(connection),
        "locked": why_not(KINDS["configuration.change"], connection)
        or (_("What is there cannot be read.") if row.is_unreadable else ""),
        "cancel_url": _url(request, connection),
    }
    return render(request, "configuration/edit.html", context)


def _review(request: DeskRequest, row: RemoteConfiguration, form: SettingsForm) -> HttpResponse:
    """Show what would change; once that is confirmed, ask for it."""
    document, enabled = form.cleaned_data["document"], form.cleaned_data["enabled"]
    # An empty document where there is none is no document.
    wanted = None if row.document is None and set(document) <= {"version"} else document
    if request.POST.get("step") == "send":
        try:
            command = heard(
                services.change(
                    row=row,
                    document=wanted,
                    enabled=enabled,
                    seen=form.cleaned_data["seen"],
                    actor=request.user,
                    nonce=nonce_of(request),
                )
            )
        except RequestRefused as refused:
            form.add_error(None, str(refused))
            return _editor(request, row, form)
        say(request, command)
        return redirect(_url(request, row.connection))
    hidden = mask(document)
    context = {
        "title": _("Review the change"),
        "connection": row.connection,
        "form": form,
        "differences": differences(row.document, hidden),
        "new_secrets": hidden != document,
        "switched": enabled != row.enabled,
        "enabled": enabled,
        "stale": form.cleaned_data["seen"] != row.content,
        "nonce": uuid.uuid4().hex,
        "cancel_url": _url(request, row.connection),
    }
    return render(request, "configuration/review.html", context)


# --- Versions ------------------------------------------------------------------------------------


def _version(connection: Connection, number: int) -> Version:
    found = Version.objects.filter(connection=connection).select_related("command__actor")
    return get_object_or_404(found, number=number)


@require_GET
@desk_view("configuration.read")
def version(request: DeskRequest, uid: Any, number: int) -> HttpResponse:
    """The settings as they were."""
    connection = connection_of(request, uid)
    row = _version(connection, number)
    rules = services.rules_of(connection)
    context = {
        "title": str(row),
        "connection": connection,
        "version": row,
        "sections": by_section(row.document, rules) if row.document and rules else [],
        "numbers": _numbers(connection),
    }
    return render(request, "configuration/version.html", context)


@require_GET
@desk_view("configuration.read")
def compare(request: DeskRequest, uid: Any) -> HttpResponse:
    """What differs between two versions: ``?a=1&b=2``; by default the last two."""
    connection = connection_of(request, uid)
    numbers = _numbers(connection)
    if not numbers:
        raise Http404
    default = (numbers[min(1, len(numbers) - 1)], numbers[0])
    before = _version(connection, _number(request, "a", default[0]))
    after = _version(connection, _number(request, "b", default[1]))
    context = {
        "title": _("Differences"),
        "connection": connection,
        "before": before,
        "after": after,
        "differences": differences(
            before.document, after.document, comparable(before.hidden, after.hidden)
        ),
        "switched": before.enabled != after.enabled,
        "enabled": after.enabled,
        "numbers": numbers,
    }
    return render(request, "configuration/compare.html", context)


def _numbers(connection: Connection) -> list[int]:
    found = Version.objects.filter(connection=connection).order_by("-number")
    return list(found.values_list("number", flat=True)[:500])


def _number(request: DeskRequest, name: str, default: int) -> int:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else default
