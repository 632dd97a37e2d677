"""The surroundings of every test: a Redis of its own, no way out of this machine, a browser if there is one."""

import contextlib
import functools
import gc
import ipaddress
import os
import shutil
import socket
import threading
import uuid
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import pytest
import redis
from django.conf import settings as project_settings
from django.core.cache import cache
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase
from django.test.utils import teardown_databases
from pytest_django.plugin import DjangoDbBlocker
from whitenoise.middleware import WhiteNoiseMiddleware

from apps.audit import triggers
from apps.ui import plenty
from portal.embedded_redis import EmbeddedRedis
from tests import databases, shares
from tests.exercised import Ledger
from tests.sandbox_fixtures import contract_watch, sandbox, sandbox_of_session

__all__ = ["contract_watch", "sandbox", "sandbox_of_session"]

CHROMIUM = os.environ.get("ORGDESK_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
NO_CHROMIUM = (
    "browser journeys: no Chromium here. Install one (Debian, Ubuntu: apt-get install chromium) or "
    "name one: ORGDESK_CHROMIUM=/path/to/chromium make test"
)
ON_SQLITE = (
    "This run used SQLite. On PostgreSQL: DATABASE_URL=postgres://user@host:5432/name make test"
)
# Whoever asks for none of these, nor carries the mark ``django_db``, is kept from the database by
# pytest-django, and is the same on each: a run on PostgreSQL leaves it to the one on SQLite. What such a
# test starts as processes has a database of its own (the demo) or none.
DATABASE_FIXTURES = {"db", "transactional_db", "live_server", "django_db_setup"}
_redis: EmbeddedRedis | None = None


class Announcer:
    """Says at once which test has failed and how: a run that never ends has no summary."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One line a failure, and the place it happened at."""
        if report.failed:
            terminal = self._config.pluginmanager.get_plugin("terminalreporter")
            crash = getattr(report.longrepr, "reprcrash", None)
            terminal.write_line(
                f"\n{report.nodeid} ({report.when}): {crash or report.longrepr}"[:2000]
            )


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of the test databases; start Redis where settings expect it."""
    global _redis
    # Playwright leaves a loop running in this thread, and Django's own storage then hands out a second
    # set of connections beside the first: what one of them holds, the other would wait for, for ever.
    connections._connections = threading.local()  # type: ignore[attr-defined]  # private: no other way
    if not hasattr(config, "workerinput"):  # of several processes the one that hears of every test
        config.pluginmanager.register(Ledger())
        config.pluginmanager.register(Announcer(config))
    project_settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    starts_workers = getattr(config.option, "numprocesses", None)
    if starts_workers:
        config.option.testrunuid = config.option.testrunuid or uuid.uuid4().hex
    if project_settings.TEST_REDIS_PORT and not starts_workers and not config.option.collectonly:
        _redis = EmbeddedRedis(project_settings.TEST_REDIS_PORT, "tests")
        _redis.start()
        os.environ["REDIS_URL"] = project_settings.REDIS_URL  # for what tests start


def pytest_unconfigure(config: pytest.Config) -> None:
    """End Redis with the tests, and take away what the outbox wrote down."""
    if _redis is not None:
        _redis.stop()
    if getattr(config.option, "numprocesses", None):
        databases.Aside(config.option.testrunuid).forget()
    marks = project_settings.OUTBOX_MARKS
    for path in marks.parent.glob(f"{marks.name}-*"):
        path.unlink()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run, and leave out what the database at hand is not meant for."""
    if CHROMIUM is None:
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason=NO_CHROMIUM))
    for item in items:
        fixtures = DATABASE_FIXTURES & {*getattr(item, "fixturenames", ())}
        if not fixtures and not item.get_closest_marker("django_db"):
            item.add_marker("databaseless")
    others = [item for item in items if _left_out(item)]
    if others:
        items[:] = [item for item in items if not _left_out(item)]
        config.hook.pytest_deselected(items=others)


def pytest_collection_finish() -> None:
    """What is imported and collected stays to the end: spare the garbage collector looking at it again."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _left_out(item: pytest.Item) -> bool:
    """Whether the database at hand is not meant for it.

    Of a table (``crossed``) SQLite runs every field and PostgreSQL a share (``shares.py``), so chosen that
    each row and each column has its part.
    """
    if project_settings.SQLITE:
        return item.get_closest_marker("postgresql") is not None
    if item.get_closest_marker("databaseless"):
        return True
    table = item.get_closest_marker("crossed")
    if table is None:
        return False
    offset = crc32(item.name.partition("[")[0].encode())
    name = item.nodeid.partition("[")[0]
    given = item.callspec.params  # type: ignore[attr-defined]  # a table has parameters
    place = sum(shares.number(name, one, given[one]) for one in table.args)
    return not shares.is_run(offset + place, **table.kwargs)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say at the end what did not run and how to get it, one line a reason."""
    if project_settings.SQLITE:
        terminalreporter.write_line(ON_SQLITE)
    reasons = [_reason(report) for report in terminalreporter.stats.get("skipped", [])]
    for reason in dict.fromkeys(reasons):
        terminalreporter.write_line(f"Not run ({reasons.count(reason)}): {reason}", yellow=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run on CI that skipped anything: there everything that tests need can be installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter is not None and reporter.stats.get("skipped")
    if skipped and exitstatus == pytest.ExitCode.OK and os.environ.get("CI") == "true":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _reason(report: Any) -> str:
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return str(told).removeprefix("Skipped: ")


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest,
    django_test_environment: None,
    django_db_blocker: DjangoDbBlocker,
    django_db_modify_db_settings: None,
) -> Iterator[None]:
    """This process's test database, in place of pytest-django's: one of several is migrated."""
    run = getattr(request.config, "workerinput", {}).get("testrunuid")
    with django_db_blocker.unblock():
        made = databases.Aside(run).make_own() if run else databases.make_own()
    yield
    with django_db_blocker.unblock():
        teardown_databases(made, verbosity=0)


