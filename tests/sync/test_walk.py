"""A walk writes what changed, and only a whole one says that something is gone."""

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from celery import Celery
from django.db import connection as database
from django.db.models import F
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from apps.members.models import Member, Person
from apps.members.tasks import put_people_into_the_index
from apps.organizations.models import Connection
from apps.providers.errors import (
    BudgetSpent,
    Forbidden,
    NotSent,
    RateLimited,
    Refused,
    Unauthorized,
    Unclear,
)
from apps.providers.records import Page, Unreadable
from apps.sync import leases
from apps.sync.models import (
    CommandState,
    QuarantinedRow,
    RemoteChange,
    Resource,
    RunIds,
    SyncRun,
)
from apps.sync.walk import walk
from apps.sync.writer import Writer
from tests.factories import CommandFactory, ConnectionFactory
from tests.sync.remote import JOINED, Remote, member, members, resource_of, walk_it

pytestmark = pytest.mark.django_db

Provider = Callable[[Remote], Remote]
State = SyncRun.State


def present(connection: Connection) -> set[str]:
    """Remote ids that the mirror holds as present."""
    rows = Member.objects.filter(connection=connection, gone_at__isnull=True)
    return set(rows.values_list("remote_id", flat=True))


def ids(count: int) -> set[str]:
    """What ``members(count)`` are called."""
    return {row.remote_id for row in members(count)}


def changes() -> list[tuple[str, str]]:
    """What Activity tells of changes at the remote."""
    return list(RemoteChange.objects.order_by("pk").values_list("label", "what"))


def test_the_first_walk_mirrors_everything(connection: Connection, provider: Provider) -> None:
    remote = provider(Remote(members(25)))
    run = walk_it(connection)
    assert (run.state, run.cause) == (State.COMPLETE, SyncRun.Cause.FIRST)
    assert (run.pages, run.requests, run.seen, run.added, run.changed) == (3, 3, 25, 25, 0)
    row = Member.objects.select_related("person").get(remote_id="user_00003")
    assert (row.email, row.name, row.role) == ("Person3@example.com", "Person 3", "user")
    assert row.joined_at == JOINED
    assert row.raw["id"] == "user_00003"
    assert (row.person.email, row.person.name) == ("person3@example.com", "Person 3")
    assert row.person.organization_id == connection.organization_id
    assert remote.closed
    assert RemoteChange.objects.count() == 0
    assert RunIds.objects.count() == 0


def test_a_walk_that_finds_nothing_new_writes_no_row(
    connection: Connection, provider: Provider
) -> None:
    provider(Remote(members(25)))
    walk_it(connection)
    before = list(Member.objects.order_by("pk").values())
    run = walk_it(connection)
    assert (run.added, run.changed, run.gone) == (0, 0, 0)
    assert run.expected == 25
    assert list(Member.objects.order_by("pk").values()) == before


def test_only_changed_rows_are_written_and_told_of(
    connection: Connection, provider: Provider
) -> None:
    remote = provider(Remote(members(25)))
    walk_it(connection)
    before = {row.pk: row.changed_at for row in Member.objects.all()}
    remote.rows[7] = member(7, role="developer")
    remote.rows[8] = member(8, name="Renamed")
    run = walk_it(connection)
    assert run.changed == 2
    touched = {row.remote_id for row in Member.objects.all() if row.changed_at != before[row.pk]}
    assert touched == {"user_00007", "user_00008"}
    change = RemoteChange.objects.get()
    assert (change.label, change.what) == ("Person7@example.com", "changed")
    assert change.difference == {"role": ["user", "developer"]}
    assert Person.objects.get(email="person8@example.com").name == "Renamed"


def test_rows_that_a_whole_walk_did_not_list_are_gone_and_come_back(
    connection: Connection, provider: Provider
) -> None:
    remote = provider(Remote(members(25)))
    walk_it(connection)
    lost = remote.rows.pop(4)
    run = walk_it(connection)
    assert run.gone == 1
    assert present(connection) == ids(25) - {"user_00004"}
    remote.rows.append(lost)
    run = walk_it(connection)
    assert (run.returned, run.added) == (1, 0)
    assert present(connection) == ids(25)
    assert changes() == [("Person4@example.com", "gone"), ("Person4@example.com", "returned")]


