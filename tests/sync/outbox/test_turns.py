"""How many changes of a connection are with the workers at once, and which."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks
from pytest_django.fixtures import Settings

from apps.invites.services import Guest, draft_invites
from apps.members.models import Member
from apps.members.services import change_role
from apps.organizations import health
from apps.organizations.adapters import budget_of
from apps.organizations.models import Connection, Grant
from apps.providers import errors
from apps.sync.models import Command, CommandState
from apps.sync.outbox import batches, delivery, tasks, turns
from tests.factories import ConnectionFactory
from tests.sync.outbox.conftest import Remote

pytestmark = pytest.mark.django_db
S = CommandState


def batch_of(connection: Connection, owner: Grant, size: int) -> list[int]:
    """A confirmed batch of invites whose commit has not been heard of yet."""
    batch = draft_invites(
        organization=connection.organization,
        guests=[Guest(connection, f"guest{n}@example.com", "user") for n in range(size)],
        actor=owner.user,
        nonce=f"batch of {size}",
    )
    batches.confirm_batch(batch=batch, actor=owner.user)
    return list(batch.commands.order_by("pk").values_list("pk", flat=True))


def test_of_a_batch_only_a_few_are_handed_out_at_once(
    connection: Connection,
    owner: Grant,
    kicked: list[int],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        ids = batch_of(connection, owner, 20)

    assert kicked == ids[: turns.IN_HAND]
    assert turns.hand_out_everywhere() == 0, "nobody is done yet"


def test_whoever_is_done_with_one_hands_out_the_next(
    connection: Connection, owner: Grant, kicked: list[int], remote: Remote
) -> None:
    ids = batch_of(connection, owner, 20)
    turns.hand_out(connection.pk)

    tasks.carry(ids[0])

    assert kicked == ids[: turns.IN_HAND + 1]


def test_a_single_change_goes_before_a_batch(
    connection: Connection, owner: Grant, kicked: list[int], bo: Member
) -> None:
    batch_of(connection, owner, 20)
    single = change_role(member=bo, role="developer", actor=owner.user, nonce="n1")
    Command.objects.filter(pk=single.pk).update(kicked_at=None)

    turns.hand_out(connection.pk)

    assert kicked[0] == single.pk


def test_another_connection_has_its_own_turns(
    connection: Connection, owner: Grant, kicked: list[int]
) -> None:
    batch_of(connection, owner, 20)
    turns.hand_out(connection.pk)
    other = ConnectionFactory.create(organization=owner.organization)
    ids = batch_of(other, owner, 2)

    turns.hand_out_everywhere()

    assert kicked[turns.IN_HAND :] == ids


def test_while_the_rate_budget_has_no_room_nobody_is_told(
    connection: Connection, owner: Grant, kicked: list[int]
) -> None:
    Connection.objects.filter(pk=connection.pk).update(requests_per_minute=3)
    connection.refresh_from_db()
    budget_of(connection).take(write=True, wait=0)
    batch_of(connection, owner, 20)

    turns.hand_out(connection.pk)
    assert len(kicked) == 2, "there is room for two more"
    budget_of(connection).penalise(60)
    Command.objects.update(kicked_at=None)
    turns.hand_out(connection.pk)

    assert len(kicked) == 2


def test_where_room_is_near_one_waits_for_it_and_the_others_do_not_knock(
    connection: Connection, owner: Grant, kicked: list[int]
) -> None:
    batch_of(connection, owner, 20)
    budget_of(connection).penalise(turns.BUDGET_PATIENCE / 2)

    turns.hand_out(connection.pk)

    assert len(kicked) == 1


def test_a_change_that_meets_a_spent_budget_waits_without_a_word_and_without_a_try(
    connection: Connection, owner: Grant, remote: Remote
) -> None:
    (pk,) = batch_of(connection, owner, 1)
    budget_of(connection).penalise(60)

    delivery.carry(pk)

    command = Command.objects.get(pk=pk)
    assert (command.state, command.tries, command.error) == (S.QUEUED, 0, "")
    assert command.due_at
    assert command.due_at > timezone.now() + timedelta(seconds=50)
    assert command.events.count() == 1
    assert remote.calls == []


def rested(connection: Connection) -> None:
    """The breaker's rest is over: the next caller is let through alone, to try."""
    Connection.objects.filter(pk=connection.pk).update(
        breaker_open_until=timezone.now(), failures=5
    )


