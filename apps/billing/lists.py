"""The list of payments, and of seats in use, declared."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.billing.models import Payment
from apps.billing.money import CURRENCY
from apps.billing.sellers import Sellers
from apps.billing.whose import Pages, pages_of
from apps.billing.words import STATES, state_of, usd
from apps.members.models import Member
from apps.organizations.lists import ListByConnection, connection_column, connection_filter
from apps.organizations.models import Connection
from apps.providers.catalogue import PROVIDERS
from apps.sync.schedule import freshness
from apps.ui.filters import ChoiceFilter, DateRangeFilter, Filter, SearchFilter
from apps.ui.listing import BulkAction, Column, Empty
from apps.usage import reads
from apps.usage.days import day_of
from apps.usage.models import ReadDay, ReportName, Rollup
from apps.usage.tuples import grain_for

IDLE_DAYS = (14, 30, 60, 90)
RECLAIMABLE = 30  # days without use, for the figures above the seats


def _money(value: Any, row: Any, page: Any) -> str:
    return escape(usd(value))


def _currency(row: Any) -> str:
    return CURRENCY


def _shown_day(value: Any, row: Any, page: Any) -> str:
    if value:
        return escape(date_format(value, "SHORT_DATE_FORMAT"))
    unread = page.unread.get(row.connection_id)
    words = _("not in the days read") if unread else _("never seen")
    return f'<span class="text-secondary">{escape(words)}</span>'


def in_state(value: str, page: Any = None) -> Q:
    """Payments in a state; "other": in one that nobody here knows."""
    if value == "other":
        return ~Q(status__in=STATES)
    return Q(status=value)


class PaymentList(ListByConnection[Payment]):
    """One row for each purchase of credit at each connection."""

    name = "payments"
    title = gettext_lazy("Payments")
    all_label = gettext_lazy("All payments")
    template = "billing/payments.html"
    default_sort = "-at"
    columns = [
        Column(
            key="at",
            label=gettext_lazy("Paid"),
            cell="billing/cells.html:at",
            sort="at",
            nullable=True,
            css="cell-main",
        ),
        Column(
            key="state",
            label=gettext_lazy("State"),
            value=state_of,
            cell="ui/cells.html:badge",
            sort="status",
            export="status",
        ),
        Column(
            key="amount",
            label=gettext_lazy("Amount"),
            cell=_money,
            sort="amount_micros",
            nullable=True,
            numeric=True,
        ),
        Column(
            key="credits",
            label=gettext_lazy("Credit bought"),
            cell=_money,
            numeric=True,
        ),
        Column(key="currency", label=gettext_lazy("Currency"), value=_currency, shown=False),
        Column(
            key="payer", label=gettext_lazy("By"), value="payer", cell="billing/cells.html:payer"
        ),
        connection_column(),
        Column(key="known_as", label=gettext_lazy("Id at the provider"), shown=False),
        Column(key="failure_reason", label=gettext_lazy("Why it failed"), shown=False),
        Column(key="processor_id", label=gettext_lazy("Id at the card processor"), shown=False),
    ]
    filters: ClassVar[Sequence[Filter]] = [
        SearchFilter(
            label=gettext_lazy("Search payments"),
            placeholder=gettext_lazy("Id at the provider or the card processor"),
            fields=["remote_id", "awaited_id", "processor_id"],
        ),
        ChoiceFilter(
            key="status",
            label=gettext_lazy("State"),
            options=[
                *((key, word) for key, (_tone, word) in STATES.items()),
                ("other", gettext_lazy("Another")),
            ],
            lookup=in_state,
        ),
        DateRangeFilter(key="paid", label=gettext_lazy("Paid"), field="at"),
        connection_filter(),
    ]

    @cached_property
    def pages(self) -> Pages:
        """The pages among which the list is."""
        return pages_of(self.request)

    def rows(self) -> QuerySet[Payment]:
        """The organization's payments that their providers have."""
        rows = Payment.objects.visible_to(self.request.user).select_related("command__actor")
        return rows.filter(connection__in=list(self.connections), gone_at__isnull=True)

    def prepare(self, rows: list[Payment]) -> None:
        """Give each row its connection and whoever paid. One query."""
        payers = payers_of(rows)
        for row in rows:
            row.connection = self.connections[row.connection_id]
            row.payer_member = payers.get((row.connection_id, row.creator))  # type: ignore[attr-defined]  # for the cells
            row.payer = payer_name(row)  # type: ignore[attr-defined]  # likewise

    def row_url(self, row: Payment) -> str:
        """The payment's own page."""
        return self.pages.url("payment", row.pk)

    def person_url(self, row: Payment) -> str:
        """Who paid; "" where nobody here is known."""
        member = row.payer_member  # type: ignore[attr-defined]  # given by prepare()
        return f"/o/{self.organization.slug}/people/{member.person_id}/" if member else ""

    def row_label(self, row: Payment) -> str:
        """The amount and the id."""
        return f"{usd(row.amount)} {row.known_as}".strip()

    def context(self) -> dict[str, Any]:
        """How fresh the list is, and whose payments it lacks."""
        sellers = Sellers(self.request)
        return {
            "tab": "payments",
            "pages": self.pages,
            "freshness": freshness(self.organization, "payments"),
            "silent": sellers.silent("payments.read") if sellers.with_any() else [],
        }

    def counted(self, count: int) -> str:
        """ "1,204 payments"."""
        return ngettext("%(n)s payment", "%(n)s payments", count) % {"n": self.number(count)}

    def nothing_yet(self) -> Empty:
        """No payment, or nobody who could tell of one."""
        return _nothing(self, "payments.read", _("No payment yet"), "credit-card")


