"""A connection's breaker, freeze and notices."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection as database
from django.utils import timezone

from apps.audit.models import Entry
from apps.organizations import health
from apps.organizations.models import Connection
from apps.providers.errors import Forbidden, NotSent, ProviderError, Refused, Unauthorized, Unclear
from tests.factories import ConnectionFactory

DOWN = NotSent("The provider could not be reached.")


@pytest.fixture
def connection(db: None) -> Connection:
    made: Connection = ConnectionFactory.create()
    return made


def fail(connection: Connection, times: int, error: ProviderError = DOWN) -> None:
    for _ in range(times):
        health.note_failure(connection, error)
    connection.refresh_from_db()


def test_four_failures_leave_the_breaker_closed_and_the_fifth_opens_it(
    connection: Connection,
) -> None:
    fail(connection, 4)
    assert health.breaker_allows(connection) is None
    fail(connection, 1, Unclear("reset"))
    wait = health.breaker_allows(connection)
    assert wait is not None
    assert 25 < wait <= 30


def test_a_success_closes_it_and_starts_the_count_anew(connection: Connection) -> None:
    fail(connection, 5)
    health.note_success(connection)
    assert health.breaker_allows(connection) is None
    fail(connection, 4)
    assert health.breaker_allows(connection) is None
    assert connection.last_error == DOWN.message


def test_an_answer_that_says_no_is_no_failure_of_the_connection(connection: Connection) -> None:
    fail(connection, 9, Refused("duplicate"))
    fail(connection, 9, Forbidden("not yours"))
    assert connection.failures == 0
    assert health.breaker_allows(connection) is None


def test_after_the_rest_one_caller_tries_and_the_others_wait(connection: Connection) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        fail(connection, 5)
        clock.shift(31)
        assert health.breaker_allows(connection) is None
        assert health.breaker_allows(connection)
        health.note_success(connection)
        assert health.breaker_allows(connection) is None


def test_each_failed_try_doubles_the_rest_up_to_the_cap(connection: Connection) -> None:
    rests = []
    with time_machine.travel(timezone.now(), tick=False) as clock:
        fail(connection, 5)
        for _ in range(6):
            wait = health.breaker_allows(connection)
            assert wait is not None
            rests.append(wait)
            clock.shift(wait + 1)
            assert health.breaker_allows(connection) is None
            fail(connection, 1)
    assert rests == [30, 60, 120, 240, 300, 300]


def test_calls_that_were_out_when_it_opened_do_not_lengthen_the_rest(
    connection: Connection,
) -> None:
    fail(connection, 12)
    wait = health.breaker_allows(connection)
    assert wait is not None
    assert wait <= 30
    assert connection.failures == 5


def test_whoever_tried_and_died_does_not_block_the_connection(connection: Connection) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        fail(connection, 5)
        clock.shift(31)
        assert health.breaker_allows(connection) is None
        clock.shift(60)
        assert health.breaker_allows(connection) is None


@pytest.mark.django_db(transaction=True)
def test_of_many_threads_one_is_let_through() -> None:
    connection = ConnectionFactory.create(failures=5, breaker_open_until=timezone.now())

    def ask(_: int) -> bool:
        try:
            return health.breaker_allows(connection) is None
        finally:
            database.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(16))) == 1


def test_a_success_is_written_down_now_and_then_only(
    connection: Connection, django_assert_num_queries: Any
) -> None:
    health.note_success(connection)
    with django_assert_num_queries(1):
        health.note_success(connection)


def test_freezing_says_why_once_and_is_audited_once(connection: Connection) -> None:
    for _ in range(3):
        health.freeze(connection, Unauthorized("invalid x-api-key", request_id="req_1"))
    connection.refresh_from_db()
    assert connection.frozen_at
    assert connection.frozen_reason == "invalid x-api-key"
    entry = Entry.objects.get(verb="connections.freeze")
    assert entry.details == {"reason": "invalid x-api-key", "request_id": "req_1"}


def test_a_refusal_of_the_old_key_does_not_freeze_the_new_one(connection: Connection) -> None:
    Connection.objects.filter(pk=connection.pk).update(credential="v1.new.key")
    health.freeze(connection, Unauthorized("invalid x-api-key"))
    connection.refresh_from_db()
    assert connection.frozen_at is None


def test_asking_for_a_probe_twice_asks_once(
    connection: Connection, monkeypatch: Any, django_capture_on_commit_callbacks: Any
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        "celery.app.base.Celery.send_task",
        lambda self, name, args, **options: asked.append((name, args)),
    )
    with django_capture_on_commit_callbacks(execute=True):
        health.ask_for_probe(connection)
        health.ask_for_probe(connection)
    assert asked == [("actions.probe_connection", [connection.pk])]
    connection.refresh_from_db()
    assert connection.probe == Connection.Probe.WAITING


def told(**fields: Any) -> health.Health:
    connection = ConnectionFactory.create(**fields.pop("connection", {}))
    if "synced" in fields:
        connection.resources.create(name="members", completed_at=fields["synced"])
    return health.health_of(health.with_freshness(Connection.objects.all()).get(pk=connection.pk))


@pytest.mark.django_db
def test_notices_say_what_is_wrong_and_what_to_do() -> None:
    now = timezone.now()
    frozen = told(connection={"frozen_at": now, "frozen_reason": "invalid x-api-key"})
    assert (frozen.level, frozen.needs_key, frozen.said) == ("danger", True, "invalid x-api-key")
    assert told(connection={"state": "paused"}).level == "info"
    gone = told(connection={"state": "disconnected", "frozen_at": now}, synced=now)
    assert (gone.level, gone.needs_key, gone.is_well) == ("info", False, False)
    assert gone.headline.startswith("Disconnected: ")
    assert told(connection={"failures": 5, "breaker_open_until": now}).level == "warning"
    assert told(connection={"failures": 1, "last_error": "x"}).level == "warning"
    assert "first sync" in told().headline
    assert told(synced=now).is_well
    assert "out of date" in told(synced=now - timedelta(days=1)).headline


@pytest.mark.django_db
def test_the_worst_is_told_first_and_what_is_well_is_not_told() -> None:
    now = timezone.now()
    ConnectionFactory.create(state="paused", name="paused")
    ConnectionFactory.create(name="well").resources.create(name="members", completed_at=now)
    ConnectionFactory.create(name="frozen", frozen_at=now)
    ConnectionFactory.create(name="failing", failures=2)
    names = [
        one.connection.name
        for one in health.ailing(health.with_freshness(Connection.objects.all()))
    ]
    assert names == ["frozen", "failing", "paused"]


@pytest.mark.parametrize(("minutes", "well"), [(60, True), (150, False)])
def test_a_listing_that_is_walked_seldom_is_late_by_its_own_pace(
    connection: Connection, minutes: int, well: bool
) -> None:
    now = timezone.now()
    usual = connection.resources.create(name="members", completed_at=now)
    connection.resources.create(
        name="workspace_members", completed_at=now - timedelta(minutes=minutes)
    )
    found = health.with_freshness(Connection.objects.all())
    assert health.health_of(found.get()).is_well == well
    usual.completed_at = now - timedelta(minutes=60)
    usual.save()
    assert "out of date" in health.health_of(found.get()).headline


def test_usage_that_was_never_read_is_no_unfinished_sync_of_what_is_listed(
    connection: Connection,
) -> None:
    listing = connection.resources.create(name="members")
    connection.resources.create(name="usage")
    found = health.with_freshness(Connection.objects.all())
    assert "first sync" in health.health_of(found.get()).headline
    listing.completed_at = timezone.now()
    listing.save()
    assert "Usage is being read" in health.health_of(found.get()).headline
    connection.resources.update(completed_at=timezone.now())
    assert health.health_of(found.get()).is_well
