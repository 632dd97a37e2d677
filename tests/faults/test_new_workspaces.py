"""A new workspace under each fault: made once and known by its id, or left for a person to decide."""

import itertools
import signal
from typing import Any

import pytest

from apps.organizations.models import Grant, Role
from apps.sync.models import Command, CommandState
from apps.sync.outbox import requests, support_resend
from apps.workspaces import services
from apps.workspaces.models import Workspace
from tests.desk import Desk
from tests.doomed import Nursery
from tests.factories import UserFactory
from tests.faults.conftest import Workers, wait_until_due
from tests.faults.test_faults import REFUSED, SAYS, SURVIVED, Trouble

S = CommandState
pytestmark = pytest.mark.django_db(transaction=True)
OPERATION = "createWorkspace"
_numbers = itertools.count(1)


def ask(desk: Desk) -> Command:
    """A workspace of a name that there is not yet."""
    name = f"New workspace {next(_numbers)}"
    return services.create_workspace(
        connection=desk.connections["anthropic"],
        name=name,
        allowed_geos="",
        default_geo="global",
        storage_geo="us",
        actor=desk.owner,
        nonce=name,
    )


def remote_ids(desk: Desk, name: str) -> list[str]:
    """Workspaces of that name, as the sandbox says."""
    _, _, listed = desk.sandbox.anthropic("GET", "/workspaces?limit=1000&include_archived=true")
    return [row["id"] for row in listed["data"] if row["name"] == name]


def assert_made_once(desk: Desk, command: Command) -> None:
    """One at the remote, and the mirror knows it."""
    (remote_id,) = remote_ids(desk, command.label)
    row = Workspace.objects.get(connection=command.connection, name=command.label)
    assert (row.remote_id, row.state) == (remote_id, Workspace.State.LIVE)
    assert command.remote_id == remote_id


@pytest.mark.parametrize("trouble", SURVIVED, ids=str)
def test_whatever_becomes_of_the_answer_there_is_one_or_a_person_decides(
    desk: Desk, workers: Workers, trouble: Trouble
) -> None:
    command = ask(desk)
    desk.sandbox.control.fault(OPERATION, trouble.kind, **trouble.options)

    workers.settle(command)

    assert desk.sandbox.control.faults()[0]["hits"] == 1, "the fault was not met"
    desk.sandbox.control.clear_faults()
    if command.state == S.OPERATOR:
        assert remote_ids(desk, command.label) == [], "there was one to adopt"
        row = Workspace.objects.get(connection=command.connection, name=command.label)
        assert row.state == Workspace.State.MAKING
        requests.resend(command=command, actor=desk.owner)
        workers.settle(command)
    assert command.state == S.SUCCEEDED
    assert_made_once(desk, command)


@pytest.mark.parametrize("trouble", REFUSED, ids=str)
def test_a_refusal_is_told_in_the_providers_own_words(
    desk: Desk, workers: Workers, trouble: Trouble
) -> None:
    command = ask(desk)
    desk.sandbox.control.fault(OPERATION, trouble.kind, count=None)

    workers.settle(command)

    assert command.state == S.REJECTED
    assert SAYS[trouble.kind] in command.error
    assert remote_ids(desk, command.label) == []
    row = Workspace.objects.get(connection=command.connection, name=command.label)
    assert (row.state, row.remote_id) == (Workspace.State.REFUSED, None)
    assert SAYS[trouble.kind] in row.error


def test_the_organizations_policy_is_told_in_its_words(desk: Desk, workers: Workers) -> None:
    organization = desk.connections["anthropic"].remote_organization_id
    desk.sandbox.control.settings(organization, allowed_geos=["us"])
    command = ask(desk)

    workers.settle(command)

    assert command.state == S.REJECTED
    assert "workspace policy allows these inference geos only: us" in command.error
    assert command.error_code == "workspace_policy_violation"


