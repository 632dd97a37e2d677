"""What providers charge by day: which of their reports tells it, and of which days it is not told yet."""

from collections.abc import Sequence
from datetime import date, timedelta

from django.utils.translation import gettext as _

from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.usage.coverage import Coverage
from apps.usage.days import day_of
from apps.usage.models import Report, ReportName


def money_report(connection: Connection) -> str:
    """The report that tells what was charged by day: that of costs, or usage where that tells it itself;
    "" where none does."""
    provider = PROVIDERS.get(connection.provider)
    if provider is not None and not provider.daily_charges:
        return ""
    apart = provider is not None and ReportName.COSTS in provider.reports
    return ReportName.COSTS if apart else ReportName.USAGE


def why_untold(connection: Connection) -> str:
    """Why no report tells what was charged by day; "" where one does."""
    return "" if money_report(connection) else _("Charges are told call by call alone, not by day.")


def tellers(connections: Sequence[Connection]) -> dict[int, int]:
    """Those whose report of money has been begun with, by id: the first UTC day that it is read back to.
    One query."""
    wanted = {(one.pk, money_report(one)) for one in connections}
    rows = Report.objects.filter(connection__in=connections)
    told = rows.values_list("connection_id", "name", "backfill_to")
    return {pk: earliest for pk, name, earliest in told if (pk, name) in wanted}


def lacking(coverage: Coverage) -> dict[int, set[date]]:
    """The UTC days whose money is not (wholly) read, by connection id. After a connection's end nothing
    is to be read."""
    found: dict[int, set[date]] = {}
    for hole in coverage.holes:
        one = hole.connection
        if hole.report != money_report(one):
            continue
        days = [hole.first + timedelta(days=at) for at in range((hole.last - hole.first).days + 1)]
        ended = one.disconnected_at
        kept = {day for day in days if ended is None or day_of(day) <= day_of(ended)}
        found.setdefault(one.pk, set()).update(kept)
    return found
