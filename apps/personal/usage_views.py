"""Pages of what a person has used on their own account: usage by day, allowance, single calls, spend cap."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import Sum
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.personal import budget
from apps.personal.models import WINDOWS, Account, Allowance
from apps.personal.views import METHODS, ask_first, connection_of, present_account
from apps.providers.catalogue import PROVIDERS
from apps.sync.models import Command
from apps.sync.outbox.requests import busy_targets, why_not
from apps.sync.schedule import freshness
from apps.usage import call_views, calls, missing_words, money
from apps.usage.answer import Answering, group_label
from apps.usage.asking import Asking
from apps.usage.call_lists import CallList, Place
from apps.usage.controls import controls_of
from apps.usage.days import day_of, midnight
from apps.usage.models import Call, ReportName
from apps.usage.question import Question
from apps.usage.views import kept_from, utc_midnight

Words = str | Promise


class OwnAsking(Asking):
    """Reads the question of the page of own usage: a range, by model or by operation, list price or tokens."""

    groups: ClassVar[Mapping[str, Words]] = {
        "model": gettext_lazy("Model"),
        "operation": gettext_lazy("Operation"),
        "": gettext_lazy("Nothing: the total"),
    }
    shows: ClassVar[Mapping[str, Words]] = {
        "listed": gettext_lazy("List price"),
        "tokens": gettext_lazy("Tokens"),
        "input": gettext_lazy("Input tokens"),
        "output": gettext_lazy("Output tokens"),
    }
    usual: ClassVar[tuple[str, str]] = ("model", "listed")
    beneath: ClassVar[tuple[str, ...]] = ("model", "operation")

    def _width(self, found: Question) -> None:
        super()._width(found)
        if found.by == "hour":
            self.errors["by"] = _("Your usage is told by the day.")
            found.by, found.by_asked = "day", False


WIDTHS: dict[str, Words] = {
    "day": gettext_lazy("Day"),
    "week": gettext_lazy("Week"),
    "month": gettext_lazy("Month"),
}


def allowances_of(connection: Connection) -> list[Allowance]:
    """The windows of the plan, the shortest first; unknown ones last. One query."""
    rows = Allowance.objects.present().filter(connection=connection)
    order = {name: at for at, name in enumerate(WINDOWS)}
    return sorted(
        rows, key=lambda row: (order.get(str(row.remote_id), len(order)), row.remote_id or "")
    )


def charged_in(connection: Connection, question: Question) -> tuple[int, Any]:
    """How many calls of the range have been read, and what they were charged, in dollars. One query."""
    held = Call.objects.filter(
        connection=connection,
        at__gte=max(midnight(day_of(question.first)), calls.kept_from()),
        at__lt=midnight(day_of(question.last) + 1),
    )
    number = held.count()
    sums = held.aggregate(micros=Sum("charged_micros"), femtos=Sum("charged_femtos"))
    if sums["micros"] is None:
        return number, None
    return number, money.joined(int(sums["micros"]), int(sums["femtos"]))


@require_safe
@desk_view("account.read")
@never_cache
def usage(request: DeskRequest, uid: Any) -> HttpResponse:
    """What was used by day and model, how much of the plan's allowance, and the way to a higher cap."""
    connection = connection_of(request, uid)
    mine = [connection]
    asking = OwnAsking(request.GET, kept_from=kept_from(mine, ReportName.USAGE), connections=mine)
    question = asking.question
    answer = Answering(question, mine, request.organization).run()
    row = Account.objects.filter(connection=connection).first()
    fragment = "#region" if request.headers.get("HX-Target") == "usage" else ""
    number, charged = charged_in(connection, question)
    last = budget.last_request(row) if row else None
    busy = bool(row and busy_targets([connection.pk], [row.target]))
    kind_refused = why_not(budget.REQUEST_BUDGET, connection)
    context = {
        "title": _("Your usage"),
        "connection": connection,
        "row": row,
        "provider": PROVIDERS.get(connection.provider),
        "question": question,
        "answer": answer,
        "group_label": group_label(question.group),
        "controls": controls_of(
            question,
            request.organization,
            mine,
            groups=OwnAsking.groups,
            shows=OwnAsking.shows,
            widths=WIDTHS,
            menus=["model"],
            finds=False,
        ),
        "midnight": utc_midnight(question.last, request.organization),
        "calls_read": number,
        "charged": charged,
        "by_nature": missing_words.by_nature(mine, ReportName.USAGE),
        "sources": missing_words.sources(mine),
        "allowances": allowances_of(connection),
        "reads_limits": connection.can("usage.limits"),
        "why_no_limits": connection.why_not("usage.limits"),
        "limits_fresh": [
            one
            for one in freshness(request.organization, "allowances")
            if one.connection.pk == connection.pk
        ],
        "why_no_usage": ""
        if connection.can("usage.read")
        else connection.why_not("usage.read")
        or _("It is not known yet whether this key may read it."),
        "last_request": last,
        "why_no_request": kind_refused
        or (budget.why_not(row, last) if row and not row.gone_at else _("This account is gone."))
        or (_("Another change of your account is on its way.") if busy else ""),
    }
    response = render(request, f"personal/usage.html{fragment}", context)
    if fragment:
        response["HX-Push-Url"] = request.path + question.url()
    patch_vary_headers(response, ["HX-Target"])
    return response


@desk_view("account.change")
@require_http_methods(METHODS)
def request_budget(request: DeskRequest, uid: Any) -> HttpResponse:
    """Ask the organization's admins for a higher spend cap."""
    row = present_account(request, uid)

    def ask(nonce: str) -> Command:
        return budget.request_increase(account=row, actor=request.user, nonce=nonce)

    slug = request.organization.slug
    more: dict[str, Any] = {
        "title": _("Ask for a higher spend cap"),
        "place": row.place(row.active_organization_id or ""),
        "cancel_url": reverse("personal:usage", args=[slug, row.connection.uid]),
    }
    return ask_first(request, row, None, ask, "personal/budget.html", **more)


# --- Single calls --------------------------------------------------------------------------------


class OwnCalls(CallList):
    """The calls that a person made on their own account: ``request.connection``."""

    name = "own_calls"

    def account_filters(self) -> dict[str, list[Any]]:
        """An account of one person is not divided."""
        return {}

    def context(self) -> dict[str, Any]:
        """Where a reading is asked for."""
        given = [self.organization.slug, self.request.connection.uid]
        return {
            **super().context(),
            "title": _("Your calls"),
            "back_url": reverse("personal:usage", args=given),
            "back_label": _("Your usage"),
            "ask_url": reverse("personal:read_calls", args=given),
        }


def _places(request: Any, uid: Any) -> list[Place]:
    request.connection = connection = connection_of(request, uid)
    return [Place(connection, connection.remote_organization_id)]


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("account.read")
@never_cache
def own_calls(request: Any, uid: Any) -> HttpResponseBase:
    """The list; a POST keeps, changes or deletes a saved view of it."""
    request.places = _places(request, uid)
    return call_views.answer(request, OwnCalls)


@require_POST
@desk_view("account.read")
def read_own_calls(request: DeskRequest, uid: Any) -> HttpResponse:
    """Have the ledger read, back to the UTC day ``first``."""
    places = _places(request, uid)
    url = reverse("personal:calls", args=[request.organization.slug, uid])
    return call_views.ask(request, places, url, "account.read")
