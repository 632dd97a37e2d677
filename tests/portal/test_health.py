"""Load balancers learn whether the portal lives and is ready, in fixed words, whatever hangs."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from apps.organizations.models import Connection
from portal import health
from portal.embedded_redis import free_port
from tests.factories import ConnectionFactory

ALL_OK = dict.fromkeys(("database", "migrations", "schema", "keyring", "redis"), "ok")


@pytest.fixture(autouse=True)
def nothing_seen_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_seen_right", set())


@pytest.fixture
def in_this_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look where the test's own transaction is seen."""
    monkeypatch.setattr(health, "condition", health._look_at_database)


def test_a_living_portal_says_so_without_a_database_by_any_name(client: Client) -> None:
    answer = client.get("/healthz", HTTP_HOST="10.0.0.7:8000")

    assert (answer.status_code, answer.json()) == (200, {"alive": True})
    assert client.post("/healthz").status_code == 405


@pytest.mark.django_db(transaction=True)
def test_a_ready_portal_says_so(client: Client) -> None:
    answer = client.get("/readyz", HTTP_HOST="10.0.0.7:8000")

    assert (answer.status_code, answer.json()) == (200, {"ready": True, **ALL_OK})
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db(transaction=True)
def test_what_is_away_is_named_and_what_it_said_is_not(client: Client, settings: Any) -> None:
    settings.REDIS_URL = f"redis://:secret@127.0.0.1:{free_port()}/0"

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json() == {"ready": False, **ALL_OK, "redis": "does not answer"}


def test_a_database_that_is_away_is_named_and_its_words_are_not(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> dict[str, str]:
        raise OperationalError("no route to the host of a secret name")

    monkeypatch.setattr(health, "LOOKS", {"database": health.Look("database", fail)})

    answer = client.get("/readyz")

    assert answer.json() == {"ready": False, "database": "does not answer"}


@pytest.fixture
def silence() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_whoever_asks_waits_no_longer_than_the_patience(
    client: Client, settings: Any, silence: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{silence}/0"
    monkeypatch.setattr(health, "LOOKS", {"redis": health.Look("redis", health._look_at_redis)})
    monkeypatch.setattr(health, "PATIENCE", 0.3)

    began = time.monotonic()
    answers = [client.get("/readyz").json() for _ in range(2)]

    assert answers == [{"ready": False, "redis": "does not answer"}] * 2
    assert time.monotonic() - began < 2.0


@pytest.mark.django_db
@pytest.mark.usefixtures("in_this_thread")
def test_a_database_that_does_not_fit_the_code_is_told_apart(client: Client) -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_applied("sync", "9999_of_a_later_release")
    later = client.get("/readyz")
    recorder.record_unapplied("sync", "9999_of_a_later_release")
    recorder.record_unapplied("keys", "0001_initial")
    health._seen_right.clear()
    pending = client.get("/readyz")

    assert (later.status_code, pending.status_code) == (503, 503)
    assert "later release" in later.json()["schema"]
    assert later.json()["keyring"] == "not looked at"
    assert "manage.py migrate" in pending.json()["migrations"]


@pytest.mark.django_db
@pytest.mark.usefixtures("in_this_thread")
def test_a_keyring_that_lacks_a_key_is_named(client: Client) -> None:
    ConnectionFactory()
    Connection.objects.update(credential="v7.AAAA.BBBB")

    assert client.get("/readyz").json()["keyring"] == "CREDENTIAL_KEYS lacks key 7"