def test_one_of_the_same_name_that_was_there_before_is_not_taken_for_ours(
    desk: Desk, workers: Workers
) -> None:
    command = ask(desk)
    Command.objects.filter(pk=command.pk).update(due_at=None)
    workers.kicked.clear()
    desk.sandbox.anthropic("POST", "/workspaces", {"name": command.label})
    older = remote_ids(desk, command.label)
    Workspace.objects.create(
        connection=command.connection,
        remote_id=older[0],
        name=command.label,
        first_seen_at=command.created_at,
        changed_at=command.created_at,
    )
    desk.sandbox.control.fault(OPERATION, "reset_after")
    workers.kicked.append(command.pk)

    workers.settle(command)

    assert command.state == S.SUCCEEDED
    assert [command.remote_id] == [
        one for one in remote_ids(desk, command.label) if one not in older
    ]


AGAIN = {
    "answered": None,
    "lost after the effect": ("reset_after", {}),
    "refused for a while": ("429", {"retry_after": 0}),
}


def stuck(desk: Desk, workers: Workers) -> Command:
    """One that was lost on its way, so that nobody can tell."""
    command = ask(desk)
    desk.sandbox.control.fault(OPERATION, "reset_before")
    workers.settle(command)
    assert command.state == S.OPERATOR
    desk.sandbox.control.clear_faults()
    return command


def let_support_resend(command: Command) -> None:
    """One of support asks, a lead confirms; whose click comes twice."""
    asker, lead = (UserFactory(is_staff=True, leads_support=True) for _ in range(2))
    asked = support_resend.ask(command=command, actor=asker, reason="Not there.")
    same = Command.objects.get(pk=command.pk)
    support_resend.confirm(command=command, asked=asked.pk, actor=lead)
    with pytest.raises(requests.RequestRefused):
        support_resend.confirm(command=same, asked=asked.pk, actor=lead)


@pytest.mark.parametrize("again", AGAIN)
def test_what_two_of_support_send_again_is_made_once(
    desk: Desk, workers: Workers, again: str
) -> None:
    began = desk.sandbox.control.journal_end()
    command = stuck(desk, workers)
    trouble = AGAIN[again]
    if trouble:
        desk.sandbox.control.fault(OPERATION, trouble[0], **trouble[1])

    let_support_resend(command)
    workers.settle(command)

    assert command.state == S.SUCCEEDED
    assert command.actor_id == desk.owner.pk
    assert_made_once(desk, command)
    assert len(desk.sandbox.control.journal(OPERATION, effect=True, after=began)) == 1


def test_what_its_asker_may_not_do_any_more_is_not_sent_again_for_support(
    desk: Desk, workers: Workers
) -> None:
    command = stuck(desk, workers)
    let_support_resend(command)
    Grant.objects.filter(user=desk.owner).update(role=Role.VIEWER)

    workers.settle(command)

    assert command.state == S.REJECTED
    assert command.error == "Whoever asked for this may not do it any more."
    assert remote_ids(desk, command.label) == []


DEATHS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "claimed": ("claimed", "", {}),
    "sending": ("sending", "", {}),
    "answered": ("answered", "", {}),
    "settled": ("settled", "", {}),
    "reading back": ("reading back", "reset_after", {}),
    "read back": ("read back", "reset_after", {}),
}


@pytest.mark.parametrize("death", DEATHS)
def test_a_killed_worker_makes_no_second_one(
    desk: Desk, workers: Workers, nursery: Nursery, death: str
) -> None:
    die_at, fault, options = DEATHS[death]
    command = ask(desk)
    workers.kicked.clear()
    if fault:
        desk.sandbox.control.fault(OPERATION, fault, **options)
        nursery.carry([command.pk])
        wait_until_due(command)
    killed = nursery.carry([command.pk], die_at=die_at)
    assert killed == [-signal.SIGKILL]

    workers.settle(command)

    assert command.state in (S.SUCCEEDED, S.OPERATOR)
    assert len(remote_ids(desk, command.label)) == (1 if command.state == S.SUCCEEDED else 0)
    if command.state == S.SUCCEEDED:
        assert_made_once(desk, command)
