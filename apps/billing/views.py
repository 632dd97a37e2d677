"""Pages of money: what is left and how long it lasts, payments, plans, seats."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from apps.billing import failures, history, timeline, words
from apps.billing.buying import WAIT_FOR_A_PERSON, buyers
from apps.billing.lists import (
    RECLAIMABLE,
    PaymentList,
    SeatList,
    idle,
    payer_name,
    payers_of,
    unread_days,
)
from apps.billing.mirror import (
    CARD,
    CREDIT,
    NAMES,
    PAYMENTS,
    PLAN_HISTORY,
    PLANS,
    PROMOTIONS,
    SUBSCRIPTION,
    TOP_UP,
)
from apps.billing.models import (
    Card,
    Credit,
    Payment,
    Plan,
    PlanPeriod,
    Promotion,
    Subscription,
    TopUp,
)
from apps.billing.remote import page_of
from apps.billing.runway import DAYS, Pace, paces
from apps.billing.sellers import Sellers, why_not
from apps.billing.subscribing import PLAN_KINDS, is_over, unlisted
from apps.billing.whose import Pages, fresh, pages_of
from apps.invites.models import Invite
from apps.members.models import Member
from apps.organizations.access import DeskRequest, desk_view
from apps.organizations.models import Connection
from apps.sync.mirrors import Mirror
from apps.sync.models import Command, Resource
from apps.sync.outbox.kinds import kind_of
from apps.sync.schedule import freshness
from apps.ui.charts import Chart

LATELY = 5  # payments on the overview


@dataclass(slots=True)
class Purse:
    """One connection's money, as the overview shows it. ``lacks``: listing → why nothing is told."""

    connection: Connection
    credit: Credit | None
    pace: Pace
    chart: Chart | None
    top_up: TopUp | None
    card: Card | None
    promotions: list[Promotion]
    payments: list[Payment]
    lacks: dict[str, str]

    @property
    def runway(self) -> tuple[str, str, str]:
        """Tone, figure and sentence."""
        return words.runway(self.pace, self.credit.amount if self.credit else None)

    @property
    def is_negative(self) -> bool:
        """Whether more was used than was paid for."""
        return self.credit is not None and self.credit.micros < 0

    @property
    def warns(self) -> bool:
        """Whether it runs out soon with nobody and nothing to buy more."""
        off = self.top_up is not None and self.top_up.enabled is False
        return off and bool(self.runway[0])

    @property
    def can_store_card(self) -> bool:
        """Whether the key may have another card stored."""
        return self.connection.can("card.change")

    @property
    def can_top_up(self) -> bool:
        """Whether the key may change what is bought automatically."""
        return self.connection.can("top_up.change")

    @property
    def expiry(self) -> tuple[str, str]:
        """Tone and sentence on the card's date."""
        return words.card_expiry(self.card, timezone.now()) if self.card else ("", "")

    @property
    def plan_in_words(self) -> str:
        """What is bought automatically."""
        return words.top_up_plan(self.top_up) if self.top_up else ""


def _first(rows: Any) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for row in rows:
        found.setdefault(row.connection_id, row)
    return found


def _grouped(rows: Any) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.connection_id, []).append(row)
    return found


def purses(connections: Sequence[Connection]) -> list[Purse]:
    """The money of each connection. Twelve queries, and one for each of them."""
    ids = [one.pk for one in connections]
    present = {"connection__in": ids, "gone_at__isnull": True}
    left = _first(Credit.objects.filter(**present))
    top_ups, cards = _first(TopUp.objects.filter(**present)), _first(Card.objects.filter(**present))
    now = timezone.now()
    running = Promotion.objects.filter(**present).exclude(expires_at__lte=now)
    promotions = _grouped(running.order_by("expires_at", "pk"))
    payments = {one.pk: _lately(one) for one in connections}
    drawn, told = history.charts(connections), paces(connections)
    lacks = lacking(connections, LACKING)
    return [
        Purse(
            connection=one,
            credit=left.get(one.pk),
            pace=told[one.pk],
            chart=drawn.get(one.pk),
            top_up=top_ups.get(one.pk),
            card=cards.get(one.pk),
            promotions=promotions.get(one.pk, []),
            payments=payments[one.pk],
            lacks=lacks[one.pk],
        )
        for one in connections
    ]


