"""Budgets made, changed, deleted. Each is looked at at once, so that its page has figures."""

from collections.abc import Mapping
from typing import Any, Unpack

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.audit.record import record
from apps.billing.money import in_micros
from apps.budgets import keeping, scopes, words
from apps.budgets.models import Budget, Crossing
from apps.budgets.scopes import Place
from apps.budgets.terms import Terms, Wanted, changed, faults, place_faults, taken
from apps.organizations.models import Organization
from apps.organizations.policy import may


class Refused(Exception):
    """What cannot be, in plain words; ``errors``: field → why, "" for the whole of it."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = dict(errors)


def create_budget(
    *,
    organization: Organization,
    actor: User,
    place: Place | None,
    currency: str,
    period: str,
    terms: Terms,
) -> Budget:
    """Have what is spent at ``place`` held against an amount from now on. Raises Refused."""
    _must(actor, organization)
    connections = scopes.connections_of(organization)
    wrong = place_faults(place, currency, period, organization, connections)
    wrong |= faults(terms, organization, currency)
    if wrong or place is None:
        raise Refused(wrong)
    budget = Budget(
        organization=organization,
        scope=place.scope,
        connection=place.connection,
        workspace=place.workspace,
        centre=place.centre,
        currency=currency,
        period=period,
        created_by=actor,
    )
    _take(budget, terms)
    try:
        with transaction.atomic(durable=True):
            budget.save()
            _record(budget, actor, "create", _told(budget))
    except IntegrityError:
        # Sent twice at once: the other was first.
        raise Refused({"name": taken()}) from None
    keeping.look(budget, connections)
    return budget


def change_budget(
    *, budget: Budget, actor: User, seen: int | None = None, **wanted: Unpack[Wanted]
) -> Budget:
    """Change name, amount and what is told; what is not said stays. The budget as it is now. Raises Refused.

    ``seen``: the revision that whoever asks has looked at; another one is refused, so that a form that stood
    open does not put back what a colleague has changed. A threshold that is not passed any more is settled at
    once, one that now is is told.
    """
    try:
        with transaction.atomic(durable=True):
            current = _checked(budget, actor)
            if seen is not None and seen != current.revision:
                raise Refused({"": _meanwhile(current)})
            terms = changed(current, wanted)
            wrong = faults(terms, current.organization, current.currency, besides=current)
            if wrong:
                raise Refused(wrong)
            before = _told(current)
            _take(current, terms)
            after = _told(current)
            changes = {key: [before[key], after[key]] for key in after if before[key] != after[key]}
            if not changes:
                return current
            current.revision += 1
            current.save()
            _record(current, actor, "change", changes)
    except IntegrityError:
        raise Refused({"name": taken()}) from None
    keeping.look(current)
    return current


def _meanwhile(current: Budget) -> str:
    return _(
        "“%(name)s” was changed meanwhile: it is %(amount)s now, told at %(thresholds)s."
        " To save yours all the same, do it once more."
    ) % {
        "name": current.name,
        "amount": words.money(current.amount, current.currency),
        "thresholds": ", ".join(f"{one}%" for one in current.thresholds) or "–",
    }


def delete_budget(*, budget: Budget, actor: User) -> None:
    """End it: what was told of it is over, and its past goes with it."""
    with transaction.atomic(durable=True):
        current = _checked(budget, actor)
        passed = Crossing.objects.filter(standing__budget=current, settled_at__isnull=True)
        for one in passed.select_related("standing__budget__organization"):
            keeping.settle(one)
        _record(current, actor, "delete", _told(current))
        current.delete()


def _must(actor: User, organization: Organization) -> None:
    # Again in the service: the page was asked a moment ago.
    if not may(actor, "budgets.change", organization):
        raise PermissionDenied(_("Your role here does not allow this any more."))


def _checked(budget: Budget, actor: User) -> Budget:
    rows = Budget.objects.select_for_update(of=("self",)).select_related(
        "organization", "connection", "centre"
    )
    current = rows.filter(pk=budget.pk).first()
    if current is None:
        raise Refused({"": _("The budget was deleted meanwhile.")})
    _must(actor, current.organization)
    return current


def _take(budget: Budget, terms: Terms) -> None:
    budget.name = terms.name.strip()
    budget.amount_micros = in_micros(terms.amount) or 0
    budget.thresholds = sorted(set(terms.thresholds))
    budget.tell_forecast = terms.tell_forecast


def _told(budget: Budget) -> dict[str, Any]:
    connection = budget.connection.name if budget.connection else ""
    return {
        "name": budget.name,
        "for": budget.get_scope_display(),
        "connection": connection,
        "workspace": budget.workspace,
        "cost_centre": str(budget.centre or ""),
        "amount": words.money(budget.amount, budget.currency),
        "currency": budget.currency,
        "period": budget.get_period_display(),
        "told_at": words.thresholds(budget),
    }


def _record(budget: Budget, actor: User, verb: str, details: Mapping[str, Any]) -> None:
    record(
        organization=budget.organization,
        actor=actor,
        verb=f"budgets.{verb}",
        target=budget,
        details=details,
        connection=budget.connection_id,
    )
