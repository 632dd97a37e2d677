"""Fixtures of walks."""

from collections.abc import Callable
from contextlib import closing

import pytest
from pytest_django.fixtures import Settings

from apps.organizations.models import Connection
from apps.sync import walk as walk_module
from tests.factories import ConnectionFactory
from tests.sync.remote import Remote


@pytest.fixture(autouse=True)
def quick(settings: Settings) -> None:
    """Waiting takes milliseconds."""
    settings.SYNC_RETRY_BASE_SECONDS = 0.001
    settings.SYNC_BUCKET_PAUSE_SECONDS = 0.0
    settings.SYNC_WAIT_LIMIT_SECONDS = 0.1


@pytest.fixture
def connection(db: None) -> Connection:
    """A connection that can read everything."""
    return ConnectionFactory()


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Callable[[Remote], Remote]:
    """Put a Remote behind every connection."""

    def put(remote: Remote) -> Remote:
        monkeypatch.setattr(walk_module, "open_adapter", lambda connection: closing(remote))
        return remote

    return put