def test_two_connections_share_a_person_and_nothing_else(provider: Provider) -> None:
    one = ConnectionFactory()
    two = ConnectionFactory(organization=one.organization)
    foreign = ConnectionFactory()
    provider(Remote(members(3)))
    for connection in (one, two, foreign):
        walk_it(connection)
    assert Person.objects.filter(organization=one.organization).count() == 3
    assert Person.objects.filter(organization=foreign.organization).count() == 3
    assert Member.objects.count() == 9
    provider(Remote(members(2)))
    walk_it(two)
    assert present(one) == ids(3)
    assert present(two) == ids(2)


def test_a_row_listed_twice_is_one_row(connection: Connection, provider: Provider) -> None:
    remote = provider(Remote(members(25)))
    twice = [*members(10), member(3, role="developer")]
    remote.fault(0, lambda: Page(twice, "user_00009"))
    remote.fault(1, lambda: Page([member(5), *members(10, start=10)], "user_00019"))
    run = walk_it(connection)
    assert (run.state, run.seen, run.added) == (State.COMPLETE, 25, 25)
    assert Member.objects.get(remote_id="user_00003").role == "developer"


def test_a_row_that_is_as_it_was_is_not_read(connection: Connection, provider: Provider) -> None:
    remote = provider(Remote(members(25)))
    walk_it(connection)
    assert len(remote.read) == 25
    remote.read.clear()
    remote.rows[7] = member(7, role="developer")
    run = walk_it(connection)
    assert remote.read == ["user_00007"]
    assert (run.state, run.seen, run.changed, run.added) == (State.COMPLETE, 25, 1, 0)
    remote.read.clear()
    gone = remote.rows.pop(3)
    assert walk_it(connection).gone == 1
    remote.rows.insert(3, gone)
    assert walk_it(connection).returned == 1
    assert remote.read == [gone.remote_id]  # it is no more what is held of it


@pytest.mark.parametrize("every_page", [False, True], ids=["written together", "page by page"])
def test_of_a_row_listed_twice_the_later_word_counts(
    connection: Connection,
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
    every_page: bool,
) -> None:
    remote = provider(Remote(members(20)))
    walk_it(connection)
    if every_page:
        monkeypatch.setattr("apps.sync.writer.GATHER", 1)
    changed, as_it_was = member(3, role="developer"), member(3)
    remote.fault(0, lambda: remote.unread([*members(3), changed], "user_00003"))
    remote.fault(0, lambda: remote.unread([as_it_was, *members(16, start=4)], None))
    run = walk_it(connection)
    assert (run.state, run.seen) == (State.COMPLETE, 20)
    assert Member.objects.get(remote_id="user_00003").role == "user"


@pytest.mark.parametrize("later", ["user", "developer"])
def test_of_a_row_listed_twice_on_one_page_the_later_word_counts(
    connection: Connection, provider: Provider, later: str
) -> None:
    remote = provider(Remote(members(5)))
    walk_it(connection)
    words = sorted([member(3), member(3, role="developer")], key=lambda one: one.role == later)
    remote.fault(0, lambda: remote.unread([*members(3), *words, member(4)], None))
    run = walk_it(connection)
    assert (run.state, run.seen) == (State.COMPLETE, 5)
    assert Member.objects.get(remote_id="user_00003").role == later


def test_a_name_of_nothing_keeps_the_name_we_have(
    connection: Connection, provider: Provider
) -> None:
    remote = provider(Remote([member(1)]))
    walk_it(connection)
    remote.rows = [member(1, name="")]
    walk_it(connection)
    assert Person.objects.get().name == "Person 1"


# --- Rows that cannot be read ------------------------------------------------------------------


def test_an_unreadable_row_is_kept_aside_and_never_gone(
    connection: Connection, provider: Provider
) -> None:
    remote = provider(Remote(members(25)))
    walk_it(connection)
    broken = remote.rows.pop(24)
    remote.unreadable[1] = [Unreadable(broken.remote_id, "no email address", b'{"id": "x"}')]
    for _ in range(2):
        run = walk_it(connection)
        assert (run.state, run.quarantined, run.gone) == (State.COMPLETE, 1, 0)
    row = QuarantinedRow.objects.get()
    assert (row.remote_id, row.raw) == ("user_00024", {"id": "x"})
    assert row.first_seen_at < row.last_seen_at
    assert present(connection) == ids(25)
    remote.unreadable.clear()
    remote.rows.append(broken)
    walk_it(connection)
    assert QuarantinedRow.objects.count() == 0


