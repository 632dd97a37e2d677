"""Load balancers learn whether the portal lives and is ready, and nothing else."""

from typing import Any

import pytest
from django.test import Client

from portal.embedded_redis import free_port


def test_a_living_portal_says_so_without_a_database(client: Client) -> None:
    answer = client.get("/health/live")

    assert (answer.status_code, answer.json()) == (200, {"live": True})


@pytest.mark.django_db
def test_a_ready_portal_says_so(client: Client) -> None:
    answer = client.get("/health/ready")

    assert (answer.status_code, answer.json()) == (200, {"ready": True})
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_a_portal_without_redis_is_not_ready_and_does_not_say_why(
    client: Client, settings: Any
) -> None:
    settings.REDIS_URL = f"redis://:secret@127.0.0.1:{free_port()}/0"

    answer = client.get("/health/ready")

    assert (answer.status_code, answer.json()) == (503, {"ready": False})


def test_health_is_read_only(client: Client) -> None:
    assert client.post("/health/live").status_code == 405
