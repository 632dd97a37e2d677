"""Django admin in Chromium: its scripts run, and several changes are abandoned in a few clicks."""

from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from apps.organizations.models import Connection
from apps.sync.models import Command, CommandState
from tests.admin.conftest import list_of, stuck

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_stuck_changes_are_abandoned_from_their_list(
    page: Any, live_server: Any, desk: Client, connection: Connection
) -> None:
    for _ in range(3):
        stuck(connection)
    cookie = desk.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}]
    )
    troubles: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(live_server.url + list_of(Command))
    for box in page.locator("input.action-select").all()[:2]:
        box.check()
    page.locator("select[name=action]").select_option("abandon")
    page.get_by_role("button", name="Run").click()
    page.get_by_label("Reason").fill("Both gone at the provider.")
    page.get_by_role("button", name="Abandon").click()
    page.get_by_text("done for 2").wait_for()
    states = sorted(Command.objects.values_list("state", flat=True))
    assert states == [CommandState.CANCELLED, CommandState.CANCELLED, CommandState.OPERATOR]
    assert troubles == []
    assert all(address.startswith((live_server.url, "data:")) for address in asked), asked
