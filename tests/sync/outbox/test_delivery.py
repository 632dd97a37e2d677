"""A change on its way: every outcome of a call, and what follows from it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from msgspec.structs import replace

from apps.audit.models import Entry
from apps.invites.models import Invite
from apps.invites.services import Guest, invite, resend, withdraw
from apps.members.models import Member
from apps.members.services import change_role, remove_member
from apps.organizations.models import Connection, Grant, Role
from apps.providers import errors
from apps.providers.records import InviteRecord
from apps.sync.models import Command, CommandState
from apps.sync.outbox import delivery, outcome
from tests.factories import InviteFactory
from tests.sync.outbox.conftest import Remote, carry

pytestmark = pytest.mark.django_db
S = CommandState


def ask_for_role(bo: Member, owner: Grant, role: str = "developer") -> Command:
    return change_role(member=bo, role=role, actor=owner.user, nonce="n1")


def test_a_role_changes_at_the_remote_and_then_in_the_mirror(
    bo: Member, owner: Grant, remote: Remote
) -> None:
    command = carry(ask_for_role(bo, owner))

    assert command.state == S.SUCCEEDED
    assert remote.members_by_id[str(bo.remote_id)].role == "developer"
    bo.refresh_from_db()
    assert bo.role == "developer"
    states = list(command.events.values_list("state", flat=True))
    assert states == [S.QUEUED, S.CLAIMED, S.SENDING, S.SUCCEEDED]
    verbs = list(Entry.objects.order_by("sequence").values_list("verb", flat=True))
    assert verbs == ["members.change_role.asked", "members.change_role.done"]


@pytest.mark.parametrize("money", [True, False])
def test_only_what_can_be_found_out_again_ends_before_it_is_on_the_disk(
    bo: Member, owner: Grant, remote: Remote, monkeypatch: pytest.MonkeyPatch, money: bool
) -> None:
    command = ask_for_role(bo, owner)
    Command.objects.filter(pk=command.pk).update(is_money=money)
    hasty: list[str] = []
    for module in (delivery, outcome):
        monkeypatch.setattr(module, "without_disk", lambda: hasty.append(state()))

    def state() -> str:
        return str(Command.objects.values_list("state", flat=True).get(pk=command.pk))

    carry(command)
    assert command.state == S.SUCCEEDED
    assert hasty == ([S.QUEUED] if money else [S.QUEUED, S.SENDING])


def test_carrying_twice_sends_once(bo: Member, owner: Grant, remote: Remote) -> None:
    command = ask_for_role(bo, owner)
    carry(command)
    carry(command)

    assert remote.calls == ["change_role"]


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (errors.NotSent("refused"), S.RETRY),
        (errors.RateLimited("slow down", status=429, retry_after=7), S.RETRY),
        (errors.BudgetSpent("budget", retry_after=3), S.RETRY),
        (errors.Refused("Admins are locked.", status=400), S.REJECTED),
        (errors.Forbidden("Not for you.", status=403), S.REJECTED),
        (errors.NotFound("No such member.", status=404), S.REJECTED),
        (errors.Unauthorized("bad key", status=401), S.QUEUED),
        (errors.Unclear("timed out"), S.UNKNOWN),
    ],
)
def test_each_error_leads_where_the_design_says(
    bo: Member, owner: Grant, remote: Remote, error: errors.ProviderError, state: CommandState
) -> None:
    remote.fail = [(error, False)]

    command = carry(ask_for_role(bo, owner))

    assert command.state == state
    assert command.settled_at is None or state == S.REJECTED
    bo.refresh_from_db()
    assert bo.role == "user"


def test_the_providers_own_words_are_kept_when_it_refuses(
    bo: Member, owner: Grant, remote: Remote
) -> None:
    remote.fail = [(errors.Refused("Admins are locked.", status=400, request_id="req_1"), False)]

    command = carry(ask_for_role(bo, owner))

    assert command.error == "Admins are locked."
    assert command.remote_request_id == "req_1"


def test_a_refused_key_freezes_the_connection_and_costs_no_try(
    bo: Member, owner: Grant, remote: Remote, connection: Connection
) -> None:
    remote.fail = [(errors.Unauthorized("bad key", status=401), False)]

    command = carry(ask_for_role(bo, owner))

    connection.refresh_from_db()
    assert connection.frozen_at
    assert command.tries == 0
    Command.objects.filter(pk=command.pk).update(due_at=timezone.now())
    carry(command)
    assert remote.calls == ["change_role"], "nothing is sent while the connection is frozen"


def test_waiting_for_the_budget_is_no_try(bo: Member, owner: Grant, remote: Remote) -> None:
    remote.fail = [(errors.BudgetSpent("budget", retry_after=0), False)]

    assert carry(ask_for_role(bo, owner)).tries == 0


def test_it_gives_up_after_the_last_try(
    bo: Member, owner: Grant, remote: Remote, settings: object
) -> None:
    settings.OUTBOX_MAX_TRIES = 3  # type: ignore[attr-defined]  # the fixture is untyped
    remote.fail = [(errors.NotSent("refused"), False)] * 3

    command = ask_for_role(bo, owner)
    for _ in range(3):
        carry(command)

    assert command.state == S.DEAD
    assert len(remote.calls) == 3


@pytest.mark.parametrize("happened", [True, False])
def test_an_unknown_outcome_is_read_back_and_never_done_twice(
    bo: Member, owner: Grant, remote: Remote, happened: bool
) -> None:
    remote.fail = [(errors.Unclear("timed out"), happened)]
    command = carry(ask_for_role(bo, owner))

    carry(command)
    if command.state == S.RETRY:
        carry(command)

    assert command.state == S.SUCCEEDED
    assert remote.effects == [("change_role", bo.remote_id)]


def test_an_unknown_outcome_is_left_alone_until_the_quiet_time_is_over(
    bo: Member, owner: Grant, remote: Remote, settings: object
) -> None:
    settings.OUTBOX_QUIET_SECONDS = 60  # type: ignore[attr-defined]  # the fixture is untyped
    remote.fail = [(errors.Unclear("timed out"), True)]
    command = carry(ask_for_role(bo, owner))

    carry(command)

    assert command.state == S.UNKNOWN
    assert command.checks == 0


def test_a_read_back_that_fails_looks_again_later(bo: Member, owner: Grant, remote: Remote) -> None:
    remote.fail = [(errors.Unclear("timed out"), True)]
    remote.fail_reads = [errors.Unclear("still down"), errors.NotSent("down")]
    command = carry(ask_for_role(bo, owner))

    carry(command)
    assert command.state == S.UNKNOWN
    carry(command)
    carry(command)

    assert command.state == S.SUCCEEDED


@pytest.mark.parametrize(("money", "checks"), [(True, 3), (False, 8)])
def test_what_the_provider_will_not_tell_of_is_for_a_person(
    bo: Member, owner: Grant, remote: Remote, settings: Any, money: bool, checks: int
) -> None:
    settings.OUTBOX_MONEY_QUIET_SECONDS, settings.OUTBOX_MAX_TRIES = 0, 8
    remote.fail = [(errors.Unclear("timed out"), True)]
    remote.fail_reads = [errors.Forbidden("Not for this key.") for _ in range(20)]
    command = ask_for_role(bo, owner)
    Command.objects.filter(pk=command.pk).update(is_money=money)
    carry(command)
    assert command.state == S.UNKNOWN
    for _again in range(10):
        carry(command)
    assert command.state == S.OPERATOR
    assert "does not let the portal look" in command.error
    assert "Not for this key." in command.error
    assert (command.checks, len(remote.fail_reads)) == (checks, 19 - checks)


# --- Refused after it may have happened ----------------------------------------------------------


def until_sent_again(command: Command) -> Command:
    """Sent, unclear, read back as not done, sent again: what became of that."""
    assert carry(command).state == S.UNKNOWN
    assert carry(command).state == S.RETRY
    return carry(command)


LOCKED = errors.Refused("Admins are locked.", status=400, code="locked", request_id="req_1")


@pytest.mark.parametrize(
    "error",
    [
        LOCKED,
        errors.Forbidden("Admins are locked.", status=403, code="locked", request_id="req_1"),
        errors.NotFound("Admins are locked.", status=404, code="locked", request_id="req_1"),
    ],
)
def test_a_refusal_after_doubt_counts_once_the_read_back_finds_nothing_done(
    bo: Member, owner: Grant, remote: Remote, error: errors.ProviderError
) -> None:
    remote.fail = [(errors.Unclear("timed out"), False), (error, False)]
    command = until_sent_again(ask_for_role(bo, owner))
    assert (command.state, command.refused) == (S.UNKNOWN, True)
    bo.refresh_from_db()
    assert bo.role == "user"

    for _again in range(3):
        carry(command)

    assert command.state == S.REJECTED
    assert command.error == "Admins are locked."
    assert (command.error_code, command.remote_request_id) == ("locked", "req_1")
    assert remote.calls == ["change_role"] * 2, "it was sent a third time"
    verbs = Entry.objects.order_by("sequence").values_list("verb", flat=True)
    assert list(verbs) == ["members.change_role.asked", "members.change_role.refused"]


def test_a_refusal_after_doubt_is_none_if_the_first_sending_has_come_through(
    bo: Member, owner: Grant, remote: Remote
) -> None:
    remote.fail = [(errors.Unclear("timed out"), False), (LOCKED, True)]

    command = carry(until_sent_again(ask_for_role(bo, owner)))

    assert (command.state, command.error, command.error_code) == (S.SUCCEEDED, "", "")
    bo.refresh_from_db()
    assert bo.role == "developer"


def test_a_refusal_after_doubt_rests_before_it_is_read_back(
    bo: Member, owner: Grant, remote: Remote, settings: object
) -> None:
    remote.fail = [(errors.Unclear("timed out"), False), (LOCKED, False)]
    command = ask_for_role(bo, owner)
    carry(carry(command))
    settings.OUTBOX_QUIET_SECONDS = 60  # type: ignore[attr-defined]  # the fixture is untyped

    carry(carry(command))

    assert (command.state, command.refused) == (S.UNKNOWN, True)


def test_a_refusal_is_kept_while_the_read_back_fails(
    bo: Member, owner: Grant, remote: Remote, connection: Connection
) -> None:
    remote.fail = [(errors.Unclear("timed out"), False), (LOCKED, False)]
    command = until_sent_again(ask_for_role(bo, owner))
    remote.fail_reads = [
        errors.Unclear("down"),
        errors.Forbidden("Not for this key."),
        errors.Unauthorized("bad key"),
    ]
    for _again in range(3):
        assert carry(command).state == S.UNKNOWN
    Connection.objects.filter(pk=connection.pk).update(frozen_at=None)

    carry(command)

    assert (command.state, command.error) == (S.REJECTED, "Admins are locked.")


@pytest.mark.parametrize("death", ["failed", "reading back", "read back"])
def test_a_worker_that_dies_with_a_refusal_after_doubt_loses_nothing(
    bo: Member, owner: Grant, remote: Remote, death: str
) -> None:
    remote.fail = [(errors.Unclear("timed out"), False), (LOCKED, False), (LOCKED, False)]
    command = ask_for_role(bo, owner)
    carry(carry(command))

    class Killed(BaseException):
        """Nothing in the portal catches it."""

    def die(name: str, at: Command) -> None:
        if name == death:
            raise Killed

    if death != "failed":
        carry(command)
    delivery.checkpoint_hooks.append(die)
    try:
        with pytest.raises(Killed):
            carry(command)
    finally:
        delivery.checkpoint_hooks.remove(die)
    past = timezone.now() - timedelta(minutes=5)
    Command.objects.filter(pk=command.pk).update(leased_until=past)
    for _again in range(6):
        carry(command)

    assert (command.state, command.error) == (S.REJECTED, "Admins are locked.")
    # Dead before it could write the refusal down, it has to ask once more.
    assert len(remote.calls) == (3 if death == "failed" else 2)


def test_doubt_about_one_step_is_none_about_the_next(
    connection: Connection, owner: Grant, remote: Remote
) -> None:
    row = pending_invite(connection, remote)
    remote.fail = [
        (errors.Unclear("timed out"), True),
        (errors.Refused("No seat left.", status=409), False),
    ]
    command = carry(resend(row=row, actor=owner.user, nonce="r1"))

    carry(command)

    assert command.state == S.REJECTED
    assert command.error == "The old invite was withdrawn. No seat left."


def test_a_resend_whose_withdrawal_came_late_goes_on_to_the_new_invite(
    connection: Connection, owner: Grant, remote: Remote
) -> None:
    row = pending_invite(connection, remote)
    remote.fail = [
        (errors.Unclear("timed out"), False),
        (errors.Refused("Only a pending invite can be deleted.", status=400), True),
    ]

    command = carry(until_sent_again(resend(row=row, actor=owner.user, nonce="r1")))

    assert command.state == S.SUCCEEDED
    assert remote.calls == ["withdraw_invite", "withdraw_invite", "invite"]
    assert Invite.objects.get(state=Invite.State.PENDING).remote_id == "invite_new_1"


def test_an_invite_that_came_late_is_ours_though_a_walk_has_seen_it(
    connection: Connection, owner: Grant, remote: Remote
) -> None:
    command = ask_for_invite(connection, owner)
    remote.fail = [(errors.Unclear("timed out"), False)]
    carry(carry(command))
    assert command.state == S.RETRY
    remote.invite(command.arguments["email"], "developer")
    InviteFactory(connection=connection, email=command.arguments["email"], remote_id="invite_new_1")

    carry(carry(command))

    assert (command.state, command.remote_id) == (S.SUCCEEDED, "invite_new_1")
    assert Invite.objects.get().remote_id == "invite_new_1"


def test_a_refusal_that_the_read_back_cannot_settle_is_told_to_whoever_decides(
    connection: Connection, owner: Grant, remote: Remote
) -> None:
    command = ask_for_invite(connection, owner)
    remote.fail = [(errors.Unclear("timed out"), False)]
    carry(carry(command))
    made = remote.invite(command.arguments["email"], "developer")
    remote.invites_by_id["invite_other"] = replace(made, remote_id="invite_other")

    carry(carry(command))

    assert (command.state, command.refused) == (S.OPERATOR, False)
    assert command.error == (
        "An invite to this address is pending already. "
        "The provider shows several new invites to this address."
    )


def test_a_removal_that_finds_nothing_has_succeeded(
    bo: Member, owner: Grant, remote: Remote
) -> None:
    remote.members_by_id.clear()

    command = carry(remove_member(member=bo, actor=owner.user, nonce="n1"))

    assert command.state == S.SUCCEEDED
    bo.refresh_from_db()
    assert bo.gone_at


def test_a_role_that_was_changed_elsewhere_meanwhile_is_not_overwritten(
    bo: Member, owner: Grant, remote: Remote
) -> None:
    command = ask_for_role(bo, owner)
    Member.objects.filter(pk=bo.pk).update(role="billing")

    carry(command)

    assert command.state == S.REJECTED
    assert "billing" in command.error
    assert remote.calls == []


def test_someone_who_was_demoted_meanwhile_changes_nothing(
    bo: Member, owner: Grant, remote: Remote
) -> None:
    command = ask_for_role(bo, owner)
    Grant.objects.filter(pk=owner.pk).update(role=Role.VIEWER)

    carry(command)

    assert command.state == S.REJECTED
    assert remote.calls == []


def test_a_paused_connection_keeps_its_queue(
    bo: Member, owner: Grant, remote: Remote, connection: Connection
) -> None:
    command = ask_for_role(bo, owner)
    Connection.objects.filter(pk=connection.pk).update(state=Connection.State.PAUSED)

    carry(command)

    assert command.state == S.QUEUED
    assert remote.calls == []


def test_a_worker_that_died_before_sending_is_taken_over(
    bo: Member, owner: Grant, remote: Remote
) -> None:
    command = ask_for_role(bo, owner)
    past = timezone.now() - timedelta(minutes=5)
    Command.objects.filter(pk=command.pk).update(state=S.CLAIMED, fence=1, leased_until=past)

    carry(command)

    assert command.state == S.SUCCEEDED


def test_a_worker_that_died_while_sending_leaves_an_unknown_outcome(
    bo: Member, owner: Grant, remote: Remote
) -> None:
    command = ask_for_role(bo, owner)
    past = timezone.now() - timedelta(minutes=5)
    Command.objects.filter(pk=command.pk).update(state=S.SENDING, fence=1, leased_until=past)

    carry(command)

    assert command.state == S.UNKNOWN
    assert remote.calls == []


def test_a_worker_that_was_overtaken_writes_nothing(
    bo: Member, owner: Grant, remote: Remote
) -> None:
    command = ask_for_role(bo, owner)

    def overtake(name: str, at: Command) -> None:
        if name == "answered":
            Command.objects.filter(pk=at.pk).update(state=S.UNKNOWN, fence=at.fence + 1)

    delivery.checkpoint_hooks.append(overtake)
    try:
        carry(command)
    finally:
        delivery.checkpoint_hooks.remove(overtake)

    assert command.state == S.UNKNOWN
    bo.refresh_from_db()
    assert bo.role == "user"


# --- Invites -------------------------------------------------------------------------------------


def ask_for_invite(connection: Connection, owner: Grant, nonce: str = "i1") -> Command:
    guest = Guest(connection, "New@Example.com", "developer")
    return invite(guest=guest, actor=owner.user, nonce=nonce)


def test_an_invite_shows_at_once_and_gets_its_name_from_the_remote(
    connection: Connection, owner: Grant, remote: Remote
) -> None:
    command = ask_for_invite(connection, owner)
    row = Invite.objects.get()
    assert (row.state, row.remote_id) == (Invite.State.SENDING, None)

    carry(command)

    row.refresh_from_db()
    assert (row.state, row.remote_id) == (Invite.State.PENDING, "invite_new_1")
    assert command.remote_id == "invite_new_1"
    assert row.person.email == "new@example.com"


def test_a_refused_invite_stays_on_the_page_with_the_reason(
    connection: Connection, owner: Grant, remote: Remote
) -> None:
    remote.fail = [(errors.Refused("The member limit is reached.", status=400), False)]

    carry(ask_for_invite(connection, owner))

    row = Invite.objects.get()
    assert (row.state, row.error) == (Invite.State.REFUSED, "The member limit is reached.")


@pytest.mark.parametrize("happened", [True, False])
def test_an_invite_with_a_lost_answer_is_adopted_or_sent_again(
    connection: Connection, owner: Grant, remote: Remote, happened: bool
) -> None:
    remote.fail = [(errors.Unclear("reset"), happened)]
    command = carry(ask_for_invite(connection, owner))

    carry(command)
    if command.state == S.RETRY:
        carry(command)

    assert command.state == S.SUCCEEDED
    assert [name for name, _ in remote.effects] == ["invite"]
    assert Invite.objects.get().remote_id == "invite_new_1"


def test_an_invite_that_was_accepted_before_anyone_looked_counts_as_done(
    connection: Connection, owner: Grant, remote: Remote, bo: Member
) -> None:
    remote.fail = [(errors.Unclear("reset"), True)]
    command = carry(ask_for_invite(connection, owner))
    remote.invites_by_id.clear()
    remote.members_by_id["user_new"] = replace(
        remote.members_by_id[str(bo.remote_id)], remote_id="user_new", email="new@example.com"
    )

    carry(command)

    assert command.state == S.SUCCEEDED
    assert Invite.objects.get().state == Invite.State.ACCEPTED


def test_several_new_invites_wait_for_a_person(
    connection: Connection, owner: Grant, remote: Remote
) -> None:
    remote.fail = [(errors.Unclear("reset"), True)]
    command = carry(ask_for_invite(connection, owner))
    mine = remote.invites_by_id["invite_new_1"]
    remote.invites_by_id["invite_other"] = replace(mine, remote_id="invite_other")

    carry(command)

    assert command.state == S.OPERATOR
    assert {c["id"] for c in command.candidates} == {"invite_new_1", "invite_other"}


def pending_invite(connection: Connection, remote: Remote) -> Invite:
    row: Invite = InviteFactory(
        connection=connection,
        person__organization=connection.organization,
        person__email="dee@example.com",
        remote_id="invite_old",
        role="developer",
    )
    remote.invites_by_id["invite_old"] = InviteRecord(
        "invite_old", row.email, row.role, "pending", datetime(2026, 1, 1, tzinfo=UTC), None, b"{}"
    )
    return row


def test_a_withdrawn_invite_is_gone_here_and_there(
    connection: Connection, owner: Grant, remote: Remote
) -> None:
    row = pending_invite(connection, remote)

    command = carry(withdraw(row=row, actor=owner.user, nonce="w1"))

    row.refresh_from_db()
    assert command.state == S.SUCCEEDED
    assert row.state == Invite.State.WITHDRAWN
    assert remote.invites_by_id == {}


def test_resending_withdraws_first_and_then_invites(
    connection: Connection, owner: Grant, remote: Remote
) -> None:
    row = pending_invite(connection, remote)

    command = carry(resend(row=row, actor=owner.user, nonce="r1"))

    assert command.state == S.SUCCEEDED
    assert [name for name, _ in remote.effects] == ["withdraw_invite", "invite"]
    row.refresh_from_db()
    assert row.state == Invite.State.WITHDRAWN
    assert Invite.objects.get(state=Invite.State.PENDING).remote_id == "invite_new_1"


def test_a_resend_whose_second_step_is_refused_says_that_the_first_has_happened(
    connection: Connection, owner: Grant, remote: Remote
) -> None:
    row = pending_invite(connection, remote)
    command = resend(row=row, actor=owner.user, nonce="r1")

    def refuse_next(name: str, at: Command) -> None:
        if name == "settled" and at.step == 1:
            remote.fail = [(errors.Refused("No seat left.", status=409), False)]

    delivery.checkpoint_hooks.append(refuse_next)
    try:
        carry(command)
    finally:
        delivery.checkpoint_hooks.remove(refuse_next)

    assert command.state == S.REJECTED
    assert command.error == "The old invite was withdrawn. No seat left."
    refused = Invite.objects.get(state=Invite.State.REFUSED)
    assert refused.email == "dee@example.com"


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("happened", [True, False])
def test_a_resend_survives_a_lost_answer_in_either_step(
    connection: Connection, owner: Grant, remote: Remote, step: int, happened: bool
) -> None:
    row = pending_invite(connection, remote)
    command = resend(row=row, actor=owner.user, nonce="r1")
    lost = (errors.Unclear("reset"), happened)

    def lose(name: str, at: Command) -> None:
        if name == "sending" and at.step == step and at.attempts == step + 1:
            remote.fail = [lost]

    delivery.checkpoint_hooks.append(lose)
    try:
        for _ in range(4):
            carry(command)
    finally:
        delivery.checkpoint_hooks.remove(lose)

    assert command.state == S.SUCCEEDED
    assert [name for name, _ in remote.effects] == ["withdraw_invite", "invite"]
    assert Invite.objects.filter(state=Invite.State.PENDING).count() == 1


def test_a_withdrawal_with_a_lost_answer_notices_that_the_person_has_accepted(
    connection: Connection, owner: Grant, remote: Remote, bo: Member
) -> None:
    row = pending_invite(connection, remote)
    remote.fail = [(errors.Unclear("reset"), False)]
    command = carry(withdraw(row=row, actor=owner.user, nonce="w1"))
    remote.invites_by_id.clear()
    remote.members_by_id["user_dee"] = replace(
        remote.members_by_id[str(bo.remote_id)], remote_id="user_dee", email="dee@example.com"
    )

    carry(command)

    assert command.state == S.REJECTED
    assert command.error == "The invite was accepted meanwhile."


def test_finding_out_that_the_provider_is_still_away_is_no_try(
    bo: Member, owner: Grant, remote: Remote, settings: object
) -> None:
    settings.OUTBOX_MAX_TRIES = 100  # type: ignore[attr-defined]  # the fixture is untyped
    settings.BREAKER_SECONDS = settings.BREAKER_CAP_SECONDS = 0  # type: ignore[attr-defined]  # likewise
    remote.fail = [(errors.NotSent("refused"), False)] * 20
    command = ask_for_role(bo, owner)

    for _ in range(20):
        Command.objects.filter(pk=command.pk).update(due_at=timezone.now())
        carry(command)

    assert command.tries < 6
