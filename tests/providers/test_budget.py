"""The share of a provider's rate limit, counted by all processes together."""

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator

import pytest
import redis
from django.conf import settings

from apps.providers.budget import RateBudget, Room
from apps.providers.errors import BudgetSpent


@pytest.fixture
def key() -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex}"
    yield name
    client = redis.Redis.from_url(settings.REDIS_URL)
    for found in client.scan_iter(f"orgdesk:budget:{{{name}}}*"):
        client.delete(found)


@pytest.fixture
def budget(key: str) -> Callable[..., RateBudget]:
    def make(per_minute: int, window: float = 60.0) -> RateBudget:
        return RateBudget(settings.REDIS_URL, key, per_minute, window=window)

    return make


def taken(budget: RateBudget, *, write: bool, at_most: int = 100) -> int:
    for count in range(at_most):
        try:
            budget.take(write=write, wait=0)
        except BudgetSpent:
            return count
    return at_most


def test_reads_leave_a_third_for_writes(budget: Callable[..., RateBudget]) -> None:
    nine = budget(9)
    assert taken(nine, write=False) == 6
    assert taken(nine, write=True) == 3


def test_writes_may_use_it_all_and_then_reads_wait_too(budget: Callable[..., RateBudget]) -> None:
    nine = budget(9)
    assert taken(nine, write=True) == 9
    assert taken(nine, write=False) == 0


def test_a_spent_budget_says_when_there_will_be_room(budget: Callable[..., RateBudget]) -> None:
    one = budget(1, window=30.0)
    one.take(write=True, wait=0)
    with pytest.raises(BudgetSpent) as caught:
        one.take(write=True, wait=0)
    assert caught.value.retry_after is not None
    assert 20.0 < caught.value.retry_after <= 30.0


def test_looking_for_room_takes_none(budget: Callable[..., RateBudget]) -> None:
    nine = budget(9)
    assert nine.room(write=True) == Room(9, 0.0)
    taken(nine, write=False)
    assert nine.room(write=True) == Room(3, 0.0)
    reads = nine.room(write=False)
    assert reads.requests == 0
    assert 50.0 < reads.wait <= 61.0
    nine.penalise(200.0)
    assert nine.room(write=True).requests == 0
    assert nine.room(write=True).wait > 150.0
    assert taken(budget(9), write=True) == 0


def test_it_waits_for_room_when_there_is_time(budget: Callable[..., RateBudget]) -> None:
    two = budget(2, window=0.4)
    began = time.monotonic()
    for _ in range(6):
        two.take(write=True, wait=5.0)
    assert 0.75 < time.monotonic() - began < 4.0


def test_it_does_not_wait_in_vain(budget: Callable[..., RateBudget]) -> None:
    one = budget(1, window=30.0)
    one.take(write=True, wait=0)
    began = time.monotonic()
    with pytest.raises(BudgetSpent):
        one.take(write=True, wait=5.0)
    assert time.monotonic() - began < 2.0


def test_after_a_429_nobody_sends_until_the_pause_is_over(
    budget: Callable[..., RateBudget],
) -> None:
    hundred = budget(100)
    hundred.penalise(40.0)
    hundred.penalise(3.0)  # the longer one holds
    with pytest.raises(BudgetSpent) as caught:
        hundred.take(write=True, wait=1.0)
    assert caught.value.retry_after is not None
    assert caught.value.retry_after > 30.0


def test_a_429_that_does_not_say_how_long_pauses_all_the_same(
    budget: Callable[..., RateBudget],
) -> None:
    hundred = budget(100)
    hundred.penalise(None)
    assert taken(hundred, write=True) == 0


def test_all_processes_count_together(key: str) -> None:
    code = (
        "import sys\n"
        "from django.conf import settings\n"
        "settings.configure(USE_I18N=False)\n"
        "from apps.providers.budget import RateBudget\n"
        "from apps.providers.errors import BudgetSpent\n"
        "budget = RateBudget(sys.argv[1], sys.argv[2], 30)\n"
        "count = 0\n"
        "try:\n"
        "    while True:\n"
        "        budget.take(write=True, wait=0)\n"
        "        count += 1\n"
        "except BudgetSpent:\n"
        "    print(count)\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, settings.REDIS_URL, key], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    assert sum(int(one.communicate(timeout=60)[0]) for one in running) == 30


def test_budgets_of_other_connections_are_their_own(key: str) -> None:
    first = RateBudget(settings.REDIS_URL, key, 1)
    second = RateBudget(settings.REDIS_URL, f"{key}-second", 1)
    first.take(write=True, wait=0)
    second.take(write=True, wait=0)
    redis.Redis.from_url(settings.REDIS_URL).delete(f"orgdesk:budget:{{{key}-second}}:all")


def test_without_redis_nothing_is_sent() -> None:
    nowhere = RateBudget("redis://127.0.0.1:1/0", "test", 100)
    with pytest.raises(BudgetSpent) as caught:
        nowhere.take(write=True, wait=0)
    assert caught.value.retry_after == 5.0
    assert nowhere.room(write=True) == Room(0, 5.0)
    nowhere.penalise(3.0)
