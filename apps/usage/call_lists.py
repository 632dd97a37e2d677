"""The list of single calls: the rows beneath a sum, as far as their ledgers have been read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.accounts.models import User
from apps.members.models import Member
from apps.organizations.lists import ListByConnection, connection_column, connection_filter
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.ui import amounts
from apps.ui.filters import ChoiceFilter, DateRangeFilter, Days, Filter
from apps.ui.listing import Column, Empty
from apps.usage import calls, money, reads
from apps.usage.call_models import Call, CallLedger
from apps.usage.coverage import coverage_of
from apps.usage.days import day_of, midnight
from apps.usage.groupings import is_number
from apps.usage.models import ReportName
from apps.usage.rows import Row
from apps.usage.summaries import Compared


@dataclass(frozen=True, slots=True)
class Place:
    """A ledger that could be read: an account at a connection."""

    connection: Connection
    account: str


@dataclass(slots=True)
class Standing:
    """How far a ledger has been read, for the page. ``why``: why it cannot be read now, "" if it can."""

    place: Place
    ledger: CallLedger | None
    why: str

    @property
    def waiting(self) -> bool:
        """Whether a reading is on its way."""
        return self.ledger is not None and self.ledger.due and not self.why


@dataclass(slots=True)
class Sums:
    """What the calls of a list add up to, in dollars; None where the provider does not say."""

    number: int = 0
    prompt: int | None = None
    cached: int | None = None
    completion: int | None = None
    charged: Decimal | None = None
    listed: Decimal | None = None


def places_of(
    connections: Sequence[Connection], accounts: Sequence[tuple[int, str]]
) -> list[Place]:
    """Ledgers of (connection id, account), of providers that have any."""
    known = {one.pk: one for one in connections if tells_calls(one)}
    return [Place(known[pk], account) for pk, account in accounts if pk in known]


def calls_of(user: User | AnonymousUser, places: Sequence[Place]) -> QuerySet[Call]:
    """The calls of ``places`` that ``user`` may see, as far as they were read and are kept."""
    any_of = Q(pk__in=[])
    for one in places:
        any_of |= Q(connection=one.connection.pk, account=one.account)
    kept = Call.objects.visible_to(user).filter(at__gte=calls.kept_from())
    return kept.filter(any_of)


def standings_of(places: Sequence[Place]) -> list[Standing]:
    """How far the ledger of each of ``places`` has been read. One query."""
    rows = CallLedger.objects.filter(connection__in=[one.connection for one in places])
    held = {(row.connection_id, row.account): row for row in rows}
    return [
        Standing(one, held.get((one.connection.pk, one.account)), calls.why_not(one.connection))
        for one in places
    ]


def people_with_calls(connections: Sequence[Connection], people: Sequence[str]) -> set[str]:
    """Those of ``people``, by id, who are or were at one of ``connections``. One query."""
    ids = [int(one) for one in people if is_number(one)]
    if not ids:
        return set()
    rows = Member.objects.filter(connection__in=connections, person__in=ids)
    return {str(pk) for pk in rows.values_list("person_id", flat=True).distinct()}


def tells_calls(connection: Connection) -> bool:
    """Whether the provider of a connection tells of single calls at all."""
    provider = PROVIDERS.get(connection.provider)
    return provider is not None and calls.NAME in provider.reports


def price(amount: Decimal | None) -> str:
    """An amount to its last digit: calls cost fractions of a cent."""
    return amounts.exact(amount)


class _UTCDays(DateRangeFilter):
    """Days as the sums have them: from midnight to midnight UTC, not on the reader's clock."""

    def condition(self, value: Any, page: Any) -> Any:
        condition = Q()
        if value.first:
            condition &= Q(at__gte=midnight(day_of(value.first)))
        if value.last:
            condition &= Q(at__lt=midnight(day_of(value.last) + 1))
        return condition


def _met(column: str) -> Callable[[Any], list[tuple[str, str]]]:
    """What the calls have in a column, and what the address asks for though none has it."""

    def options(page: Any) -> list[tuple[str, str]]:
        rows = page.rows().order_by(column).values_list(column, flat=True).distinct()
        met = [str(one) for one in rows if one]
        asked = page.params.get(column, "")[:200]
        return [(one, one) for one in [*met, *([asked] if asked and asked not in met else [])]]

    return options


def _to_the_second(at: datetime, row: Any, page: Any) -> str:
    """When a call was made, on the reader's clock: many are made in an hour."""
    local = timezone.localtime(at)
    words = f"{date_format(local, 'j M')} {local:%H:%M:%S}"
    title = f"{date_format(local, 'D j M Y')} {local:%H:%M:%S} {local.tzname()}"
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), title, words)


