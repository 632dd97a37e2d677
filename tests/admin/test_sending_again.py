"""Two of support have a stuck change sent again: one asks, another, a lead, confirms; it stays its asker's."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.audit.models import Entry
from apps.notices.models import Hearing, Notice
from apps.organizations.models import Connection, Grant, Organization, Role
from apps.sync.models import Command, CommandState, SupportResend
from apps.sync.outbox import requests, support_resend
from apps.sync.outbox.requests import RequestRefused
from tests import factories
from tests.admin.conftest import act_on, page_of, stuck
from tests.admin.test_acting import offered, said, state_of
from tests.browsing import at_desk, tired

pytestmark = pytest.mark.django_db
S = CommandState
D = SupportResend.Decision
WHY = "Nothing at the provider since noon."


@pytest.fixture
def owner(connection: Connection) -> Grant:
    """Olga owns the organization and has asked for the change."""
    grant: Grant = factories.GrantFactory(
        organization=connection.organization, user__name="Olga", user__email="olga@acme.example"
    )
    return grant


@pytest.fixture
def command(connection: Connection, owner: Grant) -> Command:
    """A removal of which nobody could tell whether it has happened."""
    made = stuck(connection, actor=owner.user, attempts=1, error="Nobody can tell.")
    made.arguments_hash = requests.content_hash(
        made.kind, made.connection_id, made.target, made.arguments, made.before
    )
    made.save()
    return made


def make(**given: Any) -> User:
    """One of support."""
    user: User = factories.UserFactory(is_staff=True, second_factor=True, **given)
    return user


@pytest.fixture
def first() -> Client:
    """Fay is plain support."""
    return at_desk(make(name="Fay", email="fay@support.example"))


def asked(client: Client, command: Command, why: str = WHY) -> SupportResend:
    """The request that the page made."""
    client.post(act_on(command, "ask_resend"), {"reason": why})
    return SupportResend.objects.filter(command=command).latest("pk")


def confirmed(client: Client, request: SupportResend, **given: Any) -> Any:
    """The answer to confirming it."""
    filled = {"asked": request.pk, "looked": "on", **given}
    return client.post(act_on(request.command, "confirm_resend"), filled)


def test_one_asks_and_a_lead_confirms(
    first: Client, desk: Client, supporter: User, command: Command
) -> None:
    assert "Ask that it be sent again" in offered(first, command)
    page = first.get(act_on(command, "ask_resend")).text
    assert "Nobody can tell." in page
    assert "Olga" in page
    assert first.post(act_on(command, "ask_resend"), {"reason": " "}).status_code == 200
    request = asked(first, command)
    assert state_of(command) == S.OPERATOR
    assert "Confirm, and send it again" not in offered(first, command)
    page = desk.get(act_on(command, "confirm_resend")).text
    assert WHY in page
    assert "it happens a second time" in page
    # Not without having looked.
    assert confirmed(desk, request, looked="").status_code == 200
    assert state_of(command) == S.OPERATOR
    assert confirmed(desk, request)["Location"] == page_of(command)
    assert state_of(command) == S.RETRY
    sent = Command.objects.get(pk=command.pk)
    assert (sent.actor_id, sent.approved_by_id) == (command.actor_id, None)
    lines = {one.verb: one for one in Entry.objects.filter(command_id=command.pk)}
    assert lines["members.remove.resend_asked"].actor == "fay@support.example"
    line = lines["members.remove.resent"]
    assert (line.actor, line.organization_id) == (supporter.email, command.organization_id)
    assert line.details["support"] == {
        "asked": "fay@support.example",
        "confirmed": supporter.email,
        "reason": WHY,
    }
    request.refresh_from_db()
    assert (request.decision, request.decided_by) == (D.SENT, supporter)
    assert command.events.latest("pk").note == (
        f"Sent again by support: Fay asked, Sam confirmed. {WHY}"
    )


def test_owners_are_told_with_both_names_and_nobody_else(
    first: Client, desk: Client, supporter: User, owner: Grant, command: Command
) -> None:
    factories.GrantFactory(organization=owner.organization, role=Role.ADMIN)
    confirmed(desk, asked(first, command))
    told = Notice.objects.get(topic="support.sent_again")
    assert "fay@support.example" in told.text
    assert supporter.email in told.text
    assert "stays the change of Olga" in told.text
    assert WHY in told.text
    assert told.url.endswith(f"{command.uid}/")
    assert [one.user for one in Hearing.objects.filter(notice=told)] == [owner.user]


def test_the_same_person_twice_is_refused_a_superuser_too(command: Command) -> None:
    alone = at_desk(make(is_superuser=True))
    request = asked(alone, command)
    assert "Confirm, and send it again" not in offered(alone, command)
    assert "You asked for this yourself" in said(confirmed(alone, request))
    assert state_of(command) == S.OPERATOR


def test_plain_support_does_not_confirm(first: Client, command: Command) -> None:
    request = asked(first, command)
    other = at_desk(make())
    assert "Confirm, and send it again" not in offered(other, command)
    assert "may not do this" in said(confirmed(other, request))
    assert state_of(command) == S.OPERATOR


def test_each_of_the_two_must_have_signed_in_just_now(
    first: Client, desk: Client, command: Command
) -> None:
    tired(first)
    assert "/reauthenticate/" in first.get(act_on(command, "ask_resend"))["Location"]
    assert not SupportResend.objects.exists()
    request = request_of(command)
    tired(desk)
    assert "/reauthenticate/" in confirmed(desk, request)["Location"]
    assert state_of(command) == S.OPERATOR


def request_of(command: Command, **given: Any) -> SupportResend:
    """One that Fay's colleague has made."""
    filled = {"asked_by": make(), "fence": command.fence, "reason": WHY, **given}
    return SupportResend.objects.create(command=command, **filled)


