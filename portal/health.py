"""Whether the portal lives (``/healthz``) and may be sent requests (``/readyz``), for load balancers.

Both are answered before anything else looks at the request: by whatever name the portal is asked, with
no session, no redirect and no line in the log. What fails is named in fixed words; what a server said
of it stands in the log alone.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from time import monotonic

import redis
import structlog
from django.apps import apps
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connection, connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.organizations.credentials import versions_in_use
from apps.organizations.sealing import keyring
from portal import migrated

log = structlog.get_logger(__name__)
PATIENCE = 2.0  # seconds, of everybody who asks, whatever hangs
OK, SILENT, UNSEEN = "ok", "does not answer", "not looked at"
# What only a new release, and so a new process, can change: looked at until it is as it should be.
_seen_right: set[str] = set()


class Look:
    """One look at a time, in a thread of its own; who asks meanwhile gets the same answer.

    A server that is away may hold a connection for minutes: then its thread waits, and nobody else does.
    """

    def __init__(self, name: str, look: Callable[[], dict[str, str]]) -> None:
        self._name, self._look = name, look
        self._lock = threading.Lock()
        self._answer: Future[dict[str, str]] | None = None

    def begin(self) -> Future[dict[str, str]]:
        """The answer that is being looked for."""
        with self._lock:
            if self._answer is None or self._answer.done():
                self._answer = Future()
                # No pool's thread: a process that ends would wait for it.
                threading.Thread(target=self._run, args=[self._answer], daemon=True).start()
            return self._answer

    def _run(self, answer: Future[dict[str, str]]) -> None:
        try:
            answer.set_result(self._look())
        except (Error, redis.RedisError, OSError) as error:
            log.warning("not_ready", part=self._name, error=str(error))
            answer.set_result({self._name: SILENT})
        except BaseException as error:  # noqa: BLE001 - whoever waits is told in place of this thread
            answer.set_exception(error)
        finally:
            connections[DEFAULT_DB_ALIAS].close()


def _look_at_database() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    found = {"database": OK, **dict.fromkeys(OF_THE_DATABASE, UNSEEN)}
    for name, look in OF_THE_DATABASE.items():
        wrong = "" if name in _seen_right else look()
        found[name] = wrong or OK
        if wrong:
            log.warning("not_ready", part=name, error=wrong)
            return found  # without its tables nothing more can be asked of it
        _seen_right.add(name)
    return found


def _migrations() -> str:
    missing = len(migrated.brought() - migrated.applied())
    return f"{missing} are not applied: run manage.py migrate" if missing else ""


def _schema() -> str:
    ours = {config.label for config in apps.get_app_configs()}
    if any(label in ours for label, _ in migrated.applied() - migrated.brought()):
        return "the database is of a later release than this process"
    there = set(connection.introspection.table_names())
    wanted = {
        model._meta.db_table for model in apps.get_models() if model._meta.managed
    }  # those of proxies too, which are others' own
    missing = len(wanted - there)
    return f"{missing} tables are missing" if missing else ""


def _keyring() -> str:
    """By the versions alone: opening something would bring the ciphers into every web process."""
    lacking = sorted(versions_in_use() - set(keyring().keys))
    if not lacking or settings.CREDENTIAL_KEYS_LOST:
        return ""
    return f"CREDENTIAL_KEYS lacks key {lacking[0]}"


def _look_at_redis() -> dict[str, str]:
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE
    ) as client:
        client.ping()
    return {"redis": OK}


OF_THE_DATABASE: dict[str, Callable[[], str]] = {
    "migrations": _migrations,
    "schema": _schema,
    "keyring": _keyring,
}
LOOKS = {
    "database": Look("database", _look_at_database),
    "redis": Look("redis", _look_at_redis),
}


def condition() -> dict[str, str]:
    """Each part in plain words, "ok" where nothing is wrong; after PATIENCE at the latest."""
    ends_at = monotonic() + PATIENCE
    begun = {name: look.begin() for name, look in LOOKS.items()}
    found: dict[str, str] = {}
    for name, answer in begun.items():
        try:
            found |= answer.result(max(0.0, ends_at - monotonic()))
        except NotYet:
            log.warning("not_ready", part=name, error="no answer in time")
            found[name] = SILENT
    return found


@require_safe
@never_cache
def alive(request: HttpRequest) -> HttpResponse:
    """Say that this process answers. Touches nothing."""
    return JsonResponse({"alive": True})


@require_safe
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """Say whether requests can be served, and what is missing: 200, else 503."""
    parts = condition()
    is_ready = all(word == OK for word in parts.values())
    return JsonResponse({"ready": is_ready, **parts}, status=200 if is_ready else 503)
