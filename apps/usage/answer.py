"""The answer to a question: the table, the chart over the same sums, and what they are compared with.

Chart and table are made of the same exact amounts, rounded when they are written down and not before.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from apps.organizations.models import Connection, Organization
from apps.ui import amounts
from apps.ui.charts import Chart, Series
from apps.usage import reads
from apps.usage.call_lists import people_with_calls, query_of, tells_calls
from apps.usage.calls import kept_from
from apps.usage.coming import Coming, coming
from apps.usage.coverage import Coverage, coverage_of
from apps.usage.days import HOURS, day_of, moment_of
from apps.usage.names import TOKEN_KINDS, Name, Names, Value
from apps.usage.question import GROUPS, SCOPED, SHOWS, WIDTHS, Question, pairs_of, utc_today
from apps.usage.rows import Row
from apps.usage.summaries import Beside, beside
from apps.usage.tuples import COUNTS, MARKS

SHOWN = 50  # rows of the table; all of them are in the exports
STACKED = 7  # parts of a bar that have a colour of their own
Period = date | datetime
MONEY = frozenset({"cost", "listed"})  # what is shown in a currency
# What a list of single calls can be narrowed by, as its sums can.
BENEATH_CALLS = ("model", "operation", "connection")


@dataclass(slots=True)
class Line:
    """One row of the table. ``url`` leads to what lies beneath it, within this page."""

    name: Name
    row: Row
    previous: Row | None
    share: Decimal | None
    url: str = ""
    calls_url: str = ""  # the single calls beneath it, where somebody tells of them

    @property
    def calls_label(self) -> str:
        """What the link to them is called."""
        return _("The single calls of %(name)s") % {"name": self.name.text}

    @property
    def input_share(self) -> Decimal | None:
        """The cache's share of the input, 0 to 1."""
        return self.row.cache_hit_rate


@dataclass(slots=True)
class Kind:
    """One kind of token: how many, and its share of all tokens of the range."""

    label: str
    count: int
    share: Decimal


@dataclass(slots=True)
class Answer:
    """What the page shows. ``currencies`` other than ``currency`` are in no sum here; they have their own."""

    currency: str = "USD"
    currencies: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    more: int = 0
    total: Row = field(default_factory=lambda: Row({}))
    previous: Row | None = None
    previous_days: tuple[date, date] | None = None
    kinds: list[Kind] = field(default_factory=list)
    chart: Chart | None = None
    coming: Coming | None = None
    coverage: Coverage = field(default_factory=Coverage)
    beside: list[Beside] = field(default_factory=list)
    calls_url: str = ""


def figure(row: Row, show: str) -> Decimal | int:
    """What ``show`` counts of a row; requests that nobody tells are 0."""
    found: Decimal | int | None = getattr(row, show)
    return 0 if found is None else found


def in_words(value: Decimal | int, show: str, currency: str) -> str:
    """A figure as pages write it."""
    return amounts.money(value, currency) if isinstance(value, Decimal) else amounts.count(value)


def period_of(day: date, by: str) -> date:
    """The beginning of the period that a day lies in, as ``reads.totals`` spells it."""
    if by == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if by == "month" else day


