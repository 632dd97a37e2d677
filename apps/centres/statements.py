"""Statements: a month's money by centre. Of an open month by the rules of now, of a closed one as it was kept.

The pieces of all statements of a month, the unallocated along, sum up to what the providers charged for it,
and corrections of closed months stand in the next one that is open. Amounts are whole 1e-15 of the
currency's own unit ("femtos"), so that nothing is ever rounded; shown amounts are Decimals of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from apps.centres import months
from apps.centres.models import Closing, CostCentre, Line
from apps.centres.months import Span
from apps.centres.places import connections_of
from apps.centres.sums import CENTRE
from apps.organizations.models import Connection, Organization
from apps.usage import reads
from apps.usage.days import day_of
from apps.usage.models import Correction
from apps.usage.money import MICRO, in_femtos, joined
from apps.usage.names import Names
from apps.usage.people import persons_of
from apps.usage.tuples import NONE, NOT_ASKED, UNTOLD

# What tells the lines of a month apart, beside their centre.
Ident = tuple[int, str, str, str, str, str]
IDENT = ("connection", "workspace", "key", "account", "model")


@dataclass(slots=True)
class Piece:
    """Money of one month, workspace, key, person and model, in femtos. ``centre`` None: unallocated.

    ``is_estimate``: the provider bills the workspace's model, of which other centres have a part too.
    ``month`` differs from the statement's where it corrects a closed one. Names as pages show them.
    """

    month: int
    centre: int | None
    ident: Ident
    billed: int
    shared: int
    is_estimate: bool = False
    names: dict[str, str] = field(default_factory=dict)

    @property
    def connection(self) -> int:
        """Whose money it is."""
        return self.ident[0]

    @property
    def currency(self) -> str:
        """What it is in."""
        return self.ident[-1]

    @property
    def amount(self) -> Decimal:
        """What the statement says, in the currency's own unit."""
        return joined(0, self.shared)


@dataclass(slots=True)
class Sum:
    """What pieces come to in one currency; ``billed`` and ``shared`` are its two parts."""

    currency: str
    billed: Decimal = Decimal(0)
    shared: Decimal = Decimal(0)
    corrected: Decimal = Decimal(0)  # how much of both is of closed months

    @property
    def amount(self) -> Decimal:
        """All of it."""
        return self.billed + self.shared

    def add(self, piece: Piece, *, is_correction: bool = False) -> None:
        """Take a piece in."""
        if piece.is_estimate:
            self.shared += piece.amount
        else:
            self.billed += piece.amount
        if is_correction:
            self.corrected += piece.amount


@dataclass(slots=True)
class Statement:
    """One centre's part of a month, or what belongs to none."""

    centre: int | None
    name: str
    pieces: list[Piece] = field(default_factory=list)
    sums: dict[str, Sum] = field(default_factory=dict)


@dataclass(slots=True)
class Month:
    """A month as its statements tell it. ``closing`` None: open, by the rules of now."""

    span: Span
    closing: Closing | None
    statements: list[Statement]
    sums: dict[str, Sum]  # of all of them, by currency
    totals: dict[str, Decimal]  # what the providers charged for this month, corrections not counted

    def of(self, centre: int | None) -> Statement | None:
        """One of the statements."""
        return next((one for one in self.statements if one.centre == centre), None)

    @property
    def agrees(self) -> bool:
        """Whether the statements without their corrections are the providers' total, to the last decimal."""
        own = {name: one.amount - one.corrected for name, one in self.sums.items()}
        return {n: v for n, v in own.items() if v} == {n: v for n, v in self.totals.items() if v}


# --- Reading ---------------------------------------------------------------------------------------


def charged(
    connections: Sequence[Connection], month: Span, *, placed: bool = False
) -> list[tuple[Ident, int | None, int, int]]:
    """The providers' money of a month: ident, centre (None without ``placed``), billed and shared in femtos.

    Two queries. Shared and billed sum up to the same over each day, workspace and model.
    """
    group_by = [*IDENT, *([CENTRE] if placed else [])]
    found = []
    for row in reads.sums(connections, month.first, month.last, group_by):
        billed, shared = in_femtos(row.billed), in_femtos(row.cost)
        if billed or shared:
            told = row.group
            ident = (*(told[name] for name in IDENT), row.currency)
            centre = told.get(CENTRE, NONE)
            found.append((ident, None if centre == NONE else centre, billed, shared))
    return found