LACKING = (CREDIT, PAYMENTS, TOP_UP, CARD, PROMOTIONS)


def lacking(
    connections: Sequence[Connection], listings: Sequence[Mirror]
) -> dict[int, dict[str, str]]:
    """Why there is nothing of a listing, by connection id and the listing's name: what the key may not read,
    and what no walk has read whole yet. What was read and is empty is not among them. One query."""
    walked = Resource.objects.filter(
        connection__in=connections,
        name__in=[one.name for one in listings],
        completed_at__isnull=False,
    )
    read = set(walked.values_list("connection_id", "name"))
    told: dict[int, dict[str, str]] = {one.pk: {} for one in connections}
    for one in connections:
        for listing in listings:
            if not one.can(listing.capability):
                why = why_not(one, listing.capability)
                told[one.pk][listing.name] = why or _why_untold(one, listing)
            elif (one.pk, listing.name) not in read:
                told[one.pk][listing.name] = _("Not read yet.")
    return told


def _why_untold(connection: Connection, listing: Mirror) -> str:
    if listing.capability in connection.capabilities:
        return _("The key may not read this.")
    return _("It is not known yet whether the key may read this: have the key checked.")


def _lately(connection: Connection) -> list[Payment]:
    rows = Payment.objects.filter(connection=connection, gone_at__isnull=True)
    return list(rows.order_by("-at", "-pk")[:LATELY])


@require_safe
@desk_view("billing.read")
def overview(request: DeskRequest) -> HttpResponse:
    """What is left, how long it lasts, what is bought by itself, and with which card."""
    sellers = Sellers(request)
    connections = sellers.with_any()
    context = {
        **what_there_is(request, pages_of(request), connections, buyers(request)),
        "title": _("Billing"),
        "silent": [
            one for one in sellers.silent("credit.read") if one.connection not in connections
        ],
        "any_connection": bool(sellers.live),
    }
    return render(request, "billing/overview.html", context)


def what_there_is(
    request: DeskRequest,
    pages: Pages,
    connections: Sequence[Connection],
    places: Sequence[Connection],
) -> dict[str, Any]:
    """What the overview shows of ``connections``; credit may be bought for ``places``."""
    return {
        "tab": "overview",
        "pages": pages,
        "purses": purses(connections),
        "may_buy": bool(places),
        "may_top_up": request.may(pages.sort.top_up),
        "may_store_card": request.may(pages.sort.card),
        "flights": _flights(request, pages),
        "days": DAYS,
        "freshness": fresh(request, pages, *NAMES),
    }


def _flights(request: DeskRequest, pages: Pages) -> list[Command]:
    """Changes with money whose outcome is still to come."""
    rows = Command.objects.visible_to(request.user).open()
    rows = rows.filter(organization=request.organization, kind__startswith="billing.")
    if pages.account:
        rows = rows.filter(connection=pages.account)
    found = list(rows.order_by("pk"))
    for command in found:
        command.what = kind_of(command).label  # type: ignore[attr-defined]  # for the template
    return found


# --- Payments -------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("billing.read")
def payments(request: DeskRequest) -> HttpResponseBase:
    """The list; a POST keeps, changes or deletes a saved view of it."""
    return PaymentList.respond(request)


@require_safe
@desk_view("billing.read")
def payment(request: DeskRequest, pk: int) -> HttpResponse:
    """One payment: where it is, and how it came there."""
    return answer_payment(request, pages_of(request), pk)


