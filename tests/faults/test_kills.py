"""Workers killed in every gap between two commits, and in the middle of a call."""

import signal
from typing import Any

import pytest

from apps.sync.models import CommandState
from tests.desk import Desk
from tests.doomed import Nursery
from tests.faults.changes import OPERATIONS, RESEND, Change, ask
from tests.faults.conftest import Workers, timeline, wait_until_due
from tests.faults.test_faults import CALLS, assert_settled_once

S = CommandState
pytestmark = pytest.mark.django_db(transaction=True)


# Where to die, and what must go wrong for a worker to get there.
DEATHS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "claimed": ("claimed", "", {}),
    "sending": ("sending", "", {}),
    "in the call": ("calling", "delay", {"seconds": 0.25}),
    "answered": ("answered", "", {}),
    "settled": ("settled", "", {}),
    "failed, outcome unknown": ("failed", "reset_after", {}),
    "failed, nothing happened": ("failed", "429", {"retry_after": 0}),
    "reading back": ("reading back", "reset_after", {}),
    "read back, it had happened": ("read back", "reset_after", {}),
    "read back, it had not": ("read back", "reset_before", {}),
}
IN_EACH_STEP = ("sending", "calling", "answered", "settled")
TRIES = 5  # on a busy machine a call may take longer than its deadline, and the way is another


@pytest.mark.crossed("kind", "death")
@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize(("kind", "provider", "step"), CALLS)
def test_a_killed_worker_loses_nothing_and_doubles_nothing(
    desk: Desk,
    workers: Workers,
    nursery: Nursery,
    kind: str,
    provider: str,
    step: int,
    death: str,
) -> None:
    change = killed(desk, workers, nursery, (kind, provider, step), death)

    workers.settle(change.command)

    assert_settled_once(change, S.SUCCEEDED, "done")
    change.assert_done()


def killed(
    desk: Desk, workers: Workers, nursery: Nursery, call: tuple[str, str, int], death: str
) -> Change:
    """A change whose worker has just been killed there."""
    kind, provider, step = call
    die_at, fault, options = DEATHS[death]
    nth = step + 1 if die_at in IN_EACH_STEP else 1
    for _ in range(TRIES):
        change = ask(desk, kind, provider)
        workers.kicked.clear()
        if fault:
            desk.sandbox.control.fault(change.operations[step], fault, **options)
        if "read" in die_at:
            nursery.carry([change.command.pk])  # to where nobody knows the outcome
            wait_until_due(change.command)
        if nursery.carry([change.command.pk], die_at=die_at, nth=nth) == [-signal.SIGKILL]:
            return change
        desk.sandbox.control.clear()
        workers.settle(change.command)
    raise AssertionError(f"no worker came to where it should die: {death}")


@pytest.mark.parametrize("death", ["failed", "reading back", "read back"])
@pytest.mark.parametrize("step", [0, 1])
def test_a_worker_killed_with_a_refusal_that_has_to_be_read_back(
    desk: Desk, workers: Workers, nursery: Nursery, step: int, death: str
) -> None:
    change = ask(desk, RESEND, "anthropic")
    workers.kicked.clear()
    operation = change.operations[step]
    desk.sandbox.control.fault(operation, "late", seconds=0.05)

    def carry_until(*states: CommandState) -> None:
        for _ in range(20):
            wait_until_due(change.command)
            if change.command.state in states:
                return
            nursery.carry([change.command.pk])
        raise AssertionError(timeline(change.command))

    carry_until(S.RETRY)  # sent, and read back too early
    if death != "failed":
        carry_until(S.UNKNOWN)
        assert change.command.refused
    assert nursery.carry([change.command.pk], die_at=death) == [-signal.SIGKILL]

    workers.settle(change.command)

    assert_settled_once(change, S.SUCCEEDED, "done")
    change.assert_mirrored()
    calls = desk.sandbox.control.journal(operation, after=change.began)
    assert [bool(call["effect"]) for call in calls] == [True, False], "the refused one was the last"


def test_killing_one_worker_after_the_other_gets_there_in_the_end(
    desk: Desk, workers: Workers, nursery: Nursery
) -> None:
    change = ask(desk, RESEND, "cline")
    workers.kicked.clear()
    for die_at in ("claimed", "sending", "reading back", "read back", "sending", "answered"):
        wait_until_due(change.command)
        nursery.carry([change.command.pk], die_at=die_at)

    workers.settle(change.command)

    assert_settled_once(change, S.SUCCEEDED, "done")
    change.assert_done()


def test_many_workers_told_of_the_same_changes_do_each_once(
    desk: Desk, workers: Workers, nursery: Nursery
) -> None:
    changes = [ask(desk, kind, provider) for kind, provider in OPERATIONS]
    ids = [change.command.pk for change in changes]
    workers.kicked.clear()

    assert nursery.carry(ids * 2, workers=4) == [0, 0, 0, 0]

    workers.settle(*[change.command for change in changes])
    for change in changes:
        assert_settled_once(change, S.SUCCEEDED, "done")
        change.assert_done()