def payers_of(payments: Sequence[Payment]) -> dict[tuple[int, str], Member]:
    """Whoever paid each of ``payments``, by connection id and the provider's id. One query."""
    creators = {one.creator for one in payments if one.creator}
    if not creators:
        return {}
    members = Member.objects.filter(
        Q(remote_user_id__in=creators) | Q(remote_id__in=creators),
        connection__in={one.connection_id for one in payments},
    ).select_related("person")
    found: dict[tuple[int, str], Member] = {}
    for one in members:
        for name in (one.remote_id, one.remote_user_id):
            if name:
                found[one.connection_id, name] = one
    return found


def payer_name(payment: Payment) -> str:
    """Who paid, in words; "" where nobody is named."""
    member: Member | None = getattr(payment, "payer_member", None)
    if member:
        return member.name or member.email
    automatic = payment.creator and payment.creator == payment.connection.remote_organization_id
    alone = PROVIDERS[payment.connection.provider].is_personal
    if automatic and not alone:
        return _("automatic purchase")
    if payment.command and payment.command.actor:
        return payment.command.asked_by
    if automatic:  # the person's own id stands for both
        return _("you, or an automatic purchase")
    return payment.creator


def _nothing(page: ListByConnection[Any], capability: str, title: str, icon: str) -> Empty:
    sellers = Sellers(page.request)
    slug = page.organization.slug
    if not sellers.live:
        return page.not_connected(
            _("Connect your organization at Cline: what it pays appears here a moment later.")
        )
    silent = sellers.silent(capability)
    if len(silent) == len(sellers.live):
        return Empty(
            icon=icon,
            title=_("No connection tells of this"),
            text=" ".join(dict.fromkeys(one.why for one in silent if one.why)),
            url=reverse("organizations:connections", kwargs={"slug": slug}),
            label=_("See the connections"),
        )
    return Empty(icon=icon, title=title)


# --- Seats ----------------------------------------------------------------------------------------


def days_in_words(days: int) -> str:
    """ "30 days"."""
    return ngettext("%(n)d day", "%(n)d days", days) % {"n": days}


def idle(days: int) -> Q:
    """Members who have joined longer than ``days`` ago and used nothing since then, as far as it was read."""
    since = timezone.now() - timedelta(days=days)
    grain = grain_for(["account"]).id
    use = Rollup.objects.filter(
        # Spelled out: there is an index for this grain alone, which a parameter would not meet.
        grain=RawSQL(str(grain), ()),  # noqa: S611  # a number of our own
        dimension__connection=OuterRef("connection"),
        dimension__grain=grain,
        dimension__account=OuterRef("remote_id"),
        day__gte=day_of(since),
    )
    return ~Q(joined_at__gt=since) & ~Q(Exists(use))


