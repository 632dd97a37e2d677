"""Walks begin when they are due, when somebody asks, and after a worker died; never twice at once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery
from django.core.exceptions import PermissionDenied
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from apps.audit.models import Entry
from apps.organizations.health import with_freshness
from apps.organizations.models import Connection, Role
from apps.providers.records import Unreadable
from apps.sync import leases, schedule
from apps.sync.models import Resource, RunIds, SyncRun
from apps.sync.tasks import walk as walk_task
from apps.sync.walk import walk
from tests.factories import ConnectionFactory, GrantFactory, with_keys
from tests.sync.remote import Remote, member, members, resource_of, walk_it

Provider = Callable[[Remote], Remote]
Commit = DjangoCaptureOnCommitCallbacks


@pytest.fixture
def kicks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str]]:
    """What was handed to the workers."""
    sent: list[tuple[str, int, str]] = []

    def send(app: Celery, name: str, args: list[Any], **more: Any) -> None:
        sent.append((name, args[0], args[1]))

    monkeypatch.setattr(Celery, "send_task", send)
    return sent


def test_a_new_connection_is_walked_at_once(
    connection: Connection,
    kicks: list[tuple[str, int, str]],
    django_capture_on_commit_callbacks: Commit,
) -> None:
    connection.capabilities["invites.read"] = {"ok": False, "reason": "no"}
    with django_capture_on_commit_callbacks(execute=True):
        schedule.begin(connection)
    resource = Resource.objects.get()  # what it cannot read is not tried
    assert resource.name == "members"
    assert kicks == [("walks.walk", resource.pk, "first")]


def test_what_a_connection_turns_out_to_be_able_to_read_is_walked_at_once(
    connection: Connection,
    kicks: list[tuple[str, int, str]],
    django_capture_on_commit_callbacks: Commit,
) -> None:
    schedule.begin(connection)
    with_keys(connection)
    with django_capture_on_commit_callbacks(execute=True):
        schedule.begin_new(connection)
    new = Resource.objects.get(name="keys")
    assert kicks[-1:] == [("walks.walk", new.pk, "first")]
    with django_capture_on_commit_callbacks(execute=True):
        schedule.begin_new(connection)
    assert [kick[1] for kick in kicks].count(new.pk) == 1
    connection.state = Connection.State.PAUSED
    Resource.objects.all().delete()
    schedule.begin_new(connection)
    assert not Resource.objects.exists()


def test_what_is_due_is_handed_out_once(
    connection: Connection,
    kicks: list[tuple[str, int, str]],
    django_capture_on_commit_callbacks: Commit,
) -> None:
    resource = resource_of(connection)
    assert schedule.start_due() == 0
    schedule.soon(connection, "members")
    with django_capture_on_commit_callbacks(execute=True):
        assert schedule.start_due() == 1
        assert schedule.start_due() == 0
    assert kicks == [("walks.walk", resource.pk, "due")]
    # The kick is lost: after a while another one follows.
    Resource.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert schedule.start_due() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"state": Connection.State.PAUSED},
        {"state": Connection.State.DISCONNECTED},
        {"frozen_at": timezone.now()},
        {"breaker_open_until": timezone.now() + timedelta(hours=1)},
        {"capabilities": {}},
    ],
)
def test_connections_that_may_not_be_asked_are_left_alone(
    connection: Connection, change: dict[str, Any], provider: Provider
) -> None:
    remote = provider(Remote(members(3)))
    resource = resource_of(connection)
    schedule.soon(connection, "members")
    Connection.objects.update(**change)
    assert schedule.start_due() == 0
    assert walk(resource.pk) is None
    assert remote.asked == []


def test_after_a_walk_the_next_is_due_an_interval_later(
    connection: Connection, provider: Provider, settings: Any
) -> None:
    provider(Remote(members(3)))
    walk_it(connection)
    due_at = resource_of(connection).due_at
    assert due_at is not None
    wait = (due_at - timezone.now()).total_seconds()
    assert settings.SYNC_INTERVAL_SECONDS - 30 < wait <= settings.SYNC_INTERVAL_SECONDS


def test_a_kick_that_comes_late_walks_nothing(connection: Connection, provider: Provider) -> None:
    remote = provider(Remote(members(3)))
    walk_it(connection)
    asked = len(remote.asked)
    walk_task(resource_of(connection).pk)
    assert len(remote.asked) == asked
    walk_task(resource_of(connection).pk, cause="asked")
    assert len(remote.asked) == asked + 1


def test_a_wish_during_a_walk_is_not_lost(
    connection: Connection, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider(Remote(members(3)))
    from apps.sync.writer import Writer

    take = Writer.take

    def wish(writer: Writer, *page: Any) -> bool:
        schedule.soon(connection, "members")
        return take(writer, *page)

    monkeypatch.setattr(Writer, "take", wish)
    walk_it(connection)
    due_at = resource_of(connection).due_at
    assert due_at is not None
    assert due_at <= timezone.now()


def test_failing_walks_wait_longer_each_time(
    connection: Connection, provider: Provider, settings: Any
) -> None:
    from apps.providers.errors import Refused

    remote = provider(Remote(members(3)))
    waits = []
    for _ in range(7):
        remote.fault(0, Refused("no", status=400))
        walk_it(connection)
        resource = resource_of(connection)
        assert resource.due_at is not None
        waits.append(round((resource.due_at - timezone.now()).total_seconds(), 1))
    assert waits == sorted(waits)
    assert 8 < waits[0] <= 10
    assert settings.SYNC_INTERVAL_SECONDS - 2 < waits[-1] <= settings.SYNC_INTERVAL_SECONDS
    walk_it(connection)
    assert resource_of(connection).failures == 0


def test_asking_for_a_walk_is_for_admins_and_audited(
    connection: Connection,
    kicks: list[tuple[str, int, str]],
    django_capture_on_commit_callbacks: Commit,
) -> None:
    viewer = GrantFactory(organization=connection.organization, role=Role.VIEWER).user
    with pytest.raises(PermissionDenied):
        schedule.ask_for_walk(connection=connection, actor=viewer)
    admin = GrantFactory(organization=connection.organization, role=Role.ADMIN).user
    with django_capture_on_commit_callbacks(execute=True):
        assert schedule.ask_for_walk(connection=connection, actor=admin) == 2
    assert [kick[2] for kick in kicks] == ["first", "first"]
    assert Entry.objects.filter(verb="sync.start", actor_id=admin.pk).count() == 1
    Connection.objects.update(state=Connection.State.PAUSED)
    with pytest.raises(schedule.WalkRefused):
        schedule.ask_for_walk(connection=connection, actor=admin)


def test_tasks_about_what_is_gone_end_quietly(db: None) -> None:
    walk_task(4711)
    walk_task(Resource.objects.create(connection=ConnectionFactory(), name="unheard-of").pk)
    assert SyncRun.objects.count() == 0


def test_freshness_takes_one_query(
    connection: Connection, provider: Provider, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    provider(Remote(members(3)))
    walk_it(connection)
    resource_of(connection, "invites")
    other = ConnectionFactory(organization=connection.organization)
    resource_of(other)
    ConnectionFactory()
    with django_assert_num_queries(1):
        found = schedule.freshness(connection.organization)
    assert [fresh.synced_at for fresh in found] == [None, None]
    found = schedule.freshness(connection.organization, "members")
    found.sort(key=lambda fresh: fresh.connection.pk)
    assert [fresh.synced_at is None for fresh in found] == [False, True]
    assert found[0].next_at == resource_of(connection).due_at
    assert not found[0].is_stale
    assert found[1].is_stale


@pytest.mark.parametrize(
    ("fields", "paused"),
    [({"state": Connection.State.PAUSED}, True), ({"frozen_at": timezone.now()}, False)],
)
def test_nothing_is_due_where_nothing_is_walked(
    connection: Connection, fields: dict[str, Any], paused: bool
) -> None:
    resource = resource_of(connection)
    resource.due_at = timezone.now()
    resource.save()
    assert next_times(connection) == [resource.due_at] * 2

    Connection.objects.update(**fields)
    assert next_times(connection) == [None, None]
    assert schedule.freshness(connection.organization)[0].paused == paused


def next_times(connection: Connection) -> list[Any]:
    """When something is walked next, as the connection's own page and all others say it."""
    (walked,) = with_freshness(Connection.objects.all()).values("next_at")
    return [walked["next_at"], schedule.freshness(connection.organization)[0].next_at]


