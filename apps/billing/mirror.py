"""How money is mirrored: eight listings, most of a single row, and what each complete walk leaves behind."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.billing.models import (
    Card,
    Credit,
    CreditPoint,
    Payment,
    Plan,
    PlanPeriod,
    Promotion,
    Subscription,
    TopUp,
)
from apps.billing.money import Inexact, in_micros
from apps.invites.models import Invite
from apps.organizations.models import Connection
from apps.providers.errors import Forbidden, NotFound, Refused, Unclear
from apps.providers.protocol import Adapter, BillingAdapter
from apps.providers.records import Page, Record, Unreadable
from apps.providers.records import billing as records
from apps.sync import schedule
from apps.sync.mirrors import Mirror
from apps.sync.models import RemoteChange
from apps.usage.days import day_of

QUARTER, HALF = 900, 1800  # seconds between walks
NAMELESS = "~"  # before the id of a payment that its provider gave none


def with_billing(adapter: Adapter) -> BillingAdapter:
    """The adapter, as one that tells of money. Refused where its provider does not."""
    if isinstance(adapter, BillingAdapter):
        return adapter
    raise Refused(_("This provider's API tells nothing of credit, payments and plans."))


class Row(Record, frozen=True, gc=False):
    """A record on its way into the mirror: its own columns, and the JSON that is kept."""

    columns: tuple[Any, ...]
    raw: bytes


def _values(row: Row, now: datetime) -> tuple[Any, ...]:
    return row.columns


def _rows(found: Iterable[Any], row_of: Callable[[Any], Row], page: Page[Any]) -> Page[Row]:
    """``found`` as rows; one whose money does not fit is unreadable."""
    rows, unreadable = [], list(page.unreadable)
    for record in found:
        try:
            rows.append(row_of(record))
        except Inexact as error:
            remote_id, raw = getattr(record, "remote_id", ""), getattr(record, "raw", b"{}")
            unreadable.append(Unreadable(remote_id, str(error), raw))
    return Page(rows, page.next_cursor, unreadable, page.requests, page.total)


def _one(row: Row | None) -> Page[Row]:
    return Page([] if row is None else [row], None)


def _no_news(connection: Connection, changes: list[RemoteChange]) -> list[RemoteChange]:
    """Payments and the like have pages of their own, and are no changes of settings."""
    return []


# --- Credit ---------------------------------------------------------------------------------------


def _fetch_credit(adapter: Adapter, cursor: str | None) -> Page[Row]:
    there = with_billing(adapter)
    found = there.balance()
    if found.amount_usd is None:
        raise Unclear(_("The answer has no balance that can be read."))
    try:
        micros = in_micros(found.amount_usd)
    except Inexact as error:
        raise Unclear(str(error)) from None
    raw = msgspec.json.encode({"micros": micros})
    return _one(Row(there.organization_id, (micros,), raw))


CREDIT = Mirror(
    name="credit",
    label=gettext_lazy("Credit"),
    capability="credit.read",
    model=Credit,
    fetch=_fetch_credit,
    columns=("micros",),
    values=_values,
    label_column="remote_id",
    target_column="remote_id",
    news=_no_news,
)


def keep_point(connection: Connection, now: datetime) -> None:
    """Note the credit as the mirror has it, if it differs. Inside the caller's transaction."""
    row = Credit.objects.filter(connection=connection, gone_at__isnull=True).first()
    if row is None:
        return
    last = CreditPoint.objects.filter(connection=connection).order_by("-at", "-pk").first()
    if last is None or last.micros != row.micros:
        CreditPoint.objects.create(
            connection=connection, at=now, day=day_of(now), micros=row.micros
        )


# --- Payments -------------------------------------------------------------------------------------


def named(found: list[records.PaymentRecord]) -> list[records.PaymentRecord]:
    """The same, each with an id. Payments that nothing tells apart are counted."""
    met: Counter[str] = Counter()
    told = []
    for one in found:
        if not one.remote_id:
            facts = (one.paid_at, one.creator_id, one.amount_usd, one.credits_usd)
            name = blake2b(repr(facts).encode(), digest_size=12).hexdigest()
            met[name] += 1
            one = msgspec.structs.replace(one, remote_id=f"{NAMELESS}{name}.{met[name]}")
        told.append(one)
    return told


def _payment(one: records.PaymentRecord) -> Row:
    columns = (
        one.paid_at or one.created_at,
        one.creator_id,
        in_micros(one.amount_usd),
        in_micros(one.credits_usd),
        one.status,
    )
    return Row(one.remote_id, columns, one.raw)


def _fetch_payments(adapter: Adapter, cursor: str | None) -> Page[Row]:
    page = with_billing(adapter).payments(cursor=cursor)
    return _rows(named(page.rows), _payment, page)


