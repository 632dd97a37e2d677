"""Pages of workspaces: the list, one of them, and what can be asked for it."""

from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.members.models import Member
from apps.organizations.models import Connection, Grant
from apps.sync.models import Batch, Command, CommandState
from apps.ui.listing import ListPage
from apps.workspaces.matrix import Matrix
from apps.workspaces.models import Workspace, WorkspaceMember
from tests.factories import (
    CommandFactory,
    ConnectionFactory,
    GrantFactory,
    KeyFactory,
    MemberFactory,
    PersonFactory,
    RateLimitFactory,
    WorkspaceFactory,
    WorkspaceMemberFactory,
)
from tests.organizations.connection_tools import sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_worker")]


def address(grant: Grant, rest: str = "") -> str:
    return f"/o/{grant.organization.slug}/workspaces/{rest}"


def body(answer: Any) -> str:
    text: str = answer.content.decode()
    return text


def put(workspace: Workspace, here: str = "workspace_developer", **of_member: Any) -> Member:
    """Somebody with a role in ``workspace``."""
    person = PersonFactory(organization=workspace.connection.organization)
    member: Member = MemberFactory(connection=workspace.connection, person=person, **of_member)
    WorkspaceMemberFactory(workspace=workspace, member=member, role=here)
    return member


def stranger(connection: Connection, **fields: Any) -> Member:
    """A member of the organization who is in no workspace."""
    person = PersonFactory(organization=connection.organization)
    made: Member = MemberFactory(connection=connection, person=person, **fields)
    return made


@pytest.fixture
def lab(claude: Connection) -> Workspace:
    """A live workspace."""
    made: Workspace = WorkspaceFactory(connection=claude, name="Lab")
    return made


# --- The list ------------------------------------------------------------------------------------


def test_the_list_counts_people_and_shows_archived_ones_on_request(
    owner: Grant, olga: Client, claude: Connection, lab: Workspace
) -> None:
    put(lab)
    put(lab)
    WorkspaceFactory(connection=claude, name="Den", allowed_geos="global,us", default_geo="us")
    WorkspaceFactory(connection=claude, name="Attic", state=Workspace.State.ARCHIVED)
    assert 'data-label="Keys">–</td>' in body(olga.get(address(owner))), "nothing is known of any"
    KeyFactory(connection=claude, workspace=lab.remote_id)
    KeyFactory(connection=claude, workspace=lab.remote_id, status="archived")
    for number in range(3):
        RateLimitFactory(workspace=lab, kind=f"kind_{number}")

    shown = body(olga.get(address(owner)))
    assert "Lab" in shown
    assert 'data-label="Residency">Global, United States</td>' in shown
    assert 'data-label="Keys">1</td>' in shown, "those that work"
    assert 'data-label="Own limits">3</td>' in shown
    assert "Attic" not in shown
    assert 'data-label="People">2</td>' in shown
    assert 'fill="#2563EB"' in shown
    assert "Attic" in body(olga.get(address(owner, "?state=archived")))
    assert "Lab" not in body(olga.get(address(owner, "?state=archived")))
    everything = body(olga.get(address(owner, "?state=all")))
    assert "Lab" in everything
    assert "Attic" in everything


def test_a_connection_without_workspaces_says_so_and_why(
    owner: Grant, olga: Client, lab: Workspace
) -> None:
    ConnectionFactory(organization=owner.organization, provider="cline", name="Cline team")
    refused = ConnectionFactory(organization=owner.organization, name="Enterprise")
    refused.capabilities["workspaces.read"] = {"ok": False, "reason": "Not on this plan."}
    refused.save()
    shown = body(olga.get(address(owner)))
    assert "Cline does not divide an organization into workspaces" in shown
    assert "Enterprise has no workspaces here:" in shown
    assert "Not on this plan." in shown


def test_with_no_connection_that_has_any_the_list_explains_itself(
    owner: Grant, olga: Client
) -> None:
    assert "No account is connected yet" in body(olga.get(address(owner)))
    ConnectionFactory(organization=owner.organization, provider="cline", name="Cline team")
    shown = body(olga.get(address(owner)))
    assert "No connection here has workspaces" in shown
    assert "Cline does not divide" in shown
    assert "Create a workspace" not in shown


