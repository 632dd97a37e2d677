"""What budgets draw into other pages: the overview's warning, and how they stand at what they are for."""

from typing import Any

from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.budgets import words
from apps.budgets.bars import bar
from apps.budgets.models import NEAR, Standing
from apps.organizations.models import Connection
from apps.usage.days import day_of
from apps.usage.question import utc_today
from apps.workspaces.models import Workspace

MOST = 5  # named in one place
WARNING = Q(percent__gte=NEAR) | Q(forecast_micros__gt=F("amount_micros"))


def running(**where: Any) -> "QuerySet[Standing]":
    """The periods that last, the worst first."""
    today = day_of(utc_today())
    rows = Standing.objects.filter(first__lte=today, last__gte=today, **where)
    return rows.select_related("budget").order_by("-percent", "-forecast_micros", "pk")


def _mine(request: Any, **where: Any) -> "QuerySet[Standing]":
    if not request.may("budgets.read"):
        return Standing.objects.none()
    return running(budget__organization=request.organization, **where)


def stats(request: HttpRequest) -> SafeString | str:
    """Slot "overview:stats": budgets that are over 80 % or will be exceeded; "" while none is. One query."""
    # Of a cost centre that was removed nobody looks any more.
    current = _mine(request, budget__centre__removed_at__isnull=True)
    rows = list(current.filter(WARNING)[: MOST * 10])
    if not rows:
        return ""
    worst, slug = rows[0], request.organization.slug  # type: ignore[attr-defined]  # set by desk_view
    tone, state = words.state(worst)
    given = {
        "label": ngettext("Budget to look at", "Budgets to look at", len(rows)),
        "icon": "hourglass",
        "value": f"{len(rows):,}",
        "note": _("%(name)s: %(percent)s of %(amount)s, %(state)s")
        % {
            "name": worst.budget,
            "percent": words.percent(worst),
            "amount": words.money(worst.amount, worst.budget.currency),
            "state": state.lower(),
        },
        "tone": tone,
        "url": reverse("budgets:one", args=[slug, worst.budget_id])
        if len(rows) == 1
        else f"{reverse('budgets:list', args=[slug])}?state=warning",
    }
    return render_to_string("ui/stat.html", given, request)


def _lines(request: HttpRequest, rows: "QuerySet[Standing]", *, bare: bool) -> SafeString | str:
    found = list(rows[: MOST + 1])
    if not found:
        return ""
    slug = request.organization.slug  # type: ignore[attr-defined]  # set by desk_view
    given = {
        "lines": [
            {
                "url": reverse("budgets:one", args=[slug, one.budget_id]),
                "standing": one,
                "state": words.state(one),
                "spent": words.spent(one),
                "amount": words.money(one.amount, one.budget.currency),
                "percent": words.percent(one),
                "bar": bar(one),
            }
            for one in found[:MOST]
        ],
        "bare": bare,
        "more": reverse("budgets:list", args=[slug]) if len(found) > MOST else "",
    }
    return render_to_string("budgets/_lines.html", given, request)


def of_workspace(request: HttpRequest, *, workspace: Workspace) -> SafeString | str:
    """Slot "workspaces:workspace": its own budgets. One query."""
    if not workspace.remote_id:
        return ""
    rows = _mine(
        request, budget__connection=workspace.connection_id, budget__workspace=workspace.remote_id
    )
    return _lines(request, rows, bare=False)


def of_connection(request: HttpRequest, *, connection: Connection) -> SafeString | str:
    """Slot "organizations:connection": budgets of the whole of it. One query."""
    rows = _mine(request, budget__connection=connection, budget__scope="connection")
    return _lines(request, rows, bare=True)
