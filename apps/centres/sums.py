"""Each day's sums by centre, made beforehand: so that a page of all centres reads days, and not keys times days.

A worker makes them after each walk and each change of a rule. What is kept has a stamp: which rules it was sorted by, and
when the day was last written. Whoever reads holds it against what is so now; a day with another stamp is summed
up by the database as if nothing were kept. So nothing here is ever wrong, only slower.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.centres.models import Ruleset, SummedDay
from apps.centres.places import connections_of
from apps.organizations.models import Connection, Organization
from apps.usage import ledger, reads
from apps.usage.days import date_of, day_of
from apps.usage.groupings import Part
from apps.usage.models import Dimension
from apps.usage.rows import Row
from apps.usage.tuples import COUNTS, NONE, WHO

CENTRE = "centre"
SLICE_SECONDS = 10.0  # of one worker's turn
Place = tuple[int, int]  # connection, day


def summed(
    connections: Sequence[Connection], first: int, last: int
) -> Iterator[tuple[int, int, list[Part]]]:
    """Connection, day and the parts of each day whose sums are kept and hold. Three queries."""
    owners = {one.organization_id for one in connections}
    versions = dict(
        Ruleset.objects.filter(organization__in=owners).values_list("organization_id", "version")
    )
    if not versions:
        return
    stamps = _stamps(connections, versions, first, last)
    kept = SummedDay.objects.filter(connection__in=connections, day__range=(first, last))
    for owner, day, stamp, parts in kept.values_list("connection_id", "day", "stamp", "parts"):
        if stamps.get((owner, day)) == stamp:
            yield owner, day, [Part(*part) for part in parts]


def _stamps(
    connections: Sequence[Connection], versions: dict[int, int], first: int, last: int
) -> dict[Place, str]:
    version_of = {one.pk: versions.get(one.organization_id) for one in connections}
    return {
        (owner, day): f"{version_of[owner]} {mark}"
        for (owner, day), mark in ledger.marks(connections, first, last).items()
        if version_of[owner] is not None
    }


def make(organization_id: int) -> bool:
    """Make the sums that are missing or do not hold any more, the newest days first; whether time ran out
    before all were made. For workers."""
    organization = Organization.objects.get(pk=organization_id)
    # In this order: what a day had when its stamp was read has been sorted, or is seen to be not.
    standing = Ruleset.objects.filter(organization=organization).first()
    if standing is None:
        return False
    connections = connections_of(organization)
    stamps = _stamps(connections, {organization.pk: standing.version}, 0, day_of(timezone.now()))
    unsorted = set(
        Dimension.objects.filter(
            connection__in=connections, grain=WHO.id, pk__gt=standing.sorted_to
        ).values_list("connection_id", flat=True)
    )
    rows = SummedDay.objects.filter(connection__in=connections)
    held = {
        (owner, day): stamp
        for owner, day, stamp in rows.values_list("connection_id", "day", "stamp")
    }
    due = [
        place
        for place, stamp in stamps.items()
        if held.get(place) != stamp and place[0] not in unsorted
    ]
    known = {one.pk: one for one in connections}
    end = time.monotonic() + SLICE_SECONDS
    for owner, day in sorted(due, key=lambda place: -place[1]):
        if time.monotonic() > end:
            return True
        _make(known[owner], day, stamps[owner, day])
    return False


def _make(connection: Connection, day: int, stamp: str) -> None:
    """One day's. Read beside other writers: if it was written meanwhile, its stamp does not hold."""
    at = date_of(day)
    parts = [_part(row) for row in _sums(connection, at)]
    with transaction.atomic(durable=True):
        SummedDay.objects.update_or_create(
            connection=connection, day=day, defaults={"stamp": stamp, "parts": parts}
        )


def _sums(connection: Connection, at: date) -> list[Row]:
    return reads.sums([connection], at, at, [CENTRE])


def _part(row: Row) -> list[Any]:
    """In the order of ``Part``."""
    centre = row.group[CENTRE]
    return [
        None if centre == NONE else centre,
        row.currency,
        [getattr(row, name) for name in COUNTS],
        row.billed_femtos,
        row.cost_femtos,
        row.listed_femtos,
    ]
