"""What usage adds to the pages of lower shelves: last use and this month's cost of keys and workspaces."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import escape
from django.utils.translation import gettext_lazy as _

from apps.keys import findings
from apps.keys.lists import KeyList
from apps.keys.models import Key
from apps.organizations.models import Connection
from apps.ui.listing import Column
from apps.usage import reads
from apps.usage.days import day_of
from apps.usage.models import Dimension, Report, ReportName, Rollup
from apps.usage.tuples import MARKS
from apps.usage.words import all_money
from apps.workspaces.lists import Figure
from apps.workspaces.models import Workspace

UNUSED = timedelta(days=30)


def _this_month() -> tuple[date, date]:
    """The UTC month as far as it has come: that is how providers bill."""
    today = timezone.now().date()
    return today.replace(day=1), today


def month_costs(
    connections: Sequence[Connection], column: str, values: Sequence[str]
) -> dict[tuple[int, str], str]:
    """This month's cost of each of ``values``, in words, by connection id and value. One query."""
    if not values:
        return {}
    amounts: defaultdict[tuple[int, str], list[Any]] = defaultdict(list)
    for row in reads.sums(
        connections, *_this_month(), ("connection", column), {column: list(values)}
    ):
        place = (row.group["connection"], row.group[column])
        if row.cost:
            amounts[place].append((row.cost, row.currency, row.is_estimate))
    return {place: all_money(found) for place, found in amounts.items()}


def prepare_keys(page: KeyList, rows: list[Key]) -> None:
    """Give each key its last day of use and its cost. Two queries."""
    ids = [row.remote_id for row in rows if row.remote_id]
    connections = list({row.connection_id: row.connection for row in rows}.values())
    days = reads.last_days(connections, "key", ids) if ids else {}
    costs = month_costs(connections, "key", ids)
    for row in rows:
        place = (row.connection_id, row.remote_id or "")
        row.used_on = days.get(place)  # type: ignore[attr-defined]  # read by the columns
        row.cost_this_month = costs.get(place)  # type: ignore[attr-defined]  # likewise


def _shown_day(value: Any, row: Any, page: Any) -> str:
    return escape(date_format(value, "SHORT_DATE_FORMAT")) if value else ""


KEY_COLUMNS = (
    Column(key="used_on", label=_("Used on (UTC)"), value="used_on", cell=_shown_day),
    Column(
        key="cost_this_month",
        label=_("Cost this month"),
        value="cost_this_month",
        numeric=True,
    ),
)


def prepared_already(page: KeyList, rows: list[Key]) -> None:
    """The column before it has fetched both."""


def of_workspaces(workspaces: Sequence[Workspace]) -> Mapping[int, Any]:
    """This month's cost of each. One query."""
    ids = [one.remote_id for one in workspaces if one.remote_id]
    connections = list({one.connection_id: one.connection for one in workspaces}.values())
    costs = month_costs(connections, "workspace", ids)
    return {
        one.pk: costs[place]
        for one in workspaces
        if (place := (one.connection_id, one.remote_id or "")) in costs
    }


WORKSPACE_COST = Figure(
    key="cost_this_month", label=_("Cost this month"), of=of_workspaces, cell="text"
)


def unused() -> Q:
    """Usable keys that no report has seen used for thirty days, where reports tell of keys at all."""
    key_grain = reads.grain_for(["key"]).id
    read = Report.objects.filter(
        connection=OuterRef("connection"), name=ReportName.USAGE, backfilled_at__isnull=False
    )
    tells = Dimension.objects.filter(connection=OuterRef("connection"), grain=key_grain).exclude(
        key__in=MARKS
    )
    since = timezone.now() - UNUSED
    use = Rollup.objects.filter(
        connection=OuterRef("connection"),
        grain=key_grain,
        day__in=range(day_of(since), day_of(timezone.now()) + 1),
        dimension__connection=OuterRef("connection"),
        dimension__grain=key_grain,
        dimension__key=OuterRef("remote_id"),
    )
    old = Q(created_at__lt=since)
    return findings.usable() & old & Q(Exists(read)) & Q(Exists(tells)) & ~Q(Exists(use))


UNUSED_KEY = findings.Finding(
    key="unused",
    severity="medium",
    title=_("Not used for 30 days"),
    why=_("A key that nobody uses can be lost without anybody noticing."),
    holds=unused,
    remedy="deactivate",
)
