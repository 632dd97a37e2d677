"""How many requests the API answers: to each caller and to each organization, over all processes; and how
many tokens that do not work each address may show.

Windows of a minute, counted in the cache that all processes share. What is left stands in the headers of
every answer, as the IETF's draft has them (draft-ietf-httpapi-ratelimit-headers):

    RateLimit-Policy: "caller";q=600;w=60, "organization";q=3000;w=60
    RateLimit: "caller";r=599;t=42, "organization";r=2871;t=42
"""

import time
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from rest_framework import exceptions
from rest_framework.request import Request

WINDOW = 60  # seconds
FAILED = "failed-tokens"


class TooMany(exceptions.Throttled):
    """429: a window's requests are spent. ``wait`` is in whole seconds, and goes into Retry-After."""

    def __init__(self, policy: str, wait: int) -> None:
        super().__init__(wait=wait)
        seconds = ngettext("%(n)d second", "%(n)d seconds", wait) % {"n": wait}
        self.detail = exceptions.ErrorDetail(
            {
                "caller": _("You have asked too often. Ask again in %(seconds)s."),
                "organization": _(
                    "All callers of this organization together have asked too often. "
                    "Ask again in %(seconds)s."
                ),
                FAILED: _(
                    "Your address has shown too many tokens that do not work. Ask again in %(seconds)s."
                ),
            }[policy]
            % {"seconds": seconds},
            self.default_code,
        )
        self.more = {
            "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
            "violated-policies": [policy],
        }


@dataclass(frozen=True, slots=True)
class Window:
    """What is left of one policy: ``quota`` requests a minute, ``left`` of them, anew in ``seconds``."""

    policy: str
    quota: int
    left: int
    seconds: int


@dataclass(slots=True)
class Meter:
    """The windows that one request has been counted in."""

    windows: list[Window] = field(default_factory=list)

    def count(self, policy: str, who: Any) -> None:
        """Count one request of ``who``; TooMany where there was none left. A quota of 0 counts nothing."""
        quota = settings.API_REQUESTS_A_MINUTE[policy]
        if not quota:
            return
        key, seconds = _window(policy, who)
        cache.add(key, 0, WINDOW * 2)
        try:
            used = cache.incr(key)
        except ValueError:  # the cache lost it, or is away: nobody is stopped for that
            used = 1
        self.windows.append(Window(policy, quota, max(0, quota - used), seconds))
        if used > quota:
            raise TooMany(policy, seconds)

    def must_have_left(self, policy: str, who: Any) -> None:
        """TooMany where no request of ``who`` is left, without counting one."""
        quota = settings.API_REQUESTS_A_MINUTE[policy]
        key, seconds = _window(policy, who)
        if quota and cache.get(key, 0) >= quota:
            self.windows.append(Window(policy, quota, 0, seconds))
            raise TooMany(policy, seconds)

    def headers(self) -> dict[str, str]:
        """What an answer says of them; nothing where nothing was counted."""
        if not self.windows:
            return {}
        return {
            "RateLimit-Policy": ", ".join(
                f'"{one.policy}";q={one.quota};w={WINDOW}' for one in self.windows
            ),
            "RateLimit": ", ".join(
                f'"{one.policy}";r={one.left};t={one.seconds}' for one in self.windows
            ),
        }


def _window(policy: str, who: Any) -> tuple[str, int]:
    """Where the requests of this minute are counted, and how many seconds it has left."""
    now = time.time()
    return f"api-limit:{policy}:{who}:{int(now // WINDOW)}", WINDOW - int(now % WINDOW)


def meter_of(request: Request) -> Meter:
    """That of the view that ``request`` is on its way to."""
    view = (request.parser_context or {}).get("view")
    found: Meter = getattr(view, "meter", None) or Meter()
    return found