PAYMENT_COLUMNS = ("at", "creator", "amount_micros", "credits_micros", "status")
PAYMENTS = Mirror(
    name="payments",
    label=gettext_lazy("Payments"),
    capability="payments.read",
    model=Payment,
    fetch=_fetch_payments,
    columns=PAYMENT_COLUMNS,
    values=_values,
    label_column="remote_id",
    target_column="remote_id",
    news=_no_news,
    every_seconds=QUARTER,
)


def watch_payments(connection: Connection, now: datetime) -> None:
    """After a whole walk: payments that were waited for are those listed now, and what is not final yet
    is asked for until it is. Inside the caller's transaction."""
    waiting = Payment.objects.filter(connection=connection, remote_id__isnull=True)
    for one in waiting.exclude(awaited_id=""):
        listed = Payment.objects.filter(connection=connection, remote_id=one.awaited_id).first()
        if listed:
            become(one, listed)
    final = Q(status__in=records.SETTLED)
    open_ones = Payment.objects.filter(
        ~final, connection=connection, poll_at__isnull=True, gone_at__isnull=True
    ).exclude(remote_id__startswith=NAMELESS)
    if open_ones.update(poll_at=now, polls=0):
        schedule.soon(connection, "payment_states")


def become(waiting: Payment, listed: Payment) -> None:
    """Let the row that was waited with go on as the one that is listed: its address stays the same."""
    listed.delete()
    for name in ("remote_id", "raw", "fingerprint", *PAYMENT_COLUMNS):
        setattr(waiting, name, getattr(listed, name))
    waiting.save()


# --- Plans ----------------------------------------------------------------------------------------


def _plan(one: records.Plan) -> Row:
    columns = (
        one.name,
        one.kind,
        one.interval,
        in_micros(one.seat_price_usd),
        in_micros(one.fee_usd),
        one.max_seats,
        one.free_seats,
        one.on_sale,
    )
    return Row(one.remote_id, columns, one.raw)


def _fetch_plans(adapter: Adapter, cursor: str | None) -> Page[Row]:
    page = with_billing(adapter).list_plans(cursor=cursor)
    return _rows(page.rows, _plan, page)


PLANS = Mirror(
    name="plans",
    label=gettext_lazy("Plans on offer"),
    capability="plans.read",
    model=Plan,
    fetch=_fetch_plans,
    columns=(
        "name",
        "kind",
        "interval",
        "seat_micros",
        "fee_micros",
        "max_seats",
        "free_seats",
        "on_sale",
    ),
    values=_values,
    label_column="name",
    target_column="remote_id",
    watched=("seat_micros",),
    news=_no_news,
    every_seconds=HALF,
)


def _told(plan: records.Plan | None) -> tuple[Any, ...]:
    if plan is None:
        return ("", "", None)
    return (plan.name, plan.interval, in_micros(plan.seat_price_usd))


def _most_seats(there: BillingAdapter, plan_id: str) -> int | None:
    """What the plan's own page adds. A plan whose page is not shown to this key is a plan all the same."""
    try:
        details = there.get_organization_plan_details(plan_id)
    except (NotFound, Forbidden, Refused):
        return None
    return details.max_seats


def _invites(there: BillingAdapter) -> int | None:
    """How many pending invites hold a seat, by the provider's own count: its list of them may lack some.

    Nothing depends on it, and its shape is nowhere documented: what cannot be read is not told.
    """
    try:
        return there.count_invites()
    except (NotFound, Forbidden, Refused, Unclear):
        return None


def _fetch_plan(adapter: Adapter, cursor: str | None) -> Page[Row]:
    there = with_billing(adapter)
    found, requests = there.plan(), 1
    if found is None:
        return _one(None)
    plan = found.plan
    most = plan.max_seats if plan else None
    if there.sells_seats and plan is not None and plan.remote_id and most is None:
        most, requests = _most_seats(there, plan.remote_id), 2
    try:
        told = _told(plan)
    except Inexact as error:
        raise Unclear(str(error)) from None
    counted = None
    if there.sells_seats:
        counted, requests = _invites(there), requests + 1
    columns = (
        plan.remote_id if plan else "",
        *told,
        most,
        found.seats,
        found.seats_used,
        counted,
        found.period_start,
        found.period_end,
        found.cancel_at,
        found.cancelled_at,
    )
    # By the JSON that is kept a row is known to have changed.
    raw = msgspec.json.encode([msgspec.Raw(found.raw), counted])
    return Page([Row(there.organization_id, columns, raw)], None, requests=requests)