def test_nothing_is_removed_while_a_row_hides_its_id(
    connection: Connection, provider: Provider
) -> None:
    remote = provider(Remote(members(25)))
    walk_it(connection)
    remote.rows.pop(3)
    remote.unreadable[0] = [Unreadable("", "no id", b"[")]
    run = walk_it(connection)
    assert (run.state, run.gone) == (State.COMPLETE, 0)
    assert "without a readable id" in run.error
    assert QuarantinedRow.objects.get().raw == {"text": "["}


@pytest.mark.parametrize(
    "broken",
    [
        member(3, email="x" * 300),
        member(3, email="nul\x00@example.com"),
    ],
)
def test_a_row_that_the_table_cannot_hold_stops_nothing(
    connection: Connection, provider: Provider, broken: object
) -> None:
    remote = provider(Remote(members(25)))
    remote.rows[3] = broken
    run = walk_it(connection)
    assert run.state == State.COMPLETE
    assert present(connection) >= ids(25) - {"user_00003"}
    held = Member.objects.filter(remote_id="user_00003").exists()
    assert held != QuarantinedRow.objects.filter(remote_id="user_00003").exists()


def test_long_words_are_cut_and_kept_whole_in_raw(
    connection: Connection, provider: Provider
) -> None:
    provider(Remote([member(1, name="n" * 300, role="r" * 90)]))
    walk_it(connection)
    row = Member.objects.get()
    assert (len(row.name), len(row.role)) == (200, 60)
    assert row.raw["name"] == "n" * 300


# --- Faults ------------------------------------------------------------------------------------


FAULTS = {
    "reset": Unclear("Connection reset"),
    "refused connection": NotSent("Connection refused"),
    "500": Unclear("Internal server error", status=500),
    "429": RateLimited("Slow down", status=429, retry_after=0.001),
    "budget": BudgetSpent("Our share is used up", retry_after=0.001),
    "garbage": Unclear("The answer could not be read"),
    "truncated": Unclear("The answer ended early"),
}
LASTING = {
    **FAULTS,
    "401": Unauthorized("Invalid key", status=401),
    "403": Forbidden("Not yours", status=403),
    "400": Refused("after_id: unknown", status=400),
}


@pytest.mark.parametrize("page", range(4))
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_passes_costs_nothing(
    connection: Connection, provider: Provider, name: str, page: int
) -> None:
    remote = provider(Remote(members(35)))
    walk_it(connection)
    remote.rows.pop()
    remote.fault(page, FAULTS[name], FAULTS[name])
    run = walk_it(connection)
    assert (run.state, run.gone, run.seen) == (State.COMPLETE, 1, 34)
    assert present(connection) == ids(34)


@pytest.mark.parametrize("page", range(4))
@pytest.mark.parametrize("name", LASTING)
def test_a_fault_that_lasts_removes_nothing(
    connection: Connection, provider: Provider, name: str, page: int
) -> None:
    remote = provider(Remote(members(35)))
    walk_it(connection)
    new = member(99)
    remote.rows = [new, *remote.rows[1:-1]]
    remote.fault(page, *[LASTING[name]] * 20_000)
    run = walk_it(connection)
    assert run.state == State.CUT_SHORT
    assert run.error
    assert run.gone == 0
    assert present(connection) >= ids(35)
    assert (new.remote_id in present(connection)) == (page > 0)
    resource = resource_of(connection)
    assert (resource.failures, resource.leased_until) == (1, None)
    assert resource.due_at is not None
    assert resource.due_at > timezone.now()
    assert RunIds.objects.count() == 0


@pytest.mark.parametrize("page", range(1, 4))
def test_a_lost_cursor_removes_nothing(
    connection: Connection, provider: Provider, page: int
) -> None:
    remote = provider(Remote(members(35)))
    walk_it(connection)

    remote.fault(page - 1, lambda: Page(remote.rows[page * 10 - 10 : page * 10], "user_gone"))
    assert walk_it(connection).state == State.CUT_SHORT
    assert present(connection) == ids(35)


@pytest.mark.parametrize("page", range(4))
def test_a_cursor_that_leads_in_a_circle_ends_the_walk(
    connection: Connection, provider: Provider, page: int
) -> None:
    remote = provider(Remote(members(45)))
    walk_it(connection)
    back = remote.rows[page * 10 - 1].remote_id if page else remote.rows[9].remote_id
    remote.fault(page, lambda: Page(remote.rows[page * 10 : page * 10 + 10], back))
    remote.fault(1, lambda: Page(remote.rows[10:20], remote.rows[9].remote_id))
    run = walk_it(connection)
    assert (run.state, run.gone) == (State.CUT_SHORT, 0)
    assert present(connection) == ids(45)


