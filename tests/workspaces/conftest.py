"""Olga owns an organization with an account at each provider; Anthropic's has workspaces."""

from typing import Any

import pytest
from django.test import Client

from apps.organizations.models import Connection, Grant
from tests import kicks
from tests.desk import Desk, open_desk
from tests.factories import ConnectionFactory, GrantFactory, with_workspaces
from tests.organizations.connection_tools import sign_in
from tests.sandbox_server import SandboxServer


@pytest.fixture
def no_worker(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody carries Commands here, and no page waits for it."""
    settings.OUTBOX_PAGE_WAIT_SECONDS = 0
    kicks.collected(monkeypatch)


@pytest.fixture
def desk(db: None, sandbox: SandboxServer, settings: Any) -> Desk:
    """An organization with an account at each provider of the sandbox."""
    settings.SANDBOX_URL = sandbox.base_url
    return open_desk(sandbox)


@pytest.fixture
def owner(db: None) -> Grant:
    """Olga."""
    grant: Grant = GrantFactory(user__name="Olga")
    return grant


@pytest.fixture
def claude(owner: Grant) -> Connection:
    """Her account at Anthropic."""
    made = with_workspaces(ConnectionFactory.build(organization=owner.organization, name="Claude"))
    made.save()
    return made


@pytest.fixture
def olga(client: Client, owner: Grant) -> Client:
    """Olga's browser, a moment after she signed in."""
    return sign_in(client, owner.user)
