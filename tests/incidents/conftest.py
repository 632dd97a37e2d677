"""Olga's account at Anthropic, whose usage has been read for nine weeks; what was used is up to the test."""

import pytest

from apps.organizations.models import Connection, Grant
from apps.usage.models import Report
from tests.factories import ConnectionFactory, GrantFactory, with_keys, with_workspaces
from tests.incidents.spending import DAYS, back
from tests.usage.rolled import read, report


@pytest.fixture
def owner() -> Grant:
    """Olga."""
    grant: Grant = GrantFactory(user__name="Olga")
    return grant


@pytest.fixture
def claude(owner: Grant) -> Connection:
    """Every day is read whole, today too as far as it has come."""
    made = with_keys(with_workspaces(ConnectionFactory(organization=owner.organization)))
    made.name = "Claude"
    made.save()
    report(made, back(DAYS))
    Report.objects.filter(connection=made).update(backfilled_at=made.created_at)
    read(made, *(back(days) for days in range(DAYS + 1)))
    return made
