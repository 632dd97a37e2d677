"""What usage draws into the pages of other shelves: the last 30 days of one thing, and the overview's figures."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apps.keys.models import Key
from apps.members.models import Person
from apps.organizations.models import Connection, Organization
from apps.ui import amounts, charts
from apps.usage import reads, shelf
from apps.usage.answer import merged
from apps.usage.call_lists import people_with_calls, tells_calls
from apps.usage.coming import coming, first_needed, of_rows
from apps.usage.names import Names
from apps.usage.question import pairs_of, utc_today
from apps.usage.reads import Totals
from apps.usage.rows import Row
from apps.workspaces.models import Workspace

DAYS = 30
TOP = 5  # models in a panel
SPARK_DAYS = 14


@dataclass(slots=True)
class Daily:
    """Money by UTC day in one currency: of a range, every day of it. None: not (wholly) read yet."""

    days: list[date]
    costs: list[Decimal | None]
    currency: str

    @property
    def sparkline(self) -> SafeString:
        """The days as a line, with gaps where nothing was read; and in words."""
        texts = ["–" if cost is None else amounts.money(cost, self.currency) for cost in self.costs]
        titles = [date_format(day, "j M") for day in self.days]
        return charts.sparkline(self.costs, charts.in_words(self.costs, texts, titles))


def _currency(rows: Sequence[Row]) -> str:
    """The one that most of the money is in."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[row.currency] += abs(row.cost)
    return max(sums, key=lambda one: sums[one]) if sums else "USD"


def _besides(rows: Sequence[Row], currency: str, since: date | None = None) -> str:
    """What else it cost, in other currencies than the one that is shown, from a day on: "and €12"; "" if nothing."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row.currency != currency and (since is None or row.group["day"] >= since):
            sums[row.currency] += row.cost
    told = [amounts.whole(sums[other], other) for other in sorted(sums) if sums[other]]
    return _("and %(amounts)s, not converted") % {"amounts": " + ".join(told)} if told else ""


def _by_day(rows: Sequence[Row], currency: str) -> dict[date, Decimal]:
    """Money of one currency by day; 0 for any other day."""
    found: dict[date, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row.currency == currency:
            found[row.group["day"]] += row.cost
    return found


def _daily(found: Totals, first: date, last: date, currency: str) -> Daily:
    """The days from ``first`` to ``last`` of what was read."""
    by_day = _by_day(found.rows, currency)
    days = [first + timedelta(days=at) for at in range((last - first).days + 1)]
    unread = found.coverage.lacks
    return Daily(days, [None if unread(day, day) else by_day[day] for day in days], currency)


def _mine(request: Any) -> list[Connection]:
    """The connections whose usage the reader may see here; none where the role may not read it."""
    if not request.may("usage.read"):
        return []
    return reads.connections_of(request.user, request.organization)


# --- Panels --------------------------------------------------------------------------------------


def _panel(
    request: Any,
    connections: Sequence[Connection],
    filters: Mapping[str, Sequence[str]],
    *,
    bare: bool = False,
    group: str = "model",
    calls_url: str = "",
    ahead: bool = False,
) -> SafeString | str:
    """The last 30 days of what ``filters`` let through. "" while nothing of it has been read. ``ahead``:
    with what the month will come to."""
    if not connections:
        return ""
    last = utc_today()
    first = last - timedelta(days=DAYS - 1)
    found = reads.totals(connections, first, last, ["day", "model"], filters)
    if not found.rows and found.coverage.as_of is None:
        return ""
    earlier = first - timedelta(days=DAYS), first - timedelta(days=1)
    before = reads.totals(connections, *earlier, (), filters)
    is_told = before.coverage.is_complete and before.coverage.reaches(earlier[0])
    currency = _currency(found.rows)
    models: dict[str, Row] = {}
    for row in found.rows:
        held = models.setdefault(row.group["model"], Row({}, currency))
        held.add(row if row.currency == currency else Row({}, currency, output=row.output))
    ordered = sorted(models, key=lambda name: (-models[name].cost, -models[name].tokens))
    ordered = [name for name in ordered if models[name].cost or models[name].tokens]
    names = Names(request.organization, connections).of(
        "model", [(one, 0) for one in ordered[:TOP]]
    )
    query = [*pairs_of(filters), ("group", group)]
    given = {
        "total": merged(found.rows, currency),
        "daily": _daily(found, first, last, currency),
        "models": [(names[one, 0], models[one]) for one in ordered[:TOP]],
        "before": merged(before.rows, currency) if is_told else None,
        "more": max(0, len(ordered) - TOP),
        "currency": currency,
        "besides": _besides(found.rows, currency),
        "url": f"{_usage(request)}?{urlencode(query)}",
        "coverage": found.coverage,
        "days": DAYS,
        "bare": bare,
        "calls_url": calls_url,
        "coming": coming(connections, filters, currency) if ahead else None,
    }
    return render_to_string("usage/_panel.html", given, request)


def _desk(request: Any) -> Organization:
    found: Organization = request.organization
    return found


def _usage(request: Any) -> str:
    return reverse("usage:usage", kwargs={"slug": _desk(request).slug})


def of_person(request: HttpRequest, *, person: Person) -> SafeString | str:
    """Slot "members:person"."""
    mine = _mine(request)
    telling = [one for one in mine if tells_calls(one)]
    calls_url = ""
    if telling and people_with_calls(telling, [str(person.pk)]):
        kwargs = {"slug": _desk(request).slug, "pk": person.pk}
        calls_url = reverse("usage:calls", kwargs=kwargs)
    return _panel(request, mine, {"person": [str(person.pk)]}, calls_url=calls_url)


def of_workspace(request: HttpRequest, *, workspace: Workspace) -> SafeString | str:
    """Slot "workspaces:workspace"; nothing for one that its provider does not have yet."""
    if not workspace.remote_id:
        return ""
    own = [one for one in _mine(request) if one.pk == workspace.connection_id]
    filters = {"workspace": [workspace.remote_id], "connection": [str(workspace.connection_id)]}
    return _panel(request, own, filters, group="key", ahead=True)


def ending(request: HttpRequest, *, workspace: Workspace) -> SafeString | str:
    """Slot "workspaces:archive": what has been spent there lately, before it ends."""
    own = [one for one in _mine(request) if one.pk == workspace.connection_id]
    if not own or not (cost := shelf.of_workspaces([workspace]).get(workspace.pk)):
        return ""
    return format_html("<p>{} {}</p>", _("Its cost this month so far:"), cost)


def of_key(request: HttpRequest, *, key: Key) -> SafeString | str:
    """Slot "keys:key"."""
    if not key.remote_id:
        return ""
    own = [one for one in _mine(request) if one.pk == key.connection_id]
    return _panel(request, own, {"key": [key.remote_id], "connection": [str(key.connection_id)]})


def of_connection(request: HttpRequest, *, connection: Connection) -> SafeString | str:
    """Slot "organizations:connection", inside a card of the page's own."""
    own = [one for one in _mine(request) if one.pk == connection.pk]
    return _panel(request, own, {"connection": [str(connection.pk)]}, bare=True)


