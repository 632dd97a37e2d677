"""An owner changes the remote config, sees the difference first, and finds it at the provider."""

import json
import time
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from tests.browsing import at_desk
from tests.desk import Desk, open_desk
from tests.journeys.conftest import Witness
from tests.sandbox_server import SandboxServer

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


def config_there(sandbox: SandboxServer) -> dict[str, Any]:
    """The remote config as the sandbox has it, in clear."""
    _, _, answer = sandbox.cline("GET", "/organizations/{org}")
    found: dict[str, Any] = json.loads(answer["data"]["defaultRemoteConfig"])
    return found


def test_a_remote_config_is_changed_and_read_back(
    page: Page, home: str, witness: Witness, desk: Desk, sandbox: SandboxServer
) -> None:
    before = config_there(sandbox)
    page.goto(f"{home}/settings/providers/")
    witness.accessible()
    page.goto(f"{home}/connections/{desk.connections['cline'].uid}/")
    page.get_by_role("link", name="At the provider").click()
    expect(page.get_by_text("Remote config").first).to_be_visible()
    witness.accessible()
    provider = page.url

    page.get_by_role("link", name="Edit").click()
    editor = page.get_by_label("Settings, as JSON")
    document = json.loads(editor.input_value())
    editor.fill('{"version": 1}')
    page.get_by_role("button", name="Review the change").click()
    expect(page.get_by_text("version: must be a text").first).to_be_visible()
    witness.accessible()

    document["kanbanEnabled"] = not before.get("kanbanEnabled", False)
    editor.fill(json.dumps(document, indent=2))
    page.get_by_role("button", name="Review the change").click()
    expect(page.locator(".differences li")).to_have_count(1)
    expect(page.get_by_text("kanbanEnabled")).to_be_visible()
    witness.accessible()
    assert config_there(sandbox) == before, "nothing is sent before it was looked at"
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_text("Change remote config")).to_be_visible()

    patience = time.monotonic() + 60
    wanted = before | {"kanbanEnabled": document["kanbanEnabled"]}
    while config_there(sandbox) != wanted:
        assert time.monotonic() < patience
        time.sleep(0.1)
    expect(page.get_by_text("A change is on its way")).to_have_count(0)
    page.goto(provider)
    expect(page.get_by_text("changed here by")).to_be_visible()
    expect(page.get_by_text("Kanban")).to_be_visible()
    witness.accessible()

    for place in ("config/compare/", "config/1/", "rename/", "new/", "delete/"):
        page.goto(f"{provider}{place}")
        witness.accessible()
    page.goto(f"{home}/connections/{desk.connections['anthropic'].uid}/provider/")
    witness.accessible()
    for place in ("limits/", "limits/?group=batch"):
        page.goto(f"{home}/{place}")
        expect(page.locator("tbody").get_by_text("Message batches").first).to_be_visible()
        witness.accessible()
