"""Whether the portal lives and is ready, for load balancers: no details to strangers, those go to the log."""

from collections.abc import Callable

import redis
import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

log = structlog.get_logger(__name__)
REDIS_SECONDS = 2.0
# Pending migrations are looked for until there are none: only a new release, a new process, brings more.
_migrated = False


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone())


def _migrations() -> bool:
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _migrated


def _redis() -> bool:
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=REDIS_SECONDS, socket_timeout=REDIS_SECONDS
    ) as client:
        return bool(client.ping())


@require_safe
@never_cache
def live(request: HttpRequest) -> JsonResponse:
    """Say that this process answers."""
    return JsonResponse({"live": True})


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Say whether requests can be served: 200, else 503. Which part is missing stands in the log."""
    database, broker = _works("database", _database), _works("redis", _redis)
    # A database that is away would be waited for once more.
    ready = database and _works("migrations", _migrations) and broker
    return JsonResponse({"ready": ready}, status=200 if ready else 503)


def _works(name: str, part: Callable[[], bool]) -> bool:
    try:
        works = part()
    except (DatabaseError, redis.RedisError, OSError) as error:
        log.warning("not_ready", part=name, error=str(error))
        return False
    if not works:
        log.warning("not_ready", part=name)
    return works