def end_of(period: date, by: str) -> date:
    """The last day of a period that begins so."""
    if by == "week":
        return period + timedelta(days=6)
    if by == "month":
        return (period.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return period


def cut(question: Question) -> str:
    """That the range begins or ends amid a week or month, so that its bar is lower than a whole one's; "" if not."""
    if question.by not in ("week", "month"):
        return ""
    words = []
    if period_of(question.first, question.by) != question.first:
        day = date_format(question.first, "j M Y")
        words.append(_("The first bar holds the days from %(day)s on alone.") % {"day": day})
    if end_of(period_of(question.last, question.by), question.by) != question.last:
        day = date_format(question.last, "j M Y")
        words.append(_("The last bar holds the days up to %(day)s alone.") % {"day": day})
    return " ".join(words)


def periods(first: date, last: date, by: str) -> list[Period]:
    """Every period of a range, also those in which nothing was used."""
    if by == "hour":
        hours = range(day_of(first) * HOURS, (day_of(last) + 1) * HOURS)
        now = timezone.now()
        return [moment for hour in hours if (moment := moment_of(hour)) <= now]
    days = (first + timedelta(days=at) for at in range((last - first).days + 1))
    return list(dict.fromkeys(period_of(day, by) for day in days))


def label_of(period: Period, by: str, *, full: bool = False) -> str:
    """A period as the axis has it, or in full. Hours are in the reader's zone, all else is UTC."""
    if isinstance(period, datetime):
        local = timezone.localtime(period)
        if full:
            return f"{date_format(local, 'D j M Y, H:i')} {local.tzname()}"
        return date_format(local, "H:i" if local.hour or local.minute else "j M")
    if by == "month":
        return date_format(period, "F Y" if full else "M Y")
    if by == "week" and full:
        return _("Week from %(day)s") % {"day": date_format(period, "D j M Y")}
    return date_format(period, "D j M Y" if full else "j M")


def merged(rows: Iterable[Row], currency: str) -> Row:
    """The sum of rows: tokens of all currencies, money of one."""
    total = Row({}, currency)
    for row in rows:
        total.add(_in(row, currency))
    return _judged(total)


def _judged(row: Row) -> Row:
    """Parts that are estimates may sum up to what is billed: then the sum is none."""
    row.is_estimate = row.is_estimate and row.cost != row.billed
    return row


def _is_nothing(row: Row) -> bool:
    return not (row.cost or row.tokens or row.web_searches or row.requests or row.listed)


def _in(row: Row, currency: str) -> Row:
    """The row itself, or, of another currency, its tokens alone."""
    if row.currency == currency:
        return row
    counts = {name: getattr(row, name) for name in COUNTS}
    return Row(row.group, currency, **counts)


def by_group(rows: Iterable[Row], group: str, currency: str) -> dict[Value, Row]:
    """Rows of one range by what they are grouped by, currencies put together as ``merged`` does."""
    found: dict[Value, Row] = {}
    for row in rows:
        key = value_of(row, group)
        if key in found:
            found[key].add(_in(row, currency))
        else:
            fresh = Row(row.group, currency)
            fresh.add(_in(row, currency))
            found[key] = fresh
    return {key: _judged(row) for key, row in found.items() if not _is_nothing(row)}


def value_of(row: Row, group: str) -> Value:
    """A row's value, and its connection where the value means something there alone."""
    if not group:
        return ("", 0)
    return (row.group[group], row.group["connection"] if group in SCOPED else 0)


def chosen(question: Question, connections: Sequence[Connection]) -> list[Connection]:
    """The connections that a question lets through."""
    wanted = question.filters.get("connection")
    return [one for one in connections if not wanted or str(one.pk) in wanted]


class Answering:
    """Answers a question. A fixed number of reads, however much there is."""

    def __init__(
        self,
        question: Question,
        connections: Sequence[Connection],
        organization: Organization,
    ) -> None:
        self.question, self.connections = question, list(connections)
        self.names = Names(organization, self.connections)
        self.answer = Answer()
        self.unread: set[Period] = set()

    @property
    def chosen(self) -> list[Connection]:
        """The connections that the question lets through."""
        return chosen(self.question, self.connections)

    def _read(self, first: date, last: date, *group_by: str, **filters: Sequence[Any]) -> list[Row]:
        question = self.question
        return reads.sums(self.connections, first, last, group_by, {**question.filters, **filters})

    def run(self) -> Answer:
        """The answer; an empty one where the question is stopped."""
        question, answer = self.question, self.answer
        if question.stopped:
            return answer
        answer.coverage = coverage_of(self.chosen, question.first, question.last)
        if question.by == "hour":
            # So that table and chart hold the same: providers that tell days alone are left out of both.
            self.connections = reads.hourly(self.connections)
        found = self._read(question.first, question.last, *question.group_by)
        self._choose_currency(found)
        groups = by_group(found, question.group, answer.currency)
        ordered = sorted(
            groups, key=lambda one: (-figure(groups[one], question.show), -groups[one].tokens)
        )
        answer.total = merged(found, answer.currency)
        if question.show == "listed" and found and answer.total.listed is None:
            question.notes.append(_("No provider in this tells of list prices."))
        before = self._before()
        names = self.names.of(question.group, ordered[:SHOWN]) if question.group else {}
        whole = figure(answer.total, question.show)
        for one in ordered[:SHOWN]:
            row = groups[one]
            name = names.get(one) or Name(_("Everything"))
            share = Decimal(figure(row, question.show)) / Decimal(whole) if whole else None
            answer.lines.append(Line(name, row, before.get(one), share, self._beneath(one)))
        answer.more = max(0, len(ordered) - SHOWN)
        answer.kinds = list(self._kinds(answer.total))
        answer.chart = self._chart(ordered, groups, names)
        answer.beside = self._beside()
        self._link_calls(ordered[:SHOWN])
        if question.show == "cost" and question.last == utc_today():
            answer.coming = coming(self.connections, question.filters, answer.currency)
        return answer

    def _beside(self) -> list[Beside]:
        """The providers' own summaries, where the question is of whole connections."""
        question = self.question
        if question.by == "hour" or question.filters.keys() - {"connection"}:
            return []
        return beside(self.chosen, question.first, question.last)

    def _link_calls(self, shown: Sequence[Value]) -> None:
        """Where the single calls of a row, or of the whole answer, are listed. At most one query."""
        question, answer = self.question, self.answer
        pinned = question.filters.get("person", [])
        telling = [one for one in self.connections if tells_calls(one)]
        if not telling or question.last < kept_from().date() or len(pinned) > 1:
            return
        asked = pinned or ([str(one[0]) for one in shown] if question.group == "person" else [])
        people = people_with_calls(telling, asked)
        if pinned and pinned[0] in people:
            answer.calls_url = self._calls(pinned[0])
        for value, line in zip(shown, answer.lines, strict=True):
            group, told = question.group, str(value[0])
            if group == "person" and told in people:
                line.calls_url = self._calls(told)
            elif pinned and pinned[0] in people and group in BENEATH_CALLS and told not in MARKS:
                line.calls_url = self._calls(pinned[0], **{group: told})

    def _calls(self, person: str, **narrowed: str) -> str:
        question = self.question
        slug = self.names.organization.slug
        held = {
            name: values[0]
            for name, values in question.filters.items()
            if name in BENEATH_CALLS and len(values) == 1
        }
        query = query_of(question.first, question.last, **{**held, **narrowed})
        return reverse("usage:calls", kwargs={"slug": slug, "pk": int(person)}) + query

    def _choose_currency(self, rows: Sequence[Row]) -> None:
        sums: dict[str, Decimal] = {}
        for row in rows:
            sums[row.currency] = sums.get(row.currency, Decimal(0)) + abs(row.cost)
        currencies = sorted(sums, key=lambda one: -sums[one])
        if currencies:
            asked = self.question.currency
            self.answer.currency = asked if asked in sums else currencies[0]
        self.answer.currencies = [one for one in currencies if sums[one]]

    def _before(self) -> dict[Value, Row]:
        question, answer = self.question, self.answer
        if not question.compare:
            return {}
        answer.previous_days = first, last = question.previous()
        told = coverage_of(self.chosen, first, last)
        if not told.is_complete:
            question.notes.append(
                _("Some days of the period before are not read yet: its sums are too small.")
            )
        elif not told.reaches(first):
            question.notes.append(
                _("The period before begins before what is kept: its sums are too small.")
            )
        if last < utc_today() <= question.last:
            question.notes.append(
                _("Today is not over, and the period before has whole days: compare with care.")
            )
        rows = self._read(first, last, *question.group_by)
        found = by_group(rows, question.group, answer.currency)
        answer.previous = merged(rows, answer.currency)
        return found

    def _beneath(self, one: Value) -> str:
        question = self.question
        if not question.group:
            return question.url(group="model")
        value, connection = one
        pinned = str(connection) if connection and len(self.connections) > 1 else ""
        return question.within(question.group, str(value), connection=pinned)

    @staticmethod
    def _kinds(total: Row) -> Iterator[Kind]:
        for name, label in TOKEN_KINDS.items():
            if number := getattr(total, name):
                yield Kind(str(label), number, Decimal(number) / Decimal(total.tokens))

    # --- The chart ----------------------------------------------------------------------------------

    def _chart(
        self, ordered: Sequence[Value], groups: dict[Value, Row], names: dict[Value, Name]
    ) -> Chart:
        question, answer = self.question, self.answer
        at = periods(question.first, question.last, question.by)
        cells, sums = self._over_time(ordered, at)
        self.unread = self._unread(at, sums)
        own = [one for one in ordered[: STACKED + 1] if figure(groups[one], question.show)]
        own = own if len(ordered) <= STACKED + 1 else own[:STACKED]
        called = self._short(own, names)
        series = [self._series(called[one], cells.get(one, {}), at) for one in own]
        for one, drawn in zip(own, series, strict=True):
            if question.group:
                drawn.query = self._pinned(one)
        others = len(ordered) - len(own)
        rest = {
            period: sums[period]
            - sum((cells[one].get(period, 0) for one in own if one in cells), 0)
            for period in sums
        }
        if others and any(rest.values()):
            label = _("%(n)s others") % {"n": amounts.count(others)}
            series.append(self._series(label, rest, at, muted=True))
        if question.compare:
            series.append(self._previous_line(len(at)))
        return Chart(
            name="usage-chart",
            title=_("%(what)s by %(width)s")
            % {"what": SHOWS[question.show], "width": str(WIDTHS[question.by]).lower()},
            labels=[label_of(one, question.by) for one in at],
            titles=[label_of(one, question.by, full=True) for one in at],
            series=series,
            totals=[self._told(sums.get(one, 0), one) for one in at],
            base=question.url(),
            queries=[self._narrowed(one) for one in at],
            unit=answer.currency if question.show in MONEY else "",
            label_head=str(WIDTHS[question.by]),
        )

    def _short(self, own: Sequence[Value], names: dict[Value, Name]) -> dict[Value, str]:
        """Names for the key of the chart: the note only where two would look the same."""
        texts = Counter(name.text for name in names.values())
        return {
            one: str(SHOWS[self.question.show])
            if one not in names
            else names[one].text
            if texts[names[one].text] == 1
            else str(names[one])
            for one in own
        }

    def _words(self, value: Decimal | int) -> str:
        show = self.question.show
        amount = Decimal(value) if show in MONEY else value
        return in_words(amount, show, self.answer.currency)

    def _series(
        self, name: str, cells: dict[Any, Any], at: Sequence[Period], *, muted: bool = False
    ) -> Series:
        values = [cells.get(one, 0) for one in at]
        texts = [self._told(value, one) for one, value in zip(at, values, strict=True)]
        known = [None if one in self.unread else v for one, v in zip(at, values, strict=True)]
        return Series(name, known, texts, muted=muted)

    def _unread(self, at: Sequence[Period], sums: dict[Any, Any]) -> set[Period]:
        """Days that have nothing because they are not read yet: that is no zero."""
        if self.question.by != "day":
            return set()
        lacks = self.answer.coverage.lacks
        return {one for one in at if not sums.get(one) and lacks(one, one)}

    def _told(self, value: Decimal | int, period: Period) -> str:
        return _("not read yet") if period in self.unread else self._words(value)

    def _over_time(
        self, ordered: Sequence[Value], at: Sequence[Period]
    ) -> tuple[dict[Value, dict[Any, Any]], dict[Any, Any]]:
        """Figures by group and period, and the sums of all groups by period.

        Few groups are read in one; of many, those that are drawn, and the sums beside them.
        """
        question = self.question
        few = len(ordered) <= 4 * STACKED or question.lines or not question.group
        filters: dict[str, list[Any]] = {}
        if not few:
            filters = {question.group: [value for value, _ in ordered[:STACKED]]}
        rows = self._read(question.first, question.last, question.by, *question.group_by, **filters)
        cells: dict[Value, dict[Any, Any]] = {}
        sums: dict[Any, Any] = dict.fromkeys(at, 0)
        for row in rows:
            row = _in(row, self.answer.currency)
            period, value = row.group[question.by], figure(row, question.show)
            line = cells.setdefault(value_of(row, question.group), {})
            line[period] = line.get(period, 0) + value
            sums[period] = sums.get(period, 0) + value
        if not few:
            sums = dict.fromkeys(at, 0)
            for row in self._read(question.first, question.last, question.by):
                row = _in(row, self.answer.currency)
                period = row.group[question.by]
                sums[period] = sums.get(period, 0) + figure(row, question.show)
        return cells, sums

    def _previous_line(self, length: int) -> Series:
        """The sums of the range before, period by period, whatever their dates."""
        question, answer = self.question, self.answer
        first, last = answer.previous_days or question.previous()
        sums: dict[Any, Any] = {}
        for row in self._read(first, last, question.by):
            row = _in(row, answer.currency)
            period = row.group[question.by]
            sums[period] = sums.get(period, 0) + figure(row, question.show)
        before = periods(first, last, question.by)[:length]
        values: list[Any] = [sums.get(one, 0) for one in before]
        texts = [
            f"{self._words(value)} ({label_of(one, question.by)})"
            for one, value in zip(before, values, strict=True)
        ]
        missing = length - len(values)
        return Series(
            _("The period before"),
            [*values, *[None] * missing],
            [*texts, *["–"] * missing],
            line=True,
            muted=True,
        )

    # --- Where a part of the chart leads ------------------------------------------------------------

    def _pinned(self, one: Value) -> str:
        """What the address of a part of a bar ends with: the group it stands for, and what tells it apart."""
        question = self.question
        filters = {question.group: [str(one[0])]}
        if one[1] and len(self.connections) > 1:
            filters["connection"] = [str(one[1])]
        group = question.next_group({**question.filters, **filters})
        return urlencode([*pairs_of(filters), ("group", group)])

    def _narrowed(self, period: Period) -> str:
        """What the address of a bar ends with: its days, told apart more finely."""
        question = self.question
        if isinstance(period, datetime):
            return ""
        first = max(period, question.first)
        last = min(end_of(period, question.by), question.last)
        if (first, last) == (question.first, question.last):
            return ""
        finer = {"month": "day", "week": "day"}.get(question.by, "")
        return f"range=&from={first}&to={last}" + (f"&by={finer}" if finer else "")


def figure_labels(question: Question) -> dict[str, str]:
    """What the columns of shares and of the period before are headed with: they go by what is shown, which need
    not be the cost beside them."""
    if question.show == "cost":
        return {"share_label": _("Share"), "before_label": _("Before")}
    what = {"what": str(SHOWS[question.show]).lower()}
    return {
        "share_label": _("Share of %(what)s") % what,
        "before_label": _("%(what)s before") % {"what": SHOWS[question.show]},
    }


def group_label(group: str) -> str:
    """What the first column of the table is headed with."""
    return str(GROUPS[group]) if group else _("All")
