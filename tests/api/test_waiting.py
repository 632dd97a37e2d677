"""``Prefer: wait``: how long a caller is kept, and by what."""

from contextlib import ExitStack
from time import monotonic
from typing import Any

import pytest
import redis
from django.conf import settings
from django.utils import timezone
from rest_framework.test import APIClient

from apps.organizations.models import Connection
from apps.sync.models import Command, CommandState
from apps.sync.outbox import word
from apps.ui import waiting
from tests.factories import CommandFactory, MemberFactory, PersonFactory

pytestmark = pytest.mark.django_db


def settle(command: Command) -> None:
    """Let it have happened, without a word."""
    Command.objects.filter(pk=command.pk).update(
        state=CommandState.SUCCEEDED, settled_at=timezone.now()
    )


def test_a_word_that_came_before_the_wait_is_heard_at_once(connection: Connection) -> None:
    command: Command = CommandFactory(connection=connection)
    word.announce(command)
    began = monotonic()
    word.await_word(command, 8)
    assert monotonic() - began < 4


def test_a_word_that_another_took_is_not_waited_for_to_the_end(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    command: Command = CommandFactory(connection=connection)

    class Taken:
        """A Redis whose word somebody else has just taken."""

        waits: list[float] = []

        def blpop(self, keys: list[str], timeout: float) -> None:
            self.waits.append(timeout)
            settle(command)

    taken = Taken()
    monkeypatch.setattr(word, "client", lambda: taken)
    assert word.await_word(command, 8).state == CommandState.SUCCEEDED
    assert taken.waits == [word.ONE_WAIT_SECONDS]


def test_a_wait_longer_than_one_look_goes_on_to_its_end(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word, "ONE_WAIT_SECONDS", 0.05)
    command: Command = CommandFactory(connection=connection)
    began = monotonic()
    assert word.await_word(command, 0.4).state == CommandState.QUEUED
    assert monotonic() - began >= 0.4


@pytest.mark.parametrize("state", [CommandState.AWAITING_APPROVAL, CommandState.OPERATOR])
def test_what_waits_for_a_person_is_not_waited_for(
    connection: Connection, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word, "client", lambda: pytest.fail("waited"))
    word.await_word(CommandFactory(connection=connection, state=state), 8)


def test_without_redis_nobody_waits(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away:
        def blpop(self, keys: list[str], timeout: float) -> None:
            raise redis.ConnectionError("away")

    monkeypatch.setattr(word, "client", Away)
    began = monotonic()
    word.await_word(CommandFactory(connection=connection), 8)
    assert monotonic() - began < 4


@pytest.mark.parametrize(
    ("preferred", "waited"),
    [
        ("", 0),
        ("wait=3", 3),
        ("respond-async, wait=3", 3),
        ("wait=99999", 10),
        ('wait="2"', 2),
        ("wait=soon", 0),
        ("patience; wait", 0),
        ("await=5", 0),
    ],
)
def test_the_preference_is_read_as_it_is_written(
    api: APIClient,
    base: str,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    preferred: str,
    waited: int,
) -> None:
    seen: list[float] = []

    def note(command: Command, seconds: float) -> Command:
        seen.append(seconds)
        return command

    monkeypatch.setattr("apps.sync.api.await_word", note)
    member: Any = MemberFactory(
        connection=connection, person=PersonFactory(organization=connection.organization)
    )
    answer = api.delete(f"{base}members/{member.pk}/", HTTP_PREFER=preferred)
    assert answer.status_code == 202
    assert seen == [waited]


def test_it_is_told_that_the_preference_was_heeded_only_where_it_was(
    api: APIClient, base: str, connection: Connection
) -> None:
    member: Any = MemberFactory(
        connection=connection, person=PersonFactory(organization=connection.organization)
    )
    with ExitStack() as stack:
        for _ in range(settings.WAITING_AT_ONCE):
            stack.enter_context(waiting.room())
        crowded = api.delete(f"{base}members/{member.pk}/", HTTP_PREFER="wait=1")
    assert crowded.status_code == 202
    assert "Preference-Applied" not in crowded

    Command.objects.all().delete()
    waited = api.delete(f"{base}members/{member.pk}/", HTTP_PREFER="wait=1")
    assert waited.status_code == 202
    assert waited["Preference-Applied"] == "wait=1"