def test_asked_twice_is_once_and_somebody_else_is_told(
    first: Client, desk: Client, command: Command
) -> None:
    one = asked(first, command)
    assert "done" in said(first.post(act_on(command, "ask_resend"), {"reason": "Once more."}))
    assert "Somebody has asked for this already" in said(
        desk.post(act_on(command, "ask_resend"), {"reason": "Me too."})
    )
    assert [request.pk for request in SupportResend.objects.all()] == [one.pk]
    assert Entry.objects.filter(verb="members.remove.resend_asked").count() == 1


def test_a_double_click_sends_once(first: Client, desk: Client, command: Command) -> None:
    request = asked(first, command)
    confirmed(desk, request)
    again = confirmed(desk, request)
    assert "does not need a decision" in said(again)
    assert command.events.filter(state=S.RETRY).count() == 1
    assert Entry.objects.filter(verb="members.remove.resent").count() == 1


def test_a_tab_that_shows_another_request_confirms_nothing(
    first: Client, desk: Client, command: Command
) -> None:
    old = asked(first, command)
    first.post(act_on(command, "take_back_resend"), {"asked": old.pk})
    new = asked(first, command, "Another reason.")
    assert new.pk != old.pk
    assert "This request is over, or another one" in said(confirmed(desk, old))
    assert state_of(command) == S.OPERATOR
    old.refresh_from_db()
    assert old.decision == D.TAKEN_BACK


def go_on(command: Command, owner: Grant) -> None:
    """An owner sends it again, and it is stuck once more."""
    requests.resend(command=command, actor=owner.user)
    Command.objects.filter(pk=command.pk).update(state=S.OPERATOR, fence=command.fence + 2)


def abandon(command: Command, owner: Grant) -> None:
    """An owner leaves it."""
    requests.abandon(command=command, actor=owner.user, reason="Never mind.")


@pytest.mark.parametrize(
    ("meanwhile", "words"),
    [(go_on, "This request is over"), (abandon, "does not need a decision")],
)
def test_what_went_on_meanwhile_is_not_sent_again_by_it(
    first: Client,
    desk: Client,
    command: Command,
    owner: Grant,
    meanwhile: Callable[[Command, Grant], None],
    words: str,
) -> None:
    request = asked(first, command)
    meanwhile(Command.objects.get(pk=command.pk), owner)
    before = state_of(command)
    assert "Confirm, and send it again" not in offered(desk, command)
    assert words in said(confirmed(desk, request))
    assert state_of(command) == before


def test_of_what_is_stuck_anew_it_can_be_asked_anew(
    first: Client, desk: Client, command: Command, owner: Grant
) -> None:
    old = asked(first, command)
    go_on(Command.objects.get(pk=command.pk), owner)
    new = asked(desk, command, "Stuck again.")
    old.refresh_from_db()
    assert (old.decision, new.decision) == (D.OVERTAKEN, "")
    confirmed(at_desk(make(leads_support=True)), new)
    assert state_of(command) == S.RETRY


def test_a_request_of_somebody_who_left_support_counts_no_more(
    desk: Client, command: Command
) -> None:
    left = make()
    request = request_of(command, asked_by=left)
    User.objects.filter(pk=left.pk).update(is_staff=False)
    assert "no longer of support" in said(confirmed(desk, request))
    assert state_of(command) == S.OPERATOR


def test_money_is_not_sent_again_by_support(first: Client, connection: Connection) -> None:
    bought = stuck(connection, kind="billing.top_up", is_money=True)
    assert "Ask that it be sent again" not in offered(first, bought)
    assert "two persons of the organization" in said(
        first.post(act_on(bought, "ask_resend"), {"reason": WHY})
    )
    assert not SupportResend.objects.exists()


def test_where_support_may_not_look_nothing_is_asked_or_confirmed(
    first: Client, desk: Client, command: Command, supporter: User
) -> None:
    request = asked(first, command)
    Organization.objects.update(support_may_read=False)
    assert confirmed(desk, request).status_code == 404
    command.organization.refresh_from_db()
    with pytest.raises(Exception, match="does not allow"):
        support_resend.confirm(command=command, asked=request.pk, actor=supporter)
    assert state_of(command) == S.OPERATOR


def test_an_owner_has_neither_act(owner: Grant, command: Command) -> None:
    with pytest.raises(Exception, match="does not allow"):
        support_resend.ask(command=command, actor=owner.user, reason=WHY)


def test_what_was_asked_for_has_not_changed(
    first: Client, command: Command, supporter: User
) -> None:
    request = asked(first, command)
    Command.objects.filter(pk=command.pk).update(arguments={"role": "admin"})
    command.refresh_from_db()
    with pytest.raises(RequestRefused, match="has changed since"):
        support_resend.confirm(command=command, asked=request.pk, actor=supporter)


def test_what_stands_still_shows_who_asks_and_lets_a_lead_look(
    first: Client, desk: Client, command: Command, owner: Grant
) -> None:
    request = asked(first, command)
    assert f"Fay asks that it be sent again: {WHY}" in desk.get("/admin/stuck/").text
    assert act_on(command, "confirm_resend") in desk.get("/admin/stuck/").text
    assert act_on(command, "confirm_resend") not in first.get("/admin/stuck/").text
    # The organization sees it too, on the change's own page.
    theirs = at_desk(owner.user).get(f"/o/{owner.organization.slug}/activity/{command.uid}/")
    assert "Fay of support asks that it be sent again" in theirs.text
    confirmed(desk, request)
    assert "asks that it be sent again" not in desk.get("/admin/stuck/").text
