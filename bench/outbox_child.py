"""The process that asks for changes and takes the time: ``python -m bench.outbox_child [click] [batch]``."""

import http.client
import json
import os
import secrets
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import redis

from tests.plant import Plant, wait_for

if TYPE_CHECKING:
    from apps.members.models import Member
    from apps.organizations.models import Connection
    from tests.desk import Desk

REMOTE_SECONDS = 0.15
CLICKS = 60
CHANGES = 1000
PER_MINUTE = 500
PATIENCE = 600.0  # seconds, on a busy machine
ROLES = ("user", "developer")
HTMX = {"HX-Request": "true", "HX-Target": "memberships"}


class Browser:
    """A signed-in owner with one connection to the web server, who has JavaScript."""

    def __init__(self, address: str, cookie: str) -> None:
        parts = urlsplit(address)
        self._line = http.client.HTTPConnection(parts.hostname or "", parts.port)
        self._token = secrets.token_hex(16)
        self._headers = {"Cookie": f"{cookie}; csrftoken={self._token}"}

    def get(self, path: str) -> str:
        """A person's memberships as things stand."""
        return self._page("GET", path, None, HTMX)

    def post(self, path: str, fields: dict[str, str]) -> str:
        """Send a form; the memberships that it answers with."""
        form = urlencode(fields | {"csrfmiddlewaretoken": self._token})
        given = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._page("POST", path, form, HTMX | given)

    def _page(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> str:
        self._line.request(method, path, body, self._headers | headers)
        answer = self._line.getresponse()
        said = answer.read().decode()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{method} {path}: {answer.status}")
        return said


# --- One click -----------------------------------------------------------------------------------


def click(browser: Browser, member: "Member", role: str) -> None:
    """Choose another role on the person's page, and look until it is there."""
    page = f"/o/{member.connection.organization.slug}/people/{member.person_id}/"
    nonce = secrets.token_urlsafe(18)
    shown = browser.post(f"{page}{member.pk}/role/", {"role": role, "nonce": nonce})
    while f'<option value="{role}" selected>' not in shown:
        if 'aria-busy="true"' not in shown:
            raise RuntimeError("the change was not made")
        time.sleep(1)  # as the page asks
        shown = browser.get(page)


def through_adapter(member: "Member", role: str) -> None:
    """The same call in the request: what a portal without an outbox would do."""
    from apps.organizations.adapters import open_adapter
    from apps.providers.guard import worker_scope

    with worker_scope(), open_adapter(member.connection) as adapter:
        adapter.change_role(str(member.remote_id), role)


def alone(plant: Plant, member: "Member", role: str) -> None:
    """The call and nothing else."""
    plant.sandbox.anthropic("POST", f"/users/{member.remote_id}", {"role": role})


def measure_clicks(plant: Plant, browser: Browser, members: "list[Member]") -> dict[str, Any]:
    """Each way in turn, each with a member of its own."""
    ours, peers, bare = members
    ways: dict[str, Callable[[str], None]] = {
        "ours": lambda role: click(browser, ours, role),
        "peer": lambda role: through_adapter(peers, role),
        "floor": lambda role: alone(plant, bare, role),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(CLICKS + 5):
        for name, change in ways.items():
            began = time.perf_counter()
            change(ROLES[(number + 1) % 2])
            took[name].append((time.perf_counter() - began) * 1000)
    return {"name": "click"} | {name: _shares(found[5:]) for name, found in took.items()}


def _shares(took: list[float]) -> dict[str, float]:
    return {"p50": statistics.median(took), "p95": statistics.quantiles(took, n=20)[-1]}


# --- A batch -------------------------------------------------------------------------------------


def measure_batch(plant: Plant, desk: "Desk", connection: "Connection") -> dict[str, Any]:
    """Ask for a thousand changes of role, confirm them, and wait until none is on its way."""
    from apps.members.models import Member
    from apps.members.services import draft_role_change
    from apps.sync.models import Command, CommandState
    from apps.sync.outbox.batches import confirm_batch

    connection.requests_per_minute = PER_MINUTE
    connection.save(update_fields=["requests_per_minute"])
    ids = connection_members(connection).values_list("pk", flat=True)[:CHANGES]
    batch = draft_role_change(
        organization=desk.organization,
        members=Member.objects.filter(pk__in=list(ids)),
        roles={connection.pk: "billing"},
        actor=desk.owner,
        nonce="bench",
    )
    began = time.time()
    confirm_batch(batch=batch, actor=desk.owner)
    wait_for(
        lambda: not Command.objects.filter(batch=batch).open().exists(), "the batch", None, PATIENCE
    )
    times = batch.commands.order_by("sent_at").values_list("sent_at", flat=True)
    sent = [at.timestamp() for at in times if at]
    done = batch.commands.filter(state=CommandState.SUCCEEDED).count()
    if done != CHANGES:
        raise RuntimeError(f"{done} of {CHANGES} were done: {batch.counts()}")
    allowed = sent[-1 - PER_MINUTE] + 60 - began
    took = sent[-1] - began
    return {
        "name": "batch",
        "changes": CHANGES,
        "seconds": took,
        "allowed": allowed,
        "unused": max(0.0, 1 - allowed / took),
        "rate": (PER_MINUTE // 2) / (sent[PER_MINUTE // 2] - sent[0]),
        "refused": plant.sandbox.control.statuses().get("updateUser 429", 0),
    }


def forget_requests(plant: Plant) -> None:
    """Begin with nothing counted, here and in the sandbox."""
    plant.sandbox.control.clear()
    counters = redis.Redis.from_url(plant.redis.url)
    for key in counters.scan_iter("orgdesk:budget:*"):
        counters.delete(key)


def connection_members(connection: "Connection") -> Any:
    """Those whose role may be changed, the same ones each time."""
    from apps.members.models import Member

    found = Member.objects.filter(connection=connection, gone_at=None, role__in=ROLES)
    return found.select_related("connection", "connection__organization").order_by("remote_id")


# --- Both ----------------------------------------------------------------------------------------


def sign_in(user: Any) -> str:
    """A session's cookie."""
    from django.conf import settings
    from django.test import Client

    client = Client()
    client.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def main(plant: Plant, wanted: list[str]) -> None:
    """Measure, and print what was found, a line of JSON each."""
    from django.core.management import call_command

    from tests.desk import open_desk

    call_command("migrate", verbosity=0)
    desk = open_desk(plant.sandbox)
    desk.walk("anthropic")
    connection = desk.connections["anthropic"]
    plant.ready(plant.worker())
    plant.beat()
    _process, address = plant.web(threads=8)
    browser = Browser(address, sign_in(desk.owner))
    if "click" in wanted:
        slow = {"seconds": REMOTE_SECONDS, "count": None}
        plant.sandbox.control.fault("updateUser", "delay", **slow)
        members = list(connection_members(connection).filter(role=ROLES[0])[:3])
        print(json.dumps(measure_clicks(plant, browser, members)), flush=True)
        plant.sandbox.control.clear_faults()
    if "batch" in wanted:
        forget_requests(plant)
        print(json.dumps(measure_batch(plant, desk, connection)), flush=True)


if __name__ == "__main__":
    limits = (
        "--requests-per-minute",
        str(PER_MINUTE),
        "--invites-per-hour",
        "0",
        "--fast-pages",
        "0",
    )
    # Nothing is walked meanwhile: it would take its own share of the budget.
    surrounded = {
        name: os.environ[name] for name in ("DATABASE_URL", "SECRET_KEY", "CREDENTIAL_KEYS")
    } | {"SYNC_INTERVAL_SECONDS": "86400"}
    with Plant(Path(os.environ["ORGDESK_VAR"]), surrounded, "medium", limits) as begun:
        os.environ |= begun.environ
        import django

        django.setup()
        main(begun, sys.argv[1:] or ["click", "batch"])