@pytest.fixture(scope="session", autouse=True)
def _no_way_out() -> Iterator[None]:
    """Refuse every connection that would leave this machine."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def check(self: socket.socket, address: Any) -> None:
        if self.family == socket.AF_UNIX or address[0] == "localhost":
            return
        try:
            loopback = ipaddress.ip_address(address[0]).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            raise RuntimeError(
                f"A test wanted to connect to {address[0]}: only loopback is allowed"
            )

    def guarded_connect(self: socket.socket, address: Any) -> None:
        check(self, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        check(self, address)
        return connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        yield


@pytest.fixture(scope="session", autouse=True)
def _static_files_are_looked_for_once() -> Iterator[None]:
    """Every test client makes the middleware anew, which looks for all static files: half of a page's time."""
    look = WhiteNoiseMiddleware.add_files_from_finders
    found: dict[str, Any] = {}

    def look_once(self: WhiteNoiseMiddleware) -> None:
        if not found:
            look(self)
            found.update(self.files)
        self.files.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", look_once)
        yield


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Have Playwright drive the Chromium found here, quiet and, for root, without its sandbox."""
    quiet = [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    if os.geteuid() == 0:
        quiet.append("--no-sandbox")
    # Playwright keeps a loop running in this thread, which Django takes for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": quiet}


@pytest.fixture(autouse=True)
def own_cache(request: pytest.FixtureRequest) -> None:
    """Give each test an empty cache of its own, so that counted sign-ins of one do not stop the next.

    Tests marked ``worker`` share a cache with another process: they keep the one of the settings.
    """
    plenty.forget()
    if request.node.get_closest_marker("worker"):
        return
    settings = request.getfixturevalue("settings")
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": request.node.nodeid,
        }
    }
    cache.clear()


@pytest.fixture(scope="session")
def _redis_client() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(project_settings.REDIS_URL) as client:
        yield client


@pytest.fixture(autouse=True)
def _unspent_budgets(_redis_client: redis.Redis) -> None:
    """Forget the requests and pauses of earlier tests: some share a remote organization."""
    with contextlib.suppress(redis.ConnectionError):  # a run that collects only
        if keys := list(_redis_client.scan_iter("orgdesk:budget:*", count=1000)):
            _redis_client.delete(*keys)


@pytest.fixture(autouse=True)
def _reads_come_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of reads fail here on purpose; the pause between two tries is for providers."""
    monkeypatch.setattr("apps.providers.http.READ_WAIT", 0.005)


# What migrations have written; no test changes it.
WRITTEN_ONCE = {"django_content_type", "auth_permission", "django_site"}


@pytest.fixture(scope="session", autouse=True)
def _rows_are_deleted_after_a_transactional_test() -> Iterator[None]:
    """Delete what is there, in place of Django's flush; of the audit log too, without its triggers.

    Truncating a hundred tables of which five have rows, and making permissions anew, takes PostgreSQL
    seconds, hundreds of times.
    """

    def empty(self: Any) -> None:
        for name in self._databases_names(include_mirrors=False):
            _empty(connections[name])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty)
        yield


def _empty(connection: BaseDatabaseWrapper) -> None:
    filled = _filled(connection)
    if triggers.TABLE not in filled:
        _delete_rows(connection, filled)
        return
    triggers.remove(connection)
    try:
        _delete_rows(connection, filled)
    finally:
        triggers.install(connection)


def _filled(connection: BaseDatabaseWrapper) -> list[str]:
    """The tables that have rows."""
    looks = [
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {connection.ops.quote_name(name)})"  # noqa: S608  # names of our own models
        for name in _tables(connection.alias)
    ]
    found: list[str] = []
    with connection.cursor() as cursor:
        for start in range(0, len(looks), 100):  # SQLite takes no more at once
            cursor.execute(" UNION ALL ".join(looks[start : start + 100]))
            found += [name for (name,) in cursor.fetchall()]
    return found


@functools.cache
def _tables(alias: str) -> list[str]:
    names = connections[alias].introspection.django_table_names(
        only_existing=True, include_views=False
    )
    return sorted({*names} - WRITTEN_ONCE)


def _delete_rows(connection: BaseDatabaseWrapper, tables: list[str]) -> None:
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for name in tables:
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(name)}")  # noqa: S608  # likewise