def assert_somebody_may_try(connection: Connection) -> None:
    connection.refresh_from_db()
    assert not connection.breaker_trial
    assert health.breaker_allows(connection) is None


def test_a_change_that_meets_a_spent_budget_leaves_the_trial_of_a_provider_to_others(
    connection: Connection, owner: Grant, remote: Remote
) -> None:
    (pk,) = batch_of(connection, owner, 1)
    rested(connection)
    budget_of(connection).penalise(60)

    delivery.carry(pk)

    assert remote.calls == []
    assert_somebody_may_try(connection)


def test_a_change_that_nobody_wants_any_more_leaves_the_trial_to_others(
    connection: Connection, owner: Grant, remote: Remote
) -> None:
    (pk,) = batch_of(connection, owner, 1)
    rested(connection)
    owner.delete()

    delivery.carry(pk)

    assert Command.objects.get(pk=pk).state == S.REJECTED
    assert remote.calls == []
    assert_somebody_may_try(connection)


def test_a_budget_that_is_spent_under_ones_hands_leaves_the_trial_to_others(
    connection: Connection, owner: Grant, remote: Remote
) -> None:
    (pk,) = batch_of(connection, owner, 1)
    rested(connection)
    remote.fail = [(errors.BudgetSpent("budget", retry_after=3), False)]

    delivery.carry(pk)

    assert_somebody_may_try(connection)


@pytest.mark.parametrize(
    ("obstacle", "removed"),
    [
        ({"state": Connection.State.PAUSED}, {"state": Connection.State.ACTIVE}),
        ({"frozen_at": timezone.now()}, {"frozen_at": None}),
        (
            {"breaker_open_until": timezone.now() + timedelta(hours=1)},
            {"breaker_open_until": timezone.now()},
        ),
    ],
    ids=["paused", "frozen", "resting"],
)
def test_nobody_is_told_while_nothing_can_be_sent(
    connection: Connection,
    owner: Grant,
    kicked: list[int],
    obstacle: dict[str, object],
    removed: dict[str, object],
) -> None:
    batch_of(connection, owner, 2)
    here = Connection.objects.filter(pk=connection.pk)
    here.update(**obstacle)
    assert turns.hand_out_everywhere() == 0

    here.update(**removed)

    assert turns.hand_out_everywhere() == 2


def test_why_a_change_waits_is_said_once(
    connection: Connection, owner: Grant, remote: Remote, settings: Settings
) -> None:
    settings.OUTBOX_HOLD_SECONDS = 0
    (pk,) = batch_of(connection, owner, 1)
    Connection.objects.filter(pk=connection.pk).update(state=Connection.State.PAUSED)

    for _ in range(3):
        delivery.carry(pk)

    command = Command.objects.get(pk=pk)
    assert command.error == "Waiting: the connection is paused."
    assert [event.note for event in command.events.all()] == ["", command.error]


def test_what_a_dead_worker_left_is_handed_out_again(
    connection: Connection, owner: Grant, kicked: list[int]
) -> None:
    claimed, sending = batch_of(connection, owner, 2)
    past = timezone.now() - timedelta(minutes=5)
    for pk, state in ((claimed, S.CLAIMED), (sending, S.SENDING)):
        Command.objects.filter(pk=pk).update(state=state, leased_until=past, kicked_at=past)

    turns.hand_out_everywhere()

    assert kicked == [claimed, sending]


def test_a_kick_that_nobody_answered_is_repeated(
    connection: Connection, owner: Grant, kicked: list[int], settings: Settings
) -> None:
    (pk,) = batch_of(connection, owner, 1)
    turns.hand_out_everywhere()
    turns.hand_out_everywhere()
    assert kicked == [pk]

    settings.OUTBOX_KICK_AGAIN_SECONDS = 0
    turns.hand_out_everywhere()

    assert kicked == [pk, pk]