@pytest.mark.parametrize("path", ["", "matrix/", "{pk}/", "{pk}/add/"])
def test_a_page_takes_as_many_queries_for_many_as_for_few(
    path: str,
    owner: Grant,
    olga: Client,
    claude: Connection,
    lab: Workspace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # More than a page from the start: there the rows are counted by a query of its own.
    for one in (ListPage, Matrix):
        monkeypatch.setattr(one, "per_page", 2)

    def queries() -> int:
        url = address(owner, path.format(pk=lab.pk))
        olga.get(url)
        with CaptureQueriesContext(
            database,
        ) as caught:
            assert olga.get(url).status_code == 200
        return len(caught)

    def more(number: int) -> None:
        place = WorkspaceFactory(connection=claude, name=f"Place {number}")
        put(place)
        put(lab)
        stranger(claude)

    for number in range(3):
        more(number)
    few = queries()
    for number in range(3, 15):
        more(number)
    assert queries() == few


def test_the_list_comes_as_csv(owner: Grant, olga: Client, lab: Workspace) -> None:
    put(lab)
    answer = olga.get(address(owner, "?export=csv"))
    text = b"".join(answer).decode()  # type: ignore[arg-type]  # it streams
    assert "Lab,Claude,1," in text
    assert str(lab.remote_id) in text


# --- One of them ---------------------------------------------------------------------------------


def test_a_workspace_says_who_is_in_it_and_what_is_inherited(
    owner: Grant, olga: Client, lab: Workspace
) -> None:
    developer = put(lab)
    put(lab, "workspace_billing", role="billing")
    unlisted = stranger(lab.connection, role="admin")
    outside = stranger(lab.connection)
    shown = body(olga.get(address(owner, f"{lab.pk}/")))
    assert developer.email in shown
    assert unlisted.email in shown, "admins are in every workspace, listed yet or not"
    assert outside.email not in shown
    assert shown.count("· inherited") == 2
    assert "Admins of the organization are admins of every workspace." in shown
    only = body(olga.get(address(owner, f"{lab.pk}/?role=workspace_admin")))
    assert unlisted.email in only
    assert developer.email not in only


def test_an_archived_workspace_offers_nothing(owner: Grant, olga: Client, lab: Workspace) -> None:
    put(lab)
    Workspace.objects.update(state=Workspace.State.ARCHIVED)
    WorkspaceMember.objects.update(gone_at=lab.first_seen_at)
    shown = body(olga.get(address(owner, f"{lab.pk}/")))
    assert "It is archived for good" in shown
    assert "Nobody is in it any more" in shown
    for offered in ("Rename", "Archive…", "Add people"):
        assert offered not in shown


def test_who_may_only_look_is_offered_nothing(client: Client, owner: Grant, lab: Workspace) -> None:
    viewer = GrantFactory(organization=owner.organization, role="viewer")
    client.force_login(viewer.user)
    shown = body(client.get(address(owner, f"{lab.pk}/")))
    assert "Lab" in shown
    for offered in ("Rename", "Archive…", "Add people", "Take out"):
        assert offered not in shown
    matrix = body(client.get(address(owner, "matrix/")))
    assert "Review changes" not in matrix


# --- Creating, renaming, residency ---------------------------------------------------------------


def new(owner: Grant, olga: Client, claude: Connection, **fields: Any) -> Any:
    given = {
        "connection": claude.pk,
        "name": "Checkout",
        "default_geo": "global",
        "storage_geo": "us",
        "nonce": "n1",
    }
    return olga.post(address(owner, "new/"), given | fields)


def test_a_new_workspace_is_shown_at_once_as_being_created(
    owner: Grant, olga: Client, claude: Connection
) -> None:
    assert new(owner, olga, claude).status_code == 302
    assert new(owner, olga, claude).status_code == 302, "pressed twice"
    command = Command.objects.get()
    assert (command.kind, command.state) == ("workspaces.create", CommandState.QUEUED)
    assert command.arguments == {
        "name": "Checkout",
        "allowed_geos": "",
        "default_geo": "global",
        "storage_geo": "us",
    }
    row = Workspace.objects.get()
    assert (row.state, row.remote_id) == (Workspace.State.MAKING, None)
    shown = body(olga.get(address(owner)))
    assert "Checkout" in shown
    assert 'aria-busy="true"' in shown


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "x" * 41}, "A name has 1 to 40 characters."),
        ({"allowed_geos": ["us"]}, "must be one of the allowed places"),
        ({"default_geo": "mars"}, "Select a valid choice"),
    ],
)
def test_what_the_provider_would_refuse_is_refused_beside_its_field(
    fields: dict[str, Any], why: str, owner: Grant, olga: Client, claude: Connection
) -> None:
    answer = new(owner, olga, claude, **fields)
    assert answer.status_code == 422
    assert why in body(answer)
    assert not Command.objects.exists()


