"""The whole portal for a browser: pages, a real Celery worker, and the sandbox as both providers."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from celery.contrib.testing.worker import start_worker
from django.core.files.storage import storages
from playwright.sync_api import ConsoleMessage, Page, Response, ViewportSize, expect

from portal.celery import app
from tests.sandbox_server import SandboxServer

# Playwright runs an event loop in this thread; Django would refuse its own synchronous database calls.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture
def portal(
    transactional_db: None, sandbox: SandboxServer, settings: Any, live_server: Any
) -> Iterator[str]:
    """The portal's address. Changes are carried by a worker of its own thread, through Redis."""
    settings.SANDBOX_URL = sandbox.base_url
    settings.PROVIDER_BASE_URLS = {"anthropic": [], "cline": []}  # nothing but the sandbox
    settings.OUTBOX_QUIET_SECONDS = 0.2
    storages["staticfiles"]
    app.conf.task_default_queue = "walks"
    with start_worker(
        app,
        pool="threads",
        concurrency=2,
        queues=["actions", "walks"],
        perform_ping_check=False,
        shutdown_timeout=20,
    ):
        yield live_server.url.replace("127.0.0.1", "localhost")


PHONE: ViewportSize = {"width": 390, "height": 844}
# A colour on its way from light to dark has the contrast of neither: wait until nothing moves.
AT_REST = """async () => {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const ends = (one) => Number.isFinite(one.effect.getComputedTiming().endTime);
  await Promise.allSettled(document.getAnimations().filter(ends).map((one) => one.finished));
}"""


class Witness:
    """Watches a page: console errors, violations of the content security policy, failed answers."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text}")

    def _response(self, response: Response) -> None:
        if response.status >= 500:
            self.complaints.append(f"{response.status} {response.url}")

    def accessible(self) -> None:
        """Note every finding of axe that is not minor: as the page is, and on a phone in the dark."""
        self._note_findings("desktop")
        usual = self.page.viewport_size
        self.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        self.page.set_viewport_size(PHONE)
        self.page.evaluate(AT_REST)
        self._note_findings("phone, dark")
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        if self.page.evaluate(wide):
            self.complaints.append(f"{self.page.url}: wider than a phone")
        self.page.emulate_media(color_scheme="light")
        if usual:
            self.page.set_viewport_size(usual)

    def _note_findings(self, how: str) -> None:
        found = Axe().run(self.page).response["violations"]
        self.complaints += [
            f"{self.page.url} ({how}): {one['id']}: {[node['html'] for node in one['nodes']][:3]}"
            for one in found
            if one["impact"] != "minor"
        ]


@pytest.fixture
def witness(page: Page) -> Iterator[Witness]:
    """Complaints of the page fail the test at its end."""
    page.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    watching = Witness(page)
    yield watching
    assert not watching.complaints, watching.complaints
