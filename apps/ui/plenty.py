"""Counts that end at their cap: what had more rows than that is not counted again for a minute.

Reading ten thousand rows to say "10,000+" is a quarter of a page's time, and says the same each time. A count
within its cap is always made anew. Each process remembers for itself.
"""

import time
from collections.abc import Callable, Hashable

SECONDS = 60.0
MOST = 1_000  # counts that are remembered

# When each is forgotten, the oldest first.
_until: dict[Hashable, float] = {}


def counted(what: Hashable, cap: int, count: Callable[[], int]) -> int:
    """``count()``, or ``cap`` + 1 where ``what`` had more than ``cap`` a moment ago."""
    now = time.monotonic()
    if _until.get(what, 0.0) > now:
        return cap + 1
    number = count()
    _until.pop(what, None)
    if number > cap:
        for oldest in list(_until)[
            : max(0, len(_until) - MOST + 1)
        ]:  # a copy: other threads write too
            _until.pop(oldest, None)
        _until[what] = now + SECONDS
    return number


def forget() -> None:
    """Count everything again."""
    _until.clear()