def open_pieces(connections: Sequence[Connection], month: Span) -> list[Piece]:
    """An open month by the rules of now, without names."""
    return judged(
        [
            Piece(month.number, centre, ident, billed, shared)
            for ident, centre, billed, shared in charged(connections, month, placed=True)
        ]
    )


def judged(pieces: list[Piece]) -> list[Piece]:
    """Say of each piece whether it is an estimate.

    Nobody bills finer than by workspace and model. What a centre has of one is exactly what the provider
    charged where all of it is the centre's (or the provider told it for just this person), else a share.
    """
    billed: dict[Any, int] = {}  # by what is billed, over all centres
    own: dict[Any, list[int]] = {}  # the same of each centre: billed, shared
    for one in pieces:
        bill = _billed_by(one)
        billed[bill] = billed.get(bill, 0) + one.billed
        held = own.setdefault((bill, one.centre), [0, 0])
        held[0] += one.billed
        held[1] += one.shared
    for one in pieces:
        bill = _billed_by(one)
        one.is_estimate = own[bill, one.centre][1] not in (own[bill, one.centre][0], billed[bill])
    return pieces


def _billed_by(piece: Piece) -> Any:
    connection, workspace, _key, _account, model, currency = piece.ident
    return piece.month, connection, workspace, model, currency


def model_name(model: str) -> str:
    """As pages of usage call it."""
    told = {NONE: _("No model"), NOT_ASKED: _("Not told apart"), UNTOLD: _("Not told")}
    return told.get(model) or model.strip()


def kept_pieces(lines: Iterable[Line]) -> list[Piece]:
    """Pieces as a closing kept them, with their names."""
    found = []
    for line in lines:
        ident = (
            line.connection_id,
            line.workspace,
            line.key,
            line.account,
            line.model,
            line.currency,
        )
        names = {
            "centre": line.centre_name,
            "connection": line.connection_name,
            "workspace": line.workspace_name,
            "key": line.key_name,
            "person": line.person_name,
            "model": model_name(line.model),
        }
        billed = line.billed_micros * MICRO + line.billed_femtos
        shared = line.shared_micros * MICRO + line.shared_femtos
        found.append(Piece(line.month, line.centre_id, ident, billed, shared, names=names))
    return judged(found)


def name_pieces(
    organization: Organization, connections: Sequence[Connection], pieces: Sequence[Piece]
) -> None:
    """Names as they are now, where a piece has none. Five queries at most."""
    wanted = [one for one in pieces if not one.names]
    if not wanted:
        return
    names = Names(organization, connections)
    things = [(one.ident[1], one.connection) for one in wanted]
    workspaces = names.of("workspace", list(dict.fromkeys(things)))
    keys = names.of("key", list(dict.fromkeys((one.ident[2], one.connection) for one in wanted)))
    accounts = {(one.connection, one.ident[3]) for one in wanted}
    people = {pair: str(value) for pair, value in persons_of(connections, accounts).items()}
    called = names.of("person", [(value, 0) for value in {NONE, *people.values()}])
    centres = {one.pk: str(one) for one in CostCentre.objects.filter(organization=organization)}
    own = {one.pk: one.name for one in connections}
    for one in wanted:
        connection, workspace, key, account, model, _currency = one.ident
        one.names = {
            "centre": centres[one.centre] if one.centre is not None else "",
            "connection": own[connection],
            "workspace": str(workspaces[workspace, connection]),
            "key": str(keys[key, connection]),
            "person": str(called[people.get((connection, account), NONE), 0]),
            "model": model_name(model),
        }


# --- A month ---------------------------------------------------------------------------------------


