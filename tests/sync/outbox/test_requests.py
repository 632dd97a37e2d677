"""Asking for changes: once, by those who may, with a second person where that is demanded."""

import pytest
from django.core.exceptions import PermissionDenied

from apps.accounts.models import User
from apps.invites.models import Invite
from apps.invites.services import Guest, draft_invites, draft_resend
from apps.members.models import Member
from apps.members.services import change_role, draft_removal, draft_role_change, remove_member
from apps.organizations.models import Connection, Grant, Role
from apps.sync.models import Batch, Command, CommandState
from apps.sync.outbox import batches, requests
from apps.sync.outbox.requests import RequestRefused, TargetBusy
from tests.factories import GrantFactory, InviteFactory, MemberFactory
from tests.sync.outbox.conftest import Remote, carry

pytestmark = pytest.mark.django_db
S = CommandState


def test_a_double_click_asks_once(bo: Member, owner: Grant) -> None:
    first = change_role(member=bo, role="developer", actor=owner.user, nonce="same")
    second = change_role(member=bo, role="developer", actor=owner.user, nonce="same")

    assert first.pk == second.pk
    assert Command.objects.count() == 1


def test_a_second_change_of_the_same_membership_waits_for_the_first(
    bo: Member, owner: Grant
) -> None:
    change_role(member=bo, role="developer", actor=owner.user, nonce="a")

    with pytest.raises(TargetBusy, match=r"bo@example\.com is still on its way"):
        remove_member(member=bo, actor=owner.user, nonce="b")


@pytest.mark.parametrize("role", [Role.BILLING, Role.VIEWER])
def test_those_who_may_not_change_people_cannot_ask(bo: Member, owner: Grant, role: Role) -> None:
    grant = GrantFactory(organization=owner.organization, role=role)

    with pytest.raises(PermissionDenied):
        change_role(member=bo, role="developer", actor=grant.user, nonce="a")
    assert not Command.objects.exists()


def test_an_outsider_cannot_ask(bo: Member) -> None:
    outsider = GrantFactory()

    with pytest.raises(PermissionDenied):
        change_role(member=bo, role="developer", actor=outsider.user, nonce="a")


def test_an_admin_at_the_provider_is_locked_with_the_reason(bo: Member, owner: Grant) -> None:
    Member.objects.filter(pk=bo.pk).update(role="admin")
    bo.refresh_from_db()

    with pytest.raises(RequestRefused, match="dmin"):
        remove_member(member=bo, actor=owner.user, nonce="a")


def test_a_connection_that_cannot_says_why(
    bo: Member, owner: Grant, connection: Connection
) -> None:
    connection.capabilities["members.remove"] = {"ok": False, "reason": "Owners only."}
    connection.save()

    with pytest.raises(RequestRefused, match=r"Owners only\."):
        remove_member(member=bo, actor=owner.user, nonce="a")


# --- Batches -------------------------------------------------------------------------------------


def guests(connection: Connection, count: int) -> list[Guest]:
    return [Guest(connection, f"guest{n}@example.com", "developer") for n in range(count)]


def test_a_batch_is_a_draft_until_confirmed_and_confirmed_once(
    connection: Connection, owner: Grant, remote: Remote, kicked: list[int]
) -> None:
    batch = draft_invites(
        organization=owner.organization,
        guests=guests(connection, 3),
        actor=owner.user,
        nonce="b1",
    )
    assert not Invite.objects.exists()
    assert {c.state for c in batch.commands.all()} == {S.DRAFT}

    batches.confirm_batch(batch=batch, actor=owner.user)
    batches.confirm_batch(batch=batch, actor=owner.user)

    assert Invite.objects.filter(state=Invite.State.SENDING).count() == 3
    for command in batch.commands.all():
        carry(command)
    assert len(remote.effects) == 3
    assert Invite.objects.filter(state=Invite.State.PENDING).count() == 3


def test_what_cannot_be_done_is_listed_with_its_reason(
    connection: Connection, owner: Grant, bo: Member
) -> None:
    pending = InviteFactory(
        connection=connection,
        person__organization=owner.organization,
        person__email="pending@example.com",
    )
    wanted = [
        Guest(connection, bo.person.email, "developer"),
        Guest(connection, pending.email, "developer"),
        Guest(connection, "boss@example.com", "admin"),
        Guest(connection, "twice@example.com", "developer"),
        Guest(connection, "Twice@example.com", "developer"),
    ]

    batch = draft_invites(
        organization=owner.organization, guests=wanted, actor=owner.user, nonce="b1"
    )

    assert [c.label for c in batch.commands.all()] == ["twice@example.com"]
    assert {r["label"] for r in batch.refusals} == {
        bo.person.email,
        "pending@example.com",
        "boss@example.com",
        "Twice@example.com",
    }


def test_a_target_that_got_busy_since_the_draft_stays_in_the_list_as_cancelled(
    bo: Member, owner: Grant
) -> None:
    members = Member.objects.filter(pk=bo.pk)
    batch = draft_role_change(
        organization=owner.organization,
        members=members,
        roles={m.connection_id: "developer" for m in members},
        actor=owner.user,
        nonce="b1",
    )
    remove_member(member=bo, actor=owner.user, nonce="faster")

    batches.confirm_batch(batch=batch, actor=owner.user)

    assert [c.state for c in batch.commands.all()] == [S.CANCELLED]


