"""Invites in the mirror, walked from the sandbox."""

from typing import Any

import pytest

from apps.invites.models import Invite
from apps.members.models import Person
from apps.sync.models import QuarantinedRow
from tests.desk import Desk, open_desk

pytestmark = pytest.mark.django_db
State = Invite.State


@pytest.fixture
def desk(sandbox: Any, settings: Any) -> Desk:
    """An organization with an account at each provider of the sandbox."""
    settings.SANDBOX_URL = sandbox.base_url
    return open_desk(sandbox)


def test_whoever_was_invited_at_a_provider_is_a_person_here(desk: Desk) -> None:
    desk.walk()

    assert not QuarantinedRow.objects.exists()
    for name, connection in desk.connections.items():
        pending = Invite.objects.filter(connection=connection, state=State.PENDING)
        assert pending.exists(), name
    strangers = Person.objects.filter(members=None, invites__state=State.PENDING)
    assert strangers.exists(), "somebody is invited who is no member anywhere"


def test_an_invite_that_was_accepted_at_the_provider_says_so_after_the_next_walk(
    desk: Desk,
) -> None:
    desk.walk()
    row = Invite.objects.filter(
        connection=desk.connections["anthropic"], state=State.PENDING, person__members=None
    ).first()
    assert row is not None

    desk.sandbox.control.accept_invite(str(row.remote_id))
    desk.walk("anthropic")

    row.refresh_from_db()
    assert row.state == State.ACCEPTED
    assert row.person.members.filter(gone_at=None).exists()


def test_an_invite_that_was_withdrawn_at_the_provider_is_no_longer_pending(desk: Desk) -> None:
    desk.walk()
    row = Invite.objects.filter(connection=desk.connections["cline"], state=State.PENDING).first()
    assert row is not None

    desk.sandbox.cline("DELETE", f"/organizations/{{org}}/invites/{row.remote_id}")
    desk.walk("cline")

    row.refresh_from_db()
    assert row.state == State.UNKNOWN
    assert row.gone_at
