"""The portal as real processes: a click, and what the death of a worker, of Redis or of the remote costs."""

import subprocess
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.conf import settings as project_settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.invites.models import Invite
from apps.invites.services import Guest, draft_invites
from apps.organizations.health import health_of, with_freshness
from apps.organizations.models import Connection
from apps.sync.models import OPEN_STATES, Batch, Command, CommandState, Resource
from apps.sync.outbox import batches
from tests import kicks
from tests.desk import PROVIDERS, Desk, open_desk
from tests.faults.changes import mirrored_member, remote_roles
from tests.faults.conftest import database_url
from tests.plant import Plant, wait_for

S = CommandState
pytestmark = [pytest.mark.worker, pytest.mark.django_db(transaction=True)]
# Nobody waits for minutes here, yet calls have the time that a busy machine needs.
BRISK = {
    "PROVIDER_CALL_DEADLINE": 3.0,
    "OUTBOX_QUIET_SECONDS": 0.2,
    "OUTBOX_LEASE_SECONDS": 6.0,
    "OUTBOX_BACKOFF_BASE_SECONDS": 0.1,
    "OUTBOX_BACKOFF_CAP_SECONDS": 1.0,
    "OUTBOX_KICK_AGAIN_SECONDS": 2.0,
    "OUTBOX_PAGE_WAIT_SECONDS": 5.0,
    "BREAKER_SECONDS": 0.3,
    "BREAKER_CAP_SECONDS": 1.0,
}
SETTLED_WITHIN = 240.0  # seconds, on a busy machine


