"""One person into five workspaces through the matrix in three steps; a workspace archived for good."""

import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.members.models import Member
from apps.workspaces.models import Workspace, WorkspaceMember
from tests.browsing import at_desk
from tests.desk import Desk, open_desk
from tests.journeys.conftest import Witness
from tests.sandbox_server import SandboxServer

pytestmark = [pytest.mark.browser, pytest.mark.worker]


@pytest.fixture
def desk(portal: str, sandbox: SandboxServer) -> Desk:
    """An organization whose accounts are mirrored."""
    made = open_desk(sandbox)
    made.walk("anthropic")
    return made


def enter(page: Page, portal: str, desk: Desk) -> str:
    """Sign the owner in; where the organization's workspaces are."""
    session = at_desk(desk.owner).cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": portal}])
    return f"{portal}/o/{desk.organization.slug}/workspaces/"


def newcomer(desk: Desk) -> Member:
    """Somebody who is in no workspace."""
    inside = WorkspaceMember.objects.present().values("user_remote_id")
    found = Member.objects.filter(connection=desk.connections["anthropic"], role="user")
    member = found.exclude(remote_id__in=inside).order_by("email").first()
    assert member is not None
    return member


def roles_at_the_remote(desk: Desk, member: Member) -> dict[str, str]:
    """Role by workspace, as the sandbox itself says."""
    _, _, listed = desk.sandbox.anthropic("GET", "/workspaces?limit=1000")
    roles = {}
    for workspace in listed["data"]:
        path = f"/workspaces/{workspace['id']}/members/{member.remote_id}"
        status, _, answer = desk.sandbox.anthropic("GET", path)
        if status == 200:
            roles[workspace["name"]] = answer["workspace_role"]
    return roles


def test_one_person_into_five_workspaces_in_three_steps(
    page: Page, portal: str, witness: Witness, desk: Desk
) -> None:
    workspaces = enter(page, portal, desk)
    member = newcomer(desk)
    page.goto(workspaces)
    expect(page.get_by_role("row").nth(1)).to_be_visible()
    witness.accessible()

    page.get_by_role("link", name="Who is where").click()
    witness.accessible()
    # First: find the person.
    page.get_by_role("searchbox", name="Search people").fill(member.email)
    expect(page.locator("tbody tr")).to_have_count(1)
    # Leaving the search box fetches nothing again: it would take the cells that are chosen meanwhile.
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    page.get_by_role("searchbox", name="Search people").blur()
    # Sorting and filtering lose nothing that was chosen.
    cells = page.locator("tbody select.cell-role")
    cells.nth(0).select_option("workspace_developer")
    page.get_by_role("button", name="Name").click()
    expect(page.locator("th[aria-sort=descending]")).to_be_visible()
    expect(cells.nth(0)).to_have_value("workspace_developer")
    expect(page.get_by_text("1 cell changed")).to_be_visible()
    fetched.clear()
    # Second: five cells, and review.
    names = []
    for number in range(5):
        cell = cells.nth(number)
        names.append((cell.get_attribute("aria-label") or "").partition(" · ")[2])
        cell.select_option("workspace_developer")
    expect(page.get_by_text("5 cells changed")).to_be_visible()
    assert [url for url in fetched if "/matrix/" in url] == []
    witness.accessible()
    page.get_by_role("button", name="Review changes").click()
    expect(page.get_by_text("5 changes will be made.")).to_be_visible()
    witness.accessible()
    assert roles_at_the_remote(desk, member) == {}, "nothing has been sent yet"
    # Third: confirm.
    page.get_by_role("button", name="Make 5 changes").click()
    expect(page.get_by_text("5 of 5 settled")).to_be_visible()

    assert roles_at_the_remote(desk, member) == dict.fromkeys(names, "workspace_developer")
    page.goto(f"{portal}/o/{desk.organization.slug}/people/{member.person_id}/")
    expect(page.locator(".workspace-line select").nth(4)).to_have_value("workspace_developer")
    witness.accessible()


def test_a_workspace_is_made_and_archived_for_good(
    page: Page, portal: str, witness: Witness, desk: Desk
) -> None:
    workspaces = enter(page, portal, desk)
    page.goto(f"{workspaces}new/")
    witness.accessible()
    page.get_by_label("Name").fill("Short-lived")
    page.get_by_label("United States").first.check()
    page.get_by_label("Requests that do not say where run in").select_option("us")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Short-lived").first).to_be_visible()
    remote = wait_for(lambda: remote_named(desk, "Short-lived"))
    assert remote["data_residency"]["allowed_inference_geos"] == ["us"]

    row = wait_for(lambda: Workspace.objects.filter(remote_id=remote["id"]).first())
    page.goto(f"{workspaces}{row.pk}/")
    witness.accessible()
    page.get_by_role("link", name="Archive…").click()
    expect(page.get_by_text("This cannot be undone")).to_be_visible()
    witness.accessible()
    page.get_by_label("Type the workspace's name to confirm").fill("Short-lived")
    page.get_by_role("button", name="Archive for good").click()

    wait_for(lambda: remote_named(desk, "Short-lived") is None)
    wait_for(lambda: Workspace.objects.filter(pk=row.pk, state=Workspace.State.ARCHIVED).exists())
    page.goto(f"{workspaces}{row.pk}/")
    expect(page.get_by_text("It is archived for good")).to_be_visible()
    expect(page.get_by_role("link", name="Add people")).to_have_count(0)
    witness.accessible()


def remote_named(desk: Desk, name: str) -> Any:
    """The live workspace of that name, as the sandbox says; None if there is none."""
    _, _, listed = desk.sandbox.anthropic("GET", "/workspaces?limit=1000")
    return next((one for one in listed["data"] if one["name"] == name), None)


def wait_for(look: Any, seconds: float = 60) -> Any:
    """What ``look`` gives once that is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come")