def test_beyond_the_limit_of_live_workspaces_none_is_asked_for(
    owner: Grant, olga: Client, claude: Connection
) -> None:
    WorkspaceFactory.create_batch(100, connection=claude)
    WorkspaceFactory(connection=claude, state=Workspace.State.ARCHIVED)
    answer = new(owner, olga, claude)
    assert answer.status_code == 422
    assert "There are 100 live workspaces" in body(answer)


def test_a_name_and_a_residency_are_changed(owner: Grant, olga: Client, lab: Workspace) -> None:
    olga.post(address(owner, f"{lab.pk}/rename/"), {"name": "Laboratory"})
    command = Command.objects.get()
    assert command.arguments == {"remote_id": lab.remote_id, "name": "Laboratory"}
    assert command.before["name"] == "Lab"
    busy = olga.post(
        address(owner, f"{lab.pk}/residency/"), {"allowed_geos": ["us"], "default_geo": "us"}
    )
    assert "An earlier change of Lab is still on its way" in body(busy)
    command.delete()
    olga.post(address(owner, f"{lab.pk}/residency/"), {"allowed_geos": ["us"], "default_geo": "us"})
    command = Command.objects.get()
    assert command.kind == "workspaces.change_residency"
    assert command.arguments["allowed_geos"] == "us"
    same = olga.post(address(owner, f"{lab.pk}/rename/"), {"name": "Lab"})
    assert "It is called that already" in body(same)


# --- Archiving -----------------------------------------------------------------------------------


def test_archiving_says_what_stops_and_wants_the_name_typed(
    owner: Grant, olga: Client, claude: Connection
) -> None:
    place = WorkspaceFactory(connection=claude, name="Claude Code")
    put(place)
    url = address(owner, f"{place.pk}/archive/")
    asked = body(olga.get(url))
    assert "This cannot be undone" in asked
    assert "1 person has a role in it now" in asked
    assert "signing in to Claude Code with Console billing ends" in asked
    wrong = olga.post(url, {"typed": "Claude"})
    assert wrong.status_code == 422
    assert "This is not the workspace" in body(wrong)
    assert not Command.objects.exists()
    assert olga.post(url, {"typed": "Claude Code", "nonce": "n"}).status_code == 302
    assert Command.objects.get().kind == "workspaces.archive"


def test_archiving_wants_a_fresh_sign_in(client: Client, owner: Grant, lab: Workspace) -> None:
    sign_in(client, owner.user, fresh=False)
    url = address(owner, f"{lab.pk}/archive/")
    for answer in (client.get(url), client.post(url, {"typed": "Lab"})):
        assert answer.status_code == 302
        assert "reauthenticate" in answer["Location"]
    assert not Command.objects.exists()


def test_archiving_waits_for_a_second_person_where_that_is_demanded(
    owner: Grant, olga: Client, lab: Workspace
) -> None:
    organization = owner.organization
    organization.demand_second_person = True
    organization.save()
    url = address(owner, f"{lab.pk}/archive/")
    assert "A second person must approve it" in body(olga.get(url))
    olga.post(url, {"typed": "Lab", "nonce": "n"})
    assert Command.objects.get().state == CommandState.AWAITING_APPROVAL


# --- Members, from either side -------------------------------------------------------------------


def kinds(batch: Batch) -> list[tuple[str, str, str]]:
    return [
        (one.kind, one.label, one.arguments.get("role", ""))
        for one in batch.commands.order_by("label")
    ]


