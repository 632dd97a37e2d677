"""Olga's organization with an account at each provider, of which every day is read; what was used is the test's."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from apps.organizations.models import Connection, Grant
from apps.usage.days import day_of, hour_of
from apps.usage.models import ReadDay, Report
from tests.factories import ConnectionFactory, GrantFactory, with_workspaces
from tests.usage.rolled import read, report

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
TODAY = NOW.date()
DAYS = 80  # that are read: back to the end of August


@pytest.fixture(autouse=True)
def at_noon() -> Any:
    """It is the middle of November."""
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def owner() -> Grant:
    """Olga."""
    grant: Grant = GrantFactory(user__name="Olga")
    return grant


def whole(connection: Connection) -> Connection:
    """The same connection, all of whose days are read, today too as far as it has come."""
    days = [TODAY - timedelta(days=back) for back in range(DAYS + 1)]
    report(connection, days[-1])
    Report.objects.filter(connection=connection).update(backfilled_at=NOW)
    read(connection, *days)
    today = ReadDay.objects.filter(connection=connection, day=day_of(TODAY))
    today.update(through=hour_of(NOW), settled=False)
    return connection


@pytest.fixture
def claude(owner: Grant) -> Connection:
    """Billed afterwards."""
    made = with_workspaces(ConnectionFactory(organization=owner.organization, name="Claude"))
    made.save()
    return whole(made)


@pytest.fixture
def cline(owner: Grant) -> Connection:
    """Credit bought in advance."""
    made: Connection = ConnectionFactory(
        organization=owner.organization, provider="cline", name="Cline"
    )
    return whole(made)


def november(day: int) -> date:
    """A day of the running month."""
    return date(2026, 11, day)
