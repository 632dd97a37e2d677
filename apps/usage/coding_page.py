"""The page of Claude Code: its question, its figures, its chart, and its file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.members.models import Person
from apps.organizations.models import Connection, Organization
from apps.ui import amounts, export
from apps.ui.charts import Chart, Series
from apps.usage import coding_reads
from apps.usage.answer import end_of, label_of, periods
from apps.usage.asking import Asking
from apps.usage.coding_reads import CoderWork, Range, Work
from apps.usage.coverage import Coverage, coverage_of
from apps.usage.groupings import is_number
from apps.usage.models import ReportName
from apps.usage.question import WIDTHS, Question

Words = str | Promise

SHOWN = 25  # people in the table; all of them are in the file
STACKED = 7
SHOWS: dict[str, Words] = {
    "people": gettext_lazy("People active"),
    "sessions": gettext_lazy("Sessions"),
    "lines": gettext_lazy("Lines of code"),
    "commits": gettext_lazy("Commits"),
    "pull_requests": gettext_lazy("Pull requests"),
    "acceptance": gettext_lazy("Acceptance"),
    "estimate": gettext_lazy("Estimated cost"),
}
CODING_WIDTHS = {name: label for name, label in WIDTHS.items() if name != "hour"}
_TOOLS: dict[str, Words] = {
    "edit_tool": gettext_lazy("Edit"),
    "multi_edit_tool": gettext_lazy("Several edits"),
    "write_tool": gettext_lazy("Write"),
    "notebook_edit_tool": gettext_lazy("Notebook edit"),
}
_CUSTOMERS: dict[str, Words] = {
    "api": gettext_lazy("API usage"),
    "subscription": gettext_lazy("Subscription"),
}


class CodingAsking(Asking):
    """Reads the question of this page: a range, a figure, connections, people."""

    groups: ClassVar[Mapping[str, Words]] = {"": gettext_lazy("Person")}
    shows: ClassVar[Mapping[str, Words]] = SHOWS
    usual: ClassVar[tuple[str, str]] = ("", "people")

    def _width(self, found: Question) -> None:
        super()._width(found)
        if self.params.get("by") == "hour":
            self.errors["by"] = _("Claude Code is told by the day.")
            if found.by == "hour":
                found.by, found.by_asked = "day", False


def tool_name(tool: str) -> str:
    """What a tool is called."""
    return str(_TOOLS.get(tool) or tool.replace("_", " ").capitalize())


@dataclass(slots=True)
class Part:
    """A line of one of the small tables: a terminal, a tool, a kind of customer."""

    name: str
    count: int
    share: Decimal | None
    note: str = ""


@dataclass(slots=True)
class CodingAnswer:
    """What the page shows. ``people`` counts persons, not keys; ``members`` are who could use it."""

    people: int = 0
    keys: int = 0
    members: int = 0
    total: Work = field(default_factory=Work)
    lines: list[CoderWork] = field(default_factory=list)
    more: int = 0
    terminals: list[Part] = field(default_factory=list)
    tools: list[Part] = field(default_factory=list)
    customers: list[Part] = field(default_factory=list)
    chart: Chart | None = None
    coverage: Coverage = field(default_factory=Coverage)
    elsewhere: list[str] = field(default_factory=list)

    @property
    def per_person(self) -> Decimal | None:
        """The estimate for each person or key."""
        count = self.people + self.keys
        return self.total.estimate / count if count else None


def able(connections: Sequence[Connection]) -> list[Connection]:
    """The connections whose key may read of Claude Code, or could when it did."""
    return [one for one in connections if one.can("coding.read")]


def where_of(question: Question, connections: Sequence[Connection]) -> Range:
    """Where the question looks."""
    chosen = question.filters.get("connection")
    looked_at = [one for one in connections if not chosen or str(one.pk) in chosen]
    emails = None
    if people := question.filters.get("person"):
        ids = [int(one) for one in people if is_number(one)]
        found = Person.objects.filter(
            pk__in=ids, organization__in={one.organization_id for one in connections}
        )
        emails = list(found.values_list("email", flat=True))
    return Range(looked_at, question.first, question.last, emails)


def answer(
    question: Question, connections: Sequence[Connection], organization: Organization
) -> CodingAnswer:
    """The figures of a question. A fixed number of queries."""
    found = CodingAnswer()
    if question.stopped:
        return found
    where = where_of(question, connections)
    found.coverage = coverage_of(
        where.connections, question.first, question.last, [ReportName.CODING]
    )
    everybody = coding_reads.users(where)
    found.people = len({one.email for one in everybody if one.email})
    found.keys = sum(not one.email for one in everybody)
    found.members = (
        Person.objects.filter(
            members__connection__in=where.connections, members__gone_at__isnull=True
        )
        .distinct()
        .count()
    )
    found.lines = coding_reads.coders(where, everybody[:SHOWN])
    found.more = len(everybody) - len(found.lines)
    coding_reads.find_people(found.lines, organization)
    found.chart = _chart(question, where, found.coverage.begins)
    sums = coding_reads.sums_by_kind(where)
    found.total = coding_reads.total_of(sums)
    _small_tables(found, sums)
    return found


def _small_tables(found: CodingAnswer, sums: Mapping[str, Mapping[str, Work]]) -> None:
    for name, parts, words in (
        ("terminal", found.terminals, {}),
        ("customer_type", found.customers, _CUSTOMERS),
    ):
        parts += [
            Part(
                str(words.get(value, value)) or _("Not told"),
                work.sessions,
                _share(work.sessions, found.total.sessions),
            )
            for value, work in sums[name].items()
        ]
    for tool, work in sums["tool"].items():
        found.tools.append(Part(tool_name(tool), work.accepted + work.rejected, work.acceptance))
    for parts in (found.terminals, found.customers, found.tools):
        parts.sort(key=lambda part: -part.count)


def _share(part: int, whole: int) -> Decimal | None:
    return Decimal(part) / whole if whole else None


# --- The chart -----------------------------------------------------------------------------------


def _chart(question: Question, where: Range, begins: date | None) -> Chart:
    """``begins``: of days before nothing is known, so everybody's first day may be earlier."""
    at: list[Any] = periods(question.first, question.last, question.by)
    show = question.show
    totals: list[str] = []
    if show == "people":
        series = _people(where, question.by, at)
    elif show == "acceptance":
        series = _acceptance(where, question.by, at)
    else:
        series, totals = _stacked(show, where, question.by, at)
    notes = {
        "people": _(
            "A person counts once in each bar. The line is everybody who has used it until then."
        )
        + _unknown_before(question, begins),
        "acceptance": _("Of the changes that a tool proposed, how many were taken."),
        "estimate": _("The provider's own estimate by list prices, not what is billed."),
    }
    return Chart(
        name="claude-code-chart",
        title=_("%(what)s by %(width)s")
        % {"what": SHOWS[show], "width": str(WIDTHS[question.by]).lower()},
        labels=[label_of(one, question.by) for one in at],
        titles=[label_of(one, question.by, full=True) for one in at],
        series=series,
        totals=totals,
        base=question.url(),
        queries=[_narrowed(one, question) for one in at],
        unit={"estimate": "USD", "acceptance": "%"}.get(show, ""),
        label_head=str(WIDTHS[question.by]),
        note=notes.get(show, ""),
    )


