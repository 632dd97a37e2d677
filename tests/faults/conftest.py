"""Real commits, real HTTP, and workers that wait milliseconds where they would wait minutes."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings as project_settings
from django.db import connection as database
from django.test import TransactionTestCase
from django.utils import timezone
from pytest_django.fixtures import Settings
from pytest_django.plugin import DjangoDbBlocker

from apps.providers import budget
from apps.providers.adapters import preload
from apps.providers.guard import worker_scope
from apps.sync.models import Command, CommandState
from apps.sync.outbox import delivery, turns
from tests import kicks
from tests.desk import Desk, open_desk
from tests.doomed import Nursery
from tests.sandbox_server import SandboxServer

DEADLINE = 0.3  # seconds, of one remote call
# What a worker waits for, by setting. The doomed worker gets the same from its environment.
QUICK = {
    "PROVIDER_CALL_DEADLINE": DEADLINE,
    "OUTBOX_QUIET_SECONDS": 0.02,
    "OUTBOX_MONEY_QUIET_SECONDS": 0.02,
    "OUTBOX_LEASE_SECONDS": 0.5,
    "OUTBOX_BACKOFF_BASE_SECONDS": 0.01,
    "OUTBOX_BACKOFF_CAP_SECONDS": 0.05,
    "OUTBOX_HOLD_SECONDS": 0.02,
    "OUTBOX_KICK_AGAIN_SECONDS": 0.0,
    "BREAKER_SECONDS": 0.05,
    "BREAKER_CAP_SECONDS": 0.1,
}
PATIENCE = 20.0  # seconds for one Command to settle, on a busy machine


class Workers:
    """Carries what was kicked as workers would, in this process and one after the other."""

    def __init__(self) -> None:
        self.kicked: deque[int] = deque()

    def carry_kicked(self) -> None:
        """Carry whatever was kicked until now."""
        with worker_scope():
            while self.kicked:
                delivery.carry(self.kicked.popleft())

    def settle(self, *commands: Command, heard: Callable[[], bool] | None = None) -> None:
        """Carry and sweep until every one of them has settled or waits for a person.

        ``heard``: whether the remote has heard what was sent, which must come before a read-back.
        """
        until = time.monotonic() + PATIENCE
        open_ones = list(commands)
        while True:
            self.carry_kicked()
            for command in open_ones:
                command.refresh_from_db()
            open_ones = [
                one for one in open_ones if one.is_open and one.state != CommandState.OPERATOR
            ]
            if not open_ones:
                return
            assert time.monotonic() < until, timeline(open_ones[0])
            if heard is not None and not heard() and until - time.monotonic() > PATIENCE / 2:
                time.sleep(0.02)
                continue
            turns.hand_out_everywhere()
            if not self.kicked:
                time.sleep(_until_something_is_due(open_ones))


def timeline(command: Command) -> str:
    """How a Command came to where it is, for a failing test."""
    lines = [f"{command} did not settle"]
    lines += [f"{event} {event.note}" for event in command.events.all()]
    return "\n".join(lines)


def _until_something_is_due(commands: list[Command]) -> float:
    """Seconds until the first of them is; to look every few milliseconds costs more than the rest of a test.

    One that is due and still not handed out waits for its connection: that is soon over, or not.
    """
    return min(max(0.02, min(map(_seconds_left, commands))), 0.5)


def _seconds_left(command: Command) -> float:
    """Until an unknown outcome, a dead worker's lease or a back-off has waited long enough; 0 if it has."""
    moments = [moment for moment in (command.due_at, command.leased_until) if moment]
    return max(0.0, (max(moments) - timezone.now()).total_seconds()) if moments else 0.0


def wait_until_due(command: Command) -> None:
    """Let that pass."""
    command.refresh_from_db()
    time.sleep(_seconds_left(command))


@pytest.fixture(scope="module")
def _committed(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    preload()  # as a worker does when it starts: a busy machine takes long
    with django_db_blocker.unblock():
        yield
        TransactionTestCase("run")._fixture_teardown()  # type: ignore[attr-defined]  # private: the stubs leave it out


@pytest.fixture
def _django_db_helper(_committed: None) -> None:
    """Let tests commit for real, and empty the tables once a module instead of after each test.

    Takes the place of pytest-django's own. Each test here has an organization of its own, and
    emptying all tables after each of some hundred tests would take longer than the tests.
    """


@pytest.fixture(autouse=True)
def quick(settings: Settings, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting takes milliseconds, and the sandbox is an allowed address."""
    settings.SANDBOX_URL = sandbox.base_url
    for name, value in QUICK.items():
        setattr(settings, name, value)
    monkeypatch.setattr(budget, "PAUSE_UNSAID", 0.02)


@pytest.fixture
def desk(db: None, sandbox: SandboxServer, quick: None) -> Desk:
    """An organization connected to both sides of the sandbox."""
    return open_desk(sandbox)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    """Workers that hear of everything that is asked for."""
    made = Workers()
    kicks.collected(monkeypatch, into=made.kicked)
    return made


def database_url() -> str:
    """The address of the test database, for another process."""
    at = database.settings_dict
    if database.vendor == "sqlite":
        return f"sqlite:///{at['NAME']}"
    account = quote(at["USER"]) + (f":{quote(at['PASSWORD'])}" if at["PASSWORD"] else "")
    return f"postgres://{account}@{at['HOST']}:{at['PORT'] or 5432}/{at['NAME']}"


@pytest.fixture(scope="session")
def nursery(
    django_db_setup: None,
    sandbox_of_session: SandboxServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Nursery]:
    """Workers in processes of their own, over the same database, Redis and sandbox."""
    folder: Path = tmp_path_factory.mktemp("doomed")
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "ORGDESK_DEMO": "1",
        "ORGDESK_VAR": str(folder),
        "DATABASE_URL": database_url(),
        "REDIS_URL": project_settings.REDIS_URL,
        "SECRET_KEY": project_settings.SECRET_KEY,
        "CREDENTIAL_KEYS": ",".join(project_settings.CREDENTIAL_KEYS),
        "SANDBOX_URL": sandbox_of_session.base_url,
        **{name: str(value) for name, value in QUICK.items()},
    }
    with Nursery(environment) as made:
        yield made