def answer_payment(request: DeskRequest, pages: Pages, pk: int) -> HttpResponse:
    """The page of one payment, or its facts alone while the provider is asked about it."""
    rows = Payment.objects.visible_to(request.user).filter(
        connection__organization=request.organization
    )
    if pages.account:
        rows = rows.filter(connection=pages.account)
    row = get_object_or_404(rows.select_related("connection", "command__actor"), pk=pk)
    row.payer_member = payers_of([row]).get((row.connection_id, row.creator))  # type: ignore[attr-defined]  # for payer_name
    context = {
        "title": _("Payment of %(amount)s") % {"amount": words.usd(row.amount)},
        "tab": "payments",
        "pages": pages,
        "payment": row,
        "state": words.state_of(row),
        "whereabouts": words.whereabouts(row),
        "failure": failures.explained(row),
        "may_buy": request.may(pages.sort.buy),
        "payer": payer_name(row),
        "member": row.payer_member,  # type: ignore[attr-defined]  # just given
        "events": timeline.of(row),
        "page_there": page_of(row) if request.may(pages.sort.buy) else "",
        "waits": row.poll_at is not None and row.gone_at is None,
        "freshness": fresh(request, pages, "payments"),
    }
    fragment = "#facts" if request.headers.get("HX-Target") == "facts" else ""
    return render(request, f"billing/payment.html{fragment}", context)


# --- Plans and seats ------------------------------------------------------------------------------


@dataclass(slots=True)
class Held:
    """What one connection is subscribed to, what it could be, and what it was."""

    connection: Connection
    subscription: Subscription | None
    plans: list[Plan]
    periods: list[PlanPeriod]
    lacks: dict[str, str]

    @property
    def can_change(self) -> bool:
        """Whether the key may change the plan."""
        return self.connection.can("plan.change")

    @property
    def can_subscribe(self) -> bool:
        """Whether a plan can be bought: none runs, as far as that was read."""
        return self.can_change and not self.in_force and SUBSCRIPTION.name not in self.lacks

    @property
    def is_over(self) -> bool:
        """Whether a plan that was cancelled has run out."""
        return self.subscription is not None and is_over(self.subscription, timezone.now())

    @property
    def in_force(self) -> bool:
        """Whether there is a plan that still runs."""
        return self.subscription is not None and not self.is_over

    @property
    def is_cancelled(self) -> bool:
        """Whether it runs out by itself."""
        return bool(self.subscription and self.subscription.cancelled_at)

    @property
    def price(self) -> Decimal | None:
        """What all seats cost for one interval, in dollars; None where it is not told."""
        return cost_of(self.subscription)

    @property
    def offered(self) -> list[Plan]:
        """The plans for organizations: those for one person are sold to that person."""
        return [one for one in self.plans if one.kind != "individual"]


def cost_of(held: Subscription | None, seats: int | None = None) -> Decimal | None:
    """What ``seats`` of a plan (by default all that are paid for) cost for one interval."""
    if held is None or held.seat_price is None:
        return None
    number = held.seats if seats is None else seats
    return None if number is None else held.seat_price * number


HELD = (SUBSCRIPTION, PLANS, PLAN_HISTORY)


def holdings(connections: Sequence[Connection]) -> list[Held]:
    """What each connection holds, could hold and held. Four queries."""
    lacks = lacking(connections, HELD)
    present = {"connection__in": connections, "gone_at__isnull": True}
    held = _first(Subscription.objects.filter(**present))
    offered = _grouped(
        Plan.objects.filter(**present)
        .select_related("connection")
        .order_by("kind", "seat_micros", "pk")
    )
    periods = _grouped(PlanPeriod.objects.filter(**present).order_by("-started_at", "-pk"))
    return [
        Held(one, held.get(one.pk), offered.get(one.pk, []), periods.get(one.pk, []), lacks[one.pk])
        for one in connections
    ]


