"""Olga's two accounts at providers, of which two months and a bit are read; what was used is up to the test."""

from datetime import date, timedelta

import pytest

from apps.centres import months
from apps.centres.months import Span
from apps.organizations.models import Connection, Grant
from tests.factories import ConnectionFactory, GrantFactory
from tests.usage.rolled import read, report


@pytest.fixture
def owner() -> Grant:
    """Olga."""
    grant: Grant = GrantFactory(user__name="Olga", organization__slug="acme")
    return grant


@pytest.fixture
def last() -> Span:
    """The last month that is over."""
    return months.last_whole()


@pytest.fixture
def older(last: Span) -> Span:
    """The one before."""
    return months.month_of(last.first - timedelta(days=1))


def days_of(*spans: Span) -> list[date]:
    """Every day of some months."""
    return [
        one.first + timedelta(days=at)
        for one in spans
        for at in range((one.last - one.first).days + 1)
    ]


def connect(owner: Grant, name: str, *spans: Span) -> Connection:
    """An account, of which every day of these months is read and settled."""
    made: Connection = ConnectionFactory(organization=owner.organization, name=name)
    report(made, min(one.first for one in spans))
    read(made, *days_of(*spans))
    return made


@pytest.fixture
def claude(owner: Grant, older: Span, last: Span) -> Connection:
    """The first account."""
    return connect(owner, "Claude", older, last)


@pytest.fixture
def lab(owner: Grant, older: Span, last: Span) -> Connection:
    """The second."""
    return connect(owner, "Lab", older, last)
