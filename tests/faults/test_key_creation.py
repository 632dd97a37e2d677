"""A new key, whose secret stands in one answer alone: it arrives, or the key is taken back, or a person decides."""

import itertools
import signal
from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.audit.models import Entry
from apps.keys import services
from apps.keys.models import Key
from apps.sync.models import Command, CommandState
from apps.sync.outbox import requests, secrets
from tests.desk import Desk
from tests.doomed import Nursery
from tests.factories import GrantFactory
from tests.faults.conftest import Workers, timeline, wait_until_due
from tests.faults.test_faults import LATE, SURVIVED, Trouble
from tests.sandbox_server import call

S = CommandState
pytestmark = pytest.mark.django_db(transaction=True)
_numbers = itertools.count(1)
# Nothing left, or the provider says that nothing has happened: it is simply sent again.
AGAIN = {"429", "429 with Retry-After"}
# Did the key come into being behind the answer that was lost?
MADE = {
    "reset after the effect",
    "timeout after the effect",
    "late answer",
    "dripping answer",
    "cut answer",
    "408 after the effect",
    "500 after the effect",
    "504 after the effect",
    "HTML error after the effect",
    "garbage",
    "truncated JSON",
    "empty body",
}


def ask(desk: Desk) -> Command:
    name = f"made in a test {next(_numbers)}"
    cline = desk.connections["cline"]
    return services.create(connection=cline, name=name, actor=desk.owner, nonce=name)


def remote_ids(desk: Desk, name: str) -> list[str]:
    _, _, listed = desk.sandbox.cline("GET", "/api-keys")
    return [one["id"] for one in listed["data"]["items"] if one["name"] == name]


def effects(desk: Desk) -> Counter[str]:
    journal = desk.sandbox.control.journal(effect=True)
    return Counter(entry["operation_id"] for entry in journal)


def works(desk: Desk, secret: str) -> bool:
    headers = {"Authorization": f"Bearer {secret}"}
    status, _, _ = call(desk.sandbox.base_url, "GET", "/api/v1/users/me", headers=headers)
    return status == 200


def assert_made_once(desk: Desk, command: Command) -> None:
    """One key of that name, mirrored, and the secret in the Command is its own."""
    assert command.state == S.SUCCEEDED, timeline(command)
    (remote_id,) = remote_ids(desk, command.label)
    assert command.remote_id == remote_id
    row = Key.objects.get(connection=command.connection, remote_id=remote_id)
    assert (row.name, row.status, row.gone_at) == (command.label, "active", None)
    assert works(desk, secrets.reveal(command=command, actor=desk.owner).reveal())


def test_the_secret_is_sealed_shown_once_and_wiped(desk: Desk, workers: Workers) -> None:
    command = ask(desk)
    workers.settle(command)
    assert command.secret.startswith("v")
    assert command.secret_until
    other = GrantFactory.create(organization=desk.organization).user
    with pytest.raises(secrets.SecretGone, match="Only who asked"):
        secrets.reveal(command=command, actor=other)
    clear = secrets.reveal(command=command, actor=desk.owner)
    assert works(desk, clear.reveal())
    command.refresh_from_db()
    assert not command.secret
    assert not command.secret_until
    with pytest.raises(secrets.SecretGone, match="shown already"):
        secrets.reveal(command=command, actor=desk.owner)
    verbs = Entry.objects.filter(command_id=command.pk).order_by("sequence")
    assert list(verbs.values_list("verb", flat=True)) == [
        "keys.create.asked",
        "keys.create.done",
        "keys.create.secret_shown",
    ]
    told = repr(list(verbs.values())) + repr(list(command.events.values()))
    assert clear.reveal() not in told + repr(command.results) + repr(command.arguments)


def test_a_secret_that_nobody_looks_at_is_wiped_in_time(desk: Desk, workers: Workers) -> None:
    command = ask(desk)
    workers.settle(command)
    secrets.wipe_expired()
    command.refresh_from_db()
    assert command.secret, "it has ten minutes"
    Command.objects.filter(pk=command.pk).update(secret_until=timezone.now() - timedelta(seconds=1))
    command.refresh_from_db()
    with pytest.raises(secrets.SecretGone):
        secrets.reveal(command=command, actor=desk.owner)
    secrets.wipe_expired()
    command.refresh_from_db()
    assert (command.secret, command.secret_until) == ("", None)
    assert Entry.objects.filter(command_id=command.pk, verb="keys.create.secret_wiped").exists()


def test_a_sealed_secret_does_not_open_in_another_command(desk: Desk, workers: Workers) -> None:
    first, second = ask(desk), ask(desk)
    workers.settle(first, second)
    Command.objects.filter(pk=second.pk).update(secret=first.secret)
    with pytest.raises(secrets.SecretGone, match="cannot be opened"):
        secrets.reveal(command=second, actor=desk.owner)


@pytest.mark.parametrize("trouble", SURVIVED, ids=str)
def test_whatever_becomes_of_the_answer_no_key_is_left_without_its_secret(
    desk: Desk, workers: Workers, trouble: Trouble
) -> None:
    command = ask(desk)
    desk.sandbox.control.fault("create_api_key", trouble.kind, **trouble.options)

    workers.settle(command)

    desk.sandbox.control.clear_faults()
    if trouble.name in AGAIN:
        assert effects(desk) == {"create_api_key": 1}
        assert_made_once(desk, command)
    elif trouble.name in MADE:
        assert effects(desk) == {"create_api_key": 2, "delete_api_key": 1}
        assert_made_once(desk, command)
    else:
        assert command.state == S.OPERATOR, timeline(command)
        assert "No key of this name has appeared" in command.error
        assert remote_ids(desk, command.label) == []
        requests.resend(command=command, actor=desk.owner)
        workers.settle(command)
        assert_made_once(desk, command)


