"""A newcomer's first hour: account, connections, people, and changes that arrive at both ends."""

import base64
import hashlib
import hmac
import struct
import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Witness
from tests.sandbox_server import SandboxServer

pytestmark = [pytest.mark.browser, pytest.mark.worker]

PASSWORD = "a long pass phrase for olga"
GUESTS = ["guest.one@northgate.example", "guest.two@northgate.example"]


def code_of(secret: str) -> str:
    """What an authenticator app shows for ``secret`` (RFC 6238), with time left to type it in."""
    while time.time() % 30 > 20:
        time.sleep(0.5)
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    counter = struct.pack(">Q", int(time.time()) // 30)
    digest = hmac.new(key, counter, hashlib.sha1).digest()
    at = digest[-1] & 0xF
    number = struct.unpack(">I", digest[at : at + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def make_first_account(page: Page, portal: str, witness: Witness) -> None:
    page.goto(portal)
    expect(page.get_by_role("heading", name="Welcome to Orgdesk")).to_be_visible()
    witness.accessible()
    page.locator("input[name=name]").fill("Olga Owner")
    page.locator("input[name=email]").fill("olga@northgate.example")
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    page.locator("input[name=organization]").fill("Northgate")
    page.get_by_role("button", name="Make the account").click()
    page.get_by_role("link", name="Set up an authenticator app").click()
    page.wait_for_url("**/totp/activate/**")
    witness.accessible()
    page.locator("input[name=code]").fill(code_of(page.locator("code").inner_text().strip()))
    page.get_by_role("button", name="Set it up").click()
    expect(page.locator("input[name=code]")).to_have_count(0)


def connect(page: Page, portal: str, witness: Witness, provider: str, key: str) -> None:
    page.goto(f"{portal}/o/northgate/connections/new/")
    witness.accessible()
    page.get_by_role("link", name=provider).click()
    page.locator("input[type=password]").fill(key)
    witness.accessible()
    page.locator("main .btn-primary").click()
    ready = page.get_by_role("button", name="Connect", exact=True)
    choice = page.get_by_role("radio")
    expect(ready.or_(choice.first)).to_be_visible()
    if choice.count():
        choice.first.check()
        page.locator("main .btn-primary").click()
        expect(ready).to_be_visible()
    assert key not in page.content()
    witness.accessible()
    ready.click()
    expect(page.get_by_text("complete").first).to_be_visible()
    witness.accessible()


def test_the_first_hour(page: Page, portal: str, witness: Witness, sandbox: SandboxServer) -> None:
    make_first_account(page, portal, witness)
    connect(page, portal, witness, "Anthropic", sandbox.anthropic_key)
    connect(page, portal, witness, "Cline", sandbox.cline_key("owner"))
    desk = f"{portal}/o/northgate"

    page.goto(f"{desk}/people/")
    expect(page.locator("tbody tr").first).to_be_visible()
    witness.accessible()

    invite_in_bulk(page, desk, witness, sandbox)
    address = change_a_role(page, desk, witness, sandbox)
    remove(page, desk, witness, sandbox, address)
    see_a_change_made_elsewhere(page, desk, witness, sandbox)
    for place in ("", "invites/", "activity/", "audit/", "connections/", "settings/"):
        page.goto(f"{desk}/{place}")
        witness.accessible()
    see_a_failing_provider(page, desk, witness, sandbox)


def invite_in_bulk(page: Page, desk: str, witness: Witness, sandbox: SandboxServer) -> None:
    page.goto(f"{desk}/invites/new/")
    page.locator("textarea[name=addresses]").fill("\n".join([*GUESTS, "not an address"]))
    for box in page.locator(".invite-target input[type=checkbox]").all():
        box.check()
    witness.accessible()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("4 changes will be made.")).to_be_visible()
    expect(page.get_by_text("Line 3: This is no email address.")).to_be_visible()
    witness.accessible()
    assert not effects(sandbox, "createInvite", "create_invites")
    page.get_by_role("button", name="Make 4 changes").click()
    expect(page.get_by_text("4 of 4 settled")).to_be_visible()
    witness.accessible()
    invited = [entry["target"] for entry in effects(sandbox, "createInvite", "create_invites")]
    assert len(invited) == 4
    _, _, listed = sandbox.anthropic("GET", "/invites?limit=1000")
    assert set(GUESTS) <= {one["email"] for one in listed["data"]}


def effects(sandbox: SandboxServer, *operations: str) -> list[dict[str, Any]]:
    """What has happened at the providers."""
    return [
        entry
        for operation in operations
        for entry in sandbox.control.journal(operation, effect=True)
    ]


def open_person(page: Page, desk: str, address: str) -> None:
    page.goto(f"{desk}/people/?q={address}")
    page.locator("a.person").first.click()
    expect(page.get_by_text(address).first).to_be_visible()


def somebody(sandbox: SandboxServer, role: str) -> dict[str, Any]:
    _, _, listed = sandbox.anthropic("GET", "/users?limit=1000")
    found: dict[str, Any] = next(one for one in listed["data"] if one["role"] == role)
    return found


def change_a_role(page: Page, desk: str, witness: Witness, sandbox: SandboxServer) -> str:
    user = somebody(sandbox, "user")
    open_person(page, desk, user["email"])
    witness.accessible()
    page.locator("main select").first.select_option("developer")
    page.get_by_role("button", name="Change role").first.click()
    expect(page.locator("main select").first).to_have_value("developer")
    expect(page.locator("#timeline .event").first).to_contain_text("Done")
    expect(page.get_by_role("button", name="Change role").first).to_be_focused()
    page.goto(f"{desk}/activity/")
    page.go_back()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    expect(page.locator("main select").first).to_have_value("developer")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        _, _, now = sandbox.anthropic("GET", f"/users/{user['id']}")
        if now["role"] == "developer":
            break
        time.sleep(0.1)
    assert now["role"] == "developer"
    return str(user["email"])


def remove(page: Page, desk: str, witness: Witness, sandbox: SandboxServer, address: str) -> None:
    open_person(page, desk, address)
    page.get_by_role("link", name="Remove").first.click()
    dialog = page.locator("dialog[open]")
    expect(dialog.get_by_text("keys").first).to_be_visible()
    witness.accessible()
    dialog.get_by_role("button", name="Remove").click()
    expect(page.locator("dialog[open]")).to_have_count(0)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not effects(sandbox, "removeUser"):
        time.sleep(0.1)
    assert len(effects(sandbox, "removeUser")) == 1


def see_a_change_made_elsewhere(
    page: Page, desk: str, witness: Witness, sandbox: SandboxServer
) -> None:
    user = somebody(sandbox, "user")
    sandbox.control.member(sandbox.anthropic_organization, user["email"], role="billing")
    page.goto(f"{desk}/connections/")
    page.get_by_role("link", name="Northgate").first.click()
    page.get_by_role("button", name="Sync now").first.click()
    deadline = time.monotonic() + 60
    noticed = page.locator("tbody tr", has_text=user["email"])
    while time.monotonic() < deadline:
        page.goto(f"{desk}/activity/provider/")
        if noticed.count():
            break
        time.sleep(0.3)
    expect(noticed.first).to_contain_text("role: user → billing")
    witness.accessible()


def see_a_failing_provider(page: Page, desk: str, witness: Witness, sandbox: SandboxServer) -> None:
    user = somebody(sandbox, "user")
    sandbox.control.fault("*", "500", count=None)
    open_person(page, desk, user["email"])
    page.locator("main select").first.select_option("developer")
    page.get_by_role("button", name="Change role").first.click()
    expect(page.get_by_text("Outcome unknown, checking").first).to_be_visible()
    page.goto(f"{desk}/people/")
    # The other connection may have a line of its own: its first sync may be under way still.
    ailing = page.locator(".health-line").filter(
        has=page.get_by_role("link", name="Northgate Robotics", exact=True)
    )
    expect(ailing).to_contain_text("are tried again by themselves.")
    expect(page.locator("tbody tr").first).to_be_visible()
    witness.accessible()
