"""What becomes of a change that was asked for: just before it is sent, at the provider, and after."""

import uuid
from typing import Any

import pytest
from django.db import transaction

from apps.members.models import Member
from apps.organizations.models import Connection
from apps.providers.guard import worker_scope
from apps.sync.models import Command, CommandState
from apps.sync.outbox import delivery, requests
from apps.sync.outbox.requests import RequestRefused
from apps.workspaces import mirror, services
from apps.workspaces.lists import Figure, WorkspaceList, add_figure
from apps.workspaces.member_services import RoleWish, set_role
from apps.workspaces.models import Workspace, WorkspaceMember
from tests.desk import Desk
from tests.factories import MemberFactory, PersonFactory, WorkspaceFactory, WorkspaceMemberFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_worker")]
S = CommandState


@pytest.fixture
def claude_of(desk: Desk) -> Connection:
    """The account at the sandbox."""
    return desk.connections["anthropic"]


def remote_workspace(desk: Desk, name: str = "Lab") -> Workspace:
    """A workspace that the remote has and the mirror shows."""
    _, _, made = desk.sandbox.anthropic("POST", "/workspaces", {"name": name})
    row: Workspace = WorkspaceFactory(
        connection=desk.connections["anthropic"], remote_id=made["id"], name=name
    )
    return row


def remote_member(desk: Desk, role: str = "user") -> Member:
    """A member that the remote has and the mirror shows."""
    connection = desk.connections["anthropic"]
    email = f"{uuid.uuid4().hex[:8]}@northgate.example"
    made = desk.sandbox.control.member(connection.remote_organization_id, email, role=role)
    person = PersonFactory(organization=desk.organization, email=email)
    row: Member = MemberFactory(
        connection=connection, person=person, remote_id=made["id"], role=role
    )
    return row


def carry(command: Command) -> Command:
    """Take it as far as a worker does now."""
    with worker_scope():
        delivery.carry(command.pk)
    command.refresh_from_db()
    return command


def nonce() -> str:
    return uuid.uuid4().hex


def test_a_renaming_done_elsewhere_meanwhile_is_not_overwritten(desk: Desk) -> None:
    row = remote_workspace(desk)
    command = services.rename_workspace(workspace=row, name="Mine", actor=desk.owner, nonce=nonce())
    Workspace.objects.filter(pk=row.pk).update(name="Theirs")
    carry(command)
    assert command.state == S.REJECTED
    assert command.error == "Meanwhile it was renamed at the provider: it is Theirs now."


def test_a_residency_is_changed_under_the_name_of_this_moment(desk: Desk) -> None:
    row = remote_workspace(desk)
    desk.sandbox.anthropic("POST", f"/workspaces/{row.remote_id}", {"name": "Renamed elsewhere"})
    command = services.change_residency(
        workspace=row, allowed_geos="us", default_geo="us", actor=desk.owner, nonce=nonce()
    )
    carry(command)
    assert command.state == S.SUCCEEDED
    _, _, remote = desk.sandbox.anthropic("GET", f"/workspaces/{row.remote_id}")
    assert remote["name"] == "Renamed elsewhere"
    row.refresh_from_db()
    assert (row.name, row.allowed_geos) == ("Renamed elsewhere", "us")


def test_what_was_archived_meanwhile_is_changed_no_more(desk: Desk) -> None:
    row, member = remote_workspace(desk), remote_member(desk)
    renaming = services.rename_workspace(workspace=row, name="X", actor=desk.owner, nonce=nonce())
    adding = set_role(
        wanted=RoleWish(row, member, "workspace_user"), actor=desk.owner, nonce=nonce()
    )
    Workspace.objects.filter(pk=row.pk).update(state=Workspace.State.ARCHIVED)
    for command in (renaming, adding):
        carry(command)
        assert command.state == S.REJECTED
        assert "This workspace is archived" in command.error
    row.refresh_from_db()
    with pytest.raises(RequestRefused, match="Only a live workspace can be changed"):
        services.archive_workspace(workspace=row, actor=desk.owner, nonce=nonce())


