"""Changes of a person's own account that have rules of their own: a token that works once, and the end."""

import json

import pytest

from apps.audit.models import Entry
from apps.organizations.credentials import seal_for
from apps.organizations.models import Connection
from apps.organizations.sealing import Secret
from apps.personal import budget, services
from apps.personal.models import Account
from apps.providers.guard import worker_scope
from apps.sync.models import Command, CommandState
from apps.sync.outbox import secrets
from apps.sync.walk import walk
from tests.desk import Desk, walk_connection
from tests.faults.changes import ACCEPT_INVITE, prepare
from tests.faults.conftest import Workers, timeline
from tests.faults.own_account_changes import (
    ME,
    invite_token,
    key_of,
    own_account,
    profile_of,
)

S = CommandState
pytestmark = pytest.mark.django_db(transaction=True)


def refresh(row: Account, token: str) -> Command:
    """Ask for a new account token."""
    user = row.connection.organization.personal_of
    assert user is not None
    return services.refresh_token(account=row, token=token, actor=user, nonce=f"refresh {token}")


def delete(row: Account, nonce: str = "delete") -> Command:
    """Ask to delete the account."""
    user = row.connection.organization.personal_of
    assert user is not None
    return services.delete(account=row, actor=user, nonce=f"{nonce} {row.email}")


def refresh_token_of(desk: Desk, row: Account) -> str:
    """A refresh token that works."""
    return desk.sandbox.control.new_key(email=row.email)["refresh_token"]


# --- A new token ---------------------------------------------------------------------------------


def test_a_new_account_token_is_shown_once_and_works(desk: Desk, workers: Workers) -> None:
    row = own_account(desk, "token@northgate.example")
    old = refresh_token_of(desk, row)
    command = refresh(row, old)
    workers.settle(command)
    assert command.state == S.SUCCEEDED, timeline(command)
    assert not command.arguments["secret"]
    user = row.connection.organization.personal_of
    assert user is not None
    shown = secrets.reveal(command=command, actor=user).reveal()
    token = next(word for word in shown.split() if word.startswith("workos:"))
    assert profile_of(desk, token)["email"] == row.email
    with pytest.raises(secrets.SecretGone):
        secrets.reveal(command=command, actor=user)
    command.refresh_from_db()
    kept = json.dumps([command.arguments, command.results, command.secret])
    kept += json.dumps(list(Entry.objects.values_list("details", flat=True)))
    assert not [one for one in (old, token.removeprefix("workos:")) if one in kept]


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "500", "garbage", "cut"])
def test_a_refresh_token_whose_answer_is_lost_is_never_sent_twice(
    desk: Desk, workers: Workers, kind: str
) -> None:
    row = own_account(desk, f"lost-{kind}@northgate.example")
    desk.sandbox.control.fault("refresh_account_token", kind)
    command = refresh(row, refresh_token_of(desk, row))
    workers.settle(command)
    assert command.state == S.REJECTED, timeline(command)
    assert "may be used up" in command.error
    assert command.attempts == 1
    assert not command.arguments["secret"]


def test_a_used_refresh_token_does_not_cost_the_connection_its_key(
    desk: Desk, workers: Workers
) -> None:
    """401 is the provider's word on the token that was pasted, not on the key that is used here."""
    row = own_account(desk, "used@northgate.example")
    command = refresh(row, "refresh-that-nobody-gave")
    workers.settle(command)
    assert command.state == S.REJECTED, timeline(command)
    row.connection.refresh_from_db()
    assert row.connection.frozen_at is None


# --- A higher cap --------------------------------------------------------------------------------


def request_increase(row: Account, nonce: str) -> Command:
    """Ask for a higher spend cap."""
    user = row.connection.organization.personal_of
    assert user is not None
    return budget.request_increase(account=row, actor=user, nonce=nonce)


def test_a_request_for_a_higher_cap_reaches_the_admins_once(desk: Desk, workers: Workers) -> None:
    row = own_account(desk, "cap@northgate.example")
    command = request_increase(row, "cap")
    workers.settle(command)
    assert command.state == S.SUCCEEDED, timeline(command)
    Command.objects.filter(pk=command.pk).update(
        settled_at=command.settled_at - budget.ONCE_IN  # type: ignore[operator]  # it has one
    )
    again = request_increase(row, "cap again")
    workers.settle(again)
    assert again.state == S.REJECTED, timeline(again)
    assert "a request is pending" in again.error, "in the provider's words"


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "500", "cut"])
def test_a_request_whose_answer_is_lost_is_never_sent_twice(
    desk: Desk, workers: Workers, kind: str
) -> None:
    row = own_account(desk, f"cap-{kind}@northgate.example")
    desk.sandbox.control.fault("request_budget_increase", kind)
    command = request_increase(row, f"cap {kind}")
    workers.settle(command)
    assert command.state == S.REJECTED, timeline(command)
    assert "nothing at the provider tells" in command.error
    assert command.attempts == 1


