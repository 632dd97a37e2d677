"""The answer as CSV and XLSX: every group of every period, read a stretch of days at a time."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.http import Http404, HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.organizations.models import Connection, Organization
from apps.ui import export
from apps.usage import reads
from apps.usage.answer import end_of, period_of, value_of
from apps.usage.names import TOKEN_KINDS, Names
from apps.usage.question import GROUPS, SCOPED, Question
from apps.usage.rows import Row

PERIOD = {"hour": 1, "day": 1, "week": 7, "month": 28}  # days read at once to begin with, about
WANTED_ROWS = 4_000  # of one reading: they are held in memory


def respond(
    form: str, question: Question, connections: Sequence[Connection], organization: Organization
) -> HttpResponseBase:
    """``form`` "csv" or "xlsx"; another, or a question that cannot be answered, is a 404."""
    if form not in ("csv", "xlsx") or question.stopped:
        raise Http404
    name = f"{organization.slug}-usage-{question.first}-{question.last}"
    table = lines(question, connections, organization)
    if form == "csv":
        return export.csv_of(table, name)
    return export.xlsx_of(table, _("Usage and cost"), name)


def lines(
    question: Question, connections: Sequence[Connection], organization: Organization
) -> Iterator[list[Any]]:
    """The heading, then a line for each period, group and currency; cells are safe.

    Days, weeks and months are UTC; hours in the reader's zone. Money is exact, as the provider has it
    or as it was shared out, which the last column says.
    """
    grouped = bool(question.group)
    scoped = question.group in SCOPED
    yield [
        f"{_('Hour')} ({timezone.get_current_timezone_name()})"
        if question.by == "hour"
        else _("From (UTC)"),
        *([_(str(GROUPS[question.group])), _("Id")] if grouped else []),
        *([_("Connection")] if scoped else []),
        *[str(label) for label in TOKEN_KINDS.values()],
        _("Web searches"),
        _("Requests"),
        _("Cost"),
        _("List price"),
        _("Currency"),
        _("Estimate"),
    ]
    names = Names(organization, connections)
    first, days = question.first, PERIOD[question.by]
    while first <= question.last:
        last = _end_of_stretch(question, first, days)
        group_by = [question.by, *question.group_by]
        rows = reads.sums(connections, first, last, group_by, question.filters)
        days = max(PERIOD[question.by], min(days * 4, WANTED_ROWS * days // max(1, len(rows))))
        first = last + timedelta(days=1)
        rows.sort(key=lambda row: (str(row.group[question.by]), str(value_of(row, question.group))))
        called = (
            names.of(question.group, list({value_of(row, question.group): 1 for row in rows}))
            if grouped
            else {}
        )
        for row in rows:
            yield [export.safe(cell) for cell in _cells(row, question, names, called)]


def _cells(row: Row, question: Question, names: Names, called: Any) -> Iterator[Any]:
    at = row.group[question.by]
    yield at if isinstance(at, datetime) else at.isoformat()
    if question.group:
        value = value_of(row, question.group)
        yield str(called[value])
        yield value[0]
        if question.group in SCOPED:
            yield names.connections[value[1]].name
    for name in TOKEN_KINDS:
        yield getattr(row, name)
    hourly = question.by == "hour"
    yield from (
        row.web_searches,
        row.requests,
        None if hourly else row.cost,
        row.listed,
        row.currency,
        None if hourly else row.is_estimate,
    )


def _end_of_stretch(question: Question, first: date, days: int) -> date:
    """The last of about so many days that hold whole periods, so that no period is told twice."""
    far = first + timedelta(days=days - 1)
    return min(end_of(period_of(far, question.by), question.by), question.last)