SUBSCRIPTION = Mirror(
    name="plan",
    label=gettext_lazy("Plan and seats"),
    capability="plan.read",
    model=Subscription,
    fetch=_fetch_plan,
    columns=(
        "plan_id_there",
        "plan_name",
        "interval",
        "seat_micros",
        "max_seats",
        "seats",
        "seats_used",
        "invites_counted",
        "period_start",
        "period_end",
        "cancel_at",
        "cancelled_at",
    ),
    values=_values,
    label_column="plan_name",
    target_column="remote_id",
    watched=("plan_name", "seats"),
    every_seconds=QUARTER,
)


def count_anew(connection: Connection, now: datetime) -> None:
    """After a whole walk of the invites: have the provider count them again where it counted otherwise.
    Inside the caller's transaction."""
    counted = Subscription.objects.filter(connection=connection, gone_at__isnull=True)
    for number in counted.exclude(invites_counted=None).values_list("invites_counted", flat=True):
        present = Invite.objects.filter(connection=connection, gone_at__isnull=True)
        if number != present.filter(state=Invite.State.PENDING).count():
            schedule.soon(connection, SUBSCRIPTION.name)


def _period(one: records.PlanPeriod) -> Row:
    columns = (*_told(one.plan), one.seats, one.started_at, one.ended_at, one.cancelled_at)
    return Row(one.remote_id, columns, one.raw)


def _fetch_history(adapter: Adapter, cursor: str | None) -> Page[Row]:
    page = with_billing(adapter).list_organization_plan_history(cursor=cursor)
    return _rows(page.rows, _period, page)


PLAN_HISTORY = Mirror(
    name="plan_history",
    label=gettext_lazy("Earlier plans"),
    capability="plan.history",
    model=PlanPeriod,
    fetch=_fetch_history,
    columns=(
        "plan_name",
        "interval",
        "seat_micros",
        "seats",
        "started_at",
        "ended_at",
        "cancelled_at",
    ),
    values=_values,
    label_column="plan_name",
    target_column="remote_id",
    news=_no_news,
    every_seconds=HALF,
)


# --- Promotions, automatic purchases, the card ----------------------------------------------------


def _promotion(one: records.Promotion) -> Row:
    money = (in_micros(one.credits_usd), in_micros(one.remaining_usd))
    return Row(one.remote_id, (one.name, *money, one.expires_at, one.created_at), one.raw)


def _fetch_promotions(adapter: Adapter, cursor: str | None) -> Page[Row]:
    page = with_billing(adapter).promotions(cursor=cursor)
    return _rows(page.rows, _promotion, page)


PROMOTIONS = Mirror(
    name="promotions",
    label=gettext_lazy("Promotions"),
    capability="promotions.read",
    model=Promotion,
    fetch=_fetch_promotions,
    columns=("name", "credits_micros", "remaining_micros", "expires_at", "created_at"),
    values=_values,
    label_column="name",
    target_column="remote_id",
    every_seconds=HALF,
)


def _fetch_top_up(adapter: Adapter, cursor: str | None) -> Page[Row]:
    there = with_billing(adapter)
    found = there.auto_top_up()
    try:
        columns = (found.enabled, in_micros(found.threshold_usd), in_micros(found.amount_usd))
    except Inexact as error:
        raise Unclear(str(error)) from None
    return _one(Row(there.organization_id, columns, msgspec.json.encode(columns)))


TOP_UP = Mirror(
    name="top_up",
    label=gettext_lazy("Automatic purchases"),
    capability="top_up.read",
    model=TopUp,
    fetch=_fetch_top_up,
    columns=("enabled", "threshold_micros", "amount_micros"),
    values=_values,
    label_column="remote_id",
    target_column="remote_id",
    news=_no_news,
    every_seconds=QUARTER,
)


def _fetch_card(adapter: Adapter, cursor: str | None) -> Page[Row]:
    found = with_billing(adapter).default_payment_method()
    if found is None:
        return _one(None)
    last4 = found.last4 if found.last4.isdecimal() else ""
    columns = (found.kind, found.brand, last4, found.expires_month, found.expires_year)
    # What else the provider may send of a card is not kept.
    return _one(Row(found.remote_id or "card", columns, msgspec.json.encode(columns)))


CARD = Mirror(
    name="card",
    label=gettext_lazy("Payment method"),
    capability="card.read",
    model=Card,
    fetch=_fetch_card,
    columns=("kind", "brand", "last4", "expires_month", "expires_year"),
    values=_values,
    label_column="brand",
    target_column="remote_id",
    watched=("last4",),
    every_seconds=HALF,
)

MIRRORS = (CREDIT, PAYMENTS, PLANS, SUBSCRIPTION, PLAN_HISTORY, PROMOTIONS, TOP_UP, CARD)
NAMES = tuple(one.name for one in MIRRORS)
