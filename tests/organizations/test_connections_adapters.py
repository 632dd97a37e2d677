"""The way to a remote account opens for a sealed key, an allowed address and a worker alone."""

import socket
from typing import Any

import pytest
from django.db import transaction

from apps.organizations.adapters import allowed_base_urls, budget_of, open_adapter
from apps.organizations.credentials import seal_for, unseal_from
from apps.organizations.models import Connection
from apps.organizations.sealing import Secret, new_key
from apps.providers.errors import BudgetSpent, CallNotAllowed, NotSent, Unauthorized
from apps.providers.guard import worker_scope
from tests.factories import ConnectionFactory
from tests.sandbox_server import SandboxServer


@pytest.fixture
def connection(db: None, settings: Any, sandbox: SandboxServer) -> Connection:
    settings.SANDBOX_URL = sandbox.base_url
    made: Connection = ConnectionFactory.create(base_url=sandbox.base_url)
    made.credential = seal_for(made, "credential", Secret(sandbox.anthropic_key))
    made.save()
    return made


def test_a_worker_reaches_the_account_behind_the_sealed_key(
    connection: Connection, sandbox: SandboxServer
) -> None:
    with worker_scope(), open_adapter(connection) as adapter:
        found = adapter.probe()
    assert [one.remote_id for one in found.organizations] == [sandbox.anthropic_organization]


def test_outside_a_worker_nothing_is_sent(connection: Connection) -> None:
    with pytest.raises(CallNotAllowed), open_adapter(connection) as adapter:
        adapter.probe()


def test_with_a_transaction_open_nothing_is_sent(
    connection: Connection, sandbox: SandboxServer
) -> None:
    before = sum(sandbox.control.counters().values())
    with (
        worker_scope(),
        open_adapter(connection) as adapter,
        transaction.atomic(),
        pytest.raises(CallNotAllowed, match="transaction"),
    ):
        adapter.probe()
    assert sum(sandbox.control.counters().values()) == before


def test_an_address_that_left_the_list_is_not_spoken_to(
    connection: Connection, settings: Any, sandbox: SandboxServer
) -> None:
    settings.SANDBOX_URL = ""
    with (
        worker_scope(),
        pytest.raises(NotSent, match="list of base URLs"),
        open_adapter(connection),
    ):
        pass
    assert sandbox.control.counters() == {}


def test_production_never_speaks_to_a_sandbox(settings: Any) -> None:
    settings.SANDBOX_URL = "http://127.0.0.1:9100"
    assert "http://127.0.0.1:9100" in allowed_base_urls("anthropic")
    settings.DEVELOPMENT = False
    assert allowed_base_urls("anthropic") == ["https://api.anthropic.com"]
    assert allowed_base_urls("cline") == ["https://api.cline.bot"]
    assert allowed_base_urls("nobody") == []


def test_the_demo_offers_its_sandbox_first(settings: Any) -> None:
    settings.SANDBOX_URL = "http://127.0.0.1:9100/"
    settings.DEMO = True
    assert allowed_base_urls("cline") == ["http://127.0.0.1:9100", "https://api.cline.bot"]


def test_a_name_that_leads_into_the_private_network_is_not_spoken_to(
    connection: Connection, settings: Any, monkeypatch: Any
) -> None:
    settings.PROVIDER_BASE_URLS = {"anthropic": ["https://provider.example.com"]}
    connection.base_url = "https://provider.example.com"

    def rebound(*args: Any, **kwargs: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    with (
        worker_scope(),
        open_adapter(connection) as adapter,
        pytest.raises(NotSent, match="private address"),
    ):
        adapter.probe()


def test_plain_http_is_for_the_loopback_sandbox_alone(
    connection: Connection, settings: Any
) -> None:
    settings.PROVIDER_BASE_URLS = {"anthropic": ["http://provider.example.com"]}
    connection.base_url = "http://provider.example.com"
    with worker_scope(), pytest.raises(NotSent, match="https"), open_adapter(connection):
        pass


def test_a_key_that_cannot_be_unsealed_is_told_as_a_refused_key(
    connection: Connection, settings: Any
) -> None:
    settings.CREDENTIAL_KEYS = [new_key(5)]
    with (
        worker_scope(),
        pytest.raises(Unauthorized, match="Paste it again"),
        open_adapter(connection),
    ):
        pass


def test_all_connections_to_a_remote_organization_share_its_budget(connection: Connection) -> None:
    connection.requests_per_minute = 4  # one of them is kept for writes
    with worker_scope(), open_adapter(connection, wait=0.05) as adapter:
        for _ in range(3):
            adapter.members()
    another_tenants = _same_key(connection, connection.remote_organization_id)
    for one in (connection, another_tenants):
        with worker_scope(), open_adapter(one, wait=0.05) as adapter:
            with pytest.raises(BudgetSpent) as spent:
                adapter.members()
            assert spent.value.retry_after
            assert spent.value.retry_after > 30


@pytest.mark.parametrize("remote_organization_id", ["another", ""])
def test_other_remote_organizations_have_their_own_budget(
    connection: Connection, remote_organization_id: str
) -> None:
    budget_of(connection).penalise(60)
    other = _same_key(connection, remote_organization_id)
    with worker_scope(), open_adapter(other) as adapter:
        adapter.members()


def _same_key(connection: Connection, remote_organization_id: str) -> Connection:
    """Another organization's connection, with four requests a minute as well."""
    other: Connection = ConnectionFactory.create(
        base_url=connection.base_url,
        remote_organization_id=remote_organization_id,
        requests_per_minute=4,
    )
    other.credential = seal_for(other, "credential", Secret(_key_of(connection)))
    return other


def _key_of(connection: Connection) -> str:
    return unseal_from(connection, "credential").reveal()