def test_a_provider_that_ignores_the_cursor_ends_the_walk(
    connection: Connection, provider: Provider
) -> None:
    remote = provider(Remote(members(25)))
    numbers = iter(range(1000))
    remote._page = lambda rows, cursor: Page(rows[:10], f"token-{next(numbers)}")  # type: ignore[method-assign]  # the fake's own page, for once
    run = walk_it(connection)
    assert (run.state, run.gone) == (State.CUT_SHORT, 0)
    assert run.pages < 4


def test_an_empty_page_in_between_is_no_end(connection: Connection, provider: Provider) -> None:
    remote = provider(Remote(members(25)))
    remote.fault(1, lambda: Page([], "user_00009b"))
    remote.rows.insert(10, member(10))
    remote._page = _with_token(remote, "user_00009b", "user_00009")  # type: ignore[method-assign]  # the fake's own page, for once
    run = walk_it(connection)
    assert (run.state, run.seen) == (State.COMPLETE, 25)


def _with_token(remote: Remote, token: str, meaning: str) -> Callable[..., Page[object]]:
    original = remote._page

    def page(rows: list[object], cursor: str | None) -> Page[object]:
        return original(rows, meaning if cursor == token else cursor)

    return page


def test_a_cursor_may_be_as_long_as_the_provider_likes(
    connection: Connection, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.sync.writer.FLUSH_SECONDS", 0.0)  # it is stored after each page
    token = "t" * 5000
    remote = provider(Remote(members(25)))
    remote.fault(0, lambda: Page(remote.rows[:10], token))
    remote._page = _with_token(remote, token, "user_00009")  # type: ignore[method-assign]  # the fake's own page, for once
    run = walk_it(connection)
    assert (run.state, run.seen) == (State.COMPLETE, 25)


def test_a_refused_key_freezes_the_connection(connection: Connection, provider: Provider) -> None:
    provider(Remote(members(5)).fault(0, Unauthorized("Invalid key", status=401)))
    walk_it(connection)
    connection.refresh_from_db()
    assert connection.frozen_at is not None
    assert walk(resource_of(connection).pk) is None


def test_what_the_key_may_not_list_is_no_longer_asked_for(
    connection: Connection, provider: Provider
) -> None:
    provider(Remote(members(5)).fault(0, Forbidden("Needs read:members", status=403)))
    walk_it(connection)
    connection.refresh_from_db()
    assert connection.why_not("members.read") == "Needs read:members"
    assert walk(resource_of(connection).pk) is None


def test_a_bug_of_ours_ends_the_walk_and_is_not_hidden(
    connection: Connection, provider: Provider
) -> None:
    provider(Remote(members(35)).fault(2, ZeroDivisionError("ours")))
    with pytest.raises(ZeroDivisionError):
        walk_it(connection)
    run = SyncRun.objects.get()
    assert (run.state, run.error) == (State.FAILED, "Internal error: ZeroDivisionError")
    assert resource_of(connection).leased_until is None


# --- Who walks ---------------------------------------------------------------------------------


def test_a_second_walker_keeps_away(connection: Connection, provider: Provider) -> None:
    remote = provider(Remote(members(5)))
    resource = resource_of(connection)
    fence = leases.acquire(resource, timezone.now())
    assert fence is not None
    assert leases.acquire(resource, timezone.now()) is None
    assert walk(resource.pk) is None
    assert remote.asked == []
    leases.release(resource.pk, fence)
    assert walk(resource.pk) is not None


@pytest.mark.parametrize("page", range(3))
def test_a_walker_that_was_overtaken_writes_nothing_more(
    connection: Connection, provider: Provider, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    remote = provider(Remote(members(25)))
    walk_it(connection)
    remote.rows = [member(number, name="Anew") for number in range(3, 25)]
    take = Writer.take

    def overtaken(writer: Writer, rows: Page[object], following: str | None) -> bool:
        if writer.run.pages == page:
            Resource.objects.update(fence=F("fence") + 1)
        return take(writer, rows, following)

    monkeypatch.setattr(Writer, "take", overtaken)
    run = walk_it(connection)
    assert run.state == State.RUNNING  # whoever took over ends it
    assert present(connection) == ids(25)
    assert Member.objects.filter(name="Anew").count() <= page * 10


# --- Our own changes -----------------------------------------------------------------------------


def test_rows_with_an_open_command_are_left_alone(
    connection: Connection, provider: Provider
) -> None:
    remote = provider(Remote(members(5)))
    walk_it(connection)
    CommandFactory(connection=connection, target="members:user_00001", state=CommandState.SENDING)
    CommandFactory(connection=connection, target="members:user_00002", state=CommandState.UNKNOWN)
    remote.rows = [member(0), member(2, role="developer"), member(3), member(4)]
    run = walk_it(connection)
    assert (run.gone, run.changed) == (0, 0)
    assert present(connection) == ids(5)
    assert Member.objects.get(remote_id="user_00002").role == "user"
    assert changes() == []


def test_rows_settled_after_the_walk_began_are_left_alone(
    connection: Connection, provider: Provider
) -> None:
    remote = provider(Remote(members(5)))
    walk_it(connection)
    CommandFactory(
        connection=connection,
        target="members:user_00001",
        state=CommandState.SUCCEEDED,
        settled_at=timezone.now() + timedelta(minutes=1),
    )
    remote.rows = [member(0), *members(3, start=2)]
    assert walk_it(connection).gone == 0
    assert present(connection) == ids(5)


def test_what_we_did_ourselves_is_no_news(connection: Connection, provider: Provider) -> None:
    remote = provider(Remote(members(5)))
    walk_it(connection)
    settled = {"state": CommandState.SUCCEEDED, "settled_at": timezone.now()}
    CommandFactory(
        connection=connection, target="members:user_00001", kind="members.remove", **settled
    )
    CommandFactory(
        connection=connection,
        target="members:user_00002",
        kind="members.change_role",
        arguments={"role": "developer"},
        **settled,
    )
    CommandFactory(
        connection=connection,
        target="members:user_00003",
        kind="members.change_role",
        arguments={"role": "developer"},
        **settled,
    )
    remote.rows = [member(0), member(2, role="developer"), member(3, role="billing"), member(4)]
    walk_it(connection)
    # Somebody gave the third another role than we did: that is news.
    assert changes() == [("Person3@example.com", "changed")]
    assert present(connection) == ids(5) - {"user_00001"}


# --- People --------------------------------------------------------------------------------------


def test_a_person_joined_when_the_first_provider_says(
    provider: Provider, connection: Connection
) -> None:
    other = ConnectionFactory(organization=connection.organization)
    remote = provider(Remote([msgspec.structs.replace(member(1), joined_at=None)]))
    walk_it(connection)
    assert Person.objects.get().joined_at is None
    for days, expected in ((5, 5), (9, 5), (2, 2)):
        row = member(1, name=f"Person {days}")
        remote.rows = [msgspec.structs.replace(row, joined_at=JOINED + timedelta(days=days))]
        walk_it(other)
        assert Person.objects.get().joined_at == JOINED + timedelta(days=expected)


def test_whom_a_walk_brings_is_put_into_the_search_index(
    provider: Provider,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(Celery, "send_task", lambda app, name, **more: sent.append(name))
    provider(Remote(members(5)))
    with django_capture_on_commit_callbacks(execute=True):
        walk_it(connection)
    assert sent.count("walks.index_people") == 1
    put_people_into_the_index()
    assert not Person.objects.filter(searchable=False).exists()
    with django_capture_on_commit_callbacks(execute=True):
        walk_it(connection)
    assert sent.count("walks.index_people") == 1


# --- What a page costs -----------------------------------------------------------------------------


def test_a_page_takes_the_same_queries_whatever_it_holds(
    provider: Provider,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    monkeypatch.setattr("apps.sync.writer.FLUSH_SECONDS", 0.0)
    remote = provider(Remote(members(50), size=50))
    walk_it(connection)

    def queries(pages: int, changed: int) -> int:
        remote.size = 50 // pages
        remote.rows = [member(n, name=f"{pages} {n < changed}") for n in range(50)]
        with django_assert_max_num_queries(1000) as found:
            walk_it(connection)
        return len(found.captured_queries)

    assert queries(1, 0) == queries(1, 50) == queries(1, 10)
    # Lease, Commands, old values, people, members, ids seen, progress, and a savepoint's two.
    # PostgreSQL makes, fills and drops a temporary table for people, and one for members.
    most = 9 if database.vendor == "sqlite" else 15
    per_page = (queries(5, 50) - queries(1, 50)) / 4
    assert per_page <= most
