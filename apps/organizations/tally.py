"""Counts of what has happened, over all processes and machines, in Redis: the totals of ``/metrics``.

A courtesy: while Redis is away counts are lost, and nothing else. Labels come from closed sets (a
provider, a state, the name of an error): never an address, a name or a key.
"""

from functools import lru_cache
from typing import Any

import redis
from django.conf import settings

KEY = "orgdesk:tally"
BETWEEN = "|"


@lru_cache(maxsize=4)
def _client(url: str) -> Any:
    return redis.Redis.from_url(url, socket_connect_timeout=0.5, socket_timeout=1.0)


def count(what: str, *labels: str) -> None:
    """One more of ``what``."""
    try:
        _client(settings.REDIS_URL).hincrby(KEY, BETWEEN.join((what, *labels)), 1)
    except redis.RedisError:
        return


def read() -> dict[tuple[str, ...], int]:
    """Everything that was counted: (what, *labels) → how often. RedisError where it cannot be read."""
    counted = _client(settings.REDIS_URL).hgetall(KEY)
    return {tuple(name.decode().split(BETWEEN)): int(n) for name, n in counted.items()}
