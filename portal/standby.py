"""The cache, which outlives Redis: while that is away, each process keeps its own in memory.

What stands in the cache is a convenience (how far a verification is) or a limit (on sign-ins). Without
Redis the one is forgotten between processes and the other holds for each process alone: both are
better than an error page in place of the sign-in.
"""

from collections.abc import Callable
from typing import Any

import redis
import structlog
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache

log = structlog.get_logger(__name__)


class StandbyCache(RedisCache):
    """Redis, or this process's memory as long as Redis cannot be reached."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._standby = LocMemCache("standby", {**params, "OPTIONS": {}})


def _either(name: str) -> Callable[..., Any]:
    def answer(self: StandbyCache, *args: Any, **kwargs: Any) -> Any:
        try:
            return getattr(RedisCache, name)(self, *args, **kwargs)
        except redis.RedisError as error:
            log.warning("cache_on_standby", error=str(error))
            return getattr(self._standby, name)(*args, **kwargs)

    return answer


for _name in (
    "add",
    "clear",
    "delete",
    "delete_many",
    "get",
    "get_many",
    "has_key",
    "incr",
    "set",
    "set_many",
    "touch",
):
    setattr(StandbyCache, _name, _either(_name))
