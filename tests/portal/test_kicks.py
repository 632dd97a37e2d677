"""How workers are told: by a task's name, after the commit, and never at the cost of who tells."""

from typing import Any

import pytest
from celery import Celery
from pytest_django import DjangoCaptureOnCommitCallbacks
from redis import RedisError

from apps import kicks
from apps.audit.context import origin
from portal.celery import app


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the broker is given."""
    told: list[Any] = []
    monkeypatch.setattr(
        Celery, "send_task", lambda app, name, args, **more: told.append((name, args))
    )
    return told


def test_a_kick_names_a_task_and_ids(sent: list[Any]) -> None:
    assert kicks.kick("actions.carry", 7)
    assert kicks.kick_each("actions.carry", [(8,), (9,)])
    assert sent == [("actions.carry", [7]), ("actions.carry", [8]), ("actions.carry", [9])]


@pytest.mark.parametrize("error", [RedisError("away"), OSError("no route")])
def test_a_broker_that_is_away_loses_the_kick_and_breaks_nothing(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(Celery, "send_task", refuse)
    assert not kicks.kick("actions.carry", 7)


@pytest.mark.django_db
def test_after_the_commit_and_not_before(
    sent: list[Any], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        kicks.kick_after_commit("walks.walk", 3, "due")
        assert not sent
    assert sent == [("walks.walk", [3, "due"])]


def test_the_task_at_hand_is_known_and_named_in_the_audit() -> None:
    assert kicks.task_at_hand() is None
    assert origin().source == "command line"

    @app.task(name="tests.origin")  # type: ignore[untyped-decorator]  # Celery has no types
    def look() -> None:
        seen.append((kicks.task_at_hand(), origin().source, origin().request_id))

    seen: list[Any] = []
    look.apply(task_id="one-of-many")
    assert seen == [("one-of-many", "worker", "one-of-many")]
    app.tasks.pop("tests.origin")
