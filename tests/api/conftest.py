"""A client with a token, and an outbox that no worker empties."""

import pytest
from rest_framework.test import APIClient

from apps.organizations.models import Connection, Grant, Role
from apps.organizations.token_services import create_token
from apps.sync.outbox import requests
from tests.factories import ConnectionFactory, GrantFactory


def client_for(grant: Grant) -> APIClient:
    """A client that signs in by a token of the grant's holder."""
    _token, secret = create_token(
        organization=grant.organization, user=grant.user, name="script", days=None
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


@pytest.fixture(autouse=True)
def kicked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids that the workers were told of."""
    ids: list[int] = []
    monkeypatch.setattr(requests, "kick", lambda *pks: ids.extend(pks))
    return ids


@pytest.fixture
def owner() -> Grant:
    """Olga owns the organization."""
    grant: Grant = GrantFactory(user__name="Olga", role=Role.OWNER)
    return grant


@pytest.fixture
def connection(owner: Grant) -> Connection:
    """An account of Olga's organization at a provider."""
    made: Connection = ConnectionFactory(organization=owner.organization)
    return made


@pytest.fixture
def api(owner: Grant) -> APIClient:
    """Olga's script."""
    return client_for(owner)


@pytest.fixture
def base(owner: Grant) -> str:
    """Where Olga's organization begins."""
    return f"/api/v1/organizations/{owner.organization.slug}/"
