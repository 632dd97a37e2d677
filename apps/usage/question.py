"""What the usage page is asked: its address taken apart, checked, and put together again.

Nothing typed in makes an error page: what cannot be is said beside its control (``errors``), the
control keeps what was chosen, and the page answers with what is left of the question.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.usage import reads, retention
from apps.usage.days import date_of

if TYPE_CHECKING:
    from apps.usage.controls import Found

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
TYPED = ("from", "to", "find_key", "find_person")
UNTOLD_IN_ADDRESS = "~"  # the empty mark, which an address cannot hold
MOST_DAYS_OF_HOURS = reads.MOST_HOURS // 24
MOST_DAYS = 800  # of any range; what is kept ends sooner


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
        return bool(reads.LINES & {self.group, *self.filters})

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
        ways = BENEATH_LINES if reads.LINES & filters.keys() else self.beneath
        return next((one for one in ways if one not in filters), DEFAULT_GROUP)


class Asking:
    """Reads a question out of an address.

    ``kept_from``: the first day that is kept, None: not known. ``found``: what was typed to find keys and
    people, looked up (``controls.look_up``). Subclasses may offer other groups and figures.
    """

    groups: ClassVar[Mapping[str, Words]] = GROUPS
    shows: ClassVar[Mapping[str, Words]] = SHOWS
    usual: ClassVar[tuple[str, str]] = (DEFAULT_GROUP, DEFAULT_SHOW)
    beneath: ClassVar[tuple[str, ...]] = BENEATH

    def __init__(
        self,
        params: QueryDict,
        *,
        kept_from: date | None,
        connections: Iterable[Any],
        found: "Found | None" = None,
    ) -> None:
        self.params, self.kept_from, self.found = params, kept_from, found
        self.connections = {str(one.pk): one for one in connections}
        self.today = utc_today()
        self.errors: dict[str, str] = {}
        self.notes: list[str] = []

    @cached_property
    def question(self) -> Question:
        """The question."""
        first, last = preset_days(DEFAULT_PRESET, self.today)
        found = Question(first, last, errors=self.errors, notes=self.notes, usual=self.usual)
        found.beneath = self.beneath
        found.typed = {name: self.params.get(name, "") for name in TYPED}
        self._range(found)
        found.group = self._one_of("group", self.groups, self.usual[0])
        found.show = self._one_of("show", self.shows, self.usual[1])
        found.compare = self.params.get("compare") == "1"
        found.currency = self.params.get("currency", "")[:10]
        self._filters(found)
        self._width(found)
        self._lines(found)
        return found

    def _one_of(self, name: str, known: Mapping[str, Words], default: str) -> str:
        asked = self.params.get(name, default)
        if asked in known:
            return asked
        self.errors[name] = _("There is no “%(asked)s” to choose here.") % {"asked": asked[:60]}
        return default

    # --- Range --------------------------------------------------------------------------------------

    def _range(self, found: Question) -> None:
        preset = self.params.get("range", "")
        begin, end = (self.params.get(name, "").strip() for name in ("from", "to"))
        if preset and preset not in PRESETS:
            self.errors["range"] = _("There is no range “%(asked)s”.") % {"asked": preset[:60]}
            preset = ""
        if preset or not (begin or end):
            preset = preset or DEFAULT_PRESET
            first, last = preset_days(preset, self.today)
            # A form sends its dates along: other ones than the preset's were typed in.
            if not (begin or end) or (begin, end) == (first.isoformat(), last.isoformat()):
                found.preset, found.first, found.last = preset, first, last
                self._within_kept(found)
                return
        found.preset = ""
        days = [self._day(name, text) for name, text in (("from", begin), ("to", end))]
        if None in days:
            found.stopped = True
            return
        found.first, found.last = days  # type: ignore[assignment]  # neither is None
        if found.last < found.first:
            self.errors["to"] = _("The end lies before the start.")
            found.stopped = True
            return
        if found.last > self.today:
            self.notes.append(_("The range ends today: nothing is known of days to come."))
            found.last = self.today
            if found.first > self.today:
                self.errors["from"] = _("This day is still to come.")
                found.stopped = True
                return
        self._within_kept(found)

    def _day(self, name: str, text: str) -> date | None:
        try:
            return date.fromisoformat(text)
        except ValueError:
            self.errors[name] = (
                _("“%(text)s” is no date: write it as 2026-01-31.") % {"text": text[:40]}
                if text
                else _("Both ends of the range are needed.")
            )
            return None

    def _within_kept(self, found: Question) -> None:
        earliest = self.kept_from or self.today - timedelta(days=MOST_DAYS)
        if found.first >= earliest:
            return
        words = {"day": earliest.isoformat()}
        if found.preset:
            found.first = min(earliest, found.last)
            return
        self.errors["from"] = (
            _("Usage is kept from %(day)s on; what lies before is left out.") % words
        )
        if found.last < earliest:
            found.stopped = True
        else:
            found.first = earliest

    # --- The rest -----------------------------------------------------------------------------------

    def _filters(self, found: Question) -> None:
        for name in GROUPS:
            asked = self.params.getlist(name) if name else []
            values = [one.replace("\x00", "")[:200] for one in asked if one]
            if values:
                told = ["" if one == UNTOLD_IN_ADDRESS else one for one in values]
                found.filters[name] = list(dict.fromkeys(told))
        if self.found:
            found.filters |= self.found.filters
            self.errors |= self.found.errors
            found.typed |= {f"find_{name}": "" for name in self.found.filters}
        if unknown := set(found.filters.get("connection", ())) - self.connections.keys():
            self.errors["connection"] = _("There is no such connection.")
            found.filters["connection"] = [
                one for one in found.filters["connection"] if one not in unknown
            ]
            if not found.filters["connection"]:
                del found.filters["connection"]

    def _width(self, found: Question) -> None:
        usual = "day" if found.days <= 100 else "week" if found.days <= 200 else "month"
        asked = self.params.get("by", "")
        if not asked:
            found.by = usual
            return
        found.by = self._one_of("by", WIDTHS, usual)
        found.by_asked = "by" not in self.errors
        if found.by == "hour" and found.days > MOST_DAYS_OF_HOURS:
            self.errors["by"] = _("Hours are shown for at most %(days)d days at once.") % {
                "days": MOST_DAYS_OF_HOURS
            }
            found.by, found.by_asked = usual, False
        if found.by == "hour":
            self._within_hours(found, usual)
        if found.by == "hour" and found.show in ("cost", "listed"):
            found.show = "tokens"
            self.notes.append(_("Providers bill by the day: by the hour there are tokens alone."))

    def _within_hours(self, found: Question, usual: str) -> None:
        """Hours are kept for a while, days for ever."""
        earliest = retention.hours_from(one.pk for one in self.connections.values())
        if earliest is None:  # none are there: those that are kept have nothing in them
            earliest = date_of(retention.kept_from())
        words = {"day": earliest.isoformat()}
        if found.first < earliest:
            self.errors["by"] = (
                _("Hours are kept from %(day)s on; before that there are days.") % words
            )
            found.by, found.by_asked = usual, False
        elif found.compare and found.previous()[0] < earliest:
            self.errors["compare"] = (
                _("Hours are kept from %(day)s on: the period before has none to compare with.")
                % words
            )
            found.compare = False

    def _lines(self, found: Question) -> None:
        """Line items have money alone, and only by what they are billed by."""
        asked = {found.group, *found.filters}
        if not found.lines:
            return
        if UNBILLED & asked:
            self.errors["group"] = _(
                "Line items are billed by workspace and model: by %(what)s nobody tells them."
            ) % {"what": ", ".join(str(GROUPS[one]) for one in GROUPS if one in UNBILLED & asked)}
            if found.group in reads.LINES and not reads.LINES & found.filters.keys():
                found.group = DEFAULT_GROUP
            elif found.group in UNBILLED and not UNBILLED & found.filters.keys():
                found.group = "workspace"
            else:
                found.stopped = True
        if found.lines and found.show != "cost":
            found.show = "cost"
            self.notes.append(_("Line items have no tokens of their own: cost is shown."))
        if found.lines and found.by == "hour":
            found.by, found.by_asked = "day", False
