"""What rows are told apart by: the columns of a Dimension, what an absent value means, the grains.

A null in a provider's report means one of several things; each has a mark of its own here, so that a
sum never mixes them up. A provider's own value never equals a mark (``value_of``).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from operator import itemgetter

# The provider was not asked to group by this (or refused to, or cannot for this report).
NOT_ASKED = "?"
# The provider was asked and says there is none: the default workspace, no key (console), no person.
NONE = "-"
# This provider knows nothing of the kind: a workspace at one that has none.
UNTOLD = ""
# Summed over all its values: columns that a rollup's grain leaves out.
ALL = "*"
MARKS = frozenset({NOT_ASKED, NONE, UNTOLD, ALL})

LONGEST = 200
COLUMNS = (
    "workspace",  # the provider's id; NONE: the default workspace
    "key",  # the provider's id of an API key; NONE: used without one
    "account",  # remote id of a membership (members.Member.remote_id); NONE: no person
    "service_account",  # the provider's id; NONE: none
    "model",  # as the provider spells it; NONE: no model (code execution, say)
    "service_tier",  # "standard", "batch", "priority" …
    "context_window",  # "0-200k", "200k-1M"
    "geo",  # where inference ran: "global", "us", "not_available"
    "speed",  # "standard", "fast"
    "operation",  # what was called: "chat_completion", "web_search"
    "cost_type",  # "tokens", "web_search", "code_execution", "session_usage"
    "token_type",  # a name of ``TOKENS`` below, else as the provider spells it
    "description",  # the provider's line item
    "currency",  # "USD"; tokens have that of the connection's costs
)
Tuple = tuple[str, ...]  # values of COLUMNS, in their order
# What tokens are not told apart by: asked for, only money makes sense, and it is the billed one.
LINES = frozenset({"cost_type", "token_type", "description"})
# Widths of time that sums are grouped by.
TIMES = ("hour", "day", "week", "month")

# Counts that every fact and rollup has. Input is never counted twice: the first five sum up to it.
TOKENS = (
    "uncached_input",
    "cache_write_5m",
    "cache_write_1h",
    "cache_read",
    "unsplit_input",  # of which the provider does not say how much came from the cache
    "output",
)
COUNTS = (*TOKENS, "web_searches", "requests")
# Amounts that every rollup has, each in two integers (``money.py``).
MONEY = tuple(
    f"{kind}_{part}" for kind in ("billed", "shared", "listed") for part in ("micros", "femtos")
)


@dataclass(frozen=True, slots=True)
class Grain:
    """A set of columns that rollups are kept by; ``id`` is stored and never changes its meaning."""

    id: int
    name: str
    columns: frozenset[str]
    _pick: Callable[[Tuple], Tuple] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places = (at if name in self.columns else -1 for at, name in enumerate(COLUMNS))
        object.__setattr__(self, "_pick", itemgetter(*places))

    def project(self, row: Tuple) -> Tuple:
        """The tuple with every column that is not of this grain summed up. Currencies stay apart."""
        return self._pick((*row, ALL))


def _grain(number: int, name: str, *columns: str) -> Grain:
    return Grain(number, name, frozenset({*columns, "currency"}))


KEY_GRAIN, ACCOUNT_GRAIN = 4, 5
TOTAL = _grain(1, "total")
LOOKED_UP = (KEY_GRAIN, ACCOUNT_GRAIN)  # have an index of Rollup by dimension
FULL = _grain(0, "full", *COLUMNS)
# The cubes, smallest first: a read takes the first that has all the columns it needs.
CUBES = (
    TOTAL,
    _grain(2, "model", "model"),
    _grain(3, "workspace", "workspace"),
    _grain(9, "operation", "operation", "model"),
    _grain(8, "lines", "cost_type", "token_type", "model"),
    _grain(7, "terms", "model", "service_tier", "context_window", "geo", "speed"),
    _grain(KEY_GRAIN, "key", "workspace", "key"),
    _grain(ACCOUNT_GRAIN, "account", "account", "service_account"),
    _grain(6, "workspace and model", "workspace", "model"),
    # What a placing (groupings.Placing) is decided by, and what is mostly asked beneath it.
    _grain(10, "who", "workspace", "key", "account", "model"),
)
WHO = CUBES[-1]
GRAINS = (FULL, *CUBES)


def grain_for(columns: Iterable[str]) -> Grain:
    """The smallest grain that has these columns."""
    needed = frozenset(columns)
    return next((cube for cube in CUBES if needed <= cube.columns), FULL)


def value_of(given: str | None) -> str:
    """What a provider answered when asked to group by this: NONE for null. Never another mark."""
    if given is None or given == "":
        return NONE
    return f"{given} " if given in MARKS else given[:LONGEST]


def digest_of(row: Tuple) -> str:
    """32 hexadecimal digits that stand for a tuple in the unique index."""
    return blake2b("\x1f".join(row).encode(), digest_size=16).hexdigest()
