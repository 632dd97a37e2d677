"""What a budget may be: everything that can be wrong with one, each said beside its field."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypedDict

from django.utils.translation import gettext as _

from apps.billing.services import CENT
from apps.budgets import scopes
from apps.budgets.models import Budget, Period
from apps.budgets.scopes import Place
from apps.organizations.models import Connection, Organization
from apps.ui import amounts

MOST = Decimal(1_000_000_000)  # of any currency: more is a slip of the finger
LONGEST_NAME = 80
LOWEST, HIGHEST = 1, 500  # percent
MOST_THRESHOLDS = 10
USUAL = (50, 80, 100)
CURRENCY = "USD"  # where nothing was told yet


@dataclass(frozen=True, slots=True)
class Terms:
    """What of a budget can be changed: its name, how much, and when people are told."""

    name: str
    amount: Decimal
    thresholds: tuple[int, ...] = USUAL
    tell_forecast: bool = True


class Wanted(TypedDict, total=False):
    """Those of a budget's terms that are to be otherwise."""

    name: str
    amount: Decimal
    thresholds: Sequence[int]
    tell_forecast: bool


def of_terms(terms: Terms) -> Wanted:
    """All of ``terms`` as what is wanted."""
    return {
        "name": terms.name,
        "amount": terms.amount,
        "thresholds": terms.thresholds,
        "tell_forecast": terms.tell_forecast,
    }


def changed(budget: Budget, wanted: Wanted) -> Terms:
    """The terms of ``budget`` with what is ``wanted``; what is not said is as it stands there."""
    return Terms(
        wanted.get("name", budget.name),
        wanted.get("amount", budget.amount),
        tuple(wanted.get("thresholds", budget.thresholds)),
        wanted.get("tell_forecast", budget.tell_forecast),
    )


def known_currencies(connections: Sequence[Connection]) -> list[str]:
    """What a budget can be in: what was told of anything here, the usual one otherwise. One query."""
    return scopes.currencies(scopes.WHOLE, connections) or [CURRENCY]


def faults(
    terms: Terms, organization: Organization, currency: str, besides: Budget | None = None
) -> dict[str, str]:
    """What is wrong with ``terms``: field → why; {} if nothing is. ``besides``: the budget that has them."""
    found = {
        "name": _name_fault(terms.name, organization, besides),
        "amount": _amount_fault(terms.amount, currency),
        "thresholds": _threshold_fault(terms.thresholds),
    }
    return {field: why for field, why in found.items() if why}


def _name_fault(name: str, organization: Organization, besides: Budget | None) -> str:
    if not name.strip():
        return _("Say what it is called.")
    if len(name.strip()) > LONGEST_NAME:
        return _("At most %(n)d characters.") % {"n": LONGEST_NAME}
    others = Budget.objects.filter(organization=organization, name__iexact=name.strip())
    if besides is not None:
        others = others.exclude(pk=besides.pk)
    return taken() if others.exists() else ""


def taken() -> str:
    """What is said of a name that another budget has."""
    return _("There is a budget of this name already.")


def _amount_fault(amount: Decimal, currency: str) -> str:
    if not amount.is_finite() or amount <= 0:
        return _("Say how much, more than nothing.")
    if amount > MOST:  # first: of very many digits there is no remainder
        return _("At most %(most)s.") % {"most": amounts.whole(MOST, currency)}
    if amount % CENT:
        return _("An amount has two decimals at most.")
    return ""


def _threshold_fault(thresholds: Sequence[int]) -> str:
    if any(not LOWEST <= one <= HIGHEST for one in thresholds):
        return _("From %(low)d to %(high)d percent.") % {"low": LOWEST, "high": HIGHEST}
    if len(set(thresholds)) > MOST_THRESHOLDS:
        return _("At most %(n)d of them.") % {"n": MOST_THRESHOLDS}
    return ""


def place_faults(
    place: Place | None,
    currency: str,
    period: str,
    organization: Organization,
    connections: Sequence[Connection],
) -> dict[str, str]:
    """What is wrong with what a new budget is for. Five queries at most."""
    if period not in Period.values:
        return {"period": _("A month, a quarter or a year.")}
    if place is None or not _is_there(place, organization, connections):
        return {"scope": _("There is no such thing here.")}
    if currency not in known_currencies(connections):
        return {
            "currency": _("Nothing here is told in %(currency)s.") % {"currency": currency or "–"}
        }
    used = scopes.currencies(place, connections)
    if len(used) > 1:
        return {
            "scope": _(
                "What is spent there is told in %(currencies)s. A budget has one currency, and nothing is "
                "converted: make one for each part that has a single one."
            )
            % {"currencies": ", ".join(used)}
        }
    if used and currency not in used:
        return {
            "currency": _("What is spent there is told in %(currency)s.") % {"currency": used[0]}
        }
    return {}


def _is_there(place: Place, organization: Organization, connections: Sequence[Connection]) -> bool:
    return any(place == one for one, _name in scopes.places(organization, connections))
