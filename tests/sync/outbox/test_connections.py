"""What connecting and disconnecting mean for walks and changes."""

import pytest

from apps.members.models import Member
from apps.members.services import change_role
from apps.organizations import connections
from apps.organizations.models import Connection, Grant
from apps.organizations.services import Refused
from apps.sync.models import Command, CommandState, Resource

pytestmark = pytest.mark.django_db
S = CommandState


def test_resuming_a_connection_makes_its_listings_due(connection: Connection, owner: Grant) -> None:
    connections.pause(connection=connection, actor=owner.user)
    assert not Resource.objects.exists()

    connections.resume(connection=connection, actor=owner.user)

    assert {r.name for r in Resource.objects.exclude(due_at=None)} == {"members", "invites"}


def test_disconnecting_cancels_what_was_not_sent(
    connection: Connection, owner: Grant, bo: Member
) -> None:
    command = change_role(member=bo, role="developer", actor=owner.user, nonce="a")

    connections.disconnect(connection=connection, actor=owner.user)

    command.refresh_from_db()
    assert (command.state, command.error) == (S.CANCELLED, "The connection was disconnected.")


@pytest.mark.parametrize("state", [S.SENDING, S.UNKNOWN, S.OPERATOR])
def test_nothing_is_disconnected_while_an_outcome_is_unknown(
    connection: Connection, owner: Grant, bo: Member, state: CommandState
) -> None:
    command = change_role(member=bo, role="developer", actor=owner.user, nonce="a")
    Command.objects.filter(pk=command.pk).update(state=state)

    with pytest.raises(Refused, match="outcome is not known yet"):
        connections.disconnect(connection=connection, actor=owner.user)

    connection.refresh_from_db()
    assert connection.state == Connection.State.ACTIVE