def _unknown_before(question: Question, begins: date | None) -> str:
    """Why all of a bar are new."""
    if begins is None or not question.first <= begins <= question.last:
        return ""
    words = _(
        "What was before %(day)s is not read: whoever used it then counts as new in the first bar."
    )
    return " " + words % {"day": date_format(begins, "j M Y")}


def _narrowed(period: date, question: Question) -> str:
    first = max(period, question.first)
    last = min(end_of(period, question.by), question.last)
    if (first, last) == (question.first, question.last):
        return ""
    finer = "" if question.by == "day" else "&by=day"
    return f"range=&from={first}&to={last}{finer}"


def _people(where: Range, by: str, at: Sequence[date]) -> list[Series]:
    found = coding_reads.adoption(where, by, at)
    rows = [found[one] for one in at]
    columns = (
        (_("Used it before"), [one.active - one.new for one in rows]),
        (_("For the first time"), [one.new for one in rows]),
        (_("Ever until then"), [one.ever for one in rows]),
    )
    series = [Series(name, values, [amounts.count(v) for v in values]) for name, values in columns]
    series[-1].line = series[-1].muted = True
    return series


def _acceptance(where: Range, by: str, at: Sequence[date]) -> list[Series]:
    found = coding_reads.acceptance_by_period(where, by)
    series = []
    for tool, work in sorted(found.items()):
        rates = [work[one].acceptance if one in work else None for one in at]
        texts = [
            f"{amounts.share(rate)} ({work[one].accepted}/{work[one].accepted + work[one].rejected})"
            if rate is not None
            else "–"
            for rate, one in zip(rates, at, strict=True)
        ]
        values = [None if rate is None else rate * 100 for rate in rates]
        series.append(Series(tool_name(tool), values, texts, line=True))
    return series


