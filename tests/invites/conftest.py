"""Olga owns an organization with an account at each provider."""

import pytest
from django.test import Client

from apps.organizations.models import Connection, Grant
from tests import kicks
from tests.factories import ConnectionFactory, GrantFactory


@pytest.fixture(autouse=True)
def no_worker(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody carries Commands here, and no page waits for it."""
    settings.OUTBOX_PAGE_WAIT_SECONDS = 0  # type: ignore[attr-defined]  # the fixture is untyped
    kicks.collected(monkeypatch)


@pytest.fixture
def owner() -> Grant:
    """Olga."""
    grant: Grant = GrantFactory(user__name="Olga")
    return grant


@pytest.fixture
def anthropic(owner: Grant) -> Connection:
    """Her account at Anthropic."""
    made: Connection = ConnectionFactory(organization=owner.organization, name="Claude")
    return made


@pytest.fixture
def cline(owner: Grant) -> Connection:
    """Her account at Cline."""
    made: Connection = ConnectionFactory(
        organization=owner.organization,
        provider="cline",
        base_url="https://api.cline.bot",
        name="Cline",
    )
    return made


@pytest.fixture
def olga(client: Client, owner: Grant) -> Client:
    """Olga's browser."""
    client.force_login(owner.user)
    return client
