"""A loss too sudden to be true stops and asks; only fresh evidence removes."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.audit.models import Entry
from apps.members.models import Member
from apps.organizations.models import Connection, Role
from apps.sync import losses
from apps.sync.models import RunIds, SyncRun
from apps.sync.reconcile import is_sudden, judge
from tests.factories import GrantFactory
from tests.sync.remote import Remote, members, resource_of, walk_it

Provider = Callable[[Remote], Remote]
State = SyncRun.State


def present(connection: Connection) -> int:
    """How many rows the mirror holds as present."""
    return Member.objects.filter(connection=connection, gone_at__isnull=True).count()


@pytest.fixture
def remote(connection: Connection, provider: Provider) -> Remote:
    """A provider with 100 members, walked once, that then loses 30 of them."""
    remote = provider(Remote(members(100), size=50))
    walk_it(connection)
    remote.rows = members(70)
    return remote


def decide(connection: Connection, how: Callable[..., None]) -> SyncRun:
    """Answer the open question as an admin of the organization."""
    actor = GrantFactory(organization=connection.organization, role=Role.ADMIN).user
    run = losses.question(resource_of(connection))
    assert run is not None
    how(run=run, actor=actor)
    return run


def test_a_sudden_loss_asks_and_removes_nothing(connection: Connection, remote: Remote) -> None:
    run = walk_it(connection)
    assert (run.state, run.would_remove, run.gone) == (State.ASKING, 30, 0)
    assert present(connection) == 100


def test_while_it_asks_walks_go_on_updating(connection: Connection, remote: Remote) -> None:
    first = walk_it(connection)
    remote.rows = [*members(65), *members(3, start=200)]
    second = walk_it(connection)
    assert (second.state, second.would_remove, second.added) == (State.ASKING, 35, 3)
    first.refresh_from_db()
    assert first.state == State.COMPLETE
    assert losses.question(resource_of(connection)) == second
    assert present(connection) == 103
    assert set(RunIds.objects.values_list("run", flat=True)) == {second.pk}


def test_the_question_ends_when_the_rows_are_back(connection: Connection, remote: Remote) -> None:
    walk_it(connection)
    remote.rows = members(99)
    run = walk_it(connection)
    assert (run.state, run.gone) == (State.COMPLETE, 1)
    assert losses.question(resource_of(connection)) is None
    assert RunIds.objects.count() == 0


def test_accepted_rows_go_with_the_next_walk_that_misses_them(
    connection: Connection, remote: Remote
) -> None:
    walk_it(connection)
    decide(connection, losses.accept_loss)
    assert present(connection) == 100
    remote.rows = [*members(70), *members(5, start=95)]  # five are back meanwhile
    run = walk_it(connection)
    assert (run.state, run.gone) == (State.COMPLETE, 25)
    assert present(connection) == 75
    assert Entry.objects.filter(verb="sync.accept_loss").count() == 1


def test_a_decision_does_not_cover_rows_that_it_was_not_about(
    connection: Connection, remote: Remote
) -> None:
    walk_it(connection)
    decide(connection, losses.accept_loss)
    remote.rows = members(60)
    run = walk_it(connection)
    assert (run.state, run.would_remove) == (State.ASKING, 40)
    assert present(connection) == 100


def test_an_accepted_loss_covers_no_later_one(connection: Connection, remote: Remote) -> None:
    walk_it(connection)
    decide(connection, losses.accept_loss)
    walk_it(connection)
    remote.rows = members(100)
    assert walk_it(connection).returned == 30
    remote.rows = members(70)
    assert walk_it(connection).state == State.ASKING


def test_dismissed_rows_stay_for_a_day(connection: Connection, remote: Remote) -> None:
    walk_it(connection)
    run = decide(connection, losses.dismiss_loss)
    for _ in range(2):
        assert walk_it(connection).state == State.COMPLETE
        assert present(connection) == 100
    remote.rows = members(68)
    walk_it(connection)
    assert present(connection) == 98  # two more went, and two are not sudden
    SyncRun.objects.filter(pk=run.pk).update(decided_at=timezone.now() - timedelta(days=2))
    assert walk_it(connection).state == State.ASKING


def test_a_question_is_decided_once_and_by_those_who_may(
    connection: Connection, remote: Remote
) -> None:
    run = walk_it(connection)
    for role in (Role.BILLING, Role.VIEWER):
        actor = GrantFactory(organization=connection.organization, role=role).user
        with pytest.raises(PermissionDenied):
            losses.accept_loss(run=run, actor=actor)
    stranger = GrantFactory(role=Role.OWNER).user
    with pytest.raises(PermissionDenied):
        losses.dismiss_loss(run=run, actor=stranger)
    decide(connection, losses.dismiss_loss)
    actor = GrantFactory(organization=connection.organization, role=Role.ADMIN).user
    with pytest.raises(losses.AlreadyDecided):
        losses.accept_loss(run=run, actor=actor)


@pytest.mark.parametrize(
    ("before", "absent", "sudden"),
    [(100, 20, False), (100, 21, True), (105, 21, False), (104, 21, True), (10, 10, False)],
)
def test_more_than_twenty_and_over_a_fifth_is_sudden(
    before: int, absent: int, sudden: bool
) -> None:
    assert is_sudden(before, absent) is sudden


ids = st.integers(0, 60).map(lambda n: f"r{n}")
some = st.sets(ids)


@given(absent=some, accepted=some, dismissed=some, others=st.integers(0, 300))
def test_judging_adds_nothing_loses_nothing_and_keeps_its_promises(
    absent: set[str], accepted: set[str], dismissed: set[str], others: int
) -> None:
    before = len(absent) + others
    verdict = judge(before, sorted(absent), accepted, dismissed)
    assert set(verdict.remove) | set(verdict.ask) == absent - dismissed
    assert not (verdict.remove and verdict.ask)
    if is_sudden(before, len(verdict.remove)):
        assert set(verdict.remove) <= accepted
    if verdict.ask:
        assert is_sudden(before, len(verdict.ask))
        assert not set(verdict.ask) <= accepted
