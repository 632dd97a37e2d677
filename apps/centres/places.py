"""Places: which centre each Dimension of usage belongs to, kept as a table that the database sums up by.

They are made anew with every change of a rule, in its transaction; by a worker for what usage names for the
first time, and every few minutes for names and addresses that changed.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from apps.centres.models import CostCentre, Place, Ruleset
from apps.centres.rules import Sorter, rulings_of
from apps.organizations.models import Connection, Organization
from apps.usage import bulk
from apps.usage.groupings import PLACED, PLACED_BY
from apps.usage.models import Dimension

EVERYTHING = timedelta(minutes=5)  # how often names that may have changed are looked at
GRAINS = [grain.id for grain in PLACED]


def connections_of(organization: Organization) -> list[Connection]:
    """Those whose usage is told to centres: confirmed ones, the disconnected too. One query."""
    return list(Connection.objects.filter(organization=organization).confirmed().order_by("pk"))


def sort_all(organization: Organization) -> None:
    """Sort everything by the rules as they are now. In the transaction that changed them."""
    Ruleset.objects.get_or_create(organization=organization)
    Ruleset.objects.filter(organization=organization).update(version=F("version") + 1)
    connections = connections_of(organization)
    _exchange(organization, *_sorted(organization, connections, 0), whole=True)


def tend(organization_id: int) -> None:
    """Sort what is new, and everything where that was not done for a while. For workers.

    Sorted beside other writers, and written only if no rule has changed meanwhile.
    """
    organization = Organization.objects.get(pk=organization_id)
    standing = Ruleset.objects.filter(organization=organization).first()
    if standing is None:
        return  # nobody has made a rule
    now = timezone.now()
    whole = standing.sorted_at is None or now - standing.sorted_at >= EVERYTHING
    connections = connections_of(organization)
    places, to = _sorted(organization, connections, 0 if whole else standing.sorted_to)
    if not whole and to == standing.sorted_to:
        return
    with transaction.atomic(durable=True):
        same = Ruleset.objects.select_for_update().filter(
            organization=organization, version=standing.version
        )
        if not same.exists():
            return  # whoever changed the rules has sorted everything
        _exchange(organization, places, to, whole=whole)


def _sorted(
    organization: Organization, connections: Sequence[Connection], after: int
) -> tuple[dict[int, int], int]:
    """The centre of each Dimension beyond ``after`` that has one; and the last that was looked at."""
    ids = [one.pk for one in connections]
    rows = Dimension.objects.filter(connection__in=ids, grain__in=GRAINS, pk__gt=after)
    last = rows.aggregate(last=Max("pk"))["last"] or after
    rulings = rulings_of(organization)
    if not rulings or last == after:
        return {}, last
    sorter = Sorter(connections, rulings)
    found = {}
    # One that is made meanwhile has its turn the next time.
    told = rows.filter(pk__lte=last).order_by().values_list("pk", "connection_id", *PLACED_BY)
    for pk, *triple in told.iterator(chunk_size=5000):
        ruling = sorter.decide(tuple(triple))
        if ruling is not None:
            found[pk] = ruling.centre
    return found, last


def _exchange(organization: Organization, places: dict[int, int], to: int, *, whole: bool) -> None:
    """Have these places in the stead of all that there are, or, not ``whole``, of their own."""
    if whole:
        mine = CostCentre.objects.filter(organization=organization)
        rows = Place.objects.filter(centre__in=mine).order_by()
        held = dict(rows.values_list("dimension_id", "centre_id").iterator())
    else:
        held = dict(_held(list(places)))
    stale = [(pk,) for pk, centre in held.items() if places.get(pk) != centre]
    fresh = [(pk, centre) for pk, centre in places.items() if held.get(pk) != centre]
    bulk.delete(Place, ("dimension_id",), stale)
    bulk.insert(Place, ("dimension_id", "centre_id"), fresh)
    standing = Ruleset.objects.filter(organization=organization)
    standing.update(sorted_to=to)
    if whole:
        standing.update(sorted_at=timezone.now())
        if stale or fresh:
            standing.update(version=F("version") + 1)  # sums by the places before hold no more


def _held(pks: Sequence[int]) -> Iterator[tuple[int, int]]:
    for at in range(0, len(pks), 500):
        rows = Place.objects.filter(dimension__in=pks[at : at + 500])
        yield from rows.values_list("dimension_id", "centre_id")
