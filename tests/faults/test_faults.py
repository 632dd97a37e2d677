"""Each change at each provider under each fault: nothing lost, nothing doubled, by the sandbox's journal."""

import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from apps.audit.models import Entry
from apps.organizations.models import Connection
from apps.sync.models import CommandState
from tests.desk import Desk
from tests.faults.changes import OPERATIONS, READS, READS_BEFORE, RESEND, Change, ask
from tests.faults.conftest import DEADLINE, Workers, timeline

S = CommandState
LATE = 2 * DEADLINE  # seconds: later than any call waits


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault of the sandbox on one call, by what a caller must make of it."""

    name: str
    kind: str
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name.replace(" ", "_")


# It may have happened or not, and the caller cannot know, or may simply come again: done in the end.
SURVIVED = (
    Trouble("reset before the effect", "reset_before"),
    Trouble("reset after the effect", "reset_after"),
    Trouble("timeout before the effect", "timeout", {"seconds": LATE, "effect": False}),
    Trouble("timeout after the effect", "timeout", {"seconds": LATE}),
    Trouble("late answer", "delay", {"seconds": LATE}),
    Trouble("dripping answer", "drip", {"seconds": 2 * LATE}),
    Trouble("cut answer", "cut"),
    Trouble("408", "408"),
    Trouble("408 after the effect", "408", {"effect": True}),
    Trouble("429", "429"),
    Trouble("429 with Retry-After", "429", {"retry_after": 0}),
    Trouble("500", "500"),
    Trouble("500 after the effect", "500", {"effect": True}),
    Trouble("503", "503", {"retry_after": 0}),
    Trouble("504 after the effect", "504", {"effect": True}),
    Trouble("529", "529"),
    Trouble("HTML error", "html_error"),
    Trouble("HTML error after the effect", "html_error", {"effect": True}),
    Trouble("garbage", "garbage"),
    Trouble("garbage without the effect", "garbage", {"effect": False}),
    Trouble("truncated JSON", "truncated_json"),
    Trouble("empty body", "empty_body"),
)
# The provider says no, and nothing has happened.
REFUSED = (
    Trouble("400", "400"),
    Trouble("403", "403"),
    Trouble("200 that says no", "success_false"),
)
SAYS = {
    "400": "Invalid request format",
    "403": "This credential may not do this.",
    "success_false": "The request could not be carried out.",
}
CALLS = [
    pytest.param(kind, provider, step, id=f"{provider}-{kind}-{operations[step]}")
    for (kind, provider), operations in OPERATIONS.items()
    for step in range(len(operations))
]
pytestmark = pytest.mark.django_db(transaction=True)


def assert_settled_once(change: Change, state: str, verb: str) -> None:
    """It is over, the outcome stands in the audit log exactly once, and nothing is in flight."""
    command = change.command
    assert command.state == state, timeline(command)
    assert command.settled_at
    assert command.leased_until is None
    verbs = Entry.objects.filter(organization_id=command.organization_id, command_id=command.pk)
    assert list(verbs.order_by("sequence").values_list("verb", flat=True)) == [
        f"{change.kind}.asked",
        f"{change.kind}.{verb}",
    ]


@pytest.mark.crossed("kind", "trouble")
@pytest.mark.parametrize("trouble", SURVIVED, ids=str)
@pytest.mark.parametrize(("kind", "provider", "step"), CALLS)
def test_it_happens_exactly_once_whatever_becomes_of_the_answer(
    desk: Desk, workers: Workers, kind: str, provider: str, step: int, trouble: Trouble
) -> None:
    change = ask(desk, kind, provider)
    desk.sandbox.control.fault(change.operations[step], trouble.kind, **trouble.options)

    workers.settle(change.command, heard=change.heard)

    assert desk.sandbox.control.faults()[0]["hits"] == 1, "the fault was not met"
    assert_settled_once(change, S.SUCCEEDED, "done")
    change.assert_done()


@pytest.mark.parametrize(("kind", "provider", "step"), CALLS)
def test_a_call_that_takes_effect_after_its_read_back_is_not_lost(
    desk: Desk, workers: Workers, kind: str, provider: str, step: int
) -> None:
    change = ask(desk, kind, provider)
    operation = change.operations[step]
    desk.sandbox.control.fault(operation, "late", seconds=0.05)

    workers.settle(change.command)

    calls = desk.sandbox.control.journal(operation, after=change.began)
    assert [bool(call["fault"]) for call in calls] == [True, False], "sent twice, late at first"
    assert calls[0]["effect"], "it came in the end"
    assert_settled_once(change, S.SUCCEEDED, "done")
    change.assert_mirrored()


@pytest.mark.crossed("kind", "trouble")
@pytest.mark.parametrize("trouble", REFUSED, ids=str)
@pytest.mark.parametrize(("kind", "provider", "step"), CALLS)
def test_a_refusal_is_told_in_the_providers_own_words(
    desk: Desk, workers: Workers, kind: str, provider: str, step: int, trouble: Trouble
) -> None:
    change = ask(desk, kind, provider)
    desk.sandbox.control.fault(change.operations[step], trouble.kind, count=None)

    workers.settle(change.command)

    assert_settled_once(change, S.REJECTED, "refused")
    words = SAYS[trouble.kind]
    assert words in change.command.error
    if step:
        assert change.command.error == f"The old invite was withdrawn. {words}"
        change.assert_withdrawn_only(words)
    else:
        change.assert_untouched(words)


@pytest.mark.parametrize(("kind", "provider"), list(OPERATIONS))
def test_a_refused_connection_is_tried_again(
    desk: Desk, workers: Workers, kind: str, provider: str
) -> None:
    change = ask(desk, kind, provider)
    desk.sandbox.door.refuse()
    try:
        workers.carry_kicked()
    finally:
        desk.sandbox.door.accept()

    workers.settle(change.command)

    assert S.RETRY in change.command.events.values_list("state", flat=True)
    assert_settled_once(change, S.SUCCEEDED, "done")
    change.assert_done()


@pytest.mark.parametrize(("kind", "provider", "step"), CALLS)
def test_a_refused_key_stops_everything_until_it_is_accepted_again(
    desk: Desk, workers: Workers, kind: str, provider: str, step: int
) -> None:
    change = ask(desk, kind, provider)
    desk.sandbox.control.fault(change.operations[step], "401")
    workers.carry_kicked()
    connection = change.command.connection
    connection.refresh_from_db()
    assert connection.frozen_at
    asked = sum(desk.sandbox.control.counters().values())
    for _ in range(3):
        time.sleep(0.03)
        workers.kicked.append(change.command.pk)
        workers.carry_kicked()
    assert sum(desk.sandbox.control.counters().values()) == asked, "the key was used once more"
    change.command.refresh_from_db()
    assert change.command.is_open
    assert change.command.tries == 0

    Connection.objects.filter(pk=connection.pk).update(frozen_at=None, frozen_reason="")
    workers.settle(change.command)

    assert_settled_once(change, S.SUCCEEDED, "done")
    change.assert_done()


# --- The read-back is a call too -----------------------------------------------------------------

BLIND = (
    Trouble("reset", "reset_before"),
    Trouble("timeout", "timeout", {"seconds": LATE}),
    Trouble("429", "429"),
    Trouble("500", "500"),
    Trouble("HTML error", "html_error"),
    Trouble("garbage", "garbage"),
    Trouble("truncated JSON", "truncated_json"),
    Trouble("empty body", "empty_body"),
    Trouble("403", "403"),
    Trouble("200 that says no", "success_false"),
    Trouble("more without a cursor", "no_cursor"),
)


@pytest.mark.crossed("kind", "trouble")
@pytest.mark.parametrize("trouble", BLIND, ids=str)
@pytest.mark.parametrize(("kind", "provider", "step"), CALLS)
def test_a_read_back_that_sees_nothing_concludes_nothing(
    desk: Desk, workers: Workers, kind: str, provider: str, step: int, trouble: Trouble
) -> None:
    change = ask(desk, kind, provider)
    desk.sandbox.control.fault(change.operations[step], "reset_after")
    skip = READS_BEFORE.get(kind, 0)  # what follows is the read-back
    read = READS[kind, provider]
    desk.sandbox.control.fault(read, trouble.kind, count=4, skip=skip, **trouble.options)

    workers.settle(change.command, heard=change.heard)

    assert_settled_once(change, S.SUCCEEDED, "done")
    change.assert_done()


def test_a_resend_says_what_has_happened_when_its_second_step_is_refused_by_rule(
    desk: Desk, workers: Workers
) -> None:
    change = ask(desk, RESEND, "anthropic")
    organization = desk.connections["anthropic"].remote_organization_id
    desk.sandbox.control.settings(organization, allowed_domains=["elsewhere.example"])

    workers.settle(change.command)

    why = "The email domain is not on the organization's allow list."
    assert change.command.error == f"The old invite was withdrawn. {why}"
    assert_settled_once(change, S.REJECTED, "refused")
    change.assert_withdrawn_only(why)
