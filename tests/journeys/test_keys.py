"""Keys of people who left, switched off in two steps; a new key whose secret is seen once and never again."""

import time

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from apps.keys.models import Key
from apps.members.models import Member
from tests.browsing import at_desk
from tests.desk import Desk, open_desk
from tests.journeys.conftest import Witness
from tests.sandbox_server import SandboxServer, call

pytestmark = [pytest.mark.browser, pytest.mark.worker]


@pytest.fixture
def desk(portal: str, sandbox: SandboxServer) -> Desk:
    """An owner's desk with an account at each provider, walked whole."""
    made = open_desk(sandbox)
    made.walk()
    return made


@pytest.fixture
def home(page: Page, portal: str, desk: Desk) -> str:
    """The organization's own address; its owner has just signed in."""
    session = at_desk(desk.owner).cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": session.key, "value": session.value, "url": portal}])
    return f"{portal}/o/{desk.organization.slug}"


def until(seconds: float = 60) -> float:
    return time.monotonic() + seconds


def statuses(sandbox: SandboxServer, ids: set[str]) -> set[str]:
    _, _, listed = sandbox.anthropic("GET", "/api_keys?limit=1000")
    return {one["status"] for one in listed["data"] if one["id"] in ids}


def test_keys_of_people_who_left_are_switched_off_in_two_steps(
    page: Page, home: str, witness: Witness, desk: Desk, sandbox: SandboxServer
) -> None:
    page.goto(f"{home}/keys/?finding=creator_left")
    rows = page.locator("tbody tr")
    expect(rows.first).to_be_visible()
    count = rows.count()
    names = {link.inner_text() for link in page.locator("tbody a.row-link").all()}
    found = Key.objects.filter(connection=desk.connections["anthropic"], name__in=names)
    ids = {str(key.remote_id) for key in found}
    assert len(ids) == count > 0
    witness.accessible()

    page.goto(f"{home}/keys/hygiene/")
    witness.accessible()
    page.get_by_role("button", name="Deactivate: Creator has left").click()  # one
    expect(page.get_by_text("Nothing has been sent yet.")).to_be_visible()
    witness.accessible()
    assert statuses(sandbox, ids) == {"active"}
    page.locator("main form .btn-primary").first.click()  # two
    expect(page.get_by_text(f"{count} of {count} settled")).to_be_visible()

    witness.accessible()
    assert statuses(sandbox, ids) == {"inactive"}
    page.goto(f"{home}/keys/?finding=creator_left")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    for place in ("keys/", "keys/?finding=twins", f"keys/{found[0].pk}/", "keys/new/"):
        page.goto(f"{home}/{place}")
        witness.accessible()


def test_who_presses_a_rows_button_by_keyboard_stays_in_that_row(page: Page, home: str) -> None:
    page.goto(f"{home}/keys/")
    button = page.locator("tbody button", has_text="Deactivate").first
    number = button.evaluate("one => one.closest('tr').id")
    button.press("Enter")
    row = page.locator(f"#{number}")
    expect(row).to_contain_text("Inactive")
    assert row.evaluate("one => one.contains(document.activeElement)")


def test_a_new_keys_secret_is_seen_once_and_never_again(
    page: Page, home: str, witness: Witness, desk: Desk, sandbox: SandboxServer
) -> None:
    page.goto(f"{home}/keys/")
    page.get_by_role("link", name="Create a key").click()
    page.locator("input[name=name]").fill("nightly export")
    witness.accessible()
    page.get_by_role("button", name="Create the key").click()
    show = page.get_by_role("button", name="Show it once")
    expect(show).to_be_visible()
    witness.accessible()
    change = page.url
    show.click()
    secret = page.locator("#secret").inner_text().strip()
    assert secret.startswith("sk_")
    status, _, _ = call(
        sandbox.base_url, "GET", "/api/v1/users/me", headers={"Authorization": f"Bearer {secret}"}
    )
    assert status == 200
    witness.accessible()

    page.get_by_role("link", name="I have copied it").click()
    expect(page.get_by_text("The secret was shown, and is wiped.")).to_be_visible()
    expect(show).to_have_count(0)
    for place in (change, f"{home}/keys/", f"{home}/activity/", f"{home}/audit/"):
        page.goto(place)
        assert secret not in page.content()
    page.go_back()
    assert secret not in page.content()
    row = page.locator("tbody tr", has_text="nightly export")
    page.goto(f"{home}/keys/")
    expect(row).to_be_visible()

    row.get_by_role("link", name="Delete").click()
    dialog = page.locator("dialog[open]")
    dialog.locator("input[name=typed]").fill("nightly export")
    witness.accessible()
    dialog.get_by_role("button", name="Delete for good").click()
    deadline = until()
    while time.monotonic() < deadline and status == 200:
        status, _, _ = call(
            sandbox.base_url,
            "GET",
            "/api/v1/users/me",
            headers={"Authorization": f"Bearer {secret}"},
        )
        time.sleep(0.2)
    assert status == 401


def test_removing_a_person_takes_their_keys_along(
    page: Page, home: str, witness: Witness, desk: Desk, sandbox: SandboxServer
) -> None:
    anthropic = desk.connections["anthropic"]
    makers = Key.objects.filter(connection=anthropic, status="active").values("creator")
    member = Member.objects.filter(
        connection=anthropic, remote_id__in=makers, role="developer", gone_at__isnull=True
    ).first()
    assert member is not None
    mine = Key.objects.filter(connection=anthropic, creator=member.remote_id, status="active")
    ids = {str(key.remote_id) for key in mine if key.state == "active"}
    page.goto(f"{home}/people/{member.person_id}/")
    expect(page.get_by_role("heading", name="API keys they made")).to_be_visible()
    witness.accessible()
    page.get_by_role("link", name="Remove").first.click()
    dialog = page.locator("dialog[open]")
    dialog.get_by_label("Deactivate").check()
    witness.accessible()
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Nothing has been sent yet.")).to_be_visible()
    page.locator("main form .btn-danger").first.click()
    expect(page.get_by_text("settled")).to_be_visible()
    deadline = until()
    while time.monotonic() < deadline and "active" in statuses(sandbox, ids):
        time.sleep(0.2)
    # Keys of Claude Code end by themselves when their maker goes.
    assert statuses(sandbox, ids) <= {"inactive", "archived"}