def test_an_archived_workspace_takes_its_roles_with_it_and_tells_the_shelves_above(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[list[str]] = []
    monkeypatch.setattr(mirror, "_listeners", [])
    mirror.when_archived(lambda connection, ids, now: told.append(ids))
    row, member = remote_workspace(desk), remote_member(desk)
    role = WorkspaceMemberFactory(workspace=row, member=member)
    command = carry(services.archive_workspace(workspace=row, actor=desk.owner, nonce=nonce()))
    assert command.state == S.SUCCEEDED
    row.refresh_from_db()
    role.refresh_from_db()
    assert (row.state, bool(row.archived_at), bool(role.gone_at)) == ("archived", True, True)
    assert told == [[row.remote_id]]


@pytest.mark.parametrize(
    ("now_at_remote", "state", "words"),
    [
        ("workspace_user", S.SUCCEEDED, ""),
        ("workspace_admin", S.REJECTED, "it is Admin now"),
        ("", S.RETRY, "It had not happened"),
    ],
)
def test_an_addition_whose_answer_was_lost_is_judged_by_what_the_provider_shows(
    desk: Desk, settings: Any, now_at_remote: str, state: str, words: str
) -> None:
    settings.OUTBOX_QUIET_SECONDS = 0.0
    settings.PROVIDER_CALL_DEADLINE = 5.0
    row, member = remote_workspace(desk), remote_member(desk)
    desk.sandbox.control.fault("createWorkspaceMember", "reset_before")
    command = set_role(
        wanted=RoleWish(row, member, "workspace_user"), actor=desk.owner, nonce=nonce()
    )
    carry(command)
    assert command.state == S.UNKNOWN
    if now_at_remote:
        wanted = {"user_id": member.remote_id, "workspace_role": now_at_remote}
        desk.sandbox.anthropic("POST", f"/workspaces/{row.remote_id}/members", wanted)
    Command.objects.filter(pk=command.pk).update(due_at=None)
    carry(command)
    assert command.state == state
    assert words in command.error
    mine = WorkspaceMember.objects.filter(remote_id=f"{row.remote_id}:{member.remote_id}")
    assert mine.exists() == (state == S.SUCCEEDED)


def test_a_billing_member_is_raised_and_lowered_and_nothing_else(desk: Desk) -> None:
    row, member = remote_workspace(desk), remote_member(desk, "billing")

    def change(role: str) -> Command:
        return carry(set_role(wanted=RoleWish(row, member, role), actor=desk.owner, nonce=nonce()))

    with pytest.raises(RequestRefused, match="Change the organization role first"):
        change("workspace_user")
    with pytest.raises(RequestRefused, match="Change the organization role first"):
        change("")
    for role in ("workspace_admin", "workspace_billing"):
        command = change(role)
        assert (command.kind, command.state) == ("workspaces.change_member_role", S.SUCCEEDED)
        path = f"/workspaces/{row.remote_id}/members/{member.remote_id}"
        assert desk.sandbox.anthropic("GET", path)[2]["workspace_role"] == role


def test_a_creation_that_was_refused_stays_with_the_reason_and_goes_with_the_next_try(
    desk: Desk, claude_of: Connection
) -> None:
    organization = claude_of.remote_organization_id
    desk.sandbox.control.settings(organization, workspace_limit=1)
    wanted: dict[str, Any] = {
        "connection": claude_of,
        "name": "Lab",
        "allowed_geos": "",
        "default_geo": "global",
        "storage_geo": "us",
        "actor": desk.owner,
    }
    command = carry(services.create_workspace(**wanted, nonce=nonce()))
    assert command.state == S.REJECTED
    refused = Workspace.objects.get(name="Lab")
    assert refused.state == Workspace.State.REFUSED
    assert "reached its limit of workspaces" in refused.error

    desk.sandbox.control.settings(organization, workspace_limit=100)
    again = carry(requests.ask_again(command=command, actor=desk.owner, nonce=nonce()))
    assert again.state == S.SUCCEEDED
    row = Workspace.objects.get(name="Lab")
    assert (row.state, row.remote_id) == (Workspace.State.LIVE, again.remote_id)
    assert row.colour.startswith("#")


def test_a_refusal_is_forgotten_after_a_day(desk: Desk, claude_of: Connection) -> None:
    row = WorkspaceFactory(
        connection=claude_of, remote_id=None, state=Workspace.State.REFUSED, error="No."
    )
    for days, left in ((0, 1), (2, 0)):
        with transaction.atomic():
            mirror.follow_archived(claude_of, row.changed_at + days * mirror.REFUSED_SHOWN)
        assert Workspace.objects.filter(state=Workspace.State.REFUSED).count() == left


def test_a_higher_shelf_adds_a_figure_to_the_list(
    monkeypatch: pytest.MonkeyPatch, desk: Desk, client: Any
) -> None:
    from apps.workspaces import lists

    monkeypatch.setattr(lists, "_figures", [])
    monkeypatch.setattr(WorkspaceList, "columns", list(WorkspaceList.columns))
    for _ in range(2):
        add_figure(Figure("owls", "Owls", lambda rows: {row.pk: 1234 for row in rows}))
    remote_workspace(desk)
    client.force_login(desk.owner)
    shown = client.get(f"/o/{desk.organization.slug}/workspaces/").content.decode()
    assert shown.count('data-label="Owls">1,234</td>') == 1