def test_a_discarded_draft_leaves_nothing(bo: Member, owner: Grant) -> None:
    batch = draft_removal(
        organization=owner.organization,
        members=Member.objects.all(),
        actor=owner.user,
        nonce="b1",
    )

    batches.discard_batch(batch=batch, actor=owner.user)

    assert not Command.objects.exists()
    assert not Batch.objects.exists()


def test_resending_in_bulk_invites_anew_what_has_lapsed(
    connection: Connection, owner: Grant
) -> None:
    for state in (Invite.State.PENDING, Invite.State.EXPIRED):
        InviteFactory(
            connection=connection,
            person__organization=owner.organization,
            state=state,
            role="developer",
        )

    batch = draft_resend(
        organization=owner.organization,
        rows=Invite.objects.all(),
        actor=owner.user,
        nonce="b1",
    )

    assert {c.kind for c in batch.commands.all()} == {"invites.resend", "invites.invite"}


def test_a_batch_takes_the_same_number_of_queries_whatever_its_size(
    connection: Connection, owner: Grant, django_assert_max_num_queries: object
) -> None:
    MemberFactory.create_batch(
        60, connection=connection, person__organization=owner.organization, role="user"
    )

    with django_assert_max_num_queries(16):  # type: ignore[operator]  # the fixture is untyped
        batch = draft_role_change(
            organization=owner.organization,
            members=Member.objects.all(),
            roles={connection.pk: "developer"},
            actor=owner.user,
            nonce="b1",
        )
    with django_assert_max_num_queries(24):  # type: ignore[operator]  # the fixture is untyped
        batches.confirm_batch(batch=batch, actor=owner.user)


# --- Approval ------------------------------------------------------------------------------------


@pytest.fixture
def waiting(bo: Member, owner: Grant) -> Command:
    """A removal that waits for a second person."""
    owner.organization.demand_second_person = True
    owner.organization.save()
    bo.refresh_from_db()
    return remove_member(member=bo, actor=owner.user, nonce="a")


@pytest.fixture
def second(owner: Grant) -> User:
    """Another admin of the organization."""
    user: User = GrantFactory(organization=owner.organization, role=Role.ADMIN).user
    return user


def test_what_cannot_be_undone_waits_for_a_second_person(
    waiting: Command, second: User, remote: Remote
) -> None:
    assert carry(waiting).state == S.AWAITING_APPROVAL
    assert remote.calls == []

    requests.approve(command=waiting, actor=second)

    assert carry(waiting).state == S.SUCCEEDED


def test_nobody_approves_their_own_wish(waiting: Command, owner: Grant) -> None:
    with pytest.raises(RequestRefused, match="second person"):
        requests.approve(command=waiting, actor=owner.user)


def test_an_approval_is_bound_to_what_was_asked(
    waiting: Command, second: User, remote: Remote
) -> None:
    requests.approve(command=waiting, actor=second)
    Command.objects.filter(pk=waiting.pk).update(arguments_hash="0" * 64)

    assert carry(waiting).state == S.REJECTED
    assert remote.calls == []


def test_what_was_not_approved_is_not_done(waiting: Command, second: User, remote: Remote) -> None:
    requests.refuse_approval(command=waiting, actor=second, reason="Bo stays.")

    waiting.refresh_from_db()
    assert (waiting.state, waiting.error) == (S.CANCELLED, "Bo stays.")


# --- Decisions -----------------------------------------------------------------------------------


def test_a_queued_change_can_be_cancelled_and_a_sent_one_cannot(
    bo: Member, owner: Grant, remote: Remote
) -> None:
    command = change_role(member=bo, role="developer", actor=owner.user, nonce="a")
    requests.cancel(command=command, actor=owner.user)
    assert carry(command).state == S.CANCELLED

    other = change_role(member=bo, role="developer", actor=owner.user, nonce="b")
    Command.objects.filter(pk=other.pk).update(state=S.SENDING)
    other.refresh_from_db()
    with pytest.raises(RequestRefused, match="too late"):
        requests.cancel(command=other, actor=owner.user)
    assert remote.calls == []


def test_an_undecided_invite_is_adopted_by_a_person(
    connection: Connection, owner: Grant, remote: Remote
) -> None:
    batch = draft_invites(
        organization=owner.organization,
        guests=guests(connection, 1),
        actor=owner.user,
        nonce="b1",
    )
    batches.confirm_batch(batch=batch, actor=owner.user)
    command = batch.commands.get()
    Command.objects.filter(pk=command.pk).update(
        state=S.OPERATOR, candidates=[{"id": "invite_a", "label": "a"}]
    )
    command.refresh_from_db()

    with pytest.raises(RequestRefused):
        requests.adopt(command=command, candidate="invite_z", actor=owner.user)
    requests.adopt(command=command, candidate="invite_a", actor=owner.user)

    command.refresh_from_db()
    assert command.state == S.SUCCEEDED
    assert Invite.objects.get().remote_id == "invite_a"


def test_a_failed_change_can_be_asked_for_again(bo: Member, owner: Grant, remote: Remote) -> None:
    command = change_role(member=bo, role="developer", actor=owner.user, nonce="a")
    requests.cancel(command=command, actor=owner.user)

    again = requests.ask_again(command=command, actor=owner.user, nonce="again")

    assert carry(again).state == S.SUCCEEDED
    command.refresh_from_db()
    assert command.state == S.CANCELLED