# --- A dead worker -------------------------------------------------------------------------------


def half_walked(connection: Connection, remote: Remote) -> SyncRun:
    """A walk whose worker died after two pages of ten."""
    from apps.sync.writer import Writer

    class Killed(BaseException):
        pass

    take = Writer.take

    def die(writer: Writer, page: Any, following: str | None) -> bool:
        if writer.run.pages == 2:
            raise Killed
        news = take(writer, page, following)
        writer.flush(last=False)
        return news

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Writer, "take", die)
        with pytest.raises(Killed):
            walk_it(connection)
    return SyncRun.objects.get(state=SyncRun.State.RUNNING)


def test_another_worker_goes_on_where_a_dead_one_stopped(
    connection: Connection, provider: Provider
) -> None:
    remote = provider(Remote(members(45)))
    walk_it(connection)
    remote.rows.pop(3)
    remote.rows.pop(40)
    remote.asked.clear()
    left = half_walked(connection, remote)
    assert walk(resource_of(connection).pk) is None  # its lease still runs
    Resource.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert [row.pk for row in schedule.due(timezone.now())] == [resource_of(connection).pk]
    asked = len(remote.asked)
    run = walk_it(connection)
    assert run.pk == left.pk
    assert run.fence == left.fence + 1
    assert (run.state, run.seen, run.gone, run.pages) == (SyncRun.State.COMPLETE, 43, 2, 5)
    assert len(remote.asked) - asked == 3  # the first two pages were not fetched again
    assert RunIds.objects.count() == 0