def month(organization: Organization, span: Span, *, unallocated: str) -> Month:
    """A month with all of its statements, the unallocated last. Some ten queries, however much there is."""
    connections = connections_of(organization)
    closed = months.closed_of(organization)
    closing = closed.get(span.number)
    lines = Line.objects.filter(organization=organization)
    if closing is not None:
        pieces = kept_pieces(lines.filter(closing=closing))
    else:
        pieces = open_pieces(connections, span)
        waiting = [one for one in closed if months.home_of(one, closed) == span.number]
        if waiting:
            pieces += kept_pieces(lines.filter(closing__isnull=True, month__in=waiting))
        name_pieces(organization, connections, pieces)
    return _gathered(organization, span, closing, pieces, unallocated)


def _gathered(
    organization: Organization,
    span: Span,
    closing: Closing | None,
    pieces: Sequence[Piece],
    unallocated: str,
) -> Month:
    found: dict[int | None, Statement] = {}
    order: dict[int | None, int] = {}
    for at, one in enumerate(CostCentre.objects.filter(organization=organization)):
        order[one.pk] = at
        if closing is None and one.removed_at is None:
            found[one.pk] = Statement(one.pk, str(one))
    sums: dict[str, Sum] = {}
    totals: dict[str, Decimal] = {}
    found.setdefault(None, Statement(None, unallocated))
    for piece in pieces:
        held = found.setdefault(piece.centre, Statement(piece.centre, piece.names["centre"]))
        held.pieces.append(piece)
        corrects = piece.month != span.number
        # What the provider put on a workspace and model may be nobody's, and shared out to others.
        for of in (held.sums, sums) if piece.shared else ():
            of.setdefault(piece.currency, Sum(piece.currency)).add(piece, is_correction=corrects)
        if not corrects:
            totals[piece.currency] = totals.get(piece.currency, Decimal(0)) + joined(
                0, piece.billed
            )
    statements = sorted(
        found.values(), key=lambda one: (one.centre is None, order.get(one.centre, 0))
    )
    return Month(span, closing, statements, sums, totals)


# --- Corrections -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """Where a correction comes from: what a provider told otherwise later."""

    correction: Correction
    connection: str
    month: Span


def sources(statement_of: Month, organization: Organization) -> list[Source]:
    """What the providers corrected of the months that a month's corrections are of, since they were closed;
    without what stands in earlier statements.

    Queries by the number of those months; none where nothing was corrected.
    """
    span, closing = statement_of.span, statement_of.closing
    wanted = {
        piece.month
        for one in statement_of.statements
        for piece in one.pieces
        if piece.month != span.number
    }
    if not wanted:
        return []
    found = []
    rows = Correction.objects.filter(connection__organization=organization)
    closed = sorted(months.closed_of(organization).values(), key=lambda each: each.month)
    for one in (each for each in closed if each.month in wanted):
        of = months.of_number(one.month)
        # Each month in between was closed with the corrections that there were by then.
        between = [each for each in closed if one.month <= each.month < span.number]
        told = rows.filter(
            day__range=(of.number, day_of(of.last)),
            noted_at__gt=max(each.closed_at for each in between),
            report__in=months.READ,
        )
        if closing is not None:
            told = told.filter(noted_at__lte=closing.closed_at)
        rows_of = told.select_related("connection").order_by("day", "noted_at")
        found += [Source(each, each.connection.name, of) for each in rows_of]
    return found


def parts(pieces: Iterable[Piece], by: str) -> list[tuple[str, Sum]]:
    """Pieces put together by "connection", "workspace", "key", "person" or "model"; the dearest first."""
    found: dict[tuple[str, str], Sum] = {}
    for one in pieces:
        if not one.shared:
            continue  # what the provider put on a workspace and model, and was shared out
        name = one.names[by]
        if by == "workspace":
            name = f"{name}\x1f{one.names['connection']}"
        found.setdefault((name, one.currency), Sum(one.currency)).add(one)
    told = [(name.replace("\x1f", " · "), one) for (name, _currency), one in found.items()]
    return sorted(told, key=lambda one: (-one[1].amount, one[0]))
