"""Olga owns an organization with an account at each provider; both tell of the organization there."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.configuration.models import RemoteConfiguration, RemoteOrganization
from apps.organizations.models import Connection, Grant
from tests import kicks
from tests.browsing import at_desk
from tests.desk import Desk, open_desk
from tests.factories import (
    ConnectionFactory,
    GrantFactory,
    RemoteConfigurationFactory,
    RemoteOrganizationFactory,
    with_organization,
)
from tests.sandbox_server import SandboxServer

DOCUMENT = {
    "version": "v1",
    "telemetryEnabled": True,
    "yoloModeAllowed": False,
    "aFieldOfTomorrow": {"kept": 0.1},
    "openTelemetryOtlpHeaders": {"x-team": "•••"},
    "globalRules": [{"alwaysEnabled": True, "name": "Review first", "contents": "Open a PR."}],
}


@pytest.fixture(autouse=True)
def no_worker(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody carries Commands here, and no page waits for it."""
    settings.OUTBOX_PAGE_WAIT_SECONDS = 0  # type: ignore[attr-defined]  # the fixture is untyped
    kicks.collected(monkeypatch)


@pytest.fixture
def desk(db: None, sandbox: SandboxServer, settings: Any) -> Desk:
    """An organization with an account at each provider of the sandbox."""
    settings.SANDBOX_URL = sandbox.base_url
    return open_desk(sandbox)


@pytest.fixture
def owner() -> Grant:
    """Olga."""
    grant: Grant = GrantFactory(user__name="Olga")
    return grant


def _connected(**fields: object) -> Connection:
    made = with_organization(ConnectionFactory(**fields))
    made.save()
    return made


@pytest.fixture
def claude(owner: Grant) -> Connection:
    """Her account at Anthropic."""
    made = _connected(organization=owner.organization, name="Claude")
    RemoteOrganizationFactory(connection=made, name="Northgate at Anthropic")
    return made


@pytest.fixture
def cline(owner: Grant) -> Connection:
    """Her account at Cline."""
    return _connected(
        organization=owner.organization,
        provider="cline",
        base_url="https://api.cline.bot",
        name="Cline",
    )


@pytest.fixture
def northwind(cline: Connection) -> RemoteOrganization:
    """What Cline knows of it."""
    made: RemoteOrganization = RemoteOrganizationFactory(connection=cline, member_count=1234)
    return made


@pytest.fixture
def config(cline: Connection) -> RemoteConfiguration:
    """What it hands to its members."""
    made: RemoteConfiguration = RemoteConfigurationFactory(connection=cline, document=DOCUMENT)
    return made


@pytest.fixture
def olga(owner: Grant) -> Client:
    """Olga's browser, signed in just now."""
    return at_desk(owner.user)


@pytest.fixture
def at(cline: Connection) -> Callable[..., str]:
    """Addresses of the Cline account's organization."""
    slug = cline.organization.slug
    return lambda path="": f"/o/{slug}/connections/{cline.uid}/provider/{path}"
