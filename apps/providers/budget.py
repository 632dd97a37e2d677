"""Our share of a remote organization's rate limit, counted by all processes together in Redis.

A sliding window rather than a refilling bucket: a bucket may let twice the limit through in one
minute, which the providers answer with 429. Why not a library: docs/decisions/rate-budget.md.
"""

import functools
import random
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import redis
from django.utils.translation import gettext as _

from apps.providers.errors import BudgetSpent

# A second more than the provider's minute: requests counted here 60 s apart may arrive closer together.
WINDOW = 61.0
PAUSE_UNSAID = 15.0  # seconds, after a 429 that does not say how long: "tens of seconds"
WITHOUT_REDIS = 5.0  # seconds until the next look when the counter cannot be reached

# KEYS: everything sent, reads sent, pause. ARGV: window (ms), limit, limit of reads, 1 for a write,
# a unique name. Returns 0 when counted, else the milliseconds until there may be room.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local paused = redis.call('PTTL', KEYS[3])
if paused > 0 then return paused end
local function room(key, limit)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - ARGV[1])
  local used = redis.call('ZCARD', key)
  if used < tonumber(limit) then return 0 end
  local oldest = redis.call('ZRANGE', key, used - limit, used - limit, 'WITHSCORES')
  return math.max(1, tonumber(oldest[2]) + ARGV[1] - now)
end
local wait = room(KEYS[1], ARGV[2])
if ARGV[4] == '0' then wait = math.max(wait, room(KEYS[2], ARGV[3])) end
if wait > 0 then return wait end
redis.call('ZADD', KEYS[1], now, ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
if ARGV[4] == '0' then
  redis.call('ZADD', KEYS[2], now, ARGV[5])
  redis.call('PEXPIRE', KEYS[2], ARGV[1])
end
return 0
"""

# KEYS as above. ARGV: window (ms), limit, limit of reads, 1 for a write. Returns how many requests
# there is room for now, and the milliseconds until there may be room for one. Counts nothing.
_LOOK = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local paused = redis.call('PTTL', KEYS[3])
if paused > 0 then return {0, paused} end
local function room(key, limit)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - ARGV[1])
  local used = redis.call('ZCARD', key)
  if used < tonumber(limit) then return limit - used, 0 end
  local oldest = redis.call('ZRANGE', key, used - limit, used - limit, 'WITHSCORES')
  return 0, math.max(1, tonumber(oldest[2]) + ARGV[1] - now)
end
local left, wait = room(KEYS[1], ARGV[2])
if ARGV[4] == '0' then
  local of_reads, longer = room(KEYS[2], ARGV[3])
  left, wait = math.min(left, of_reads), math.max(wait, longer)
end
return {left, wait}
"""

# KEYS: pause. ARGV: milliseconds. The longer pause wins.
_PAUSE = """
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
end
return 0
"""


class _Script(Protocol):
    def __call__(self, keys: list[str], args: list[int | str]) -> int: ...


class _Look(Protocol):
    def __call__(self, keys: list[str], args: list[int | str], client: Any = None) -> list[int]: ...


@dataclass(frozen=True, slots=True)
class Room:
    """How many requests may go at once now, and the seconds until there may be room for one."""

    requests: int
    wait: float


@functools.lru_cache(maxsize=8)
def _client_of(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=2.0, socket_connect_timeout=2.0)


class RateBudget:
    """At most ``per_minute`` requests in any minute for ``key``, a third of them kept for writes.

    ``where`` is a Redis URL or client; ``key`` names whom the provider counts. If Redis cannot be
    reached nothing passes: a limit that nobody counts is no limit, and without Redis there is no
    queue either.
    """

    def __init__(
        self, where: "str | redis.Redis", key: str, per_minute: int, *, window: float = WINDOW
    ) -> None:
        client = _client_of(where) if isinstance(where, str) else where
        # One hash tag, so that a Redis cluster keeps the three together.
        prefix = f"orgdesk:budget:{{{key}}}"
        self._keys = [f"{prefix}:all", f"{prefix}:reads", f"{prefix}:pause"]
        self._limit = max(1, per_minute)
        self._read_limit = max(1, self._limit - max(1, self._limit // 3))
        self._window = int(window * 1000)
        self._take = cast("_Script", client.register_script(_TAKE))
        self._look = cast("_Look", client.register_script(_LOOK))
        self._pause = cast("_Script", client.register_script(_PAUSE))

    def take(self, *, write: bool, wait: float) -> None:
        """Count one request, waiting up to ``wait`` seconds for room. BudgetSpent if there is none."""
        give_up = time.monotonic() + wait
        while True:
            seconds = self._try(write)
            if seconds == 0:
                return
            if time.monotonic() + seconds > give_up:
                raise BudgetSpent(
                    _("Our share of the provider's rate limit is used up for now."),
                    retry_after=seconds,
                )
            time.sleep(seconds + random.uniform(0.0, 0.02))  # noqa: S311 spreads those who wait, no secret

    def room(self, *, write: bool) -> Room:
        """What ``take`` would meet now. Takes nothing, so that somebody else may be faster."""
        try:
            requests, wait = self._look_at(write)
        except redis.RedisError:
            return Room(0, WITHOUT_REDIS)
        return Room(int(requests), int(wait) / 1000)

    def _look_at(self, write: bool, client: Any = None) -> list[int]:
        args: list[int | str] = [self._window, self._limit, self._read_limit, int(write)]
        return self._look(keys=self._keys, args=args, client=client)

    def penalise(self, seconds: float | None) -> None:
        """After a 429: let nobody send for ``seconds`` (None: the provider did not say)."""
        pause = PAUSE_UNSAID if seconds is None else seconds
        if pause <= 0:
            return
        try:
            self._pause(keys=self._keys[2:], args=[max(1, int(pause * 1000))])
        except redis.RedisError:
            return  # then ``take`` lets nobody through either

    def _try(self, write: bool) -> float:
        """Seconds until there may be room; 0 if the request was counted."""
        args: list[int | str] = [
            self._window,
            self._limit,
            self._read_limit,
            int(write),
            secrets.token_hex(8),
        ]
        try:
            return int(self._take(keys=self._keys, args=args)) / 1000
        except redis.RedisError as error:
            raise BudgetSpent(
                _("The rate budget cannot be read, so nothing is sent."), retry_after=WITHOUT_REDIS
            ) from error


def rooms(where: str, budgets: Sequence[RateBudget]) -> list[Room]:
    """What a write of each would meet now, in one request. RedisError where Redis (a URL) is away."""
    if not budgets:
        return []
    with _client_of(where).pipeline(transaction=False) as together:
        for budget in budgets:
            budget._look_at(write=True, client=together)
        return [Room(int(requests), int(wait) / 1000) for requests, wait in together.execute()]
