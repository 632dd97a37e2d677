"""Statements: the months, one month by centre, one centre's month; as pages, files and on paper."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.db.models import Sum as SumOf
from django.forms import Form
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from apps.centres import closing, months, places, statements
from apps.centres.models import Closing, Line
from apps.centres.months import Span
from apps.centres.statements import Month, Piece, Statement
from apps.centres.views import address, ask
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection, Organization
from apps.ui import export
from apps.usage import reads
from apps.usage.groupings import is_number
from apps.usage.money import joined
from apps.usage.question import utc_today

UNALLOCATED = "unallocated"
BY = ("connection", "workspace", "model", "person", "key")
SHOWN = 15  # rows of each table; all of them are in the exports and on paper


@dataclass(slots=True)
class Listed:
    """A month in the list."""

    span: Span
    closing: Closing | None
    sums: list[tuple[str, Any]] = field(default_factory=list)  # currency, amount
    may_close: bool = False
    is_whole: bool = True


def asked_month(slug: str) -> Span:
    """The month of an address; 404 for none, and for one to come."""
    found = months.of_slug(slug)
    if found is None or found.first > utc_today():
        raise Http404
    return found


@require_GET
@desk_view("centres.read")
def months_list(request: DeskRequest) -> HttpResponse:
    """Every month of which anything was read: its sum, and who closed it when."""
    organization = request.organization
    connections = places.connections_of(organization)
    closed = months.closed_of(organization)
    listed = months.listed(connections)
    sums = month_sums(organization, connections, listed, closed)
    may = request.may("centres.close")
    whole = months.whole_of(connections, listed)
    rows = [
        Listed(
            one,
            closed.get(one.number),
            sums.get(one.number, []),
            may and one.is_over and one.number not in closed,
            one.number in closed or one in whole,
        )
        for one in listed
    ]
    context = {
        "title": _("Statements"),
        "tab": "statements",
        "rows": rows,
        "all_whole": all(row.is_whole for row in rows),
    }
    return render(request, "centres/statements.html", context)


def month_sums(
    organization: Organization,
    connections: Sequence[Connection],
    listed: Sequence[Span],
    closed: Mapping[int, Closing],
) -> dict[int, list[tuple[str, Decimal]]]:
    """What all statements of each month come to, by currency: of closed ones as it was kept, of open ones the
    providers' total and the corrections that wait for them. Three queries."""
    found: dict[int, dict[str, Decimal]] = {}

    def add(month: int, currency: str, amount: Decimal) -> None:
        sums = found.setdefault(month, {})
        sums[currency] = sums.get(currency, Decimal(0)) + amount

    for row in reads.sums(connections, listed[-1].first, utc_today(), ["month"]):
        number = months.month_of(row.group["month"]).number
        if row.cost and number not in closed:
            add(number, row.currency, row.cost)
    rows = Line.objects.filter(organization=organization).order_by()
    sums = rows.values_list("closing__month", "month", "currency").annotate(
        SumOf("shared_micros"), SumOf("shared_femtos")
    )
    for kept, month, currency, micros, femtos in sums:
        at = months.home_of(month, closed) if kept is None else kept
        add(at, currency, joined(int(micros), int(femtos)))
    return {month: sorted(sums.items()) for month, sums in found.items()}


def _read(request: DeskRequest, span: Span) -> Month:
    return statements.month(request.organization, span, unallocated=_("Unallocated"))


@require_GET
@desk_view("centres.read")
def month(request: DeskRequest, month: str) -> HttpResponseBase:
    """One month: what each centre has of it, and whether that is the providers' total."""
    span = asked_month(month)
    found = _read(request, span)
    if form := request.GET.get("export"):
        pieces = ((one, piece) for one in found.statements for piece in one.pieces)
        return _file(request, form, span, pieces, "statements")
    connections = places.connections_of(request.organization)
    why = [] if found.closing else months.obstacles(connections, span)
    context = {
        "title": _("Statements of %(month)s") % {"month": span.label},
        "span": span,
        "found": found,
        "why": why,
        "may_close": request.may("centres.close") and not found.closing and not why,
        "sources": statements.sources(found, request.organization),
        "pages": [(one, _address_of(request, span, one)) for one in found.statements],
    }
    return render(request, "centres/month.html", context)


