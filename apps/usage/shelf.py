"""What usage adds to the pages of lower shelves: last use and this month's cost of keys and workspaces."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django.db.models import DateTimeField, Exists, Func, OuterRef, Q, Subquery
from django.db.models.expressions import RawSQL
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.keys import findings, use
from apps.keys.lists import KeyList
from apps.keys.models import Key
from apps.organizations.models import Connection
from apps.ui.listing import Column
from apps.usage import reads
from apps.usage.days import day_of
from apps.usage.models import Dimension, Report, ReportName, Rollup
from apps.usage.tuples import MARKS, grain_for
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
    """Give each key its cost. One query."""
    connections, ids = _named(rows)
    costs = month_costs(connections, "key", ids)
    for row in rows:
        place = (row.connection_id, row.remote_id or "")
        row.cost_this_month = costs.get(place)  # type: ignore[attr-defined]  # read by the column


def _named(rows: Sequence[Key]) -> tuple[list[Connection], list[str]]:
    connections = {row.connection_id: row.connection for row in rows}
    return list(connections.values()), [row.remote_id for row in rows if row.remote_id]


KEY_COST = Column(
    key="cost_this_month",
    label=_("Cost this month"),
    value="cost_this_month",
    numeric=True,
    css="cell-money",
)


def days_of_use(rows: Sequence[Key]) -> dict[int, date]:
    """The last UTC day on which each key used anything, by primary key. One query."""
    connections, ids = _named(rows)
    days = reads.last_days(connections, "key", ids) if ids else {}
    found = {row.pk: days.get((row.connection_id, row.remote_id or "")) for row in rows}
    return {pk: day for pk, day in found.items() if day}


class _Midnight(Func):
    """The first moment of a UTC day that is given as the number of days since 1970."""

    output_field = DateTimeField()
    template = "to_timestamp(%(expressions)s * 86400.0)"

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        """As text, in the form in which times stand in the tables."""
        template = "datetime(%(expressions)s * 86400, 'unixepoch')"
        return super().as_sql(compiler, connection, template=template, **more)


def start_of_last_use() -> Any:
    """Of a key, the first moment of the last UTC day on which it used anything; NULL for none."""
    grain = grain_for(["key"]).id
    found = Rollup.objects.filter(
        # Spelled out: there is an index for this grain alone, which a parameter would not meet.
        grain=RawSQL(str(grain), ()),  # noqa: S611  # a number of our own
        dimension__connection=OuterRef("connection"),
        dimension__grain=grain,
        dimension__key=OuterRef("remote_id"),
    )
    days = found.filter(reads.tokens_used()).order_by("-day").values("day")
    return _Midnight(Subquery(days[:1]))


def tells_of_keys(connections: Sequence[Connection]) -> bool:
    """Whether a report has told of any key of ``connections``. One query."""
    found = Dimension.objects.filter(connection__in=list(connections), grain=grain_for(["key"]).id)
    return found.exclude(key__in=MARKS).exists()


SEEN_USED = use.Seen(start_of_last_use, days_of_use, tells_of_keys)


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
    """Usable keys that nobody has seen used for thirty days, where a provider or its reports would tell."""
    key_grain = grain_for(["key"]).id
    read = Report.objects.filter(
        connection=OuterRef("connection"), name=ReportName.USAGE, backfilled_at__isnull=False
    )
    tells = Dimension.objects.filter(connection=OuterRef("connection"), grain=key_grain).exclude(
        key__in=MARKS
    )
    since = timezone.now() - UNUSED
    seen = Rollup.objects.filter(
        connection=OuterRef("connection"),
        grain=key_grain,
        day__in=range(day_of(since), day_of(timezone.now()) + 1),
        dimension__connection=OuterRef("connection"),
        dimension__grain=key_grain,
        dimension__key=OuterRef("remote_id"),
    )
    old = Q(created_at__lt=since)
    told = Q(connection__provider__in=use.TELLERS) | Q(Exists(read)) & Q(Exists(tells))
    lately = Q(last_used_at__isnull=False, last_used_at__gte=since) | Q(Exists(seen))
    return findings.usable() & old & told & ~lately


UNUSED_KEY = findings.Finding(
    key="unused",
    severity="medium",
    title=_("Not used for 30 days"),
    why=_("A key that nobody uses can be lost without anybody noticing."),
    holds=unused,
    remedy="deactivate",
)