def _stacked(
    show: str, where: Range, by: str, at: Sequence[date]
) -> tuple[list[Series], list[str]]:
    """Bars by terminal (cost: by model; lines: added and removed), and their sums in words."""
    cells: dict[str, Mapping[date, Any]]
    if show == "lines":
        cells = {}
        for metric, name in (("lines_added", _("Added")), ("lines_removed", _("Removed"))):
            by_terminal = coding_reads.by_period(where, by, metric).values()
            cells[name] = {one: sum(row.get(one, 0) for row in by_terminal) for one in at}
    elif show == "estimate":
        cells = dict(coding_reads.estimates_by_period(where, by))
    else:
        cells = {
            name or _("Not told"): row
            for name, row in coding_reads.by_period(where, by, show).items()
        }
    ordered = sorted(cells, key=lambda name: -sum(cells[name].values()))
    if len(ordered) > STACKED + 1:
        rest = ordered[STACKED:]
        others = {one: sum(cells[name].get(one, 0) for name in rest) for one in at}
        label = _("%(n)d others") % {"n": len(rest)}
        cells[label] = others
        ordered = [*ordered[:STACKED], label]
    write = _money if show == "estimate" else amounts.count
    series = []
    for place, name in enumerate(ordered):
        values = [cells[name].get(one, 0) for one in at]
        series.append(
            Series(name, values, [write(value) for value in values], muted=place == STACKED)
        )
    totals = [write(sum(cells[name].get(one, 0) for name in ordered)) for one in at]
    return series, ([] if show == "lines" else totals)


def _money(value: Decimal | int) -> str:
    return amounts.money(Decimal(value))


# --- The file ------------------------------------------------------------------------------------


def file_lines(
    question: Question, connections: Sequence[Connection], organization: Organization
) -> Iterator[list[Any]]:
    """The heading, then a line for each person and key; cells are safe. The estimate is in dollars."""
    yield [
        _("Name"),
        _("Email"),
        _("API key"),
        _("Days used"),
        _("Last used (UTC)"),
        _("Sessions"),
        _("Lines added"),
        _("Lines removed"),
        _("Commits"),
        _("Pull requests"),
        _("Proposals accepted"),
        _("Proposals rejected"),
        _("Estimated cost"),
        _("Cost per commit"),
        _("Cost per pull request"),
    ]
    everybody = coding_reads.coders(where_of(question, connections))
    coding_reads.find_people(everybody, organization)
    for one in everybody:
        work = one.work
        cells = [one.name, one.email, one.key_name, one.days, one.last and one.last.isoformat()]
        cells += [work.sessions, work.lines_added, work.lines_removed, work.commits]
        cells += [work.pull_requests, work.accepted, work.rejected, work.estimate]
        cells += [_cents(work.per_commit), _cents(work.per_pull_request)]
        yield [export.safe(cell) for cell in cells]


def _cents(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else amount.quantize(amounts.CENT)