@pytest.mark.parametrize("trouble", ["400", "403", "success_false"])
def test_a_refusal_is_told_and_makes_nothing(desk: Desk, workers: Workers, trouble: str) -> None:
    command = ask(desk)
    desk.sandbox.control.fault("create_api_key", trouble, count=None)
    workers.settle(command)
    assert command.state == S.REJECTED
    assert remote_ids(desk, command.label) == []
    assert not command.secret


def test_a_refusal_after_a_lost_key_was_taken_back_counts_at_once(
    desk: Desk, workers: Workers
) -> None:
    command = ask(desk)
    desk.sandbox.control.fault("create_api_key", "reset_after")
    desk.sandbox.control.fault("create_api_key", "400", count=None)
    workers.settle(command)
    assert (command.state, command.error) == (S.REJECTED, "Invalid request format")
    assert command.attempts == 2
    assert remote_ids(desk, command.label) == []


def test_a_refusal_of_what_a_person_has_sent_again_is_told_to_them(
    desk: Desk, workers: Workers
) -> None:
    command = ask(desk)
    desk.sandbox.control.fault("create_api_key", "reset_before")
    workers.settle(command)
    assert command.state == S.OPERATOR, timeline(command)
    desk.sandbox.control.fault("create_api_key", "400", count=None)
    requests.resend(command=command, actor=desk.owner)
    workers.settle(command)
    assert (command.state, command.error) == (S.REJECTED, "Invalid request format")
    assert command.attempts == 2


@pytest.mark.parametrize("trouble", ["reset_after", "429", "500", "garbage"])
def test_the_taking_back_survives_its_own_troubles(
    desk: Desk, workers: Workers, trouble: str
) -> None:
    command = ask(desk)
    desk.sandbox.control.fault("create_api_key", "reset_after")
    desk.sandbox.control.fault("delete_api_key", trouble)
    workers.settle(command)
    desk.sandbox.control.clear_faults()
    assert effects(desk) == {"create_api_key": 2, "delete_api_key": 1}
    assert_made_once(desk, command)


def test_a_provider_that_does_not_let_it_be_taken_back_leaves_it_to_a_person(
    desk: Desk, workers: Workers
) -> None:
    command = ask(desk)
    desk.sandbox.control.fault("create_api_key", "reset_after")
    desk.sandbox.control.fault("delete_api_key", "403", count=None)
    workers.settle(command)
    assert command.state == S.OPERATOR
    assert [one["id"] for one in command.candidates] == remote_ids(desk, command.label)


def test_without_a_look_at_the_keys_there_nothing_is_sent(desk: Desk, workers: Workers) -> None:
    command = ask(desk)
    desk.sandbox.control.fault("list_api_keys", "500", count=3)
    desk.sandbox.control.fault("list_api_keys", "timeout", seconds=LATE)
    workers.settle(command)
    assert S.UNKNOWN not in command.events.values_list("state", flat=True)
    assert command.attempts == 1
    assert_made_once(desk, command)


def test_a_key_of_that_name_that_was_there_before_is_never_touched(
    desk: Desk, workers: Workers
) -> None:
    command = ask(desk)
    _, _, answer = desk.sandbox.cline("POST", "/api-keys", {"name": command.label})
    old = answer["data"]["api_key"]["id"]
    # The sandbox refuses a second one of the name; a provider that does not say so leaves it open.
    desk.sandbox.control.fault("create_api_key", "500")
    workers.settle(command)
    assert command.state == S.OPERATOR
    assert remote_ids(desk, command.label) == [old]


@pytest.mark.parametrize("die_at", ["claimed", "sending", "answered", "settled", "taking back"])
def test_a_killed_worker_leaves_no_key_without_its_secret(
    desk: Desk, workers: Workers, nursery: Nursery, die_at: str
) -> None:
    command = ask(desk)
    workers.kicked.clear()
    if die_at == "taking back":
        desk.sandbox.control.fault("create_api_key", "reset_after")
        nursery.carry([command.pk])
        wait_until_due(command)
    assert nursery.carry([command.pk], die_at=die_at) == [-signal.SIGKILL]

    workers.settle(command)

    if die_at == "sending":  # not a byte has left, which nobody can tell from the outside
        assert command.state == S.OPERATOR
        assert remote_ids(desk, command.label) == []
        return
    assert_made_once(desk, command)


def test_after_a_restore_nothing_that_may_be_in_use_is_taken_back(
    desk: Desk, workers: Workers
) -> None:
    command = ask(desk)
    before = Command.objects.filter(pk=command.pk).values().get()
    workers.settle(command)
    assert works(desk, secrets.reveal(command=command, actor=desk.owner).reveal())
    Command.objects.filter(pk=command.pk).update(**{**before, "in_doubt": True})
    command.refresh_from_db()
    workers.kicked.append(command.pk)
    workers.settle(command)
    assert command.state == S.OPERATOR
    assert command.candidates
    assert effects(desk) == {"create_api_key": 1}