def test_a_walk_left_behind_too_long_ago_begins_anew(
    connection: Connection, provider: Provider
) -> None:
    remote = provider(Remote(members(45)))
    left = half_walked(connection, remote)
    Resource.objects.update(leased_until=timezone.now() - timedelta(hours=1))
    SyncRun.objects.update(heartbeat_at=timezone.now() - timedelta(hours=1))
    run = walk_it(connection)
    assert run.pk != left.pk
    assert (run.state, run.pages, run.seen) == (SyncRun.State.COMPLETE, 5, 45)
    left.refresh_from_db()
    assert left.state == SyncRun.State.CUT_SHORT


def test_a_resumed_walk_whose_place_is_lost_removes_nothing(
    connection: Connection, provider: Provider
) -> None:
    remote = provider(Remote(members(45)))
    walk_it(connection)
    half_walked(connection, remote)
    Resource.objects.update(leased_until=timezone.now() - timedelta(hours=1))
    remote.rows.pop(19)  # the cursor
    run = walk_it(connection)
    assert (run.state, run.gone) == (SyncRun.State.CUT_SHORT, 0)
    assert walk_it(connection).gone == 1


def test_a_row_that_came_in_before_the_break_is_not_gone_after_it(
    connection: Connection, provider: Provider
) -> None:
    remote = provider(Remote(members(45)))
    walk_it(connection)
    remote.rows.insert(0, member(99))
    half_walked(connection, remote)
    Resource.objects.update(leased_until=timezone.now() - timedelta(hours=1))
    run = walk_it(connection)
    assert (run.state, run.seen, run.gone, run.added) == (SyncRun.State.COMPLETE, 46, 0, 1)


def test_a_row_that_hid_its_id_before_the_break_still_stops_removals(
    connection: Connection, provider: Provider
) -> None:
    remote = provider(Remote(members(45)))
    walk_it(connection)
    remote.rows.pop(3)
    remote.unreadable[0] = [Unreadable("", "no id", b"{}")]
    half_walked(connection, remote)
    Resource.objects.update(leased_until=timezone.now() - timedelta(hours=1))
    run = walk_it(connection)
    assert (run.state, run.gone) == (SyncRun.State.COMPLETE, 0)
    assert "without a readable id" in run.error


def test_the_lease_is_one_winners(connection: Connection) -> None:
    one, two = resource_of(connection), resource_of(connection)
    now = timezone.now()
    assert leases.acquire(one, now) == 1
    assert leases.acquire(two, now) is None
    late = now + timedelta(hours=1)
    assert leases.acquire(resource_of(connection), late) == 2
    with pytest.raises(leases.LeaseLostError):
        leases.hold(one.pk, 1, late)
    with pytest.raises(leases.LeaseLostError):
        leases.release(one.pk, 1)