def _address_of(request: DeskRequest, span: Span, one: Statement) -> str:
    name = UNALLOCATED if one.centre is None else str(one.centre)
    return address(request, "statement", month=span.slug, centre=name)


@require_GET
@desk_view("centres.read")
def statement(request: DeskRequest, month: str, centre: str) -> HttpResponseBase:
    """One centre's month: by connection, workspace, model, person and key; corrections apart."""
    span = asked_month(month)
    found = _read(request, span)
    pk = None if centre == UNALLOCATED else int(centre) if is_number(centre) else -1
    one = found.of(pk)
    if one is None:
        raise Http404
    if form := request.GET.get("export"):
        name = "unallocated" if pk is None else f"centre-{pk}"
        return _file(request, form, span, ((one, piece) for piece in one.pieces), name)
    told = [piece for piece in one.pieces if piece.shared]
    own = [piece for piece in told if piece.month == span.number]
    corrections = [piece for piece in told if piece.month != span.number]
    labels = {
        "connection": _("Connection"),
        "workspace": _("Workspace"),
        "model": _("Model"),
        "person": _("Person"),
        "key": _("API key"),
    }
    context = {
        "title": one.name,
        "span": span,
        "found": found,
        "one": one,
        "tables": [(by, labels[by], statements.parts(own, by)) for by in BY] if own else [],
        "shown": SHOWN,
        "corrections": _corrections(corrections),
        "sources": statements.sources(found, request.organization) if corrections else [],
    }
    return render(request, "centres/statement.html", context)


def _corrections(pieces: Iterable[Piece]) -> list[tuple[Span, list[tuple[str, Any]]]]:
    """By the month that is corrected: its parts by connection."""
    by_month: dict[int, list[Piece]] = {}
    for one in pieces:
        by_month.setdefault(one.month, []).append(one)
    return [
        (months.of_number(number), statements.parts(found, "connection"))
        for number, found in sorted(by_month.items())
    ]


# --- Files -------------------------------------------------------------------------------------------


def _file(
    request: DeskRequest,
    form: str,
    span: Span,
    pieces: Iterable[tuple[Statement, Piece]],
    name: str,
) -> HttpResponseBase:
    if form not in ("csv", "xlsx"):
        raise Http404
    called = f"{request.organization.slug}-{name}-{span.slug}"
    providers = dict(
        Connection.objects.filter(organization=request.organization).values_list("pk", "provider")
    )
    table = _lines(pieces, providers)
    if form == "csv":
        return export.csv_of(table, called)
    return export.xlsx_of(table, span.label, called)


def _lines(
    pieces: Iterable[tuple[Statement, Piece]], providers: dict[int, str]
) -> Iterator[list[Any]]:
    """The heading, then a line a piece. Amounts are exact, in the currency's own unit."""
    yield [
        _("Cost centre"),
        _("Month"),
        _("Provider"),
        _("Connection"),
        _("Workspace"),
        _("API key"),
        _("Person"),
        _("Model"),
        _("Amount"),
        _("Currency"),
        _("Estimate"),
    ]
    for one, piece in pieces:
        if not piece.shared:
            continue
        cells = [
            one.name,
            months.of_number(piece.month).slug,
            providers[piece.connection],
            piece.names["connection"],
            piece.names["workspace"],
            piece.names["key"],
            piece.names["person"],
            piece.names["model"],
            piece.amount,
            piece.currency,
            piece.is_estimate,
        ]
        yield [export.safe(cell) for cell in cells]


# --- Closing -----------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("centres.close")
def close(request: DeskRequest, month: str) -> HttpResponse:
    """Keep a month's statements for good, once it is said what that means."""
    span = asked_month(month)
    connections = places.connections_of(request.organization)
    form = Form(request.POST if request.method == "POST" else None)

    def act() -> None:
        closing.close(organization=request.organization, month=span, actor=request.user)
        messages.success(request, _("%(month)s is closed.") % {"month": span.label})

    closed = Closing.objects.filter(organization=request.organization, month=span.number)
    why = (
        [_("%(month)s is closed already.") % {"month": span.label}]
        if closed.exists()
        else months.obstacles(connections, span)
    )
    return ask(
        request,
        form,
        act,
        "centres/close.html",
        back=address(request, "month", month=span.slug),
        title=_("Close %(month)s?") % {"month": span.label},
        span=span,
        why=[] if request.method == "POST" else why,
    )
