"""Workspaces by API: made, changed, and who is in them, one by one or many at once."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.members.models import Member
from apps.organizations.models import Connection, Grant, Role
from apps.sync.models import Batch, Command
from apps.workspaces.models import Workspace
from tests.api.conftest import client_for
from tests.factories import (
    ConnectionFactory,
    GrantFactory,
    MemberFactory,
    WorkspaceFactory,
    WorkspaceMemberFactory,
    with_workspaces,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def claude(connection: Connection) -> Connection:
    """The same account, whose key may change workspaces."""
    with_workspaces(connection).save()
    return connection


@pytest.fixture
def lab(claude: Connection) -> Workspace:
    """A live workspace."""
    made: Workspace = WorkspaceFactory(connection=claude, name="Lab", allowed_geos="us,global")
    return made


def member_of(connection: Connection, **fields: Any) -> Member:
    """A member of the organization."""
    made: Member = MemberFactory(
        connection=connection, person__organization=connection.organization, **fields
    )
    return made


def test_workspaces_are_listed_and_narrowed(api: APIClient, base: str, lab: Workspace) -> None:
    WorkspaceFactory(connection=lab.connection, name="Attic", state=Workspace.State.ARCHIVED)
    shown = api.get(f"{base}workspaces/").json()["results"]
    assert [one["name"] for one in shown] == ["Lab", "Attic"]
    assert shown[0]["allowed_geos"] == ["us", "global"]
    assert shown[1]["allowed_geos"] is None
    for asked, expected in (
        ({"state": "archived"}, ["Attic"]),
        ({"q": "LA"}, ["Lab"]),
        ({"connection": str(lab.connection.uid)}, ["Lab", "Attic"]),
    ):
        found = api.get(f"{base}workspaces/", asked).json()["results"]
        assert [one["name"] for one in found] == expected
    assert api.get(f"{base}workspaces/{lab.pk}/").json() == shown[0]


def test_a_workspace_is_made_once(api: APIClient, base: str, claude: Connection) -> None:
    sent = {
        "connection": str(claude.uid),
        "name": "Checkout",
        "allowed_geos": ["us"],
        "default_geo": "us",
    }
    key: dict[str, Any] = {"HTTP_IDEMPOTENCY_KEY": "monday"}
    first, second = (api.post(f"{base}workspaces/", sent, format="json", **key) for _ in range(2))
    assert first.status_code == 202
    assert first.json()["id"] == second.json()["id"]
    command = Command.objects.get()
    assert command.arguments == {
        "name": "Checkout",
        "allowed_geos": "us",
        "default_geo": "us",
        "storage_geo": "us",
    }


def test_what_cannot_be_made_says_why(api: APIClient, base: str, claude: Connection) -> None:
    cline = ConnectionFactory(organization=claude.organization, provider="cline")
    for sent, status, words in (
        ({"connection": str(cline.uid), "name": "X"}, 400, "does not divide"),
        ({"connection": str(ConnectionFactory().uid), "name": "X"}, 400, "no such connection"),
        ({"connection": str(claude.uid), "name": "x" * 41}, 409, "1 to 40 characters"),
        (
            {"connection": str(claude.uid), "name": "X", "allowed_geos": ["us"]},
            409,
            "must be one of the allowed places",
        ),
    ):
        answer = api.post(f"{base}workspaces/", sent, format="json")
        assert answer.status_code == status, answer.json()
        assert words in str(answer.json())
    assert not Command.objects.exists()


def test_name_and_residency_are_changed_one_at_a_time(
    api: APIClient, base: str, lab: Workspace
) -> None:
    url = f"{base}workspaces/{lab.pk}/"
    assert api.patch(url, {"name": "A", "default_geo": "us"}, format="json").status_code == 400
    assert api.patch(url, {}, format="json").status_code == 400
    renamed = api.patch(url, {"name": "Laboratory"}, format="json")
    assert (renamed.status_code, renamed.json()["kind"]) == (202, "workspaces.rename")
    busy = api.patch(url, {"allowed_geos": None}, format="json")
    assert busy.status_code == 409
    assert busy.json()["change"] == renamed.json()["url"]
    Command.objects.all().delete()
    moved = api.patch(url, {"allowed_geos": None}, format="json")
    assert moved.status_code == 202
    assert Command.objects.get().arguments["allowed_geos"] == ""


def test_archiving_is_not_done_by_token(api: APIClient, base: str, lab: Workspace) -> None:
    answer = api.post(f"{base}workspaces/{lab.pk}/archive/")
    assert answer.status_code == 403
    assert not Command.objects.exists()


def test_roles_in_a_workspace(api: APIClient, base: str, lab: Workspace) -> None:
    claude = lab.connection
    inside = member_of(claude)
    WorkspaceMemberFactory(workspace=lab, member=inside)
    admin = member_of(claude, role="admin")
    WorkspaceMemberFactory(workspace=lab, member=admin, role="workspace_admin")
    url = f"{base}workspaces/{lab.pk}/members/"
    shown = {one["member"]: one for one in api.get(url).json()["results"]}
    assert shown[inside.pk]["role"] == "workspace_developer"
    assert (shown[inside.pk]["inherited"], shown[inside.pk]["choices"][-1]) == (False, "")
    assert (shown[admin.pk]["inherited"], shown[admin.pk]["choices"]) == (True, [])

    new = member_of(claude)
    added = api.post(url, {"member": new.pk, "role": "workspace_user"}, format="json")
    assert (added.status_code, added.json()["kind"]) == (202, "workspaces.add_member")
    again = api.post(url, {"member": inside.pk, "role": "workspace_user"}, format="json")
    assert (again.status_code, again.json()["detail"]) == (409, "Is Developer there now.")
    other = api.patch(f"{url}{inside.pk}/", {"role": "workspace_user"}, format="json")
    assert (other.status_code, other.json()["kind"]) == (202, "workspaces.change_member_role")
    locked = api.delete(f"{url}{admin.pk}/")
    assert locked.status_code == 409
    assert "Change the organization role first" in locked.json()["detail"]


def test_many_roles_are_one_batch_that_is_on_its_way_at_once(
    api: APIClient, base: str, lab: Workspace
) -> None:
    other = WorkspaceFactory(connection=lab.connection)
    one, two = member_of(lab.connection), member_of(lab.connection, role="admin")
    WorkspaceMemberFactory(workspace=lab, member=one)
    sent = [
        {"workspace": lab.pk, "member": one.pk, "role": None},
        {"workspace": other.pk, "member": one.pk, "role": "workspace_admin"},
        {"workspace": other.pk, "member": two.pk, "role": "workspace_user"},
    ]
    answer = api.post(f"{base}workspaces/roles/", sent, format="json")
    assert answer.status_code == 202
    assert answer.json()["counts"]["waiting"] == 2
    assert len(answer.json()["refusals"]) == 1
    kinds = set(Command.objects.values_list("kind", "state"))
    assert kinds == {("workspaces.remove_member", "queued"), ("workspaces.add_member", "queued")}
    wrong = api.post(f"{base}workspaces/roles/", [{**sent[0], "member": 0}], format="json")
    assert [one["pointer"] for one in wrong.json()["errors"]] == ["#/0/member"]
    assert Batch.objects.count() == 1


def test_a_viewer_changes_nothing(owner: Grant, base: str, lab: Workspace) -> None:
    client = client_for(GrantFactory(organization=owner.organization, role=Role.VIEWER))
    assert client.get(f"{base}workspaces/{lab.pk}/members/").status_code == 200
    assert (
        client.patch(f"{base}workspaces/{lab.pk}/", {"name": "X"}, format="json").status_code == 403
    )
    assert client.post(f"{base}workspaces/roles/", [], format="json").status_code == 403
