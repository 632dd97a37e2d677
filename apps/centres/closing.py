"""Closing a month, and finding what the providers corrected of closed ones."""

from collections.abc import Iterable, Sequence

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Sum as SumOf
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.audit.record import record
from apps.centres import months, places
from apps.centres.models import Closing, CostCentre, Line, Ruleset
from apps.centres.months import Span
from apps.centres.places import connections_of
from apps.centres.rules import Ruling, Sorter, rulings_of
from apps.centres.services import Refused
from apps.centres.statements import Ident, Piece, charged, name_pieces, open_pieces
from apps.organizations.models import Connection, Organization
from apps.organizations.policy import may
from apps.usage import blocks, bulk
from apps.usage.days import day_of
from apps.usage.models import Block
from apps.usage.money import MICRO, joined, of_femtos

COLUMNS = (
    "organization_id",
    "closing_id",
    "month",
    "centre_id",
    "centre_name",
    "connection_id",
    "connection_name",
    "workspace",
    "workspace_name",
    "key",
    "key_name",
    "account",
    "person_name",
    "model",
    "currency",
    "billed_micros",
    "billed_femtos",
    "shared_micros",
    "shared_femtos",
)


def close(*, organization: Organization, month: Span, actor: User) -> Closing:
    """Keep a month's statements as they are now, for good. Refused while a day of it may still change.

    Corrections of earlier closed months that waited for this statement are kept in it. No rollup of the
    organization changes meanwhile. Twice is once: the second is told who closed it.
    """
    with transaction.atomic(durable=True):
        if not may(actor, "centres.close", organization):
            raise PermissionDenied(_("Your role here does not allow this any more."))
        connections = _hold(organization)
        closed = months.closed_of(organization)
        if month.number in closed:
            raise Refused(_("%(month)s is closed already.") % {"month": month.label})
        if why := months.obstacles(connections, month):
            raise Refused(" ".join(why))
        _note(organization, connections, closed.values(), force=True)
        places.sort_all(organization)
        closing = Closing.objects.create(
            organization=organization,
            month=month.number,
            closed_at=timezone.now(),
            closed_by=actor,
            rules=[ruling.keep() for ruling in rulings_of(organization)],
            seen=_versions(connections, month),
        )
        pieces = open_pieces(connections, month)
        name_pieces(organization, connections, pieces)
        _insert(organization, closing.pk, pieces)
        waiting = [one for one in closed if months.home_of(one, closed) == month.number]
        Line.objects.filter(
            organization=organization, closing__isnull=True, month__in=waiting
        ).update(closing=closing)
        record(
            organization=organization,
            actor=actor,
            verb="centres.close_month",
            target=closing,
            label=month.label,
            details={"month": month.slug, "total": _totals(pieces), "rules": len(closing.rules)},
        )
    return closing


def _hold(organization: Organization) -> list[Connection]:
    """Have nobody change rules, close months or write usage of the organization until the transaction's end."""
    Ruleset.objects.get_or_create(organization=organization)
    list(Ruleset.objects.select_for_update().filter(organization=organization))
    connections = connections_of(organization)
    for one in connections:
        blocks.lock(one.pk)
    return connections


def _totals(pieces: Iterable[Piece]) -> dict[str, str]:
    sums: dict[str, int] = {}
    for one in pieces:
        sums[one.currency] = sums.get(one.currency, 0) + one.shared
    return {currency: f"{joined(0, femtos).normalize():f}" for currency, femtos in sums.items()}


def _insert(organization: Organization, closing: int | None, pieces: Sequence[Piece]) -> None:
    bulk.insert(
        Line,
        COLUMNS,
        [
            (
                organization.pk,
                closing,
                one.month,
                one.centre,
                one.names["centre"],
                one.connection,
                one.names["connection"],
                one.ident[1],
                one.names["workspace"],
                one.ident[2],
                one.names["key"],
                one.ident[3],
                one.names["person"],
                one.ident[4],
                one.currency,
                *of_femtos(one.billed),
                *of_femtos(one.shared),
            )
            for one in pieces
        ],
    )


