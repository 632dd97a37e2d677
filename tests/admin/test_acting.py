"""What support may do in Django admin: by the services, by the policy, and in the audit log."""

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from apps.accounts.models import User
from apps.audit.models import Entry
from apps.invites.models import Invite
from apps.organizations.models import Connection, Organization, Role
from apps.organizations.policy import POLICY, may, support_may
from apps.sync.models import Command, CommandState, Resource
from apps.sync.outbox.restored import stop
from tests import factories
from tests.admin.conftest import act_on, list_of, page_of, resource_of, stuck
from tests.browsing import at_desk

pytestmark = pytest.mark.django_db
S = CommandState


def said(answer: Any) -> str:
    """What the next page tells."""
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def state_of(command: Command) -> str:
    """As it is now."""
    return str(Command.objects.get(pk=command.pk).state)


def offered(desk: Client, row: Any) -> set[str]:
    """Acts on a row's page."""
    return {str(act["label"]) for act in desk.get(page_of(row)).context["acts"]}


# --- The rule ------------------------------------------------------------------------------------


def test_support_may_what_was_agreed_where_the_organization_allows_it(
    supporter: User, organization: Organization
) -> None:
    agreed = {
        "organization.read",
        "people.read",
        "invites.read",
        "activity.read",
        "audit.read",
        "connections.read",
        "grants.read",
        "workspaces.read",
        "keys.read",
        "limits.read",
        "configuration.read",
        "commands.close",
        "commands.ask_resend",
        "commands.confirm_resend",
        "organization.resume_sending",
        "connections.pause",
        "sync.start",
        "usage.read",
        "billing.read",
        "incidents.read",
        "budgets.read",
        "centres.read",
        "notices.read",
        "notices.deliveries",
        "reports.read",
    }
    leads = {"commands.close", "commands.confirm_resend", "organization.resume_sending"}
    assert {action for action in POLICY if may(supporter, action, organization)} == agreed
    organization.support_may_view_as = True
    assert may(supporter, "support.view_as", organization)
    supporter.leads_support = False
    assert {action for action in POLICY if may(supporter, action, organization)} == agreed - leads
    supporter.is_superuser = True
    everything = agreed | {"support.view_as", "staff.change"}
    assert {action for action in POLICY if may(supporter, action, organization)} == everything
    organization.support_may_read = False
    assert not any(may(supporter, action, organization) for action in POLICY)


@pytest.mark.parametrize("change", [{"is_staff": False}, {"is_active": False}])
def test_who_is_no_staff_any_more_may_nothing(
    supporter: User, organization: Organization, change: dict[str, bool]
) -> None:
    for name, value in change.items():
        setattr(supporter, name, value)
    assert not any(support_may(supporter, action, organization) for action in POLICY)


# --- Stuck changes -------------------------------------------------------------------------------


def test_abandoning_asks_for_a_reason_and_keeps_it(
    desk: Client, supporter: User, connection: Connection
) -> None:
    command = stuck(connection)
    asking = desk.get(act_on(command, "abandon"))
    assert "nothing is sent" in asking.content.decode()
    assert state_of(command) == S.OPERATOR
    assert desk.post(act_on(command, "abandon"), {"reason": " "}).status_code == 200
    assert state_of(command) == S.OPERATOR
    answer = desk.post(act_on(command, "abandon"), {"reason": "Seen at the provider: gone."})
    assert answer["Location"] == page_of(command)
    assert state_of(command) == S.CANCELLED
    entry = Entry.objects.get(verb="members.remove.abandoned")
    assert (entry.actor, entry.source) == (supporter.email, "admin")
    assert entry.organization_id == connection.organization_id
    assert command.events.get().note == "Seen at the provider: gone."


def test_adopting_takes_one_of_the_candidates(desk: Client, connection: Connection) -> None:
    person = factories.PersonFactory(organization=connection.organization)
    invite = factories.InviteFactory(
        connection=connection, person=person, remote_id=None, state=Invite.State.SENDING
    )
    command = stuck(
        connection,
        kind="invites.invite",
        target=invite.target,
        label=person.email,
        row_id=invite.pk,
        arguments={"email": person.email, "role": "user"},
        candidates=[{"id": "invite_a", "label": "12:00"}, {"id": "invite_b", "label": "12:01"}],
    )
    assert offered(desk, command) == {"Adopt", "Abandon", "Ask that it be sent again"}
    desk.post(act_on(command, "adopt"), {"candidate": "invite_c"})
    assert state_of(command) == S.OPERATOR
    desk.post(act_on(command, "adopt"), {"candidate": "invite_b"})
    assert state_of(command) == S.SUCCEEDED
    invite.refresh_from_db()
    assert (invite.remote_id, invite.state) == ("invite_b", Invite.State.PENDING)