def give_last_days(rows: Sequence[Member], connections: Mapping[int, Connection]) -> None:
    """Give each row its connection, and as ``last_day`` the last on which it used anything. One query."""
    ids = [row.remote_id for row in rows if row.remote_id]
    asked = [connections[pk] for pk in {row.connection_id for row in rows}]
    days = reads.last_days(asked, "account", ids)
    for row in rows:
        row.connection = connections[row.connection_id]
        row.last_day = days.get((row.connection_id, row.remote_id or ""))  # type: ignore[attr-defined]  # for whoever shows it


def unread_days(connections: Sequence[int], days: int) -> dict[int, int]:
    """How many of the last ``days`` whole UTC days of use were not read, by connection id. One query."""
    today = day_of(timezone.now())
    found = ReadDay.objects.filter(
        connection__in=connections,
        report=ReportName.USAGE,
        day__gte=today - days,
        day__lt=today,
    )
    counts = dict(found.order_by().values_list("connection_id").annotate(n=Count("day")))
    return {pk: days - counts.get(pk, 0) for pk in connections}


class SeatList(ListByConnection[Member]):
    """One row for each member who holds a seat."""

    name = "seats"
    title = gettext_lazy("Seats in use")
    all_label = gettext_lazy("All seats")
    template = "billing/seats.html"
    default_sort = "email"
    columns = [
        Column(
            key="email",
            label=gettext_lazy("Person"),
            cell="billing/cells.html:person",
            sort="person__sort_name",
            css="cell-main",
        ),
        Column(key="role", label=gettext_lazy("Role"), value="role_label", export="role"),
        Column(key="last_day", label=gettext_lazy("Last used (UTC)"), cell=_shown_day),
        Column(
            key="joined",
            label=gettext_lazy("Joined"),
            value="joined_at",
            cell="when",
            sort="joined_at",
            nullable=True,
        ),
        connection_column(),
    ]
    filters: ClassVar[Sequence[Filter]] = [
        SearchFilter(
            label=gettext_lazy("Search people"),
            placeholder=gettext_lazy("Name or email"),
            fields=["email", "name"],
        ),
        ChoiceFilter(
            key="idle",
            label=gettext_lazy("Not active for"),
            options=lambda page: [(str(one), days_in_words(one)) for one in IDLE_DAYS],
            lookup=lambda value, page: idle(int(value)),
        ),
        connection_filter(live_alone=True),
    ]
    bulk_actions = [
        BulkAction(
            name="reclaim",
            label=gettext_lazy("Take their seats back"),
            icon="user-minus",
            action="people.remove",
            url_name="billing:reclaim",
            danger=True,
        ),
    ]

    @cached_property
    def seated(self) -> list[int]:
        """The live connections where each member holds a seat."""
        return [one.pk for one in self.live if PROVIDERS[one.provider].holds_seats]

    @cached_property
    def days(self) -> int:
        """How long without use is asked about."""
        return int(self.values.get("idle") or RECLAIMABLE)

    @cached_property
    def unread(self) -> dict[int, int]:
        """How many of those days nobody has read, by connection id: without them nobody is known to be idle."""
        return unread_days(self.seated, self.days)

    def rows(self) -> QuerySet[Member]:
        """Who is a member there now."""
        found = Member.objects.visible_to(self.request.user).select_related("person")
        return found.filter(connection__in=self.seated, gone_at__isnull=True)

    def prepare(self, rows: list[Member]) -> None:
        """Give each row its connection and the last day on which it used anything. One query."""
        give_last_days(rows, self.connections)
        for row in rows:
            row.role_label = str(PROVIDERS[row.connection.provider].role_label(row.role))  # type: ignore[attr-defined]  # likewise

    def row_url(self, row: Member) -> str:
        """The person's own page."""
        return f"/o/{self.organization.slug}/people/{row.person_id}/"

    def row_label(self, row: Member) -> str:
        """Their address."""
        return row.email

    def counted(self, count: int) -> str:
        """ "1,204 seats"."""
        return ngettext("%(n)s member", "%(n)s members", count) % {"n": self.number(count)}

    def nothing_yet(self) -> Empty:
        """No member, or no connection with seats."""
        return _nothing(self, "plan.read", _("Nobody holds a seat yet"), "users")
