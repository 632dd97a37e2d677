"""Reports of tokens and money, as a provider's buckets of time have them.

A null among a row's dimensions may mean "not grouped by this", "the default workspace" or "no key":
only the query tells which, so it is kept with the rows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, overload

import msgspec

from apps.providers.records import Record, Unreadable


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """What is asked of the usage report. Times are aware; ``ending_at`` is exclusive, None is now.

    ``width``: "1d", "1h" or "1m"; ``starting_at`` is snapped down to it in UTC. ``group_by``: names of
    ``UsageRow``'s dimensions. The others filter. ``buckets``: a page's, None for the most there are
    (31 days, 168 hours, 1,440 minutes).
    """

    starting_at: datetime
    ending_at: datetime | None = None
    width: str = "1d"
    group_by: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    workspace_ids: tuple[str, ...] = ()
    api_key_ids: tuple[str, ...] = ()
    account_ids: tuple[str, ...] = ()
    service_account_ids: tuple[str, ...] = ()
    service_tiers: tuple[str, ...] = ()
    context_windows: tuple[str, ...] = ()
    inference_geos: tuple[str, ...] = ()
    speeds: tuple[str, ...] = ()
    buckets: int | None = None


@dataclass(frozen=True, slots=True)
class CostQuery:
    """What is asked of the cost report: days from ``starting_at``; ``ending_at`` is exclusive.

    Without an end the day that is not over is left out, so a start within it is refused.
    ``group_by``: "workspace_id", "description" (which fills the other columns too).
    """

    starting_at: datetime
    ending_at: datetime | None = None
    group_by: tuple[str, ...] = ()
    buckets: int | None = None


class UsageRow(msgspec.Struct, gc=False):
    """Tokens and searches of one combination of the dimensions that were grouped by."""

    uncached_input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    web_searches: int
    api_key_id: str | None = None
    workspace_id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    context_window: str | None = None
    inference_geo: str | None = None
    account_id: str | None = None
    service_account_id: str | None = None
    speed: str | None = None
    missing: tuple[str, ...] = ()
    # Of providers that say less, or more: input of which nobody says how much the cache served; requests;
    # what was called; dollars charged and at list price; what else tells it from others of its bucket.
    unsplit_input: int = 0
    requests: int | None = None
    operation: str | None = None
    charged: Decimal | None = None
    listed: Decimal | None = None
    part: str = ""


class UsageRows(Sequence[UsageRow]):
    """A bucket's rows, each made when somebody looks at it: of a million that are added up nobody looks at
    one."""

    def __init__(
        self, told: Sequence[Any], paths: Mapping[str, str], make: Callable[[Any], UsageRow]
    ) -> None:
        """``told``: rows as the provider's contract has them; ``paths``: where they have a field of UsageRow,
        if not under its name."""
        self._told, self._paths, self._make = told, paths, make

    def __len__(self) -> int:
        return len(self._told)

    @overload
    def __getitem__(self, at: int) -> UsageRow: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[UsageRow]: ...
    def __getitem__(self, at: int | slice) -> UsageRow | Sequence[UsageRow]:
        if isinstance(at, slice):
            return tuple(map(self._make, self._told[at]))
        return self._make(self._told[at])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def read(self, *names: str) -> Iterator[Any]:
        """Some fields of each row: the value of one, a tuple of several."""
        return map(attrgetter(*(self._paths.get(name, name) for name in names)), self._told)


def fields_of(rows: Sequence[UsageRow], *names: str) -> Iterator[Any]:
    """Some fields of each row: the value of one, a tuple of several."""
    return rows.read(*names) if isinstance(rows, UsageRows) else map(attrgetter(*names), rows)


class CostRow(msgspec.Struct, gc=False):
    """An amount in the currency's own unit (dollars), exact; it may be negative."""

    amount: Decimal
    currency: str
    workspace_id: str | None = None
    description: str | None = None
    cost_type: str | None = None  # "tokens", "web_search", "code_execution", "session_usage"
    model: str | None = None
    service_tier: str | None = None
    context_window: str | None = None
    inference_geo: str | None = None
    token_type: str | None = None
    missing: tuple[str, ...] = ()


class UsageBucket(Record, frozen=True, gc=False):
    """An interval, its end exclusive, and what happened in it. ``remote_id`` is its start as written.

    ``whole``: all its rows are here; else other pages may have more of them, and a row that comes again
    is the same one."""

    starts_at: datetime
    ends_at: datetime | None
    rows: Sequence[UsageRow]
    unreadable: tuple[Unreadable, ...] = ()
    missing: tuple[str, ...] = ()
    whole: bool = True


class CostBucket(Record, frozen=True, gc=False):
    """A UTC day and what it cost. ``remote_id`` is its start as written."""

    starts_at: datetime
    ends_at: datetime | None
    rows: tuple[CostRow, ...]
    unreadable: tuple[Unreadable, ...] = ()
    missing: tuple[str, ...] = ()


class ToolActions(msgspec.Struct, frozen=True, gc=False):
    """How many of a tool's proposals were taken and refused."""

    tool: str
    accepted: int
    rejected: int


class ModelUsage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one model, and an estimate (never what is billed) of their cost in dollars, exact."""

    model: str
    uncached_input: int
    cache_read: int
    cache_write: int
    output: int
    estimated_cost: Decimal
    currency: str


class CodingDayRecord(Record, frozen=True, gc=False):
    """What one actor did in Claude Code on one UTC day, from one kind of terminal.

    ``email`` names a person, ``key_name`` (no id) a key; ``remote_id`` is made of them, the day, the
    terminal and the kind of customer.
    """

    day: date
    email: str
    key_name: str
    customer_type: str  # "api", "subscription"
    subscription_type: str
    terminal: str
    sessions: int
    lines_added: int
    lines_removed: int
    commits: int
    pull_requests: int
    models: tuple[ModelUsage, ...]
    tools: tuple[ToolActions, ...]
    raw: bytes
    missing: tuple[str, ...] = ()
