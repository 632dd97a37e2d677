"""What the usage page can be asked, in words, and a question as its address has it. ``asking.py`` reads one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from apps.usage.tuples import LINES

Words = str | Promise

# What rows may be grouped by, in the order of the menu. "" is no group at all: one row.
GROUPS: dict[str, Words] = {
    "model": gettext_lazy("Model"),
    "workspace": gettext_lazy("Workspace"),
    "key": gettext_lazy("API key"),
    "person": gettext_lazy("Person"),
    "service_account": gettext_lazy("Service account"),
    "connection": gettext_lazy("Connection"),
    "service_tier": gettext_lazy("Service tier"),
    "context_window": gettext_lazy("Context window"),
    "geo": gettext_lazy("Place of inference"),
    "speed": gettext_lazy("Speed"),
    "operation": gettext_lazy("Operation"),
    "cost_type": gettext_lazy("Kind of cost"),
    "token_type": gettext_lazy("Kind of token"),
    "description": gettext_lazy("Line item"),
    "": gettext_lazy("Nothing: the total"),
}
# Their ids mean something at one connection alone.
SCOPED = frozenset({"workspace", "key", "service_account"})
# What no provider bills by: it knows tokens alone.
UNBILLED = {"key", "person", "service_account", "speed", "operation"}
# Groupings that lead further down, in the order tried.
BENEATH = ("workspace", "key", "model", "person")
BENEATH_LINES = ("description", "workspace", "model")
WIDTHS: dict[str, Words] = {
    "hour": gettext_lazy("Hour"),
    "day": gettext_lazy("Day"),
    "week": gettext_lazy("Week"),
    "month": gettext_lazy("Month"),
}
SHOWS: dict[str, Words] = {
    "cost": gettext_lazy("Cost"),
    "tokens": gettext_lazy("Tokens"),
    "input": gettext_lazy("Input tokens"),
    "output": gettext_lazy("Output tokens"),
    "requests": gettext_lazy("Requests"),
    "listed": gettext_lazy("List price"),
}
PRESETS: dict[str, Words] = {
    "today": gettext_lazy("Today"),
    "yesterday": gettext_lazy("Yesterday"),
    "7d": gettext_lazy("7 days"),
    "last_week": gettext_lazy("Last week"),
    "30d": gettext_lazy("30 days"),
    "month": gettext_lazy("This month"),
    "last_month": gettext_lazy("Last month"),
    "90d": gettext_lazy("90 days"),
    "12m": gettext_lazy("12 months"),
}
DEFAULT_PRESET, DEFAULT_GROUP, DEFAULT_SHOW = "30d", "model", "cost"
UNTOLD_IN_ADDRESS = "~"  # the empty mark, which an address cannot hold


def add_group(name: str, label: Words) -> None:
    """Have the menu offer a grouping that a shelf adds, which no provider bills by. Before the total."""
    total = GROUPS.pop("")
    GROUPS[name] = label
    GROUPS[""] = total
    UNBILLED.add(name)


def utc_today() -> date:
    """The day at the providers, who count in UTC."""
    return timezone.now().astimezone(UTC).date()


def preset_days(name: str, today: date) -> tuple[date, date]:
    """First and last day of a preset; KeyError for one that there is not."""
    start = today.replace(day=1)
    yesterday = today - timedelta(days=1)
    monday = today - timedelta(days=today.weekday())
    return {
        "today": (today, today),
        "yesterday": (yesterday, yesterday),
        "7d": (today - timedelta(days=6), today),
        "last_week": (monday - timedelta(days=7), monday - timedelta(days=1)),
        "30d": (today - timedelta(days=29), today),
        "90d": (today - timedelta(days=89), today),
        "month": (start, today),
        "last_month": ((start - timedelta(days=1)).replace(day=1), start - timedelta(days=1)),
        "12m": (start.replace(year=start.year - 1), today),
    }[name]


def pairs_of(filters: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    """Filters as an address holds them."""
    return [
        (name, value or UNTOLD_IN_ADDRESS) for name in sorted(filters) for value in filters[name]
    ]


@dataclass(slots=True)
class Question:
    """One question, fit to be answered unless ``stopped`` says why not.

    ``first`` and ``last`` are UTC days, both included. ``typed`` is what the controls hold, fit or not.
    ``errors`` go beside the control of that name; ``notes`` are what was read differently than asked.
    """

    first: date
    last: date
    preset: str = DEFAULT_PRESET
    by: str = "day"
    by_asked: bool = False
    group: str = DEFAULT_GROUP
    show: str = DEFAULT_SHOW
    compare: bool = False
    currency: str = ""
    filters: dict[str, list[str]] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    stopped: bool = False
    usual: tuple[str, str] = (DEFAULT_GROUP, DEFAULT_SHOW)  # goes without saying in addresses
    beneath: tuple[str, ...] = BENEATH

    @property
    def days(self) -> int:
        """How many days the range has."""
        return (self.last - self.first).days + 1

    @property
    def lines(self) -> bool:
        """Whether it is about line items, which have money and no tokens."""
        return bool(LINES & {self.group, *self.filters})

    @property
    def group_by(self) -> list[str]:
        """The grouping as ``reads.totals`` has it."""
        return [
            *([self.group] if self.group else []),
            *(["connection"] if self.group in SCOPED else []),
        ]

    def previous(self) -> "tuple[date, date]":
        """The range before this one: as many days, or the same days of the month before."""
        if self.preset in ("month", "last_month"):
            end = self.first - timedelta(days=1)
            start = end.replace(day=1)
            return start, end if self.preset == "last_month" else min(
                end, start + timedelta(days=self.days - 1)
            )
        end = self.first - timedelta(days=1)
        return end - timedelta(days=self.days - 1), end

    # --- Addresses --------------------------------------------------------------------------------

    def params(self) -> list[tuple[str, str]]:
        """The question as an address holds it, what goes without saying left out."""
        held: list[tuple[str, str]] = []
        if not self.preset:
            held += [("from", self.first.isoformat()), ("to", self.last.isoformat())]
        elif self.preset != DEFAULT_PRESET:
            held.append(("range", self.preset))
        if self.by_asked:
            held.append(("by", self.by))
        if self.group != self.usual[0]:
            held.append(("group", self.group))
        if self.show != self.usual[1]:
            held.append(("show", self.show))
        if self.compare:
            held.append(("compare", "1"))
        if self.currency:
            held.append(("currency", self.currency))
        return held + pairs_of(self.filters)

    def url(self, **changes: Any) -> str:
        """The address ("?…") of this question with fields changed."""
        return f"?{urlencode(replace(self, **changes).params())}"

    def within(
        self, name: str, value: str, *, connection: str = "", group: str | None = None
    ) -> str:
        """The address of what lies beneath one row: filtered by it, and grouped by what tells it apart."""
        filters = {**self.filters, name: [value]}
        if connection:
            filters["connection"] = [connection]
        return self.url(filters=filters, group=self.next_group(filters) if group is None else group)

    def without(self, name: str) -> str:
        """The address without one filter."""
        return self.url(filters={key: v for key, v in self.filters.items() if key != name})

    def next_group(self, filters: Mapping[str, Any]) -> str:
        """What tells apart the rows that ``filters`` let through: the first that is not yet pinned."""
        ways = BENEATH_LINES if LINES & filters.keys() else self.beneath
        return next((one for one in ways if one not in filters), DEFAULT_GROUP)
