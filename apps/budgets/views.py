"""Pages of budgets: the list, one of them, making, changing and deleting one."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from apps.budgets import past, scopes, services, words
from apps.budgets.bars import bar
from apps.budgets.forms import NewBudgetForm, TermsForm, of_budget
from apps.budgets.keeping import TOPIC, cause_of, unsaved
from apps.budgets.lists import BudgetList
from apps.budgets.models import FORECAST, Budget, Crossing
from apps.budgets.periods import Span, days_text, name_of, span_of
from apps.budgets.picture import chart_of
from apps.budgets.reading import Figures, figures
from apps.budgets.terms import known_currencies, of_terms
from apps.notices import hearers
from apps.notices.models import Notice
from apps.notices.topics import topic_of
from apps.organizations.access import DeskRequest, desk_view
from apps.usage import missing_words
from apps.usage.days import day_of
from apps.usage.groupings import is_number
from apps.usage.known import READ
from apps.usage.question import pairs_of, utc_today
from apps.usage.views import utc_midnight


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("budgets.read")
def budgets(request: DeskRequest) -> HttpResponseBase:
    """The list; a POST keeps, changes or deletes a saved view of it."""
    return BudgetList.respond(request)


def _budget(request: DeskRequest, pk: int) -> Budget:
    mine = Budget.objects.visible_to(request.user).filter(organization=request.organization)
    wanted = mine.select_related("organization", "connection", "centre", "created_by")
    return get_object_or_404(wanted, pk=pk)


def _page(request: DeskRequest, pk: int) -> str:
    return reverse("budgets:one", args=[request.organization.slug, pk])


# --- One of them ----------------------------------------------------------------------------------


@require_safe
@desk_view("budgets.read")
def budget(request: DeskRequest, pk: int) -> HttpResponseBase:
    """How one stands, its chart, what was told, and the periods before; ``?export=csv`` its periods."""
    one = _budget(request, pk)
    if form := request.GET.get("export"):
        answer = past.download(form, one)
        if answer is None:
            raise Http404
        return answer
    connections = scopes.connections_of(one.organization)
    place = scopes.place_of(one)
    span = span_of(one.period, utc_today())
    seen = figures(place, one.currency, connections, span)
    standing = unsaved(one, seen)  # what is read now, whatever the last look has found
    mine = place.among(connections)
    before = past.past_of(one, connections)
    context: dict[str, Any] = {
        "title": one.name,
        "budget": one,
        "name": scopes.Called(one.organization, connections, [one]).of(one),
        "seen": seen,
        "standing": standing,
        "is_read": seen.coverage.as_of is not None,
        "bar": bar(standing),
        "state": words.state(standing),
        "period": name_of(one.period, seen.first),
        "days": days_text(span),
        "spent": words.spent(standing),
        "amount": words.money(one.amount, one.currency),
        "percent": words.percent(standing),
        "left": words.left(one.amount - seen.spent, one.currency),
        "days_left": words.days_left(seen.last, seen.today),
        "daily": _daily(one, seen),
        "chart": chart_of(one, seen),
        "long": one.period != "month",
        "told_at": words.told_at(one),
        "removed": one.centre is not None and one.centre.removed_at is not None,
        "told": _told(one),
        "hearers": [each.user for each in hearers.of(request.organization, topic_of(TOPIC))],
        "counted": words.counted(one.scope),
        "lacks": words.lacks(seen),
        "by_nature": missing_words.by_nature(mine, *READ),
        "past": [(each, _usage_url(request, one, (each.first, each.last))) for each in before],
        "usage_url": _usage_url(request, one, (seen.first, seen.end)),
        "midnight": utc_midnight(seen.today, request.organization),
        "may_change": request.may("budgets.change"),
    }
    return render(request, "budgets/budget.html", context)


def _daily(budget: Budget, seen: Figures) -> str:
    """What may be spent a day from tomorrow on; "" where nothing is left or no day comes."""
    days, left = (seen.last - seen.today).days, budget.amount - seen.spent
    if days <= 0 or left <= 0:
        return ""
    return words.money(left / days, budget.currency)


def _usage_url(request: DeskRequest, budget: Budget, span: Span) -> str:
    query = [("from", span[0].isoformat()), ("to", span[1].isoformat())]
    if budget.connection_id:
        query.append(("connection", str(budget.connection_id)))
    query += pairs_of(scopes.place_of(budget).filters)
    query.append(("group", "model" if budget.workspace else "workspace"))
    address = reverse("usage:usage", args=[request.organization.slug])
    return f"{address}?{urlencode(query)}"


def _told(budget: Budget) -> list[dict[str, Any]]:
    """What was passed in the period that lasts, the latest first, each with its notice. Two queries."""
    today = day_of(utc_today())
    rows = Crossing.objects.filter(
        standing__budget=budget, standing__first__lte=today, standing__last__gte=today
    )
    passed = list(rows.select_related("standing").order_by("-passed_at", "-threshold"))
    causes = [cause_of(one) for one in passed if one.told]
    told = Notice.objects.filter(
        organization=budget.organization_id, topic=TOPIC, cause__in=causes
    ).select_related("acknowledged_by")
    notices = {one.cause: one for one in told}
    return [
        {
            "crossing": one,
            "threshold": _("Forecast over the amount")
            if one.threshold == FORECAST
            else words.threshold(one.threshold),
            "notice": notices.get(cause_of(one)) if one.told else None,
        }
        for one in passed
    ]


# --- Making, changing, deleting -------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("budgets.change")
def new(request: DeskRequest) -> HttpResponse:
    """Make one. ``?scope=`` chooses what it is for, as other pages lead here."""
    connections = scopes.connections_of(request.organization)
    form = NewBudgetForm(
        request.POST if request.method == "POST" else None,
        places=scopes.places(request.organization, connections),
        currencies=known_currencies(connections),
        initial={"scope": request.GET.get("scope", "")},
    )
    if request.method == "POST" and form.is_valid():
        try:
            made = services.create_budget(
                organization=request.organization,
                actor=request.user,
                place=form.place,
                currency=form.cleaned_data["currency"],
                period=form.cleaned_data["period"],
                terms=form.terms,
            )
        except services.Refused as refused:
            form.refuse(refused.errors)
        else:
            messages.success(request, _("“%(name)s” is kept an eye on.") % {"name": made.name})
            return redirect(_page(request, made.pk))
    context = {
        "title": _("New budget"),
        "form": form,
        "counted": words.counted(),
        "submit": _("Make the budget"),
        "cancel_url": reverse("budgets:list", args=[request.organization.slug]),
    }
    return render(request, "budgets/form.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("budgets.change")
def change(request: DeskRequest, pk: int) -> HttpResponse:
    """Another name, another amount, other thresholds."""
    one = _budget(request, pk)
    form = TermsForm(
        request.POST if request.method == "POST" else None,
        initial=of_budget(one),
        currency=one.currency,
    )
    if request.method == "POST" and form.is_valid():
        try:
            services.change_budget(
                budget=one, actor=request.user, seen=_seen(request), **of_terms(form.terms)
            )
        except services.Refused as refused:
            form.refuse(refused.errors)
            one = _budget(request, pk)
        else:
            messages.success(request, _("Saved."))
            return redirect(_page(request, pk))
    connections = scopes.connections_of(one.organization)
    context = {
        "title": _("Change “%(name)s”") % {"name": one.name},
        "form": form,
        "budget": one,
        "name": scopes.Called(one.organization, connections, [one]).of(one),
        "submit": _("Save"),
        "cancel_url": _page(request, pk),
    }
    return render(request, "budgets/form.html", context)


def _seen(request: DeskRequest) -> int | None:
    """The revision that the form was made of."""
    told = request.POST.get("revision", "")
    return int(told) if is_number(told) else None


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("budgets.change")
def delete(request: DeskRequest, pk: int) -> HttpResponse:
    """Ask, then end it."""
    one = _budget(request, pk)
    if request.method == "POST":
        try:
            services.delete_budget(budget=one, actor=request.user)
        except services.Refused as refused:
            messages.info(request, str(refused))
        else:
            messages.success(request, _("“%(name)s” is deleted.") % {"name": one.name})
        return redirect("budgets:list", slug=request.organization.slug)
    context = {
        "title": _("Delete the budget “%(name)s”?") % {"name": one.name},
        "cancel_url": _page(request, pk),
        "danger": True,
    }
    return render(request, "budgets/delete.html", context)