# --- Invites -------------------------------------------------------------------------------------


def test_an_invite_to_somebody_else_is_refused_in_the_providers_words(
    desk: Desk, workers: Workers
) -> None:
    row = own_account(desk, "wrong@northgate.example", joined=False)
    _, token = invite_token(desk, "right@northgate.example")
    user = row.connection.organization.personal_of
    assert user is not None
    command = services.accept_invite(account=row, token=token, actor=user, nonce="wrong")
    workers.settle(command)
    assert command.state == S.REJECTED
    assert "another address" in command.error
    again = services.accept_invite(account=row, token=token, actor=user, nonce="again")
    assert again.is_open, "the form may be sent again"
    workers.settle(again)


def test_a_walk_finds_what_an_accepted_invite_brought(desk: Desk, workers: Workers) -> None:
    change = prepare(desk, ACCEPT_INVITE, "cline_personal")()
    workers.settle(change.command)
    walk_connection(change.command.connection)
    row = Account.objects.get(connection=change.command.connection)
    assert [place.remote_id for place in row.places] == [desk.sandbox.cline_organization]
    assert row.places[0].active, "the provider bills the only organization"


# --- The end -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["", "reset_before", "reset_after", "500", "429", "garbage"])
def test_a_deleted_account_is_gone_and_its_key_is_wiped(
    desk: Desk, workers: Workers, kind: str
) -> None:
    row = own_account(desk, f"gone-{kind}@northgate.example")
    key = key_of(row.connection)
    if kind:
        options = {"retry_after": 0} if kind == "429" else {}
        desk.sandbox.control.fault("delete_current_user", kind, **options)
    command = delete(row)
    workers.settle(command)
    assert command.state == S.SUCCEEDED, timeline(command)
    assert desk.sandbox.cline("GET", ME, key=key)[0] == 401
    row.refresh_from_db()
    assert row.gone_at
    connection = row.connection
    connection.refresh_from_db()
    assert connection.state == Connection.State.DISCONNECTED
    assert connection.credential == ""
    verbs = Entry.objects.filter(organization_id=connection.organization_id)
    assert list(verbs.order_by("sequence").values_list("verb", flat=True)) == [
        "personal.delete_account.asked",
        "connections.disconnect",
        "personal.delete_account.done",
    ]


def test_a_deletion_is_read_back_even_where_a_walk_has_met_the_dead_key_first(
    desk: Desk, workers: Workers
) -> None:
    row = own_account(desk, "frozen@northgate.example")
    walk_connection(row.connection)
    desk.sandbox.control.fault("delete_current_user", "reset_after")
    command = delete(row)
    workers.carry_kicked()
    with worker_scope():
        walk(row.connection.resources.get(name="account").pk)
    row.connection.refresh_from_db()
    assert row.connection.frozen_at
    workers.settle(command)
    assert command.state == S.SUCCEEDED, timeline(command)


def test_a_key_that_dies_by_itself_is_no_proof_of_a_deletion(desk: Desk, workers: Workers) -> None:
    row = own_account(desk, "revoked@northgate.example")
    command = delete(row)
    desk.sandbox.control.revoke_key(key_of(row.connection))
    workers.carry_kicked()
    command.refresh_from_db()
    assert command.is_open
    row.connection.refresh_from_db()
    assert row.connection.frozen_at, "nothing was sent: the key was refused before"
    assert desk.sandbox.control.journal(operation="delete_current_user") == []


def test_the_only_owner_of_an_organization_is_refused(desk: Desk, workers: Workers) -> None:
    row = own_account(desk, "owner@northgate.example", joined=False)
    status, _, _ = desk.sandbox.cline(
        "POST", "/organizations", {"name": "Mine alone"}, key=key_of(row.connection)
    )
    assert status < 300
    command = delete(row)
    workers.settle(command)
    assert command.state == S.REJECTED
    assert "only owner of Mine alone" in command.error
    row.connection.refresh_from_db()
    assert row.connection.state == Connection.State.ACTIVE


def test_a_key_of_another_account_deletes_nothing(desk: Desk, workers: Workers) -> None:
    row = own_account(desk, "mine@northgate.example")
    other = own_account(desk, "other@northgate.example")
    command = delete(row)
    row.connection.credential = seal_for(
        row.connection, "credential", Secret(key_of(other.connection))
    )
    row.connection.save()
    workers.settle(command)
    assert command.state == S.REJECTED
    assert "another account" in command.error
    assert profile_of(desk, key_of(other.connection))["email"] == other.email