# --- Corrections -----------------------------------------------------------------------------------


def note_corrections(organization_id: int) -> None:
    """Have what changed of closed months wait for the next statement that is open. For workers.

    Four queries where nothing has changed.
    """
    organization = Organization.objects.get(pk=organization_id)
    closings = list(Closing.objects.filter(organization=organization))
    if not closings:
        return
    connections = connections_of(organization)
    if not _anything_new(connections, closings):
        return
    with transaction.atomic(durable=True):
        connections = _hold(organization)
        _note(organization, connections, months.closed_of(organization).values())


def _anything_new(connections: Sequence[Connection], closings: Sequence[Closing]) -> bool:
    """Whether rollups of any of these months were written since the last look. One query."""
    bounds = {_bounds(months.of_number(one.month)): one for one in closings}
    now: dict[int, dict[str, int]] = {one.month: {} for one in closings}
    rows = Block.objects.filter(connection__in=connections, first__in=now)
    for first, last, owner, version in rows.values_list(
        "first", "last", "connection_id", "version"
    ):
        if (first, last) in bounds:
            now[first][str(owner)] = version
    # A connection that was made since has no such row until somebody asks for one.
    return any(now[one.month] != one.seen or len(one.seen) != len(connections) for one in closings)


def _bounds(month: Span) -> tuple[int, int]:
    return month.number, day_of(month.last)


def _versions(connections: Sequence[Connection], month: Span) -> dict[str, int]:
    """The version of each connection's Block of a month: whatever writes a rollup of it raises it."""
    first, last = _bounds(month)
    found = {}
    for one in connections:
        block, _made = Block.objects.get_or_create(connection=one, first=first, last=last)
        found[str(one.pk)] = block.version
    return found


def _note(
    organization: Organization,
    connections: Sequence[Connection],
    closings: Iterable[Closing],
    *,
    force: bool = False,
) -> None:
    for closing in closings:
        month = months.of_number(closing.month)
        versions = _versions(connections, month)
        if versions == closing.seen and not force:
            continue
        lines = Line.objects.filter(organization=organization, month=closing.month)
        lines.filter(closing__isnull=True).delete()
        pieces = _differences(organization, connections, closing, month)
        name_pieces(organization, connections, pieces)
        _insert(organization, None, pieces)
        closing.seen = versions
        closing.save(update_fields=["seen"])


def _differences(
    organization: Organization,
    connections: Sequence[Connection],
    closing: Closing,
    month: Span,
) -> list[Piece]:
    """What the providers say of a closed month now, less what statements have of it already."""
    booked: dict[Ident, list[int]] = {}
    centres: dict[Ident, int | None] = {}
    rows = Line.objects.filter(organization=organization, month=closing.month).order_by()
    sums = ("billed_micros", "billed_femtos", "shared_micros", "shared_femtos")
    names = ("connection_id", "workspace", "key", "account", "model", "currency", "centre_id")
    for *ident, centre, bm, bf, sm, sf in rows.values_list(*names).annotate(*map(SumOf, sums)):
        key: Ident = tuple(ident)
        held = booked.setdefault(key, [0, 0])
        held[0] += int(bm) * MICRO + int(bf)
        held[1] += int(sm) * MICRO + int(sf)
        centres[key] = centre
    found = []
    now = {
        ident: (billed, shared) for ident, _centre, billed, shared in charged(connections, month)
    }
    sorter = Sorter(connections, [Ruling.kept(one) for one in closing.rules])
    alive = set(CostCentre.objects.filter(organization=organization).values_list("pk", flat=True))
    for ident in {**now, **booked}:
        billed, shared = now.get(ident, (0, 0))
        before = booked.get(ident, (0, 0))
        if (billed, shared) == tuple(before):
            continue
        if ident in centres:
            centre = centres[ident]
        else:
            ruling = sorter.decide(ident[:4])
            centre = ruling.centre if ruling and ruling.centre in alive else None
        found.append(Piece(closing.month, centre, ident, billed - before[0], shared - before[1]))
    return found
