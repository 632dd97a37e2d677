"""Pages of cost centres: all of them, one, what nobody takes, and what can be done with them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.centres import contents, months, places, services, words
from apps.centres.forms import CentreForm
from apps.centres.models import CostCentre
from apps.centres.months import Span
from apps.centres.reads import spent
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection, Organization
from apps.usage import missing_words
from apps.usage.coverage import coverage_of
from apps.usage.question import utc_today
from apps.usage.tuples import NONE

Costs = dict[str, tuple[Decimal, bool]]  # by currency: the amount, and whether it is an estimate


@dataclass(slots=True)
class Row:
    """A centre in the list; ``centre`` None: what nobody takes."""

    centre: CostCentre | None
    rules: list[str] = field(default_factory=list)
    now: Costs = field(default_factory=dict)
    before: Costs = field(default_factory=dict)
    usage_url: str = ""


def centre_of(request: DeskRequest, pk: int) -> CostCentre:
    """The centre, which may have been removed; 404 for another tenant's."""
    found = CostCentre.objects.visible_to(request.user).filter(organization=request.organization)
    return get_object_or_404(found.select_related("organization"), pk=pk)


def current_centre(request: DeskRequest, pk: int) -> CostCentre:
    """Likewise, of those that were not removed."""
    found = CostCentre.objects.visible_to(request.user).current()
    mine = found.filter(organization=request.organization).select_related("organization")
    return get_object_or_404(mine, pk=pk)


def address(request: DeskRequest, name: str, **kwargs: Any) -> str:
    """The address of a page of cost centres."""
    return reverse(f"centres:{name}", kwargs={"slug": request.organization.slug, **kwargs})


def _usage_url(organization: Organization, value: str, span: Span | None = None) -> str:
    url = reverse("usage:usage", kwargs={"slug": organization.slug})
    days = f"from={span.first}&to={span.last}" if span else "range=month"
    return f"{url}?{days}&group=workspace&centre={value}"


def _costs(organization: Organization, span: Span) -> Mapping[int | None, Costs]:
    found: dict[int | None, Costs] = {}
    for one, currency, amount, is_estimate in spent(
        organization, span.first, min(span.last, utc_today())
    ):
        found.setdefault(one.pk if one else None, {})[currency] = (amount, is_estimate)
    return found


@require_GET
@desk_view("centres.read")
def centres(request: DeskRequest) -> HttpResponse:
    """All centres in their order, and what belongs to none, with what they cost this month and the last."""
    organization = request.organization
    this, last = months.month_of(utc_today()), months.last_whole()
    now, before = _costs(organization, this), _costs(organization, last)
    rows = []
    known = CostCentre.objects.visible_to(request.user).current()
    for one in known.filter(organization=organization).prefetch_related("rules"):
        rules = [words.ruling(rule) for rule in one.rules.all()]
        rows.append(
            Row(
                one,
                rules,
                now.get(one.pk, {}),
                before.get(one.pk, {}),
                _usage_url(organization, str(one.pk)),
            )
        )
    nowhere = Row(
        None,
        now=now.get(None, {}),
        before=before.get(None, {}),
        usage_url=_usage_url(organization, NONE),
    )
    connections = places.connections_of(organization)
    coverage = coverage_of(months.live_of(connections), this.first, utc_today())
    context = {
        "title": _("Cost centres"),
        "tab": "centres",
        "rows": rows,
        "unallocated": nowhere,
        "this": this,
        "last": last,
        "totals": _summed([*rows, nowhere]),
        "may_change": request.may("centres.change"),
        "coverage": coverage,
        "missing": missing_words.sentences(replace(coverage, left=[])),
        "last_is_whole": months.is_whole(connections, last),
    }
    return render(request, "centres/list.html", context)


def _summed(rows: list[Row]) -> tuple[Costs, Costs]:
    """The sums of all rows, this month and the last. Of all centres together nothing is an estimate."""
    found: tuple[dict[str, Decimal], dict[str, Decimal]] = ({}, {})
    for row in rows:
        for sums, costs in zip(found, (row.now, row.before), strict=True):
            for currency, (amount, _estimate) in costs.items():
                sums[currency] = sums.get(currency, Decimal(0)) + amount
    now, before = ({name: (amount, False) for name, amount in one.items()} for one in found)
    return now, before


def _months(connections: Sequence[Connection], span: Span) -> list[Span]:
    """What can be chosen, the newest first; the month at hand is among it though nothing of it was read."""
    found = months.listed(connections)
    return found if span in found else [*found, span]


def _month_asked(request: DeskRequest) -> Span:
    asked = months.of_slug(request.GET.get("month", ""))
    return asked if asked and asked.first <= utc_today() else months.last_whole()


