"""A question read out of an address, and checked.

Nothing typed in makes an error page: what cannot be is said beside its control (``errors``), the
control keeps what was chosen, and the page answers with what is left of the question.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from django.http import QueryDict
from django.utils.translation import gettext as _

from apps.usage import reads, retention
from apps.usage.days import date_of
from apps.usage.question import (
    BENEATH,
    DEFAULT_GROUP,
    DEFAULT_PRESET,
    DEFAULT_SHOW,
    GROUPS,
    PRESETS,
    SHOWS,
    UNBILLED,
    UNTOLD_IN_ADDRESS,
    WIDTHS,
    Question,
    Words,
    preset_days,
    utc_today,
)
from apps.usage.tuples import LINES

if TYPE_CHECKING:
    from apps.usage.controls import Found

TYPED = ("from", "to", "find_key", "find_person")
MOST_DAYS_OF_HOURS = reads.MOST_HOURS // 24
MOST_DAYS = 800  # of any range; what is kept ends sooner


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
            if found.group in LINES and not LINES & found.filters.keys():
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