class CallList(ListByConnection[Call]):
    """The calls of ``request.places``, each an account whose ledger may be read."""

    name = "calls"
    title = gettext_lazy("Single calls")
    all_label = gettext_lazy("All calls")
    template = "usage/calls.html"
    default_sort = "-at"
    columns = [
        Column(key="at", label=gettext_lazy("At"), cell=_to_the_second, sort="at", css="cell-main"),
        Column(key="model", label=gettext_lazy("Model")),
        Column(
            key="operation",
            label=gettext_lazy("Operation"),
            value=lambda row: row.operation.replace("_", " ").capitalize(),
            export="operation",
        ),
        connection_column(),
        Column(
            key="prompt_tokens",
            label=gettext_lazy("Input"),
            cell="number",
            sort="prompt_tokens",
            nullable=True,
            numeric=True,
        ),
        Column(
            key="cached_tokens", label=gettext_lazy("Of it cached"), cell="number", numeric=True
        ),
        Column(
            key="completion_tokens",
            label=gettext_lazy("Output"),
            cell="number",
            sort="completion_tokens",
            nullable=True,
            numeric=True,
        ),
        Column(
            key="charged",
            label=gettext_lazy("Charged"),
            value=lambda row: price(row.charged),
            sort="charged_micros",
            nullable=True,
            numeric=True,
            export="charged",
        ),
        Column(
            key="listed",
            label=gettext_lazy("List price"),
            value=lambda row: price(row.listed),
            sort="listed_micros",
            nullable=True,
            numeric=True,
            export="listed",
        ),
        Column(key="total_tokens", label=gettext_lazy("Tokens"), shown=False),
        Column(key="inference_provider", label=gettext_lazy("Served by"), shown=False),
        Column(key="own_key", label=gettext_lazy("Own provider key"), shown=False),
        Column(key="account", label=gettext_lazy("Account"), shown=False),
        Column(key="generation_id", label=gettext_lazy("Generation"), shown=False),
        Column(key="remote_id", label=gettext_lazy("Id at the provider"), shown=False),
    ]
    filters: ClassVar[Sequence[Filter]] = [
        _UTCDays(key="day", label=gettext_lazy("Days (UTC)"), field="at"),
        ChoiceFilter(
            key="model", label=gettext_lazy("Model"), options=_met("model"), lookup="model"
        ),
        ChoiceFilter(
            key="operation",
            label=gettext_lazy("Operation"),
            options=_met("operation"),
            lookup="operation",
        ),
        connection_filter(),
    ]

    @property
    def places(self) -> list[Place]:
        """The accounts at hand."""
        found: list[Place] = self.request.places
        return found

    def rows(self) -> QuerySet[Call]:
        """Their calls, as far as they were read and are kept."""
        return calls_of(self.request.user, self.places)

    def prepare(self, rows: list[Call]) -> None:
        """Give each row its connection, without a query of its own."""
        for row in rows:
            row.connection = self.connections[row.connection_id]

    @cached_property
    def shown_columns(self) -> list[Column]:
        """The connection where there are several."""
        one_place = len({one.connection.pk for one in self.places}) < 2
        return [one for one in super().shown_columns if not (one_place and one.key == "connection")]

    def controls(self) -> list[dict[str, Any]]:
        """The same for its filter, unless it is set."""
        one_place = len({one.connection.pk for one in self.places}) < 2
        hidden = one_place and "connection" not in self.values
        return [
            one for one in super().controls() if not (hidden and one["filter"].key == "connection")
        ]

    def no_match(self) -> Empty:
        """Perhaps they were not read."""
        return Empty(
            icon="filter-off",
            title=_("Nothing matches"),
            text=_(
                "No call that has been read passes these filters. What is above says how far that is."
            ),
            url=self.clear_url,
            label=_("Clear filters"),
        )

    def counted(self, count: int) -> str:
        """ "1,204 calls"."""
        return ngettext("%(n)s call", "%(n)s calls", count) % {"n": self.number(count)}

    def nothing_yet(self) -> Empty:
        """Nothing was read, or nothing was called."""
        return Empty(
            icon="list",
            title=_("No calls here yet"),
            text=_("Single calls are read when somebody asks for them: see above."),
        )

    # --- What stands above the list -----------------------------------------------------------------

    @cached_property
    def chosen_places(self) -> list[Place]:
        """Those that the filter by connection lets through."""
        wanted = self.values.get("connection")
        return [one for one in self.places if wanted in (None, str(one.connection.pk))]

    @cached_property
    def standings(self) -> list[Standing]:
        """How far each ledger has been read. One query."""
        return standings_of(self.chosen_places)

    @cached_property
    def sums(self) -> Sums:
        """Of all calls that pass the filters. One query."""
        names = ("prompt_tokens", "cached_tokens", "completion_tokens")
        parts = ("charged_micros", "charged_femtos", "listed_micros", "listed_femtos")
        found = self.matching.order_by().aggregate(
            number=Count("pk"), **{f"sum_{name}": Sum(name) for name in (*names, *parts)}
        )
        whole = {
            name: None if found[f"sum_{name}"] is None else int(found[f"sum_{name}"])
            for name in (*names, *parts)
        }
        amounts_of = {
            kind: None
            if whole[f"{kind}_micros"] is None
            else money.joined(whole[f"{kind}_micros"], whole[f"{kind}_femtos"])
            for kind in ("charged", "listed")
        }
        return Sums(
            found["number"],
            whole["prompt_tokens"],
            whole["cached_tokens"],
            whole["completion_tokens"],
            amounts_of["charged"],
            amounts_of["listed"],
        )

    @property
    def first_wanted(self) -> date:
        """How far back a reading that is asked for here should go."""
        days: Days | None = self.values.get("day")
        earliest = calls.kept_from().date()
        first = days.first if days and days.first else timezone.now().date() - timedelta(days=6)
        return max(first, earliest)

    def account_filters(self) -> dict[str, list[Any]]:
        """What ``reads.sums`` is to be filtered by for the same accounts."""
        return {"account": [one.account for one in self.chosen_places]}

    @cached_property
    def compared(self) -> "Against | None":
        """These calls held against the report by day; None where either is not whole, or no days are
        chosen. Four queries."""
        days: Days | None = self.values.get("day")
        if not days or not days.first or not days.last or days.last >= timezone.now().date():
            return None
        first, last = days.first, days.last
        if last < first or not all(_has(one, first, last) for one in self.standings):
            return None
        connections = [one.connection for one in self.chosen_places]
        if not coverage_of(connections, first, last, [ReportName.USAGE]).is_complete:
            return None
        filters = self.account_filters()
        filters |= {
            name: [self.values[name]] for name in ("model", "operation") if name in self.values
        }
        report = Row({})
        for row in reads.sums(connections, first, last, (), filters):
            report.add(row)
        sums = self.sums
        figures = [
            Compared(_("Input tokens"), report.input, sums.prompt or 0),
            Compared(_("Output tokens"), report.output, sums.completion or 0),
            Compared(_("List price"), report.listed or Decimal(0), sums.listed or Decimal(0)),
        ]
        if all(PROVIDERS[one.provider].daily_charges for one in connections):
            charged = sums.charged or Decimal(0)
            figures.insert(2, Compared(_("Charged"), report.cost, charged))
        return Against(figures, [one for one in figures if one.difference])

    def _fragment(self) -> HttpResponse:
        """The table, and what its calls add up to, which stands above it."""
        answer = super()._fragment()
        given = {"page": self, "oob": True, **self.context()}
        answer.write(render_to_string(f"{self.template}#sums", given, self.request))
        return answer

    def context(self) -> dict[str, Any]:
        """What the page says above the list."""
        return {
            "standings": self.standings,
            "waiting": any(one.waiting for one in self.standings),
            "askable": any(not one.why for one in self.standings),
            "sums": self.sums,
            "charged": price(self.sums.charged),
            "listed": price(self.sums.listed),
            "compared": self.compared,
            "kept_days": (timezone.now() - calls.kept_from()).days + 1,
            "first_wanted": self.first_wanted,
            "earliest": calls.kept_from().date(),
            "sources": [
                str(PROVIDERS[one.connection.provider].sources) for one in self.chosen_places[:1]
            ],
        }


@dataclass(slots=True)
class Against:
    """A list of calls beside the report by day: each figure, and those that differ."""

    figures: list[Compared] = field(default_factory=list)
    differing: list[Compared] = field(default_factory=list)


def _has(standing: Standing, first: date, last: date) -> bool:
    """Whether a ledger was read from the beginning of ``first`` to the end of ``last``."""
    row = standing.ledger
    if row is None or row.read_at is None or row.reached is None or row.unreadable:
        return False
    begin = row.reached <= midnight(day_of(first)) or row.ended
    kept = calls.kept_from() <= midnight(day_of(first))
    return begin and kept and row.read_at >= midnight(day_of(last) + 1) + calls.LATE_ENTRY


def query_of(first: date, last: date, **filters: str) -> str:
    """What the address of a list of calls ends with for UTC days and filters."""
    given = {"day_from": first.isoformat(), "day_to": last.isoformat(), **filters}
    return f"?{urlencode({name: value for name, value in given.items() if value})}"