def _joined(*notes: str) -> str:
    return " · ".join(filter(None, notes))


# --- Overview ------------------------------------------------------------------------------------


def stats(request: HttpRequest) -> SafeString | str:
    """Slot "overview:stats": what today and this month have cost so far, each with its days as a line."""
    connections = _mine(request)
    if not connections:
        return ""
    today = utc_today()
    month = today.replace(day=1)
    before = (month - timedelta(days=1)).replace(day=1)
    first = min(before, today - timedelta(days=SPARK_DAYS - 1), first_needed())
    found = reads.totals(connections, first, today, ["day"])
    if found.coverage.as_of is None:
        return ""
    currency = _currency(found.rows)
    by_day = _by_day(found.rows, currency)
    same_days = min((today - month).days, (month - timedelta(days=1) - before).days)
    spent = sum((by_day[day] for day in by_day if day >= month), Decimal(0))
    last_month = sum(
        (
            cost
            for day, cost in by_day.items()
            if before <= day <= before + timedelta(days=same_days)
        ),
        Decimal(0),
    )
    change = (
        _("%(change)s on the same days before") % {"change": amounts.change(spent, last_month)}
        if last_month
        and found.coverage.reaches(before)
        and not found.coverage.lacks(before, before + timedelta(days=same_days))
        else ""
    )
    recent = _daily(found, today - timedelta(days=SPARK_DAYS - 1), today, currency)
    forecast = of_rows(connections, found.rows, currency)
    yesterday = today - timedelta(days=1)
    lacks, unread = found.coverage.lacks, _("some days are not read yet")
    url = _usage(request)
    cards = [
        {
            "label": _("Cost today (UTC)"),
            "value": amounts.whole(by_day[today], currency),
            "note": _joined(
                _besides(found.rows, currency, today),
                _("yesterday is not read yet")
                if lacks(yesterday, yesterday)
                else _("%(amount)s yesterday")
                % {"amount": amounts.whole(by_day[yesterday], currency)},
            ),
            "url": f"{url}?range=7d&group=key",
            "spark": recent.sparkline,
        },
        {
            "label": _("Cost this month"),
            "value": amounts.whole(spent, currency),
            "note": _joined(
                _besides(found.rows, currency, month),
                forecast.short if forecast else "",
                unread if lacks(month, today) else change,
            ),
            "url": f"{url}?range=month&compare=1",
            "spark": _daily(found, month, today, currency).sparkline,
        },
    ]
    drawn = [
        render_to_string("ui/stat.html", {"icon": "chart-bar", **card}, request) for card in cards
    ]
    return SafeString("".join(drawn))