def test_several_are_abandoned_at_once_for_one_reason(desk: Client, connection: Connection) -> None:
    commands = [stuck(connection) for _ in range(3)]
    settled: Command = factories.CommandFactory(connection=connection, state=S.SUCCEEDED)
    chosen: dict[str, Any] = {
        "action": "abandon",
        "_selected_action": [c.pk for c in (*commands, settled)],
    }
    asking = desk.post(list_of(Command), chosen)
    assert asking.status_code == 200
    assert {state_of(command) for command in commands} == {S.OPERATOR}
    kept = dict(asking.context["keep"])
    assert kept["action"] == "abandon"
    answer = desk.post(list_of(Command), {**chosen, "apply": "1", "reason": "All gone."})
    assert {state_of(command) for command in commands} == {S.CANCELLED}
    assert state_of(settled) == S.SUCCEEDED
    assert "done for 3" in said(answer)
    assert "does not need a decision" in said(answer)


@pytest.mark.parametrize(
    ("act", "state"), [("resend", S.OPERATOR), ("cancel", S.QUEUED), ("cancel", S.RETRY)]
)
def test_one_of_support_alone_neither_sends_again_nor_cancels(
    desk: Client, connection: Connection, act: str, state: str
) -> None:
    command = factories.CommandFactory(connection=connection, state=state)
    assert not offered(desk, command) & {"Send again", "Cancel"}
    answer = desk.post(act_on(command, act))
    assert "may not do this" in said(answer)
    assert state_of(command) == state


def test_staff_who_hold_a_grant_may_what_the_grant_gives(connection: Connection) -> None:
    user = factories.UserFactory(is_staff=True, second_factor=True)
    factories.GrantFactory(organization=connection.organization, user=user, role=Role.ADMIN)
    both = at_desk(user)
    command = stuck(connection)
    assert offered(both, command) == {"Abandon", "Send again"}
    both.post(act_on(command, "resend"))
    assert state_of(command) == S.RETRY
    assert offered(both, command) == {"Cancel"}
    both.post(act_on(command, "cancel"))
    assert state_of(command) == S.CANCELLED


def test_nothing_is_decided_where_support_may_not_look(
    desk: Client, connection: Connection
) -> None:
    command = stuck(connection)
    Organization.objects.update(support_may_read=False)
    assert desk.post(act_on(command, "abandon"), {"reason": "x"}).status_code == 404
    assert state_of(command) == S.OPERATOR


def test_an_act_that_there_is_not_is_a_404(desk: Client, connection: Connection) -> None:
    assert desk.post(act_on(stuck(connection), "explode")).status_code == 404


def test_owners_do_not_act_in_django_admin(connection: Connection) -> None:
    command = stuck(connection)
    owner = factories.GrantFactory(organization=connection.organization).user
    answer = at_desk(owner).post(act_on(command, "abandon"), {"reason": "x"})
    assert answer.status_code == 302
    assert state_of(command) == S.OPERATOR


def test_nothing_is_done_from_elsewhere(supporter: User, connection: Connection) -> None:
    command = stuck(connection)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = at_desk(supporter).cookies
    assert strict.post(act_on(command, "abandon"), {"reason": "x"}).status_code == 403
    assert state_of(command) == S.OPERATOR


# --- Connections and walks -----------------------------------------------------------------------


def test_a_connection_is_paused_and_resumed(
    desk: Client, supporter: User, connection: Connection
) -> None:
    assert offered(desk, connection) == {"Pause"}
    desk.post(act_on(connection, "pause"))
    connection.refresh_from_db()
    assert connection.state == Connection.State.PAUSED
    assert offered(desk, connection) == {"Resume"}
    desk.post(act_on(connection, "resume"))
    connection.refresh_from_db()
    assert connection.state == Connection.State.ACTIVE
    lines = Entry.objects.filter(actor=supporter.email).values_list("verb", flat=True)
    assert list(lines) == ["connections.pause", "connections.resume"]


def test_changes_go_on_after_a_restore(
    desk: Client, supporter: User, organization: Organization
) -> None:
    assert offered(desk, organization) == set()
    stop(organization)
    assert offered(desk, organization) == {"Let changes go on"}
    assert "put back from a backup" in desk.get(act_on(organization, "resume_sending")).text
    desk.post(act_on(organization, "resume_sending"))
    organization.refresh_from_db()
    assert organization.sending_stopped_at is None
    assert Entry.objects.get(verb="organizations.resume_sending").actor == supporter.email


def test_looking_at_the_question_changes_nothing(desk: Client, connection: Connection) -> None:
    assert desk.get(act_on(connection, "pause")).status_code == 200
    connection.refresh_from_db()
    assert connection.state == Connection.State.ACTIVE


def test_a_walk_is_asked_for(desk: Client, supporter: User, connection: Connection) -> None:
    listing = resource_of(connection)
    assert offered(desk, listing) == {"Walk now"}
    desk.post(act_on(listing, "walk"))
    assert Resource.objects.get(pk=listing.pk).due_at is not None
    assert Entry.objects.get(verb="sync.start").actor == supporter.email


def test_no_walk_of_a_paused_connection(desk: Client, connection: Connection) -> None:
    listing = resource_of(connection)
    Connection.objects.update(state=Connection.State.PAUSED)
    assert offered(desk, listing) == set()
    answer = desk.post(act_on(listing, "walk"))
    assert "paused" in said(answer)
