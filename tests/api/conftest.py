"""A client with a token, and an outbox that no worker empties."""

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from rest_framework.test import APIClient

from apps.organizations.models import Connection, Grant, Role
from apps.organizations.token_services import create_token
from tests import kicks
from tests.factories import ConnectionFactory, GrantFactory


def client_for(grant: Grant) -> APIClient:
    """A client that signs in by a token of the grant's holder."""
    _token, secret = create_token(
        organization=grant.organization, user=grant.user, name="script", days=None
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def send(client: Client, method: str, address: str, body: Any = None, key: str = "") -> Any:
    """A request with JSON."""
    headers = {"Idempotency-Key": key} if key else {}
    return getattr(client, method)(address, body, content_type="application/json", headers=headers)


def pointers(answer: Any) -> set[str]:
    """Where a 400 finds something wrong."""
    assert answer.status_code == 400, answer.content
    return {one["pointer"] for one in answer.json()["errors"]}


@pytest.fixture(autouse=True)
def kicked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids that the workers were told of."""
    ids: list[int] = kicks.collected(monkeypatch)
    return ids


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is put into the cache, from now on: (key, value, …)."""
    put: list[Any] = []
    real = cache.set

    def put_down(*args: Any, **kwargs: Any) -> None:
        put.append(args)
        real(*args, **kwargs)

    monkeypatch.setattr(cache, "set", put_down)
    return put


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