def test_people_are_added_from_the_workspace(owner: Grant, olga: Client, lab: Workspace) -> None:
    one, two = stranger(lab.connection), stranger(lab.connection)
    inside, admin = put(lab), stranger(lab.connection, role="admin")
    url = address(owner, f"{lab.pk}/add/")
    offered = body(olga.get(url))
    assert one.email in offered
    assert inside.email not in offered
    assert admin.email not in offered
    answer = olga.post(url, {"id": [one.pk, two.pk], "action": "workspace_user"})
    batch = Batch.objects.get()
    assert answer["Location"].endswith(f"{batch.uid}/")
    assert kinds(batch) == [
        ("workspaces.add_member", one.email, "workspace_user"),
        ("workspaces.add_member", two.email, "workspace_user"),
    ]
    assert olga.post(url, {"id": [one.pk], "action": "workspace_billing"}).status_code == 400
    assert olga.post(url, {"action": "workspace_user"}).status_code == 400


def test_roles_are_changed_and_ended_from_the_workspace(
    owner: Grant, olga: Client, lab: Workspace
) -> None:
    one, admin = put(lab), stranger(lab.connection, role="admin")
    url = address(owner, f"{lab.pk}/role/")
    asked = body(olga.post(url, {"id": [one.pk, admin.pk]}))
    assert "2 people are chosen" in asked
    olga.post(url, {"id": [one.pk, admin.pk], "nonce": "n", "role": "workspace_admin"})
    batch = Batch.objects.get()
    assert kinds(batch) == [("workspaces.change_member_role", one.email, "workspace_admin")]
    assert batch.refusals[0]["label"] == f"{admin.email} · Lab"
    batch.delete()
    olga.post(address(owner, f"{lab.pk}/remove/"), {"id": [one.pk, admin.pk]})
    batch = Batch.objects.get()
    assert kinds(batch) == [("workspaces.remove_member", one.email, "")]
    assert "Change the organization role first" in batch.refusals[0]["reason"]


def test_people_are_added_to_several_workspaces_from_their_list(
    owner: Grant, olga: Client, claude: Connection, lab: Workspace
) -> None:
    other = WorkspaceFactory(connection=claude, name="Other")
    one, inside = stranger(claude), put(lab, "workspace_user")
    url = address(owner, "people/")
    people = {"id": [one.person_id, inside.person_id]}
    asked = body(olga.post(url, people))
    assert "2 people are chosen" in asked
    assert "Other" in asked
    picked = people | {"nonce": "n", f"role_{claude.pk}": "workspace_developer"}
    assert "Choose at least one workspace" in body(olga.post(url, picked))
    olga.post(url, picked | {"workspace": [lab.pk, other.pk]})
    batch = Batch.objects.get()
    assert {kind for kind, _label, _role in kinds(batch)} == {"workspaces.add_member"}
    assert batch.commands.count() == 3
    assert batch.refusals == [
        {"label": f"{inside.email} · Lab", "connection": "Claude", "reason": "Is User there now."}
    ]


def test_a_person_shows_their_workspaces_and_edits_them(
    owner: Grant, olga: Client, claude: Connection, lab: Workspace
) -> None:
    member = put(lab, "workspace_user")
    other = WorkspaceFactory(connection=claude, name="Other")
    CommandFactory(
        connection=claude,
        kind="workspaces.add_member",
        target=f"workspace_members:{lab.remote_id}:{member.remote_id}",
        label=member.email,
        arguments={
            "workspace": lab.remote_id,
            "user": member.remote_id,
            "name": "Lab",
            "role": "workspace_user",
        },
        state=CommandState.SUCCEEDED,
    )
    url = f"/o/{owner.organization.slug}/people/{member.person_id}/"
    shown = body(olga.get(url))
    assert f'name="c.{member.pk}.{lab.pk}.workspace_user"' in shown
    assert "Add to 1 other workspace" in shown
    assert f"{member.email} joins Lab as User." in shown, "the timeline tells of it"
    edits = {f"c.{member.pk}.{other.pk}.": "workspace_admin", "person": member.person_id}
    olga.post(address(owner, "matrix/review/"), edits)
    batch = Batch.objects.get()
    assert kinds(batch) == [("workspaces.add_member", member.email, "workspace_admin")]
    again = body(olga.get(f"{url}?from={batch.uid}"))
    assert '<option value="workspace_admin" selected>' in again, "going back loses nothing"