@pytest.fixture(scope="module")
def plant(_committed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """A sandbox, Redis and beat over the test database; workers are each test's own."""
    environ = {
        "DATABASE_URL": database_url(),
        "SECRET_KEY": project_settings.SECRET_KEY,
        "CREDENTIAL_KEYS": ",".join(project_settings.CREDENTIAL_KEYS),
        **{name: str(value) for name, value in BRISK.items()},
    }
    with Plant(tmp_path_factory.mktemp("plant"), environ, "small") as made:
        made.beat()
        yield made


@pytest.fixture(scope="module")
def worker(plant: Plant) -> subprocess.Popen[bytes]:
    """One that nobody kills, for the tests in which it must live on."""
    return plant.worker()


@pytest.fixture
def desk(db: None, plant: Plant, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk whose changes nobody is told of: every kick is lost, and the sweep must find them."""
    settings.SANDBOX_URL = plant.sandbox.base_url
    kicks.collected(monkeypatch)
    monkeypatch.setattr(batches, "hand_out", lambda connection_id: None)
    plant.sandbox.control.reset()
    plant.sandbox.control.clear()
    return open_desk(plant.sandbox)


def settled(batch: Batch) -> int:
    return batch.commands.filter(settled_at__isnull=False).count()


def invite(desk: Desk, count: int) -> Batch:
    """A batch of so many invites, half of them at each provider, on its way."""
    guests = [
        Guest(desk.connections[provider], f"guest{number}@northgate.example", role)
        for provider, role in (("anthropic", "user"), ("cline", "member"))
        for number in range(count // 2)
    ]
    batch = draft_invites(
        organization=desk.organization, guests=guests, actor=desk.owner, nonce="many"
    )
    return batches.confirm_batch(batch=batch, actor=desk.owner)


def assert_each_was_invited_once(desk: Desk, batch: Batch) -> None:
    """By the sandbox's journal: each address once, and the mirror names what the remote has."""
    count = batch.commands.count()
    ends = batch.commands.exclude(state=S.SUCCEEDED).values_list("label", "state", "error")
    assert list(ends) == []
    journal = desk.sandbox.control.journal(effect=True)
    at_anthropic = [e["arguments"]["email"] for e in journal if e["operation_id"] == "createInvite"]
    at_cline = [
        e["arguments"]["invites"][0]["email"]
        for e in journal
        if e["operation_id"] == "create_invites"
    ]
    wanted = sorted(f"guest{number}@northgate.example" for number in range(count // 2))
    assert sorted(at_anthropic) == wanted
    assert sorted(at_cline) == wanted
    named = {entry["target"] for entry in journal if entry["operation_id"].startswith("create")}
    rows = Invite.objects.filter(connection__in=desk.connections.values())
    assert set(rows.filter(state=Invite.State.PENDING).values_list("remote_id", flat=True)) == named
    assert rows.count() == count


def test_killing_the_worker_in_the_middle_of_200_changes_loses_none_and_doubles_none(
    plant: Plant, desk: Desk
) -> None:
    plant.sandbox.control.fault("*", "delay", seconds=0.03, count=None)  # calls are killed midway
    batch = invite(desk, 200)
    worker = plant.worker()
    wait_for(lambda: settled(batch) > 60, "the first changes", worker, SETTLED_WITHIN)

    def stands_in_a_change() -> bool:
        plant.freeze(worker)
        if batch.commands.filter(state__in=[S.CLAIMED, S.SENDING]).exists():
            return True
        plant.thaw(worker)
        return False

    wait_for(stands_in_a_change, "a moment within a change", worker)
    plant.kill(worker)

    assert settled(batch) < 200, "it was not in the middle"
    worker = plant.worker()
    wait_for(lambda: settled(batch) == 200, "the rest", worker, SETTLED_WITHIN)
    assert_each_was_invited_once(desk, batch)
    plant.kill(worker)


def test_redis_gone_for_a_while_costs_nothing_but_time(
    plant: Plant, desk: Desk, worker: subprocess.Popen[bytes]
) -> None:
    plant.sandbox.control.fault("*", "delay", seconds=0.05, count=None)  # it takes a while
    batch = invite(desk, 100)
    wait_for(lambda: settled(batch) > 20, "the first changes", worker, SETTLED_WITHIN)

    plant.redis.stop()  # nothing of it is on disk
    time.sleep(1)
    assert settled(batch) < 100
    plant.redis.start()

    wait_for(lambda: settled(batch) == 100, "the rest", worker, SETTLED_WITHIN)
    assert_each_was_invited_once(desk, batch)


def test_a_remote_that_stops_and_starts_again_costs_nothing_but_a_health_notice(
    plant: Plant, desk: Desk, worker: subprocess.Popen[bytes]
) -> None:
    now = timezone.now()
    for connection in desk.connections.values():
        Resource.objects.create(connection=connection, name="members", completed_at=now)
    batch = invite(desk, 100)
    wait_for(lambda: settled(batch) > 20, "the first changes", worker, SETTLED_WITHIN)

    plant.sandbox.stop()
    wait_for(lambda: all("cannot be reached" in said for said in headlines(desk)), "the notices")
    assert levels(desk) == ["warning", "warning"]
    assert not batch.commands.exclude(state__in=[S.SUCCEEDED, *OPEN_STATES]).exists()
    plant.sandbox.start()

    wait_for(lambda: settled(batch) == 100, "the rest", worker, SETTLED_WITHIN)
    assert levels(desk) == ["ok", "ok"], "the notices go by themselves"
    assert_each_was_invited_once(desk, batch)


def _conditions(desk: Desk) -> list[Any]:
    mine = Connection.objects.filter(organization=desk.organization)
    return [health_of(connection) for connection in with_freshness(mine)]


def levels(desk: Desk) -> list[str]:
    """How each connection is doing, as pages say it."""
    return [one.level for one in _conditions(desk)]


def headlines(desk: Desk) -> list[str]:
    """What pages say of each connection."""
    return [str(one.headline) for one in _conditions(desk)]


def test_a_click_is_answered_with_the_settled_row(
    plant: Plant, desk: Desk, worker: subprocess.Popen[bytes]
) -> None:
    browser = Client()
    browser.force_login(desk.owner)
    session = browser.cookies["sessionid"].value
    web, address = plant.web()
    plant.ready(worker)
    for provider in PROVIDERS:
        before, after = ("user", "developer") if provider == "anthropic" else ("member", "admin")
        row = mirrored_member(desk, provider, f"{provider}@northgate.example", before)
        page = reverse("members:change_role", args=[desk.organization.slug, row.person_id, row.pk])

        status = post(address + page, session, {"role": after, "nonce": f"click {provider}"})

        assert status == 302
        command = Command.objects.get(connection=desk.connections[provider])
        assert command.state == S.SUCCEEDED, "the answer came before the outcome"
        row.refresh_from_db()
        assert row.role == after
        assert remote_roles(desk, provider, row.email) == [after]
    plant.kill(web)


def post(url: str, session: str, fields: dict[str, str]) -> int:
    """What a browser sends with a form of ours; the status of the answer."""
    token = "t" * 32
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request(
            "POST",
            parts.path,
            urlencode(fields | {"csrfmiddlewaretoken": token}),
            {
                "Content-Type": "application/x-www-form-urlencoded",
                "Cookie": f"sessionid={session}; csrftoken={token}",
            },
        )
        return connection.getresponse().status
    finally:
        connection.close()
