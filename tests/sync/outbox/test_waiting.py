"""Who waits for a worker keeps a thread: only some do, the others are answered at once."""

from contextlib import ExitStack
from time import monotonic

import pytest
from django.conf import settings

from apps.sync.models import CommandState
from apps.sync.outbox.word import await_word
from apps.ui import waiting
from tests import factories

LONG = 30.0


def test_no_more_wait_than_may_and_room_comes_back() -> None:
    for _ in range(2):
        with ExitStack() as stack:
            rooms = [stack.enter_context(waiting.room()) for _ in range(settings.WAITING_AT_ONCE)]
            assert all(rooms)
            assert not stack.enter_context(waiting.room())


@pytest.mark.django_db
def test_a_page_that_finds_no_room_shows_the_change_in_flight_at_once() -> None:
    command = factories.CommandFactory(state=CommandState.QUEUED)
    with ExitStack() as stack:
        for _ in range(settings.WAITING_AT_ONCE):
            stack.enter_context(waiting.room())
        began = monotonic()
        assert await_word(command, LONG).is_open
        assert monotonic() - began < LONG / 2