@require_GET
@desk_view("centres.read")
def centre(request: DeskRequest, pk: int) -> HttpResponse:
    """One centre: its rules, and what they took in a month, item by item."""
    one = centre_of(request, pk)
    organization = request.organization
    connections = places.connections_of(organization)
    span = _month_asked(request)
    rows = contents.took(organization, connections, span, one.pk)
    may = request.may("centres.change") and one.removed_at is None
    context = {
        "title": one.name,
        "centre": one,
        "rules": [(rule, words.ruling(rule)) for rule in one.rules.all()],
        "may_change": may,
        "span": span,
        "months": _months(connections, span),
        "took": rows[: contents.SHOWN],
        "more": max(0, len(rows) - contents.SHOWN),
        "rules_of": words.ruling,
        "is_whole": months.is_whole(connections, span),
        "usage_url": _usage_url(organization, str(one.pk), span),
        "statement_url": address(request, "statement", month=span.slug, centre=str(one.pk)),
    }
    return render(request, "centres/centre.html", context)


@require_GET
@desk_view("centres.read")
def unallocated(request: DeskRequest) -> HttpResponse:
    """What no centre takes in a month, item by item, each with a way to give it to one."""
    organization = request.organization
    connections = places.connections_of(organization)
    span = _month_asked(request)
    rows = contents.took(organization, connections, span, None)
    context = {
        "title": _("Unallocated"),
        "span": span,
        "months": _months(connections, span),
        "took": rows[: contents.SHOWN],
        "more": max(0, len(rows) - contents.SHOWN),
        "may_change": request.may("centres.change"),
        "is_whole": months.is_whole(connections, span),
        "usage_url": _usage_url(organization, NONE, span),
        "statement_url": address(request, "statement", month=span.slug, centre="unallocated"),
    }
    return render(request, "centres/unallocated.html", context)


# --- What can be done --------------------------------------------------------------------------------


def ask(
    request: DeskRequest,
    form: Form,
    act: Callable[[], Any],
    template: str,
    *,
    back: str,
    **more: Any,
) -> HttpResponse:
    """Show the form; filled in well, act and go on. What is refused stands beside its field, what was typed
    stays. ``act`` gives the address to go on to, or nothing for ``back``."""
    if request.method == "POST" and form.is_valid():
        try:
            further = act()
        except services.Refused as refused:
            known = refused.field if refused.field in form.fields else None
            form.add_error(known, str(refused))
        else:
            return redirect(further if isinstance(further, str) else back)
    context = {"form": form, "cancel_url": back, **more}
    return render(request, template, context)


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("centres.change")
def new(request: DeskRequest) -> HttpResponse:
    """Make a centre."""
    form = CentreForm(request.POST if request.method == "POST" else None)

    def act() -> str:
        made = services.create_centre(
            organization=request.organization, actor=request.user, **form.cleaned_data
        )
        messages.success(request, _("“%(name)s” is made. Say what it takes.") % {"name": made})
        return address(request, "rule_new", pk=made.pk)

    title = _("New cost centre")
    return ask(
        request,
        form,
        act,
        "centres/edit.html",
        back=address(request, "list"),
        title=title,
        new=True,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("centres.change")
def change(request: DeskRequest, pk: int) -> HttpResponse:
    """Another name or code."""
    one = current_centre(request, pk)
    form = CentreForm(
        request.POST if request.method == "POST" else None,
        initial={"name": one.name, "code": one.code},
    )

    def act() -> None:
        services.change_centre(centre=one, actor=request.user, **form.cleaned_data)

    title = _("Change “%(name)s”") % {"name": one.name}
    back = address(request, "one", pk=one.pk)
    return ask(request, form, act, "centres/edit.html", back=back, title=title)


@desk_view("centres.change")
@require_POST
def move(request: DeskRequest, pk: int) -> HttpResponse:
    """One place up or down in the order."""
    one = current_centre(request, pk)
    try:
        services.move_centre(centre=one, actor=request.user, up=request.POST.get("to") == "up")
    except services.Refused as refused:
        messages.error(request, str(refused))
    return redirect(address(request, "list"))


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("centres.change")
def remove(request: DeskRequest, pk: int) -> HttpResponse:
    """Have it take nothing any more, once it is said what that means."""
    one = current_centre(request, pk)
    form = Form(request.POST if request.method == "POST" else None)

    def act() -> None:
        services.remove_centre(centre=one, actor=request.user)
        messages.success(request, _("“%(name)s” is removed.") % {"name": one.name})

    title = _("Remove “%(name)s”?") % {"name": one.name}
    back = address(request, "list")
    return ask(
        request, form, act, "centres/remove.html", back=back, title=title, danger=True, centre=one
    )
