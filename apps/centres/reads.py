"""What centres cost: for pages, budgets and whoever else wants to know. Money is exact, days are UTC."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.urls import reverse

from apps.centres.models import CostCentre, Place
from apps.centres.places import connections_of
from apps.centres.sums import CENTRE, summed
from apps.organizations.models import Organization
from apps.usage import reads
from apps.usage.groupings import Placing, is_number
from apps.usage.names import Name, Value
from apps.usage.tuples import NONE

PLACING = Placing(CENTRE, Place, "centre_id", summed)


def spent(
    organization: Organization, first: date, last: date
) -> list[tuple[CostCentre | None, str, Decimal, bool]]:
    """What each centre cost on the UTC days ``first`` to ``last``, both included, over all connections.

    Centre (None: unallocated), currency, amount in that currency, and whether it is an estimate: part of what
    the provider bills for a workspace and model that several have in common, shared out by tokens. A centre
    has a row for each currency, and none where nothing was used. The rows of a currency sum up to what the
    providers charged, exactly. By the rules as they are now; closed months keep theirs
    (``statements``). Four queries.
    """
    billed_by = ("connection", "workspace", "model")
    billed: dict[Any, Decimal] = {}
    costs: dict[Any, list[tuple[Any, Decimal, Decimal]]] = {}
    for row in reads.sums(connections_of(organization), first, last, [CENTRE, *billed_by]):
        bill = (*(row.group[name] for name in billed_by), row.currency)
        billed[bill] = billed.get(bill, Decimal(0)) + row.billed
        found = costs.setdefault((row.group[CENTRE], row.currency), [])
        found.append((bill, row.cost, row.billed))
    known = CostCentre.objects.in_bulk([pk for pk, _currency in costs if pk != NONE])
    told = [
        (
            known.get(pk),
            currency,
            sum((cost for _bill, cost, _own in parts), Decimal(0)),
            # All of a bill is no estimate, nor is what the provider told for just this.
            any(cost and cost not in (own, billed[bill]) for bill, cost, own in parts),
        )
        for (pk, currency), parts in costs.items()
        if any(cost for _bill, cost, _own in parts)
    ]
    return sorted(told, key=lambda one: (one[0] is None, one[0].position if one[0] else 0, one[1]))


def names_of(organization: Organization, values: Sequence[Value]) -> Mapping[Value, Name]:
    """Centres by number, as pages of usage call them."""
    ids = {int(one) for one in (str(value) for value, _ in values) if is_number(one)}
    rows = {one.pk: one for one in CostCentre.objects.filter(organization=organization, pk__in=ids)}
    return {
        (value, at): Name(one.name, one.code, _url(organization, one))
        for value, at in values
        if is_number(str(value)) and (one := rows.get(int(str(value))))
    }


def _url(organization: Organization, one: CostCentre) -> str:
    return reverse("centres:one", kwargs={"slug": organization.slug, "pk": one.pk})


def options(organization: Organization) -> list[tuple[str, str]]:
    """The centres to choose from."""
    rows = CostCentre.objects.current().filter(organization=organization)
    return [(str(one.pk), str(one)) for one in rows]
