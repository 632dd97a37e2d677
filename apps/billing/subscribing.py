"""A plan, its seats and its end: what they cost, how each is asked for, sent, read back, and written here.

Subscribing and changing seats may charge the card, and nobody can make the provider do so once alone: both
are money, never sent again by a machine. Ending a plan charges nothing and can be read back, so it is not.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.accounts.models import User
from apps.billing.mirror import PAYMENTS, PLAN_HISTORY, SUBSCRIPTION, with_billing
from apps.billing.models import Plan, Subscription
from apps.billing.money import of_micros
from apps.billing.words import usd
from apps.invites.models import Invite
from apps.members.models import Member
from apps.organizations.models import Connection
from apps.providers.errors import Forbidden, NotFound, Refused
from apps.providers.protocol import Adapter, BillingAdapter
from apps.providers.records.billing import Subscription as Told
from apps.sync import schedule
from apps.sync.models import Command
from apps.sync.outbox.kinds import (
    Done,
    Json,
    Kind,
    Moot,
    NotDone,
    Step,
    Undecided,
    Verdict,
    register,
)
from apps.sync.outbox.requests import RequestRefused, Wish, ask

SUBSCRIBE_KIND, SEATS_KIND, CANCEL_KIND = (
    "billing.subscribe",
    "billing.set_seats",
    "billing.cancel_plan",
)
PLAN_KINDS = (SUBSCRIBE_KIND, SEATS_KIND, CANCEL_KIND)
MOST = 100_000  # seats in one go: more is a slip of the finger
CENTS_A_DOLLAR = 100


# --- What is held, and what it would cost ---------------------------------------------------------


def held(connection: Connection) -> Subscription | None:
    """The plan that is in force, as far as it was read; None where there is none."""
    rows = Subscription.objects.filter(connection=connection, gone_at__isnull=True)
    row = rows.first()
    return None if row is None or is_over(row, timezone.now()) else row


def is_over(row: Subscription, now: datetime) -> bool:
    """Whether a plan that was cancelled has run out."""
    return row.cancel_at is not None and row.cancel_at <= now


@dataclass(frozen=True, slots=True)
class InUse:
    """Seats that are held at one connection, as they are mirrored.

    ``unlisted``: pending invites that the provider counts and does not list, as it was read last.
    """

    members: int
    invites: int
    unlisted: int = 0

    @property
    def total(self) -> int:
        """Of those that are known."""
        return self.members + self.invites


def in_use(connection: Connection) -> InUse:
    """Who holds a seat there: each member and each pending invite. Three queries."""
    present = {"connection": connection, "gone_at__isnull": True}
    members = Member.objects.filter(**present).count()
    invites = Invite.objects.filter(**present, state=Invite.State.PENDING).count()
    return InUse(members, invites, unlisted(held(connection), invites))


def unlisted(row: Subscription | None, listed: int) -> int:
    """How many pending invites the provider counts beyond the ``listed`` ones."""
    counted = row.invites_counted if row else None
    return max(0, counted - listed) if counted is not None else 0


def price(seat_micros: int | None, seats: int, fee_micros: int | None = 0) -> Decimal | None:
    """What ``seats`` cost for one interval, in dollars; None where a price is not told."""
    if seat_micros is None:
        return None
    return of_micros(seat_micros * seats + (fee_micros or 0))


def in_cents(amount: Decimal | None) -> int | None:
    """Dollars as cents, rounded up; None for None."""
    if amount is None:
        return None
    return int((amount * CENTS_A_DOLLAR).to_integral_value(ROUND_CEILING))


def added(row: Subscription, seats: int) -> Decimal | None:
    """What ``seats`` cost more than now for one interval; 0 where they are fewer."""
    return price(row.seat_micros, max(0, seats - (row.seats or 0)))


def in_seats(seats: int | None) -> str:
    """ "1 seat", "1,204 seats"."""
    if seats is None:
        return _("seats of an unknown number")
    return ngettext("%(n)s seat", "%(n)s seats", seats) % {"n": f"{seats:,}"}


# --- What is refused here already -----------------------------------------------------------------


def why_not_seats(connection: Connection, seats: int, most: int | None) -> str:
    """What is wrong with a number of seats; "" if nothing is, as far as it was read here."""
    if seats < 1:
        return _("At least one seat.")
    if most is not None and seats > most:
        return _("This plan has %(most)s at most.") % {"most": in_seats(most)}
    if seats > MOST:
        return _("At most %(most)s in one go.") % {"most": in_seats(MOST)}
    used = in_use(connection)
    if seats < used.total:
        return _(
            "%(used)s are in use (%(members)s by members, %(invites)s by pending invites): "
            "take some back first."
        ) % {
            "used": in_seats(used.total),
            "members": f"{used.members:,}",
            "invites": f"{used.invites:,}",
        }
    return ""


def why_not_subscribe(plan: Plan, seats: int) -> str:
    """Why ``plan`` cannot be bought with so many seats; "" if it can, as far as it was read here."""
    if held(plan.connection):
        return _("A plan is in force already: change its seats, or cancel it first.")
    if plan.gone_at or plan.on_sale is False:
        return _("This plan is not on offer any more.")
    return why_not_seats(plan.connection, seats, plan.max_seats)


def why_not_change(row: Subscription, seats: int) -> str:
    """Why a plan that is held cannot be given so many seats; "" if it can, as far as it was read here."""
    if seats == row.seats:
        return _("It is so already.")
    return why_not_seats(row.connection, seats, row.max_seats)


# --- Asking ---------------------------------------------------------------------------------------


def subscribe(*, plan: Plan, seats: int, actor: User, nonce: str) -> Command:
    """Buy ``plan`` with so many seats. Raises RequestRefused."""
    if why := why_not_subscribe(plan, seats):
        raise RequestRefused(why)
    wish = Wish(
        kind=SUBSCRIBE_KIND,
        connection=plan.connection,
        target=_target(plan.connection),
        label=plan.name,
        arguments={
            "plan": plan.remote_id,
            "seats": seats,
            "cents": in_cents(price(plan.seat_micros, seats, plan.fee_micros)),
            "seat_micros": plan.seat_micros,
            "interval": plan.interval,
        },
        row_id=plan.pk,
    )
    return ask(wish, actor=actor, nonce=nonce)


def set_seats(*, row: Subscription, seats: int, actor: User, nonce: str) -> Command:
    """Pay for so many seats of the plan that is held. Raises RequestRefused."""
    if why := why_not_change(row, seats):
        raise RequestRefused(why)
    wish = Wish(
        kind=SEATS_KIND,
        connection=row.connection,
        target=_target(row.connection),
        label=in_seats(seats),
        arguments={
            "plan": row.plan_id_there,
            "seats": seats,
            "cents": in_cents(added(row, seats)),
            "seat_micros": row.seat_micros,
            "interval": row.interval,
        },
        before={"seats": row.seats},
        row_id=row.pk,
    )
    return ask(wish, actor=actor, nonce=nonce)


def cancel(*, row: Subscription, actor: User, nonce: str) -> Command:
    """Have the plan that is held end. Raises RequestRefused."""
    if row.cancelled_at:
        raise RequestRefused(_("It is cancelled already."))
    wish = Wish(
        kind=CANCEL_KIND,
        connection=row.connection,
        target=_target(row.connection),
        label=row.plan_name,
        arguments={"plan": row.plan_id_there},
        before={"seats": row.seats},
        row_id=row.pk,
    )
    return ask(wish, actor=actor, nonce=nonce)


def _target(connection: Connection) -> str:
    return SUBSCRIPTION.target(connection.remote_organization_id)


# --- Carrying it out ------------------------------------------------------------------------------


def _row(command: Command) -> Subscription | None:
    return Subscription.objects.filter(pk=command.row_id or 0, gone_at__isnull=True).first()


def _plan_is_held(command: Command) -> str:
    """The before-image: what the person saw must still be so."""
    row = _row(command)
    if row is None or row.plan_id_there != command.arguments["plan"]:
        return _("The provider tells of no such plan any more.")
    if row.seats != command.before.get("seats"):
        return _("Meanwhile it was changed at the provider: %(now)s.") % {
            "now": in_seats(row.seats)
        }
    return ""


def _no_plan_is_held(command: Command) -> str:
    return _("Meanwhile a plan is in force.") if held(command.connection) else ""


def _in_force(there: BillingAdapter) -> Told | None:
    """The plan that the provider tells of, if it still runs."""
    found = there.plan()
    if found is None or (found.cancel_at is not None and found.cancel_at <= timezone.now()):
        return None
    return found


def _facts(command: Command, found: Told | None) -> Json:
    """What an answer tells of a plan, as JSON."""
    if found is None:
        return {}
    told: Json = {
        "plan": found.plan.remote_id if found.plan else "",
        "seats": found.seats,
        "cancelled_at": _iso(found.cancelled_at),
        "cancel_at": _iso(found.cancel_at),
    }
    if found.checkout_url:
        told["url"] = found.checkout_url
    return told


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _read_anew(connection: Connection) -> None:
    for mirror in (SUBSCRIPTION, PLAN_HISTORY, PAYMENTS):
        schedule.soon(connection, mirror.name)


# Subscribing


def _history(there: BillingAdapter) -> list[str] | None:
    """The ids of every time with a plan there has been; None where the provider does not tell."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        try:
            page = there.list_organization_plan_history(cursor=cursor)
        except (Forbidden, NotFound, Refused):
            return None
        found += [one.remote_id for one in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            return found


def _look_for_none(adapter: Adapter, command: Command) -> Json:
    """The baseline: the times with a plan there have been. Where one runs nothing is sent: that the provider
    would refuse it is likely, and no more."""
    there = with_billing(adapter)
    if _in_force(there):
        raise Refused(_("A plan is in force at the provider: nothing was bought."))
    return {"ids": _history(there)}


def _send_subscription(adapter: Adapter, command: Command) -> Json:
    given = command.arguments
    found = with_billing(adapter).subscribe_organization_plan(given["plan"], given["seats"])
    return _bought(command, found)


def _bought(command: Command, found: Told) -> Json:
    told = _facts(command, found)
    if found.history_id and _is_unclaimed(command, found.history_id):
        told["remote_id"] = found.history_id
    return told


def _is_unclaimed(command: Command, remote_id: str) -> bool:
    """Whether no other change of ours has made it."""
    claims = Command.objects.filter(connection_id=command.connection_id, remote_id=remote_id)
    return not claims.exclude(pk=command.pk).exists()


def _read_subscription(adapter: Adapter, command: Command) -> Verdict:
    """The wanted plan with the wanted seats, begun since it was sent, is ours. The rest a person decides."""
    there, wanted = with_billing(adapter), command.arguments
    found = _in_force(there)
    if found is None:
        return Undecided(
            _(
                "No plan has appeared at the provider, and it may still do so. "
                "Money is not sent again by itself: look there, then decide."
            )
        )
    known = None if command.in_doubt else command.baseline.get("ids")
    is_new = known is not None and bool(found.history_id) and found.history_id not in known
    is_wanted = found.plan is not None and found.plan.remote_id == wanted["plan"]
    if is_new and is_wanted and found.seats == wanted["seats"]:
        return Done(_bought(command, found))
    name = found.plan.name if found.plan else _("a plan without a name")
    label = f"{name}, {in_seats(found.seats)}"
    candidates = []
    if found.history_id and _is_unclaimed(command, found.history_id):
        candidates = [{"id": found.history_id, "label": label}]
    words = _("At the provider a plan is in force (%(plan)s), and nobody can tell whether by this.")
    return Undecided(words % {"plan": label}, candidates)


def _settle_subscription(command: Command) -> None:
    given, now = command.arguments, timezone.now()
    plan = Plan.objects.filter(pk=command.row_id or 0).first()
    facts = {
        "plan_id_there": given["plan"],
        "plan_name": command.label,
        "interval": given["interval"],
        "seat_micros": given["seat_micros"],
        "max_seats": plan.max_seats if plan else None,
        "seats": given["seats"],
        "period_start": None,
        "period_end": None,
        "cancel_at": None,
        "cancelled_at": None,
        "gone_at": None,
        "changed_at": now,
        "fingerprint": 0,
    }
    Subscription.objects.update_or_create(
        connection=command.connection,
        remote_id=command.connection.remote_organization_id,
        defaults=facts,
        create_defaults=facts | {"first_seen_at": now},
    )
    _read_anew(command.connection)


def _words(command: Command) -> dict[str, object]:
    given = command.arguments
    micros = given.get("seat_micros")
    return {
        "plan": command.label,
        "connection": command.connection,
        "seats": in_seats(given.get("seats")),
        "before": in_seats(command.before.get("seats")),
        "cost": usd(price(micros, given.get("seats") or 0)),
        "interval": given.get("interval") or _("each interval"),
    }


SUBSCRIBE = Kind(
    name=SUBSCRIBE_KIND,
    label=gettext_lazy("Subscribe to a plan"),
    action="billing.plan",
    capability="plan.change",
    resource=SUBSCRIPTION.name,
    steps=(Step("subscribe", _send_subscription, _read_subscription, look=_look_for_none),),
    describe=lambda command: (
        _("%(plan)s with %(seats)s at %(connection)s: %(cost)s (%(interval)s).") % _words(command)
    ),
    settle=_settle_subscription,
    check=_no_plan_is_held,
    is_money=True,
    private=frozenset({"url"}),  # where the first payment is made
)


# Seats


def _look_at_seats(adapter: Adapter, command: Command) -> Json:
    """The before-image at the provider itself: the new number is a total, not a difference."""
    found = _in_force(with_billing(adapter))
    if found is None:
        raise Refused(_("No plan is in force at the provider: nothing was changed."))
    if found.seats != command.before.get("seats"):
        now = in_seats(found.seats)
        raise Refused(_("Meanwhile it was changed at the provider: %(now)s.") % {"now": now})
    return {"seats": found.seats}


def _send_seats(adapter: Adapter, command: Command) -> Json:
    found = with_billing(adapter).set_organization_plan_seats(command.arguments["seats"])
    return _facts(command, found)


def _read_seats(adapter: Adapter, command: Command) -> Verdict:
    found = _in_force(with_billing(adapter))
    if found is None:
        return Undecided(_("The provider tells of no plan any more: look there, then decide."))
    if found.seats == command.arguments["seats"]:
        return Done(_facts(command, found))
    words = _(
        "The provider tells of %(now)s. More seats may cost money, so it is not sent again by itself."
    )
    return Undecided(words % {"now": in_seats(found.seats)})


def _settle_seats(command: Command) -> None:
    Subscription.objects.filter(pk=command.row_id or 0).update(
        seats=command.arguments["seats"], changed_at=timezone.now(), fingerprint=0
    )
    _read_anew(command.connection)


SEATS = Kind(
    name=SEATS_KIND,
    label=gettext_lazy("Change the seats"),
    action="billing.plan",
    capability="plan.change",
    resource=SUBSCRIPTION.name,
    steps=(Step("seats", _send_seats, _read_seats, look=_look_at_seats),),
    describe=lambda command: (
        _("%(before)s at %(connection)s become %(seats)s: then %(cost)s for all (%(interval)s).")
        % _words(command)
    ),
    settle=_settle_seats,
    check=_plan_is_held,
    is_money=True,
)


# The end


def _send_cancellation(adapter: Adapter, command: Command) -> Json:
    found = with_billing(adapter).cancel_organization_plan(command.arguments["plan"])
    return _facts(command, found)


def _read_cancellation(adapter: Adapter, command: Command) -> Verdict:
    found = _in_force(with_billing(adapter))
    if found is None:
        return Done()
    if found.plan is not None and found.plan.remote_id != command.arguments["plan"]:
        return Moot(_("Meanwhile another plan is in force at the provider."))
    is_cancelled = found.cancelled_at is not None or found.cancel_at is not None
    return Done(_facts(command, found)) if is_cancelled else NotDone()


def _settle_cancellation(command: Command) -> None:
    told: dict[str, Any] = command.results[-1] if command.results else {}
    now = timezone.now()
    Subscription.objects.filter(pk=command.row_id or 0).update(
        cancelled_at=told.get("cancelled_at") or now,
        cancel_at=told.get("cancel_at"),
        changed_at=now,
        fingerprint=0,
    )
    _read_anew(command.connection)


CANCEL = Kind(
    name=CANCEL_KIND,
    label=gettext_lazy("Cancel the plan"),
    action="billing.plan",
    capability="plan.change",
    resource=SUBSCRIPTION.name,
    steps=(Step("cancel", _send_cancellation, _read_cancellation, gone_is_done=True),),
    describe=lambda command: (
        _("%(plan)s at %(connection)s is not renewed: it runs out with what is paid for.")
        % _words(command)
    ),
    settle=_settle_cancellation,
    check=_plan_is_held,
    final=True,
)


def register_kinds() -> None:
    """Make the changes known to the outbox."""
    for kind in (SUBSCRIBE, SEATS, CANCEL):
        register(kind)