@require_safe
@desk_view("billing.read")
def plans(request: DeskRequest) -> HttpResponse:
    """The plan that is held, those on offer beside each other, and those before."""
    sellers = Sellers(request)
    connections = sellers.with_any(one.capability for one in HELD)
    flights = [one for one in _flights(request, pages_of(request)) if one.kind in PLAN_KINDS]
    context = {
        "title": _("Plans"),
        "tab": "plans",
        "held": holdings(connections),
        "silent": [one for one in sellers.silent("plan.read") if one.connection not in connections],
        "any_connection": bool(sellers.live),
        "may_change": request.may("billing.plan"),
        "flights": flights,
        "moving": any(one.state not in WAIT_FOR_A_PERSON for one in flights),
        "freshness": freshness(request.organization, "plan", "plans", "plan_history"),
    }
    return render(request, "billing/plans.html", context)


@dataclass(slots=True)
class Seats:
    """How many seats one connection pays for and who holds them. ``idle``: members without use of late."""

    connection: Connection
    subscription: Subscription | None
    members: int
    invites: int
    idle: int
    unread: int  # of the days without use; then ``idle`` is too many

    @property
    def used(self) -> int:
        """As they are mirrored."""
        return self.members + self.invites

    @property
    def unlisted(self) -> int:
        """Pending invites that the provider counts and does not list."""
        return unlisted(self.subscription, self.invites)

    @property
    def can_change(self) -> bool:
        """Whether the key may change the number of seats, and there is a plan to change."""
        return self.subscription is not None and self.connection.can("plan.change")

    @property
    def free(self) -> int | None:
        """Paid for and held by nobody; None where it is not told."""
        if self.subscription is None or self.subscription.seats is None:
            return None
        return self.subscription.seats - self.used

    @property
    def differs(self) -> bool:
        """Whether the provider counts otherwise."""
        told = self.subscription.seats_used if self.subscription else None
        return told is not None and told != self.used

    @property
    def saving(self) -> Decimal | None:
        """What the idle seats cost for one interval; None while it is not known who is idle."""
        return None if self.unread else cost_of(self.subscription, self.idle)


def seats_of(
    connections: Mapping[int, Connection], unread: Mapping[int, int] | None = None
) -> list[Seats]:
    """The seats of each of ``connections``, by id. ``unread``: as ``unread_days`` tells of the days that
    idle ones are reckoned by, where that is known already. Four queries, or five."""
    present = Q(connection__in=connections, gone_at__isnull=True)
    held = _first(Subscription.objects.filter(present))
    counted = Member.objects.filter(present).order_by().values_list("connection_id")
    members = dict(counted.annotate(n=Count("pk")))
    unknown = unread_days(list(connections), RECLAIMABLE) if unread is None else unread
    idle_ones = dict(counted.filter(idle(RECLAIMABLE)).annotate(n=Count("pk")))
    pending = Invite.objects.filter(present, state=Invite.State.PENDING).order_by()
    invites = dict(pending.values_list("connection_id").annotate(n=Count("pk")))
    return [
        Seats(
            one,
            held.get(pk),
            members.get(pk, 0),
            invites.get(pk, 0),
            idle_ones.get(pk, 0),
            unknown[pk],
        )
        for pk, one in connections.items()
    ]


@require_http_methods(["GET", "HEAD", "POST"])
@desk_view("billing.read")
def seats(request: DeskRequest) -> HttpResponseBase:
    """Who holds a seat, and who has not used it of late; a POST is about a saved view."""
    return _SeatPage.respond(request)


class _SeatPage(SeatList):
    """The list, with the figures above it."""

    def context(self) -> dict[str, Any]:
        """Seats by connection: six queries, with another number of days chosen seven."""
        seated = {pk: self.connections[pk] for pk in self.seated}
        return {
            "tab": "seats",
            "seats": seats_of(seated, self.unread if self.days == RECLAIMABLE else None),
            "idle_days": RECLAIMABLE,
            "unread": [(self.connections[pk].name, n) for pk, n in self.unread.items() if n],
            "days": self.days,
            "may_change": self.request.may("billing.plan"),
            "may_reclaim": self.request.may("people.remove"),
            "freshness": freshness(self.organization, "members", "invites", "plan"),
        }
