"""What centres cost: for pages, budgets and whoever else wants to know. Money is exact, days are UTC."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from django.urls import reverse

from apps.centres.models import CostCentre, Place
from apps.centres.places import connections_of
from apps.organizations.models import Organization
from apps.usage import reads
from apps.usage.names import Name, Value
from apps.usage.reads import Placing

CENTRE = "centre"
PLACING = Placing(CENTRE, Place, "centre_id")


def spent(
    organization: Organization, first: date, last: date
) -> list[tuple[CostCentre | None, str, Decimal, bool]]:
    """What each centre cost on the UTC days ``first`` to ``last``, both included, over all connections.

    Centre (None: unallocated), currency, amount in that currency, and whether it is an estimate: shared
    out by tokens, because the provider bills by less. A centre has a row for each currency, and none
    where nothing was used. The rows of a currency sum up to what the providers charged, exactly. By the
    rules as they are now; closed months keep theirs (``statements``). Four queries.
    """
    rows = reads.sums(connections_of(organization), first, last, [CENTRE])
    known = CostCentre.objects.in_bulk(
        {row.group[CENTRE] for row in rows if isinstance(row.group[CENTRE], int)}
    )
    told = [
        (known.get(row.group[CENTRE]), row.currency, row.cost, row.cost != row.billed)
        for row in rows
        if row.cost
    ]
    return sorted(told, key=lambda one: (one[0] is None, one[0].position if one[0] else 0, one[1]))


def names_of(organization: Organization, values: Sequence[Value]) -> Mapping[Value, Name]:
    """Centres by number, as pages of usage call them."""
    ids = {int(str(value)) for value, _ in values if str(value).isdecimal()}
    rows = {one.pk: one for one in CostCentre.objects.filter(organization=organization, pk__in=ids)}
    return {
        (value, at): Name(one.name, one.code, _url(organization, one))
        for value, at in values
        if str(value).isdecimal() and (one := rows.get(int(str(value))))
    }


def _url(organization: Organization, one: CostCentre) -> str:
    return reverse("centres:one", kwargs={"slug": organization.slug, "pk": one.pk})


def options(organization: Organization) -> list[tuple[str, str]]:
    """The centres to choose from."""
    rows = CostCentre.objects.current().filter(organization=organization)
    return [(str(one.pk), str(one)) for one in rows]
