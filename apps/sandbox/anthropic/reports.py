"""What the reports share: their window of time, its buckets, pages of them, filters and grouping."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NoBase64
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import blake2b
from operator import itemgetter
from typing import Any, NamedTuple

from ..app import Answer, Call
from ..world import DAY, Organization, seconds_stamp
from .console import Console, invalid, limit_in
from .traffic import Dimensions, Traffic

DELAY = 300  # seconds until a request shows in usage and cost
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_EMPTY = "Invalid date range: ending date must be after starting date"


class Width(NamedTuple):
    seconds: int
    usual: int  # buckets a page
    most: int


WIDTHS = {"1d": Width(DAY, 7, 31), "1h": Width(3600, 24, 168), "1m": Width(60, 60, 1440)}


class Bucket(NamedTuple):
    """An interval of time, and the part of it that has happened: minutes of a UTC day."""

    start: int
    end: int
    day: int
    begins: int
    ends: int


def moment_in(call: Call, name: str) -> float | None:
    text = call.query.get(name)
    if text is None:
        return None
    if not _MOMENT.fullmatch(text):
        raise invalid(f"{name}: must be an RFC 3339 timestamp with a time zone")
    try:
        # Python reads six digits of a fraction; no bucket is that small.
        found = datetime.fromisoformat(re.sub(r"\.\d+", "", text.upper())).timestamp()
    except (ValueError, OverflowError):
        raise invalid(f"{name}: is no time of the calendar") from None
    if not 0 <= found < 32_503_680_000:  # the year 3000
        raise invalid(f"{name}: is out of range")
    return found


def choices_in(call: Call, name: str, known: Sequence[str]) -> list[str]:
    """The values of a repeated parameter that has an enumeration."""
    values = call.values(name)
    if unknown := [one for one in values if one not in known]:
        raise invalid(f"{name}: {unknown[0]!r} is not one of {', '.join(known)}")
    return list(dict.fromkeys(values))


class Window(NamedTuple):
    """The buckets that a call asks for, in its order of pages."""

    width: Width
    start: int
    end: int  # of the last bucket
    limit: int

    def page(self, call: Call, now: float) -> tuple[list[Bucket], str | None]:
        """The buckets of the page asked for, and the cursor of the next one."""
        seconds, first = self.width.seconds, self._first(call)
        first = max(self.start, first - call.overlap * seconds)
        last = min(self.end, first + self.limit * seconds)
        done = now - DELAY
        buckets = []
        for start in range(first, last, seconds):
            day = start // DAY
            begins, ends = (start - day * DAY) // 60, (start + seconds - day * DAY) // 60
            past = max(0, int(done - day * DAY) // 60)
            buckets.append(Bucket(start, start + seconds, day, begins, min(ends, past)))
        return buckets, cursor_at(call, seconds_stamp(last)) if last < self.end else None

    def _first(self, call: Call) -> int:
        page = call.query.get("page")
        if not page:
            return self.start
        try:
            start = int(datetime.fromisoformat(place_of(call, page)).timestamp())
        except ValueError:
            raise invalid("page: no such page") from None
        if not self.start <= start <= self.end:
            raise invalid("page: no such page")
        return start


def window_of(call: Call, widths: dict[str, Width], *, whole_days: bool = False) -> Window:
    """``whole_days``: without an end, the day that is not over is left out."""
    name = call.query.get("bucket_width", "1d")
    if name not in widths:
        raise invalid(f"bucket_width: must be one of {', '.join(widths)}")
    width = widths[name]
    limit = limit_in(call, width.usual, width.most)
    starting, ending = moment_in(call, "starting_at"), moment_in(call, "ending_at")
    if starting is None:
        raise invalid("starting_at: field required")
    start = int(starting) // width.seconds * width.seconds
    current = int(call.now) // width.seconds * width.seconds
    implied = current if whole_days else current + width.seconds
    if (ending if ending is not None else implied) <= start:
        raise invalid(_EMPTY)
    latest = current + width.seconds
    end = latest if ending is not None else implied
    if ending is not None:
        end = min(latest, int(ending) // width.seconds * width.seconds)
    return Window(width, start, max(start, end), limit)


def _query_mark(call: Call) -> str:
    """A mark of the query that a cursor belongs to; the page's own size may change."""
    pairs = [one for one in call.request.query.split("&") if not re.match(r"(page|limit)=", one)]
    return blake2b("&".join(sorted(pairs)).encode(), digest_size=4).hexdigest()


def cursor_at(call: Call, place: str) -> str:
    text = f"{place} {_query_mark(call)}"
    return "page_" + urlsafe_b64encode(text.encode()).decode()


def place_of(call: Call, page: str) -> str:
    """Where a cursor leads; refused for one that another query made."""
    try:
        text = urlsafe_b64decode(page.removeprefix("page_").encode()).decode()
    except (NoBase64, ValueError):
        raise invalid("page: no such page") from None
    place, _, mark = text.rpartition(" ")
    if not page.startswith("page_") or mark != _query_mark(call):
        raise invalid("page: does not belong to this query")
    return place


def key_by(places: Sequence[int]) -> Callable[[Dimensions], Dimensions]:
    """What of the dimensions tells one row from another."""
    if len(places) == 1:
        (only,) = places
        return lambda dimensions: (dimensions[only],)
    return itemgetter(*places) if places else lambda _dimensions: ()


def in_order(rows: dict[Dimensions, Any]) -> list[tuple[Dimensions, Any]]:
    """Rows by their key, null first."""
    return sorted(rows.items(), key=lambda pair: tuple(one or "" for one in pair[0]))


def envelope(
    buckets: list[Bucket], rows_of: Callable[[Bucket], list[Any]], next_page: str | None
) -> Answer:
    """The page of a report. Its rows may take seconds, so they are made when nobody waits for that."""

    def payload() -> dict[str, Any]:
        data = [
            {
                "starting_at": seconds_stamp(bucket.start),
                "ending_at": seconds_stamp(bucket.end),
                "results": rows_of(bucket),
            }
            for bucket in buckets
        ]
        return {"data": data, "has_more": next_page is not None, "next_page": next_page}

    return Answer(later=payload)


class Reports(Console):
    """Keeps the traffic of each organization at hand."""

    def __init__(self, *limits: int) -> None:
        super().__init__(*limits)
        self._traffic: dict[str, Traffic] = {}

    def traffic(self, call: Call) -> Traffic:
        organization = self.organization(call)
        known = self._traffic.get(organization.id)
        if known is None or known.organization is not organization:
            known = self._made(call, organization)
        return known

    def _made(self, call: Call, organization: Organization) -> Traffic:
        made = Traffic(organization, call.state.seed, call.state.world.epoch)
        self._traffic[organization.id] = made
        return made
